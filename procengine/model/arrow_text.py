"""How do texts and numbers become columns, and come back as numpy's?

By buffers: the first list or numpy array that pyarrow converts by itself makes it import pandas, and so does the
first ``to_numpy``: a third of a second that the first write, of rows or of a history, need not cost.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

LARGEST_OFFSET = 2**31 - 1
"""How many bytes of text a column holds at most."""

FEW_TEXTS = 32
"""Up to how many lengths Python adds up sooner than numpy: in a third of the time for one, as of a line's tags."""

_Lengths = Sequence[int] | npt.NDArray[np.int64]


def text_column(texts: Sequence[str | None]) -> pa.Array:
    """Return texts as ``utf8``.

    A text that stands in all rows, as one of a few often does, is converted once.
    Python's text may hold halves of surrogate pairs, which no encoding knows; they are written as escapes.

    Raises: ValueError: they are too long for a column.
    """
    count = len(texts)
    if _is_one(texts):
        data = _encoded(texts[0])
        return _texts(data * count, np.full(count, len(data), np.int64), None)
    if count and texts.count(None) == count:
        return pa.nulls(count, pa.utf8())
    valid, filled = None, texts
    try:
        joined = "".join(texts)  # type: ignore[arg-type]  # what None is among them is caught
    except TypeError:
        valid = _validity(texts)
        filled = ["" if text is None else text for text in texts]
        joined = "".join(filled)  # type: ignore[arg-type]
    if joined.isascii():
        return _texts(joined.encode(), _lengths_of(filled), valid)  # type: ignore[arg-type]
    parts = [_encoded(text) for text in filled]
    return _texts(b"".join(parts), _lengths_of(parts), valid)


def number_column(numbers: Sequence[int | bool | None], kind: pa.DataType) -> pa.Array:
    """Return numbers as ``kind``: 64 bits, or bool.

    Raises: OverflowError: one does not fit.
    """
    count = len(numbers)
    if count and numbers.count(None) == count:
        return pa.nulls(count, kind)
    if pa.types.is_boolean(kind):
        width: type[np.generic] = np.int8
    else:
        width = np.uint64 if kind == pa.uint64() else np.int64
    valid = None
    try:
        data: npt.NDArray[Any] = (
            np.full(count, numbers[0], width) if _is_one(numbers) else np.array(numbers, width)
        )
    except TypeError:  # None is among them
        valid = _validity(numbers)
        data = np.array([0 if number is None else number for number in numbers], width)
    if width is np.int8:
        data = np.packbits(data, bitorder="little")
    return pa.Array.from_buffers(kind, count, [_bitmap(valid), pa.py_buffer(data)])


def array_of(numbers: npt.NDArray[np.generic], missing: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Return numpy's numbers as an array that shares their memory, but for bool; NULL where they are missing."""
    kind = pa.from_numpy_dtype(numbers.dtype)
    data: npt.NDArray[Any] = np.ascontiguousarray(numbers)
    if numbers.dtype == np.bool_:
        data = np.packbits(data, bitorder="little")
    valid = None if missing is None else ~missing
    return pa.Array.from_buffers(kind, len(numbers), [_bitmap(valid), pa.py_buffer(data)])


def numbers_of(column: pa.Array | pa.ChunkedArray, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
    """Return the numbers of a column as numpy's ``dtype``, which is of their width; what is NULL is any number.

    Shared with the column's memory, where that is one piece.
    """
    array = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    data = array.buffers()[1]
    if data is None:
        return np.empty(0, dtype)
    start = array.offset
    return np.frombuffer(data, dtype)[start : start + len(array)]


def missing_of(array: pa.Array) -> npt.NDArray[np.bool_]:
    """Return which values are NULL."""
    count, bits = len(array), array.buffers()[0]
    if bits is None or not array.null_count:
        return np.zeros(count, np.bool_)
    valid = np.unpackbits(np.frombuffer(bits, np.uint8), count=array.offset + count, bitorder="little")
    return np.logical_not(valid[array.offset :])


def list_column(lengths: Sequence[int], values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return lists of so many of the values each, one after the other, as ``kind``."""
    return pa.Array.from_buffers(kind, len(lengths), [None, _offsets(lengths)], children=[values])


def _texts(data: bytes, lengths: _Lengths, valid: npt.NDArray[np.bool_] | None) -> pa.Array:
    buffers = [_bitmap(valid), _offsets(lengths), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.utf8(), len(lengths), buffers)


def _lengths_of(texts: Sequence[str] | Sequence[bytes]) -> _Lengths:
    if len(texts) <= FEW_TEXTS:
        return [*map(len, texts)]
    return np.fromiter(map(len, texts), np.int64, len(texts))


def _offsets(lengths: _Lengths) -> pa.Buffer:
    if len(lengths) <= FEW_TEXTS and sum(lengths) <= LARGEST_OFFSET:
        return pa.py_buffer(array("i", accumulate(lengths, initial=0)))
    ends = np.cumsum(lengths, dtype=np.int64)
    if len(ends) and ends[-1] > LARGEST_OFFSET:
        raise ValueError(f"{ends[-1]:,} bytes or values are too many for a column")
    offsets = np.zeros(len(ends) + 1, np.int32)
    offsets[1:] = ends
    return pa.py_buffer(offsets)


def _validity(values: Sequence[Any]) -> npt.NDArray[np.bool_]:
    """Return which values are not None."""
    return np.fromiter((value is not None for value in values), np.bool_, len(values))


def _bitmap(valid: npt.NDArray[np.bool_] | None) -> pa.Buffer | None:
    return None if valid is None else pa.py_buffer(np.packbits(valid, bitorder="little"))


def _is_one(values: Sequence[Any]) -> bool:
    """Tell whether a value stands in all of several rows; NULL does not count."""
    return (
        len(values) > 1
        and values[0] is not None
        and values[0] == values[-1]  # most often tells at once
        and values.count(values[0]) == len(values)
    )


def _encoded(text: str | None) -> bytes:
    return b"" if text is None else text.encode("utf-8", "backslashreplace")
