"""What did the triggers log?

The newest lines are in memory, in the order in which they came; all of them are on disk, up to a bound, and outlive
the engine. Any thread appends and reads.

Source: influxdb3_py_api/src/logging.rs, influxdb3_sys_events/src/lib.rs (the ring, its columns).
Differs: lines know their database, trigger and run, so that each database shows its own; and the original's ring is
    all it has.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from procengine.history import (
    HistoryFiles,
    HistoryWriter,
    Journal,
    JournalFormat,
    JournalStatistics,
)
from procengine.model.log_columns import LOG_COLUMNS, decode_entries, encode_entry_values, entry_values
from procengine.model.run import LogEntry, LogLevel

CAPACITY: Final = 10_000
"""How many lines are in memory: as many as the original keeps."""

_FORMAT: Final = JournalFormat(
    schema=LOG_COLUMNS,
    width=len(LOG_COLUMNS),
    values=entry_values,
    encode=encode_entry_values,
    decode=decode_entries,
)


class ProcessingEngineLogs:
    """The lines that triggers logged, oldest dropped first. Without ``files`` those in memory are all."""

    def __init__(
        self,
        capacity: int = CAPACITY,
        *,
        files: HistoryFiles | None = None,
        writer: HistoryWriter | None = None,
    ) -> None:
        self._journal: Journal[LogEntry] = Journal(_FORMAT, capacity, files=files)
        self._writer = writer
        # Guards the replacement of the tuple, which is read without it.
        self._lock = threading.Lock()
        self._subscribers: tuple[Callable[[LogEntry], None], ...] = ()

    @property
    def journal(self) -> Journal[LogEntry]:
        """What holds the lines, and is to be written to disk."""
        return self._journal

    def open(self) -> None:
        """Find the lines of engines before."""
        self._journal.open()

    def append(self, entry: LogEntry, *, more_follows: bool = False) -> None:
        """Add a line and tell the subscribers, on the calling thread.

        ``more_follows`` says that another line, or a run's end, is sure to come: the disk may wait for that.
        """
        self._journal.add(entry)
        if self._writer is not None and not more_follows:
            self._writer.call_soon()
        for subscriber in self._subscribers:
            subscriber(entry)

    @property
    def appended(self) -> int:
        """How many lines were added since the start; what is more than `entries` holds was dropped from memory."""
        return self._journal.added

    def appended_since(self, number: int) -> tuple[int, Sequence[LogEntry] | None]:
        """Return `appended`, and the lines after the first ``number``; None when not all are in memory any more."""
        return self._journal.added_since(number)

    def subscribe(self, callback: Callable[[LogEntry], None]) -> Callable[[], None]:
        """Call back with each line from now on; return what ends that.

        The callback runs on the thread that logs, which may be inside a plugin: it must be quick and must
        neither wait nor raise.
        """
        with self._lock:
            self._subscribers = (*self._subscribers, callback)

        def unsubscribe() -> None:
            with self._lock:
                self._subscribers = tuple(other for other in self._subscribers if other is not callback)

        return unsubscribe

    def entries(
        self,
        database: str | None = None,
        trigger: str | None = None,
        *,
        run_id: int | None = None,
        level: LogLevel | None = None,
        trigger_id: int | None = None,
    ) -> tuple[LogEntry, ...]:
        """Return the lines in memory that match every given condition, oldest first.

        ``trigger_id`` leaves out those of a trigger of the same name that was deleted.
        """
        return tuple(
            line
            for line in self._journal.newest()
            if (database is None or line.database == database)
            and (trigger is None or line.trigger == trigger)
            and (run_id is None or line.run_id == run_id)
            and (level is None or line.level is level)
            and (trigger_id is None or line.trigger_id == trigger_id)
        )

    def table(self, database: str | None = None) -> pa.Table:
        """Return all lines of a database, or of all, as rows of `LOG_COLUMNS`, oldest first."""
        rows = self._journal.table()
        return rows if database is None else rows.filter(pc.equal(rows["database"], database))

    def counted_table(self) -> tuple[int, pa.Table]:
        """Return all lines as rows of `LOG_COLUMNS`, oldest first, and `appended` as of them."""
        return self._journal.counted_table()

    def of_runs(self, run_ids: pa.ChunkedArray, *, since_ns: int) -> dict[int, Sequence[LogEntry]]:
        """Return the lines of runs, by run id; none of them is older than ``since_ns``."""
        rows = self._journal.table(since_ns=since_ns)
        found: dict[int, list[LogEntry]] = {}
        for line in decode_entries(rows.filter(pc.is_in(rows["run_id"], run_ids.combine_chunks()))):
            if line.run_id is not None:
                found.setdefault(line.run_id, []).append(line)
        return {**found}

    def statistics(self) -> JournalStatistics:
        """Return how much is kept, and whether the disk takes it."""
        return self._journal.statistics()

    def clear(self) -> None:
        """Forget the lines in memory."""
        self._journal.clear()
