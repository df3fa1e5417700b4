"""Whatever becomes of one file of a data folder, an engine has what was acknowledged, or says what is missing.

The folder is that of a killed engine with files of every kind. One file after another is emptied, cut, overwritten,
removed, copied to other names or put in another's place. Allowed are the same state; less, where the file is named;
and an error of procengine that says how to go on. An engine that starts takes writes, and a new table has its own
rows alone.
"""

from __future__ import annotations

import logging
import re
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from procengine_jupyter.status import engine_card

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.errors import CorruptFileError, ProcengineError
from tests.crash.forms import LONG
from tests.crash.recording_disk import RecordingDisk
from tests.crash.story import (
    DATA,
    PLUGIN,
    START_NS,
    WAIT_SECONDS,
    Story,
    small_files,
    state_of,
    tell_steps,
)
from tests.crash.test_damage import rows_by_sql
from tests.crash.unsynced_files import UnsyncedFiles

COUNT = """
def process_writes(influxdb3_local, table_batches, args=None):
    seen = influxdb3_local.cache.get("seen", default=0)
    influxdb3_local.cache.put("seen", seen + sum(len(batch["rows"]) for batch in table_batches))
"""

Change = Callable[[Path], object]


def opened(data_dir: Path, plugins: Path) -> Engine:
    return Engine(
        data_dir=data_dir,
        plugin_dir=plugins,
        environ={},
        clock=VirtualClock(START_NS),
        wal_flush_interval="0s",
        file_system=UnsyncedFiles(),
    )


@pytest.fixture(scope="module")
def killed(quick_folder: Path) -> Path:
    """The folder of a killed engine: Parquet files, log, catalog with checkpoint and log, all of ``state``."""
    plugins = quick_folder / "plugins"
    plugins.mkdir()
    (plugins / "derive.py").write_text(PLUGIN)
    (plugins / "count.py").write_text(COUNT)
    (quick_folder / "disk").mkdir()
    story = Story(RecordingDisk(quick_folder / "disk"), plugins)
    with small_files():
        story.start()
        tell_steps(story)
        story.create_database("rich")
        story.engine.triggers.create("rich", "count", "count.py", "table:t")
        story.write("rich", ("t", 60))
        story.snapshot()
        story.stop()
        story.start()
        for number in range(61, 76):
            story.write("rich", ("t", number))
            assert story.engine.wait_idle(WAIT_SECONDS)
        story.write("rich", ("late", 80))
        folder = quick_folder / "killed"
        part = story.engine._part
        assert part is not None
        assert part._history.writer is not None
        part._history.writer.stop()  # so that what is copied does not change
        shutil.copytree(story.disk.root / DATA, folder)
        story.stop()
    return folder


FoundState = tuple[Mapping[tuple[str, ...], object], str]


def found_in(folder: Path, plugins: Path, caplog: pytest.LogCaptureFixture) -> FoundState:
    """Return what an engine finds in a folder, with all that it says of it, and see that it works."""
    caplog.clear()
    with opened(folder, plugins) as engine:
        by_sql = rows_by_sql(engine)
        state = dict(state_of(engine))
        assert by_sql == {fact for fact in state if fact[-1].isdecimal()}
        state |= {("cache", one.namespace, one.key): one.value for one in engine.plugin_cache.values()}
        engine.write("after", "t n=1i 1")
        assert engine.query("SELECT n FROM t", "after")["n"].to_pylist() == [1]
        assert engine.recovery is not None
        said = [*map(str, engine.recovery.cuts), *engine.recovery.losses]
    return state, "\n".join([*said, caplog.text])


