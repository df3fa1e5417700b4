"""How do values get from Arrow arrays into numpy's, and back?"""

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


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """A column as ``codes`` (int32, -1 where null) into ``values``, of which none is null and none comes twice.

    Some values may not be used.
    """

    codes: Int32s
    values: pa.Array


def encoded(column: pa.Array) -> Encoded:
    """Return a column's distinct values and which of them each row has; at most one value a row.

    A dictionary may repeat a value, hold a null, or have far more values than there are rows.
    """
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
        return Encoded(_codes(column.indices), column.dictionary)
    codes, values = _codes(column.indices), column.dictionary
    if len(values) > len(codes):
        used, inverse = np.unique(codes, return_inverse=True)
        null_count = int(len(used) > 0 and used[0] < 0)
        values = values.take(pa.array(used[null_count:]))
        codes = inverse.astype(np.int32) - np.int32(null_count)
    unique = values.dictionary_encode()
    if len(unique.dictionary) < len(values):
        of_value = np.append(_codes(unique.indices), np.int32(-1))
        codes, values = of_value[codes], unique.dictionary
    return Encoded(codes, values)


def _codes(indices: pa.Array) -> Int32s:
    if indices.null_count:
        indices = indices.fill_null(-1)
    codes: Int32s = indices.to_numpy(zero_copy_only=False).astype(np.int32, copy=False)
    return codes


def python_values(values: pa.Array) -> list[Any]:
    """Return an array's values as Python objects; none may be null."""
    listed: list[Any] = values.to_pylist()
    return listed


def raw_values(column: pa.Array) -> Array:
    """Return numbers, times (int64) or booleans as numpy's, without a copy where possible; null is any value."""
    kind = column.type
    if pa.types.is_boolean(kind):
        return np.asarray(column.fill_null(False) if column.null_count else column)
    width = np.dtype(np.int64 if pa.types.is_timestamp(kind) else kind.to_pandas_dtype())
    data = column.buffers()[1]
    if data is None:
        return np.zeros(len(column), width)
    whole: Array = np.frombuffer(data, width, len(column), column.offset * width.itemsize)
    return whole


def valid_rows(column: pa.Array) -> Bools | None:
    """Return which values are not null; None when all are."""
    if not column.null_count:
        return None
    valid: Bools = column.is_valid().to_numpy(zero_copy_only=False)
    return valid


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
