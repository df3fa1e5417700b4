"""What does a run know while it is going on?

One `ActiveRun` belongs to one call of an entry point. It collects what the plugin logs, queues, writes and
queries. The context variable `current_run` leads to it from any code that the plugin reaches: the standard
streams and ``time.sleep`` ask it whose they are.

The plugin's thread and the threads that it starts may all use it. Such threads may outlive the run: they go on
logging, querying and writing synchronously, as in the original, and count no more towards the run's record.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

import pyarrow as pa

from procengine.clock import Clock
from procengine.errors import ProcengineError
from procengine.model.run import Breakpoint, LogEntry, LogLevel, new_log_entry
from procengine.model.trigger import Trigger
from procengine.model.write_result import WriteResult
from procengine.processing.cancellation import PluginThread
from procengine.processing.endpoints import QueryEndpoint, WriteEndpoint
from procengine.processing.instrument import Instrument
from procengine.processing.plugin_logs import ProcessingEngineLogs
from procengine.processing.printed_text import PrintedText
from procengine.processing.run_trace import RunQuery, RunTrace, RunWrite

current_run: Final[ContextVar[ActiveRun | None]] = ContextVar("procengine_current_run", default=None)
"""The run whose plugin the running code belongs to; None outside plugins."""

MOST_LOG_LINES: Final = 10_000
"""How many lines of one run its record keeps; the processing engine logs have their own bound."""

NO_VARIABLES: Final[Mapping[str, str]] = MappingProxyType({})

LATE_WRITE: Final = (
    "a line was queued after the run had ended and is not written; a thread that outlives the run "
    "must use write_sync"
)


class ActiveRun:
    """What one run collects, and its way to the engine.

    ``is_dry`` tells whether nothing of the run may reach the engine's state.
    """

    __slots__ = (
        "_capture_lines",
        "_clock",
        "_depth",
        "_ended",
        "_lock",
        "_logs",
        "_printed",
        "_query",
        "_write",
        "breakpoint",
        "entries",
        "in_file",
        "instrument",
        "is_dry",
        "lines",
        "lines_left_out",
        "query_count",
        "queued",
        "run_id",
        "stdout_at_start",
        "thread",
        "trace",
        "trigger",
        "variables",
        "written",
    )

    def __init__(
        self,
        *,
        run_id: int,
        trigger: Trigger,
        logs: ProcessingEngineLogs | None,
        write: WriteEndpoint | None,
        query: QueryEndpoint,
        clock: Clock,
        depth: int,
        capture_lines: bool,
        variables: Mapping[str, str] = NO_VARIABLES,
    ) -> None:
        """``logs`` and ``write`` are None in a dry run: lines are then collected and go nowhere else.

        ``depth`` is that of the writes that the run makes. ``variables`` are what the plugin finds in
        ``os.environ`` beside the process's own.
        """
        self.run_id = run_id
        self.trigger = trigger
        self.variables = variables
        self.is_dry = write is None
        self.thread: PluginThread | None = None
        self.entries: list[LogEntry] = []
        self.queued: dict[str, list[str]] = {}
        self.written: dict[tuple[str, str], int] = {}
        self.lines: dict[str, list[str]] = {}
        self.query_count = 0
        self.trace: RunTrace | None = None
        self.instrument: Instrument | None = None
        self.breakpoint: Breakpoint | None = None
        self.in_file: Callable[[str, int], tuple[str, int]] | None = None
        self.lines_left_out = 0
        self.stdout_at_start = sys.stdout
        self._printed: dict[LogLevel, PrintedText] = {}
        self._logs = logs
        self._write = write
        self._query = query
        self._clock = clock
        self._depth = depth
        self._capture_lines = capture_lines or write is None
        self._ended = False
        # Guards what threads of the plugin may add to at the same time: counts and lists of lines.
        self._lock = threading.Lock()

    def log(self, level: LogLevel, text: str, *, printed: bool = False) -> None:
        """Add a line of the plugin's to the processing engine logs, and to the record while the run lasts."""
        entry = self._entry(level, text, printed)
        if not self._ended:
            self._keep(entry)
        if self._logs is not None:
            self._logs.append(entry)

    def log_as_engine(self, level: LogLevel, text: str) -> None:
        """Add a line of the engine's about the run, also after the entry point returned, before the run's record."""
        entry = self._entry(level, text, False)
        self.entries.append(entry)
        if self._logs is not None:
            self._logs.append(entry, more_follows=True)

    def _entry(self, level: LogLevel, text: str, printed: bool) -> LogEntry:
        trigger = self.trigger
        return new_log_entry(
            time_ns=self._clock.now_ns(),
            database=trigger.database,
            trigger=trigger.name,
            level=level,
            text=text,
            run_id=self.run_id,
            printed=printed,
            trigger_id=trigger.trigger_id,
        )

    def _keep(self, entry: LogEntry) -> None:
        """Keep a line of the plugin's in the record, unless that is full."""
        if len(self.entries) < MOST_LOG_LINES:
            self.entries.append(entry)
            return
        with self._lock:
            self.lines_left_out += 1

    def printed_to(self, level: LogLevel) -> PrintedText:
        """Return what gathers the text of one standard stream: INFO for output, WARN for errors."""
        found = self._printed.get(level)
        return found if found is not None else self._printed.setdefault(level, PrintedText(level))

    def queue(self, database: str, line: str) -> None:
        """Keep a line until the entry point returned.

        Differs: a line queued after the run's end is lost in the original without a word; here a row of the
            log says so.
        """
        with self._lock:
            if not self._ended:
                self.queued.setdefault(database, []).append(line)
                return
        self.log(LogLevel.WARN, LATE_WRITE)

    def write(self, database: str, lines: str, *, no_sync: bool) -> None:
        """Write lines for the plugin now; a dry run keeps them.

        Raises:
            ProcengineError: nothing was stored.
        """
        self._store(database, [lines], lines, no_sync=no_sync, count=not self._ended, queued=False)

    def write_as_engine(self, database: str, lines: list[str]) -> None:
        """Write the lines that were queued for one database, as one write; a dry run keeps them.

        Raises:
            ProcengineError: nothing was stored.
        """
        self._store(database, lines, "\n".join(lines), no_sync=False, count=True, queued=True)

    def query(self, sql: str, database: str, params: Mapping[str, object] | None) -> pa.Table:
        """Answer a query of the plugin."""
        if self._ended:
            return self._query.query(sql, database, params)
        self.query_count += 1
        began_ns = time.perf_counter_ns()
        rows: int | None = None
        fault: str | None = None
        try:
            table = self._query.query(sql, database, params)
            rows = table.num_rows
            return table
        except ProcengineError as error:
            fault = str(error)
            raise
        finally:
            self._traced().asked(
                RunQuery(
                    sql=sql,
                    database=database,
                    params=params,
                    duration_ns=time.perf_counter_ns() - began_ns,
                    row_count=rows,
                    fault=fault,
                )
            )

    def end(self) -> dict[str, list[str]]:
        """Close the record and return the queued lines by database.

        What threads of the plugin do from now on is not part of the run.
        """
        if self._printed:
            for printed in tuple(self._printed.values()):
                printed.flush(self)
        with self._lock:
            self._ended = True
            return self.queued

    def _store(
        self, database: str, lines: list[str], text: str, *, no_sync: bool, count: bool, queued: bool
    ) -> None:
        """Write lines, which ``text`` has as one, and keep them with the run if it counts."""
        result: WriteResult | None = None
        if self._write is not None:
            try:
                result = self._write.write_lines(database, text, no_sync=no_sync, depth=self._depth)
            except ProcengineError as error:
                if count:
                    self._traced().wrote(
                        RunWrite(database=database, lines=text, queued=queued, fault=str(error))
                    )
                raise
        if not count:
            return
        stored = result.tables if result is not None else {}
        flush = result.wal_sequence_number if result is not None else None
        self._traced().wrote(
            RunWrite(
                database=database, lines=text, queued=queued, rows=stored, wal_sequence_number=flush
            )
        )
        with self._lock:
            if self._capture_lines:
                self.lines.setdefault(database, []).extend(lines)
            for table, rows in stored.items():
                key = (database, table)
                self.written[key] = self.written.get(key, 0) + rows

    def _traced(self) -> RunTrace:
        """Return what keeps the run's writes and queries; most runs have none."""
        trace = self.trace
        if trace is None:
            with self._lock:
                trace = self.trace = self.trace or RunTrace()
        return trace
