"""Which rows does a scan of a table hand to DataFusion?

All of them, or fewer where `ScanBounds` says what the statement wants: files and buffered rows that cannot match
are left out. What is handed over may still hold rows that do not match, so bounds never change a result.

Where rows may have the same tags and time, they are merged first: only within the ranges of time that the view names,
so that rows which were written once pay nothing.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from procengine.bucket import LOCAL_PLACES, ParquetPlaces
from procengine.model.table_schema import TableSchema
from procengine.query.merged_files import MergedFiles
from procengine.query.parquet_sets import ParquetSet, ParquetSets
from procengine.query.scan_bounds import ScanBounds
from procengine.query.sql_library import datafusion
from procengine.query.stored_rows import StoredFile, StoredRows
from procengine.query.time_ranges import Range, holds, split_batches, touches
from procengine.write.merge_duplicates import merge_duplicates

SPLIT_ROWS = 100_000
"""From how many buffered rows on they are handed over in parts, so that several threads start on them."""

PART_ROWS = 65_536
"""How many rows a piece of a part has at least."""

EARLIEST_NS = -(2**63)

PARTS = 2
PIECES = 16
"""Into how many parts rows are dealt out, and into about how many pieces they are cut for that: each costs time."""


CheckFiles = Callable[[Sequence[Any]], None]
"""Called with the files of a view before they are read; it raises `CorruptFileError` when one is damaged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableScan:
    """A table for DataFusion, and what must be kept for as long as a plan made of it may run."""

    table: Any
    held: tuple[ParquetSet, ...] = ()
    file_count: int = 0
    buffered_row_count: int = 0


