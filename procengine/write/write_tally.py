"""How much was written?

Source: influxdb3_write/src/write_buffer/metrics.rs (what is counted by database).
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from procengine.model.histogram import Histogram, HistogramReading


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteCounts:
    """What was written to one database since the engine started. ``size_bytes`` is that of line protocol."""

    writes: int = 0
    lines: int = 0
    rejected_lines: int = 0
    size_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteStatistics:
    """All writes since the engine started, by database; plugins' among them.

    ``seconds`` has how long writes took, from the text to the answer; those that stored nothing are left out.
    """

    by_database: Mapping[str, WriteCounts]
    seconds: HistogramReading


class WriteTally:
    """Counts writes. Any thread."""

    def __init__(self) -> None:
        # Guards the counts: writers of several threads end at the same time.
        self._lock = threading.Lock()
        self._counts: dict[str, list[int]] = {}
        self._seconds = Histogram()

    def count(
        self, database: str, *, lines: int, rejected: int, size_bytes: int, seconds: float
    ) -> None:
        """Count a write that stored lines, or had them rejected."""
        with self._lock:
            counts = self._counts.setdefault(database, [0, 0, 0, 0])
            counts[0] += 1
            counts[1] += lines
            counts[2] += rejected
            counts[3] += size_bytes
        if lines:
            self._seconds.add(seconds)

    def read(self) -> WriteStatistics:
        """Return the counts."""
        with self._lock:
            counts = {name: tuple(each) for name, each in self._counts.items()}
        return WriteStatistics(
            by_database={
                name: WriteCounts(
                    writes=writes, lines=lines, rejected_lines=rejected, size_bytes=size_bytes
                )
                for name, (writes, lines, rejected, size_bytes) in counts.items()
            },
            seconds=self._seconds.read(),
        )
