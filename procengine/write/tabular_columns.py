"""Which columns, of which types, does a DataFrame or an Arrow table hold?

Values become the Arrow types that fields have; tags are still texts. Null cells stay null here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from procengine.errors import InvalidInputError
from procengine.model.column import Column, ColumnType
from procengine.model.precision import Precision

ACCEPTED_FIELDS = (
    "integers, unsigned integers, floats, booleans, strings and dictionaries (categoricals) of these"
)
ACCEPTED_TAGS = "strings and dictionaries (categoricals) of strings"
ACCEPTED_TIMES = "timestamps of any unit and zone, and integers in the write's precision"

_TIMESTAMP_PRECISIONS = {
    "s": Precision.SECOND,
    "ms": Precision.MILLISECOND,
    "us": Precision.MICROSECOND,
    "ns": Precision.NANOSECOND,
}


@dataclass(frozen=True, slots=True)
class TypedColumn:
    """A column and its cells: text for a tag, else the column type's Arrow type; one array, maybe with nulls."""

    column: Column
    cells: pa.Array


@dataclass(frozen=True, slots=True)
class Times:
    """A time a row in nanoseconds UTC, and the rows whose timestamp is out of range, with the reason."""

    times_ns: npt.NDArray[np.int64]
    refused: dict[int, str]


def arrow_table(data: object, time_column: str) -> pa.Table:
    """Return any of the accepted containers as an Arrow table; a DataFrame's named index is a column.

    Of pandas, a float's NaN is a null, and a DatetimeIndex is the time unless a column is.

    Raises: InvalidInputError.
    """
    if isinstance(data, pa.Table):
        return data
    if isinstance(data, pa.RecordBatch):
        return pa.Table.from_batches([data])
    if type(data).__module__.partition(".")[0] == "pandas" and hasattr(data, "reset_index"):
        return _from_pandas(data, time_column)
    if hasattr(data, "__arrow_c_stream__"):
        return pa.table(data)
    raise InvalidInputError(
        f"cannot write a {type(data).__name__}; expected line protocol (str or bytes), a pandas DataFrame, "
        "a pyarrow Table or RecordBatch, or another table that exports Arrow"
    )


def _from_pandas(frame: Any, time_column: str) -> pa.Table:
    if not hasattr(frame, "columns"):
        frame = frame.to_frame()
    arrays: dict[str, pa.Array] = {}
    for level in range(frame.index.nlevels):
        values = frame.index.get_level_values(level)
        is_time = (
            values.dtype.kind == "M" and time_column not in frame.columns and time_column not in arrays
        )
        name = time_column if is_time else frame.index.names[level]
        if name is not None:
            arrays[_name(name)] = _from_series(name, values)
    for position, name in enumerate(frame.columns):
        if _name(name) in arrays:
            raise InvalidInputError(
                f"column {name!r} occurs twice; names of columns and of the index must differ"
            )
        arrays[name] = _from_series(name, frame.iloc[:, position])
    return pa.table(arrays)


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise InvalidInputError(f"column {name!r} has a name that is not a string; rename it")
    return name


def _from_series(name: object, series: Any) -> pa.Array:
    """Return a copy: Arrow would share a column's memory, which its owner may change later."""
    try:
        array = pa.array(series.copy(deep=True), from_pandas=True)
    except (
        pa.ArrowInvalid,
        pa.ArrowTypeError,
        pa.ArrowNotImplementedError,
        TypeError,
        ValueError,
    ) as error:
        raise InvalidInputError(
            f"column {name!r} (dtype {series.dtype}) holds values of no common type: {error}; "
            f"accepted are {ACCEPTED_FIELDS}"
        ) from error
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def typed_columns(table: pa.Table, tags: Sequence[str], time_column: str) -> list[TypedColumn]:
    """Return the tags in the order asked for, then the fields in the table's.

    A column without any value, of no type, is left out.

    Raises: InvalidInputError naming the column, when a type is not accepted or a tag is not there.
    """
    names = table.column_names
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise InvalidInputError(f"column {twice!r} occurs twice; names of columns must differ")
    for tag in tags:
        if tag == time_column or tag not in names or list(tags).count(tag) > 1:
            raise InvalidInputError(
                f"tag {tag!r} is not one column of {names}, or it is the time; check tags=[...]"
            )
    ordered = [*tags, *[name for name in names if name not in tags and name != time_column]]
    columns = [
        _typed(name, table.column(name), is_tag=name in tags, time_column=time_column)
        for name in ordered
    ]
    return [column for column in columns if column is not None]


