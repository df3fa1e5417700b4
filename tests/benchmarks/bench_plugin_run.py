"""What does the engine's work around a plugin cost?"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from procengine.clock import SystemClock
from procengine.file_system import LOCAL
from procengine.model.run import Cause, CauseKind, LogEntry, LogLevel
from procengine.model.table_rows import TableRows
from procengine.model.trigger import Trigger
from procengine.model.write_result import WriteResult
from procengine.processing.event import ScheduleEvent
from procengine.processing.plugin_cache import PluginCache
from procengine.processing.plugin_logs import ProcessingEngineLogs
from procengine.processing.plugin_registry import PluginRegistry
from procengine.processing.processing_history import ProcessingHistory
from procengine.processing.run_details import RecentRuns
from procengine.processing.runner import PluginRunner
from procengine.processing.table_batches import table_batches
from tests.benchmarks.measurement import Measurement, alternate

ROUNDS = 9
RUNS = 2_000
ROWS = 10_000
PRINTS = 2_000
REPEATS = 20_000
HISTORY_BYTES = 16 << 20

EMPTY = "def process_scheduled_call(influxdb3_local, call_time, args=None):\n    pass\n"

TIMED = f"""
import time

def process_scheduled_call(influxdb3_local, call_time, args=None):
    cache = influxdb3_local.cache
    began = time.perf_counter()
    for n in range({PRINTS}):
        print("a line of output")
    printed = time.perf_counter()
    cache.put("seconds", printed - began, use_global=True)
"""


class Nowhere:
    """Endpoints that are not used."""

    def write_lines(self, database: str, lines: str, *, no_sync: bool, depth: int) -> WriteResult:
        return WriteResult(database=database)

    def check_lines(self, database: str, lines: str) -> Sequence[object]:
        return ()

    def query(self, sql: str, database: str, params: Mapping[str, object] | None = None) -> pa.Table:
        return pa.table({})


def run() -> list[Measurement]:
    """Measure a run around an empty plugin, rows of table batches, rows of the log, and print."""
    with tempfile.TemporaryDirectory() as name:
        return [*_empty_run(Path(name)), _inside(Path(name)), _rows(), _logs()]


def _runner(folder: Path, logs: ProcessingEngineLogs | None = None) -> PluginRunner:
    clock = SystemClock()
    nowhere = Nowhere()
    return PluginRunner(
        PluginRegistry(folder),
        PluginCache(clock),
        logs or ProcessingEngineLogs(),
        nowhere,
        nowhere,
        clock,
        recent=RecentRuns(),
    )


def scheduled_trigger(filename: str) -> Trigger:
    """Return a trigger of database ``db`` with id 1."""
    return Trigger(database="db", name="bench", plugin_filename=filename, spec="every:1s", trigger_id=1)


def scheduled_event() -> ScheduleEvent:
    """Return a tick of now."""
    return ScheduleEvent(instant_ns=time.time_ns(), cause=Cause(kind=CauseKind.TICK))


def _empty_run(folder: Path) -> list[Measurement]:
    """A run and its record; the history is written to disk beside it, as by an engine."""
    (folder / "empty.py").write_text(EMPTY)
    history = ProcessingHistory.on_disk(
        folder / "state", run_bytes=HISTORY_BYTES, log_bytes=HISTORY_BYTES, file_system=LOCAL
    )
    history.start()
    runner, trigger, event = (
        _runner(folder, history.logs),
        scheduled_trigger("empty.py"),
        scheduled_event(),
    )
    namespace: dict[str, Callable[..., None]] = {}
    exec(EMPTY, namespace)
    function = namespace["process_scheduled_call"]

    def bare() -> None:
        for _ in range(RUNS):
            function(None, None, None)

    def engine() -> None:
        for _ in range(RUNS):
            history.runs.add(runner.run(trigger, event))

    try:
        bare_seconds, engine_seconds = alternate(ROUNDS, bare, engine)
    finally:
        history.stop()
    per_run = (engine_seconds - bare_seconds) / RUNS * 1e6
    return [
        Measurement(
            name="engine work around an empty plugin",
            value=per_run,
            budget=50,
            unit="us",
            baseline="the bare call",
            details={"bare_us": bare_seconds / RUNS * 1e6, "engine_us": engine_seconds / RUNS * 1e6},
        )
    ]


def _inside(folder: Path) -> Measurement:
    (folder / "timed.py").write_text(TIMED)
    runner, trigger = _runner(folder), scheduled_trigger("timed.py")
    runner.start()
    taken = []
    try:
        for _ in range(ROUNDS):
            runner.run(trigger, scheduled_event())
            taken.append(runner._caches.for_trigger("db", 1).get("seconds", use_global=True))
    finally:
        runner.close()
    return Measurement(
        name="print of a plugin",
        value=float(np.median(taken)) / PRINTS * 1e6,
        budget=5.0,
        unit="us",
        baseline="one call",
    )


def _ten_columns() -> TableRows:
    numbers = np.arange(ROWS)
    hosts = [f"host{number % 100}" for number in range(ROWS)]
    columns: dict[str, pa.Array] = {
        "host": pa.array(hosts).dictionary_encode(),
        "region": pa.array([f"r{number % 5}" for number in range(ROWS)]).dictionary_encode(),
        **{f"f{number}": pa.array(numbers * 0.5 + number) for number in range(4)},
        "i": pa.array(numbers),
        "b": pa.array(numbers % 2 == 0),
        "s": pa.array([f"text {number}" for number in range(ROWS)]),
        "time": pa.array(numbers * 1_000_000_000, pa.timestamp("ns")),
    }
    batch = pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
    return TableRows(
        database_id=1, table_id=1, database="db", table="t", batch=batch, shapes=(tuple(columns)[:-1],)
    )


def _rows() -> Measurement:
    rows = _ten_columns()
    plain = pa.table(rows.batch.to_pydict())
    arrays = [
        plain.column(name).cast(pa.int64()) if name == "time" else plain.column(name)
        for name in plain.column_names
    ]

    def baseline() -> None:
        columns = [column.to_numpy().tolist() for column in arrays]
        names = plain.column_names
        [dict(zip(names, values, strict=True)) for values in zip(*columns, strict=True)]

    def batches() -> None:
        _ = table_batches([rows])[0]["rows"]

    baseline_seconds, batch_seconds = alternate(ROUNDS, baseline, batches)
    return Measurement(
        name="rows of a table batch",
        value=batch_seconds / baseline_seconds,
        budget=1.3,
        unit="x",
        baseline="tolist by column and zip",
        details={
            "baseline_us_a_row": baseline_seconds / ROWS * 1e6,
            "batch_us_a_row": batch_seconds / ROWS * 1e6,
        },
    )


def _logs() -> Measurement:
    logs = ProcessingEngineLogs()

    def append() -> None:
        for number in range(REPEATS):
            logs.append(
                LogEntry(time_ns=number, database="db", trigger="t", level=LogLevel.INFO, text="a line")
            )

    (append_seconds,) = alternate(ROUNDS, append)
    return Measurement(
        name="rows of the log",
        value=append_seconds / REPEATS * 1e6,
        budget=50,
        unit="us",
        baseline="20,000 rows a second",
    )


if __name__ == "__main__":
    for measurement in run():
        print(measurement)
