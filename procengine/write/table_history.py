"""Which rows has a table had up to a flush, one batch after the other?

For caches that are filled from them: Parquet files first, then what is buffered, older before newer, so that the last
of several rows of one (tags, time) is the one that counts. Files are read a few row groups at a time.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import pyarrow as pa
import pyarrow.parquet as pq

from procengine.model.column import TIME
from procengine.write.buffered_rows import complete, concatenate
from procengine.write.merge_duplicates import merge_duplicates
from procengine.write.parquet_file import ParquetFile
from procengine.write.series_index import time_values
from procengine.write.table_view import TableView


class TableHistory:
    """The rows of a view; ``sequence_number`` is the last flush whose rows it has."""

    def __init__(self, view: TableView, sequence_number: int) -> None:
        self._view = view
        self.sequence_number = sequence_number

    @property
    def has_duplicates(self) -> bool:
        """Whether there may be rows of equal tags and time, to be made one by `merged`."""
        return bool(self._view.overlaps)

    def since(self, first_ns: int) -> TableHistory:
        """Return the history without rows of earlier times."""
        return TableHistory(self._view.since(first_ns), self.sequence_number)

    def batches(
        self, columns: Collection[str] | None = None, *, since_ns: int | None = None
    ) -> Iterator[pa.RecordBatch]:
        """Yield the rows, older writes first, as they were written: duplicates are not merged.

        A batch has the time and, of ``columns`` (None: all of the table's), those that some of its rows have; all
        tags besides, where there may be duplicates. With ``since_ns`` rows of earlier times may be left out.

        Raises:
            OSError: a file cannot be read.
            pa.ArrowException: a file is damaged.
        """
        view = self._view if since_ns is None else self._view.prune(min_ns=since_ns)
        wanted = None
        if columns is not None:
            tags = view.schema.series_key if self.has_duplicates else ()
            wanted = {*columns, *tags, TIME}
        for file in view.files:
            for batch in _read(file, wanted):
                yield batch if view.hidden_before_ns is None else _since(batch, view.hidden_before_ns)
        for rows in view.rows:
            batch = rows.settled()
            if wanted is not None:
                batch = batch.select([name for name in batch.schema.names if name in wanted])
            yield batch

    def merged(self, batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
        """Return rows, older writes first, as one batch with one row for each (tags, time).

        It has the columns of all of them.
        """
        batch = concatenate([_ordered(one) for one in batches])
        if not self.has_duplicates:
            return batch
        tags = [tag for tag in self._view.schema.series_key if tag in batch.schema.names]
        return merge_duplicates([batch], tags)


def _read(file: ParquetFile, wanted: Collection[str] | None) -> Iterator[pa.RecordBatch]:
    with pq.ParquetFile(file.path, memory_map=True) as parquet:
        names = parquet.schema_arrow.names
        columns = names if wanted is None else [name for name in names if name in wanted]
        for group in range(parquet.num_row_groups):
            table = parquet.read_row_group(group, columns=columns)
            yield from table.combine_chunks().to_batches()


def _since(batch: pa.RecordBatch, first_ns: int) -> pa.RecordBatch:
    return batch.filter(pa.array(time_values(batch) >= first_ns))


def _ordered(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch whose time may be null, as all others' is."""
    return complete(batch, pa.schema([field.with_nullable(True) for field in batch.schema]))
