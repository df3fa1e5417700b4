"""What does a query see of one table, at one instant?

Parquet files and buffered rows that hold each row of that instant, and what is known of duplicates between them.
A view never changes: neither later writes nor a snapshot reach it. Whoever reads its files keeps the view (or one
pruned from it) alive until the reading is done: files that were replaced are removed when no view names them,
though not before some minutes have passed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property

import pyarrow as pa

from procengine.model.table_schema import TableSchema
from procengine.write.buffered_rows import BufferedRows, concatenate
from procengine.write.parquet_file import ParquetFile
from procengine.write.shared_times import TimeRange

FEW_ROWS = 65_536
"""Groups of buffered rows under this size are handed out as one batch: DataFusion pays by the batch."""

EARLIEST_NS = -(2**63)
LATEST_NS = 2**63 - 2


class TableView:
    """One table at one instant: ``schema``, ``files`` and buffered ``rows``, each oldest first.

    Reading the files in their order, then `batches` in theirs, and keeping for each (tags, time) the last value
    of each field that is not null gives the table's rows (`procengine.write.merge_duplicates`). Only inside
    `overlaps` can there be anything to merge. Rows of files before ``hidden_before_ns`` are not the table's any more;
    None where there are no such rows.
    """

    def __init__(
        self,
        *,
        schema: TableSchema,
        files: Sequence[ParquetFile] = (),
        rows: Sequence[BufferedRows] = (),
        bounds: TimeRange = (EARLIEST_NS, LATEST_NS),
        hidden_before_ns: int | None = None,
    ) -> None:
        self.schema = schema
        self.files = tuple(files)
        self.rows = tuple(rows)
        self.hidden_before_ns = hidden_before_ns
        self._bounds = bounds

    @property
    def arrow_schema(self) -> pa.Schema:
        """The schema of `batches`: all columns with the time, sorted by name."""
        return self.schema.arrow_schema

    @property
    def row_count(self) -> int:
        """The number of buffered rows; duplicates count as often as they are held."""
        return sum(rows.row_count for rows in self.rows)

    def batches(self, columns: Collection[str] | None = None) -> tuple[pa.RecordBatch, ...]:
        """Return the buffered rows, oldest first, under the table's schema; columns they lack are null.

        Tags are ``dictionary<int32, utf8>``, the time is ``timestamp[ns]``. With ``columns`` only these are in
        the batches, in the schema's order. Where `overlaps` says so, a batch may hold rows of the same tags and
        time, the older first. No batch is empty.
        """
        schema = self.arrow_schema
        batches = [
            concatenate([rows.complete(schema) for rows in group]) for group in _grouped(self.rows)
        ]
        if columns is not None:
            wanted = [name for name in schema.names if name in columns]
            batches = [batch.select(wanted) for batch in batches]
        return tuple(batches)

    def prune(
        self,
        min_ns: int | None = None,
        max_ns: int | None = None,
        tag_equals: Mapping[str, frozenset[str]] | None = None,
    ) -> TableView:
        """Return a view of the rows that a query can need; of files, perhaps some more.

        Those are the rows of times ``min_ns`` to ``max_ns`` (nanoseconds, both included, None: unbounded) whose tags
        have one of the values given. Buffered rows are these and no others; files are chosen by time alone, and
        whole. Names in ``tag_equals`` that are not tags are passed over. All rows of one (tags, time) are kept or
        dropped together.
        """
        first = EARLIEST_NS if min_ns is None else max(min_ns, EARLIEST_NS)
        last = LATEST_NS if max_ns is None else min(max_ns, LATEST_NS)
        if first > last:
            return TableView(schema=self.schema)
        key = set(self.schema.series_key)
        tags = {tag: values for tag, values in (tag_equals or {}).items() if tag in key}
        kept = (rows.prune(first, last, tags) for rows in self.rows)
        return TableView(
            schema=self.schema,
            files=[
                file for file in self.files if file.max_time_ns >= first and file.min_time_ns <= last
            ],
            rows=[rows for rows in kept if rows is not None],
            bounds=(max(first, self._bounds[0]), min(last, self._bounds[1])),
            hidden_before_ns=self.hidden_before_ns,
        )

    def since(self, instant_ns: int) -> TableView:
        """Return a view that has no rows of an earlier time, but in files that have later ones as well.

        Whoever reads the files leaves these rows out: they lie before ``hidden_before_ns``.
        """
        view = self.prune(min_ns=instant_ns)
        straddling = any(file.min_time_ns < instant_ns for file in view.files)
        view.hidden_before_ns = instant_ns if straddling else None
        return view

    @cached_property
    def overlaps(self) -> tuple[TimeRange, ...]:
        """The time ranges outside which no two rows of the view have the same tags and time.

        (first, last) in nanoseconds, both included, ascending and apart. Between buffered rows the ranges are
        those of real duplicates; files are compared by their time ranges.
        """
        found = list(_file_overlaps(self.files))
        found += [
            shared
            for file in self.files
            for rows in self.rows
            if (shared := _shared((file.min_time_ns, file.max_time_ns), rows.time_range)) is not None
        ]
        for position, rows in enumerate(self.rows):
            for older in self.rows[:position]:
                shared = rows.shared_times(older)
                if shared is not None:
                    found.append(shared)
        clipped = (_shared(one, self._bounds) for one in found)
        return united(one for one in clipped if one is not None)


def united(ranges: Iterable[TimeRange]) -> tuple[TimeRange, ...]:
    """Return time ranges ascending, those that touch or overlap made one."""
    result: list[TimeRange] = []
    for first, last in sorted(ranges):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], last))
        else:
            result.append((first, last))
    return tuple(result)


def _file_overlaps(files: Sequence[ParquetFile]) -> Iterable[TimeRange]:
    """Yield where files overlap, each compared with the latest end before it."""
    ordered = sorted(files, key=lambda file: file.min_time_ns)
    latest = None
    for file in ordered:
        if latest is not None and file.min_time_ns <= latest:
            yield file.min_time_ns, min(latest, file.max_time_ns)
        latest = file.max_time_ns if latest is None else max(latest, file.max_time_ns)


def _shared(one: TimeRange, other: TimeRange) -> TimeRange | None:
    first, last = max(one[0], other[0]), min(one[1], other[1])
    return (first, last) if first <= last else None


def _grouped(rows: Sequence[BufferedRows]) -> Iterable[list[BufferedRows]]:
    """Yield runs of neighbours that are few enough rows to be one batch."""
    group: list[BufferedRows] = []
    held = 0
    for one in rows:
        if group and held + one.row_count > FEW_ROWS:
            yield group
            group, held = [], 0
        group.append(one)
        held += one.row_count
    if group:
        yield group
