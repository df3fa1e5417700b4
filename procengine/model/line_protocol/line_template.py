"""What do lines of the same shape have in common, byte for byte?

A template is made from one line: the kinds of its delimiters in order, the texts that do not change
(the table's name and keys, with the signs between) and the slots in which the values stand. A line
that has the same delimiters and texts, and values of the same types, is read alike by the grammar.

No template is made of a line with double spaces, leading or trailing spaces, a comma inside a key, or
a quote elsewhere than around a string: such lines are left to the general reader.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from procengine.model.column import Column, ColumnType
from procengine.model.line_protocol.digit_words import Flags, Positions, Words
from procengine.model.line_protocol.grammar import LineSyntaxError, parse_line
from procengine.model.line_protocol.piece import COMMA, NEWLINE, QUOTE, SPACE, Piece

LONGEST_TEXT_BYTES = 64
"""A line with a longer constant text, as a key of that length, gives no template."""

_KEY = re.compile(rb"(?:[^=\\]|\\.)+=", re.DOTALL)
_SUFFIXED = (ColumnType.INTEGER, ColumnType.UINTEGER)


@dataclass(frozen=True, slots=True)
class Slot:
    """Where a value stands: it ends at a delimiter, or at the type's letter before it.

    ``following`` is the constant text from there to the next value's start, or to the line's end.
    """

    type: ColumnType
    delimiter: int
    following: bytes

    @property
    def end_offset(self) -> int:
        """How far before the delimiter the value ends."""
        return 1 if self.type in _SUFFIXED else 0


@dataclass(frozen=True, slots=True)
class LineTemplate:
    """The shape of a line: an opening text, then slots, of which the time's is the last if present."""

    table: str
    columns: tuple[Column, ...]
    kinds: npt.NDArray[np.uint8]
    opening: bytes
    slots: tuple[Slot, ...]

    def has_opening(self, piece: Piece, starts: Positions) -> Flags:
        """Return which lines start with the template's opening text."""
        return ~differs(piece.windows(starts, word_count(self.opening)), self.opening)


def word_count(text: bytes) -> int:
    """Return how many words hold a text."""
    return (len(text) + 7) // 8


def differs(words: Words, text: bytes) -> Flags:
    """Return which rows of words do not start with a text."""
    different = np.zeros(len(words), dtype=np.uint64)
    for column, offset in enumerate(range(0, len(text), 8)):
        part = text[offset : offset + 8]
        found = words[:, column] ^ np.uint64(int.from_bytes(part, "little"))
        if len(part) < 8:
            found &= np.uint64((1 << 8 * len(part)) - 1)
        different |= found
    return np.not_equal(different, 0)


def make_template(piece: Piece, start: int, delimiters: Positions) -> LineTemplate | None:
    """Return the template of the line at a position, or None when it has to be read on its own."""
    ends = [int(position) for position in delimiters]
    if piece.octets[start] == ord("#"):
        return None
    try:
        line = parse_line(piece.data[start : ends[-1]].decode())
    except LineSyntaxError:
        return None
    kinds = piece.octets[delimiters]
    walk = _Walk(piece.data, start, ends, kinds.tolist())
    if not walk.over([kind for _, kind, _ in line.fields], len(line.tags)):
        return None
    opening, slots = walk.parts()
    if max(len(opening), *[len(slot.following) for slot in slots]) > LONGEST_TEXT_BYTES:
        return None
    columns = [Column(name, ColumnType.TAG) for name, _ in line.tags]
    columns += [Column(name, kind) for name, kind, _ in line.fields]
    return LineTemplate(line.table, tuple(columns), kinds, opening, tuple(slots))


class _Walk:
    """Goes over one line's delimiters and notes where each value starts and ends."""

    def __init__(self, data: bytes, start: int, ends: list[int], kinds: list[int]) -> None:
        self._data = data
        self._starts = [start, *[end + 1 for end in ends]]
        self._ends = ends
        self._kinds = kinds
        self._next = 0
        self._values: list[tuple[ColumnType, int, int]] = []  # type, start, closing delimiter

    def over(self, fields: list[ColumnType], tag_count: int) -> bool:
        """Note all values; false when the line is not spelled as a template wants it."""
        if any(kind != COMMA for kind in self._kinds[:tag_count]):
            return False
        for _ in range(tag_count):
            self._next += 1
            if not self._value(ColumnType.TAG):
                return False
        separator = SPACE
        for kind in fields:
            if self._kinds[self._next] != separator:
                return False
            separator = COMMA
            self._next += 1
            if not (self._string() if kind is ColumnType.STRING else self._value(kind)):
                return False
        return self._timestamp()

    def parts(self) -> tuple[bytes, list[Slot]]:
        """Return the opening text and the slots."""
        line_end = self._ends[-1]
        following_ends = [start for _, start, _ in self._values[1:]] + [line_end]
        slots = []
        for (kind, _, delimiter), end in zip(self._values, following_ends, strict=True):
            value_end = self._ends[delimiter] - (kind in _SUFFIXED)
            slots.append(Slot(kind, delimiter, self._data[value_end:end]))
        return self._data[self._starts[0] : self._values[0][1]], slots

    def _text(self, part: int) -> bytes:
        return self._data[self._starts[part] : self._ends[part]]

    def _value(self, kind: ColumnType) -> bool:
        key = _KEY.match(self._text(self._next))
        if key is None:
            return False
        self._values.append((kind, self._starts[self._next] + key.end(), self._next))
        return True

    def _string(self) -> bool:
        opening = self._next
        if self._kinds[opening : opening + 2] != [QUOTE, QUOTE] or not _KEY.fullmatch(
            self._text(opening)
        ):
            return False
        self._values.append((ColumnType.STRING, self._starts[opening + 1], opening + 1))
        self._next += 2
        return True

    def _timestamp(self) -> bool:
        if self._kinds[self._next] == SPACE:
            self._next += 1
            self._values.append((ColumnType.TIME, self._starts[self._next], self._next))
        return self._kinds[self._next] == NEWLINE and self._next == len(self._kinds) - 1
