"""How long does it take to replay a day?"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pyarrow as pa

from procengine.engine import Engine
from procengine.replay import SourceFormat, read_data, start_replay
from tests.benchmarks.measurement import Measurement, alternate

ROUNDS = 3
ROWS = 86_400
SCHEDULES = 10
RUNS = ROWS + SCHEDULES * ROWS // 60
START_NS = 1_700_006_400_000_000_000

WRITES = """
def process_writes(influxdb3_local, table_batches, args=None):
    pass
"""
TICKS = """
def process_scheduled_call(influxdb3_local, call_time, args=None):
    pass
"""


def run() -> list[Measurement]:
    """Measure a day of rows at one a second, each a run, with ten schedules, around plugins that do nothing."""
    return _day()


def _table() -> pa.Table:
    numbers = np.arange(ROWS)
    return pa.table(
        {
            "room": pa.array([f"room{number % 10}" for number in numbers.tolist()]).dictionary_encode(),
            "temp": numbers * 0.1,
            "time": pa.array(START_NS + numbers * 1_000_000_000, pa.timestamp("ns")),
        }
    )


def _day() -> list[Measurement]:
    table = _table()
    namespaces: list[dict[str, Callable[..., None]]] = []
    for text in (WRITES, TICKS):
        namespaces.append({})
        exec(text, namespaces[-1])
    on_write, on_tick = namespaces[0]["process_writes"], namespaces[1]["process_scheduled_call"]
    batches = [{"table_name": "home", "rows": [{}]}]
    moment = datetime(2023, 11, 15)

    def bare() -> None:
        for _ in range(ROWS):
            on_write(None, batches, None)
        for _ in range(RUNS - ROWS):
            on_tick(None, moment, None)

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "writes.py").write_text(WRITES)
        (folder / "ticks.py").write_text(TICKS)
        with Engine(plugin_dir=folder, object_store="memory", environ={}) as engine:
            engine.catalog.create_database("db")
            engine.triggers.create("db", "writes", "writes.py", "table:home")
            for number in range(SCHEDULES):
                engine.triggers.create("db", f"ticks{number}", "ticks.py", "every:1m")

            def replay() -> None:
                source = read_data(table, SourceFormat(table="home"), name="day")
                result = start_replay(engine, source, "db").wait()
                assert result.runs.num_rows == RUNS
                assert not result.error_count

            cpu: list[float] = []
            bare_seconds, seconds = alternate(ROUNDS, bare, lambda: cpu.append(_cpu_seconds(replay)))
    return [
        Measurement(
            name="replay of a day of 1 s data with 10 schedules",
            value=seconds,
            budget=10,
            unit="s",
            baseline=f"{RUNS:,} runs",
        ),
        Measurement(
            name="replay, engine work a run",
            value=(statistics.median(cpu) - bare_seconds) / RUNS * 1e6,
            budget=60,
            unit="us",
            baseline="the bare call; CPU time",
            details={"seconds": seconds, "bare_seconds": bare_seconds},
        ),
    ]


def _cpu_seconds(call: Callable[[], object]) -> float:
    """Return the CPU time of a call, all threads together: a replay has one that works."""
    began = time.process_time()
    call()
    return time.process_time() - began


if __name__ == "__main__":
    for measurement in run():
        print(measurement)
