"""How are many durations or sizes told in few numbers?

As counts below fixed bounds, with their sum: what Prometheus calls a histogram.
"""

from __future__ import annotations

import threading
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
"""Bounds for durations, the original's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HistogramReading:
    """A histogram at one instant: for each bound how many values were at most it, then how many in all."""

    bounds: tuple[float, ...]
    at_most: tuple[int, ...]
    count: int
    sum: float


class Histogram:
    """Counts values by bounds, which ascend. Any thread."""

    def __init__(self, bounds: Sequence[float] = SECONDS) -> None:
        self._bounds = tuple(bounds)
        # Guards the counts, so that a reading is of one instant.
        self._lock = threading.Lock()
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        place = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[place] += 1
            self._sum += value

    def read(self) -> HistogramReading:
        """Return what was counted."""
        with self._lock:
            counts, total = tuple(self._counts), self._sum
        at_most = []
        below = 0
        for count in counts[:-1]:
            below += count
            at_most.append(below)
        return HistogramReading(
            bounds=self._bounds, at_most=tuple(at_most), count=below + counts[-1], sum=total
        )
