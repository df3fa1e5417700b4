"""Which types have a result's columns on a server, where its DataFusion has others than the one here?

Plugins feel it: `influxdb3_local.query` cannot return ``Utf8View``, which ``substr(...)`` is on a server, nor
``Int32``; and ``median`` of integers is an integer there. So the columns of a result are brought to the types of
DataFusion 51, read off the plan: what a column is computed by, down to the tables' own columns.

Differs: within an expression nothing is changed: ``median(n) / 2`` divides the median with its fraction.

Source: DataFusion 51.0.0, whose results' types were compared function by function.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from procengine.errors import QueryError
from procengine.query.plan_conditions import scanned_table


class Kind(Enum):
    """What an expression is on a server; None stands for what does not matter, or cannot be told."""

    TAG = auto()
    TEXT = auto()
    VIEW = auto()
    INTEGER = auto()
    UNSIGNED = auto()
    FLOAT = auto()


_ARROW = {
    Kind.TEXT: pa.utf8(),
    Kind.VIEW: pa.string_view(),
    Kind.INTEGER: pa.int64(),
    Kind.UNSIGNED: pa.uint64(),
    Kind.FLOAT: pa.float64(),
}
_VIEWS = frozenset({"substr", "substring"})
_VIEWS_OF_TAGS = frozenset({"btrim", "trim", "ltrim", "rtrim", "initcap"})
_TEXTS = frozenset(
    {
        "concat_ws",
        "left",
        "lower",
        "lpad",
        "overlay",
        "repeat",
        "replace",
        "reverse",
        "right",
        "rpad",
        "split_part",
        "substr_index",
        "substring_index",
        "translate",
        "upper",
    }
)
_FIRST = frozenset({"max", "min", "first_value", "last_value", "abs", "sum"})
_ANY = frozenset({"coalesce", "nvl", "ifnull", "nvl2", "nullif", "greatest", "least", "case", "||"})
_MEDIANS = frozenset(
    {"median", "approx_median", "approx_percentile_cont", "approx_percentile_cont_with_weight"}
)
_POWERS = frozenset({"power", "pow"})
_ARITHMETIC = frozenset("+-*/%")
_WHOLE = re.compile(r"Int64\(\d+\)")
_MENTION = re.compile(
    rf"\b(?:concat|round|{'|'.join(sorted(_VIEWS | _VIEWS_OF_TAGS | _TEXTS | _MEDIANS | _POWERS))})\s*\(",
    re.IGNORECASE,
)

Kinds = Mapping[str, Kind | None]


def server_schema(frame: Any, sql: str, tables: Mapping[str, pa.Schema]) -> pa.Schema:
    """Return the columns of a planned text with a server's types; ``tables`` has those of the tables it may scan."""
    schema: pa.Schema = frame.schema()
    kinds: Kinds = {}
    if _MENTION.search(sql) is not None:
        kinds = _columns(frame.logical_plan(), tables)
    elif not any(map(_is_odd, schema.types)):
        return schema
    fields = [field.with_type(_type(field.type, kinds.get(field.name))) for field in schema]
    return pa.schema(fields, schema.metadata)


def may_differ(sql: str, schema: pa.Schema) -> bool:
    """Tell whether a text's result can have other types on a server; most texts' cannot."""
    return _MENTION.search(sql) is not None or any(map(_is_odd, schema.types))


def cast_under(schema: pa.Schema, table: pa.Table) -> pa.Table:
    """Return rows with the types of a schema; what may be null stays what the rows say."""
    columns = cast_columns(schema, table.columns)
    fields = [field.with_type(column.type) for field, column in zip(table.schema, columns, strict=True)]
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, table.schema.metadata))


def cast_columns(schema: pa.Schema, columns: Sequence[Any]) -> list[Any]:
    """Return columns with the types of a schema; a number that is an integer there loses its fraction."""
    return [_cast(column, field.type) for column, field in zip(columns, schema, strict=True)]


def _cast(column: Any, kind: pa.DataType) -> Any:
    if column.type.equals(kind):
        return column
    if pa.types.is_dictionary(column.type) and not pa.types.is_dictionary(kind):
        column = column.cast(column.type.value_type)
    if pa.types.is_floating(column.type) and pa.types.is_integer(kind):
        _check_range(column)
    return column.cast(kind, safe=False)


