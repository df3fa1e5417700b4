"""How close does the write-ahead log come to a bare append and fdatasync?

One writer at a time, without an interval between flushes: what one batch costs, not how many can share a flush.
"""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa

from procengine.clock import SystemClock
from procengine.file_system import LOCAL, AppendFile, FileSystem, LocalFileSystem, write_durably
from procengine.model.framing import encode_record
from procengine.model.table_rows import TableRows, WalContents
from procengine.wal import Wal
from procengine.wal.contents_codec import encode_contents, encode_rows
from tests.benchmarks.measurement import Measurement, alternate, percentile

BATCHES = 200
ROUNDS = 7
SLOW_SYNC_SECONDS = 0.001


def run() -> list[Measurement]:
    """Measure durable batches, and the way from fdatasync to the triggers' offer."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        return [
            _durable_batches(place / "plain", LOCAL, ""),
            _durable_batches(place / "slow", _SlowFiles(), ", a sync of 1 ms"),
            _sync_to_offer(place),
        ]


def _durable_batches(folder: Path, files: FileSystem, what: str) -> Measurement:
    """Compare with the bare file of the same file system, and beside it with a file a flush, as the original."""
    rows = _rows(1000)
    record = encode_record(encode_contents(1, 0, 1, [encode_rows([rows])]))
    folder.mkdir()
    bare = files.create(folder / "bare")
    wal = _started(Wal(folder / "wal", clock=SystemClock(), flush_interval_seconds=0, file_system=files))
    (folder / "single").mkdir()
    numbers = itertools.count()

    def append_bare() -> None:
        for _ in range(BATCHES):
            bare.write(record)
            bare.sync()

    def append() -> None:
        for _ in range(BATCHES):
            wal.append([rows]).wait()

    def write_files() -> None:
        for _ in range(BATCHES):
            write_durably(files, folder / "single" / f"{next(numbers)}.wal", record)

    bare_seconds, wal_seconds, files_seconds = alternate(ROUNDS, append_bare, append, write_files)
    wal.close()
    bare.close()
    return Measurement(
        name=f"durable batches of 1,000 rows{what}, rate",
        value=bare_seconds / wal_seconds,
        budget=0.6,
        unit="x",
        at_least=True,
        baseline=f"append and fdatasync of the same bytes{what}",
        details={
            "bare_us": bare_seconds / BATCHES * 1e6,
            "wal_us": wal_seconds / BATCHES * 1e6,
            "file_a_flush_us": files_seconds / BATCHES * 1e6,
            "file_a_flush_rate": bare_seconds / files_seconds,
        },
    )


class _SlowFiles(LocalFileSystem):
    """The machine's files, on a disk whose sync takes a millisecond at least."""

    def create(self, path: Path) -> AppendFile:
        return _SlowFile(LOCAL.create(path))

    def sync_folder(self, folder: Path) -> None:
        with _slowly():
            super().sync_folder(folder)


class _SlowFile:
    def __init__(self, file: AppendFile) -> None:
        self._file = file
        self.write, self.truncate, self.close = file.write, file.truncate, file.close

    def sync(self) -> None:
        with _slowly():
            self._file.sync()


@contextmanager
def _slowly() -> Iterator[None]:
    """Let something take a millisecond at least; others may compute meanwhile, as while a disk works."""
    end = time.perf_counter() + SLOW_SYNC_SECONDS
    yield
    time.sleep(max(0.0, end - time.perf_counter()))


def _sync_to_offer(folder: Path) -> Measurement:
    files = _TimedFiles()
    taken: list[float] = []
    wal = Wal(folder / "timed", clock=SystemClock(), flush_interval_seconds=0, file_system=files)
    list(wal.open())
    wal.start(_pass, lambda contents: taken.append(time.perf_counter() - files.synced))
    rows = _rows(1)
    for _ in range(500):
        wal.append([rows]).wait()
    wal.close()
    return Measurement(
        name="fdatasync to the offer to triggers, one row",
        value=percentile(taken, 50) * 1e6,
        budget=30,
        unit="us",
        baseline="absolute",
        details={"p99_us": percentile(taken, 99) * 1e6},
    )


class _TimedFiles(LocalFileSystem):
    """Remembers when the last sync returned."""

    def __init__(self) -> None:
        self.synced = 0.0

    def create(self, path: Path) -> AppendFile:
        return _TimedFile(LOCAL.create(path), self)


class _TimedFile:
    def __init__(self, file: AppendFile, files: _TimedFiles) -> None:
        self._file, self._files = file, files
        self.write, self.truncate, self.close = file.write, file.truncate, file.close

    def sync(self) -> None:
        self._file.sync()
        self._files.synced = time.perf_counter()


def _started(wal: Wal) -> Wal:
    list(wal.open())
    wal.start(_pass, _pass)
    return wal


def _pass(contents: WalContents) -> None:
    pass


def _rows(count: int) -> TableRows:
    """Return rows of 3 tags, 4 floats, 1 integer and 1 string."""
    random = np.random.default_rng(1)
    tags = {
        f"tag{number}": pa.array(
            [f"value{one}" for one in random.integers(0, 20, count)]
        ).dictionary_encode()
        for number in range(3)
    }
    fields = {f"field{number}": pa.array(random.random(count)) for number in range(4)}
    others = {
        "count": pa.array(np.arange(count)),
        "text": pa.array([f"text {one}" for one in range(count)]),
    }
    batch = pa.record_batch(
        tags | fields | others | {"time": pa.array(np.arange(count), pa.timestamp("ns"))}
    )
    return TableRows(
        database_id=1,
        table_id=1,
        database="db",
        table="table",
        batch=batch,
        shapes=(tuple(batch.schema.names[:-1]),),
    )