def _typed(name: str, cells: pa.ChunkedArray, *, is_tag: bool, time_column: str) -> TypedColumn | None:
    array = _plain(cells)
    if pa.types.is_null(array.type):
        return None
    kind = _field_type(array.type)
    if is_tag:
        if kind is not ColumnType.STRING:
            raise InvalidInputError(
                f"tag {name!r} has type {cells.type}; accepted are {ACCEPTED_TAGS}: convert it first"
            )
        texts = array.cast(pa.utf8())
        present = pc.not_equal(texts, "")  # line protocol has no empty tag values either
        return TypedColumn(
            Column(name, ColumnType.TAG), pc.if_else(present, texts, pa.scalar(None, pa.utf8()))
        )
    if kind is None:
        hint = f" (or name it as the time: time_column={name!r})" if _is_instant(array.type) else ""
        raise InvalidInputError(
            f"column {name!r} has type {cells.type}; accepted are {ACCEPTED_FIELDS}{hint}; "
            f"the time is in {time_column!r}"
        )
    return TypedColumn(Column(name, kind), array.cast(kind.arrow_type))


def _plain(cells: pa.ChunkedArray) -> pa.Array:
    """Return a column as one array, dictionaries resolved."""
    if pa.types.is_dictionary(cells.type):
        cells = cells.cast(cells.type.value_type)
    array = cells.combine_chunks()
    return pa.concat_arrays(array.chunks) if isinstance(array, pa.ChunkedArray) else array


def _field_type(type_: pa.DataType) -> ColumnType | None:
    kinds = (
        (pa.types.is_boolean, ColumnType.BOOLEAN),
        (pa.types.is_signed_integer, ColumnType.INTEGER),
        (pa.types.is_unsigned_integer, ColumnType.UINTEGER),
        (pa.types.is_floating, ColumnType.FLOAT),
        (pa.types.is_string, ColumnType.STRING),
        (pa.types.is_large_string, ColumnType.STRING),
        (pa.types.is_string_view, ColumnType.STRING),
    )
    return next((kind for is_kind, kind in kinds if is_kind(type_)), None)


def _is_instant(type_: pa.DataType) -> bool:
    return bool(pa.types.is_timestamp(type_) or pa.types.is_date(type_))


def row_times(table: pa.Table, time_column: str, precision: Precision, default_time_ns: int) -> Times:
    """Return the rows' times; a null cell, or a table without a time, has the (truncated) default time.

    Raises: InvalidInputError when the column is neither of timestamps nor of integers.
    """
    default_time_ns = precision.truncate(default_time_ns)
    if time_column not in table.column_names:
        return Times(np.full(table.num_rows, default_time_ns, dtype=np.int64), {})
    cells = _plain(table.column(time_column))
    if pa.types.is_timestamp(cells.type):
        precision = _TIMESTAMP_PRECISIONS[cells.type.unit]
    elif not pa.types.is_integer(cells.type) and not pa.types.is_null(cells.type):
        raise InvalidInputError(
            f"time column {time_column!r} has type {cells.type}; accepted are {ACCEPTED_TIMES}"
        )
    try:
        timestamps = cells.cast(pa.int64())
    except pa.ArrowInvalid as error:
        raise InvalidInputError(
            f"time column {time_column!r} is out of an int64's range: {error}"
        ) from error
    missing = timestamps.is_null().to_numpy(zero_copy_only=False)
    return _in_nanoseconds(pc.fill_null(timestamps, 0).to_numpy(), missing, precision, default_time_ns)


def _in_nanoseconds(
    timestamps: npt.NDArray[np.int64],
    missing: npt.NDArray[np.bool_],
    precision: Precision,
    default_time_ns: int,
) -> Times:
    smallest = timestamps == np.iinfo(np.int64).min
    times_ns, out_of_range = precision.to_ns_array(np.where(smallest, 0, timestamps))
    refused = smallest if out_of_range is None else smallest | out_of_range
    reasons = {int(row): precision.out_of_range(int(timestamps[row])) for row in np.flatnonzero(refused)}
    return Times(np.where(missing, default_time_ns, times_ns), reasons)
