"""How do texts and numbers of many records become columns?

By buffers: the first list that pyarrow converts by itself makes it import pandas, a third of a second that the first
write of a history need not cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

LARGEST_OFFSET = 2**31 - 1
"""How many bytes of text a column holds at most."""


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
        return _texts(joined.encode(), np.fromiter(map(len, filled), np.int64, count), valid)  # type: ignore[arg-type]
    parts = [_encoded(text) for text in filled]
    return _texts(b"".join(parts), np.fromiter(map(len, parts), np.int64, count), valid)


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


def list_column(lengths: Sequence[int], values: pa.Array, kind: pa.DataType) -> pa.Array:
    """Return lists of so many of the values each, one after the other, as ``kind``."""
    return pa.Array.from_buffers(kind, len(lengths), [None, _offsets(lengths)], children=[values])


def _texts(data: bytes, lengths: npt.NDArray[np.int64], valid: npt.NDArray[np.bool_] | None) -> pa.Array:
    buffers = [_bitmap(valid), _offsets(lengths), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.utf8(), len(lengths), buffers)


def _offsets(lengths: Sequence[int] | npt.NDArray[np.int64]) -> pa.Buffer:
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
