"""What are ``difference``, ``derivative`` and their non-negative forms in DataFusion's SQL?

Window functions over a row and the last one before it that has a value (and a time, for derivatives). Where a row has
none, or none is before it, the result is NULL. Derivatives are per ``unit``, one second where none is given.

Source: core/query_functions/src/{difference,derivative,non_negative}.rs.
Differs: ``difference`` of unsigned integers that fall wraps round, as the original's does without nulls, also with
nulls among them; the non-negative form gives NULL there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from procengine.errors import QueryError
from procengine.query.sql_calls import Call, check_arguments
from procengine.query.text_edits import TextEdits

DIFFERENCE_FUNCTIONS = frozenset(
    {"difference", "non_negative_difference", "derivative", "non_negative_derivative"}
)

SECOND_NS = 1_000_000_000


def difference_text(edits: TextEdits, call: Call, evaluate: Callable[[str], Any]) -> str:
    """Return the SQL that a call stands for; ``evaluate`` returns a constant expression's value."""
    if call.over is None:
        raise QueryError(
            f"Error during planning: {call.name} is a window function and requires an OVER clause"
        )
    over = edits.source(*call.over)
    if call.name.endswith("difference"):
        return _difference(edits, call, over)
    return _derivative(edits, call, over, evaluate)


def _difference(edits: TextEdits, call: Call, over: str) -> str:
    check_arguments(call, range(1, 2), call.name)
    value = f"({edits.argument(call, 0)})"
    before = f"lag({value}) IGNORE NULLS {over}"
    if call.name == "difference":
        return f"({value} - {before})"
    return f"(CASE WHEN {value} >= {before} THEN {value} - {before} END)"


def _derivative(edits: TextEdits, call: Call, over: str, evaluate: Callable[[str], Any]) -> str:
    check_arguments(call, range(2, 4), call.name)
    unit_ns = _unit_ns(edits.argument(call, 2), evaluate) if len(call.arguments) == 3 else SECOND_NS
    value, time = f"({edits.argument(call, 0)})", f"({edits.argument(call, 1)})"
    # One struct, so that value and time come from one row, whichever of them other rows lack.
    point = (
        f"CASE WHEN {value} IS NOT NULL AND {time} IS NOT NULL THEN "
        f"named_struct('v', CAST({value} AS DOUBLE), 't', CAST({time} AS BIGINT)) END"
    )
    before = f"lag({point}) IGNORE NULLS {over}"
    rise = f"CAST({value} AS DOUBLE) - ({before})['v']"
    run = f"CAST(CAST({time} AS BIGINT) - ({before})['t'] AS DOUBLE) / {float(unit_ns)!r}"
    slope = f"(({rise}) / ({run}))"
    if call.name == "derivative":
        return slope
    return f"(CASE WHEN {slope} >= 0 THEN {slope} END)"


def _unit_ns(text: str, evaluate: Callable[[str], Any]) -> int:
    unit = evaluate(f"arrow_cast({text}, 'Interval(MonthDayNano)')").as_py()
    if unit is None:
        raise QueryError("derivative unit parameter must be a non-null literal interval")
    if unit.months > 0 or unit.days > 0:
        raise QueryError("derivative unit parameter cannot contain months or days")
    if unit.nanoseconds < 1:
        raise QueryError("derivative unit parameter must be positive")
    return int(unit.nanoseconds)
