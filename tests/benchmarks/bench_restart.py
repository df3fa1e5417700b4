"""How soon after its start does an engine take writes and answer queries?

Eight million rows in Parquet files, two million in the log, and a last-value cache of 100,000 series. What a child
process needs from the call of `Engine` to a written row and the cache's rows by SQL is measured; importing is not.
The baseline beside it, in the details, is reading the Parquet files alone with pyarrow.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from procengine import Engine
from tests.benchmarks.measurement import Measurement

SERIES = 100_000
ROWS = 1_000_000
FILE_WRITES, LOG_WRITES = 8, 2
START_NS = 1_700_000_000 * 10**9
ROUNDS = 5


def run() -> list[Measurement]:
    """Measure; about a minute."""
    with tempfile.TemporaryDirectory() as folder:
        _fill(Path(folder))
        taken = [_restart(folder) for _ in range(ROUNDS)]
    medians = {name: statistics.median(one[name] for one in taken) for name in taken[0]}
    return [
        Measurement(
            name="restart with 8M rows in Parquet, 2M in the log, a cache of 100,000 series",
            value=medians.pop("ready") * 1e3,
            budget=2_000,
            unit="ms",
            baseline="absolute",
            details={f"{name}_ms": value * 1e3 for name, value in medians.items()},
        )
    ]


def _fill(folder: Path) -> None:
    with Engine(data_dir=folder, environ={}, http_bind="off") as engine:
        for number in range(FILE_WRITES):
            engine.write("db", _rows(number), table="cpu", tags=["host"])
        engine.snapshot()
        engine.last_caches.create("db", "cpu", ttl_seconds=10**9)
        for number in range(FILE_WRITES, FILE_WRITES + LOG_WRITES):
            engine.write("db", _rows(number), table="cpu", tags=["host"])


def _rows(number: int) -> pa.Table:
    """Return ten rows of each series, ten seconds apart, after those of the numbers before."""
    hosts = pa.array([f"sensor-{one:06}" for one in range(SERIES)])
    chance = np.random.default_rng(number)
    codes = np.tile(np.arange(SERIES, dtype=np.int32), ROWS // SERIES)
    ticks = np.repeat(np.arange(ROWS // SERIES), SERIES) + number * (ROWS // SERIES)
    return pa.table(
        {
            "host": pa.DictionaryArray.from_arrays(pa.array(codes), hosts),
            "usage": chance.random(ROWS),
            "load": chance.random(ROWS),
            "n": np.arange(ROWS) + number * ROWS,
            "time": pa.array(START_NS + ticks * 10 * 10**9).cast(pa.timestamp("ns")),
        }
    )


def _restart(folder: str) -> dict[str, float]:
    shown = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_restart", folder],
        capture_output=True,
        text=True,
        check=True,
    )
    times: dict[str, float] = json.loads(shown.stdout)
    return times


def _child(folder: str) -> None:
    began, cpu_began = time.perf_counter(), time.process_time()
    with Engine(data_dir=folder, environ={}, http_bind="off") as engine:
        opened = time.perf_counter()
        engine.write("db", f"cpu,host=sensor-000007 usage=0.5 {time.time_ns()}")
        rows = engine.query("SELECT count(*) AS series, max(n) AS n FROM last_cache('cpu')", "db")
        ready, cpu = time.perf_counter(), time.process_time()
        assert rows.to_pylist() == [{"series": SERIES, "n": 10 * ROWS - 1}]
        files = [file.path for file in engine.write_buffer.files()]
    read_began = time.perf_counter()
    for path in files:
        pq.read_table(path)
    times = {
        "ready": ready - began,
        "opened": opened - began,
        "cpu": cpu - cpu_began,
        "bare_read_of_the_files": time.perf_counter() - read_began,
    }
    print(json.dumps(times))


if __name__ == "__main__":
    _child(sys.argv[1])
