"""The plugin cache's file: what is committed stays, what is refused is tried again, what is strange is named."""

from __future__ import annotations

import sqlite3
import threading
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from procengine.errors import CorruptFileError, DataFormatError, StorageError
from procengine.state import (
    Commit,
    Connection,
    Group,
    KeyPlace,
    Place,
    PluginState,
    StoredValue,
    connect,
)
from procengine.state.plugin_state import FILE_NAME, row_crc

HERE = Place("db", 1)


def put(
    key: str, data: bytes = b"data", place: Place = HERE, expires_ns: int | None = None
) -> StoredValue:
    return StoredValue(*place, key, data, zlib.crc32(data), "str", expires_ns, 7, 9)


def commit(
    state: PluginState, *puts: StoredValue, delete: Sequence[str] = (), drop: Sequence[Place] = ()
) -> str | None:
    answer = Commit()
    deletes = [KeyPlace(*HERE, key) for key in delete]
    state.submit(Group(puts=list(puts), deletes=deletes, drops=list(drop)), answer)
    return answer.wait()


def opened(state: PluginState, now_ns: int = 0) -> list[StoredValue]:
    found: list[StoredValue] = []
    state.open(now_ns, found.append)
    return found


def reopened(folder: Path, now_ns: int = 0) -> list[StoredValue]:
    state = PluginState(folder)
    try:
        return opened(state, now_ns)
    finally:
        state.close()


@pytest.fixture
def state(tmp_path: Path) -> Iterator[PluginState]:
    """An empty file's state, open."""
    state = PluginState(tmp_path)
    assert opened(state) == []
    yield state
    state.close()


class Watched:
    """A connection that notes the first word of each statement, and does what a test says before it."""

    def __init__(self, path: Path, before: Callable[[str], None]) -> None:
        self.inner = connect(path)
        self.words: list[str] = []
        self._before = before

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> Iterable[Sequence[Any]]:
        self._note(sql)
        return self.inner.execute(sql, parameters)

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> object:
        self._note(sql)
        return self.inner.executemany(sql, parameters)

    def close(self) -> None:
        self.inner.close()

    def _note(self, sql: str) -> None:
        self.words.append(sql.split(maxsplit=1)[0])
        self._before(sql)


def watched_state(
    folder: Path, before: Callable[[str], None] = lambda sql: None
) -> tuple[PluginState, list[Watched]]:
    made: list[Watched] = []

    def connect_watched(path: Path) -> Connection:
        made.append(Watched(path, before))
        return made[-1]

    return PluginState(folder, connect=connect_watched), made


def test_all_of_a_value_comes_back(tmp_path: Path, state: PluginState) -> None:
    """A row says where, which key, the bytes with their checksum, the type, when it expires, and who changed it."""
    assert commit(state, put("clé\0", b"\0\xff", expires_ns=50)) is None
    state.close()
    assert reopened(tmp_path, 49) == [
        StoredValue("db", 1, "clé\0", b"\0\xff", zlib.crc32(b"\0\xff"), "str", 50, 7, 9)
    ]


@pytest.mark.parametrize("count", [1, 63, 64, 65, 200])
def test_all_of_many_values_come_back(tmp_path: Path, state: PluginState, count: int) -> None:
    """However many are put at once, new ones and others: each comes back as it is, in the order of the first put."""
    first = [varied(number, b"old") for number in range(0, count, 2)]
    second = [varied(number, b"new") for number in range(count)]
    assert commit(state, *first) is None
    assert commit(state, *second) is None
    state.close()
    assert reopened(tmp_path) == second[::2] + second[1::2]


