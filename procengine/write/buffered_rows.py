"""What can be asked of a group of buffered rows?

`BufferedRows` holds rows of one table as one Arrow batch that is never changed. What costs time (the index by
series, the merge of duplicates, null columns) is worked out when first asked for, and kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from procengine.model.arrow_text import array_of
from procengine.write.merge_duplicates import merge_indexed
from procengine.write.series_index import SeriesIndex, index_series, time_values
from procengine.write.shared_times import TimeRange, shared_times

_FEW_SERIES = 64


class _Held(NamedTuple):
    """What is held at one time; replaced as a whole, so that a reader never sees a mixture."""

    batch: pa.RecordBatch
    series: SeriesIndex | None
    settled: bool


class BufferedRows:
    """Rows of one table, with an index by series and time.

    ``batch`` holds the rows in the order of their arrival, with any of the table's columns and ``time``; ``tags``
    is the series key. ``settled`` promises that no two rows have the same tags and time.
    Safe to use from several threads: two that ask first at once work the same thing out twice.
    """

    __slots__ = (
        "__weakref__",
        "_complete",
        "_held",
        "_in_time_order",
        "_shared",
        "max_time_ns",
        "min_time_ns",
        "tags",
    )

    def __init__(self, batch: pa.RecordBatch, tags: tuple[str, ...], *, settled: bool = False) -> None:
        self.tags = tags
        self._held = _Held(batch, None, settled or batch.num_rows == 1)
        self._complete: tuple[pa.Schema, pa.RecordBatch] | None = None
        self._shared: WeakKeyDictionary[BufferedRows, TimeRange | None] = WeakKeyDictionary()
        times = time_values(batch)
        self.min_time_ns = int(times.min())
        self.max_time_ns = int(times.max())
        self._in_time_order = bool((times[1:] >= times[:-1]).all())

    @property
    def batch(self) -> pa.RecordBatch:
        """The rows as they are held: as they arrived, or merged once duplicates were found among them."""
        return self._held.batch

    @property
    def row_count(self) -> int:
        """The number of rows held, duplicates included while they were not looked for."""
        return int(self._held.batch.num_rows)

    @property
    def time_range(self) -> TimeRange:
        """The first and last time of the rows."""
        return self.min_time_ns, self.max_time_ns

    def settled(self) -> pa.RecordBatch:
        """Return the rows without duplicates."""
        return self._held.batch if self._held.settled else self.indexed()[0]

    def indexed(self) -> tuple[pa.RecordBatch, SeriesIndex]:
        """Return the rows without duplicates, and their index."""
        held = self._held
        if held.series is not None:
            return held.batch, held.series
        batch, index = held.batch, index_series(held.batch, self.tags)
        same = index.same_as_previous()
        if same.any():
            batch = merge_indexed(batch, self.tags, index, same)
            index = index_series(batch, self.tags)
            self._in_time_order = index.series_count <= 1
        self._held = _Held(batch, index, settled=True)
        return batch, index

    def complete(self, schema: pa.Schema) -> pa.RecordBatch:
        """Return the rows without duplicates under a table's whole schema; missing columns are null."""
        batch = self.settled()
        kept = self._complete
        if kept is None or not kept[0].equals(schema):
            kept = (schema, complete(batch, schema))
            self._complete = kept
        return kept[1]

    def prune(
        self, min_ns: int, max_ns: int, tag_equals: Mapping[str, frozenset[str]]
    ) -> BufferedRows | None:
        """Return the rows of a time range (bounds included) whose tags have one of the values given.

        None when there are none. Duplicates are merged.
        """
        if self.max_time_ns < min_ns or self.min_time_ns > max_ns:
            return None
        inside = min_ns <= self.min_time_ns and self.max_time_ns <= max_ns
        if inside and not tag_equals:
            return self
        if tag_equals:
            batch, index = self.indexed()
            rows = _rows_of_series(index, tag_equals, min_ns, max_ns)
            return self._part(batch.take(array_of(rows))) if len(rows) else None
        batch = self.settled()
        times = time_values(batch)
        if self._in_time_order:
            first, end = np.searchsorted(times, [min_ns, max_ns + 1])
            return None if first == end else self._part(batch.slice(first, end - first))
        rows = np.flatnonzero((times >= min_ns) & (times <= max_ns))
        return self._part(batch.take(array_of(rows))) if len(rows) else None

    def _part(self, batch: pa.RecordBatch) -> BufferedRows:
        return BufferedRows(batch, self.tags, settled=True)

    def shared_times(self, other: BufferedRows) -> TimeRange | None:
        """Return the time range in which two groups have rows of the same series and time, or None.

        See `procengine.write.shared_times`; the answer is kept.
        """
        first, last = max(self.min_time_ns, other.min_time_ns), min(self.max_time_ns, other.max_time_ns)
        if first > last:
            return None
        if other not in self._shared:
            self._shared[other] = shared_times(self.indexed()[1], other.indexed()[1], (first, last))
        return self._shared[other]


def complete(batch: pa.RecordBatch, schema: pa.Schema) -> pa.RecordBatch:
    """Return a batch under a schema that has its columns and more, without copying them."""
    columns = []
    for field in schema:
        position = batch.schema.get_field_index(field.name)
        columns.append(batch.column(position) if position >= 0 else pa.nulls(batch.num_rows, field.type))
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def concatenate(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Return batches as one, with the columns of all of them; a single batch is returned as it is."""
    first = batches[0]
    if len(batches) == 1:
        return first
    if any(batch.schema is not first.schema and batch.schema != first.schema for batch in batches):
        fields = {field.name: field for batch in batches for field in batch.schema}
        schema = pa.schema(fields.values())
        batches = [complete(batch, schema) for batch in batches]
    return pa.concat_batches(batches)


def _rows_of_series(
    index: SeriesIndex, tag_equals: Mapping[str, frozenset[str]], min_ns: int, max_ns: int
) -> npt.NDArray[np.integer]:
    series = index.matching_series(tag_equals)
    if len(series) > _FEW_SERIES:
        chosen = np.zeros(index.series_count, np.bool_)
        chosen[series] = True
        wanted = np.repeat(chosen, np.diff(index.starts))
        wanted &= (index.times_ns >= min_ns) & (index.times_ns <= max_ns)
        return index.order[wanted]
    slices = [index.order[:0]]
    for one in series:
        begin, end = index.starts[one], index.starts[one + 1]
        low, high = np.searchsorted(index.times_ns[begin:end], [min_ns, max_ns + 1])
        slices.append(index.order[begin + low : begin + high])
    return np.concatenate(slices)
