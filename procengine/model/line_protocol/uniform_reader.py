"""How are lines of a few shapes read without making a Python object of any value?

The first line not yet read gives a template; all lines of the piece that match it are read as
columns, and so on until the rest is too little to be worth it. Lines that match no template, or hold a value
spelled in a rare way, are left over, for the general reader.

That a newline of the index ends a line is proved from the piece's start on: a line that matches its
template has its quotes only around strings, and a line that is left over must hold no quote and
no backslash, or the whole piece is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from procengine.model.column import ColumnType
from procengine.model.line_group import LineGroup
from procengine.model.line_protocol.column_readers import Values, read_column, read_signed
from procengine.model.line_protocol.digit_words import Flags, Positions
from procengine.model.line_protocol.line_template import (
    LineTemplate,
    Slot,
    differs,
    make_template,
    word_count,
)
from procengine.model.line_protocol.piece import BACKSLASH, HEAD_BYTES, NEWLINE, QUOTE, Piece
from procengine.model.precision import Precision

MOST_SHAPES = 64
MOST_FAILURES = 8
"""So many lines in turn that gave no template, or one for too few lines, end the search."""
FEWEST_LINES = 64
"""Below so many lines of a shape, reading them one by one is faster."""

_THREE_WORDS = (ColumnType.TIME, ColumnType.INTEGER, ColumnType.UINTEGER)
"""Types whose values may have more than sixteen digits, and are still read as words."""


@dataclass(frozen=True, slots=True)
class UniformRead:
    """What the uniform reader made of a piece; line numbers count from the piece's start.

    ``left_over`` are the texts of lines for the general reader, each with its first line's number.
    """

    groups: tuple[LineGroup, ...]
    left_over: tuple[tuple[str, int], ...]


def read_uniform(
    piece: Piece, *, precision: Precision, default_time_ns: int, fewest_lines: int = FEWEST_LINES
) -> UniformRead | None:
    """Read a piece's lines by shape; None when the general reader has to read all of them.

    ``default_time_ns`` is already truncated to the precision.
    """
    if not len(piece.delimiters) or piece.delimiters[-1] != piece.end - 1 or piece.kinds[-1] != NEWLINE:
        return None  # the last line does not end with the piece
    reader = _Shapes(piece, precision, default_time_ns, fewest_lines)
    if not reader.read_single_shape():
        reader.read_many_shapes()
    left_over = reader.left_over()
    if left_over is None:
        return None
    return UniformRead(tuple(reader.groups), left_over)


@dataclass(frozen=True, slots=True)
class _Values:
    """All values of some lines of one shape."""

    arrays: list[pa.Array]
    times_ns: npt.NDArray[np.int64]


class _Shapes:
    """Reads one piece, shape after shape."""

    def __init__(
        self, piece: Piece, precision: Precision, default_time_ns: int, fewest_lines: int
    ) -> None:
        self.groups: list[LineGroup] = []
        self._piece = piece
        self._precision = precision
        self._default_time_ns = default_time_ns
        self._fewest_lines = fewest_lines
        self._lasts = np.flatnonzero(piece.kinds == NEWLINE)
        self._starts = np.concatenate(([HEAD_BYTES], piece.delimiters[self._lasts[:-1]] + 1))
        self._unread = np.ones(len(self._lasts), dtype=np.bool_)

    def read_single_shape(self) -> bool:
        """Read the piece as lines of the first line's shape; false when some have another."""
        piece, count = self._piece, len(self._lasts)
        width = int(self._lasts[0]) + 1
        if count < self._fewest_lines or len(piece.delimiters) != count * width:
            return False
        template = make_template(piece, HEAD_BYTES, piece.delimiters[:width])
        if template is None or not (piece.kinds.reshape(-1, width) == template.kinds).all():
            return False
        self._read_shape(template, np.arange(count), piece.delimiters.reshape(-1, width).T)
        return not self._unread.any()

    def read_many_shapes(self) -> None:
        """Read the lines not yet read, shape by shape, in the order of the shapes' first lines."""
        piece = self._piece
        widths = np.diff(self._lasts, prepend=-1)
        tried = ~self._unread
        tried |= widths == 1  # blank, or without a field
        tried |= piece.octets[self._starts] == ord("#")
        failures = 0
        for _ in range(MOST_SHAPES):
            first = int(np.argmin(tried))
            if tried[first] or failures == MOST_FAILURES:
                break
            rows, template = self._like(first, widths, ~tried)
            tried[first] = True
            if template is None or len(rows) < self._fewest_lines:
                tried[rows] = True
                failures += 1
                continue
            lasts = self._lasts[rows]
            offsets = np.arange(1 - len(template.kinds), 1)
            at = lasts + offsets[:, None]
            same = (piece.kinds.take(at) == template.kinds[:, None]).all(axis=0)
            if not same.all():
                rows, at = rows[same], at[:, same]
            read = self._read_shape(template, rows, piece.delimiters.take(at))
            tried[read] = True
            failures += not len(read)

    def _like(
        self, first: int, widths: Positions, wanted: Flags
    ) -> tuple[Positions, LineTemplate | None]:
        """Return the template of a line, and the wanted lines of its table that may match it."""
        piece, last = self._piece, int(self._lasts[first])
        width = int(widths[first])
        start = int(self._starts[first])
        template = make_template(piece, start, piece.delimiters[last + 1 - width : last + 1])
        if template is None:
            return self._starts[:0], None
        wanted &= widths == width
        rows = np.flatnonzero(wanted)
        return rows[template.has_opening(piece, self._starts[rows])], template

    def _read_shape(self, template: LineTemplate, rows: Positions, delimiters: Positions) -> Positions:
        """Read those of some lines that match a template as a group, and return them.

        ``delimiters`` has a line's delimiters as a column; their kinds are the template's.
        """
        delimiters = np.ascontiguousarray(delimiters)
        while len(rows) >= self._fewest_lines:
            read = self._read_values(template, self._starts[rows], delimiters)
            if isinstance(read, _Values):
                self._unread[rows] = False
                self.groups.append(
                    LineGroup(
                        table=template.table,
                        columns=template.columns,
                        arrays=tuple(read.arrays),
                        times_ns=read.times_ns,
                        line_numbers=self._line_numbers(rows),
                    )
                )
                return rows
            rows, delimiters = rows[~read], delimiters[:, ~read]
        return rows[:0]

    def _read_values(
        self, template: LineTemplate, line_starts: Positions, delimiters: Positions
    ) -> _Values | Flags:
        """Read lines slot by slot, or return which lines do not match, once there are any."""
        bad = ~template.has_opening(self._piece, line_starts)
        if bad.any():
            return bad
        starts = line_starts + len(template.opening)
        arrays = []
        times_ns = None
        for slot in template.slots:
            values, unlike = self._slot(slot, starts, delimiters)
            if unlike is not None:
                return unlike
            if slot.type is ColumnType.TIME:
                timestamps, unfit = read_signed(values)
                times_ns, out_of_range = self._precision.to_ns_array(timestamps)
                unfit = out_of_range if unfit is None else unfit
            else:
                array, unfit = read_column(slot.type, values)
                arrays.append(array)
            if unfit is not None:
                return unfit
            starts = values.ends + len(slot.following)
        if times_ns is None:
            times_ns = np.full(len(line_starts), self._default_time_ns, dtype=np.int64)
        return _Values(arrays, times_ns)

    def _slot(self, slot: Slot, starts: Positions, delimiters: Positions) -> tuple[Values, Flags | None]:
        """Return a slot's values, and which lines go on otherwise than the template (None: none)."""
        ends = delimiters[slot.delimiter]
        if slot.end_offset:
            ends = ends - slot.end_offset
        before = 3 if slot.type in _THREE_WORDS else 2
        window = self._piece.windows(ends - 8 * before, before + word_count(slot.following))
        unlike = differs(window[:, before:], slot.following) if slot.following else None
        words = tuple([window[:, column] for column in range(before - 1, -1, -1)])
        values = Values(self._piece, starts, ends, ends - starts, words)
        return values, unlike if unlike is not None and unlike.any() else None

    def _line_numbers(self, rows: Positions) -> Positions:
        """Return the physical lines of lines; those differ where a string holds a newline."""
        piece = self._piece
        if piece.newline_count == len(self._lasts):
            return rows + 1
        newlines = np.flatnonzero(piece.octets == NEWLINE)
        return np.searchsorted(newlines, self._starts[rows]) + 1

    def left_over(self) -> tuple[tuple[str, int], ...] | None:
        """Return the runs of lines that were not read; None when one could hold a quote."""
        piece = self._piece
        ends = piece.delimiters[self._lasts]
        rows = np.flatnonzero(self._unread & (ends > self._starts))
        if not len(rows):
            return ()
        numbers = self._line_numbers(rows)
        runs = []
        for run in np.split(np.arange(len(rows)), np.flatnonzero(np.diff(rows) > 1) + 1):
            text = piece.data[int(self._starts[rows[run[0]]]) : int(ends[rows[run[-1]]]) + 1]
            if QUOTE in text or BACKSLASH in text:
                return None
            runs.append((text.decode(), int(numbers[run[0]])))
        return tuple(runs)
