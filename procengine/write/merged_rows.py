"""How do groups of lines become one record batch, in the order of the lines?

A single group is taken as it is, without a copy. Several are joined column by column; where lines of
different groups alternate, one permutation puts all columns into line order.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from procengine.model.arrow_text import array_of
from procengine.model.column import TIME
from procengine.model.line_group import LineGroup

_TIMESTAMP = pa.timestamp("ns")

Int64s = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedRows:
    """The batch, shapes and shape of each row as `TableRows` has them."""

    batch: pa.RecordBatch
    shapes: tuple[tuple[str, ...], ...]
    shape_of_row: npt.NDArray[np.int32] | None


def merge_groups(groups: Sequence[LineGroup]) -> MergedRows:
    """Join at least one group of one table; a column has one type in all of them.

    Columns come in first-seen order with the time last; rows without a column have null.
    """
    if len(groups) == 1:
        return _single(groups[0])
    rows_of_group, order = _line_order(groups)
    pieces: dict[str, _Pieces] = {}
    for group, rows in zip(groups, rows_of_group, strict=True):
        for column, array in zip(group.columns, group.arrays, strict=True):
            piece = pieces.setdefault(column.name, _Pieces([], []))
            piece.arrays.append(array)
            piece.rows.append(rows)
    times_ns = np.concatenate([group.times_ns for group in groups])
    order_array = None if order is None else array_of(order)
    arrays = [
        piece.joined(len(times_ns), order_array if len(piece.rows) == len(groups) else None)
        for piece in pieces.values()
    ]
    arrays.append(_time_array(times_ns if order is None else times_ns[order]))
    shapes, shape_of_row = _shapes(groups, rows_of_group, len(times_ns))
    batch = pa.RecordBatch.from_arrays(arrays, names=[*pieces, TIME])
    return MergedRows(batch=batch, shapes=shapes, shape_of_row=shape_of_row)


@dataclass(slots=True)
class _Pieces:
    """One column's arrays, a piece a group that has it, and the rows of the result that each fills."""

    arrays: list[pa.Array]
    rows: list[Int64s]

    def joined(self, row_count: int, order: pa.Array | None) -> pa.Array:
        """Return the column; ``order`` is the permutation where every group has a piece and one is needed."""
        values = pa.concat_arrays(self.arrays)
        if order is not None:
            return values.take(order)
        rows = np.concatenate(self.rows)
        if len(rows) == row_count and bool((rows[1:] > rows[:-1]).all()):
            return values
        sources = np.full(row_count, -1, np.int64)
        sources[rows] = np.arange(len(values))
        return values.take(array_of(sources, sources < 0))


def _single(group: LineGroup) -> MergedRows:
    shape = tuple([column.name for column in group.columns])
    batch = pa.RecordBatch.from_arrays(
        [*group.arrays, _time_array(group.times_ns)], names=[*shape, TIME]
    )
    return MergedRows(batch=batch, shapes=(shape,), shape_of_row=None)


def _time_array(times_ns: Int64s) -> pa.Array:
    """Numpy's memory as an Arrow array; every value is a time, the smallest one included."""
    buffer = pa.py_buffer(np.ascontiguousarray(times_ns))
    return pa.Array.from_buffers(_TIMESTAMP, len(times_ns), [None, buffer])


def _line_order(groups: Sequence[LineGroup]) -> tuple[list[Int64s], Int64s | None]:
    """Return the rows of the result that each group fills, and the permutation, None for none."""
    numbers = np.concatenate([group.line_numbers for group in groups])
    positions = np.arange(len(numbers))
    order = None
    if not bool((numbers[1:] > numbers[:-1]).all()):
        order = np.argsort(numbers, kind="stable")
        positions = np.empty(len(numbers), np.int64)
        positions[order] = np.arange(len(numbers))
    ends = np.cumsum([group.row_count for group in groups])
    return np.split(positions, ends[:-1]), order


def _shapes(
    groups: Sequence[LineGroup], rows_of_group: Sequence[Int64s], row_count: int
) -> tuple[tuple[tuple[str, ...], ...], npt.NDArray[np.int32] | None]:
    """Return the distinct shapes, in first-seen order, and each row's index unless there is but one."""
    numbers: dict[tuple[str, ...], int] = {}
    of_group = [
        numbers.setdefault(tuple([column.name for column in group.columns]), len(numbers))
        for group in groups
    ]
    if len(numbers) == 1:
        return tuple(numbers), None
    shape_of_row = np.empty(row_count, np.int32)
    for number, rows in zip(of_group, rows_of_group, strict=True):
        shape_of_row[rows] = number
    return tuple(numbers), shape_of_row
