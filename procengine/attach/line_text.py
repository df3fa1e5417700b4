"""How are rows that were read written as lines again?

With every time in nanoseconds, so that a server stores what is stored here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pyarrow as pa

from procengine.model.column import ColumnType
from procengine.model.line_group import LineGroup, ParsedLines

Text = Callable[[Any], str]


def lines_of(parsed: ParsedLines) -> bytes:
    """Return the good lines of a body, in nanoseconds."""
    return "\n".join(line for group in parsed.groups for line in _lines(group)).encode()


def _lines(group: LineGroup) -> Iterator[str]:
    table = _escaped(group.table, ", ")
    tags: list[list[str]] = []
    fields: list[list[str]] = []
    for column, array in zip(group.columns, group.arrays, strict=True):
        name, text = _escaped(column.name, ",= "), _TEXTS[column.type]
        cells = [f"{name}={text(value)}" for value in _values(array)]
        (tags if column.type is ColumnType.TAG else fields).append(cells)
    for row, time_ns in enumerate(group.times_ns.tolist()):
        key = ",".join([table, *(cells[row] for cells in tags)])
        yield f"{key} {','.join(cells[row] for cells in fields)} {time_ns}"


def _values(array: pa.Array) -> list[Any]:
    values: list[Any] = array.to_pylist()
    return values


def _escaped(text: str, chars: str) -> str:
    for char in chars:
        text = text.replace(char, f"\\{char}")
    return text


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


_TEXTS: Final[dict[ColumnType, Text]] = {
    ColumnType.TAG: lambda value: _escaped(value, ",= "),
    ColumnType.STRING: _quoted,
    ColumnType.INTEGER: lambda value: f"{value}i",
    ColumnType.UINTEGER: lambda value: f"{value}u",
    ColumnType.FLOAT: repr,
    ColumnType.BOOLEAN: lambda value: "true" if value else "false",
}
