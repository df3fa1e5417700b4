"""How long does a reader wait for an inspector of a cache?

Measured in the kernel, from the question to the message with the first rows that the page gets. The columns are those
of a sensor: a key, two floats and the time; all keys, floats and times differ, which is the slowest case.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from procengine_jupyter.inspectors.distinct_cache_state import DistinctCacheState
from procengine_jupyter.inspectors.inspector import Inspector
from procengine_jupyter.inspectors.last_cache_state import LastCacheState
from procengine_jupyter.inspectors.rows import Order, column_widths

from tests.benchmarks.bench_caches import NOW_NS, batch, new_distinct, new_last
from tests.benchmarks.measurement import Measurement

SERIES = 1_000_000
VALUES = 100_000
ROUNDS = 5
WINDOW = 55
"""Rows that a page asks for: a screenful, and some above and below."""


def run() -> list[Measurement]:
    """Measure all; about half a minute."""
    return [*_last_values(), *_distinct_values()]


def _last_values() -> list[Measurement]:
    cache, clock = new_last()
    rows = batch(0, SERIES, SERIES)
    every = rows.column("host").dictionary
    cache.apply(rows.set_column(0, "host", every), clock.now_ns())
    state = LastCacheState(_engine(clock, last=cache), ("db", "cpu", "last"))
    opened = [_taken(lambda: _window(Inspector(lambda: state))) for _ in range(ROUNDS)]
    inspector = Inspector(lambda: state)
    figures = [_figure(f"first rows of last values of {SERIES:,} series", opened, 1_000)]
    for what, texts in {
        "a key": ("sensor-0001", "sensor-00012", "SENSOR-9", "77"),
        "a number": ("0.1234", "12.5", "0.99", "3"),
    }.items():
        taken = [_taken(lambda text=text: _filter(inspector, text)) for text in texts]  # type: ignore[misc]
        figures.append(_figure(f"filter last values of {SERIES:,} series by {what}", taken, 300))
    orders = [Order(column=name, descending=True) for name in ("usage", "host", "load")]
    inspector.text_filter = ""
    taken = [_taken(lambda order=order: _sort(inspector, order)) for order in orders]  # type: ignore[misc]
    figures.append(_figure(f"sort last values of {SERIES:,} series", taken, 500))
    assert len(inspector.selection) == SERIES
    return figures


def _distinct_values() -> list[Measurement]:
    cache = new_distinct()
    cache.apply(batch(0, VALUES, VALUES), NOW_NS)
    state = DistinctCacheState(_engine(cache._clock, distinct=cache), ("db", "cpu", "distinct"))
    opened = [_taken(lambda: _window(Inspector(lambda: state))) for _ in range(ROUNDS)]
    inspector = Inspector(lambda: state)
    texts = ("sensor-0001", "SENSOR-9", "77", "no such")
    taken = [_taken(lambda text=text: _filter(inspector, text)) for text in texts]  # type: ignore[misc]
    return [
        _figure("first rows of distinct values, 100,000 drawn", opened, 1_000),
        _figure("filter the tree of 100,000 distinct values", taken, 300),
    ]


def _figure(name: str, taken: list[float], budget_ms: float) -> Measurement:
    value = statistics.median(taken) * 1e3
    return Measurement(
        name=name,
        value=value,
        budget=budget_ms,
        unit="ms",
        baseline="none",
        details={"longest_ms": max(taken) * 1e3},
    )


def _taken(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def _window(inspector: Inspector) -> None:
    column_widths(inspector.selection.table)
    inspector.selection.window(0, WINDOW)


def _filter(inspector: Inspector, text: str) -> None:
    inspector.text_filter = text
    _window(inspector)


def _sort(inspector: Inspector, order: Order) -> None:
    inspector.order = order
    _window(inspector)


def _engine(clock: Any, *, last: Any = None, distinct: Any = None) -> Any:
    """Return as much of an engine as an inspector of one cache needs."""
    return SimpleNamespace(
        clock=clock,
        last_caches=SimpleNamespace(find=lambda *_place: last),
        distinct_caches=SimpleNamespace(find=lambda *_place: distinct),
    )
