"""Small Parquet files become few, whoever writes how little how often; old log files go; each row is there once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.file_system import LOCAL, AppendFile, LocalFileSystem
from procengine.wal import Wal
from procengine.write import snapshot
from procengine.write.snapshot import absorbable
from procengine.write.write_buffer import WriteBuffer
from tests.crash.unsynced_files import UnsyncedFiles
from tests.engine.looks import WAIT_SECONDS, gate_for, rows
from tests.journalling_files import Crash, JournallingFiles
from tests.some_rows import some_rows
from tests.write.buffers import FOLDER, MINUTE_NS, SmallCatalog, apply, merged, stored
from tests.write.test_snapshot import file_of

LOG = Path("/wal")
CHUNK_NS = 10 * MINUTE_NS


def in_order(number: int) -> int:
    return number * MINUTE_NS


def late(number: int) -> int:
    return (2_000 - number) * MINUTE_NS


def at_random(number: int) -> int:
    return random.Random(number).randrange(5_000) * MINUTE_NS + number


@pytest.mark.parametrize(("time_of", "count"), [(in_order, 1_000), (late, 250), (at_random, 250)])
def test_compaction_of_many_small_snapshots(
    tmp_path: Path, time_of: Callable[[int], int], count: int
) -> None:
    """A thousand snapshots of one row leave few files in all, and in each gen1 chunk, at any moment of them."""
    buffer = WriteBuffer(
        tmp_path, catalog=SmallCatalog(), retired_file_seconds=0, file_system=UnsyncedFiles()
    )
    buffer.load()
    most, written = 0, 0
    for number in range(1, count + 1):
        apply(buffer, number, ("a", time_of(number), float(number)))
        made = buffer.snapshot()
        assert made is not None
        written += made.row_count
        del made  # replaced files go when nobody names them
        buffer.compact()
        most = max(most, len(buffer.files()))
        assert sum(file.row_count for file in buffer.files()) == number
    assert most <= 12
    assert written <= 12 * count, "rows are written again too often"
    assert len(list(tmp_path.rglob("*.parquet"))) == len(buffer.files())
    assert len(merged(buffer.view(1), LOCAL)) == count
    first = min(file.min_time_ns for file in buffer.files()) // CHUNK_NS
    last = max(file.max_time_ns for file in buffer.files()) // CHUNK_NS
    for chunk in range(first, last + 1):
        begin, end = chunk * CHUNK_NS, (chunk + 1) * CHUNK_NS - 1
        assert len(buffer.view(1).prune(begin, end).files) <= 12


@pytest.mark.parametrize("crash", Crash)
def test_compaction_survives_a_crash_anywhere(crash: Crash) -> None:
    """Wherever a crash falls while files are written again, files and log together hold each row once."""
    files = JournallingFiles()
    wal = Wal(LOG, clock=VirtualClock(), flush_interval_seconds=0, file_system=files, segment_bytes=1)
    buffer = WriteBuffer(FOLDER, catalog=SmallCatalog(), file_system=files, retired_file_seconds=0)
    list(wal.open(after=buffer.load()))
    wal.start(buffer.apply, lambda flushed: None)
    acknowledged: list[int] = []
    replaced = 0
    for number in range(1, 9):
        wal.append([some_rows(("a", number, float(number)))]).wait(timeout=10)
        acknowledged.append(len(files.calls))
        before = set(buffer.files())
        made = buffer.snapshot()
        assert made is not None
        replaced += len(before - set(buffer.files()))
        wal.retain_from(made.wal_sequence_number + 1)
        buffer.compact()
    wal.close()
    assert replaced >= 4
    for calls in range(len(files.calls) + 1):
        disk = files.crashed(crash, calls=calls)
        restarted = WriteBuffer(FOLDER, catalog=SmallCatalog(), file_system=disk)
        for one in Wal(LOG, clock=VirtualClock(), file_system=disk).open(after=restarted.load()):
            restarted.apply(one)
        numbers = sorted(cell[2] for piece in stored(restarted.view(1), disk) for cell in piece)
        count = sum(position <= calls for position in acknowledged)
        assert numbers in (list(range(1, count + 1)), list(range(1, count + 2)))


def test_compaction_reads_little_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However few rows wide files have, no more bytes of them are read again than a bound."""
    monkeypatch.setattr(snapshot, "ABSORBED_BYTES", 25)
    sized = [file_of(number, 4, size_bytes=10) for number in range(5)]
    assert absorbable(sized, 4) == tuple(sized[3:])


class WatchedFiles(LocalFileSystem):
    """Remembers which threads make Parquet files, and says when a log file is removed."""

    def __init__(self) -> None:
        self.threads: set[str] = set()
        self.log_went = threading.Semaphore(0)

    def create(self, path: Path) -> AppendFile:
        if ".parquet" in path.name:
            self.threads.add(threading.current_thread().name)
        return super().create(path)

    def remove(self, path: Path) -> None:
        super().remove(path)
        if path.suffix == ".wal":
            self.log_went.release()


def test_compaction_is_shown(tmp_path: Path) -> None:
    """``system.parquet_files`` shows what is left of many small snapshots."""
    with Engine(data_dir=tmp_path, environ={}) as engine:
        for number in range(40):
            engine.write("house", f"home n={number}i {number}", precision="ns")
            engine.snapshot()
        shown = rows(engine, "SELECT row_count FROM system.parquet_files WHERE table_name = 'home'")
        assert len(shown) <= 6
        assert sum(int(str(row["row_count"])) for row in shown) == 40
        assert rows(engine, "SELECT count(*) AS n FROM home") == [{"n": 40}]


def test_compaction_is_the_snapshot_threads(tmp_path: Path) -> None:
    """Files that become due are written by the snapshot thread alone; neither writers nor queries wait for it."""
    files = WatchedFiles()
    with Engine(data_dir=tmp_path, environ={}, file_system=files, wal_snapshot_size=1) as engine:
        for number in range(50):
            engine.write("house", f"home n={number}i {number}", precision="ns")
    assert files.threads == {"procengine-snapshot"}


PLUGIN = """
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.cache.get("gate", use_global=True).pass_through()
"""


def test_compaction_of_the_log_waits_for_triggers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Log files that a trigger has still to read stay after their snapshot, and go once it has, without another."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "slow.py").write_text(PLUGIN)
    files = WatchedFiles()
    monkeypatch.setattr("procengine.storage_part.Wal", lambda *a, **k: Wal(*a, **k, segment_bytes=1))
    log = tmp_path / "data" / "wal"
    with (
        Engine(data_dir=tmp_path / "data", plugin_dir=plugins, environ={}, file_system=files) as engine,
        gate_for(engine) as gate,
    ):
        engine.catalog.create_database("house")
        engine.triggers.create("house", "slow", "slow.py", "table:home")
        for number in range(1, 6):
            engine.write("house", f"home n={number}i {number}", precision="ns")
        gate.wait_reached()
        engine.snapshot()
        assert len(list(log.glob("*.wal"))) == 5, "the trigger needs them all"
        gate.opened.set()
        for _ in range(4):
            assert files.log_went.acquire(timeout=WAIT_SECONDS)
        assert len(list(log.glob("*.wal"))) == 1
        assert engine.wal.statistics().segment_count == 1
