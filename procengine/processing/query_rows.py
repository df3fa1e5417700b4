"""How does a query's result look to a plugin?

Source: influxdb3_py_api/src/system_py.rs, PyPluginCallApi::query (types, the error's text).
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from procengine.model.arrow_names import display_name
from procengine.processing.row_dicts import Rows, row_dicts

_PLAIN = frozenset({pa.int64(), pa.uint64(), pa.float64(), pa.utf8(), pa.bool_()})
_TAG = pa.dictionary(pa.int32(), pa.utf8())
_UNIT_NAMES = {"s": "Second", "ms": "Millisecond", "us": "Microsecond", "ns": "Nanosecond"}


def query_rows(table: pa.Table) -> Rows:
    """Return all rows, each with every column; NULL is None, a timestamp int nanoseconds, a tag str.

    Raises:
        ValueError: a value has another type: ``Unsupported data type: Int32``.
    """
    _refuse_unsupported(table)
    rows: Rows = []
    names = table.column_names
    for batch in table.to_batches():
        arrays = [_readable(column) for column in batch.columns]
        rows += row_dicts(names, arrays) if names else [{} for _ in range(batch.num_rows)]
    return rows


def _readable(column: pa.Array) -> pa.Array:
    """Return a column of only nulls as one whose nulls can be read, whatever its type."""
    return column if is_supported(column.type) else pa.nulls(len(column), pa.utf8())


def is_supported(kind: pa.DataType) -> bool:
    """Tell whether values of an Arrow type can be handed to a plugin."""
    if pa.types.is_timestamp(kind):
        return str(kind.unit) == "ns"
    return kind in _PLAIN or (
        pa.types.is_dictionary(kind)
        and kind.index_type == _TAG.index_type
        and kind.value_type == _TAG.value_type
    )


def _refuse_unsupported(table: pa.Table) -> None:
    """Raise for the value that the original, reading row by row, would meet first."""
    first: tuple[int, int] | None = None
    for number, column in enumerate(table.columns):
        if is_supported(column.type) or column.null_count == len(column):
            continue
        row = 0 if column.null_count == 0 else column.is_valid().index(True).as_py()
        first = min(first or (row, number), (row, number))
    if first is not None:
        raise ValueError(f"Unsupported data type: {arrow_rs_name(table.schema.field(first[1]).type)}")


def arrow_rs_name(kind: pa.DataType) -> str:
    """Return what the original's Arrow library shows for a type in Rust's own form, as in this one error."""
    if pa.types.is_timestamp(kind):
        zone = "None" if kind.tz is None else f'Some("{kind.tz}")'
        return f"Timestamp({_UNIT_NAMES[kind.unit]}, {zone})"
    if pa.types.is_duration(kind) or pa.types.is_time(kind):
        name = "Duration" if pa.types.is_duration(kind) else f"Time{kind.bit_width}"
        return f"{name}({_UNIT_NAMES[kind.unit]})"
    if pa.types.is_dictionary(kind):
        return f"Dictionary({arrow_rs_name(kind.index_type)}, {arrow_rs_name(kind.value_type)})"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"{'List' if pa.types.is_list(kind) else 'LargeList'}({_field_name(kind.value_field)})"
    if pa.types.is_fixed_size_list(kind):
        return f"FixedSizeList({_field_name(kind.value_field)}, {kind.list_size})"
    if pa.types.is_map(kind):
        entries = pa.field("entries", pa.struct([kind.key_field, kind.item_field]), nullable=False)
        return f"Map({_field_name(entries)}, {'true' if kind.keys_sorted else 'false'})"
    if pa.types.is_struct(kind):
        return f"Struct([{', '.join(_field_name(kind.field(i)) for i in range(kind.num_fields))}])"
    return display_name(kind)  # what holds no unit and no field has one name for all


def _field_name(field: Any) -> str:
    """Return a field as arrow-schema 57 shows it: without what goes without saying."""
    name = "" if field.name == "item" else f'name: "{field.name}", '
    return f"Field {{ {name}data_type: {arrow_rs_name(field.type)}{', nullable: true' if field.nullable else ''} }}"
