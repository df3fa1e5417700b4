"""What the catalog keeps on disk: reopening, torn tails, damage, full disks, checkpoints."""

from __future__ import annotations

import os
import resource
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from procengine.catalog import Catalog, catalog_files
from procengine.catalog.catalog_files import CHECKPOINT_FORMAT
from procengine.catalog.event_codec import decode_commit, decode_state, encode_commit, encode_state
from procengine.catalog.event_log import LOG_FORMAT
from procengine.catalog.state import CatalogState
from procengine.clock import VirtualClock
from procengine.errors import CorruptFileError, DataFormatError, ProcengineError, StorageError
from procengine.model.catalog_event import TriggerCreated
from procengine.model.column import Column, ColumnType
from procengine.model.framing import FileFormat, Record, decode_records
from procengine.model.run_limits import RunLimits
from procengine.model.trigger import ErrorBehavior, Trigger

USAGE = Column("usage", ColumnType.FLOAT)


def opened(folder: Path) -> Catalog:
    catalog = Catalog(folder, clock=VirtualClock(1_735_689_600_000_000_000))
    catalog.start()
    return catalog


def state_of(folder: Path) -> CatalogState:
    catalog = opened(folder)
    catalog.close()
    return catalog.state


def trigger(name: str, database: str = "home") -> Trigger:
    return Trigger(database=database, name=name, plugin_filename="p.py", spec="every:1s")


def fill(catalog: Catalog) -> list[CatalogState]:
    """Make one commit of every kind and return the state after each."""
    states = [catalog.state]
    changes = [
        lambda: catalog.evolve("home", {"cpu": [Column("host", ColumnType.TAG), USAGE], "mem": [USAGE]}),
        lambda: catalog.evolve("home", {"cpu": [Column("größe", ColumnType.UINTEGER)]}),
        lambda: catalog.create_trigger(trigger("a")),
        lambda: catalog.create_trigger(
            Trigger(
                database="home",
                name="b",
                plugin_filename="q/",
                spec="table:cpu",
                arguments={"k": "v", "ü": ""},
                run_async=True,
                error_behavior=ErrorBehavior.DISABLE,
                disabled=True,
            )
        ),
        lambda: catalog.replace_trigger(replace(trigger("b"), limits=RunLimits(wall_ns=5, runs=2))),
        lambda: catalog.pause_trigger("home", "b", "it was too far behind"),
        lambda: catalog.set_trigger_disabled("home", "a", True),
        lambda: catalog.delete_trigger("home", "b", force=True),
        lambda: catalog.create_last_cache("home", "cpu", count=3, ttl_seconds=60),
        lambda: catalog.create_last_cache("home", "cpu", name="few", value_columns=["usage"]),
        lambda: catalog.create_distinct_cache("home", "cpu", columns=["host"], max_age_seconds=5),
        lambda: catalog.create_distinct_cache("home", "cpu", columns=["host"], name="other"),
        lambda: catalog.delete_last_cache("home", "cpu", "few"),
        lambda: catalog.delete_distinct_cache("home", "cpu", "other"),
        lambda: catalog.delete_table("home", "mem"),
        lambda: catalog.create_database("gone", retention_period_ns=5),
        lambda: catalog.evolve("gone", {"cpu": [USAGE]}),
        lambda: catalog.delete_database("gone"),
        lambda: catalog.evolve("gone", {"cpu": [USAGE]}),
        lambda: catalog.create_token("_admin", "00"),
        lambda: catalog.create_token("ü", "01", expiry_seconds=60),
        lambda: catalog.regenerate_admin_token("02"),
        lambda: catalog.delete_token("ü"),
    ]
    for change in changes:
        change()
        states.append(catalog.state)
    return states


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """No file of this process can grow past a size, as on a disk that is full."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_catalog_reopens_as_it_was(tmp_path: Path) -> None:
    """Every kind of change survives; ids go on from where they were; the identities stay."""
    catalog = opened(tmp_path)
    states = fill(catalog)
    catalog.close()
    again = opened(tmp_path)
    assert again.state == states[-1]
    assert again.create_trigger(trigger("new")).trigger_id == 3
    assert again.create_last_cache("home", "cpu", name="new").cache_id == 5
    again.close()


def test_a_trigger_that_an_older_version_wrote_is_read() -> None:
    """What has neither limits nor a pause is stored as it was before there were any, and so read."""
    commit = encode_commit(1, [TriggerCreated(database_id=1, trigger=trigger("a"))])
    assert b"limits" not in commit
    assert b"pause_reason" not in commit
    assert decode_commit(commit) == (1, [TriggerCreated(database_id=1, trigger=trigger("a"))])


def test_a_pause_ends_with_enable_disable_and_replace(tmp_path: Path) -> None:
    """A pause is for good until then; its first reason holds, and a disabled trigger is not paused."""
    catalog = opened(tmp_path)
    catalog.create_database("home")
    catalog.create_trigger(trigger("a"))
    for end in (
        lambda: catalog.set_trigger_disabled("home", "a", False),
        lambda: catalog.replace_trigger(trigger("a")),
        lambda: catalog.set_trigger_disabled("home", "a", True),
    ):
        catalog.pause_trigger("home", "a", "first")
        assert catalog.pause_trigger("home", "a", "second").pause_reason == "first"
        end()
        assert catalog.database("home").triggers["a"].pause_reason is None
    assert catalog.pause_trigger("home", "a", "first").pause_reason is None
    catalog.close()


def test_state_round_trips_through_a_checkpoint(tmp_path: Path) -> None:
    """A checkpoint holds everything that the events led to, order included."""
    catalog = opened(tmp_path)
    for state in fill(catalog):
        decoded = decode_state(encode_state(state))
        assert decoded == state
        assert list(decoded.databases) == list(state.databases)
    catalog.close()


def test_catalog_cut_anywhere_opens_at_a_state_that_existed(tmp_path: Path) -> None:
    """Whatever a crash left of the last record, the catalog opens at the commit before it."""
    folder = tmp_path / "whole"
    catalog = opened(folder)
    states = fill(catalog)
    catalog.close()
    data = (folder / "0.log").read_bytes()
    *records, _ = decode_records(data, len(LOG_FORMAT.header))
    ends = [record.end for record in records if isinstance(record, Record)]
    cut_folder = tmp_path / "cut"
    around = {end + step for end in ends for step in (-1, 0, 1, 8)}
    for cut in sorted(around | set(range(ends[0], len(data), 23))):
        if not ends[0] <= cut <= len(data):
            continue
        shutil.rmtree(cut_folder, ignore_errors=True)
        cut_folder.mkdir()
        (cut_folder / "0.log").write_bytes(data[:cut])
        found = state_of(cut_folder)
        assert found == states[sum(1 for end in ends if end <= cut) - 1]
        assert (cut in ends) is not any(cut_folder.glob("damaged/*"))


def test_torn_tail_is_kept_aside_with_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A torn tail is cut off, kept in a file of its own, and reported; the log goes on."""
    catalog = opened(tmp_path)
    catalog.create_database("home")
    catalog.close()
    log = tmp_path / "0.log"
    size = log.stat().st_size
    with log.open("ab") as file:
        file.write(b"half a record")
    again = opened(tmp_path)
    assert (
        f"cut 13 bytes of an unfinished or damaged record off {str(log)!r} at offset {size}"
        in caplog.text
    )
    (kept,) = tmp_path.glob("damaged/*")
    assert kept.read_bytes() == b"half a record"
    again.create_database("work")
    again.close()
    assert list(state_of(tmp_path).databases) == ["_internal", "home", "work"]


