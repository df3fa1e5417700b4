"""Whatever bit of runs, logs, totals, places and versions goes bad, engines start, say so, and tell nothing wrong.

These files are told, not relied upon: a start goes on without what is damaged. It names the file in the log of
Python and leaves the damaged bytes in the folder. Each bit of each kind of file is turned in the tests of its part;
here engines are started on some of them.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.errors import CorruptFileError
from procengine.history.history_files import CUT_NAME
from procengine.processing.plugin_versions import PluginVersion
from procengine.state.plugin_state import FILE_NAME
from tests.crash.forms import LONG
from tests.crash.story import START_NS, WAIT_SECONDS
from tests.crash.unsynced_files import UnsyncedFiles

FLIPS = 2_000 if LONG else 12
"""How many bytes of a file are turned."""

PLUGIN = """
def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        for row in batch["rows"]:
            influxdb3_local.info("row", row["n"])
            if row["n"] % 5 == 0:
                raise ValueError(row["n"])
"""

WRITES = 40


@dataclass(frozen=True)
class Told:
    """What an engine tells of the past: runs and lines, how many runs and errors it counts, the plugin's texts."""

    runs: frozenset[tuple[object, ...]]
    lines: frozenset[tuple[object, ...]]
    counts: tuple[int, int]
    versions: frozenset[object]


def opened(folder: Path, *, run_bytes: int = 1 << 20) -> Engine:
    return Engine(
        data_dir=folder / "data",
        plugin_dir=folder / "plugins",
        environ={},
        clock=VirtualClock(START_NS),
        wal_flush_interval="0s",
        run_history_bytes=run_bytes,
        file_system=UnsyncedFiles(),
    )


def told_by(engine: Engine) -> Told:
    runs = engine.query("SELECT * FROM system.processing_engine_runs", "house").to_pylist()
    lines = engine.query("SELECT * FROM system.processing_engine_logs", "house").to_pylist()
    [trigger] = engine.triggers.statistics()
    return Told(
        runs=frozenset(tuple(map(str, run.values())) for run in runs),
        lines=frozenset(tuple(map(str, line.values())) for line in lines),
        counts=(trigger.runs, trigger.errors),
        versions=frozenset(map(text_of, engine.plugin_versions.of("look.py"))) - {None},
    )


def text_of(one: PluginVersion) -> object:
    try:
        return (one.version, one.first_loaded_ns, *one.texts.items())
    except CorruptFileError:
        return None


@pytest.fixture(scope="module")
def folder(quick_folder: Path) -> Path:
    """A folder that some engines have left: runs are in sealed files and a growing one, the first in totals alone."""
    (quick_folder / "plugins").mkdir()
    (quick_folder / "plugins" / "look.py").write_text(PLUGIN)
    with opened(quick_folder) as engine:
        engine.catalog.create_database("house")
        engine.triggers.create("house", "look", "look.py", "table:t")
    for first in range(5, WRITES, 5):
        with opened(quick_folder, run_bytes=16_000) as engine:
            write(engine, range(first, first + 5))
    with opened(quick_folder) as engine:
        write(engine, range(5))
    names = {path.name for path in (quick_folder / "data" / "state" / "runs").iterdir()}
    assert "totals" in names
    assert {name.count("-") for name in names - {"totals"}} == {0, 4}, "sealed and growing files"
    return quick_folder


def write(engine: Engine, numbers: Iterable[int]) -> None:
    for number in numbers:
        engine.write("house", f"t n={number}i")
        assert engine.wait_idle(WAIT_SECONDS)


def damaged(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield files with one byte of them turned, and cut off."""
    for path in sorted((folder / "data" / "state").rglob("*")):
        if path.is_file() and not path.name.startswith(FILE_NAME):
            data = path.read_bytes()
            short = path.relative_to(folder)
            for place in range(0, len(data), max(1, len(data) // FLIPS)):
                yield short, data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]
            yield short, data[:-1]


@pytest.mark.timeout(3600 if LONG else 120)
def test_damaged_history_is_named_and_misleads_nobody(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What is told after any damage was told before; where it is less, the file is named and its bytes are there."""
    shutil.copytree(folder, folder / "good")
    with opened(folder / "good") as engine:
        good = told_by(engine)
    assert good.counts == (WRITES, WRITES // 5)
    seen = set()
    for short, data in damaged(folder):
        copy = folder / "copy"
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(folder / "data", copy / "data")
        shutil.copytree(folder / "plugins", copy / "plugins")
        (copy / short).write_bytes(data)
        caplog.clear()
        with opened(copy) as engine:
            told = told_by(engine)
        assert told.runs <= good.runs
        assert {line for line in told.lines if "rows passed over" not in line[-1]} <= good.lines
        assert told.versions <= good.versions
        assert told.counts[0] <= good.counts[0]
        assert told.counts[1] <= good.counts[1]
        assert str(copy / short) in caplog.text, f"{short}: damage in silence"
        assert is_kept(copy / short, data)
        seen.add(short.parts[2])
    assert seen == {path.name for path in (folder / "data" / "state").iterdir()} - {FILE_NAME}
    assert seen >= {"logs", "places", "runs"}
    assert len(good.versions) == 1


def is_kept(path: Path, data: bytes) -> bool:
    """Tell whether what a damaged file held is there: where it was, beside it, or the cut-off tail of it."""
    aside, cut = path.with_name(f"{path.name}.damaged"), path.with_name(CUT_NAME)
    if aside.exists():
        return aside.read_bytes() == data
    left, tail = path.read_bytes(), cut.read_bytes() if cut.exists() else b""
    return data.endswith(tail) and left.startswith(data[: len(data) - len(tail)])
