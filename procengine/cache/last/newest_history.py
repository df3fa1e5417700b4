"""Which rows of a table's history belong into a new last-value cache?

Of each key those with the newest ``count`` times. Every batch is reduced to its own newest first, so that little is
held and little has to be merged: a row that is among the newest of all is among the newest of its batch, and so is
every other version of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa

from procengine.cache.arrow_values import raw_values, with_used_values
from procengine.cache.history import History
from procengine.cache.key_groups import group_rows
from procengine.cache.last.acceptance import newest_rows
from procengine.model.cache_definition import LastCacheDefinition
from procengine.model.column import TIME

_GATHERED_ROWS = 1_000_000
"""From how many rows on what was gathered is reduced again."""

Keys = Sequence[tuple[str, pa.DataType]]


def newest_of_history(
    history: History, definition: LastCacheDefinition, keys: Keys, *, since_ns: int | None
) -> pa.RecordBatch | None:
    """Return the rows that belong into a cache, by time, without duplicates; None when there are none.

    There may be others of equal key and time among them. ``since_ns``: rows of earlier times are not wanted.
    """
    columns = None
    if definition.value_columns is not None:
        columns = {*definition.key_columns, *definition.value_columns}
    gathered: list[pa.RecordBatch] = []
    held = 0
    newest = partial(_newest, keys=keys, count=definition.count)
    for batch in history.reduced(newest, columns, since_ns=since_ns):
        gathered.append(batch)
        held += gathered[-1].num_rows
        if held > _GATHERED_ROWS and len(gathered) > 1:
            gathered = [newest(history.merged(gathered))]
            held = gathered[0].num_rows
    if not held:
        return None
    rows = history.merged(gathered)
    return rows.take(pa.array(np.argsort(raw_values(rows.column(TIME)), kind="stable")))


def _newest(batch: pa.RecordBatch, keys: Keys, count: int) -> pa.RecordBatch:
    groups = group_rows(batch, keys, with_nulls=False, exact=False)
    times_ns = raw_values(batch.column(TIME))
    if groups.rows is not None:
        times_ns = times_ns[groups.rows]
    rows = newest_rows(groups.of_row, times_ns, groups.count, count=count)
    taken = batch.take(pa.array(rows if groups.rows is None else groups.rows[rows]))
    return with_used_values(taken)
