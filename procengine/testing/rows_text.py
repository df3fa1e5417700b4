"""Which line protocol makes these rows again?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from procengine.model.column import TIME
from procengine.model.table_rows import TableRows
from procengine.processing.table_batches import table_batches


def lines_of(rows: Sequence[TableRows]) -> str:
    """Return one line a row, with its time in nanoseconds: tags and fields in the order in which they came."""
    return "\n".join(line for piece in rows for line in _lines(piece))


def _lines(piece: TableRows) -> Iterator[str]:
    types = {field.name: field.type for field in piece.batch.schema}
    (batch,) = table_batches([piece])
    for row in batch["rows"]:
        values = {name: value for name, value in row.items() if name != TIME}
        tags = [name for name in values if pa.types.is_dictionary(types[name])]
        fields = [name for name in values if name not in tags]
        series = "".join(f",{_name(tag)}={_name(values[tag])}" for tag in tags)
        shown = ",".join(f"{_name(name)}={_field(values[name], types[name])}" for name in fields)
        yield f"{_measurement(piece.table)}{series} {shown} {row[TIME]}"


def _field(value: object, kind: pa.DataType) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if pa.types.is_unsigned_integer(kind):
        return f"{value}u"
    return f"{value}i" if isinstance(value, int) else repr(value)


def _measurement(text: str) -> str:
    return text.replace(",", "\\,").replace(" ", "\\ ")


def _name(text: str) -> str:
    return _measurement(text).replace("=", "\\=")
