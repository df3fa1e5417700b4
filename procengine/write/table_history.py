"""Which rows has a table had up to a flush, one batch after the other?

For caches that are filled from them: Parquet files first, then what is buffered, older before newer, so that the last
of several rows of one (tags, time) is the one that counts. Files are read by row groups, in several threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from procengine.model.column import TIME
from procengine.write.buffered_rows import BufferedRows, complete, concatenate
from procengine.write.merge_duplicates import merge_duplicates
from procengine.write.parquet_file import ParquetFile
from procengine.write.series_index import time_values
from procengine.write.table_view import TableView

T = TypeVar("T")

_THREADS = min(4, os.cpu_count() or 1)


class TableHistory:
    """The rows of a view; ``sequence_number`` is the last flush whose rows it has."""

    def __init__(
        self,
        view: TableView,
        sequence_number: int,
        *,
        check_files: Callable[[Sequence[ParquetFile]], None],
    ) -> None:
        self._view = view
        self._check_files = check_files
        self.sequence_number = sequence_number

    @property
    def has_duplicates(self) -> bool:
        """Whether there may be rows of equal tags and time, to be made one by `merged`."""
        return bool(self._view.overlaps)

    def since(self, first_ns: int) -> TableHistory:
        """Return the history without rows of earlier times."""
        return TableHistory(
            self._view.since(first_ns), self.sequence_number, check_files=self._check_files
        )

    def reduced(
        self,
        reduce: Callable[[pa.RecordBatch], T],
        columns: Collection[str] | None = None,
        *,
        since_ns: int | None = None,
    ) -> Iterator[T]:
        """Yield what a function makes of each batch of the rows, older writes first; duplicates are not merged.

        It is called in several threads at once. A batch has the time and, of ``columns`` (None: all of the table's),
        those that some of its rows have; all tags besides, where there may be duplicates. With ``since_ns`` rows of
        earlier times may be left out.

        Raises:
            CorruptFileError: a file is damaged or missing.
        """
        view = self._view if since_ns is None else self._view.prune(min_ns=since_ns)
        self._check_files(view.files)
        wanted = None
        if columns is not None:
            tags = view.schema.series_key if self.has_duplicates else ()
            wanted = {*columns, *tags, TIME}
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="procengine-fill") as threads:
            try:
                yield from threads.map(lambda read: reduce(read()), _parts(view, wanted))
            finally:
                threads.shutdown(cancel_futures=True)

    def merged(self, batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
        """Return rows, older writes first, as one batch with one row for each (tags, time).

        It has the columns of all of them.
        """
        batch = concatenate([_ordered(one) for one in batches])
        if not self.has_duplicates:
            return batch
        tags = [tag for tag in self._view.schema.series_key if tag in batch.schema.names]
        return merge_duplicates([batch], tags)


def _parts(view: TableView, wanted: Collection[str] | None) -> Iterator[Callable[[], pa.RecordBatch]]:
    """Yield calls that read a view part by part."""
    for file in view.files:
        with pq.ParquetFile(file.path) as parquet:
            groups = parquet.num_row_groups
        for group in range(groups):
            yield partial(_read_group, file.path, group, wanted, view.hidden_before_ns)
    for rows in view.rows:
        yield partial(_select, rows, wanted)


def _read_group(
    path: str, group: int, wanted: Collection[str] | None, first_ns: int | None
) -> pa.RecordBatch:
    with pq.ParquetFile(path, memory_map=True) as parquet:
        names = parquet.schema_arrow.names
        columns = names if wanted is None else [name for name in names if name in wanted]
        batch = _whole(parquet.read_row_group(group, columns=columns, use_threads=False))
    return batch if first_ns is None else _since(batch, first_ns)


def _whole(table: pa.Table) -> pa.RecordBatch:
    """Return a table of at least one row as a batch."""
    return table.combine_chunks().to_batches()[0]


def _select(rows: BufferedRows, wanted: Collection[str] | None) -> pa.RecordBatch:
    batch = rows.settled()
    if wanted is None:
        return batch
    return batch.select([name for name in batch.schema.names if name in wanted])


def _since(batch: pa.RecordBatch, first_ns: int) -> pa.RecordBatch:
    return batch.filter(pa.array(time_values(batch) >= first_ns))


def _ordered(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch whose time may be null, as all others' is."""
    return complete(batch, pa.schema([field.with_nullable(True) for field in batch.schema]))
