"""Which rows does a scan of a table hand to DataFusion?

All of them, or fewer where `ScanBounds` says what the statement wants: files and buffered rows that cannot match
are left out. What is handed over may still hold rows that do not match, so bounds never change a result.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from procengine.query.parquet_sets import ParquetSet, ParquetSets
from procengine.query.scan_bounds import ScanBounds
from procengine.query.sql_library import datafusion
from procengine.query.stored_rows import StoredRows

SPLIT_ROWS = 200_000
"""From how many buffered rows on they are handed over in two parts, so that two threads start on them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableScan:
    """A table for DataFusion, and what must be kept for as long as a plan made of it may run."""

    table: Any
    held: tuple[ParquetSet, ...] = ()
    file_count: int = 0


class TableScans:
    """Makes DataFusion tables of stored rows. Not from within planning; otherwise any thread may ask."""

    def __init__(self, context: Any, parquet: ParquetSets) -> None:
        self._context = context
        self._parquet = parquet
        self._names = itertools.count()

    def of_rows(self, rows: StoredRows, wanted: ScanBounds) -> TableScan:
        """Return a table of a view's wanted rows, and perhaps more of them."""
        schema = rows.schema.arrow_schema
        files = [file for file in rows.files if wanted.admits(file)]
        buffered = rows
        if not wanted.everything:
            buffered = rows.prune(wanted.min_ns, wanted.max_ns, wanted.tag_equals)
        batches = [batch for batch in buffered.batches() if batch.num_rows]
        if not files:
            return TableScan(table=self.of_batches(batches, schema))
        parquet = self._parquet.get(files, schema)
        if not batches:
            return TableScan(table=parquet.table, held=(parquet,), file_count=len(files))
        table = self._union(parquet.table, self.of_batches(batches, schema))
        return TableScan(table=table, held=(parquet,), file_count=len(files))

    def of_arrow(self, table: pa.Table) -> TableScan:
        """Return a table of Arrow rows."""
        return TableScan(table=self.of_batches(table.to_batches(), table.schema))

    def of_batches(self, batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> Any:
        """Return a DataFusion table of batches of one schema."""
        name = f"rows_{next(self._names)}"
        self._context.register_record_batches(name, _partitions(batches, schema))
        try:
            return self._context.table_provider(name)
        finally:
            self._context.deregister_table(name)

    def of_columns(self, schema: pa.Schema) -> Any:
        """Return a table that has the columns and no rows."""
        return self.of_batches((), schema)

    def empty_view(self, schema: pa.Schema) -> Any:
        """Return a table without rows. From within planning, too."""
        return datafusion().catalog.Table(self._context.read_batches(_partitions((), schema)[0]))

    def _union(self, *tables: Any) -> Any:
        first, *others = (self._context.read_table(table) for table in tables)
        for other in others:
            first = first.union(other)
        return datafusion().catalog.Table(first)


def _partitions(batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> list[list[pa.RecordBatch]]:
    if not batches:
        return [[pa.RecordBatch.from_arrays([pa.nulls(0, one.type) for one in schema], schema=schema)]]
    if len(batches) > 1 and sum(batch.num_rows for batch in batches) >= SPLIT_ROWS:
        return [list(batches[::2]), list(batches[1::2])]
    return [list(batches)]
