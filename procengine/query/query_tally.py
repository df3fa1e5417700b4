"""How many queries were there, how did they end, and how long did they take?"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from procengine.model.histogram import Histogram, HistogramReading

NANOSECONDS_PER_SECOND = 1e9


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryStatistics:
    """All queries since the engine started. ``ended`` counts by phase: ``success``, ``fail``, ``cancel``.

    ``plan_seconds`` has how long planning took, ``seconds`` how long queries took in all.
    """

    received: int
    ended: Mapping[str, int]
    plan_seconds: HistogramReading
    seconds: HistogramReading

    @property
    def running(self) -> int:
        """How many queries have not ended."""
        return self.received - sum(self.ended.values())


class QueryTally:
    """Counts queries. Any thread."""

    def __init__(self) -> None:
        # Guards the counts: queries of several threads end at the same time.
        self._lock = threading.Lock()
        self._received = 0
        self._ended = {"success": 0, "fail": 0, "cancel": 0}
        self._plan_seconds = Histogram()
        self._seconds = Histogram()

    def receive(self) -> None:
        """Count a query that came."""
        with self._lock:
            self._received += 1

    def end(self, phase: str, *, plan_ns: int | None, end2end_ns: int) -> None:
        """Count a query that ended; ``plan_ns`` is None where it was never planned."""
        with self._lock:
            self._ended[phase] += 1
        if plan_ns is not None:
            self._plan_seconds.add(plan_ns / NANOSECONDS_PER_SECOND)
        self._seconds.add(end2end_ns / NANOSECONDS_PER_SECOND)

    def read(self) -> QueryStatistics:
        """Return the counts."""
        with self._lock:
            received, ended = self._received, dict(self._ended)
        return QueryStatistics(
            received=received,
            ended=ended,
            plan_seconds=self._plan_seconds.read(),
            seconds=self._seconds.read(),
        )
