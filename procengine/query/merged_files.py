"""What is left of the rows of Parquet files that overlap in time?

Merging costs more than any scan, and files never change, so what it gave is kept for the next query.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from itertools import groupby
from operator import itemgetter

import pyarrow as pa

from procengine.bucket import LOCAL_PLACES, ParquetPlaces
from procengine.model.column import TIME
from procengine.model.table_schema import TableSchema
from procengine.query.stored_rows import StoredFile
from procengine.query.time_ranges import Range
from procengine.write.merge_duplicates import merge_duplicates

KEPT_BYTES = 128 * 1024 * 1024
"""How much merged data is kept at most; the least recently used goes first."""

_Key = tuple[tuple[str, ...], tuple[Range, ...], pa.Schema]


class MergedFiles:
    """Merges the rows of files within ranges of time. Any thread may ask."""

    def __init__(self, places: ParquetPlaces = LOCAL_PLACES, kept_bytes: int = KEPT_BYTES) -> None:
        self._places = places
        # Guards the cache.
        self._lock = threading.Lock()
        self._kept: OrderedDict[_Key, pa.RecordBatch] = OrderedDict()
        self._free_bytes = kept_bytes

    def get(
        self, files: Sequence[StoredFile], ranges: Sequence[Range], schema: TableSchema
    ) -> pa.RecordBatch:
        """Return the files' rows within the ranges, one for each (tags, time), under the table's schema."""
        key = (tuple(file.path for file in files), tuple(ranges), schema.arrow_schema)
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None:
                self._kept.move_to_end(key)
                return kept
        merged = merge_duplicates(_read(self._places, *key), schema.series_key)
        self._keep(key, merged)
        return merged

    def _keep(self, key: _Key, merged: pa.RecordBatch) -> None:
        with self._lock:
            if key in self._kept or merged.nbytes > self._free_bytes + self._kept_bytes():
                return
            self._kept[key] = merged
            self._free_bytes -= merged.nbytes
            while self._free_bytes < 0:
                self._free_bytes += self._kept.popitem(last=False)[1].nbytes

    def _kept_bytes(self) -> int:
        return sum(batch.nbytes for batch in self._kept.values())


def _read(
    places: ParquetPlaces, paths: Sequence[str], ranges: Sequence[Range], schema: pa.Schema
) -> list[pa.RecordBatch]:
    """Return the rows of files within ranges, file after file; at least one batch."""
    import pyarrow.dataset as ds  # brings in pandas

    time = ds.field(TIME)
    wanted = None
    for first, last in ranges:
        within = (time >= _instant(first)) & (time <= _instant(last))
        wanted = within if wanted is None else wanted | within
    found: list[pa.RecordBatch] = []
    for files, held in groupby(map(places.source, paths), key=itemgetter(1)):
        names = [name for name, _ in held]
        rows = ds.dataset(names, schema=schema, format="parquet", filesystem=files)
        found += rows.to_table(filter=wanted).to_batches()
    return found or [_empty(schema)]


def _instant(instant_ns: int) -> pa.Scalar:
    return pa.scalar(instant_ns, pa.timestamp("ns"))


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(0, one.type) for one in schema], schema=schema)
