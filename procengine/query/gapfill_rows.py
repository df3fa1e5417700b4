"""Which rows does gap filling add, and what is in them?

To each series, a row for each bin of the range that it lacks. Series columns repeat; aggregates get NULL (counts
0), the last value before that is not NULL (``locf``), or what lies on the line between the values beside
(``interpolate``).

Source: core/iox_query/src/exec/gapfill/algo.rs and algo/interpolate.rs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from procengine.errors import QueryError

MOST_ROWS = 50_000_000
"""More rows than this are refused."""

Numbers = npt.NDArray[np.int64]


class Fill(Enum):
    """What an added row has in a column of an aggregate."""

    NULL = "null"
    """Nothing."""
    ZERO = "zero"
    """0: the column counts."""
    LOCF = "locf"
    """The last value before that is not NULL; also in rows that were there."""
    INTERPOLATE = "interpolate"
    """What lies on the line between the values that are not NULL beside it; also in rows that were there."""


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where each row comes from: ``source`` is a row of the input or -1, ``series`` the number of its series.

    ``times`` are nanoseconds; rows that have no time are those of ``timeless``.
    """

    source: Numbers
    series: Numbers
    times: Numbers
    timeless: npt.NDArray[np.bool_]


def fill_rows(
    rows: pa.Table,
    *,
    series_columns: Sequence[str],
    time_column: str,
    bins: Numbers,
    fills: Mapping[str, Fill],
) -> pa.Table:
    """Return rows with those of the missing bins added.

    ``rows`` are sorted by the series columns, then by time, NULL first; the order is kept. ``bins`` are the starts
    of all bins, nanoseconds, ascending: at least those of the rows' own times. ``fills`` names the other columns.
    """
    if rows.num_rows == 0:
        return rows
    rows = rows.combine_chunks()
    series = _series_numbers([rows[name].combine_chunks() for name in series_columns], rows.num_rows)
    layout = _lay_out(series, rows[time_column].combine_chunks(), bins)
    lasts = np.append(np.flatnonzero(np.diff(series)), len(series) - 1)
    columns = {}
    for name in rows.column_names:
        column = rows[name].combine_chunks()
        if name == time_column:
            columns[name] = pa.array(layout.times, mask=layout.timeless).cast(column.type)
        elif name in fills:
            columns[name] = _filled(column, fills[name], layout)
        else:
            columns[name] = column.take(pa.array(lasts[layout.series]))
    return pa.table(columns)


def _series_numbers(columns: Sequence[pa.Array], count: int) -> Numbers:
    """Number the runs of equal values of sorted columns from 0."""
    changes = np.zeros(count, np.bool_)
    for column in columns:
        # DataFusion's dictionaries may hold a value more than once, so codes are made anew.
        plain = column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column
        coded = plain.dictionary_encode()
        codes = pc.fill_null(coded.indices, -1).to_numpy(zero_copy_only=False)
        changes[1:] |= codes[1:] != codes[:-1]
    return np.cumsum(changes).astype(np.int64)


def _lay_out(series: Numbers, times: pa.Array, bins: Numbers) -> _Layout:
    """Place the rows of each series among its bins; rows without a time come first."""
    count = int(series[-1]) + 1
    timeless = times.is_null().to_numpy(zero_copy_only=False)
    before = np.bincount(series[timeless], minlength=count)
    lengths = before + len(bins)
    total = int(lengths.sum())
    if total > MOST_ROWS:
        raise QueryError(f"gap filling would make {total} rows; at most {MOST_ROWS} are made")
    starts = np.cumsum(lengths) - lengths
    numbers = times.cast(pa.int64()).fill_null(0).to_numpy(zero_copy_only=False)
    own_start = np.searchsorted(series, series)
    place = starts[series] + np.where(
        timeless, np.arange(len(series)) - own_start, before[series] + np.searchsorted(bins, numbers)
    )
    source = np.full(total, -1, np.int64)
    source[place] = np.arange(len(series))
    of_series = np.repeat(np.arange(count), lengths)
    position = np.arange(total) - starts[of_series] - before[of_series]
    return _Layout(
        source=source,
        series=of_series,
        times=bins[np.maximum(position, 0)] if len(bins) else np.zeros(total, np.int64),
        timeless=position < 0,
    )


def _filled(column: pa.Array, fill: Fill, layout: _Layout) -> pa.Array:
    match fill:
        case Fill.LOCF:
            return _carried(column, layout)
        case Fill.INTERPOLATE:
            return _interpolated(column, layout)
    values = column.take(pa.array(layout.source, mask=layout.source < 0))
    if fill is Fill.ZERO:
        return pc.fill_null(values, pa.scalar(0, values.type))
    return values


def _carried(column: pa.Array, layout: _Layout) -> pa.Array:
    known = _known(column, layout) & ~layout.timeless
    latest = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
    lost = (latest < 0) | (layout.series[np.maximum(latest, 0)] != layout.series)
    source = np.where(lost, -1, layout.source[np.maximum(latest, 0)])
    source = np.where(layout.timeless, layout.source, source)
    return column.take(pa.array(source, mask=source < 0))


def _known(column: pa.Array, layout: _Layout) -> npt.NDArray[np.bool_]:
    """Tell which rows have a value of their own that is not NULL."""
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    known: npt.NDArray[np.bool_] = (layout.source >= 0) & valid[np.maximum(layout.source, 0)]
    return known


def _interpolated(column: pa.Array, layout: _Layout) -> pa.Array:
    if pa.types.is_struct(column.type):
        return _interpolated_struct(column, layout)
    if column.type not in (pa.int64(), pa.uint64(), pa.float64()):
        raise QueryError(f"unsupported data type {column.type} for interpolation gap filling")
    known = _known(column, layout) & ~layout.timeless
    count = len(known)
    before = np.maximum.accumulate(np.where(known, np.arange(count), -1))
    after = np.minimum.accumulate(np.where(known, np.arange(count), count)[::-1])[::-1]
    between = ~known & (before >= 0) & (after < count) & ~layout.timeless
    between[between] = (layout.series[before[between]] == layout.series[between]) & (
        layout.series[after[between]] == layout.series[between]
    )
    values = pc.fill_null(column, pa.scalar(0, column.type)).to_numpy(zero_copy_only=False)
    result = values[np.maximum(layout.source, 0)]
    result[between] = _on_line(values, layout, before[between], np.flatnonzero(between), after[between])
    missing = ~between & ((layout.source < 0) | ~_known(column, layout))
    return pa.array(result, type=column.type, mask=missing)


def _on_line(values: Any, layout: _Layout, before: Numbers, place: Numbers, after: Numbers) -> Any:
    """Return the values at places on the lines between two rows each; integers are cut off towards zero."""
    start, end = values[layout.source[before]], values[layout.source[after]]
    if values.dtype == np.uint64:
        rise = np.where(end >= start, (end - start).astype(float), -((start - end).astype(float)))
    else:
        rise = (end - start).astype(float)
    run = (layout.times[after] - layout.times[before]).astype(float)
    offset = (layout.times[place] - layout.times[before]).astype(float)
    return (rise / run * offset + start.astype(float)).astype(values.dtype)


def _interpolated_struct(column: pa.Array, layout: _Layout) -> pa.Array:
    """Interpolate what a selector selected; its time and further values are NULL in added rows."""
    children = []
    for field in column.type:
        child = pc.struct_field(column, field.name)
        fill = Fill.INTERPOLATE if field.name == "value" else Fill.NULL
        children.append(_filled(child, fill, layout))
    return pa.StructArray.from_arrays(children, fields=list(column.type))
