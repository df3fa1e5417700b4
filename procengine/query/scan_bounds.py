"""Which rows of each table can a plan want?

Read off an optimized logical plan, where DataFusion has already pushed each filter down to its scan, folded constants
and coerced literals to the column's type. What is not understood bounds nothing, so the answer is never too narrow.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa

from procengine.model.column import TIME
from procengine.query.stored_rows import StoredFile

MIN_TIME_NS = -(1 << 63)
MAX_TIME_NS = (1 << 63) - 1

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "=": "="}


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanBounds:
    """What a statement wants of a table: a closed range of time (nanoseconds UTC), and values of tags."""

    min_ns: int = MIN_TIME_NS
    max_ns: int = MAX_TIME_NS
    tag_equals: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def everything(self) -> bool:
        """Whether all rows are wanted."""
        return self.min_ns == MIN_TIME_NS and self.max_ns == MAX_TIME_NS and not self.tag_equals

    def admits(self, file: StoredFile) -> bool:
        """Tell whether a file can hold wanted rows."""
        return file.max_time_ns >= self.min_ns and file.min_time_ns <= self.max_ns

    def __and__(self, other: ScanBounds) -> ScanBounds:
        """Return what both want."""
        tags = dict(self.tag_equals)
        for name, values in other.tag_equals.items():
            tags[name] = tags[name] & values if name in tags else values
        return ScanBounds(
            min_ns=max(self.min_ns, other.min_ns), max_ns=min(self.max_ns, other.max_ns), tag_equals=tags
        )

    def __or__(self, other: ScanBounds) -> ScanBounds:
        """Return bounds that hold what either wants."""
        shared = self.tag_equals.keys() & other.tag_equals.keys()
        return ScanBounds(
            min_ns=min(self.min_ns, other.min_ns),
            max_ns=max(self.max_ns, other.max_ns),
            tag_equals={name: self.tag_equals[name] | other.tag_equals[name] for name in shared},
        )


EVERYTHING = ScanBounds()


def read_bounds(plan: Any, tags: Mapping[str, frozenset[str]]) -> dict[str, ScanBounds]:
    """Return the bounds of each table that an optimized plan scans; several scans of one are joined.

    ``tags`` names the tag columns of the tables that matter; others are left out of the answer.
    """
    found: dict[str, ScanBounds] = {}
    scans = 0
    for name, conditions in _scans(plan, ()):
        scans += 1
        if name in tags:
            bounds = _conjunction(conditions, tags[name])
            found[name] = found[name] | bounds if name in found else bounds
    # Plans of subqueries that stayed inside expressions are not inputs, and so were not visited.
    if plan.display_indent().count("TableScan: ") != scans:
        return {}
    return found


def _scans(plan: Any, conditions: tuple[Any, ...]) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """Yield each scan's table with the filters that stand directly above it."""
    variant = plan.to_variant()
    match type(variant).__name__:
        case "TableScan":
            yield variant.table_name(), (*conditions, *variant.filters())
            return
        case "Filter":
            conditions = (*conditions, variant.predicate())
        case _:
            conditions = ()
    for below in plan.inputs():
        yield from _scans(below, conditions)


def _conjunction(conditions: Iterable[Any], tags: frozenset[str]) -> ScanBounds:
    bounds = EVERYTHING
    for condition in conditions:
        bounds &= _bounds(condition, tags)
    return bounds


def _bounds(condition: Any, tags: frozenset[str]) -> ScanBounds:
    match condition.variant_name():
        case "BinaryExpr":
            return _of_operator(condition.to_variant(), tags)
        case "InList":
            return _of_list(condition.to_variant(), tags)
    return EVERYTHING


def _of_operator(variant: Any, tags: frozenset[str]) -> ScanBounds:
    left, right, operator = variant.left(), variant.right(), variant.op()
    if operator == "AND":
        return _bounds(left, tags) & _bounds(right, tags)
    if operator == "OR":
        return _bounds(left, tags) | _bounds(right, tags)
    if operator not in _MIRRORED:
        return EVERYTHING
    if left.variant_name() == "Literal":
        left, right, operator = right, left, _MIRRORED[operator]
    if left.variant_name() != "Column" or right.variant_name() != "Literal":
        return EVERYTHING
    return _of_comparison(left.to_variant().name(), operator, right.python_value(), tags)


def _of_comparison(column: str, operator: str, value: pa.Scalar, tags: frozenset[str]) -> ScanBounds:
    if column == TIME:
        return _of_time(operator, value)
    if column in tags and operator == "=":
        return _of_tag(column, (value,))
    return EVERYTHING


def _of_time(operator: str, value: pa.Scalar) -> ScanBounds:
    if value.type != pa.timestamp("ns") or not value.is_valid:
        return EVERYTHING
    instant_ns = int(value.value)
    match operator:
        case "=":
            return ScanBounds(min_ns=instant_ns, max_ns=instant_ns)
        case ">":
            return ScanBounds(min_ns=min(instant_ns + 1, MAX_TIME_NS))
        case ">=":
            return ScanBounds(min_ns=instant_ns)
        case "<":
            return ScanBounds(max_ns=max(instant_ns - 1, MIN_TIME_NS))
        case _:
            return ScanBounds(max_ns=instant_ns)


def _of_list(variant: Any, tags: frozenset[str]) -> ScanBounds:
    column = variant.expr()
    if variant.negated() or column.variant_name() != "Column":
        return EVERYTHING
    values = variant.list()
    name = column.to_variant().name()
    if name not in tags or any(value.variant_name() != "Literal" for value in values):
        return EVERYTHING
    return _of_tag(name, [value.python_value() for value in values])


def _of_tag(name: str, values: Iterable[pa.Scalar]) -> ScanBounds:
    texts = [value.as_py() for value in values]
    if not all(isinstance(text, str) for text in texts):
        return EVERYTHING
    return replace(EVERYTHING, tag_equals={name: frozenset(texts)})
