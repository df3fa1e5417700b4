"""Small real implementations of what triggers need: a log in memory and a runner that calls functions."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable

import pyarrow as pa

from procengine.catalog import Catalog
from procengine.clock import Clock, VirtualClock
from procengine.errors import PluginSourceError
from procengine.model.run import LogLevel, Response, Run, RunFailure, RunOutcome
from procengine.model.table_rows import TableRows, WalContents
from procengine.model.trigger import Trigger, TriggerKind
from procengine.processing.cancellation import CancelToken
from procengine.processing.event import Event, RequestEvent, WriteEvent
from procengine.processing.instrument import Instrument
from procengine.processing.log_view import LogView
from procengine.processing.trigger_options import TriggerOptions
from procengine.processing.triggers import Triggers

TIMEOUT = 10.0
"""Seconds that a test waits at most for what must happen."""

SIZE_BYTES = 100
"""What each flush takes in the log in memory."""

Plugin = Callable[[Trigger, Event, CancelToken], object]


class FunctionRunner:
    """Runs Python functions by plugin file name, and keeps the runs; an exception is a failed run."""

    def __init__(self) -> None:
        self.plugins: dict[str, Plugin] = {}
        self.runs: list[Run] = []
        self._ids = itertools.count(1)

    def check(self, plugin_filename: str, kind: TriggerKind) -> None:
        """Accept the plugins that there are."""
        if plugin_filename not in self.plugins:
            raise PluginSourceError(
                f"reading plugin file: Plugin not found: {plugin_filename} ({kind.value})"
            )

    def run(
        self,
        trigger: Trigger,
        event: Event,
        *,
        dry_run: bool = False,
        cache_name: str | None = None,
        capture_lines: bool = False,
        attempt: int = 1,
        cancel: CancelToken | None = None,
        instrument: Instrument | None = None,
    ) -> Run:
        """Call the plugin's function."""
        began = time.perf_counter_ns()
        outcome, failure, answer = RunOutcome.SUCCESS, None, None
        try:
            answer = self.plugins[trigger.plugin_filename](trigger, event, cancel or CancelToken())
        except KeyboardInterrupt:
            outcome = RunOutcome.CANCELLED
        except Exception as error:
            outcome = RunOutcome.ERROR
            failure = RunFailure(
                type_name=type(error).__name__, message=f"{type(error).__name__}: {error}"
            )
        run = Run(
            run_id=next(self._ids),
            database=trigger.database,
            trigger=trigger.name,
            plugin_filename=trigger.plugin_filename,
            kind=event.kind,
            cause=event.cause,
            started_ns=0,
            queue_wait_ns=began - event.offered_ns,
            duration_ns=time.perf_counter_ns() - began,
            cpu_ns=0,
            outcome=outcome,
            rows_in=sum(rows.row_count for rows in event.rows) if isinstance(event, WriteEvent) else 0,
            failure=failure,
            response=_response(answer, outcome) if isinstance(event, RequestEvent) else None,
            dry_run=dry_run,
            attempt=attempt,
        )
        self.runs.append(run)
        return run


def _response(answer: object, outcome: RunOutcome) -> Response | None:
    if outcome is RunOutcome.CANCELLED:
        return None
    status = 200 if outcome is RunOutcome.SUCCESS else 500
    return Response(status=status, headers=(), body=str(answer).encode())


def some_rows(
    database_id: int, table: str, count: int = 1, *, depth: int = 0, database: str = "db"
) -> TableRows:
    """Return rows of a table: an integer field and the time."""
    batch = pa.record_batch(
        {
            "n": pa.array(range(count), pa.int64()),
            "time": pa.array(range(count), pa.timestamp("ns")),
        }
    )
    return TableRows(
        database_id=database_id,
        table_id=1,
        database=database,
        table=table,
        batch=batch,
        shapes=(("n",),),
        depth=depth,
    )


class MemoryLog:
    """A write-ahead log in memory: `write` is one flush."""

    def __init__(self) -> None:
        self.kept: dict[int, WalContents] = {}
        self.reads = 0
        self._lock = threading.Lock()

    def read(self, sequence_number: int) -> WalContents:
        """Return contents."""
        self.reads += 1
        try:
            return self.kept[sequence_number]
        except KeyError:
            raise LookupError(f"contents {sequence_number} are gone") from None

    def append(self, *rows: TableRows, now_ns: int = 0) -> WalContents:
        """Keep rows as the next contents."""
        with self._lock:
            number = len(self.kept) + 1
            contents = WalContents(
                sequence_number=number, persisted_ns=now_ns, rows=rows, size_bytes=SIZE_BYTES
            )
            self.kept[number] = contents
        return contents


class Bench:
    """Triggers over a catalog in memory, with the database ``db``, a log, and a runner of functions."""

    def __init__(self, *, clock: Clock | None = None, options: TriggerOptions | None = None) -> None:
        self.clock = clock or VirtualClock()
        self.catalog = Catalog(None, clock=self.clock)
        self.catalog.start()
        self.catalog.create_database("db")
        self.runner = FunctionRunner()
        self.log = MemoryLog()
        self.rows_logged: list[tuple[str, LogLevel, str]] = []
        self.dropped_caches: list[str] = []
        self.triggers = self.new_triggers(options)

    def new_triggers(self, options: TriggerOptions | None = None) -> Triggers:
        """Make triggers over the same catalog, as a restart does."""
        return Triggers(
            self.catalog,
            self.runner,
            LogView(read=self.log.read),
            self.clock,
            check_plugin=self.runner.check,
            log=lambda trigger, level, text: self.rows_logged.append((trigger.name, level, text)),
            drop_cache=lambda trigger: self.dropped_caches.append(trigger.name),
            options=options,
        )

    def __enter__(self) -> Bench:
        self.triggers.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.triggers.stop()
        self.clock.close()
        self.catalog.close()

    def plugin(self, function: Plugin, name: str | None = None) -> str:
        """Register a function as a plugin; return its file name."""
        filename = f"{name or function.__name__}.py"
        self.runner.plugins[filename] = function
        return filename

    def rows(self, table: str, count: int = 1, *, database: str = "db", depth: int = 0) -> TableRows:
        """Return rows of a table."""
        return some_rows(
            self.catalog.database(database).id, table, count, depth=depth, database=database
        )

    def write(self, *rows: TableRows) -> int:
        """Flush rows and offer them; return the sequence number."""
        contents = self.log.append(*rows, now_ns=self.clock.now_ns())
        self.triggers.offer(contents)
        return contents.sequence_number

    def wait_idle(self) -> None:
        """Wait until nothing runs."""
        assert self.triggers.wait_idle(TIMEOUT)

    def logged(self, trigger: str) -> list[str]:
        """Return the texts of a trigger's lifecycle rows."""
        return [text for name, _, text in self.rows_logged if name == trigger]
