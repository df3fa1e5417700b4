"""From when to when does a query fill gaps?

As its WHERE says, read off the plan below the aggregate: comparisons of the time column with what does not depend on
rows. A later condition of the same kind stands in for an earlier one.

Source: core/iox_query/src/analyzer/handle_gapfill/range_predicate.rs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from procengine.errors import QueryError
from procengine.query.sql_library import datafusion

_MIRRORED = {"<": ">", "<=": ">=", ">": "<", ">=": "<="}
_TRANSPARENT = ("Sort", "Repartition", "Limit", "Distinct")


@dataclass(frozen=True, slots=True)
class Bound:
    """One end of a range: a DataFusion expression, and whether it belongs to the range."""

    expression: Any
    included: bool


@dataclass(frozen=True, slots=True)
class ExpressionRange:
    """The two ends that a plan gives, None for those that it does not."""

    first: Bound | None = None
    last: Bound | None = None


def find_range(plan: Any) -> ExpressionRange:
    """Return the range of a plan that selects nothing but the time column.

    Raises:
        QueryError: one end is missing.
    """
    column = _Column.of(plan.to_variant().projections()[0])
    found = ExpressionRange()
    if column is not None:
        for condition, named in _conditions(plan.inputs()[0], column):
            found = _narrowed(found, condition, named)
    match (found.first, found.last):
        case (None, None):
            raise _missing("both upper and lower time bounds")
        case (None, _):
            raise _missing("lower time bound")
        case (_, None):
            raise _missing("upper time bound")
    return found


def _missing(what: str) -> QueryError:
    return QueryError(f"Error during planning: gap-filling query is missing {what}")


@dataclass(frozen=True, slots=True)
class _Column:
    """A column as a plan names it; without a table where an alias hides it."""

    table: str | None
    name: str

    @classmethod
    def of(cls, expression: Any) -> _Column | None:
        """Return the column that an expression is, or None."""
        while expression.variant_name() == "Alias":
            expression = expression.to_variant().expr()
        if expression.variant_name() != "Column":
            return None
        variant = expression.to_variant()
        return cls(variant.relation(), variant.name())

    def names(self, expression: Any) -> bool:
        """Tell whether an expression is this column, or a cast of it to another kind of timestamp."""
        while expression.variant_name() in ("Alias", "Cast"):
            expression = expression.to_variant().expr()
        other = _Column.of(expression)
        if other is None or other.name != self.name:
            return False
        return self.table is None or other.table is None or self.table == other.table


def _conditions(plan: Any, column: _Column) -> Iterator[tuple[Any, _Column]]:
    """Yield the conditions that hold for all rows of a plan, with the time column as it is named there."""
    variant = plan.to_variant()
    match type(variant).__name__:
        case "Projection":
            below = next(
                (_Column.of(one) for one in variant.projections() if _output_name(one) == column.name),
                None,
            )
            if below is None:
                return
            column = below
        case "Filter":
            yield from ((one, column) for one in _conjuncts(variant.predicate()))
        case "TableScan":
            for one in variant.filters():
                yield from ((part, column) for part in _conjuncts(one))
            return
        case "SubqueryAlias":
            column = replace(column, table=None)
        case kind if kind not in _TRANSPARENT:
            return
    for below_plan in plan.inputs():
        yield from _conditions(below_plan, column)


def _output_name(expression: Any) -> str:
    if expression.variant_name() == "Alias":
        return str(expression.to_variant().alias())
    column = _Column.of(expression)
    return str(expression.schema_name()) if column is None else column.name


def _conjuncts(condition: Any) -> Iterator[Any]:
    if condition.variant_name() == "BinaryExpr" and condition.to_variant().op() == "AND":
        yield from _conjuncts(condition.to_variant().left())
        yield from _conjuncts(condition.to_variant().right())
    else:
        yield condition


def _narrowed(found: ExpressionRange, condition: Any, column: _Column) -> ExpressionRange:
    variant = condition.to_variant()
    if condition.variant_name() == "Between":
        if variant.negated() or not column.names(variant.expr()):
            return found
        return ExpressionRange(Bound(variant.low(), included=True), Bound(variant.high(), included=True))
    if condition.variant_name() != "BinaryExpr" or variant.op() not in _MIRRORED:
        return found
    left, right, operator = variant.left(), variant.right(), variant.op()
    if not column.names(left):
        left, right, operator = right, left, _MIRRORED[operator]
    if not column.names(left):
        return found
    bound = Bound(right, included=operator in ("<=", ">="))
    if operator in (">", ">="):
        return replace(found, first=bound)
    return replace(found, last=bound)


def evaluate_range(found: ExpressionRange, one_row: Any) -> tuple[int, int]:
    """Return the first and last nanosecond of a range, both included.

    ``one_row`` is a DataFrame of one row, on which constant expressions can be evaluated.

    Raises:
        QueryError: an end depends on a column.
    """
    assert found.first is not None
    assert found.last is not None
    first_ns = _instant(found.first, one_row, "lower time bound")
    last_ns = _instant(found.last, one_row, "upper time bound")
    return first_ns + (not found.first.included), last_ns - (not found.last.included)


def _instant(bound: Bound, one_row: Any, what: str) -> int:
    expression = datafusion().Expr(bound.expression)
    try:
        rows = one_row.select(expression.cast(pa.timestamp("ns")).alias("instant")).collect()
        scalar = rows[0].column(0)[0]
    except Exception as failure:
        raise QueryError(
            f"Error during planning: {what} for gap fill query must evaluate to a scalar"
        ) from failure
    if not scalar.is_valid:
        raise QueryError("gap filling argument must be a scalar timestamp")
    return int(scalar.value)
