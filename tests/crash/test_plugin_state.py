"""What plugins keep is there after a crash of the machine: of each run that counts as finished, and of no other time.

SQLite's calls to the disk are remembered as the engine's own are, and engines are started on what a crash may leave.
"""

from __future__ import annotations

import itertools
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.state.plugin_state import FILE_NAME
from tests.crash.disk import Call, Crash, Image, digest
from tests.crash.journal import SYNCS
from tests.crash.recording_disk import Mark, RecordingDisk, write_image
from tests.crash.recording_sqlite import RecordingSqlite
from tests.crash.story import DATA, START_NS, WAIT_SECONDS
from tests.crash.unsynced_files import UnsyncedFiles

PLUGIN = """
def process_writes(influxdb3_local, table_batches, args=None):
    seen = influxdb3_local.cache.get("seen")
    if seen is None:
        seen = []
        influxdb3_local.cache.put("seen", seen)
    seen.extend(row["n"] for batch in table_batches for row in batch["rows"])
"""
"""It changes its list in place."""

RUNS = 5


@dataclass(frozen=True)
class Ran:
    """So many runs have finished."""

    count: int


class Restarts:
    """What plugins find after restarts, by image."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = itertools.count()
        self._known: dict[bytes, list[int] | str] = {}

    def seen(self, image: Image) -> list[int] | str:
        name = digest(image)
        if name not in self._known:
            root = self._folder / f"restart-{next(self._numbers)}"
            write_image(image, root)
            try:
                self._known[name] = seen_in(root / DATA, self._folder / "plugins")
            except Exception as error:
                self._known[name] = repr(error)
            shutil.rmtree(root)
        return self._known[name]


def seen_in(data_dir: Path, plugins: Path) -> list[int]:
    with Engine(
        data_dir=data_dir,
        plugin_dir=plugins,
        environ={},
        clock=VirtualClock(START_NS),
        file_system=UnsyncedFiles(),
    ) as engine:
        house = engine.catalog.find_database("house")
        if house is None or "count" not in house.triggers:
            return []
        trigger = house.triggers["count"]
        return list(engine.plugin_cache.for_trigger("house", trigger.trigger_id).get("seen", default=[]))


@pytest.fixture(scope="module")
def disk(quick_folder: Path) -> RecordingDisk:
    """A disk on which plugins ran, each run marked when it had finished."""
    (quick_folder / "plugins").mkdir()
    (quick_folder / "plugins" / "count.py").write_text(PLUGIN)
    (quick_folder / "disk").mkdir()
    disk = RecordingDisk(quick_folder / "disk")
    sqlite = RecordingSqlite(disk)
    for first in (0, RUNS):
        with Engine(
            data_dir=disk.root / DATA,
            plugin_dir=quick_folder / "plugins",
            environ={},
            clock=VirtualClock(START_NS),
            wal_flush_interval="0s",
            file_system=disk,
            connect_state=sqlite.connect,
        ) as engine:
            if not first:
                engine.catalog.create_database("house")
                engine.triggers.create("house", "count", "count.py", "table:home")
            for number in range(first, first + RUNS):
                engine.write("house", f"home n={number}i {number + 1}", precision="ns")
                assert engine.wait_idle(WAIT_SECONDS)
                disk.mark(Ran(number + 1))
    return disk


@pytest.fixture(scope="module")
def restarts(quick_folder: Path) -> Restarts:
    return Restarts(quick_folder)


def losses(
    disk: RecordingDisk, restarts: Restarts, crash: Crash, without: str | None = None
) -> list[str]:
    """Return after which calls a restart finds less than was finished, or something else."""
    state, finished, found = disk.beginning.copy(), 0, []
    for number, entry in enumerate(disk.entries, 1):
        if isinstance(entry, Mark) and isinstance(entry.what, Ran):
            finished = entry.what.count
        if not isinstance(entry, Call):
            pass
        elif not (entry.name in SYNCS and entry.path.name == without):
            state.play(entry)
        seen = restarts.seen(state.after(crash))
        if seen not in (list(range(finished)), list(range(finished + 1))):
            found.append(f"{number}: {seen}, and {finished} runs had finished")
    return found


@pytest.mark.parametrize("crash", Crash)
def test_plugin_state_after_any_call(disk: RecordingDisk, restarts: Restarts, crash: Crash) -> None:
    """Wherever the machine stops, the plugin has what its finished runs left, or the run under way as well."""
    assert losses(disk, restarts, crash) == []


@pytest.mark.parametrize(("end", "crash"), [("-wal", Crash.LOST), ("", Crash.NAMED)])
def test_plugin_state_without_a_sync(
    disk: RecordingDisk, restarts: Restarts, end: str, crash: Crash
) -> None:
    """Without the syncs of SQLite's log, or those of the file that it is moved into, a finished run is lost."""
    synced = {call.path.name for call in disk.calls if call.name == "sync"}
    assert {name for name in synced if name.startswith(FILE_NAME)} == {
        FILE_NAME,
        f"{FILE_NAME}-journal",
        f"{FILE_NAME}-wal",
    }
    assert losses(disk, restarts, crash, without=FILE_NAME + end) != []
