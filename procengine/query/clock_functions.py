"""What does a statement take for the present?

The engine's clock, once for the whole statement: its two plannings must agree, and a replay has a time of its own.
"""

from __future__ import annotations

CLOCK_FUNCTIONS = frozenset({"now", "today", "current_timestamp", "current_date", "current_time"})
"""Functions of the present."""

CLOCK_WORDS = frozenset({"current_timestamp", "current_date", "current_time"})
"""Those that are written without brackets as well."""

_DAY_NS = 24 * 3600 * 1_000_000_000


def clock_literal(function: str, now_ns: int) -> str:
    """Return what a function of the present gives, as SQL of the function's type."""
    match function:
        case "now" | "current_timestamp":
            return f"arrow_cast({now_ns}, 'Timestamp(Nanosecond, None)')"
        case "current_time":
            return f"arrow_cast({now_ns % _DAY_NS}, 'Time64(Nanosecond)')"
        case _:
            return f"arrow_cast({now_ns // _DAY_NS}, 'Date32')"
