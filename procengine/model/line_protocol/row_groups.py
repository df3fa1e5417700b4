"""How do lines that were read one by one become groups of Arrow arrays?"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa

from procengine.model.column import Column, ColumnType
from procengine.model.line_group import LineGroup
from procengine.model.line_protocol.grammar import FieldValue

_INT32 = pa.int32()
_UTF8 = pa.utf8()


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
_LETTER_TYPES = {letter: kind for kind, letter in FIELD_TYPE_LETTERS.items()}


class Rows(NamedTuple):
    """The rows of one shape, in the order of their lines; a row holds tag values, then field values."""

    values: list[tuple[FieldValue, ...]]
    times_ns: list[int]
    line_numbers: list[int]


def line_group(shape: Shape, rows: Rows) -> LineGroup:
    """Return the rows of one shape as columns."""
    columns = [Column(name, ColumnType.TAG) for name in shape.tags]
    columns += [
        Column(name, _LETTER_TYPES[letter])
        for name, letter in zip(shape.fields, shape.field_types, strict=True)
    ]
    cells = zip(*rows.values, strict=True)
    return LineGroup(
        table=shape.table,
        columns=tuple(columns),
        arrays=tuple(
            [_array(column.type, values) for column, values in zip(columns, cells, strict=True)]
        ),
        times_ns=np.array(rows.times_ns, dtype=np.int64),
        line_numbers=np.array(rows.line_numbers, dtype=np.int64),
    )


def _array(kind: ColumnType, values: tuple[FieldValue, ...]) -> pa.Array:
    if kind is not ColumnType.TAG:
        return pa.array(values, type=kind.arrow_type)
    distinct = dict.fromkeys(values)
    if len(distinct) == 1:
        codes = np.zeros(len(values), dtype=np.int32)
    else:
        code_of = {value: code for code, value in enumerate(distinct)}
        codes = np.fromiter(map(code_of.__getitem__, values), dtype=np.int32, count=len(values))
    return pa.DictionaryArray.from_arrays(
        pa.array(codes, type=_INT32), pa.array(list(distinct), type=_UTF8), safe=False
    )
