"""What do last-value and distinct-value caches cost: rows that come, reads, bytes?

The baseline of an update is pandas' ``groupby().last()`` over the same Arrow batch, as a DataFrame made beforehand
with the tag as plain text, which is the faster form for it, also where five rows of each series are kept (beside it,
in the details, ``groupby().tail(5)``). The cache does more: it finds series among those it has, and keeps what is
newest, and each row's time to live.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import pyarrow as pa

from procengine.cache import DistinctCache, LastCache
from procengine.clock import VirtualClock
from procengine.model.cache_definition import distinct_cache, last_cache
from procengine.model.column import Column, ColumnType
from procengine.model.table_schema import TableSchema
from tests.benchmarks.measurement import Measurement, alternate, seconds

ROWS = 1_000_000
SERIES = 100_000
SECOND_NS = 10**9
NOW_NS = 1_700_000_000 * SECOND_NS

SCHEMA = TableSchema(
    (
        Column("host", ColumnType.TAG),
        Column("usage", ColumnType.FLOAT),
        Column("load", ColumnType.FLOAT),
    )
)


def run() -> list[Measurement]:
    """Measure all; about half a minute."""
    return [*_updates(), *_reads(), *_sizes()]


def batch(first: int, rows: int, series: int) -> pa.RecordBatch:
    """Return rows of series in random order, a microsecond apart, ``first`` microseconds after the start."""
    chance = np.random.default_rng(first)
    hosts = pa.array([f"sensor-{number:07}" for number in range(series)])
    codes = chance.integers(0, series, rows, dtype=np.int32)
    times = NOW_NS + (np.arange(rows) + first) * 1_000
    return pa.RecordBatch.from_arrays(
        [
            pa.DictionaryArray.from_arrays(pa.array(codes), hosts),
            pa.array(chance.random(rows)),
            pa.array(chance.random(rows)),
            pa.array(times).cast(pa.timestamp("ns")),
        ],
        names=["host", "usage", "load", "time"],
    )


def new_last(count: int = 1) -> tuple[LastCache, VirtualClock]:
    """Return an empty last-value cache by host, and its clock."""
    clock = VirtualClock(NOW_NS)
    return LastCache(last_cache("db", "cpu", 1, SCHEMA, count=count), SCHEMA, clock), clock


def new_distinct() -> DistinctCache:
    """Return an empty distinct-value cache of hosts."""
    definition = distinct_cache("db", "cpu", 1, SCHEMA, columns=["host"], max_cardinality=10_000_000)
    return DistinctCache(definition, SCHEMA, VirtualClock(NOW_NS))


def _updates() -> list[Measurement]:
    found = []
    for count in (1, 5):
        cache, clock = new_last(count)
        batches = [batch(number * ROWS, ROWS, SERIES) for number in range(6)]
        frame = batches[0].to_pandas().astype({"host": str})
        cache.apply(batches[0], clock.now_ns())
        rest = iter(batches[1:])
        ours, theirs = alternate(
            5,
            lambda cache=cache, rest=rest: cache.apply(next(rest), NOW_NS),  # type: ignore[misc]
            lambda frame=frame: frame.groupby("host").last(),  # type: ignore[misc]
        )
        tail = statistics.median(seconds(lambda: frame.groupby("host").tail(count)) for _ in range(3))  # noqa: B023
        found.append(
            Measurement(
                name=f"last values of 1M rows over 100,000 series, count {count}",
                value=ours / theirs,
                budget=1,
                unit="x",
                baseline="pandas groupby().last() on the same table",
                details={
                    "cache_ms": ours * 1e3,
                    "pandas_ms": theirs * 1e3,
                    "pandas_tail_ms": tail * 1e3,
                    "rows_per_s": ROWS / ours,
                },
            )
        )
    return [*found, _one_row()]


def _one_row() -> Measurement:
    cache, clock = new_last()
    cache.apply(batch(0, ROWS, SERIES), clock.now_ns())
    rows = [batch(ROWS + number, 1, 1) for number in range(2_000)]
    taken = [seconds_of(lambda row=row: cache.apply(row, NOW_NS)) for row in rows]  # type: ignore[misc]
    return Measurement(
        name="last value of one row among 100,000 series",
        value=statistics.median(taken) * 1e6,
        budget=100,
        unit="us",
        baseline="absolute",
    )


def seconds_of(call: Callable[[], object]) -> float:
    """Return how long a very short call takes, without collecting garbage first."""
    import time

    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _reads() -> list[Measurement]:
    cache, clock = new_last()
    cache.apply(batch(0, 20 * SERIES, SERIES), clock.now_ns())
    distinct = new_distinct()
    distinct.apply(batch(0, 20 * SERIES, SERIES), 0)
    distinct.read()

    def changed(one: LastCache | DistinctCache, number: int) -> None:
        one.apply(batch(100 * ROWS + number, 1, 1), NOW_NS)

    found = []
    for name, one, budget in (
        ("all 100,000 last values as Arrow", cache, 20.0),
        ("100,000 distinct values as Arrow", distinct, 10.0),
    ):
        after_change = []
        for number in range(11):
            changed(one, number)
            after_change.append(seconds(one.read))
        found.append(
            Measurement(
                name=f"{name}, after a change",
                value=statistics.median(after_change) * 1e3,
                budget=budget,
                unit="ms",
                baseline="absolute",
                details={"unchanged_us": statistics.median(seconds(one.read) for _ in range(11)) * 1e6},
            )
        )
    return found


def _sizes() -> list[Measurement]:
    """Measure a million series in a process of their own: the growth of its resident memory, and its own account."""
    shown = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.bench_caches"],
        capture_output=True,
        text=True,
        check=True,
    )
    last_grown, last_told, distinct_grown, distinct_told = map(float, shown.stdout.split())
    return [
        Measurement(
            name=f"{kind} of 1,000,000 series of one tag, resident memory",
            value=grown / 1e6,
            budget=budget,
            unit="MB",
            baseline="absolute",
            details={"own_account_mb": told / 1e6, "own_account_bytes_per_series": told / 1e6},
        )
        for kind, grown, told, budget in (
            ("last values", last_grown, last_told, 500.0),
            ("distinct values", distinct_grown, distinct_told, 400.0),
        )
    ]


def _resident_bytes() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * resource.getpagesize()


def _measure_sizes() -> None:
    caches: list[LastCache | DistinctCache] = []
    for make in (lambda: new_last()[0], new_distinct):
        before = _resident_bytes()
        cache = make()
        for number in range(10):
            cache.apply(_hosts(number * 100_000), NOW_NS)
        caches.append(cache)
        grown = _resident_bytes() - before
        statistics_now = cache.statistics()
        assert statistics_now.series_count == 1_000_000
        print(grown, statistics_now.size_bytes)


def _hosts(first: int) -> pa.RecordBatch:
    """Return a row for each of 100,000 series of their own."""
    numbers = np.arange(first, first + 100_000)
    return pa.RecordBatch.from_arrays(
        [
            pa.array([f"sensor-{number:07}" for number in numbers]).dictionary_encode(),
            pa.array(numbers / 7),
            pa.array(numbers / 3),
            pa.array(NOW_NS + numbers).cast(pa.timestamp("ns")),
        ],
        names=["host", "usage", "load", "time"],
    )


if __name__ == "__main__":
    _measure_sizes()
