"""Where are the delimiters of a piece of line protocol?

A piece is a run of whole lines, some hundred kilobytes long. Its index holds the positions of commas,
spaces, newlines and double quotes, without those that a backslash escapes or that stand inside a
quoted string. Two quotes in a row are taken for a string's ends; whether they are one is for the
reader of a shape to prove, line by line, from the piece's start.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from procengine.model.arrow_text import array_of
from procengine.model.line_protocol.digit_words import Positions, Words

HEAD_BYTES = 24
"""Filler before a piece, so that the words before a number's end can be loaded anywhere."""

LONGEST_WINDOW_BYTES = 96
_HEAD = b"0" * HEAD_BYTES
_TAIL = b"0" * LONGEST_WINDOW_BYTES
_NOWHERE = np.empty(0, dtype=np.int64)
COMMA, SPACE, NEWLINE, QUOTE, BACKSLASH = b', \n"\\'


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece and its index; all positions count from the start of ``data``, filler included."""

    data: bytes
    end: int
    octets: npt.NDArray[np.uint8]
    delimiters: Positions
    kinds: npt.NDArray[np.uint8]
    has_backslash: bool
    newline_count: int

    def windows(self, positions: Positions, words: int) -> Words:
        """Return so many 64-bit words from each position on, as a row each.

        One load of a whole window costs little more than one of a single word, wherever it starts.
        """
        size = 8 * words
        anywhere = np.ndarray((len(self.data) - size + 1,), f"V{size}", self.data, strides=(1,))
        return anywhere[positions].view("<u8").reshape(-1, words)

    def texts(self, starts: Positions, ends: Positions) -> pa.StringArray:
        """Return the texts between positions, which must not overlap and must be in order.

        The array is first laid over the piece with the gaps as texts of their own, which copies
        nothing; taking every second one then copies just the texts.
        """
        offsets = np.empty(2 * len(starts) + 1, dtype=np.int32)
        offsets[0:-1:2] = starts
        offsets[1::2] = ends
        offsets[-1] = ends[-1] if len(ends) else 0
        overlay = pa.StringArray.from_buffers(
            len(offsets) - 1, pa.py_buffer(offsets), pa.py_buffer(self.data)
        )
        return overlay.take(array_of(np.arange(0, len(offsets) - 1, 2, dtype=np.int32)))


def index_piece(body: memoryview) -> Piece | None:
    """Index whole lines of a body; None when they hold what only the general reader can judge.

    That is: text that is not UTF-8, a tab, a null character, one backslash after another.
    """
    ending = b"" if body[-1] == NEWLINE else b"\n"
    data = b"".join((_HEAD, body, ending, _TAIL))
    if b"\t" in data or b"\0" in data or not _is_utf8(data):
        return None
    octets = np.frombuffer(data, np.uint8)
    marks = _marks(octets)
    has_backslash = b"\\" in data
    escaped = np.flatnonzero(octets == BACKSLASH) + 1 if has_backslash else _NOWHERE
    escaped_kinds = octets[escaped]
    if (escaped_kinds == BACKSLASH).any():
        return None
    marks[escaped] = False
    delimiters = np.flatnonzero(marks)
    kinds = octets.take(delimiters)
    newline_count = np.count_nonzero(kinds == NEWLINE) + np.count_nonzero(escaped_kinds == NEWLINE)
    if b'"' in data:
        delimiters, kinds = _outside_strings(delimiters, kinds)
    return Piece(
        data=data,
        end=len(data) - len(_TAIL),
        octets=octets,
        delimiters=delimiters,
        kinds=kinds,
        has_backslash=has_backslash,
        newline_count=int(newline_count),
    )


def _is_utf8(data: bytes) -> bool:
    if data.isascii():
        return True
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _marks(octets: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    marks: npt.NDArray[np.bool_] = octets == NEWLINE
    same = np.empty_like(marks)
    for delimiter in (COMMA, SPACE, QUOTE):
        np.equal(octets, delimiter, out=same)
        marks |= same
    return marks


def _outside_strings(
    delimiters: Positions, kinds: npt.NDArray[np.uint8]
) -> tuple[Positions, npt.NDArray[np.uint8]]:
    quotes = kinds == QUOTE
    outside = np.bitwise_xor.accumulate(quotes.view(np.uint8)) ^ 1
    outside |= quotes.view(np.uint8)
    if outside.all():
        return delimiters, kinds
    seen = np.flatnonzero(outside)
    return delimiters.take(seen), kinds.take(seen)
