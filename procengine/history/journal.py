"""How are the rows of a history held: the newest in memory, all on disk?

A `Journal` keeps the newest rows in a ring, and hands what is added to the disk. What the disk has not taken yet is
read from memory, so that a reader finds each row, once. Without files the ring is all there is.

A disk that refuses rows hurts nobody: the rows stay in the ring, as many as it holds wait for the disk, and the log
of Python says so once.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from typing import Any, Generic, TypeVar

import pyarrow as pa

from procengine.history.history_files import HistoryFiles, Segment, Segments, within
from procengine.history.history_writer import Written
from procengine.model.empty_table import empty_table

logger = logging.getLogger(__name__)

MOST_WAITING_ROWS = 100_000
"""How many rows may wait for the disk while it takes them: more than come in a second."""

MOST_ROWS_A_RECORD = 2_000
"""How many rows go to disk at a time, so that no file is much larger than it is to be."""

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalStatistics:
    """``added_rows`` and ``lost_rows`` count since the start; a lost row never reached the disk.

    ``waiting_rows`` have yet to reach it. ``last_error`` is why the disk refuses them, None while it does not.
    """

    added_rows: int
    waiting_rows: int
    lost_rows: int
    file_count: int
    file_bytes: int
    last_error: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalFormat(Generic[Row]):
    """How rows stand on disk: their columns, and the way there and back.

    ``values`` returns ``width`` values of a row, None for one that is not for the disk; ``encode`` makes rows of
    them, given column by column.
    """

    schema: pa.Schema
    width: int
    values: Callable[[Row], Sequence[Any] | None]
    encode: Callable[[Sequence[Sequence[Any]]], pa.RecordBatch]
    decode: Callable[[pa.Table], list[Row]]


class Journal(Generic[Row]):
    """Rows in the order in which they came. Any thread adds and reads; the history thread writes."""

    def __init__(
        self,
        rows: JournalFormat[Row],
        capacity: int,
        *,
        files: HistoryFiles | None = None,
    ) -> None:
        self._format = rows
        self._capacity = capacity
        self._files = files
        # Guards the fields below: what is in the ring, on its way, and on disk changes together.
        self._lock = threading.Lock()
        self._ring: deque[Row] = deque(maxlen=capacity)
        # The values of rows, one row after the other: ten thousand rows that wait as objects would each be walked
        # by the garbage collector, which costs as much as their encoding.
        self._waiting: deque[Any] = deque(maxlen=MOST_WAITING_ROWS * rows.width)
        self._on_the_way: Sequence[Sequence[Any]] = ()  # by record
        self._segments: Segments = ()
        self._added = 0
        self._found = 0
        self._kept = 0
        self._written = 0
        self._last_error: str | None = None

    def open(self) -> None:
        """Find what engines before have written, and fill the ring with the newest of it.

        Where that cannot be, the log of Python says so, and nothing is written to disk.
        """
        if self._files is None:
            return
        try:
            self._segments = self._files.open()
            newest = self._newest_on_disk()
            self._found = newest.num_rows
            self._ring.extend(self._format.decode(newest.slice(max(0, self._found - self._capacity))))
        except (OSError, ValueError) as error:  # a ValueError: rows of a later version
            logger.warning("history cannot be read or kept: %s", error)
            self.close()
            self._last_error, self._files, self._segments = str(error), None, ()

    def close(self) -> None:
        """Let the files go. The writer must have stopped."""
        if self._files is not None:
            self._files.close()

    def __len__(self) -> int:
        return len(self._ring)

    def newest(self) -> tuple[Row, ...]:
        """Return the rows in memory, oldest first."""
        with self._lock:
            return tuple(self._ring)

    @property
    def added(self) -> int:
        """How many rows were added since the start."""
        return self._added

    @property
    def waiting(self) -> int:
        """How many rows have yet to reach the disk."""
        return (len(self._waiting) + sum(map(len, self._on_the_way))) // self._format.width

    @property
    def is_whole(self) -> bool:
        """Whether all rows that are kept are in memory."""
        return self._files is None or self._found + self._added <= self._capacity

    def add(self, row: Row) -> None:
        """Add a row; never waits for the disk."""
        values = None if self._files is None else self._format.values(row)
        with self._lock:
            self._ring.append(row)
            self._added += 1
            if values is not None:
                self._waiting.extend(values)
                self._kept += 1

    def added_since(self, number: int) -> tuple[int, Sequence[Row] | None]:
        """Return how many rows were added by now, and those that came after the first ``number``, oldest first.

        None stands for rows that are not all in memory any more.
        """
        with self._lock:
            new = self._added - number
            if new > len(self._ring):
                return self._added, None
            return self._added, tuple(islice(self._ring, len(self._ring) - new, None))

    def table(self, *, since_ns: int | None = None) -> pa.Table:
        """Return all rows, from files that hold some from an instant on, oldest first, and those not in files yet.

        Without files those in memory.
        """
        return self.counted_table(since_ns=since_ns)[1]

    def counted_table(self, *, since_ns: int | None = None) -> tuple[int, pa.Table]:
        """Return how many rows had been added at one moment, and the rows of `table` as of then.

        Who goes on by `added_since` with the number misses no row and gets none twice.
        """
        while True:
            with self._lock:
                segments, unwritten, added = self._segments, self._unwritten, self._added
            tables, missing = self._read_all(within(segments, since_ns))
            if not missing or segments is self._segments:
                tail = pa.Table.from_batches([self._encoded(unwritten)], self._format.schema)
                return added, pa.concat_tables([*tables, tail])

    def rows_after(self, ordinal: int) -> pa.Table:
        """Return the rows in files after one, oldest first. Raises: OSError."""
        tables = [self._read(one) for one in self._segments if one.ordinal > ordinal]
        return pa.concat_tables([empty_table(self._format.schema), *tables])

    def clear(self) -> None:
        """Forget the rows in memory."""
        with self._lock:
            self._ring.clear()

    def statistics(self) -> JournalStatistics:
        """Return how the journal is doing."""
        with self._lock:
            return JournalStatistics(
                added_rows=self._added,
                waiting_rows=self.waiting,
                lost_rows=self._kept - self._written - self.waiting,
                file_count=len(self._segments),
                file_bytes=sum(one.size_bytes for one in self._segments),
                last_error=self._last_error,
            )

    def write_waiting(self) -> Written:
        """Write what waits. On the history thread alone; see `procengine.history.history_writer.Writable`."""
        if self._files is None:
            return Written.NOTHING
        with self._lock:  # for a moment only: those who add wait
            waiting, self._waiting = self._waiting, deque(maxlen=self._waiting.maxlen)
            self._on_the_way = [waiting]
        values, size = [*waiting], MOST_ROWS_A_RECORD * self._format.width
        self._on_the_way = [values[start : start + size] for start in range(0, len(values), size)]
        written = Written.NOTHING
        while self._on_the_way and written is not Written.REFUSED:
            written = self._write_record(self._files, self._on_the_way[0])
        return written

    def _write_record(self, files: HistoryFiles, values: Sequence[Any]) -> Written:
        """Write what is the first on the way."""
        rows = len(values) // self._format.width
        try:
            segments = files.append(self._segments, self._encoded(values))
        except OSError as error:
            self._put_back(str(error))
            return Written.REFUSED
        except Exception:
            logger.exception("history rows are kept in memory alone: count=%d", rows)
            with self._lock:
                self._on_the_way = self._on_the_way[1:]
            return Written.DONE
        with self._lock:
            self._segments, self._on_the_way = segments, self._on_the_way[1:]
            self._written += rows
            self._last_error = None
        files.tidy()
        return Written.DONE

    def _put_back(self, error: str) -> None:
        """Let rows that the disk refused wait again, as many as the ring holds."""
        if self._last_error is None:
            logger.warning("history rows wait in memory: the disk refuses them: %s", error)
        with self._lock:
            self._last_error = error
            values = self._not_in_files[-self._capacity * self._format.width :]
            self._waiting = deque(values, maxlen=self._waiting.maxlen)
            self._on_the_way = ()

    @property
    def _not_in_files(self) -> list[Any]:
        return [*chain.from_iterable(self._on_the_way), *self._waiting]

    def _encoded(self, values: Sequence[Any]) -> pa.RecordBatch:
        """Return rows, of which the values stand one row after the other."""
        width = self._format.width
        return self._format.encode([values[column::width] for column in range(width)])

    @property
    def _unwritten(self) -> Sequence[Any]:
        """The values of the rows that are in no file; the lock is held."""
        if self._files is not None:
            return self._not_in_files
        return [value for row in self._ring for value in self._format.values(row) or ()]

    def _newest_on_disk(self) -> pa.Table:
        """Return the rows of as many files as the ring needs, oldest first."""
        tables: list[pa.Table] = []
        for segment in reversed(self._segments):
            if sum(table.num_rows for table in tables) > self._capacity:
                break
            tables.append(self._read(segment))
        return pa.concat_tables([empty_table(self._format.schema), *reversed(tables)])

    def _read_all(self, segments: Iterable[Segment]) -> tuple[list[pa.Table], bool]:
        """Return the rows of files that can be read, and whether one is not there any more."""
        tables, missing = [], False
        for segment in segments:
            try:
                tables.append(self._read(segment))
            except FileNotFoundError:
                missing = True
            except OSError as error:
                logger.warning("history file passed over: path=%s, error=%s", segment.path, error)
        return tables, missing

    def _read(self, segment: Segment) -> pa.Table:
        assert self._files is not None
        return self._files.read(segment)