def contents(data: bytes) -> Iterator[tuple[str, bytes]]:
    yield from (
        ("empty", b""),
        ("half", data[: len(data) // 2]),
        ("one byte less", data[:-1]),
        ("zeros", bytes(len(data))),
        ("more zeros", data + bytes(64)),
        ("more", data + b"garbage"),
        ("twice", data + data),
    )
    for part in range(9 if LONG else 5):
        place = (len(data) - 1) * part // (8 if LONG else 4)
        yield f"turned at {place}", data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :]


def changes(path: Path) -> Iterator[tuple[str, Change]]:
    """Yield what may become of a file."""
    for name, data in contents(path.read_bytes()):
        yield name, lambda file, data=data: file.write_bytes(data)
    yield "removed", Path.unlink
    yield "a folder", lambda file: (file.unlink(), file.mkdir())
    yield "copied", lambda file: shutil.copy(file, file.with_name(f"copy of {file.name}"))
    if number := re.match(r"\d+", path.name):
        for step in (1, 1000):
            later = f"{int(number[0]) + step:0{len(number[0])}d}{path.name[number.end() :]}"
            yield (
                f"copied to {later}",
                lambda file, later=later: shutil.copy(file, file.with_name(later)),
            )
    for other in sorted(path.parent.iterdir()):
        if other.is_file() and other != path and other.suffix == path.suffix:
            yield f"that of {other.name}", lambda file, other=other: shutil.copy(other, file)
            break


def files(folder: Path) -> list[Path]:
    """Return the files to be changed, of Parquet files the first and the last."""
    found = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    parquet = [path for path in found if path.suffix == ".parquet"]
    return [path for path in found if path not in parquet[1:-1]]


KNOWN_ONLY_BY_ITSELF = {"plugin_cache.sqlite3", "plugin_cache.sqlite3-wal"}
"""Nothing else tells what these held, so one that is removed, or is zeros, is not missed."""


def test_odd_folders_lose_nothing_in_silence(
    killed: Path, quick_folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """After each change of each file: all is there, or what is missing is named, or the error says how to go on."""
    caplog.set_level(logging.WARNING)
    plugins, copy = quick_folder / "plugins", quick_folder / "copy"
    shutil.copytree(killed, copy)
    good, said = found_in(copy, plugins, caplog)
    assert said == ""
    assert good["cache", "rich/count", "seen"] == 16
    outcomes = set()
    for short in files(killed):
        for name, change in changes(killed / short):
            shutil.rmtree(copy)
            shutil.copytree(killed, copy)
            change(copy / short)
            try:
                outcomes.add(outcome(copy, short, name, good, found_in(copy, plugins, caplog)))
            except ProcengineError as error:
                check_error(error, copy, short)
                outcomes.add("error")
            except BaseException as error:
                error.add_note(f"{short} is {name}")
                raise
    assert outcomes == {"same", "less", "error"}


def outcome(
    copy: Path, short: Path, name: str, good: Mapping[tuple[str, ...], object], found: FoundState
) -> str:
    state, said = found
    if state == good:
        return "same"
    lost = {fact for fact in good if state.get(fact) != good[fact]}
    assert state.items() - good.items() <= {(fact, state.get(fact)) for fact in lost}, "invented"
    if short.name in KNOWN_ONLY_BY_ITSELF and name in {"removed", "empty", "zeros"}:
        assert lost == {("cache", "rich/count", "seen")}
        return "less"
    told = short.name in said or "the write-ahead log ends with flush" in said
    assert told, f"lost in silence: {lost}"
    return "less"


def check_error(error: ProcengineError, copy: Path, short: Path) -> None:
    """See that an error names a file or folder of the data folder, and says how to go on."""
    assert str(copy / short.parts[0]) in str(error) or str(copy) in str(error), str(error)
    assert any(
        word in str(error) for word in ("restore", "give", "move", "must be", "use the", "reads version")
    ), str(error)


@pytest.mark.parametrize("name", ["log", "index", "wal", "cache"])
def test_odd_folders_are_left_as_they_are(killed: Path, quick_folder: Path, name: str) -> None:
    """A start that fails for a file that is missing removes none of those that are there."""
    missing, why = {
        "log": (next(killed.glob("catalog/*.log")), "is missing, though its checkpoint is there"),
        "index": (killed / "tables" / "index", "is missing, though there are Parquet files"),
        "wal": (sorted(killed.glob("wal/*.wal"))[-2], "are missing"),
        "cache": (killed / "state" / "plugin_cache.sqlite3", "is missing or empty, though its log"),
    }[name]
    copy = quick_folder / f"without {name}"
    shutil.copytree(killed, copy)
    (copy / missing.relative_to(killed)).unlink()
    before = {
        path: path.read_bytes() for path in copy.rglob("*") if path.is_file() and path.name != "lock"
    }
    with pytest.raises(CorruptFileError, match=why):
        opened(copy, quick_folder / "plugins")
    for path, data in before.items():
        assert path.read_bytes() == data or path.parent.name == "state"
    shutil.copy(missing, copy / missing.relative_to(killed))
    with opened(copy, quick_folder / "plugins") as engine:
        assert engine.recovery is not None
        assert engine.recovery.losses == ()
        assert state_of(engine)["rich", "late", "80"] == 1


def test_odd_folders_without_the_end_of_the_log(killed: Path, quick_folder: Path) -> None:
    """What triggers were told of is missed by the engine and on the status card, until the log has gone on."""
    copy = quick_folder / "log"
    shutil.copytree(killed, copy)
    max(copy.glob("wal/*.wal")).unlink()
    with opened(copy, quick_folder / "plugins") as engine:
        assert engine.recovery is not None
        (loss,) = engine.recovery.losses
        assert re.match(
            r"the write-ahead log ends with flush \d+, but triggers were told of flush \d+", loss
        )
        card = engine_card(engine)
    assert loss in card.plain()
    assert "rows that were acknowledged are missing" in str(card.html())
    with opened(copy, quick_folder / "plugins") as engine:
        assert engine.recovery is not None
        assert engine.recovery.losses == ()


def test_odd_folders_with_an_older_index(killed: Path, quick_folder: Path) -> None:
    """An index of another day, put back by hand, costs no file: the start is refused, and the right one put back."""
    copy = quick_folder / "older"
    shutil.copytree(killed, copy)
    index = copy / "tables" / "index"
    right = index.read_bytes()
    with opened(copy, quick_folder / "plugins") as engine:
        engine.snapshot()
        assert state_of(engine)["rich", "late", "80"] == 1
    newer = index.read_bytes()
    for path in copy.glob("wal/*.wal"):
        path.unlink()
    newest = max(copy.rglob("*.parquet"))
    index.write_bytes(right)
    (copy / "wal" / "00000099-00000000000000009999.wal").write_bytes(
        max(killed.glob("wal/*.wal")).read_bytes()
    )
    with pytest.raises(CorruptFileError):
        opened(copy, quick_folder / "plugins")
    assert newest.exists()
    (copy / "wal" / "00000099-00000000000000009999.wal").unlink()
    index.write_bytes(newer)
    with opened(copy, quick_folder / "plugins") as engine:
        assert state_of(engine)["rich", "late", "80"] == 1


def test_odd_folders_without_the_end_of_the_catalog(killed: Path, quick_folder: Path) -> None:
    """A table that the catalog has lost does not give its rows to the next one: the start is refused."""
    copy = quick_folder / "catalog"
    shutil.copytree(killed, copy)
    log = max(copy.glob("catalog/*.log"))
    log.write_bytes(log.read_bytes()[:-1])
    with pytest.raises(
        CorruptFileError, match=r"has lost its end: flush .* rows of table .*; what this start cut off"
    ):
        opened(copy, quick_folder / "plugins")
    with pytest.raises(CorruptFileError, match="has lost its end"):
        opened(copy, quick_folder / "plugins")
