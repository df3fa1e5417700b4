"""What is left of rows that have the same tags and time?

One row: for each field, the last value that is not null, by order of arrival. Applying the function to its own
result changes nothing, and merging in steps gives what merging at once gives, so buffers, snapshots and queries
may each merge what they see.

Source: core/iox_query/src/provider/deduplicate/algo.rs.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from procengine.model.arrow_text import array_of, missing_of
from procengine.model.column import TIME
from procengine.write.series_index import SeriesIndex, index_series

Indices = npt.NDArray[np.int64]


def merge_duplicates(
    batches: Sequence[pa.RecordBatch], tags: Sequence[str], *, first: Collection[str] = ()
) -> pa.RecordBatch:
    """Return the rows of batches, one for each (tags, time), sorted by series key and time.

    ``batches`` are in the order of arrival, oldest first, and share one schema: tag columns
    ``dictionary<int32, utf8>``, ``time`` as ``timestamp[ns]``, fields of any type. ``tags`` names the tag columns
    in series-key order; every other column but ``time`` is a field. Of columns in ``first`` the first value stays.
    The result has the same schema.
    """
    batch = batches[0] if len(batches) == 1 else pa.concat_batches(batches)
    index = index_series(batch, tags)
    same = index.same_as_previous()
    if not same.any():
        return batch if _in_place(index) else batch.take(array_of(index.order))
    return merge_indexed(batch, tags, index, same, first=first)


def merge_indexed(
    batch: pa.RecordBatch,
    tags: Sequence[str],
    index: SeriesIndex,
    same: npt.NDArray[np.bool_],
    *,
    first: Collection[str] = (),
) -> pa.RecordBatch:
    """Return one row for each (tags, time) of a batch whose index is known; see `merge_duplicates`.

    ``same`` is the index's `SeriesIndex.same_as_previous`.
    """
    firsts = np.flatnonzero(~same)
    lasts = np.append(firsts[1:], len(same)) - 1
    order = index.order.astype(np.int64)
    first_rows, last_rows = array_of(order[firsts]), array_of(order[lasts])
    keys = {*tags, TIME}
    columns = [
        column.take(first_rows)
        if name in first
        else column.take(last_rows)
        if name in keys or column.null_count == 0
        else _last_values(column, order, firsts, lasts)
        for name, column in zip(batch.schema.names, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)


def _last_values(column: pa.Array, order: Indices, firsts: Indices, lasts: Indices) -> pa.Array:
    """Return for each group of rows the last value that is not null, or null."""
    valid = ~missing_of(column)[order]
    latest = np.maximum.accumulate(np.where(valid, np.arange(len(order)), -1))[lasts]
    return column.take(array_of(order[latest], latest < firsts))


def _in_place(index: SeriesIndex) -> bool:
    return bool(np.array_equal(index.order, np.arange(len(index.order))))