def test_damage_in_the_middle_is_named(tmp_path: Path) -> None:
    """A bad record before good ones stops the start, with file and offset; nothing is cut."""
    catalog = opened(tmp_path)
    catalog.create_database("home")
    catalog.create_database("work")
    catalog.close()
    log = tmp_path / "0.log"
    data = bytearray(log.read_bytes())
    *records, _ = decode_records(bytes(data), len(LOG_FORMAT.header))
    data[records[1].offset + 20] ^= 1  # type: ignore[union-attr]
    log.write_bytes(data)
    with pytest.raises(CorruptFileError) as raised:
        opened(tmp_path)
    assert raised.value.path == str(log)
    assert raised.value.offset == records[1].offset  # type: ignore[union-attr]
    assert f"{str(log)!r} is damaged at byte {raised.value.offset}" in str(raised.value)
    assert log.read_bytes() == bytes(data)


@pytest.mark.parametrize("known", [LOG_FORMAT, CHECKPOINT_FORMAT])
def test_unknown_version_is_refused(tmp_path: Path, known: FileFormat) -> None:
    """A log or checkpoint of another version is refused with both versions named."""
    newer = FileFormat(kind=known.kind, magic=known.magic, version=9)
    path = tmp_path / ("0.log" if known is LOG_FORMAT else "7.checkpoint")
    path.write_bytes(newer.header)
    with pytest.raises(DataFormatError, match="format version 9; this procengine reads version 1"):
        opened(tmp_path)