def _check_range(numbers: Any) -> None:
    """Raise for a number that no integer of 64 bits holds, as the original does where it computes in integers."""
    for bound in (pc.max(numbers).as_py(), pc.min(numbers).as_py()):
        if bound is not None and (bound >= 2.0**63 or bound < -(2.0**63)):
            raise QueryError(f"Arrow error: Arithmetic overflow: Overflow happened on: {bound:g}")


def _is_odd(kind: pa.DataType) -> bool:
    """Tell whether a type is one that no server gives: a dictionary of what is not text."""
    return bool(pa.types.is_dictionary(kind) and not pa.types.is_string(kind.value_type))


def _type(here: pa.DataType, kind: Kind | None) -> pa.DataType:
    """Return a column's type on a server, from that here and from what it is computed by."""
    if _is_odd(here):
        return here.value_type
    if kind is None or kind is Kind.TAG:
        return here
    text = pa.types.is_string(here) or pa.types.is_string_view(here) or pa.types.is_dictionary(here)
    if text != (kind in (Kind.TEXT, Kind.VIEW)):
        return here
    return here if kind is Kind.TEXT and pa.types.is_dictionary(here) else _ARROW[kind]


def _columns(plan: Any, tables: Mapping[str, pa.Schema]) -> dict[str, Kind | None]:
    """Return what the columns of a plan's node are, by name; a name of two columns that differ is left out."""
    variant = plan.to_variant()
    name = type(variant).__name__
    if name == "TableScan":
        scanned = scanned_table(variant)
        return {field.name: _kind_of_type(field.type) for field in tables.get(scanned or "", ())}
    below: dict[str, Kind | None] = {}
    for one in plan.inputs():
        for column, kind in _columns(one, tables).items():
            below[column] = kind if below.get(column, kind) is kind else None
    match name:
        case "Projection":
            return _named(variant.projections(), below)
        case "Aggregate":
            return _named([*variant.group_by_exprs(), *variant.aggregate_exprs()], below)
        case "Union":
            return {}
    return below


def _named(expressions: Sequence[Any], below: Kinds) -> dict[str, Kind | None]:
    return {_name(each): _kind(each, below) for each in expressions}


def _name(expression: Any) -> str:
    if expression.variant_name() == "Column":
        return str(expression.to_variant().name())
    return str(expression.schema_name())


def _kind_of_type(kind: pa.DataType) -> Kind | None:
    if pa.types.is_dictionary(kind):
        return Kind.TAG
    return {pa.utf8(): Kind.TEXT, pa.int64(): Kind.INTEGER, pa.uint64(): Kind.UNSIGNED}.get(kind)


def _kind(expression: Any, below: Kinds) -> Kind | None:
    match expression.variant_name():
        case "Column":
            return below.get(_name(expression))
        case "Literal":
            return _kind_of_literal(expression.schema_name())
        case "Alias" | "Negative":
            return _kind(expression.rex_call_operands()[0], below)
        case "ScalarFunction" | "BinaryExpr":
            name = str(expression.rex_call_operator())
        case "AggregateFunction":
            name = str(expression.schema_name()).partition("(")[0]
        case "Case":
            name = "case"
        case _:
            return None
    operands = expression.rex_call_operands()
    if name in _POWERS and _WHOLE.fullmatch(operands[-1].schema_name()) is None:
        # A negative exponent of an integer is an error there; here the power has a fraction, and keeps it.
        return None
    return _kind_of_call(name, [_kind(each, below) for each in operands])


def _kind_of_literal(text: str) -> Kind | None:
    beginnings = {"Utf8(": Kind.TEXT, "Int64(": Kind.INTEGER, "UInt64(": Kind.UNSIGNED}
    return next((kind for begin, kind in beginnings.items() if text.startswith(begin)), None)


def _kind_of_call(name: str, kinds: list[Kind | None]) -> Kind | None:
    first = kinds[0] if kinds else None
    if name in _VIEWS:
        return Kind.VIEW
    if name in _VIEWS_OF_TAGS:
        return Kind.VIEW if first in (Kind.TAG, Kind.VIEW) else first
    if name == "concat":
        return Kind.VIEW if {Kind.TAG, Kind.VIEW} & {*kinds} else Kind.TEXT
    if name in _TEXTS:
        return Kind.TEXT
    if name in _ANY:
        return Kind.VIEW if Kind.VIEW in kinds else None
    if name in _MEDIANS or name in _FIRST:
        return first
    if name == "count":
        return Kind.INTEGER
    if name in _POWERS or name in _ARITHMETIC:
        return Kind.INTEGER if {*kinds} == {Kind.INTEGER} else None
    return Kind.FLOAT if name == "round" else None
