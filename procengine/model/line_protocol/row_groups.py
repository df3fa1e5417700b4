"""How do lines that were read one by one become groups of Arrow arrays?"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from procengine.model.arrow_text import number_column, text_column
from procengine.model.column import Column, ColumnType
from procengine.model.line_group import LineGroup
from procengine.model.line_protocol.grammar import FieldValue


class Shape(NamedTuple):
    """What lines of one group have in common; ``field_types`` has one character a field."""

    table: str
    tags: tuple[str, ...]
    fields: tuple[str, ...]
    field_types: str


FIELD_TYPE_LETTERS = {
    ColumnType.STRING: "s",
    ColumnType.INTEGER: "i",
    ColumnType.UINTEGER: "u",
    ColumnType.FLOAT: "f",
    ColumnType.BOOLEAN: "b",
}
_TAG_LETTER = "t"
_BOOLEAN_LETTER = FIELD_TYPE_LETTERS[ColumnType.BOOLEAN]
_TYPES = {_TAG_LETTER: ColumnType.TAG} | {letter: kind for kind, letter in FIELD_TYPE_LETTERS.items()}
_VALUE_TYPES = {letter: kind.arrow_type for letter, kind in _TYPES.items()} | {_TAG_LETTER: pa.utf8()}
_NUMPY_TYPES = {"f": np.float64, "i": np.int64, "u": np.uint64}
# Nothing here by pa.array: that makes pyarrow look for pandas, which costs a third of a second in the first write.
_FIRST = pa.Array.from_buffers(pa.int32(), 1, [None, pa.py_buffer(bytes(4))])


class Rows(NamedTuple):
    """The rows of one shape, in the order of their lines; a row holds tag values, then field values."""

    values: list[tuple[FieldValue, ...]]
    times_ns: list[int]
    line_numbers: list[int]


def line_group(shape: Shape, rows: Rows) -> LineGroup:
    """Return the rows of one shape as columns.

    Columns of one type are converted together and are slices of one array: the conversion's
    fixed cost is most of what a single line costs.
    """
    columns, places_by_letter = _layout(shape)
    cells = list(zip(*rows.values, strict=True))
    count = len(rows.values)
    arrays: list[pa.Array] = [None] * len(columns)
    for letter, places in places_by_letter:
        together = _convert(letter, [value for place in places for value in cells[place]])
        for start, place in enumerate(places):
            array = together.slice(start * count, count) if len(places) > 1 else together
            arrays[place] = _tags(array, count) if letter == _TAG_LETTER else array
    return LineGroup(
        table=shape.table,
        columns=columns,
        arrays=tuple(arrays),
        times_ns=np.array(rows.times_ns, dtype=np.int64),
        line_numbers=np.array(rows.line_numbers, dtype=np.int64),
    )


@lru_cache(maxsize=256)
def _layout(shape: Shape) -> tuple[tuple[Column, ...], tuple[tuple[str, tuple[int, ...]], ...]]:
    """Return a shape's columns, and the places of each type's columns among them."""
    letters = _TAG_LETTER * len(shape.tags) + shape.field_types
    names = (*shape.tags, *shape.fields)
    columns = [Column(name, _TYPES[letter]) for name, letter in zip(names, letters, strict=True)]
    places = [
        (letter, tuple([place for place, other in enumerate(letters) if other == letter]))
        for letter in dict.fromkeys(letters)
    ]
    return tuple(columns), tuple(places)


def _convert(letter: str, values: list[Any]) -> pa.Array:
    numbers = _NUMPY_TYPES.get(letter)
    if numbers is not None:
        data = pa.py_buffer(np.array(values, dtype=numbers))
        return pa.Array.from_buffers(_VALUE_TYPES[letter], len(values), [None, data])
    if letter == _BOOLEAN_LETTER:
        return number_column(values, pa.bool_())
    return text_column(values)


def _tags(texts: pa.StringArray, count: int) -> pa.DictionaryArray:
    if count == 1:
        return pa.DictionaryArray.from_arrays(_FIRST, texts, safe=False)
    return texts.dictionary_encode()
