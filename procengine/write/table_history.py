"""Which rows has a table had up to a flush, one batch after the other?

For caches that are filled from them: Parquet files first, then what is buffered, older before newer, so that the last
of several rows of one (tags, time) is the one that counts. Files are read by row groups, in several threads.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from procengine.bucket import LOCAL_PLACES, ParquetPlaces
from procengine.model.arrow_text import array_of
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
        places: ParquetPlaces = LOCAL_PLACES,
        first_ns: int | None = None,
    ) -> None:
        self._places = places
        self._view = view
        self._check_files = check_files
        self._first_ns = first_ns
        self.sequence_number = sequence_number

    @property
    def has_duplicates(self) -> bool:
        """Whether there may be rows of equal tags and time, to be made one by `merged`."""
        return bool(self._view.overlaps)

    def since(self, first_ns: int) -> TableHistory:
        """Return the history without rows of earlier times."""
        return TableHistory(
            self._view.since(first_ns),
            self.sequence_number,
            check_files=self._check_files,
            places=self._places,
            first_ns=first_ns,
        )

    def reduced(
        self,
        reduce: Callable[[pa.RecordBatch], T],
        columns: Collection[str] | None = None,
        *,
        since_ns: int | None = None,
        flushed: Sequence[pa.RecordBatch] | None = None,
    ) -> Iterator[T]:
        """Yield what a function makes of each batch of the rows, older writes first; duplicates are not merged.

        It is called in several threads at once. A batch has the time and, of ``columns`` (None: all of the table's),
        those that some of its rows have; all tags besides, where there may be duplicates. With ``since_ns`` rows of
        earlier times may be left out. ``flushed`` are the batches that the buffered rows came in, where the caller
        has them: they are yielded instead, with columns that the caller may have added.

        Raises:
            CorruptFileError: a file is damaged or missing.
        """
        view = self._view if since_ns is None else self._view.prune(min_ns=since_ns)
        self._check_files(view.files)
        wanted = None
        if columns is not None:
            tags = view.schema.series_key if self.has_duplicates or flushed else ()
            wanted = {*columns, *tags, TIME}
        with ThreadPoolExecutor(_THREADS, thread_name_prefix="procengine-fill") as threads:
            try:
                parts = chain(
                    _file_parts(view, wanted, self._places), self._recent_parts(view, wanted, flushed)
                )
                yield from threads.map(lambda read: reduce(read()), parts)
            finally:
                threads.shutdown(cancel_futures=True)

    def _recent_parts(
        self,
        view: TableView,
        wanted: Collection[str] | None,
        flushed: Sequence[pa.RecordBatch] | None,
    ) -> Iterator[Callable[[], pa.RecordBatch]]:
        """Yield calls that read what is not in files."""
        if flushed is None:
            yield from (partial(_settled, rows, wanted) for rows in view.rows)
            return
        for batch in flushed:
            kept = batch if self._first_ns is None else _since(batch, self._first_ns)
            if kept.num_rows:
                yield partial(_select, kept, wanted)

    def merged(
        self,
        batches: Sequence[pa.RecordBatch],
        *,
        first: Collection[str] = (),
        flushed: bool = False,
    ) -> pa.RecordBatch:
        """Return rows, older writes first, as one batch with one row for each (tags, time).

        It has the columns of all of them. Of columns in ``first`` the first value stays, of others the last.
        ``flushed`` says that rows are among them as flushes brought them: these may be there twice, where the
        buffered ones are not.
        """
        batch = concatenate([_ordered(one) for one in batches])
        if not (self.has_duplicates or flushed):
            return batch
        tags = [tag for tag in self._view.schema.series_key if tag in batch.schema.names]
        return merge_duplicates([batch], tags, first=first)


def _file_parts(
    view: TableView, wanted: Collection[str] | None, places: ParquetPlaces
) -> Iterator[Callable[[], pa.RecordBatch]]:
    """Yield calls that read a view's files part by part."""
    for file in view.files:
        source = places.source(file.path)
        with pq.ParquetFile(source[0], filesystem=source[1]) as parquet:
            groups = parquet.num_row_groups
        for group in range(groups):
            yield partial(_read_group, source, group, wanted, view.hidden_before_ns)


def _read_group(
    source: tuple[str, Any], group: int, wanted: Collection[str] | None, first_ns: int | None
) -> pa.RecordBatch:
    path, files = source
    with pq.ParquetFile(path, memory_map=files is None, filesystem=files) as parquet:
        names = parquet.schema_arrow.names
        columns = names if wanted is None else [name for name in names if name in wanted]
        batch = _whole(parquet.read_row_group(group, columns=columns, use_threads=False))
    return batch if first_ns is None else _since(batch, first_ns)


def _whole(table: pa.Table) -> pa.RecordBatch:
    """Return a table of at least one row as a batch."""
    return table.combine_chunks().to_batches()[0]


def _settled(rows: BufferedRows, wanted: Collection[str] | None) -> pa.RecordBatch:
    return _select(rows.settled(), wanted)


def _select(batch: pa.RecordBatch, wanted: Collection[str] | None) -> pa.RecordBatch:
    if wanted is None:
        return batch
    return batch.select([name for name in batch.schema.names if name in wanted])


def _since(batch: pa.RecordBatch, first_ns: int) -> pa.RecordBatch:
    return batch.filter(array_of(time_values(batch) >= first_ns))


def _ordered(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch whose time may be null, as all others' is."""
    return complete(batch, pa.schema([field.with_nullable(True) for field in batch.schema]))