def test_unknown_event_is_refused(tmp_path: Path) -> None:
    """A good record with an event that this version does not know is a matter of format, not damage."""
    opened(tmp_path).close()
    catalog = opened(tmp_path)
    log = catalog._head.log
    assert log is not None
    log.log.write(log.end, b'{"sequence_number":2,"events":[{"event":"moon_landed"}]}')
    catalog.close()
    with pytest.raises(DataFormatError, match=r"0\.log.* at byte .*moon_landed"):
        opened(tmp_path)


def test_full_disk_fails_the_commit_and_changes_nothing(tmp_path: Path) -> None:
    """A commit that the disk refuses raises, leaves memory and log as they were, and can be tried again."""
    catalog = opened(tmp_path)
    catalog.create_database("home")
    state, log = catalog.state, tmp_path / "0.log"
    before = log.read_bytes()
    with full_disk(len(before) + 30), pytest.raises(StorageError, match="cannot write catalog log"):
        catalog.create_database("work")
    assert catalog.state is state
    assert log.read_bytes() == before
    catalog.create_database("work")
    catalog.close()
    assert state_of(tmp_path) == catalog.state


def test_interrupted_commit_is_not_visible_and_the_next_takes_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interrupt between the disk and memory leaves the catalog as it was; the log stays whole."""
    catalog = opened(tmp_path)
    durable = catalog._durable

    def interrupted(*args: object) -> None:
        durable(*args)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    monkeypatch.setattr(catalog, "_durable", interrupted)
    with pytest.raises(KeyboardInterrupt):
        catalog.create_database("a-database-with-a-rather-long-name")
    monkeypatch.undo()
    assert [one.name for one in catalog.databases] == ["_internal"]
    catalog.create_database("b")
    catalog.close()
    assert state_of(tmp_path) == catalog.state


def test_folder_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    """A file where the folder should be is a storage error with the path and what is accepted."""
    (tmp_path / "catalog").write_text("not a folder")
    with pytest.raises(
        StorageError, match=r"cannot use catalog folder .*catalog'.*can be read and written"
    ):
        opened(tmp_path / "catalog")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_read_only_folder_is_named(tmp_path: Path) -> None:
    """A folder without the right to write is a storage error."""
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="cannot use catalog folder"):
        opened(tmp_path)
    tmp_path.chmod(0o700)


def test_checkpoints_take_the_place_of_logs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log stays in proportion to the state, old files go, and reopening gives the same state."""
    monkeypatch.setattr(catalog_files, "SMALLEST_LOG_BYTES", 500)
    catalog = opened(tmp_path)
    catalog.create_database("home")
    for number in range(100):
        catalog.create_trigger(trigger(f"t{number}"))
    catalog.close()
    (checkpoint,) = tmp_path.glob("*.checkpoint")
    (log,) = tmp_path.glob("*.log")
    assert checkpoint.stem == log.stem
    assert log.stat().st_size < 2 * checkpoint.stat().st_size + 1000
    assert state_of(tmp_path) == catalog.state
    assert state_of(tmp_path).sequence_number == 102


def test_checkpoint_that_fails_is_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A checkpoint needs no success: the commit counts, a warning is logged, the old log goes on."""
    monkeypatch.setattr(catalog_files, "SMALLEST_LOG_BYTES", 3000)
    catalog = opened(tmp_path)
    catalog.create_database("home")
    (tmp_path / "blocker").mkdir()
    monkeypatch.setattr(
        catalog_files.CatalogFiles,
        "_path",
        lambda self, number, suffix: tmp_path / "blocker" / "x" / "y",
    )
    for number in range(15):
        catalog.create_trigger(trigger(f"t{number}"))
    assert "cannot write a catalog checkpoint" in caplog.text
    monkeypatch.undo()
    catalog.close()
    assert state_of(tmp_path) == catalog.state
    assert len(catalog.database("home").triggers) == 15


@pytest.mark.parametrize("steps_done", ["checkpoint", "checkpoint and log", "log goes on"])
def test_crash_within_a_checkpoint_loses_nothing(tmp_path: Path, steps_done: str) -> None:
    """Between any two steps of a checkpoint, and when the old log went on after it, all commits are there."""
    catalog = opened(tmp_path)
    catalog.create_database("home")
    files, head = catalog._files, catalog._head
    assert files is not None
    if steps_done == "checkpoint":
        files._write_checkpoint(head.state)
    else:
        old = (tmp_path / "0.log").read_bytes()
        assert head.log is not None
        files.checkpoint(head.state, head.log).log.close()
        (tmp_path / "0.log").write_bytes(old)
    if steps_done == "log goes on":
        catalog.close()
        with (tmp_path / "0.log").open("ab") as file:
            file.write(_records_of("work", tmp_path / "other"))
        assert list(state_of(tmp_path).databases) == ["_internal", "home", "work"]
    else:
        catalog.close()
        assert state_of(tmp_path) == head.state
    assert len(list(tmp_path.glob("*.log"))) == 1
    again = opened(tmp_path)
    again.create_database("after")
    again.close()
    assert state_of(tmp_path) == again.state


def _records_of(database: str, folder: Path) -> bytes:
    """The last record of a catalog that created `home`, then another database."""
    catalog = opened(folder)
    catalog.create_database("home")
    catalog.create_database(database)
    catalog.close()
    data = (folder / "0.log").read_bytes()
    *records, _ = decode_records(data, len(LOG_FORMAT.header))
    return data[records[-1].offset :]  # type: ignore[union-attr]


def test_damaged_checkpoint_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint is durable before it bears its name, so a bad one is damage."""
    monkeypatch.setattr(catalog_files, "SMALLEST_LOG_BYTES", 100)
    catalog = opened(tmp_path)
    catalog.create_database("home")
    catalog.close()
    (checkpoint,) = tmp_path.glob("*.checkpoint")
    data = bytearray(checkpoint.read_bytes())
    data[-1] ^= 1
    checkpoint.write_bytes(data)
    with pytest.raises(CorruptFileError, match="is damaged at byte 12") as raised:
        opened(tmp_path)
    assert raised.value.path == str(checkpoint)
    checkpoint.unlink()
    with pytest.raises(CorruptFileError, match="is missing, though its log is there"):
        opened(tmp_path)


