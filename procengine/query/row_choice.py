"""Which statements only choose rows and columns of a table, so that pruning has answered them?

Those whose plan is a scan under a filter that `ScanBounds` express exactly: ``SELECT usage FROM cpu WHERE host = 'a'
AND time > now() - INTERVAL '5 minutes'``. DataFusion plans such a text once, with all its checks, names and types;
what is left to do when it runs again is what finds the rows anyway, and DataFusion need not be called.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from procengine.model.table_schema import TableSchema
from procengine.query.plan_conditions import scanned_table
from procengine.query.scan_conditions import Condition, Parameters, parameter_names
from procengine.query.sql_tokens import TokenKind, tokenize
from procengine.query.time_ranges import without_duplicates

if TYPE_CHECKING:
    from procengine.query.statement import Statement

STREAM_ROWS = 8192
"""How many rows a batch of a stream has at most: as many as DataFusion gives."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RowChoice:
    """A statement that chooses the rows of ``table`` (of the default schema) for which ``condition`` holds.

    ``columns`` are the table's, in the order of ``schema``, which is the result's. It was read off a plan for the
    table as ``table_schema`` describes it.
    """

    table: str
    columns: tuple[str, ...]
    condition: Condition
    table_schema: TableSchema
    schema: pa.Schema

    def of(self, statement: Statement, parameters: Parameters) -> ChosenRows | None:
        """Return the rows that the statement sees; None where DataFusion has to find them.

        It has to when a parameter's value is not plain, when the table got columns, and when Parquet files may
        hold some of the rows.
        """
        rows = statement.rows(self.table)
        if rows is None or rows.schema is not self.table_schema:
            return None
        bounds = self.condition.bounds(parameters)
        if not bounds.exact:
            return None
        view = rows
        if not bounds.everything:
            view = rows.prune(bounds.min_ns, bounds.max_ns, bounds.key_equals)
        if view.files:
            return None
        batches = without_duplicates(view.batches(), view.overlaps, self.table_schema.series_key)
        return ChosenRows.of(batches, self.columns, self.schema)


@dataclass(frozen=True, slots=True, eq=False)
class ChosenRows:
    """A result whose rows are found."""

    schema: pa.Schema
    batches: Sequence[pa.RecordBatch]

    @classmethod
    def of(
        cls, batches: Iterable[pa.RecordBatch], columns: Sequence[str], schema: pa.Schema
    ) -> ChosenRows:
        """Return some columns of batches under the names of a schema."""
        chosen = [
            pa.RecordBatch.from_arrays([batch.column(name) for name in columns], schema=schema)
            for batch in batches
            if batch.num_rows
        ]
        return cls(schema, chosen)

    def table(self) -> pa.Table:
        """Return the rows as a table."""
        return pa.Table.from_batches(self.batches, self.schema)

    def pieces(self) -> Iterator[pa.RecordBatch]:
        """Yield the rows in batches of a stream's size, without copying them."""
        for batch in self.batches:
            for start in range(0, batch.num_rows, STREAM_ROWS):
                yield batch.slice(start, STREAM_ROWS)


@dataclass(frozen=True, slots=True)
class PlainScan:
    """A plan that scans one table and does no more than filter its rows and choose columns, those of ``schema``."""

    table: str
    columns: tuple[str, ...]
    schema: pa.Schema


def read_choice(
    text: str,
    scan: PlainScan,
    *,
    conditions: Mapping[str, Condition],
    schemas: Mapping[str, TableSchema],
) -> RowChoice | None:
    """Return what a statement chooses of a table, None when it does more.

    ``conditions`` are what was read off its plan, ``schemas`` those of the tables that it may scan.
    """
    condition, schema = conditions.get(scan.table), schemas.get(scan.table)
    if condition is None or schema is None or not keeps_parameters(text, condition):
        return None
    return RowChoice(
        table=scan.table,
        columns=scan.columns,
        condition=condition,
        table_schema=schema,
        schema=scan.schema,
    )


def read_plain_scan(frame: Any, plan: Any) -> PlainScan | None:
    """Return what the optimized plan of a frame scans, None when it does more."""
    projections = None
    while True:
        variant = plan.to_variant()
        match type(variant).__name__:
            case "TableScan":
                break
            case "SubqueryAlias":
                pass
            case "Projection" if projections is None:
                projections = variant.projections()
            case "Filter":
                # What stands above a filter was read; below it no projection may rename its columns.
                projections = projections or []
            case _:
                return None
        (plan,) = plan.inputs()
    name = scanned_table(variant)
    if variant.fetch() is not None or name is None:
        return None
    scanned = [column for _, column in variant.projection()]
    columns = [_source(one) for one in projections] if projections else scanned
    schema = frame.schema()
    if None in columns or len(columns) != len(schema):
        return None
    return PlainScan(name, tuple(column for column in columns if column is not None), schema)


def keeps_parameters(text: str, condition: Condition) -> bool:
    """Tell whether every parameter of a text is in the condition.

    One that is not was optimized away, ``true OR n = $n``; yet its value may have a type that DataFusion refuses.
    """
    if "$" not in text:
        return True
    named = (token.text[1:] for token in tokenize(text) if token.kind is TokenKind.PARAMETER)
    return sorted(named) == sorted(parameter_names(condition))


def _source(expression: Any) -> str | None:
    """Return the column that an entry of a select list is, under whatever name; None when it is none."""
    variant = expression.to_variant()
    match expression.variant_name():
        case "Alias":
            return _source(variant.expr())
        case "Column":
            name: str = variant.name()
            return name
    return None
