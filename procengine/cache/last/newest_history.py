"""Which rows of a table's history belong into a new last-value cache, and when was each inserted?

Of each key those with the newest ``count`` times. Every batch is reduced to its own newest first, so that little is
held and little has to be merged: a row that is among the newest of all is among the newest of its batch, and so is
every other version of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from procengine.cache.arrow_values import Int64s, arrow_array, raw_values, with_used_values
from procengine.cache.history import Flush, History
from procengine.cache.key_groups import group_rows
from procengine.cache.last.acceptance import newest_rows
from procengine.model.cache_definition import LastCacheDefinition
from procengine.model.column import TIME

_GATHERED_ROWS = 1_000_000
"""From how many rows on what was gathered is reduced again."""

_INSERTED = "\0inserted"
"""The column that goes with rows until they are chosen: no column of a table has this name."""

_INT64 = pa.int64()

Keys = Sequence[tuple[str, pa.DataType]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Past:
    """What was before a cache is filled, at ``now_ns``; rows count as inserted at ``created_ns`` at the earliest.

    ``flushes`` brought those rows of the history that are in no file; None where that is not known.
    """

    history: History
    flushes: Sequence[Flush] | None
    created_ns: int
    now_ns: int

    def since_ns(self, ttl_ns: int) -> int | None:
        """Return before which time all rows of files have expired, or None.

        Not after the time of any row whose insertion is known: of that, files may have an older version.
        """
        if self.created_ns + ttl_ns > self.now_ns:
            return None
        known = [int(raw_values(one.batch.column(TIME)).min()) for one in self.flushes or ()]
        return min([self.now_ns - ttl_ns + 1, *known])

    def with_inserted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return rows with the column that says when they were inserted, which is at their own time, in bounds."""
        if _INSERTED in batch.schema.names:
            return batch
        times_ns = raw_values(batch.column(TIME))
        return _with_inserted(batch, np.clip(times_ns, self.created_ns, self.now_ns))

    def flushed(self) -> list[pa.RecordBatch] | None:
        """Return the rows of the flushes with the column."""
        if self.flushes is None:
            return None
        return [
            _with_inserted(
                one.batch, np.full(one.batch.num_rows, max(one.inserted_ns, self.created_ns), np.int64)
            )
            for one in self.flushes
        ]

    def merged(self, batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
        """Return the rows of batches, each once; it was inserted when its first version was."""
        return self.history.merged(batches, first=(_INSERTED,), flushed=bool(self.flushes))


def newest_of_history(
    past: Past, definition: LastCacheDefinition, keys: Keys, *, ttl_ns: int
) -> tuple[pa.RecordBatch, Int64s] | None:
    """Return the rows that belong into a cache, by time, without duplicates, and when each was inserted.

    There may be others of equal key and time among them. None when there are no rows, or all have expired.
    """
    columns = None
    if definition.value_columns is not None:
        columns = {*definition.key_columns, *definition.value_columns, _INSERTED}
    gathered: list[pa.RecordBatch] = []
    held = 0

    def newest(batch: pa.RecordBatch) -> pa.RecordBatch:
        return past.with_inserted(_newest(batch, keys, definition.count))

    for batch in past.history.reduced(
        newest, columns, since_ns=past.since_ns(ttl_ns), flushed=past.flushed()
    ):
        gathered.append(batch)
        held += gathered[-1].num_rows
        if held > _GATHERED_ROWS and len(gathered) > 1:
            gathered = [newest(past.merged(gathered))]
            held = gathered[0].num_rows
    if not held:
        return None
    rows = past.merged(gathered)
    order = np.argsort(raw_values(rows.column(TIME)), kind="stable")
    order = order[raw_values(rows.column(_INSERTED))[order] > past.now_ns - ttl_ns]
    if not len(order):
        return None
    rows = rows.take(pa.array(order))
    names = [name for name in rows.schema.names if name != _INSERTED]
    return rows.select(names), raw_values(rows.column(_INSERTED))


def _newest(batch: pa.RecordBatch, keys: Keys, count: int) -> pa.RecordBatch:
    groups = group_rows(batch, keys, with_nulls=False, exact=False)
    times_ns = raw_values(batch.column(TIME))
    if groups.rows is not None:
        times_ns = times_ns[groups.rows]
    rows = newest_rows(groups.of_row, times_ns, groups.count, count=count)
    taken = batch.take(pa.array(rows if groups.rows is None else groups.rows[rows]))
    return with_used_values(taken)


def _with_inserted(batch: pa.RecordBatch, inserted_ns: Int64s) -> pa.RecordBatch:
    return batch.append_column(_INSERTED, arrow_array(inserted_ns, _INT64))
