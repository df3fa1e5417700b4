"""By what does a SELECT with gap filling group?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from procengine.query.error_text import planning_error
from procengine.query.sql_calls import Call, find_calls, split_at_commas
from procengine.query.sql_columns import is_column
from procengine.query.sql_select import Select, Span
from procengine.query.sql_tokens import Token, TokenKind

GAPFILL_FUNCTIONS = {
    "date_bin_gapfill": "date_bin",
    "date_bin_wallclock_gapfill": "date_bin_wallclock",
}
"""The functions that ask for gap filling, and those that make their bins."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Groups:
    """The expressions of a GROUP BY; ``gapfill`` says which of them fills gaps, with what ``call``.

    The call's numbers are positions in the whole token list.
    """

    spans: tuple[Span, ...]
    gapfill: int
    call: Call


def read_groups(tokens: Sequence[Token], select: Select, known: Collection[str]) -> Groups:
    """Return what a SELECT groups by; ``known`` are the columns of its FROM.

    Raises:
        QueryError: not exactly one of the expressions is a gap-filling function.
    """
    clause = select.clauses.get("GROUP")
    entries = () if clause is None else split_at_commas(tokens, *clause)
    spans = tuple(_resolved(tokens, select, entry, known) for entry in entries)
    calls = []
    for number, (start, end) in enumerate(spans):
        for call in find_calls(tokens, GAPFILL_FUNCTIONS):
            if start <= call.first < end:
                calls.append((number, call))
                if (call.first, call.end) != (start, end):
                    raise planning_error(
                        "DATE_BIN_GAPFILL must be a top-level expression in the GROUP BY clause when gap filling. "
                        "It cannot be part of another expression or cast"
                    )
    if not calls:
        name = next(
            call.name for call in find_calls(tokens, GAPFILL_FUNCTIONS) if call.first > select.first
        )
        raise planning_error(f"{name} may only be used as a GROUP BY expression")
    if len(calls) > 1:
        raise planning_error("DATE_BIN_GAPFILL specified more than once")
    number, call = calls[0]
    if len(call.arguments) not in (2, 3):
        raise planning_error(f"DATE_BIN_GAPFILL expects 2 or 3 arguments, got {len(call.arguments)}")
    return Groups(spans=spans, gapfill=number, call=call)


def time_column(tokens: Sequence[Token], span: Span) -> Span:
    """Return the column that is binned: the argument itself, or what ``tz`` or a cast shows of it."""
    start, end = span
    while tokens[start].name == "tz" and start + 1 < end and tokens[start + 1].text == "(":
        call = next(call for call in find_calls(tokens, {"tz"}) if call.first == start)
        start, end = call.arguments[0]
    cast = next((n for n in range(start, end) if tokens[n].text == "::"), end)
    if not is_column(tokens[start:cast]):
        raise planning_error("DATE_BIN_GAPFILL requires a column as the source argument")
    return start, cast


def _resolved(tokens: Sequence[Token], select: Select, entry: Span, known: Collection[str]) -> Span:
    """Return the expression that an entry of GROUP BY means: its own, or that of an entry of the select list."""
    start, end = entry
    token = tokens[start]
    if end - start != 1:
        return entry
    if (
        token.kind is TokenKind.NUMBER
        and token.text.isdigit()
        and 0 < int(token.text) <= len(select.items)
    ):
        return select.items[int(token.text) - 1].expression
    if token.name is not None and token.name not in known:
        for item in select.items:
            if item.alias == token.name:
                return item.expression
    return entry
