"""A process that is killed again and again: ``python -m tests.crash.victim``.

It reads one order a line (JSON, see `Order`) and forks a process for each, so that the imports are paid once. That
one runs an engine, writes from several threads, changes the catalog and makes snapshots, and says what was
acknowledged on the shared output, a line each, until it is killed: by its parent's parent, or by itself in the middle
of a call to the disk. Then comes a line with ``ended`` and the status of its exit.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pyarrow.parquet  # noqa: F401  (imported before the fork)

import procengine.plugin_part
import procengine.storage_part
from procengine import Engine
from procengine.catalog.definitions import HardDeletion
from procengine.errors import AlreadyExistsError
from procengine.file_system import LOCAL, AppendFile, LocalFileSystem
from procengine.model.column import Column, ColumnType
from procengine.model.run import Run, RunOutcome
from procengine.wal import Wal
from procengine.write.write_buffer import WriteBuffer

WRITERS = 3

PLUGIN = """
def process_writes(influxdb3_local, table_batches, args=None):
    rows = [row for batch in table_batches for row in batch["rows"]]
    count = influxdb3_local.cache.get("count", default=0)
    influxdb3_local.cache.put("count", count + len(rows))
    for row in rows:
        line = LineBuilder("derived").tag("writer", row["writer"]).int64_field("n", row["n"])
        influxdb3_local.write(line.time_ns(row["time"]))
