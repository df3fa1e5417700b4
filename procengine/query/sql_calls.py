"""Where does a text call a function, and with what?"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from procengine.errors import QueryError
from procengine.query.sql_tokens import Token, TokenKind

_NULLS = (("IGNORE", "NULLS"), ("RESPECT", "NULLS"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call. Numbers are positions in the token list, ends exclusive.

    ``first`` is the function's name, ``close`` follows the closing bracket, ``end`` also what belongs to the call
    behind it: WITHIN GROUP, FILTER, IGNORE NULLS, OVER. ``arguments`` are the spans between the commas.
    ``filter`` spans the condition within ``FILTER (WHERE ...)``; ``over`` spans OVER and what follows it.
    """

    name: str
    first: int
    close: int
    end: int
    arguments: tuple[tuple[int, int], ...]
    filter: tuple[int, int] | None = None
    over: tuple[int, int] | None = None


def find_calls(tokens: Sequence[Token], names: Collection[str] | None = None) -> Iterator[Call]:
    """Yield the calls of some functions (all, when no names are given), in the order of the text."""
    for position in range(len(tokens) - 1):
        token = tokens[position]
        if tokens[position + 1].text != "(" or token.kind not in (TokenKind.WORD, TokenKind.QUOTED):
            continue
        name = token.name
        if name is None or (names is not None and name not in names):
            continue
        if position and tokens[position - 1].text == ".":
            continue
        yield _call(tokens, position, name)


def closing(tokens: Sequence[Token], opening: int) -> int:
    """Return the position after the bracket that closes the one at ``opening``; the end when none does."""
    depth = tokens[opening].depth
    for position in range(opening + 1, len(tokens)):
        if tokens[position].depth == depth and tokens[position].text in (")", "]", "}"):
            return position + 1
    return len(tokens)


def split_at_commas(tokens: Sequence[Token], start: int, end: int) -> tuple[tuple[int, int], ...]:
    """Return the spans between the commas of one bracket level; none for an empty span."""
    if start >= end:
        return ()
    depth = tokens[start].depth
    commas = [
        position
        for position in range(start, end)
        if tokens[position].text == "," and tokens[position].depth == depth
    ]
    return tuple(zip([start, *(comma + 1 for comma in commas)], [*commas, end], strict=True))


def _call(tokens: Sequence[Token], first: int, name: str) -> Call:
    close = closing(tokens, first + 1)
    arguments = split_at_commas(tokens, first + 2, close - 1)
    end, condition, over = close, None, None
    while end < len(tokens):
        words = tuple(token.upper for token in tokens[end : end + 3])
        if words[:2] in _NULLS:
            end += 2
        elif words == ("WITHIN", "GROUP", "("):
            end = closing(tokens, end + 2)
        elif words[:2] == ("FILTER", "("):
            after = closing(tokens, end + 1)
            condition = (end + 3, after - 1)
            end = after
        elif words[:1] == ("OVER",) and len(words) > 1:
            after = closing(tokens, end + 1) if words[1] == "(" else end + 2
            over = (end, after)
            end = after
        else:
            break
    return Call(
        name=name,
        first=first,
        close=close,
        end=end,
        arguments=arguments,
        filter=condition,
        over=over,
    )


def check_arguments(call: Call, counts: range, function: str) -> None:
    """Raise unless a call has as many arguments as its function takes."""
    if len(call.arguments) not in counts:
        raise QueryError(
            f"Error during planning: {function} expects {counts[0]} to {counts[-1]} arguments, "
            f"got {len(call.arguments)}"
        )
