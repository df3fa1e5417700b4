"""Which rows does a write trigger still have to see?

A trigger's queue is a cursor into the write-ahead log: the first and the last contents that it wants and has
not handled, whatever lies between. It costs the same for one waiting write as for a million.

Source: influxdb3_processing_engine/src/lib.rs, send_wal_contents.
Differs: the original has a queue of 60 files a trigger, and its flush waits when one is full. There, a
    ``table:`` trigger is called with no rows when only other tables were written; here it is not called.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from procengine.model.run import CauseKind, new_cause
from procengine.model.table_rows import TableRows, WalContents
from procengine.model.trigger_spec import AllTablesSpec, TableSpec, WriteSpec
from procengine.processing.event import WriteEvent, new_write_event
from procengine.processing.trigger_statistics import Lag

ReadContents = Callable[[int], WalContents]


@dataclass(frozen=True, slots=True)
class Place:
    """How far a write trigger is: of the wanted rows up to flush ``noted`` it has yet to handle ``rows``."""

    noted: int
    rows: int


@dataclass(frozen=True, slots=True)
class Watch:
    """The rows that a write trigger wants: of one database, and of one table or of all."""

    database_id: int
    table: str | None

    @classmethod
    def of(cls, database_id: int, spec: WriteSpec) -> Watch:
        """Return what a specification watches."""
        match spec:
            case TableSpec():
                return cls(database_id, spec.table)
            case AllTablesSpec():
                return cls(database_id, None)

    def rows(self, contents: WalContents) -> tuple[TableRows, ...]:
        """Return the wanted rows, in the order of their writes."""
        return tuple([rows for rows in contents.rows if self.wants(rows)])

    def wants(self, rows: TableRows) -> bool:
        """Tell whether rows are wanted. A table is known by its name at the time of the write."""
        return rows.database_id == self.database_id and self.table in (None, rows.table)


class WriteCursor:
    """One write trigger's place in the log.

    `note` is called on the flush thread, `take` and `done` by whoever holds the trigger's turn. ``on_move`` is
    called after changes of the place; it must return at once.
    """

    def __init__(
        self,
        watch: Watch,
        read_contents: ReadContents,
        now_ns: Callable[[], int],
        on_move: Callable[[], None] = lambda: None,
    ) -> None:
        self.watch = watch
        self._on_move = on_move
        self._read = read_contents
        self._now_ns = now_ns
        # Guards the fields below; never held while contents are read.
        self._lock = threading.Lock()
        self._position: int | None = None
        self._last = 0
        self._contents = 0
        self._rows = 0
        self._since_ns = 0
        self._handled_bytes = 0
        self._taken: WalContents | None = None
        self._taken_rows = 0

    @property
    def position(self) -> int | None:
        """The first sequence number not handled yet, or None when there is nothing to do."""
        return self._position

    def begin(self, sequence_number: int) -> None:
        """Begin behind a flush."""
        with self._lock:
            self._last = max(self._last, sequence_number)

    def place(self) -> Place:
        """Return how far the cursor is."""
        with self._lock:
            return Place(self._last, self._rows)

    @property
    def pending(self) -> int:
        """How many contents wait, the one being handled among them."""
        return self._contents

    def note(self, contents: WalContents, row_count: int, log_bytes: int) -> None:
        """Remember that contents are wanted, with so many wanted rows.

        ``log_bytes`` is the length of the log before them, counted from wherever all cursors count.
        """
        with self._lock:
            if self._position is None:
                self._position = contents.sequence_number
                self._since_ns = contents.persisted_ns
                self._handled_bytes = log_bytes
            self._last = contents.sequence_number
            self._contents += 1
            self._rows += row_count

    def noted(self) -> None:
        """Say that the place has changed; apart from `note`, so that the trigger is woken before."""
        self._on_move()

    def held_bytes(self, log_bytes: int) -> int:
        """Return how much of a log of a length is kept for this cursor: from its position to the end."""
        with self._lock:
            return 0 if self._position is None else log_bytes - self._handled_bytes

    def take(self) -> WriteEvent | None:
        """Return the next contents' wanted rows as an event, or None when nothing waits.

        The same event comes again until `done`.

        Raises: LookupError when the log does not hold the contents any more.
        """
        while (position := self._position) is not None:
            contents = self._read(position)
            rows = self.watch.rows(contents)
            if rows:
                self._taken = contents
                self._taken_rows = sum([one.row_count for one in rows])
                self._since_ns = contents.persisted_ns
                return self._event(contents, rows)
            self._step(contents)
        return None

    def done(self) -> None:
        """Go on behind the event taken last."""
        taken = self._taken
        with self._lock:
            self._taken = None
            if self._position is None or taken is None:
                return
            self._contents -= 1
            self._rows -= self._taken_rows
        self._step(taken)
        self._on_move()

    def lag(self, log_bytes: int = 0) -> Lag:
        """Return how far the cursor is behind the end of a log of a length."""
        now_ns = self._now_ns()
        with self._lock:
            if self._position is None:
                return Lag()
            seconds = max(0, now_ns - self._since_ns) / 1e9
            held_bytes = max(0, log_bytes - self._handled_bytes)
            return Lag(contents=self._contents, rows=self._rows, seconds=seconds, held_bytes=held_bytes)

    def clear(self) -> None:
        """Forget what waits."""
        with self._lock:
            self._forget()

    def _step(self, behind: WalContents) -> None:
        with self._lock:
            self._handled_bytes += behind.size_bytes
            if self._position is None or self._position >= self._last:
                self._forget()
            else:
                self._position += 1

    def _forget(self) -> None:
        self._position = None
        self._contents = self._rows = 0

    def _event(self, contents: WalContents, rows: tuple[TableRows, ...]) -> WriteEvent:
        cause = new_cause(
            kind=CauseKind.WRITE,
            wal_sequence_number=contents.sequence_number,
            depth=max([one.depth for one in rows]),
        )
        waited_ns = max(0, self._now_ns() - contents.persisted_ns)
        return new_write_event(
            rows=rows,
            cause=cause,
            size_bytes=contents.size_bytes,
            offered_ns=time.perf_counter_ns() - waited_ns,
        )
