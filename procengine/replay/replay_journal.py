"""Which runs and log lines came of a replay?

All of them, as columns: a day of seconds is 86,400 runs, which as objects would take ten times the memory.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final, Generic, TypeVar

import pyarrow as pa

from procengine.engine import Engine
from procengine.model.log_columns import LOG_COLUMNS, encode_entries
from procengine.model.run import LogEntry, Run
from procengine.model.run_columns import RUN_COLUMNS, encode_runs

T = TypeVar("T")

AT_ONCE: Final = 1_000
"""How many records are made into columns together."""

FAILED_RUNS: Final = 10
"""How many failed runs are kept as they were, the first ones: with their exceptions, and the cells' lines."""


class Columns(Generic[T]):
    """Records of one kind, put into columns as they come. Any thread: plugins have threads that log."""

    def __init__(self, schema: pa.Schema, encode: Callable[[Sequence[T]], pa.RecordBatch]) -> None:
        self._schema = schema
        self._encode = encode
        self._waiting: deque[T] = deque()
        # Guards the batches, and their order.
        self._lock = threading.Lock()
        self._batches: list[pa.RecordBatch] = []

    def add(self, record: T) -> None:
        """Take a record."""
        self._waiting.append(record)
        if len(self._waiting) >= AT_ONCE:
            with self._lock:
                self._put_waiting()

    def table(self) -> pa.Table:
        """Return all records as rows, in the order in which they came."""
        with self._lock:
            self._put_waiting()
            return pa.Table.from_batches(self._batches, self._schema).combine_chunks()

    def _put_waiting(self) -> None:
        records = [self._waiting.popleft() for _ in range(len(self._waiting))]
        if records:
            self._batches.append(self._encode(records))


class ReplayJournal:
    """Follows the runs and logs of a replay's engine, and counts."""

    def __init__(self, engine: Engine) -> None:
        self.runs = Columns(RUN_COLUMNS, encode_runs)
        self.logs = Columns(LOG_COLUMNS, encode_entries)
        self.run_count = 0
        self.error_count = 0
        self.failed_runs: list[Run] = []
        self._unsubscribe = (
            engine.triggers.runs.subscribe(self._run_ended),
            engine.logs.subscribe(self._logged),
        )

    def close(self) -> None:
        """Follow no longer."""
        for unsubscribe in self._unsubscribe:
            unsubscribe()

    def _run_ended(self, run: Run) -> None:
        self.run_count += 1
        if run.outcome.is_failure or run.write_errors:
            self.error_count += 1
            if len(self.failed_runs) < FAILED_RUNS:
                self.failed_runs.append(run)
        self.runs.add(run)

    def _logged(self, entry: LogEntry) -> None:
        self.logs.add(entry)
