"""How is part of a text replaced, and the rest left as it is?"""

from __future__ import annotations

from collections.abc import Sequence

from procengine.query.sql_calls import Call
from procengine.query.sql_tokens import Token


class TextEdits:
    """Collects replacements of spans of tokens in one text; spans must not overlap."""

    def __init__(self, sql: str, tokens: Sequence[Token]) -> None:
        self.sql = sql
        self.tokens = tokens
        self._edits: list[tuple[int, int, str]] = []

    def source(self, start: int, end: int) -> str:
        """Return the text of a span of tokens, spaces and comments within it included."""
        if start >= end:
            return ""
        return self.sql[self.tokens[start].start : self.tokens[end - 1].end]

    def argument(self, call: Call, number: int) -> str:
        """Return the text of an argument."""
        return self.source(*call.arguments[number])

    def replace(self, start: int, end: int, text: str) -> None:
        """Let a span of tokens be another text."""
        self._edits.append((self.tokens[start].start, self.tokens[end - 1].end, text))

    def insert(self, position: int, text: str) -> None:
        """Put a text behind the token before ``position``."""
        place = self.tokens[position - 1].end
        self._edits.append((place, place, text))

    def apply(self) -> str:
        """Return the edited text."""
        return self._between(0, len(self.sql))

    def applied_source(self, start: int, end: int) -> str:
        """Return the edited text of a span; all edits must lie within it."""
        if start >= end:
            return ""
        return self._between(self.tokens[start].start, self.tokens[end - 1].end)

    def _between(self, first: int, last: int) -> str:
        pieces, place = [], first
        for begin, stop, text in sorted(self._edits, key=lambda edit: (edit[0], edit[1])):
            pieces += [self.sql[place:begin], text]
            place = stop
        return "".join([*pieces, self.sql[place:last]])