NAMES = st.sampled_from(["a", "b", "c"])
OPERATIONS = st.lists(
    st.one_of(
        st.tuples(st.just("create_database"), NAMES),
        st.tuples(st.just("delete_database"), NAMES),
        st.tuples(st.just("evolve"), NAMES, NAMES, st.sampled_from(ColumnType)),
        st.tuples(st.just("delete_table"), NAMES, NAMES),
        st.tuples(st.just("create_trigger"), NAMES, NAMES),
        st.tuples(st.just("create_last_cache"), NAMES, NAMES, NAMES),
        st.tuples(st.just("delete_last_cache"), NAMES, NAMES, NAMES),
        st.tuples(st.just("create_distinct_cache"), NAMES, NAMES, NAMES),
        st.tuples(st.just("delete_distinct_cache"), NAMES, NAMES, NAMES),
        st.tuples(st.just("disable"), NAMES, NAMES, st.booleans()),
        st.tuples(st.just("delete_trigger"), NAMES, NAMES, st.booleans()),
        st.tuples(st.just("reopen")),
    ),
    max_size=40,
)


def perform(catalog: Catalog, operation: tuple[object, ...]) -> None:
    match operation:
        case ("create_database", str(name)):
            catalog.create_database(name)
        case ("delete_database", str(name)):
            catalog.delete_database(name)
        case ("evolve", str(name), str(table), ColumnType() as kind):
            catalog.evolve(name, {table: [Column(f"x{kind.value[0]}", kind), Column("y", kind)]})
        case ("delete_table", str(name), str(table)):
            catalog.delete_table(name, table)
        case ("create_trigger", str(name), str(one)):
            catalog.create_trigger(trigger(one, name))
        case ("create_last_cache", str(name), str(table), str(one)):
            catalog.create_last_cache(name, table, name=one)
        case ("delete_last_cache", str(name), str(table), str(one)):
            catalog.delete_last_cache(name, table, one)
        case ("create_distinct_cache", str(name), str(table), str(one)):
            catalog.create_distinct_cache(name, table, name=one, columns=["xt"])
        case ("delete_distinct_cache", str(name), str(table), str(one)):
            catalog.delete_distinct_cache(name, table, one)
        case ("disable", str(name), str(one), bool(flag)):
            catalog.set_trigger_disabled(name, one, flag)
        case ("delete_trigger", str(name), str(one), bool(flag)):
            catalog.delete_trigger(name, one, force=flag)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(operations=OPERATIONS)
def test_any_history_reopens_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, operations: list[tuple[object, ...]]
) -> None:
    """Whatever was done, refused operations included, log and checkpoints give back the same state."""
    monkeypatch.setattr(catalog_files, "SMALLEST_LOG_BYTES", 700)
    folder = tmp_path / "history"
    shutil.rmtree(folder, ignore_errors=True)
    catalog = opened(folder)
    for operation in operations:
        if operation == ("reopen",):
            catalog.close()
            before, catalog = catalog.state, opened(folder)
            assert catalog.state == before
            continue
        before = catalog.state
        try:
            perform(catalog, operation)
        except ProcengineError:
            assert catalog.state is before
    catalog.close()
    assert state_of(folder) == catalog.state
