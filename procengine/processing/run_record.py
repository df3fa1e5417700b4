"""What does a run's record say, in words and counts?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, assert_never

from procengine.clock import NANOSECONDS_PER_SECOND
from procengine.errors import ProcengineError
from procengine.model.line_protocol import read_lines
from procengine.model.precision import Precision
from procengine.model.run import CacheChange
from procengine.processing.event import Event, RequestEvent, ScheduleEvent, WriteEvent
from procengine.processing.first_looks import FirstLooks

LONGEST_SHOWN_VALUE: Final = 200
"""How many characters of a cached value a record shows."""


def starting_text(event: Event) -> str:
    """Return the row that the original logs before a call.

    Source: influxdb3_py_api/src/system_py.rs.
    """
    match event:
        case WriteEvent():
            return "starting execution of wal plugin."
        case ScheduleEvent():
            return f"starting execution with scheduled time {utc_text(event.instant_ns)}"
        case RequestEvent():
            return "starting execution of request plugin."
        case _:
            assert_never(event)


def utc_text(instant_ns: int) -> str:
    """Return an instant as ``2024-01-31 12:00:00 UTC``, with 3, 6 or 9 digits of a fraction if there is one.

    Source: the chrono crate, DateTime<Utc>'s Display.
    """
    return f"{_date_text(instant_ns, ' ')} UTC"


def rfc3339_text(instant_ns: int) -> str:
    """Return an instant as ``2024-01-31T12:00:00Z``, with 3, 6 or 9 digits of a fraction if there is one.

    Source: the chrono crate, to_rfc3339_opts(AutoSi, true).
    """
    return f"{_date_text(instant_ns, 'T')}Z"


@lru_cache(maxsize=16)  # many runs share one scheduled time
def _date_text(instant_ns: int, separator: str) -> str:
    seconds, nanos = divmod(instant_ns, NANOSECONDS_PER_SECOND)
    text = datetime.fromtimestamp(seconds, UTC).isoformat(separator)[:19]
    if not nanos:
        return text
    digits = f"{nanos:09}"
    if nanos % 1_000_000 == 0:
        digits = digits[:3]
    elif nanos % 1_000 == 0:
        digits = digits[:6]
    return f"{text}.{digits}"


def tables_of(lines: Mapping[str, Sequence[str]], now_ns: int) -> dict[tuple[str, str], int]:
    """Return the rows that lines would make, by database and table; lines that cannot be read make none."""
    counts: dict[tuple[str, str], int] = {}
    for database, texts in lines.items():
        try:
            parsed = read_lines("\n".join(texts), precision=Precision.NANOSECOND, default_time_ns=now_ns)
        except ProcengineError:
            continue
        for group in parsed.groups:
            key = (database, group.table)
            counts[key] = counts.get(key, 0) + group.row_count
    return counts


def cache_changes(watched: FirstLooks) -> tuple[CacheChange, ...]:
    """Return what a run changed in its cache that was watched; runs ``repr`` of the values."""
    return tuple(
        CacheChange(key=key, use_global=use_global, before=_shortened(before), after=_shortened(after))
        for key, use_global, before, after in watched.changes()
    )


def _shortened(text: str | None) -> str | None:
    if text is None or len(text) <= LONGEST_SHOWN_VALUE:
        return text
    return f"{text[: LONGEST_SHOWN_VALUE - 3]}..."