"""


@dataclass(frozen=True)
class Order:
    """What to do: from which number on to write, at which change of the catalog to begin, and when to die.

    A row's time is ``time_ns`` and its number.

    ``kill_at`` is the name of a call to the disk, ``kill_in`` a function of procengine that makes it, directly or
    not, and ``kill_after`` how many such calls are made before; None where the order's giver does the killing.
    """

    folder: str
    plugins: str
    time_ns: int
    first: int
    change: int
    kill_at: str | None = None
    kill_in: str = ""
    kill_after: int = 0


def change_of(number: int) -> tuple[str, str]:
    """Return what the change of this number does, and to what; each round creates things and deletes former ones."""
    turn, step = divmod(number, 6)
    return [
        ("create database", f"d{turn}"),
        ("create table", f"t{turn}"),
        ("create trigger", f"g{turn}"),
        ("delete trigger", f"g{turn - 1}"),
        ("delete table", f"t{turn - 1}"),
        ("delete database", f"d{turn - 1}"),
    ][step]


def main() -> None:
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            sys.stdin.close()
            live(Order(**json.loads(line)))
        say(f"began {child}")
        _, status = os.waitpid(child, 0)
        say(f"ended {os.waitstatus_to_exitcode(status)}")


def say(text: str) -> None:
    """Say a line by one system call, so that it is there whole or not at all."""
    os.write(1, f"{text}\n".encode())


def live(order: Order) -> None:
    """Run an engine until the process is killed."""
    files = DeadlyFiles(order) if order.kill_at is not None else LOCAL
    # Segments are short and replaced files go at once, so that a process can be killed while they do.
    procengine.storage_part.Wal = partial(Wal, segment_bytes=10_000)  # type: ignore[misc, assignment]
    procengine.storage_part.WriteBuffer = partial(WriteBuffer, retired_file_seconds=0.0)  # type: ignore[misc, assignment]
    engine = Engine(
        data_dir=order.folder,
        plugin_dir=order.plugins,
        environ={},
        wal_flush_interval="1ms",
        wal_snapshot_size=40,
        file_system=files,
    )
    prepare(engine)
    engine.triggers.subscribe(tell_run)
    steps: list[Callable[[], None]] = [
        *(
            lambda writer=writer: write(engine, writer, order.first, order.time_ns)
            for writer in range(WRITERS)
        ),
        lambda: change(engine, order.change),
        lambda: snapshot(engine),
    ]
    threads = [threading.Thread(target=step, daemon=True) for step in steps]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    os._exit(1)


def prepare(engine: Engine) -> None:
    """Make what each life needs, where it is missing."""
    integers = [Column(name, ColumnType.INTEGER) for name in ("n", "twin")]
    for make in (
        lambda: engine.catalog.create_database("house"),
        lambda: engine.catalog.create_table("house", "home", tags=["writer"], fields=integers),
        lambda: engine.triggers.create("house", "derive", "derive.py", "table:home"),
        lambda: engine.last_caches.create("house", "home", key_columns=["writer"], name="last"),
        lambda: engine.distinct_caches.create("house", "home", columns=["writer"], name="distinct"),
    ):
        with contextlib.suppress(AlreadyExistsError):
            make()


def tell_run(run: Run) -> None:
    if run.outcome is RunOutcome.SUCCESS:
        say(f"run {run.rows_in}")


def write(engine: Engine, writer: int, first: int, time_ns: int) -> None:
    number = first
    while True:
        home = f"home,writer={writer} n={number}i,twin={number}i {time_ns + number}"
        other = f"other,writer={writer} n={number}i {time_ns + number}"
        engine.write("house", f"{home}\n{other}", precision="ns")
        say(f"row {writer} {number}")
        number += 1


def change(engine: Engine, number: int) -> None:
    catalog = engine.catalog
    while True:
        what, name = change_of(number)
        if name.endswith("-1"):  # the first round has nothing to delete
            pass
        elif what == "create database":
            catalog.create_database(name)
        elif what == "create table":
            catalog.create_table("house", name, fields=[Column("n", ColumnType.INTEGER)])
            engine.write("house", f"{name} n=1i 1", precision="ns")
        elif what == "create trigger":
            engine.triggers.create("house", name, "derive.py", "table:none", disabled=True)
        elif what == "delete trigger":
            engine.triggers.delete("house", name)
        elif what == "delete table":
            catalog.delete_table("house", name, HardDeletion.NOW)
        else:
            catalog.delete_database(name, HardDeletion.NOW)
        say(f"change {number}")
        number += 1


def snapshot(engine: Engine) -> None:
    while True:
        engine.snapshot()
        engine.write_buffer.compact()
        say("snapshot")


class DeadlyFiles(LocalFileSystem):
    """The machine's files; at one call the process kills itself: before it, after it, or after half of a write."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._left = order.kill_after
        self._lock = threading.Lock()

    def die_at(self, name: str) -> bool:
        """Tell whether this call is the last one."""
        if name != self._order.kill_at or not _called_by(self._order.kill_in):
            return False
        with self._lock:
            self._left -= 1
            return self._left < 0

    def create(self, path: Path) -> AppendFile:
        self._around("create")
        return _DeadlyFile(self, LOCAL.create(path))

    def reopen(self, path: Path) -> AppendFile:
        return _DeadlyFile(self, LOCAL.reopen(path))

    def replace(self, source: Path, target: Path) -> None:
        self._around("replace")
        super().replace(source, target)

    def remove(self, path: Path) -> None:
        self._around("remove")
        super().remove(path)

    def sync_folder(self, folder: Path) -> None:
        self._around("sync_folder")
        super().sync_folder(folder)

    def _around(self, name: str) -> None:
        if self.die_at(name):
            die()


class _DeadlyFile:
    def __init__(self, files: DeadlyFiles, file: AppendFile) -> None:
        self._files = files
        self._file = file
        self.truncate, self.close = file.truncate, file.close

    def write(self, data: bytes | bytearray | memoryview) -> int:
        if self._files.die_at("write"):
            self._file.write(memoryview(data)[: len(data) // 2])
            die()
        return self._file.write(data)

    def sync(self) -> None:
        if self._files.die_at("sync"):
            die()
        self._file.sync()


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _called_by(name: str) -> bool:
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_qualname == name:
            return True
        frame = frame.f_back
    return False


def encoded(order: Order) -> str:
    return json.dumps(asdict(order))


if __name__ == "__main__":
    main()
