"""Which rows of a batch have the same key values?

Groups are found within the batch alone, so the cost depends on its rows, not on how many series there are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from procengine.cache.arrow_values import Bools, Encoded, Int32s, Int64s, encoded


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class KeyGroups:
    """The rows of a batch by their key values.

    ``rows`` are the numbers of the rows that count, None for all. ``of_row`` is the group of each of these, from 0
    to ``count``. For each key column, ``codes`` has the value of each group: 0 where it is null, else 1 + its
    place in ``values``.
    """

    rows: Int64s | None
    of_row: Int64s
    count: int
    codes: tuple[Int64s, ...]
    values: tuple[pa.Array, ...]


def group_rows(
    batch: pa.RecordBatch,
    keys: Sequence[tuple[str, pa.DataType]],
    *,
    with_nulls: bool,
    exact: bool = True,
) -> KeyGroups:
    """Return the groups of a batch's rows by columns, given by name and the type of their values.

    ``with_nulls`` makes null, and a column that the batch lacks, a value like others; otherwise such rows do not
    count. Without ``exact`` rows of the same values may be of several groups, which costs less to find.
    """
    columns = [_encoded(batch, name, kind, exact=exact) for name, kind in keys]
    rows = None if with_nulls else _complete_rows(columns)
    length = batch.num_rows if rows is None else len(rows)
    of_row = np.zeros(length, np.int64)
    if length == 1:
        return KeyGroups(
            rows=rows,
            of_row=of_row,
            count=1,
            codes=tuple(
                (one.codes if rows is None else one.codes[rows]) + np.int64(1) for one in columns
            ),
            values=tuple(column.values for column in columns),
        )
    count = min(length, 1)
    codes: list[Int64s] = []
    for column in columns:
        radix = len(column.values) + 1
        code = column.codes if rows is None else column.codes[rows]
        # The first column's codes stand for themselves: no arithmetic on as many rows as there are.
        combined = of_row * radix + (code + 1) if codes else code + np.int32(1)
        of_row, distinct = _dense(combined, max(count, 1) * radix)
        count = len(distinct)
        before, last = np.divmod(distinct, radix)
        codes = [*(one[before] for one in codes), last]
    return KeyGroups(
        rows=rows,
        of_row=of_row,
        count=count,
        codes=tuple(codes),
        values=tuple(column.values for column in columns),
    )


def _encoded(batch: pa.RecordBatch, name: str, kind: pa.DataType, *, exact: bool) -> Encoded:
    position = batch.schema.get_field_index(name)
    if position < 0:
        return Encoded(np.full(batch.num_rows, -1, np.int32), pa.array([], kind))
    return encoded(batch.column(position), exact=exact)


def _complete_rows(columns: Sequence[Encoded]) -> Int64s | None:
    """Return the rows that have all columns; None for all."""
    complete: Bools | None = None
    for column in columns:
        has = column.codes >= 0
        if not has.all():
            complete = has if complete is None else complete & has
    return None if complete is None else np.flatnonzero(complete)


def _dense(values: Int64s | Int32s, bound: int) -> tuple[Int64s, Int64s]:
    """Number values (0 up to a bound) without gaps, in their order; return the numbers and what they stand for."""
    if bound > max(4 * len(values), 1024):
        distinct, numbers = np.unique(values, return_inverse=True)
        return numbers, distinct.astype(np.int64)
    present = np.zeros(bound, np.bool_)
    present[values] = True
    distinct = np.flatnonzero(present)
    of_value = np.empty(bound, np.int64)
    of_value[distinct] = np.arange(len(distinct))
    return of_value[values], distinct