def varied(number: int, data: bytes) -> StoredValue:
    """Return a value that begins like the one before it in one case of three, and ends like it in one of four."""
    database, trigger_id = f"d'{number // 3}é", number // 6
    end = (("str", "plugin.Größe")[number // 4 % 2], None, number // 4 or None, number // 4)
    data += b"%d" % number
    return StoredValue(database, trigger_id, f'"{number}" é', data, zlib.crc32(data), *end)


def test_keys_keep_the_order_of_their_first_put(tmp_path: Path, state: PluginState) -> None:
    """Keys come back in the order in which a dictionary would have them."""
    commit(state, put("b"), put("c"), put("a"))
    commit(state, put("b", b"new"), delete=["c"])
    commit(state, put("c"))
    state.close()
    assert [(each.key, each.data) for each in reopened(tmp_path)] == [
        ("b", b"new"),
        ("a", b"data"),
        ("c", b"data"),
    ]


def test_expired_values_are_gone_from_the_file(tmp_path: Path, state: PluginState) -> None:
    """What expired by the time of the start is not handed out, nor is it there later."""
    commit(state, put("then", expires_ns=10), put("now", expires_ns=20), put("later", expires_ns=21))
    state.close()
    assert [each.key for each in reopened(tmp_path, 20)] == ["later"]
    assert [each.key for each in reopened(tmp_path, 0)] == ["later"]


def test_a_dropped_namespace_takes_its_keys_along(tmp_path: Path, state: PluginState) -> None:
    """A drop removes what was put before it, and nothing that is put after it, nor another namespace's."""
    other = Place("db", 2)
    commit(state, put("old"), put("other", place=other))
    commit(state, drop=[HERE])
    commit(state, put("after"))
    state.close()
    assert [each.key for each in reopened(tmp_path)] == ["other", "after"]


def test_refused_changes_are_kept_as_their_last_ones(tmp_path: Path) -> None:
    """However often the disk refuses: each key's last change, drops included, is what a later commit makes."""
    failing = False

    def before(sql: str) -> None:
        if failing and sql == "COMMIT":
            raise sqlite3.OperationalError("database or disk is full")

    other = Place("db", 2)
    state, _ = watched_state(tmp_path, before)
    opened(state)
    commit(state, put("a"), put("b"), put("c"), put("other", place=other))
    failing = True
    for data in (b"1", b"2"):
        assert commit(state, put("a", data), put("new", data), delete=["b"]) is not None
    assert commit(state, drop=[HERE]) is not None
    assert commit(state, put("b", b"3"), put("new", b"4"), put("new too", b"5")) is not None
    assert commit(state, delete=["new too"]) is not None
    failing = False
    assert commit(state) is None
    state.close()
    assert [(each.key, each.data) for each in reopened(tmp_path)] == [
        ("other", b"data"),
        ("b", b"3"),
        ("new", b"4"),
    ]


def test_groups_that_wait_share_a_transaction(tmp_path: Path) -> None:
    """What comes while the thread writes is written with one commit."""
    busy, go = threading.Event(), threading.Event()

    def before(sql: str) -> None:
        if sql.split(maxsplit=1)[0] == "INSERT" and not busy.is_set():
            busy.set()
            assert go.wait(20)

    state, made = watched_state(tmp_path, before)
    opened(state)
    before_groups = made[0].words.count("BEGIN")
    first = Commit()
    state.submit(Group(puts=[put("first")]), first)
    assert busy.wait(20)
    answers = [Commit() for _ in range(50)]
    for number, answer in enumerate(answers):
        state.submit(Group(puts=[put(f"k{number}")]), answer)
    go.set()
    assert [first.wait(), *(answer.wait() for answer in answers)] == [None] * 51
    state.close()
    assert made[0].words.count("BEGIN") - before_groups == 2
    assert len(reopened(tmp_path)) == 51


def test_every_commit_is_synced(state: PluginState) -> None:
    """The log is synced at each commit: that is what lets a finished run survive the loss of power."""
    connection = state._connection
    assert connection is not None
    settings = {
        name: next(iter(connection.execute(f"PRAGMA {name}")))[0]
        for name in ("journal_mode", "synchronous", "locking_mode")
    }
    assert settings == {"journal_mode": "wal", "synchronous": 2, "locking_mode": "exclusive"}


def test_a_full_disk_is_told_and_the_changes_are_kept(tmp_path: Path) -> None:
    """A group that the disk refuses is answered with the reason; the next commit writes it, in order."""
    made: list[sqlite3.Connection] = []

    def connect_small(path: Path) -> Connection:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        made.append(connection)
        return connection

    state = PluginState(tmp_path, connect=connect_small)
    opened(state)
    commit(state, put("old", b"1"))
    made[0].execute("PRAGMA max_page_count = 1")  # SQLite takes the present size
    early, big = Commit(), bytes(100_000)
    state.submit(Group(puts=[put("old", b"2"), put("big", big)]), early)
    fault = early.wait()
    assert fault is not None
    assert "database or disk is full" in fault
    assert FILE_NAME in fault
    assert not early.durable
    made[0].execute("PRAGMA max_page_count = 1000000")
    assert commit(state, put("old", b"3")) is None
    assert early.durable
    state.close()
    assert [(each.key, each.data) for each in reopened(tmp_path)] == [("old", b"3"), ("big", big)]


def test_a_group_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    """A commit that fails leaves nothing of its group behind, whatever ends the process then."""
    failing = True

    def before(sql: str) -> None:
        if failing and sql == "COMMIT" and made[0].words.count("COMMIT") > 2:
            raise sqlite3.OperationalError("disk I/O error")

    state, made = watched_state(tmp_path, before)
    opened(state)
    assert commit(state, put("a", b"1"), put("b", b"1")) is None
    fault = commit(state, put("a", b"2"), delete=["b"])
    assert fault is not None
    assert "disk I/O error" in fault
    rows = list(made[0].inner.execute("SELECT key, value FROM plugin_cache ORDER BY number"))
    assert rows == [("a", b"1"), ("b", b"1")]
    failing = False
    state.close()
    assert [(each.key, each.data) for each in reopened(tmp_path)] == [("a", b"2")]


def test_an_unknown_version_is_refused(tmp_path: Path, state: PluginState) -> None:
    """A file of a later version is named with both versions, and left as it is."""
    commit(state, put("k"))
    state.close()
    path = tmp_path / FILE_NAME
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 2")
    connection.close()
    with pytest.raises(DataFormatError) as raised:
        reopened(tmp_path)
    assert str(raised.value) == (
        f"the plugin cache {str(path)!r} has schema version 2; this version of procengine reads version 1; "
        "use the procengine that wrote it, or move the file and its '-wal' file out of the folder"
    )


def test_another_programs_file_is_refused(tmp_path: Path) -> None:
    """An SQLite file that procengine did not make is not touched."""
    path = tmp_path / FILE_NAME
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE theirs (n)")
    connection.close()
    with pytest.raises(DataFormatError, match="has schema version 0"):
        reopened(tmp_path)


@pytest.mark.parametrize("place", ["beginning", "pages"])
def test_a_damaged_file_is_named_with_the_way_on(tmp_path: Path, state: PluginState, place: str) -> None:
    """Damage that SQLite sees is an error before anything runs; moving the file away lets all else go on."""
    commit(state, *(put(f"k{number}", bytes(200)) for number in range(500)))
    state.close()
    path = tmp_path / FILE_NAME
    content = bytearray(path.read_bytes())
    start = 0 if place == "beginning" else 8192
    content[start : start + 64] = b"\xa5" * 64
    path.write_bytes(content)
    with pytest.raises(CorruptFileError) as raised:
        reopened(tmp_path)
    assert raised.value.path == str(path)
    assert f"the plugin cache {str(path)!r} is damaged: " in str(raised.value)
    assert "move it and its '-wal' file out of the folder: the plugin cache then begins empty" in str(
        raised.value
    )
    path.rename(tmp_path / "aside")
    assert reopened(tmp_path) == []


def test_a_folder_that_cannot_be_written_to_is_named(tmp_path: Path) -> None:
    """A file that cannot be opened is no damage."""
    with pytest.raises(
        StorageError, match="unable to open database file; see that its folder"
    ) as raised:
        reopened(tmp_path / "missing")
    assert not isinstance(raised.value, CorruptFileError)


def test_a_torn_end_of_the_log_costs_the_last_group_only(tmp_path: Path, state: PluginState) -> None:
    """A crash in the middle of a commit leaves the group before it."""
    commit(state, put("k", b"1"))
    commit(state, put("k", b"2"), put("other"))
    log = tmp_path / f"{FILE_NAME}-wal"
    files = {path.name: path.read_bytes() for path in (tmp_path / FILE_NAME, log)}
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for name, content in files.items():
        (crashed / name).write_bytes(content if name == FILE_NAME else content[:-1000])
    assert [(each.key, each.data) for each in reopened(crashed)] == [("k", b"1")]


def test_nothing_is_taken_after_the_end(state: PluginState) -> None:
    """A run that could not be stopped learns that its changes are lost, and does not hang."""
    state.close()
    assert commit(state, put("k")) == "the engine is stopped"
    state.close()


def killed(folder: Path) -> tuple[Path, list[StoredValue]]:
    """Return the file that a process left behind that was killed after three commits, and what it holds."""
    state = PluginState(folder)
    opened(state)
    for number in range(3):
        assert (
            commit(state, put(f"key {number}", bytes([number]) * 40, expires_ns=10**18 + number)) is None
        )
    left = folder / "left"
    left.mkdir()
    for name in (FILE_NAME, f"{FILE_NAME}-wal"):
        (left / name).write_bytes((folder / name).read_bytes())
    state.close()
    return left / FILE_NAME, reopened(folder)


@pytest.mark.parametrize("suffix", ["", "-wal"])
def test_no_bit_turns_in_silence(tmp_path: Path, suffix: str) -> None:
    """With any bit turned a file opens as it was, or is refused by name, or what is passed over is kept aside."""
    path, stored = killed(tmp_path)
    files = {each: path.with_name(FILE_NAME + each).read_bytes() for each in ("", "-wal")}
    if not suffix:  # move the log into the file first
        folder = tmp_path / "moved"
        folder.mkdir()
        for each, data in files.items():
            (folder / (FILE_NAME + each)).write_bytes(data)
        assert reopened(folder) == stored
        files = {"": (folder / FILE_NAME).read_bytes()}
    whole = files[suffix]
    for number, place in enumerate(range(3, len(whole), max(1, len(whole) // 150))):
        folder = tmp_path / f"turned-{number}"
        folder.mkdir()
        for each, data in files.items():
            (folder / (FILE_NAME + each)).write_bytes(data)
        turned = bytearray(whole)
        turned[place] ^= 1 << (number % 8)
        (folder / (FILE_NAME + suffix)).write_bytes(turned)
        kept: list[tuple[Path, int, bytes]] = []
        state = PluginState(folder, keep=lambda *cut, kept=kept: kept.append(cut))
        try:
            found = opened(state)
        except (CorruptFileError, DataFormatError) as error:
            named = FILE_NAME in str(error)
            found = stored if named else []
        finally:
            state.close()
        unread = [(one.key, one.expires_ns) for one in found if zlib.crc32(one.data) == one.crc]
        same = unread == [(one.key, one.expires_ns) for one in stored]
        damaged_values = len(found) == len(stored) and len(unread) < len(found)
        assert same or damaged_values or kept, (place, found)


@pytest.mark.parametrize("expires_ns", [None, 17])
def test_checksum_of_a_row_is_that_of_its_repr(expires_ns: int | None) -> None:
    """Files of before are read: the checksum is taken of the row as a tuple reads, whatever is in its texts."""
    value = StoredValue("d'b", 1, 'a "key"\n\udc80ä', b"data", 99, "list", expires_ns, None, 123)
    text = repr(("d'b", 1, 'a "key"\n\udc80ä', 99, "list", expires_ns, None, 123))
    assert row_crc(value) == zlib.crc32(text.encode("utf-8", "surrogatepass"))
