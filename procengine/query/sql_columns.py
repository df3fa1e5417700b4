"""How do columns stand in for expressions?

Given which expressions are columns of another source, a span of text is written with those columns; what it does not
share with them, and subqueries in it, stay.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from procengine.query.sql_calls import closing
from procengine.query.sql_select import Span
from procengine.query.sql_tokens import Token, TokenKind, normal_text, quote_name
from procengine.query.text_edits import TextEdits

Normal = tuple[str, ...]


class ColumnSubstitution:
    """Knows the columns: ``columns`` maps expressions, as `normal_text`, to names."""

    def __init__(self, edits: TextEdits, columns: Mapping[Normal, str]) -> None:
        self._edits = edits
        self._tokens = edits.tokens
        self._columns = columns
        self._lengths = sorted({len(normal) for normal in columns}, reverse=True)
        # The last parts of columns that are names: `room` is found where `home.room` is meant, and the reverse.
        self._paths = {normal[-1]: name for normal, name in columns.items() if _is_path(normal)}

    def text(self, span: Span, keep: Collection[str] = ()) -> str:
        """Return a span's text with the columns in it; single names of ``keep`` mean something else and stay."""
        start, end = span
        if start >= end:
            return ""
        pieces = []
        place = self._tokens[start].start
        for first, last, name in self._matches(start, end, keep):
            pieces += [self._edits.sql[place : self._tokens[first].start], quote_name(name)]
            place = self._tokens[last - 1].end
        return "".join([*pieces, self._edits.sql[place : self._tokens[end - 1].end]])

    def _matches(self, start: int, end: int, keep: Collection[str]) -> Iterator[tuple[int, int, str]]:
        position = start
        while position < end:
            if is_subquery(self._tokens, position):
                position = closing(self._tokens, position)
                continue
            found = self._match(position, end, keep)
            if found is None:
                position += 1
            else:
                yield position, found[0], found[1]
                position = found[0]

    def _match(self, position: int, end: int, keep: Collection[str]) -> tuple[int, str] | None:
        if position and self._tokens[position - 1].text == ".":
            return None
        for length in self._lengths:
            normal = normal_text(self._tokens[position : position + length])
            name = self._columns.get(normal)
            if name is not None and position + length <= end:
                if length == 1 and self._tokens[position].name in keep:
                    return None
                if not self._goes_on(position + length):
                    return position + length, name
        return self._match_path(position, end, keep)

    def _match_path(self, position: int, end: int, keep: Collection[str]) -> tuple[int, str] | None:
        last = position
        while (
            last + 2 < end
            and self._tokens[last + 1].text == "."
            and self._tokens[last + 2].name is not None
        ):
            last += 2
        token = self._tokens[last]
        if token.name is None or self._goes_on(last + 1) or (last == position and token.name in keep):
            return None
        name = self._paths.get(token.normal)
        return None if name is None else (last + 1, name)

    def _goes_on(self, position: int) -> bool:
        """Tell whether the token before ``position`` begins something longer."""
        return position < len(self._tokens) and self._tokens[position].text in (".", "(")


def is_subquery(tokens: Sequence[Token], position: int) -> bool:
    """Tell whether a bracket opens a query."""
    following = tokens[position + 1].upper if position + 1 < len(tokens) else ""
    return tokens[position].text == "(" and following in ("SELECT", "WITH")


def _is_path(normal: Normal) -> bool:
    return len(normal) % 2 == 1 and all(
        part == "." if number % 2 else part.startswith('"') for number, part in enumerate(normal)
    )


def is_column(tokens: Sequence[Token]) -> bool:
    """Tell whether tokens are a column's name, with or without its table."""
    return bool(tokens) and all(
        token.text == "." if number % 2 else token.kind in (TokenKind.WORD, TokenKind.QUOTED)
        for number, token in enumerate(tokens)
    )
