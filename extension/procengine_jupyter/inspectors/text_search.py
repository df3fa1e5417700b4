"""Which rows of a table have a text in them, found soon enough for a reader who types?

Rows never become Python objects. Values that occur many times are looked at once, columns that cannot have the text
not at all, and a text that goes on from the one before only where that was found.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from itertools import repeat

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from procengine_jupyter.inspectors.decimal_search import may_have_decimal
from procengine_jupyter.render.table_card import cell_texts, is_number

Bools = npt.NDArray[np.bool_]

_OF_NUMBERS = frozenset("0123456789+-.einfa")
_OF_TIMES = frozenset("0123456789-:. z")
_MANY = 100_000
"""From how many rows on columns are searched side by side."""

_SAMPLE = 10_000
_FEW = 2_000
"""A column with fewer values than this in a sample is taken to repeat them."""


class TextSearch:
    """Looks for texts in one table, whatever their case. ``left_out`` are columns that are not looked into."""

    def __init__(self, table: pa.Table, left_out: Collection[str] = ()) -> None:
        self._columns = [
            column
            for name, column in zip(table.column_names, table.columns, strict=True)
            if name not in left_out
        ]
        self._length: int = table.num_rows
        self._text = ""
        self._found: Bools = np.ones(self._length, np.bool_)

    def matching(self, text: str) -> Bools:
        """Return for each row whether any column has a text in it."""
        before = np.flatnonzero(self._found) if self._text in text else None
        if before is None or 2 * len(before) > self._length:
            found = matching(self._columns, text, self._length)
        else:
            some = [column.take(pa.array(before)) for column in self._columns]
            found = np.zeros(self._length, np.bool_)
            found[before] = matching(some, text, len(before))
        self._text, self._found = text, found
        return found


def matching(columns: Collection[pa.ChunkedArray], text: str, length: int) -> Bools:
    """Return for each row of some columns whether any has a text in it, whatever its case.

    Times have it as a date or a time of day alone: digits that occur in some nanosecond are of no interest.
    """
    found = np.zeros(length, np.bool_)
    able = [column for column in columns if _may_have(column.type, text)]
    if length <= _MANY or len(able) < 2:
        for column in able:
            found |= _has(column, text)
        return found
    # pyarrow works without the interpreter's lock, on a column of each core; the threads end with the search.
    with ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="procengine-search") as threads:
        for one in threads.map(_has, able, repeat(text)):
            found |= one
    return found


def as_text(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column as text, as quickly as its type allows."""
    plain = decoded(column)
    if pa.types.is_string(plain.type):
        return plain
    try:
        return plain.cast(pa.string())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return pa.chunked_array([pa.array(cell_texts(plain), pa.string())])


def decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column with its values instead of their numbers in a dictionary, and text instead of views of it."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return column.cast(kind.value_type)
    if kind == pa.string_view():
        return column.cast(pa.string())
    return column


def _may_have(kind: pa.DataType, text: str) -> bool:
    """Tell whether a value of a type can have a text in it."""
    characters = set(text.lower())
    if is_number(kind):
        return characters <= _OF_NUMBERS
    if pa.types.is_timestamp(kind):
        return characters <= _OF_TIMES and not characters.isdisjoint("-:")
    return True


def _has(column: pa.ChunkedArray, text: str) -> Bools:
    if pa.types.is_floating(column.type) and len(column) > _SAMPLE:
        values = pc.fill_null(column.cast(pa.float64()), np.nan).to_numpy()
        candidates = may_have_decimal(values, text)
        if candidates is not None and 2 * len(candidates) < len(column):
            fits = np.zeros(len(column), np.bool_)
            fits[candidates] = _has(column.take(pa.array(candidates)), text)
            return fits
    if is_number(column.type) and _repeats(column):
        column = column.dictionary_encode()
    if pa.types.is_dictionary(column.type):
        chunks = (_has_encoded(chunk, text) for chunk in column.chunks)
        return np.concatenate([np.zeros(0, np.bool_), *chunks])
    # Of a text without case there is none to be ignored, which is twice as fast.
    has_case = text.lower() != text.upper()
    matches = pc.match_substring(as_text(column), text, ignore_case=has_case)
    found: Bools = pc.fill_null(matches, False).to_numpy()
    if "." in text and pa.types.is_floating(column.type):
        _add_whole(found, column, text)
    return found


def _add_whole(found: Bools, column: pa.ChunkedArray, text: str) -> None:
    """Find whole numbers as they are shown, ``12.0``, which pyarrow writes as ``12``."""
    whole = np.flatnonzero(pc.fill_null(pc.equal(pc.floor(column), column), False).to_numpy())
    texts = column.take(pa.array(whole)).cast(pa.string())
    found[whole] |= pc.match_substring(pc.binary_join_element_wise(texts, ".0", ""), text).to_numpy()


def _repeats(column: pa.ChunkedArray) -> bool:
    """Tell whether a column seems to have few values, each of them often."""
    if len(column) <= _SAMPLE:
        return False
    return bool(pc.count_distinct(column.slice(0, _SAMPLE)).as_py() < _FEW)


def _has_encoded(chunk: pa.DictionaryArray, text: str) -> Bools:
    values = pa.chunked_array([decoded(pa.chunked_array([chunk.dictionary])).combine_chunks()])
    of_value = np.append(_has(values, text), False)  # the last stands for null
    codes = pc.fill_null(chunk.indices.cast(pa.int64()), -1).to_numpy(zero_copy_only=False)
    by_row: Bools = of_value[codes]
    return by_row
