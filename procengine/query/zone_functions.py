"""What are ``tz`` and ``date_bin_wallclock`` in DataFusion's SQL?

``tz`` shows an instant in another zone without changing it; times without a zone are UTC.
``date_bin_wallclock`` puts an instant into bins of the clock on the wall: it is moved back by a duration that a
function of ours computes (`wallclock_bins`), so that the result has the zone of the argument, whatever that is.

Source: core/query_functions/src/{tz,date_bin_wallclock}.rs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from procengine.query.error_text import planning_error
from procengine.query.sql_calls import Call, check_arguments
from procengine.query.sql_tokens import Token, TokenKind, quote_text
from procengine.query.text_edits import TextEdits
from procengine.query.wallclock_bins import DAY_NS, SINCE_BIN, is_zone

ZONE_FUNCTIONS = frozenset({"tz", "date_bin_wallclock"})


def zone_text(
    edits: TextEdits, call: Call, parameters: Mapping[str, Any], evaluate: Callable[[str], Any]
) -> str:
    """Return the SQL that a call stands for; ``evaluate`` returns a constant expression's value."""
    if call.name == "tz":
        return _tz(edits, call, parameters)
    return _wallclock(edits, call, evaluate)


def in_zone(expression: str, zone: str) -> str:
    """Return the SQL of an instant shown in a zone; by way of UTC, which is what times without a zone mean."""
    utc = f"arrow_cast({expression}, 'Timestamp(Nanosecond, Some(\"UTC\"))')"
    if zone == "UTC":
        return utc
    kind = f'Timestamp(Nanosecond, Some("{zone}"))'
    return f"arrow_cast({utc}, {quote_text(kind)})"


def _tz(edits: TextEdits, call: Call, parameters: Mapping[str, Any]) -> str:
    if len(call.arguments) not in (1, 2):
        raise planning_error(f"tz expects 1 or 2 arguments, got {len(call.arguments)}")
    zone = "UTC" if len(call.arguments) == 1 else _zone(edits, call, parameters)
    if not is_zone(zone):
        raise planning_error(f'TZ requires a valid timezone string, got "{zone}"')
    return in_zone(edits.argument(call, 0), zone)


def _zone(edits: TextEdits, call: Call, parameters: Mapping[str, Any]) -> str:
    start, end = call.arguments[1]
    text = _constant(edits.tokens[start], parameters) if end - start == 1 else None
    if text is None:
        raise planning_error(
            f"tz requires its second argument to be a timezone string, got {edits.source(start, end)}"
        )
    return text


def _constant(token: Token, parameters: Mapping[str, Any]) -> str | None:
    if token.kind is TokenKind.STRING and token.text[0] == "'":
        return token.text[1:-1].replace("''", "'")
    if token.kind is TokenKind.PARAMETER:
        value = parameters.get(token.text[1:])
        text = None if value is None else value.as_py()
        return text if isinstance(text, str) else None
    return None


def _wallclock(edits: TextEdits, call: Call, evaluate: Callable[[str], Any]) -> str:
    check_arguments(call, range(2, 4), "date_bin_wallclock")
    stride_ns, in_days = wallclock_stride(edits.argument(call, 0), evaluate)
    time = f"({edits.argument(call, 1)})"
    origin = edits.argument(call, 2) if len(call.arguments) == 3 else "0"
    origin_ns = f"CAST(arrow_cast({origin}, 'Timestamp(Nanosecond, None)') AS BIGINT)"
    since = (
        f"{SINCE_BIN}(CAST({time} AS BIGINT), arrow_typeof({time}), {stride_ns}, {in_days}, {origin_ns})"
    )
    return f"({time} - {since})"


def wallclock_stride(text: str, evaluate: Callable[[str], Any]) -> tuple[int, bool]:
    """Return a constant interval as nanoseconds, and whether days are in it."""
    stride = evaluate(f"arrow_cast({text}, 'Interval(MonthDayNano)')").as_py()
    if stride is None or stride.months:
        raise planning_error("DATE_BIN_WALLCLOCK does not support months or years in its interval")
    stride_ns = stride.days * DAY_NS + stride.nanoseconds
    if stride_ns <= 0:
        raise planning_error("DATE_BIN_WALLCLOCK requires a positive interval")
    return stride_ns, stride.days != 0
