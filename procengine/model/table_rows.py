"""What does one write put into one table?

The unit that the log stores, the table buffer holds and a trigger's table batch shows.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from procengine.model.quick_init import quick_init, quick_maker


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class TableRows:
    """Validated rows of one table from one write, in the order of their lines.

    ``batch`` has the tags (``dictionary<int32, utf8>``) and fields that at least one row has, in
    first-seen order, then ``time`` (``timestamp[ns]``, no nulls) last. Its buffers are never changed.
    ``shapes`` are the distinct column orders of the lines (names, without the time), and
    ``shape_of_row`` (int32) gives each row's index into them; it is None when all rows have the first.
    A plugin's row dictionary has exactly the keys of its shape, then ``time``.
    ``database`` and ``table`` are the names at the time of the write; the ids decide.
    ``depth`` counts the runs in the chain that caused the write: 0 for one from outside.
    """

    database_id: int
    table_id: int
    database: str
    table: str
    batch: pa.RecordBatch
    shapes: tuple[tuple[str, ...], ...]
    shape_of_row: npt.NDArray[np.int32] | None = None
    depth: int = 0

    @property
    def row_count(self) -> int:
        """The number of rows."""
        return int(self.batch.num_rows)


new_table_rows = quick_maker(TableRows)
"""Rows of a table, for those who make them one by one."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class WalContents:
    """One flush of the write-ahead log: everything that one fdatasync made durable.

    Sequence numbers start at 1 and have no gaps. ``rows`` are in the order of their writes.
    ``persisted_ns`` is the clock's time of the flush; ``size_bytes`` is about what they take in the log.
    """

    sequence_number: int
    persisted_ns: int
    rows: tuple[TableRows, ...]
    size_bytes: int = field(default=0, compare=False)


new_wal_contents = quick_maker(WalContents)
"""A flush, for those who make one a row."""
