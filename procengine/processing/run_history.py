"""Which runs ended, and how?

The newest are in memory as they were; all of them are on disk, up to a bound, and outlive the engine. Dry runs are
in memory alone.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
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
from procengine.model.run import Run, RunOutcome
from procengine.model.run_columns import (
    RUN_COLUMNS,
    VALUE_NAMES,
    decode_runs,
    encode_run_values,
    run_values,
)
from procengine.processing.plugin_logs import ProcessingEngineLogs
from procengine.processing.run_details import RecentRuns, RunDetails
from procengine.processing.trigger_statistics import RecentRun, RunTally
from procengine.processing.trigger_totals import TriggerTotals

logger = logging.getLogger(__name__)

OnRunFinished = Callable[[Run], None]


class RunHistory:
    """The runs of all triggers, and who wants to hear of new ones. Any thread may use it.

    ``capacity`` is how many are in memory. Without ``files`` the others are gone. ``logs`` has the lines of the runs
    that come back from disk.
    """

    def __init__(
        self,
        capacity: int = 1_000,
        *,
        files: HistoryFiles | None = None,
        writer: HistoryWriter | None = None,
        totals: TriggerTotals | None = None,
        logs: ProcessingEngineLogs | None = None,
    ) -> None:
        self.recent: Final = RecentRuns()
        """What the newest runs left beside their records; runners add to it."""
        self._totals = totals
        self._logs = logs
        self._journal = Journal(
            JournalFormat(
                schema=RUN_COLUMNS,
                width=len(VALUE_NAMES),
                values=run_values,
                encode=encode_run_values,
                decode=self._decode,
            ),
            capacity,
            files=files,
        )
        self._writer = writer
        # Guards the replacement of the tuple, which is read without it.
        self._lock = threading.Lock()
        self._subscribers: tuple[OnRunFinished, ...] = ()

    @property
    def journal(self) -> Journal[Run]:
        """What holds the runs, and is to be written to disk."""
        return self._journal

    def open(self) -> None:
        """Find the runs of engines before. The logs must be open."""
        self._journal.open()

    def tallies(self) -> Mapping[int, RunTally]:
        """Return what the runs of engines before add up to, by trigger id. To be asked before the first run."""
        if self._totals is None:
            return {}
        try:
            totals = self._totals.with_rows(self._journal.rows_after(self._totals.covered))
        except OSError as error:
            logger.warning("triggers count from nothing: %s", error)
            return {}
        recent: dict[int, list[RecentRun]] = {}
        for run in self:
            ended = RecentRun(run.duration_ns, run.outcome.is_failure)
            recent.setdefault(run.trigger_id, []).append(ended)
        return {
            trigger_id: RunTally(total, recent.get(trigger_id, ()))
            for trigger_id, total in totals.items()
        }

    def __len__(self) -> int:
        return len(self._journal)

    def __iter__(self) -> Iterator[Run]:
        """Iterate over the runs in memory as they are now, in the order in which they ended."""
        return iter(self._journal.newest())

    def ended_since(self, number: int) -> tuple[int, Sequence[Run] | None]:
        """Return how many runs ended since the start, dry ones included, and those after the first ``number``.

        For a reader that follows: it keeps the first and asks with it again. None stands for runs that are not all in
        memory any more.
        """
        return self._journal.added_since(number)

    def of(self, wal_sequence_number: int) -> tuple[Run, ...]:
        """Return the runs in memory that one flush of the write-ahead log caused, as they ended."""
        return tuple(run for run in self if run.cause.wal_sequence_number == wal_sequence_number)

    def flushes_of(self, run: Run) -> frozenset[tuple[str, int]]:
        """Return where a run's own writes went, as database and flush of the write-ahead log.

        Empty when what the run wrote is not kept any more.
        """
        kept = self.recent.find(run.run_id)
        if kept is None or kept.trace is None:
            return frozenset()
        return frozenset(
            (write.database, write.wal_sequence_number)
            for write in kept.trace.writes
            if write.wal_sequence_number is not None
        )

    def of_trigger(self, database: str, trigger: str) -> tuple[Run, ...]:
        """Return the runs in memory of one trigger's name, in the order in which they ended."""
        return tuple(run for run in self if run.trigger == trigger and run.database == database)

    def find(self, run_id: int) -> Run | None:
        """Return a run by its id, or None when it is not kept any more."""
        found = next((run for run in self if run.run_id == run_id), None)
        if found is not None or self._journal.is_whole:
            return found
        rows = self._journal.table()
        return next(iter(self._decode(rows.filter(pc.equal(rows["run_id"], run_id)))), None)

    def details(self, run_id: int) -> RunDetails | None:
        """Return a run whole: its event, writes and queries word for word, and what it changed in the plugin cache.

        All of that is kept for the newest runs of this engine alone; of others `RunDetails.missing` says what is
        gone. None when the run itself is not kept any more.
        """
        run = self.find(run_id)
        return None if run is None else self.recent.details(run)

    def select(
        self,
        *,
        database: str | None = None,
        trigger: str | None = None,
        trigger_id: int | None = None,
        outcome: RunOutcome | None = None,
        since_ns: int | None = None,
        limit: int | None = 1_000,
    ) -> tuple[Run, ...]:
        """Return the newest runs that match every given condition, in the order in which they ended; no dry runs.

        ``since_ns`` is the earliest start, nanoseconds UTC. ``trigger_id`` leaves out what a trigger of the same
        name did that was deleted. ``limit`` of None returns all. Runs that are not in memory are read from disk, with
        their log lines as far as these are kept.
        """

        def matches(run: Run) -> bool:
            return (
                not run.dry_run
                and (database is None or run.database == database)
                and (trigger is None or run.trigger == trigger)
                and (trigger_id is None or run.trigger_id == trigger_id)
                and (outcome is None or run.outcome is outcome)
                and (since_ns is None or run.started_ns >= since_ns)
            )

        in_memory = tuple(self)
        found = [run for run in in_memory if matches(run)]
        enough = limit is not None and len(found) >= limit
        if not enough and not self._journal.is_whole:
            conditions = {
                "database": database,
                "trigger_name": trigger,
                "trigger_id": trigger_id,
                "outcome": None if outcome is None else outcome.value,
            }
            rows = self._journal.table(since_ns=since_ns)
            for name, value in conditions.items():
                if value is not None:
                    rows = rows.filter(pc.equal(rows[name], value))
            if since_ns is not None:
                rows = rows.filter(pc.greater_equal(rows["start_time"].cast(pa.int64()), since_ns))
            if limit is not None:
                rows = rows.slice(max(0, rows.num_rows - limit))
            live = {run.run_id: run for run in in_memory}
            found = [live.get(run.run_id, run) for run in self._decode(rows)]
        return tuple(found if limit is None else found[max(0, len(found) - limit) :])

    def table(self, database: str | None = None) -> pa.Table:
        """Return the runs of a database, or of all, as rows of `RUN_COLUMNS`, in the order in which they ended."""
        rows = self._journal.table()
        return rows if database is None else rows.filter(pc.equal(rows["database"], database))

    def add(self, run: Run) -> None:
        """Keep a run and tell the subscribers, on the calling thread; what they raise is logged."""
        self._journal.add(run)
        if self._writer is not None:
            self._writer.call()
        for subscriber in self._subscribers:
            try:
                subscriber(run)
            except Exception:
                logger.exception("subscriber failed: run_id=%d", run.run_id)

    def subscribe(self, on_run_finished: OnRunFinished) -> Callable[[], None]:
        """Call back with each run from now on; return the call that ends this.

        The callback runs on the thread of the run, before the trigger's next event: it must be quick.
        """
        with self._lock:
            self._subscribers = (*self._subscribers, on_run_finished)

        def unsubscribe() -> None:
            with self._lock:
                self._subscribers = tuple(one for one in self._subscribers if one is not on_run_finished)

        return unsubscribe

    def statistics(self) -> JournalStatistics:
        """Return how much is kept, and whether the disk takes it."""
        return self._journal.statistics()

    def _decode(self, rows: pa.Table) -> list[Run]:
        """Return runs from disk, with their log lines."""
        if self._logs is None or not rows.num_rows:
            return decode_runs(rows)
        return decode_runs(rows, self._logs.of_runs(rows["run_id"], since_ns=_first(rows)))


def _first(rows: pa.Table) -> int:
    first: int = pc.min(rows["start_time"].cast(pa.int64())).as_py()
    return first
