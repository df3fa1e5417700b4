"""What are the clauses of a SELECT?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from procengine.query.sql_calls import closing, split_at_commas
from procengine.query.sql_tokens import Token, TokenKind

_CLAUSES = ("FROM", "WHERE", "GROUP", "HAVING", "WINDOW", "QUALIFY", "ORDER", "LIMIT", "OFFSET", "FETCH")
_SETS = ("UNION", "INTERSECT", "EXCEPT", "MINUS")

_OPEN_LITERALS = ("INTERVAL", "TIMESTAMP", "DATETIME", "DATE", "TIME", "ESCAPE", "TO")
"""Words before a text that is no alias."""

Span = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SelectItem:
    """One entry of a select list: the span of its expression, and its alias where it has one."""

    expression: Span
    alias: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Select:
    """One SELECT. Numbers are positions in the token list, ends exclusive.

    ``first`` is the word SELECT, ``end`` follows the last clause; ``items_start`` follows DISTINCT where it is.
    ``clauses`` holds the spans behind the clauses' words (behind BY, for GROUP and ORDER), by the first word.
    ``in_set`` tells that UNION or the like joins it with another: ORDER BY and LIMIT are then not its own.
    """

    first: int
    items_start: int
    end: int
    items: tuple[SelectItem, ...]
    clauses: dict[str, Span]
    in_set: bool


def find_selects(tokens: Sequence[Token]) -> Iterator[Select]:
    """Yield the SELECTs of a text in the order of their first words."""
    for position, token in enumerate(tokens):
        if token.upper == "SELECT" and (position == 0 or tokens[position - 1].text != "."):
            yield _select(tokens, position)


def _select(tokens: Sequence[Token], first: int) -> Select:
    depth = tokens[first].depth
    start = _after_distinct(tokens, first + 1)
    marks: list[tuple[str, int]] = []
    position, in_set = start, _follows_set(tokens, first)
    while position < len(tokens) and tokens[position].depth >= depth and tokens[position].text != ";":
        token = tokens[position]
        if token.depth == depth:
            if _is_set_operator(tokens, position):
                in_set = True
                break
            if token.upper in _CLAUSES and _opens_clause(tokens, position, marks):
                marks.append((token.upper, position))
        position += 1
    ends = [mark for _, mark in marks[1:]] + [position] * bool(marks)
    clauses = {
        word: (mark + (2 if word in ("GROUP", "ORDER") else 1), end)
        for (word, mark), end in zip(marks, ends, strict=True)
    }
    items_end = marks[0][1] if marks else position
    items = tuple(_item(tokens, *span) for span in split_at_commas(tokens, start, items_end))
    return Select(
        first=first, items_start=start, end=position, items=items, clauses=clauses, in_set=in_set
    )


def _after_distinct(tokens: Sequence[Token], position: int) -> int:
    if position < len(tokens) and tokens[position].upper in ("DISTINCT", "ALL"):
        position += 1
        if [token.upper for token in tokens[position : position + 2]] == ["ON", "("]:
            position = closing(tokens, position + 1)
    return position


def _follows_set(tokens: Sequence[Token], first: int) -> bool:
    before = [token.upper for token in tokens[max(first - 3, 0) : first]]
    return any(word in _SETS for word in before) and tokens[first - 1].text not in ("(", ")")


def _is_set_operator(tokens: Sequence[Token], position: int) -> bool:
    """Tell UNION and the like from the EXCEPT of ``* EXCEPT (column)``."""
    return tokens[position].upper in _SETS and tokens[position - 1].text != "*"


def _opens_clause(tokens: Sequence[Token], position: int, marks: Sequence[tuple[str, int]]) -> bool:
    before = tokens[position - 1].upper
    if tokens[position].upper == "FROM":
        return before != "DISTINCT" and not marks
    if tokens[position].upper == "GROUP":
        return before != "WITHIN"
    return before != "."


def _item(tokens: Sequence[Token], start: int, end: int) -> SelectItem:
    """Take the alias from an entry: behind AS, or a name that follows the end of an expression."""
    if end - start >= 2:
        last, before = tokens[end - 1], tokens[end - 2]
        alias = _alias(last)
        if alias is not None and before.upper == "AS" and before.depth == last.depth:
            return SelectItem(expression=(start, end - 2), alias=alias)
        # A text behind a word can be a literal: INTERVAL '1 hour'.
        literal = last.kind is TokenKind.STRING and before.upper in _OPEN_LITERALS
        if (
            alias is not None
            and _ends_expression(before)
            and last.upper not in ("END", "NULL")
            and not literal
        ):
            return SelectItem(expression=(start, end - 1), alias=alias)
    return SelectItem(expression=(start, end), alias=None)


def _alias(token: Token) -> str | None:
    """Return what a token means as an alias: DataFusion takes text in single quotes, too."""
    if token.kind is TokenKind.STRING and token.text[0] == "'":
        return token.text[1:-1].replace("''", "'")
    return token.name


def _ends_expression(token: Token) -> bool:
    if token.kind is TokenKind.SYMBOL:
        return token.text in (")", "]", "}")
    if token.kind is TokenKind.WORD:
        return token.upper not in (
            "IS",
            "NOT",
            "AND",
            "OR",
            "LIKE",
            "ILIKE",
            "IN",
            "BETWEEN",
            "THEN",
            "ELSE",
            "ZONE",
        )
    return True
