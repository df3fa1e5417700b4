"""How do values get from Arrow arrays into numpy's, and back?

By their buffers: Arrow's own conversions of arrays with nulls import pandas.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Array = npt.NDArray[Any]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


_DTYPES = {
    kind.id: np.dtype(name)
    for kind, name in (
        (pa.timestamp("ns"), "int64"),
        (pa.int64(), "int64"),
        (pa.uint64(), "uint64"),
        (pa.float64(), "float64"),
        (pa.int32(), "int32"),
        (pa.int16(), "int16"),
        (pa.int8(), "int8"),
        (pa.uint32(), "uint32"),
        (pa.uint16(), "uint16"),
        (pa.uint8(), "uint8"),
    )
}
"""By the types' ids, which are found ten times as fast as types."""
_BOOL = pa.bool_().id


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A column as ``codes`` (int32, -1 where null) into ``values``, of which none is null and none comes twice.

    Some values may not be used.
    """

    codes: Int32s
    values: pa.Array


def encoded(column: pa.Array, *, exact: bool = True) -> Encoded:
    """Return a column's distinct values and which of them each row has; at most one value a row.

    A dictionary may repeat a value, hold a null, or have far more values than there are rows. Without ``exact`` it
    may be so in the result, too.
    """
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
        return Encoded(_codes(column.indices), column.dictionary)
    codes, values = _codes(column.indices), column.dictionary
    if not exact:
        return Encoded(codes, values)
    if len(values) > len(codes):
        codes, values = _used(codes, values)
    if len(values) == 1 and not values.null_count:
        return Encoded(codes, values)
    unique = values.dictionary_encode()
    if len(unique.dictionary) < len(values):
        of_value = np.append(_codes(unique.indices), np.int32(-1))
        codes, values = of_value[codes], unique.dictionary
    return Encoded(codes, values)


def with_used_values(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch whose dictionaries have no more values than it has rows, so that it holds on to no others."""
    columns = []
    for column in batch.columns:
        if pa.types.is_dictionary(column.type) and len(column.dictionary) > len(column):
            codes, values = _used(_codes(column.indices), column.dictionary)
            indices = pa.array(codes, column.type.index_type, mask=codes < 0)
            column = pa.DictionaryArray.from_arrays(indices, values)  # noqa: PLW2901
        columns.append(column)
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _used(codes: Int32s, values: pa.Array) -> tuple[Int32s, pa.Array]:
    """Return codes into the values that are used, and these."""
    used, inverse = np.unique(codes, return_inverse=True)
    null_count = int(len(used) > 0 and used[0] < 0)
    return inverse.astype(np.int32) - np.int32(null_count), values.take(pa.array(used[null_count:]))


def _codes(indices: pa.Array) -> Int32s:
    if indices.null_count:
        indices = indices.fill_null(-1)
    return raw_values(indices).astype(np.int32, copy=False)


def raw_values(column: pa.Array) -> Array:
    """Return numbers, times (int64) or booleans as numpy's; numbers are not copied. Where null, any value."""
    data = column.buffers()[1]
    number = column.type.id
    if number == _BOOL:
        return _bits(data, column)
    kind = _DTYPES[number]
    if data is None:
        return np.zeros(len(column), kind)
    whole: Array = np.frombuffer(data, kind, len(column), column.offset * kind.itemsize)
    return whole


def valid_rows(column: pa.Array) -> Bools | None:
    """Return which values are not null; None when all are."""
    return _bits(column.buffers()[0], column) if column.null_count else None


def _bits(data: pa.Buffer | None, column: pa.Array) -> Bools:
    """Return an array's bits of one of its buffers."""
    if data is None:
        return np.zeros(len(column), np.bool_)
    first, end = column.offset, column.offset + len(column)
    packed = np.frombuffer(data, np.uint8, (end + 7) // 8 - first // 8, first // 8)
    bits: Bools = np.unpackbits(packed, bitorder="little").view(np.bool_)
    return bits[first % 8 : first % 8 + len(column)]


def arrow_array(values: Array, kind: pa.DataType, valid: Bools | None = None) -> pa.Array:
    """Return numbers, times or booleans as an Arrow array of a type; numbers are not copied.

    ``valid`` says which are not null; None: all. The values must never be changed afterwards.
    """
    if kind == pa.bool_():
        return pa.array(values, kind, mask=None if valid is None else ~valid)
    bits = None
    if valid is not None and not valid.all():
        bits = pa.py_buffer(np.packbits(valid, bitorder="little"))
    return pa.Array.from_buffers(kind, len(values), [bits, pa.py_buffer(np.ascontiguousarray(values))])


def grown(array: Array, length: int, fill: object = 0) -> Array:
    """Return an array of at least a length along its first axis, with what it held; the rest is ``fill``.

    It grows by half at least, so that growing one by one costs little.
    """
    if length <= len(array):
        return array
    larger = np.full((max(length, len(array) * 3 // 2 + 8), *array.shape[1:]), fill, array.dtype)
    larger[: len(array)] = array
    return larger
