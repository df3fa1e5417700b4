"""What stands where a plan will not look?

Tables for DataFusion have all their columns, so that names mean what they mean; those that nothing is asked of are
not read, and filled with the cheapest values that their type takes.
"""

from __future__ import annotations

import pyarrow as pa


def with_stand_ins(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """Return rows under a schema: its columns where the rows have them, and stand-ins for the others."""
    if rows.schema.equals(schema):
        return rows
    known = {name: number for number, name in enumerate(rows.column_names)}
    columns = [
        rows.column(known[field.name]) if field.name in known else _stand_in(field, rows.num_rows)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


def _stand_in(field: pa.Field, count: int) -> pa.Array:
    if field.nullable:
        return pa.nulls(count, field.type)
    if pa.types.is_dictionary(field.type):
        value = _stand_in(pa.field("", field.type.value_type, nullable=False), 1)
        return pa.DictionaryArray.from_arrays(
            pa.repeat(pa.scalar(0, field.type.index_type), count), value
        )
    text = pa.types.is_string(field.type) or pa.types.is_string_view(field.type)
    return pa.repeat(
        pa.scalar("" if text else 0, pa.utf8() if text else pa.int64()).cast(field.type), count
    )