class TableScans:
    """Makes DataFusion tables of stored rows. Not from within planning; otherwise any thread may ask."""

    def __init__(
        self,
        context: Any,
        parquet: ParquetSets,
        check_files: CheckFiles,
        places: ParquetPlaces = LOCAL_PLACES,
        *,
        threads: int | None = None,
    ) -> None:
        """``threads`` is how many a query has, None for many; for one, rows are handed over as one part."""
        self._parts = PARTS if threads is None else min(PARTS, threads)
        self._context = context
        self._check_files = check_files
        self._parquet = parquet
        self._merged_files = MergedFiles(places)
        self._names = itertools.count()
        # By table id; a lost update is made again.
        self._columns: dict[int, tuple[TableSchema, Any]] = {}

    def of_rows(self, rows: StoredRows, wanted: ScanBounds) -> TableScan:
        """Return a table of a view's wanted rows, and perhaps more of them; no two have the same tags and time.

        Raises:
            CorruptFileError: a wanted file is damaged.
        """
        view = rows
        if not wanted.everything:
            view = rows.prune(wanted.min_ns, wanted.max_ns, wanted.key_equals)
        files = [file for file in view.files if wanted.admits(file)]
        self._check_files(files)
        batches = [batch for batch in view.batches() if batch.num_rows]
        ranges, hidden_ns = view.overlaps, view.hidden_before_ns
        if ranges:
            return self._without_duplicates(rows.schema, files, batches, ranges, hidden_ns)
        if hidden_ns is None:
            return self._of_parts(rows.schema, files, batches)
        whole, cut = _parted(files, hidden_ns)
        return self._of_parts(rows.schema, whole, batches, cut=cut, ranges=[_before(hidden_ns)])

    def _without_duplicates(
        self,
        schema: TableSchema,
        files: Sequence[StoredFile],
        batches: Sequence[pa.RecordBatch],
        ranges: Sequence[Range],
        hidden_ns: int | None,
    ) -> TableScan:
        """Merge the rows within ranges of time; those outside go as they are, but for those that are hidden."""
        inside, outside = split_batches(batches, ranges)
        clean = [file for file in files if not touches(file, ranges)]
        touched = [file for file in files if touches(file, ranges)]
        if touched:
            inside.insert(0, self._merged_files.get(touched, ranges, schema))
        merged = merge_duplicates(inside, schema.series_key) if inside else None
        others = [*outside] if merged is None or not merged.num_rows else [merged, *outside]
        cut = [file for file in touched if not holds(ranges, file)]
        if hidden_ns is None:
            return self._of_parts(schema, clean, others, cut=cut, ranges=ranges)
        clean, straddling = _parted(clean, hidden_ns)
        return self._of_parts(
            schema, clean, others, cut=[*straddling, *cut], ranges=[_before(hidden_ns), *ranges]
        )

    def _of_parts(
        self,
        schema: TableSchema,
        files: Sequence[StoredFile],
        batches: Sequence[pa.RecordBatch],
        *,
        cut: Sequence[StoredFile] = (),
        ranges: Sequence[Range] = (),
    ) -> TableScan:
        """Return one table of whole files, of ``cut`` files outside ``ranges``, and of batches."""
        columns = schema.arrow_schema
        held = [self._parquet.get(some, columns) for some in (files, cut) if some]
        tables = [one.table for one in held]
        if cut:
            tables[-1] = self._outside(tables[-1], ranges)
        if batches or not tables:
            tables.append(self.of_batches(batches, columns))
        return TableScan(
            table=tables[0] if len(tables) == 1 else self._union(*tables),
            held=tuple(held),
            file_count=len(files) + len(cut),
            buffered_row_count=sum(batch.num_rows for batch in batches),
        )

    def _outside(self, table: Any, ranges: Sequence[Range]) -> Any:
        """Return the rows of a table outside ranges of time."""
        frame = self._context.read_table(table)
        for first, last in ranges:
            after = f"time > {_instant(last)}"
            frame = frame.filter(
                after if first == EARLIEST_NS else f"time < {_instant(first)} OR {after}"
            )
        return datafusion().catalog.Table(frame)

    def of_arrow(self, table: pa.Table) -> TableScan:
        """Return a table of Arrow rows."""
        return TableScan(table=self.of_batches(table.to_batches(), table.schema))

    def of_ordered(self, table: pa.Table) -> TableScan:
        """Return a table of Arrow rows that a plain scan hands out in their order."""
        pieces = table.to_batches(max_chunksize=PART_ROWS) or _partitions((), table.schema)[0]
        return TableScan(table=self._registered([pieces]), buffered_row_count=table.num_rows)

    def of_batches(self, batches: Sequence[pa.RecordBatch], schema: pa.Schema) -> Any:
        """Return a DataFusion table of batches of one schema."""
        return self._registered(_partitions(batches, schema, self._parts))

    def _registered(self, partitions: list[list[pa.RecordBatch]]) -> Any:
        name = f"rows_{next(self._names)}"
        self._context.register_record_batches(name, partitions)
        try:
            return self._context.table_provider(name)
        finally:
            self._context.deregister_table(name)

    def named_columns(self, schema: pa.Schema, taken: Container[str]) -> tuple[str, Any]:
        """Return a table without rows whose scans bear a name of their own, not one of ``taken``, and that name."""
        name = next(one for n in self._names if (one := f"procengine_columns_{n}") not in taken)
        self._context.register_record_batches(name, _partitions((), schema))
        try:
            return name, datafusion().catalog.Table(self._context.table(name))
        finally:
            self._context.deregister_table(name)

    def columns_of(self, table_id: int, schema: TableSchema) -> Any:
        """Return a table that has a stored table's columns and no rows; kept until the columns change."""
        known = self._columns.get(table_id)
        if known is None or known[0] is not schema:
            known = (schema, self.of_columns(schema.arrow_schema))
            self._columns[table_id] = known
        return known[1]

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


def _parted(files: Sequence[StoredFile], hidden_ns: int) -> tuple[list[StoredFile], list[StoredFile]]:
    """Return the files that have no row before an instant, and those that have."""
    whole = [file for file in files if file.min_time_ns >= hidden_ns]
    return whole, [file for file in files if file.min_time_ns < hidden_ns]


def _before(instant_ns: int) -> Range:
    """Return the range of all times before an instant."""
    return EARLIEST_NS, instant_ns - 1


def _instant(instant_ns: int) -> str:
    """Return an instant as SQL."""
    return f"arrow_cast({instant_ns}, 'Timestamp(Nanosecond, None)')"


def _partitions(
    batches: Sequence[pa.RecordBatch], schema: pa.Schema, parts: int = 1
) -> list[list[pa.RecordBatch]]:
    if not batches:
        return [[pa.RecordBatch.from_arrays([pa.nulls(0, one.type) for one in schema], schema=schema)]]
    count = sum(batch.num_rows for batch in batches)
    if count < SPLIT_ROWS or parts == 1:
        return [list(batches)]
    length = max(PART_ROWS, count // PIECES)
    pieces = [
        batch.slice(start, length) for batch in batches for start in range(0, batch.num_rows, length)
    ]
    return [pieces[part::parts] for part in range(min(parts, len(pieces)))]
