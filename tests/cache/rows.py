"""Rows for caches: dictionaries as the batches of a write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa

from procengine.model.column import TIME, Column, ColumnType
from procengine.model.table_schema import TableSchema

SCHEMA = TableSchema(
    (
        Column("host", ColumnType.TAG),
        Column("unit", ColumnType.TAG),
        Column("site", ColumnType.TAG),
        Column("f", ColumnType.FLOAT),
        Column("i", ColumnType.INTEGER),
        Column("u", ColumnType.UINTEGER),
        Column("b", ColumnType.BOOLEAN),
        Column("s", ColumnType.STRING),
    )
)


def batch_of(rows: Sequence[Mapping[str, object]], schema: TableSchema = SCHEMA) -> pa.RecordBatch:
    """Return rows as one batch; it has the columns that some row has, and the time last."""
    names = dict.fromkeys(name for row in rows for name in row if name != TIME)
    arrays = []
    for name in names:
        kind = schema.type_of(name)
        assert kind is not None
        values = [row.get(name) for row in rows]
        plain = pa.utf8() if kind is ColumnType.TAG else kind.arrow_type
        array = pa.array(values, plain)
        arrays.append(array.dictionary_encode() if kind is ColumnType.TAG else array)
    times = pa.array([row[TIME] for row in rows], pa.int64()).cast(pa.timestamp("ns"))
    return pa.RecordBatch.from_arrays([*arrays, times], names=[*names, TIME])


def dictionaries(table: pa.Table) -> list[dict[str, object]]:
    """Return a table's rows, times as nanoseconds."""
    position = table.schema.get_field_index(TIME)
    if position >= 0:
        table = table.set_column(position, TIME, table.column(TIME).cast(pa.int64()))
    rows: list[dict[str, object]] = table.to_pylist()
    return rows
