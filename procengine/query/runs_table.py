"""What does ``system.processing_engine_runs`` show?

The original has no such table; names and types are in the manner of those that it has.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from procengine.model.run_columns import RUN_COLUMNS

_NOT_SHOWN = ("database", "cache_keys", "cache_changes")
_KEYS = pa.field("cache_keys_changed", pa.list_(pa.field("item", pa.utf8())), nullable=False)
_ROWS_WRITTEN = pa.field("rows_written", pa.uint64(), nullable=False)


def _columns() -> pa.Schema:
    shown = [field for field in RUN_COLUMNS if field.name not in _NOT_SHOWN]
    place = next(number for number, field in enumerate(shown) if field.name == "written")
    return pa.schema([*shown[:place], _ROWS_WRITTEN, *shown[place:], _KEYS])


class ProcessingEngineRuns:
    """``system.processing_engine_runs``: the runs of the queried database's triggers, in the order of their ends.

    ``written`` has an entry a table; ``trigger_id`` tells triggers apart that had the same name one after another.
    Dry runs are not among them.
    """

    name = "processing_engine_runs"
    internal_only = False
    schema = _columns()

    def __init__(self, runs: Callable[[str], pa.Table | None]) -> None:
        """``runs`` gives a database's rows of `RUN_COLUMNS`, None without a processing engine."""
        self._runs = runs

    def rows(self, database: str) -> pa.Table:
        """Return one row a run."""
        found = self._runs(database)
        if found is None or not found.num_rows:
            return self.schema.empty_table()
        found = found.combine_chunks()
        columns = [self._column(found, field) for field in self.schema]
        return pa.Table.from_arrays(columns, schema=self.schema)

    @staticmethod
    def _column(rows: pa.Table, field: pa.Field) -> pa.Array:
        if field.name == "rows_written":
            return _rows_written(rows["written"].combine_chunks())
        if field.name == "cache_keys_changed":
            return _keys(rows["cache_keys"].combine_chunks())
        return rows[field.name]


def _rows_written(written: pa.ListArray) -> pa.Array:
    """Return the sum of the rows of each list."""
    flat = pa.chunked_array([pa.array([0], pa.uint64()), written.flatten().field("rows")])
    sums = pc.cumulative_sum(flat).combine_chunks()
    offsets = pc.cast(written.offsets, pa.int64())
    offsets = pc.subtract(offsets, offsets[0])
    ends, starts = sums.take(offsets[1:]), sums.take(offsets[:-1])
    return pc.subtract(ends, starts)


def _keys(changes: pa.ListArray) -> pa.Array:
    """Return the keys of each list of changed ones."""
    offsets = pc.subtract(changes.offsets, changes.offsets[0])
    keys = changes.flatten().field("key")
    return pa.ListArray.from_arrays(offsets, keys, type=_KEYS.type)
