"""How does the original name an Arrow type in a message?

Source: arrow-schema 57, the Display of DataType.
"""

from __future__ import annotations

import json

import pyarrow as pa

_NAMES = {
    "null": "Null",
    "bool": "Boolean",
    "halffloat": "Float16",
    "float": "Float32",
    "double": "Float64",
    "string": "Utf8",
    "large_string": "LargeUtf8",
    "string_view": "Utf8View",
    "binary": "Binary",
    "large_binary": "LargeBinary",
    "binary_view": "BinaryView",
    "date32[day]": "Date32",
    "date64[ms]": "Date64",
    "month_day_nano_interval": "Interval(MonthDayNano)",
}


def display_name(kind: pa.DataType) -> str:
    """Return a type's name: ``Timestamp(ns)``, ``List(Int64)``, ``Struct("a": Int64, "b": non-null Utf8)``."""
    if pa.types.is_integer(kind):
        return f"{'Int' if pa.types.is_signed_integer(kind) else 'UInt'}{kind.bit_width}"
    if pa.types.is_timestamp(kind):
        return f"Timestamp({kind.unit}{f', {json.dumps(kind.tz)}' if kind.tz else ''})"
    if pa.types.is_duration(kind):
        return f"Duration({kind.unit})"
    if pa.types.is_time(kind):
        return f"Time{kind.bit_width}({kind.unit})"
    if pa.types.is_decimal(kind):
        return f"Decimal{kind.bit_width}({kind.precision}, {kind.scale})"
    if pa.types.is_dictionary(kind):
        return f"Dictionary({display_name(kind.index_type)}, {display_name(kind.value_type)})"
    if pa.types.is_fixed_size_list(kind):
        return f"FixedSizeList({kind.list_size} x {_item(kind.value_field)})"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        return f"{'List' if pa.types.is_list(kind) else 'LargeList'}({_item(kind.value_field)})"
    if pa.types.is_map(kind):
        entries = f'"key": {_item(kind.key_field)}, "value": {_item(kind.item_field)}'
        return f'Map("entries": non-null Struct({entries}), {"" if kind.keys_sorted else "un"}sorted)'
    if pa.types.is_struct(kind):
        return f"Struct({', '.join(f'{json.dumps(field.name)}: {_item(field)}' for field in kind)})"
    return _NAMES.get(str(kind), str(kind))


def _item(field: pa.Field) -> str:
    return f"{'' if field.nullable else 'non-null '}{display_name(field.type)}"
