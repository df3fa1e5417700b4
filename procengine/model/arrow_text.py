"""How do texts and numbers of many records become columns?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa


def text_column(texts: Sequence[str | None]) -> pa.Array:
    """Return texts as ``utf8``.

    A text that stands in all rows, as one of a few often does, is converted once.
    Python's text may hold halves of surrogate pairs, which no encoding knows; they are written as escapes.
    """
    try:
        if _is_one(texts):
            return pa.repeat(pa.scalar(texts[0], pa.utf8()), len(texts))
        return pa.array(texts, pa.utf8())
    except UnicodeEncodeError:
        return pa.array([None if text is None else _encodable(text) for text in texts], pa.utf8())


def number_column(numbers: Sequence[int | bool | None], kind: pa.DataType) -> pa.Array:
    """Return numbers as ``kind``; one that stands in all rows is converted once."""
    if _is_one(numbers):
        return pa.repeat(pa.scalar(numbers[0], kind), len(numbers))
    return pa.array(numbers, kind)


def _is_one(values: Sequence[Any]) -> bool:
    """Tell whether a value stands in all of several rows; NULL does not count."""
    return len(values) > 1 and values[0] is not None and values.count(values[0]) == len(values)


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
