"""What can be asked of a group of buffered rows?

`BufferedRows` holds rows of one table as one Arrow batch that is never changed. What costs time (the index by
series, the merge of duplicates, null columns) is worked out when first asked for, and kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from procengine.write.merge_duplicates import merge_indexed
from procengine.write.series_index import SeriesIndex, index_series, time_values

TimeRange = tuple[int, int]
"""First and last instant, nanoseconds UTC, both included."""

_FEW_SERIES = 64


class BufferedRows:
    """Rows of one table, with an index by series and time.

    ``batch`` holds the rows in the order of their arrival, with any of the table's columns and ``time``; ``tags``
    is the series key. Safe to use from several threads: two that ask first at once work the same thing out twice.
    """

    __slots__ = (
        "__weakref__",
        "_complete",
        "_in_time_order",
        "_raw",
        "_settled",
        "max_time_ns",
        "min_time_ns",
        "tags",
    )

    def __init__(self, batch: pa.RecordBatch, tags: tuple[str, ...]) -> None:
        self.tags = tags
        self._raw = batch
        self._settled: tuple[pa.RecordBatch, SeriesIndex] | None = None
        self._complete: tuple[pa.Schema, pa.RecordBatch] | None = None
        times = time_values(batch)
        self.min_time_ns = int(times.min())
        self.max_time_ns = int(times.max())
        self._in_time_order = bool(np.all(times[1:] >= times[:-1]))

    @property
    def batch(self) -> pa.RecordBatch:
        """The rows as they are held: as they arrived, or merged once duplicates were found among them."""
        return self._raw if self._settled is None else self._settled[0]

    @property
    def row_count(self) -> int:
        """The number of rows held, duplicates included while they were not looked for."""
        return int(self.batch.num_rows)

    @property
    def time_range(self) -> TimeRange:
        """The first and last time of the rows."""
        return self.min_time_ns, self.max_time_ns

    def settle(self) -> tuple[pa.RecordBatch, SeriesIndex]:
        """Return the rows without duplicates, and their index."""
        if self._settled is None:
            index = index_series(self._raw, self.tags)
            same = index.same_as_previous()
            batch = self._raw
            if same.any():
                batch = merge_indexed(batch, self.tags, index, same)
                index = index_series(batch, self.tags)
                self._in_time_order = index.series_count <= 1
            self._complete = None
            self._settled = (batch, index)
            self._raw = batch
        return self._settled

    def complete(self, schema: pa.Schema) -> pa.RecordBatch:
        """Return the rows without duplicates under a table's whole schema; missing columns are null."""
        batch, _ = self.settle()
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
        batch, index = self.settle()
        if tag_equals:
            return self._taken(_rows_of_series(index, tag_equals, min_ns, max_ns))
        times = time_values(batch)
        if self._in_time_order:
            first, end = np.searchsorted(times, [min_ns, max_ns + 1])
            return None if first == end else BufferedRows(batch.slice(first, end - first), self.tags)
        return self._taken(np.flatnonzero((times >= min_ns) & (times <= max_ns)))

    def _taken(self, rows: npt.NDArray[np.integer]) -> BufferedRows | None:
        if not len(rows):
            return None
        return BufferedRows(self.batch.take(pa.array(rows)), self.tags)

    def shared_times(self, other: BufferedRows) -> TimeRange | None:
        """Return the time range in which two groups have rows of the same series and time, or None.

        Rows are compared by a 64-bit hash: a range may be named without cause, none is missed.
        """
        first, last = max(self.min_time_ns, other.min_time_ns), min(self.max_time_ns, other.max_time_ns)
        if first > last:
            return None
        mine, times = self.settle()[1].keys(first, last)
        theirs, _ = other.settle()[1].keys(first, last)
        common = times[np.isin(mine, theirs)]
        return (int(common.min()), int(common.max())) if len(common) else None


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
