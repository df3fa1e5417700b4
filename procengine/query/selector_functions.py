"""What are ``selector_first``, ``selector_last``, ``selector_min`` and ``selector_max`` in DataFusion's SQL?

The row whose time, or value, is the least or greatest, as a struct of ``value`` and ``time`` (and ``other_1``,
``other_2``, ... for further arguments). Rows without a value or time do not count; without any row the struct is
NULL. Of several rows with the least or greatest value the earliest is taken.

Source: core/query_functions/src/selectors.rs.
Differs: not as window functions.
"""

from __future__ import annotations

from procengine.errors import QueryError
from procengine.query.sql_calls import Call
from procengine.query.text_edits import TextEdits

_ORDERS = {
    "selector_first": "{time}",
    "selector_last": "{time} DESC",
    "selector_min": "{value}, {time}",
    "selector_max": "{value} DESC, {time}",
}

SELECTORS = frozenset(_ORDERS)


def selector_text(edits: TextEdits, call: Call) -> str:
    """Return the SQL that a call of a selector stands for."""
    if len(call.arguments) < 2:
        raise QueryError(
            f"Error during planning: {call.name} requires at least 2 arguments, got {len(call.arguments)}"
        )
    if call.over is not None:
        raise QueryError(f"This feature is not implemented: {call.name} as a window function")
    value, time, *others = (edits.argument(call, number) for number in range(len(call.arguments)))
    order = _ORDERS[call.name].format(value=f"({value})", time=f"({time})")
    fields = [f"'value', {value}", f"'time', {time}"]
    fields += [f"'other_{number}', {other}" for number, other in enumerate(others, 1)]
    condition = f"({value}) IS NOT NULL AND ({time}) IS NOT NULL"
    if call.filter is not None:
        condition += f" AND ({edits.source(*call.filter)})"
    struct = f"named_struct({', '.join(fields)})"
    return f"first_value({struct} ORDER BY {order}) FILTER (WHERE {condition})"
