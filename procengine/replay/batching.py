"""Which rows of a history reach the triggers together, and when?

InfluxDB 3 flushes by a timer, a second by default, and calls a write trigger once a flush: so rows whose times fall
into one second stand for one flush, at that second's end. Rows can also come one by one, or those of one time
together.

In each of these a schedule that ticks at an instant finds the rows before it, and none at it or later.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Self

from procengine.errors import InvalidInputError
from procengine.model.duration import SECOND, format_duration, parse_duration


class BatchKind(Enum):
    """How rows are put together."""

    ROW = "row"
    """Each row is a write of its own, at its time."""
    TIME = "time"
    """Rows of the same time are one write, at that time."""
    INTERVAL = "interval"
    """Rows of the same interval are one write, at the interval's last nanosecond."""


@dataclass(frozen=True, slots=True)
class Batching:
    """How rows are put together; ``interval_ns`` is set for intervals, which count from the epoch."""

    kind: BatchKind = BatchKind.INTERVAL
    interval_ns: int = SECOND

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return what ``row``, ``time`` or a duration says.

        Raises: InvalidInputError.
        """
        if text in (BatchKind.ROW.value, BatchKind.TIME.value):
            return cls(BatchKind(text), 0)
        try:
            interval_ns = parse_duration(text)
        except InvalidInputError as error:
            raise _refused(text, str(error)) from error
        if interval_ns < 1:
            raise _refused(text, "it is no time at all")
        return cls(BatchKind.INTERVAL, interval_ns)

    def __str__(self) -> str:
        return format_duration(self.interval_ns) if self.interval_ns else self.kind.value


def _refused(text: str, why: str) -> InvalidInputError:
    return InvalidInputError(
        f"batch cannot be {text!r}: {why}; expected row, time, or a duration such as 1s, a server's "
        "flush interval"
    )
