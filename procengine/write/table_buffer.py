"""Which rows of one table are not yet in Parquet files, and in which pieces are they held?

Writes are kept as they came, in a list: appending costs a microsecond and copies nothing, so the arrays of a
single write are the very arrays of its `TableRows`. Whoever first looks makes the list into `BufferedRows` of
growing size, as few batches cost a query least; each row is copied some ten times at most until it lies in a group
of a million. Old groups are never touched again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from procengine.write.buffered_rows import BufferedRows, concatenate
from procengine.write.parquet_file import ParquetFile

GROUP_ROWS = 1_000_000
"""Groups are not merged past this many rows; a single write may be larger."""
LONG_TAIL = 1_000
"""From how many writes on they are gathered, asked for or not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pieces:
    """All that is held of one table at one instant, each kind oldest first, and the kinds in this order.

    ``frozen`` are being written to Parquet files, ``tail`` are writes as they came.
    ``epoch`` changes whenever ``files``, ``frozen`` or ``rows`` do.
    """

    epoch: int = 0
    files: tuple[ParquetFile, ...] = ()
    frozen: tuple[BufferedRows, ...] = ()
    rows: tuple[BufferedRows, ...] = ()
    tail: tuple[pa.RecordBatch, ...] = ()


class TableBuffer:
    """The pieces of one table. Not locked: the write buffer does that; no method takes long."""

    def __init__(self, database_id: int, table_id: int, files: Sequence[ParquetFile] = ()) -> None:
        self.database_id = database_id
        self.table_id = table_id
        self._epoch = 0
        self._files = tuple(files)
        self._frozen: tuple[BufferedRows, ...] = ()
        self._rows: tuple[BufferedRows, ...] = ()
        self._tail: list[pa.RecordBatch] = []
        self._tail_rows = 0

    @property
    def tail_length(self) -> int:
        """The number of writes that are held as they came."""
        return len(self._tail)

    @property
    def tail_is_long(self) -> bool:
        """Whether the writes that are held as they came should be gathered, asked for or not."""
        return len(self._tail) >= LONG_TAIL or (self._tail_rows >= GROUP_ROWS and len(self._tail) > 1)

    @property
    def files(self) -> tuple[ParquetFile, ...]:
        """The Parquet files, oldest first."""
        return self._files

    @property
    def has_rows(self) -> bool:
        """Whether there are rows not in Parquet files."""
        return bool(self._frozen or self._rows or self._tail)

    @property
    def row_count(self) -> int:
        """The number of rows not in Parquet files, duplicates as often as they are held."""
        in_groups = sum(rows.row_count for rows in (*self._frozen, *self._rows))
        return in_groups + self._tail_rows

    def append(self, batch: pa.RecordBatch) -> None:
        """Take the rows of one write."""
        self._tail.append(batch)
        self._tail_rows += batch.num_rows

    def pieces(self) -> Pieces:
        """Return what is held now."""
        return Pieces(
            epoch=self._epoch,
            files=self._files,
            frozen=self._frozen,
            rows=self._rows,
            tail=tuple(self._tail),
        )

    def install(self, pieces: Pieces, rows: tuple[BufferedRows, ...]) -> None:
        """Put groups in place of the rows and tail that they were made of, unless something changed meanwhile."""
        if pieces.epoch == self._epoch:
            self._epoch += 1
            self._rows = rows
            del self._tail[: len(pieces.tail)]
            self._tail_rows = sum(batch.num_rows for batch in self._tail)

    def freeze(self, series_key: Callable[[], tuple[str, ...]]) -> tuple[BufferedRows, ...]:
        """Set all rows of now apart for a snapshot, and return them; queries go on seeing them.

        ``series_key`` is asked for only when there are writes that were not gathered.
        """
        self._epoch += 1
        late = grouped(self._tail, series_key()) if self._tail else ()
        self._frozen = (*self._frozen, *self._rows, *late)
        self._rows, self._tail, self._tail_rows = (), [], 0
        return self._frozen

    def thaw(self) -> None:
        """Take the frozen rows back: their snapshot failed."""
        self._epoch += 1
        self._rows, self._frozen = (*self._frozen, *self._rows), ()

    @property
    def first_end_ns(self) -> int | None:
        """The earliest of the last times of its files and gathered rows, or None when it has neither."""
        return min(
            (*(file.max_time_ns for file in self._files), *(rows.max_time_ns for rows in self._rows)),
            default=None,
        )

    def remove_before(self, cutoff_ns: int) -> tuple[ParquetFile, ...]:
        """Let go of the gathered rows and the files that have no time from an instant on; return these files.

        Frozen rows stay: their snapshot is being made.
        """
        gone = tuple(file for file in self._files if file.max_time_ns < cutoff_ns)
        rows = tuple(rows for rows in self._rows if rows.max_time_ns >= cutoff_ns)
        if gone or len(rows) < len(self._rows):
            self._epoch += 1
            self._files = tuple(file for file in self._files if file not in gone)
            self._rows = rows
        return gone

    def take_back(self, files: Sequence[ParquetFile]) -> None:
        """Have files again that were removed: the index could not be replaced."""
        self._epoch += 1
        self._files = tuple(sorted((*self._files, *files), key=lambda file: file.number))

    def replace_frozen(
        self, added: Sequence[ParquetFile], replaced: frozenset[ParquetFile] = frozenset()
    ) -> None:
        """Let new Parquet files stand for the frozen rows and for the files that they replace."""
        self._epoch += 1
        kept = (file for file in self._files if file not in replaced)
        self._files, self._frozen = (*kept, *added), ()


def compacted(pieces: Pieces, tags: tuple[str, ...]) -> tuple[BufferedRows, ...]:
    """Return the rows and the tail of a table as groups, the tail's and small neighbours merged.

    ``tags`` is the series key. A group is merged with the next one when that is more than half as large: so a
    row is copied but a few times, and few groups are left.
    """
    groups = list(pieces.rows)
    for group in grouped(pieces.tail, tags):
        groups.append(group)
        while len(groups) > 1 and _worth_merging(groups[-2], groups[-1]):
            newer, older = groups.pop(), groups.pop()
            groups.append(BufferedRows(concatenate([older.batch, newer.batch]), tags))
    return tuple(groups)


def grouped(batches: Iterable[pa.RecordBatch], tags: tuple[str, ...]) -> list[BufferedRows]:
    """Return writes as groups of up to `GROUP_ROWS` rows; a write that stands alone is not copied."""
    groups: list[BufferedRows] = []
    together: list[pa.RecordBatch] = []
    held = 0
    for batch in batches:
        if together and held + batch.num_rows > GROUP_ROWS:
            groups.append(BufferedRows(concatenate(together), tags))
            together, held = [], 0
        together.append(batch)
        held += batch.num_rows
    if together:
        groups.append(BufferedRows(concatenate(together), tags))
    return groups


def _worth_merging(older: BufferedRows, newer: BufferedRows) -> bool:
    return older.row_count < 2 * newer.row_count and older.row_count + newer.row_count <= GROUP_ROWS
