"""What is to go, and when is the next time to look?

Deleted tables go when their time has come, and rows and files that a retention period keeps no longer. What is
forgotten is first forgotten in the catalog, durably: from then on it cannot be restored, and rows whose table the
catalog does not know go at the next start at the latest.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Protocol

from procengine.catalog.definitions import Database, TableDefinition
from procengine.clock import Alarm, Clock
from procengine.write.write_buffer import WriteBuffer


class Definitions(Protocol):
    """What is needed of the catalog."""

    def all_databases(self) -> tuple[Database, ...]:
        """Return all databases, deleted ones too."""
        ...

    def table_by_id(self, table_id: int) -> tuple[Database, TableDefinition] | None:
        """Return a table and its database, or None when the id is not known."""
        ...

    def purge_due(self) -> tuple[int, ...]:
        """Forget the deleted tables whose time has come, durably; return their ids."""
        ...


class Expiry:
    """Removes what must go. Any thread may `run` it; ``wake`` is called on the clock's thread when it should be."""

    def __init__(
        self, catalog: Definitions, write_buffer: WriteBuffer, clock: Clock, *, wake: Callable[[], None]
    ) -> None:
        self._catalog = catalog
        self._write_buffer = write_buffer
        self._clock = clock
        self._wake = wake
        # Guards the alarm: two threads may run at once, and each leaves one alarm.
        self._lock = threading.Lock()
        self._alarm: Alarm | None = None
        self._stopped = False

    def run(self) -> None:
        """Remove what must go by now, and set the alarm for what goes next.

        Raises:
            StorageError: the disk refused; what is left is tried again at the next call.
        """
        self._catalog.purge_due()
        known = self._catalog.table_by_id
        gone = [one for one in self._write_buffer.table_ids() if known(one) is None]
        if gone:
            self._write_buffer.delete_tables(gone)
        cutoffs = self._cutoffs()
        if cutoffs:
            self._write_buffer.expire(cutoffs)
        self._set_alarm()

    def stop(self) -> None:
        """Wake nobody any more."""
        with self._lock:
            self._stopped = True
            if self._alarm is not None:
                self._alarm.cancel()

    def next_ns(self) -> int | None:
        """Return when something falls due next, or None when nothing will."""
        moments = [*self._deletions(), *self._expirations()]
        waiting_ns = self._write_buffer.next_removal_seconds
        if waiting_ns is not None:
            moments.append(self._clock.now_ns() + round(waiting_ns * 1e9))
        return min(moments, default=None)

    def _set_alarm(self) -> None:
        due_ns = self.next_ns()
        with self._lock:
            if self._alarm is not None:
                self._alarm.cancel()
            self._alarm = None
            if due_ns is not None and not self._stopped:
                self._alarm = self._clock.call_at(due_ns, self._wake)

    def _cutoffs(self) -> Mapping[int, int]:
        """Return for each table with a retention period the instant before which rows go."""
        now_ns = self._clock.now_ns()
        found = ((table.id, database.cutoff_ns(table, now_ns)) for database, table in self._tables())
        return {table_id: cutoff_ns for table_id, cutoff_ns in found if cutoff_ns is not None}

    def _expirations(self) -> Iterator[int]:
        """Yield the instants at which the oldest piece of each table is kept no longer."""
        for table_id, cutoff_ns in self._cutoffs().items():
            last_ns = self._write_buffer.first_end_ns(table_id)
            if last_ns is not None:
                yield self._clock.now_ns() + max(0, last_ns - cutoff_ns) + 1

    def _deletions(self) -> Iterator[int]:
        """Yield the instants at which deleted tables and databases go."""
        for database in self._catalog.all_databases():
            moments = [database.hard_deletion_time_ns]
            moments += [table.hard_deletion_time_ns for table in database.tables_by_id.values()]
            yield from (moment for moment in moments if moment is not None)

    def _tables(self) -> Iterator[tuple[Database, TableDefinition]]:
        for database in self._catalog.all_databases():
            for table in database.tables_by_id.values():
                yield database, table
