"""What does a plan ask of the rows of each table?

Read off an optimized logical plan, where DataFusion has pushed each filter down to its scan, folded constants and
brought literals to the column's type. Parameters without a value stand in it as placeholders.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from procengine.model.column import TIME
from procengine.model.table_schema import TableSchema
from procengine.query.live_catalog import CATALOG, DEFAULT_SCHEMA
from procengine.query.scan_conditions import (
    UNREAD,
    AllOf,
    AnyOf,
    Condition,
    Parameter,
    TagCondition,
    TimeCondition,
)

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}
_DAY_NS = 24 * 3600 * 1_000_000_000

Aliases = Mapping[str, Any]


def read_conditions(plan: Any, schemas: Mapping[str, TableSchema]) -> dict[str, Condition]:
    """Return what a plan asks of each table's rows; of a table scanned more than once, what any scan asks.

    ``schemas`` are those of the tables that matter; others are left out of the answer.
    """
    found: dict[str, list[Condition]] = {}
    scans = 0
    for name, filters, aliases in _scans(plan, (), {}):
        scans += 1
        if name is not None and name in schemas:
            reader = _Reader(frozenset(schemas[name].series_key), aliases)
            found.setdefault(name, []).append(AllOf(tuple(reader.read(one) for one in filters)))
    # Plans of subqueries that stayed inside expressions are not inputs, and so were not visited.
    if plan.display_indent().count("TableScan: ") != scans:
        return {}
    return {name: AnyOf(tuple(conditions)) for name, conditions in found.items()}


def scanned_table(scan: Any) -> str | None:
    """Return the name of the table that a scan reads, however it was written; None if of another schema."""
    catalog, schema, name = scan.fqn()
    ours = catalog in (None, CATALOG) and schema in (None, DEFAULT_SCHEMA)
    return name if ours else None


def _scans(
    plan: Any, filters: tuple[Any, ...], aliases: Aliases
) -> Iterator[tuple[str | None, tuple[Any, ...], Aliases]]:
    """Yield each scan's table, the filters that stand above it alone, and what names in these mean."""
    variant = plan.to_variant()
    match type(variant).__name__:
        case "TableScan":
            yield scanned_table(variant), (*filters, *variant.filters()), aliases
            return
        case "Filter" if not aliases:
            filters = (*filters, variant.predicate())
        case "Projection" if filters and not aliases:
            # DataFusion computes what occurs twice in a filter once, below it.
            aliases = _aliases(variant.projections())
        case _:
            filters, aliases = (), {}
    for below in plan.inputs():
        yield from _scans(below, filters, aliases)


def _aliases(projections: list[Any]) -> Aliases:
    variants = [one.to_variant() for one in projections if one.variant_name() == "Alias"]
    return {variant.alias(): variant.expr() for variant in variants}


class _Reader:
    """Reads the filters of one scan."""

    def __init__(self, tags: frozenset[str], aliases: Aliases) -> None:
        self._tags = tags
        self._aliases = aliases

    def read(self, expression: Any) -> Condition:
        """Return what a filter asks."""
        match expression.variant_name():
            case "BinaryExpr":
                return self._operator(expression.to_variant())
            case "InList":
                return self._list(expression.to_variant())
        return UNREAD

    def _operator(self, variant: Any) -> Condition:
        left, right, operator = variant.left(), variant.right(), variant.op()
        if operator in ("AND", "OR"):
            parts = (self.read(left), self.read(right))
            return AllOf(parts) if operator == "AND" else AnyOf(parts)
        if operator not in _MIRRORED:
            return UNREAD
        if self._column(left) is None:
            left, right, operator = right, left, _MIRRORED[operator]
        column = self._column(left)
        if column == TIME:
            instant = self._instant(right)
            return UNREAD if instant is None else TimeCondition(operator, instant)
        if column in self._tags and column is not None and operator == "=":
            value = self._text(right)
            return UNREAD if value is None else TagCondition(column, (value,))
        return UNREAD

    def _list(self, variant: Any) -> Condition:
        column = self._column(variant.expr())
        if variant.negated() or column is None or column not in self._tags:
            return UNREAD
        values = [self._text(one) for one in variant.list()]
        known = tuple(value for value in values if value is not None)
        return UNREAD if len(known) < len(values) else TagCondition(column, known)

    def _resolved(self, expression: Any) -> Any:
        """Return what an alias stands for."""
        if self._aliases and expression.variant_name() == "Column":
            return self._aliases.get(expression.to_variant().name(), expression)
        return expression

    def _column(self, expression: Any) -> str | None:
        expression = self._resolved(expression)
        return expression.to_variant().name() if expression.variant_name() == "Column" else None

    def _text(self, expression: Any) -> str | Parameter | None:
        match expression.variant_name():
            case "Literal":
                text = expression.python_value().as_py()
                return text if isinstance(text, str) else None
            case "Placeholder":
                return Parameter(expression.to_variant().id().removeprefix("$"))
        return None

    def _instant(self, expression: Any) -> int | Parameter | None:
        expression = self._resolved(expression)
        match expression.variant_name():
            case "Literal":
                value = expression.python_value()
                plain = value.type == pa.timestamp("ns") and value.is_valid
                return int(value.value) if plain else None
            case "Placeholder":
                return Parameter(expression.to_variant().id().removeprefix("$"))
            case "Cast" if str(expression).endswith(" AS Timestamp(ns)))"):
                return self._instant(expression.to_variant().expr())
            case "BinaryExpr":
                return self._shifted(expression.to_variant())
        return None

    def _shifted(self, variant: Any) -> int | Parameter | None:
        """Return an instant that an interval was added to, or taken from."""
        start = self._instant(variant.left())
        interval = variant.right()
        if start is None or variant.op() not in ("+", "-") or interval.variant_name() != "Literal":
            return None
        value = interval.python_value()
        if value.type != pa.month_day_nano_interval() or not value.is_valid or value.as_py().months:
            return None
        offset_ns = int(value.as_py().days * _DAY_NS + value.as_py().nanoseconds)
        offset_ns = offset_ns if variant.op() == "+" else -offset_ns
        if isinstance(start, int):
            return start + offset_ns
        return Parameter(start.name, start.offset_ns + offset_ns)
