"""What does a plan ask of the rows of each table?

Read off an optimized logical plan, where DataFusion has pushed each filter down to its scan, folded constants and
brought literals to the column's type. Parameters without a value stand in it as placeholders.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from procengine.model.column import TIME
from procengine.query.live_catalog import CATALOG, DEFAULT_SCHEMA
from procengine.query.scan_conditions import (
    UNREAD,
    AllOf,
    AnyOf,
    Condition,
    KeyCondition,
    KeyType,
    Parameter,
    TimeCondition,
)

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}
_DAY_NS = 24 * 3600 * 1_000_000_000

Aliases = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class WantedRows:
    """What a plan reads of a table: rows, and the columns of which anything is asked; None for all columns."""

    condition: Condition
    columns: frozenset[str] | None


@dataclass(frozen=True, slots=True)
class _Scan:
    """One scan in a plan, the filters that stand above it alone, and what names in these mean."""

    columns: frozenset[str] | None
    filters: tuple[Any, ...]
    aliases: Aliases

    def wanted(self, keys: Mapping[str, KeyType]) -> WantedRows:
        reader = _Reader(keys, self.aliases)
        return WantedRows(AllOf(tuple(reader.read(one) for one in self.filters)), self.columns)


def scanned_table(scan: Any) -> str | None:
    """Return the name of the table that a scan reads, however it was written; None if of another schema."""
    catalog, schema, name = scan.fqn()
    ours = catalog in (None, CATALOG) and schema in (None, DEFAULT_SCHEMA)
    return name if ours else None


def read_wanted(plan: Any, keys: Mapping[str, Mapping[str, KeyType]]) -> dict[str, WantedRows]:
    """Return what a plan asks of each table; of a table scanned more than once, what any scan asks.

    ``keys`` names the tables that matter, and of each the columns by which rows are found, with the type of their
    values. A table is left out of the answer when the plan does not scan it, or where that cannot be told.
    """
    found: dict[str, list[_Scan]] = {name: [] for name in keys}
    for name, scan in _scans(plan, (), {}):
        if name is not None and name in found:
            found[name].append(scan)
    # Plans of subqueries that stayed inside expressions are not inputs, and so were not visited.
    text = plan.display_indent()
    return {
        name: _any([scan.wanted(keys[name]) for scan in scans])
        for name, scans in found.items()
        if scans and len(scans) == _scan_count(text, name)
    }


def unread(plan: Any, names: Iterable[str]) -> frozenset[str]:
    """Return which of some tables a plan does not scan, nor a subquery in it."""
    text = plan.display_indent()
    return frozenset(name for name in names if not _scan_count(text, name))


def _any(wanted: list[WantedRows]) -> WantedRows:
    columns: frozenset[str] | None = frozenset()
    for one in wanted:
        columns = None if columns is None or one.columns is None else columns | one.columns
    return WantedRows(AnyOf(tuple(one.condition for one in wanted)), columns)


def _scan_count(text: str, name: str) -> int:
    """Return how often a plan's text names a table as scanned; too many where another's name begins or ends alike."""
    scan = re.compile(rf"\s*TableScan: (?:.*\.)?{re.escape(name)}(?:[ ,].*)?")
    return sum(scan.fullmatch(line) is not None for line in text.splitlines())


def _scans(plan: Any, filters: tuple[Any, ...], aliases: Aliases) -> Iterator[tuple[str | None, _Scan]]:
    """Yield each scan with its table's name."""
    variant = plan.to_variant()
    match type(variant).__name__:
        case "TableScan":
            projection = variant.projection()
            columns = None if projection is None else frozenset(name for _, name in projection)
            yield scanned_table(variant), _Scan(columns, (*filters, *variant.filters()), aliases)
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

    def __init__(self, keys: Mapping[str, KeyType], aliases: Aliases) -> None:
        self._keys = keys
        self._aliases = aliases

    def read(self, expression: Any) -> Condition:
        """Return what a filter asks."""
        match expression.variant_name():
            case "BinaryExpr":
                return self._operator(expression.to_variant())
            case "InList":
                return self._list(expression.to_variant())
            case "Column":
                return self._truth(expression, True)
            case "Not":
                return self._truth(expression.to_variant().expr(), False)
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
        return self._key(column, [right]) if operator == "=" else UNREAD

    def _list(self, variant: Any) -> Condition:
        if variant.negated():
            return UNREAD
        return self._key(self._column(variant.expr()), variant.list())

    def _truth(self, expression: Any, value: bool) -> Condition:
        """Return what a column of booleans asks that stands for itself, or behind NOT."""
        column = self._column(expression)
        if column is None or self._keys.get(column) is not bool:
            return UNREAD
        return KeyCondition(column, (value,), bool)

    def _key(self, column: str | None, values: Sequence[Any]) -> Condition:
        """Return that a column has one of some values."""
        key_type = None if column is None else self._keys.get(column)
        if column is None or key_type is None:
            return UNREAD
        known = [self._value(one, key_type) for one in values]
        wanted = tuple(one for one in known if one is not None)
        return UNREAD if len(wanted) < len(known) else KeyCondition(column, wanted, key_type)

    def _resolved(self, expression: Any) -> Any:
        """Return what an alias stands for."""
        if self._aliases and expression.variant_name() == "Column":
            return self._aliases.get(expression.to_variant().name(), expression)
        return expression

    def _column(self, expression: Any) -> str | None:
        expression = self._resolved(expression)
        return expression.to_variant().name() if expression.variant_name() == "Column" else None

    def _value(self, expression: Any, key_type: KeyType) -> str | int | Parameter | None:
        match expression.variant_name():
            case "Literal":
                value = expression.python_value().as_py()
                return value if type(value) is key_type else None
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
