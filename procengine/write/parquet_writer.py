"""How do buffered rows become Parquet files?

The rows of one table are merged, sorted by series key and time, and written to as many files as they need: a file
holds whole gen1 chunks, neighbours in time, and about a million rows at most where the chunks allow it. So files of
one snapshot never overlap in time, and sparse data of many years does not fall apart into thousands of files.

Differs: the original writes a file for each gen1 chunk, sorted the same way.
"""

from __future__ import annotations

import contextlib
import io
import zlib
from bisect import bisect
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from procengine.file_system import PART_SUFFIX, AppendFile, FileSystem, create_anew, write_all
from procengine.model.column import TIME, ColumnType
from procengine.write.buffered_rows import BufferedRows, complete, concatenate
from procengine.write.checked_files import check_content
from procengine.write.merge_duplicates import merge_duplicates
from procengine.write.parquet_file import ParquetFile
from procengine.write.series_index import time_values
from procengine.write.shared_times import TimeRange

FILE_ROWS = 1_000_000
ROW_GROUP_ROWS = 262_144

WRITE_BYTES = 1024 * 1024
"""How much is handed to the file at once: pyarrow writes many small pieces, and each would cost a system call."""

_REPETITIVE = (ColumnType.TAG.arrow_type, ColumnType.STRING.arrow_type)
"""The types whose values are worth a dictionary in a file."""


def partitions(rows: Sequence[BufferedRows], gen1_duration_ns: int) -> tuple[TimeRange, ...]:
    """Return time ranges (bounds included) that hold all rows, made of whole gen1 chunks, ascending and apart."""
    counted = [
        np.unique(time_values(group.settled()) // gen1_duration_ns, return_counts=True) for group in rows
    ]
    if not counted:
        return ()
    chunks, places = np.unique(np.concatenate([one for one, _ in counted]), return_inverse=True)
    counts = np.bincount(places, weights=np.concatenate([one for _, one in counted])).astype(np.int64)
    return tuple(_ranges(chunks, counts, gen1_duration_ns))


def _ranges(
    chunks: npt.NDArray[np.int64], counts: npt.NDArray[np.int64], duration_ns: int
) -> Iterator[TimeRange]:
    first, held = int(chunks[0]), 0
    last = first
    for chunk, count in zip(chunks.tolist(), counts.tolist(), strict=True):
        if held and held + count > FILE_ROWS:
            yield first * duration_ns, (last + 1) * duration_ns - 1
            first, held = chunk, 0
        last = chunk
        held += count
    yield first * duration_ns, (last + 1) * duration_ns - 1


def write_parquet(
    file_system: FileSystem,
    path: Path,
    rows: Sequence[BufferedRows],
    between: TimeRange,
    **identity: int,
) -> ParquetFile:
    """Write the rows of a time range to a new file, durably, and return what is known of it.

    ``rows`` are oldest first; at least one row lies in the range. ``identity`` holds ``database_id``, ``table_id``
    and ``number``. The file takes its name when it is complete; the folder's sync is the caller's.

    Raises:
        OSError: there is no file of that name.
    """
    tags = rows[-1].tags
    parts = [part.settled() for group in rows if (part := group.prune(*between, {})) is not None]
    batch = merge_duplicates([concatenate(parts)], tags)
    schema = pa.schema([batch.schema.field(name) for name in sorted(batch.schema.names) if name != TIME])
    place = bisect(schema.names, TIME)
    batch = complete(
        batch, schema.insert(place, pa.field(TIME, ColumnType.TIME.arrow_type, nullable=False))
    )
    times = time_values(batch)
    present = [tag for tag in tags if tag in batch.schema.names]
    written = _write_file(file_system, path, batch, present)
    return ParquetFile(
        path=str(path),
        size_bytes=written.size_bytes,
        checksum=written.checksum,
        row_count=batch.num_rows,
        min_time_ns=int(times.min()),
        max_time_ns=int(times.max()),
        sort_key=(*present, TIME),
        **identity,
    )


def read_parquet(file_system: FileSystem, file: ParquetFile) -> pa.RecordBatch:
    """Return the rows of a file that `write_parquet` wrote.

    Raises:
        OSError: it cannot be read.
        CorruptFileError: it is damaged.
    """
    content = file_system.read(Path(file.path))
    check_content(file, len(content), zlib.crc32(content))
    return concatenate(pq.ParquetFile(pa.BufferReader(content)).read().to_batches())


def _write_file(
    file_system: FileSystem, path: Path, batch: pa.RecordBatch, tags: Sequence[str]
) -> _Sink:
    part = path.with_name(path.name + PART_SUFFIX)
    file = create_anew(file_system, part)
    sink = _Sink(file)
    try:
        _write_batch(sink, batch, tags)
        file.sync()
    except BaseException:
        sink.is_abandoned = True
        file.close()
        with contextlib.suppress(OSError):
            file_system.remove(part)
        raise
    file.close()
    file_system.replace(part, path)
    return sink


def _write_batch(sink: _Sink, batch: pa.RecordBatch, tags: Sequence[str]) -> None:
    names = batch.schema.names
    stream = pa.BufferedOutputStream(pa.PythonFile(sink, mode="w"), WRITE_BYTES)
    writer = pq.ParquetWriter(
        stream,
        batch.schema,
        compression="zstd",
        use_dictionary=[field.name for field in batch.schema if field.type in _REPETITIVE],
        write_page_index=True,
        sorting_columns=[
            pq.SortingColumn(names.index(name), nulls_first=True) for name in (*tags, TIME)
        ],
    )
    with writer:
        for start in range(0, batch.num_rows, ROW_GROUP_ROWS):
            writer.write_batch(_with_own_tags(batch.slice(start, ROW_GROUP_ROWS)))
    stream.flush()


def _with_own_tags(rows: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows with no more in the dictionaries of their columns than they use.

    A row group stores the whole dictionary of each column, and whoever reads it reads that first: a tag of many
    values stands in all groups, though sorted rows use few of them in each.
    """
    columns = [
        _with_used_values(column) if isinstance(column, pa.DictionaryArray) else column
        for column in rows.columns
    ]
    return pa.RecordBatch.from_arrays(columns, schema=rows.schema)


def _with_used_values(column: pa.DictionaryArray) -> pa.DictionaryArray:
    used = column.indices.drop_null().unique()
    if len(used) == len(column.dictionary):
        return column
    indices = pc.index_in(column.indices, value_set=used).cast(column.type.index_type)
    return pa.DictionaryArray.from_arrays(indices, column.dictionary.take(used))


class _Sink(io.RawIOBase):
    """What pyarrow writes a file to.

    Once abandoned it takes what pyarrow still has and drops it: its buffers are written when they are let go.
    """

    def __init__(self, file: AppendFile) -> None:
        super().__init__()
        self._file = file
        self.size_bytes = 0
        self.checksum = 0
        self.is_abandoned = False

    def writable(self) -> bool:
        return True

    def write(self, data: memoryview) -> int:  # type: ignore[override]
        size = memoryview(data).nbytes
        if self.is_abandoned:
            return size
        write_all(self._file, data)
        self.size_bytes += size
        self.checksum = zlib.crc32(data, self.checksum)
        return size
