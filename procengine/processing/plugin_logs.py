"""What did the triggers log, lately?

A bounded ring of lines in memory, in the order in which they came. Any thread appends and reads.

Source: influxdb3_py_api/src/logging.rs, influxdb3_sys_events/src/lib.rs (the ring, its columns).
Differs: lines know their database and run, so that each database shows its own.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

import pyarrow as pa

from procengine.model.run import LogEntry, LogLevel

CAPACITY: Final = 10_000
"""How many lines the original keeps."""

LOG_SCHEMA: Final = pa.schema(
    [
        pa.field("event_time", pa.timestamp("ns"), nullable=False),
        pa.field("trigger_name", pa.utf8(), nullable=False),
        pa.field("log_level", pa.utf8(), nullable=False),
        pa.field("log_text", pa.utf8(), nullable=False),
    ]
)
"""The columns of ``system.processing_engine_logs``."""


class ProcessingEngineLogs:
    """The lines that triggers logged, oldest dropped first."""

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._ring: deque[LogEntry] = deque(maxlen=capacity)
        # Guards the ring against being copied while it grows; subscribers are called outside it.
        self._lock = threading.Lock()
        self._subscribers: tuple[Callable[[LogEntry], None], ...] = ()
        self._appended = 0

    def append(self, entry: LogEntry) -> None:
        """Add a line and tell the subscribers, on the calling thread."""
        with self._lock:
            self._ring.append(entry)
            self._appended += 1
        for subscriber in self._subscribers:
            subscriber(entry)

    @property
    def appended(self) -> int:
        """How many lines were ever added; what is more than `entries` holds was dropped."""
        return self._appended

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
    ) -> tuple[LogEntry, ...]:
        """Return the lines that match every given condition, oldest first."""
        with self._lock:
            lines = tuple(self._ring)
        return tuple(
            line
            for line in lines
            if (database is None or line.database == database)
            and (trigger is None or line.trigger == trigger)
            and (run_id is None or line.run_id == run_id)
            and (level is None or line.level is level)
        )

    def table(self, database: str | None = None) -> pa.Table:
        """Return the lines of a database, or of all, with the columns of `LOG_SCHEMA`, oldest first."""
        lines = self.entries(database)
        columns = [
            pa.array([line.time_ns for line in lines], pa.timestamp("ns")),
            pa.array([line.trigger for line in lines], pa.utf8()),
            pa.array([line.level.value for line in lines], pa.utf8()),
            pa.array([line.text for line in lines], pa.utf8()),
        ]
        return pa.Table.from_arrays(columns, schema=LOG_SCHEMA)

    def clear(self) -> None:
        """Forget all lines."""
        with self._lock:
            self._ring.clear()
