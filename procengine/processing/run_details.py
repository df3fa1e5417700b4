"""What can be said of one run beyond its record: the event itself, what it wrote and asked word for word, its cache?

`RecentRuns` keeps this for the newest runs, by reference and bounded in number and in bytes; failed runs stay longer
than others. A run costs it one small object. `RunDetails` is what a reader gets, made when asked for. Nothing of it
outlives the engine.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from procengine.model.counted import counted
from procengine.model.run import CacheKey, CauseKind, Run
from procengine.model.table_rows import TableRows
from procengine.model.trigger import Trigger, TriggerKind
from procengine.processing.cache_trace import CacheDifference, TracedValues, Unpickle, differences
from procengine.processing.event import Event, RequestEvent, ScheduleEvent, WriteEvent
from procengine.processing.run_trace import RunQuery, RunTrace, RunWrite

MOST_RUNS: Final = 1_000
"""How many of the newest runs are kept: as many as the run history has in memory."""

MOST_FAILED_RUNS: Final = 200
"""How many failed runs are kept that are not among the newest any more."""

MOST_BYTES: Final = 64 << 20
"""What all that is kept may take, rows of one flush counted once."""


class KeptRun:
    """What a run leaves behind; all of it is shared with whoever made it, and changed by nobody.

    ``trigger`` is the definition that it ran by. ``dropped`` are the lines that a failed run had queued.
    ``own_bytes`` is about what it takes beside the rows of a flush.
    """

    __slots__ = ("cache", "dropped", "event", "failed", "own_bytes", "run_id", "trace", "trigger")

    def __init__(  # noqa: PLR0917 - made for each run
        self,
        run_id: int,
        trigger: Trigger,
        event: Event,
        trace: RunTrace | None,
        cache: TracedValues,
        dropped: Mapping[str, list[str]] | None,
        failed: bool,
    ) -> None:
        self.run_id = run_id
        self.trigger = trigger
        self.event = event
        self.trace = trace
        self.cache = cache
        self.dropped = dropped
        self.failed = failed
        size = 0 if trace is None else trace.size_bytes
        size += cache.size_bytes
        if dropped:
            size += sum([len(line) for lines in dropped.values() for line in lines])
        if type(event) is not ScheduleEvent:
            size += _event_bytes(event)
        self.own_bytes = size


def _event_bytes(event: Event) -> int:
    """Return what an event takes, rows of a flush left out, as several runs may share them."""
    if isinstance(event, RequestEvent):
        return len(event.body)
    if isinstance(event, WriteEvent) and event.cause.wal_sequence_number is None:
        return sum(rows.batch.nbytes for rows in event.rows)
    return 0


class RecentRuns:
    """What the newest runs left behind. Any thread adds and reads.

    ``most_runs``, ``most_failed_runs`` and ``most_bytes`` bound it; the newest run is always kept.
    """

    def __init__(
        self,
        *,
        most_runs: int = MOST_RUNS,
        most_failed_runs: int = MOST_FAILED_RUNS,
        most_bytes: int = MOST_BYTES,
        unpickle: Unpickle | None = None,
    ) -> None:
        self._most_runs = most_runs
        self._most_failed_runs = most_failed_runs
        self._most_bytes = most_bytes
        self.unpickle = unpickle
        self.find_rows: Callable[[Run], tuple[TableRows, ...]] = lambda _run: ()
        """Where the rows of a run are looked for that is not kept any more."""
        # Guards the fields below, which change together.
        self._lock = threading.Lock()
        self._newest: deque[KeptRun] = deque()
        self._failed: deque[KeptRun] = deque()
        self._flushes: dict[int, int] = {}
        self._size_bytes = 0

    @property
    def size_bytes(self) -> int:
        """About how many bytes are kept."""
        return self._size_bytes

    def __len__(self) -> int:
        return len(self._newest) + len(self._failed)

    def add(self, kept: KeptRun) -> None:
        """Keep what a run left, and let go of what is too much."""
        newest = self._newest
        with self._lock:
            newest.append(kept)
            self._size_bytes += kept.own_bytes
            if type(kept.event) is WriteEvent:
                self._count_flush(kept.event)
            if len(newest) > self._most_runs:
                self._retire(newest.popleft())
            if self._size_bytes > self._most_bytes:
                self._shrink()

    def find(self, run_id: int) -> KeptRun | None:
        """Return what a run left, or None when that is not kept."""
        return next((kept for kept in reversed(self._all()) if kept.run_id == run_id), None)

    def stored_before(self, run: KeptRun, key: CacheKey) -> bytes | None:
        """Return the pickle that the last kept run before one left under a key of the plugin cache."""
        for kept in reversed(self._all()):
            same = key.use_global or kept.trigger.trigger_id == run.trigger.trigger_id
            if kept.run_id >= run.run_id or not same:
                continue
            for value in kept.cache:
                if value.key.key == key.key and value.key.use_global == key.use_global:
                    return value.stored_after
        return None

    def details(self, run: Run) -> RunDetails:
        """Return what is known of a run."""
        kept = self.find(run.run_id)
        if kept is None:
            return RunDetails.of_record(run, self.find_rows(run))
        trace, unpickle = kept.trace, self.unpickle
        left_out = trace.left_out if trace is not None else 0
        return RunDetails(
            run=run,
            trigger=kept.trigger,
            event=kept.event,
            writes=tuple(trace.writes) if trace is not None else (),
            queries=tuple(trace.queries) if trace is not None else (),
            cache=tuple(
                differences(
                    kept.cache,
                    unpickle if unpickle is not None else _no_pickles,
                    lambda key: self.stored_before(kept, key),
                )
            ),
            dropped={name: tuple(lines) for name, lines in (kept.dropped or {}).items()},
            missing=(_too_much(left_out),) if left_out else (),
        )

    def _all(self) -> list[KeptRun]:
        with self._lock:
            return [*self._failed, *self._newest]

    def _retire(self, kept: KeptRun) -> None:
        """Take a run out of the newest: a failed one stays a while. The lock is held, as by those below."""
        if not kept.failed:
            self._let_go(kept)
            return
        self._failed.append(kept)
        if len(self._failed) > self._most_failed_runs:
            self._let_go(self._failed.popleft())

    def _shrink(self) -> None:
        while self._size_bytes > self._most_bytes and len(self) > 1:
            self._let_go((self._failed or self._newest).popleft())

    def _let_go(self, kept: KeptRun) -> None:
        self._size_bytes -= kept.own_bytes
        if type(kept.event) is WriteEvent:
            self._discount_flush(kept.event)

    def _count_flush(self, event: WriteEvent) -> None:
        """Count the rows of a flush, if no other run has them."""
        flush = event.cause.wal_sequence_number
        if flush is None:
            return
        users = self._flushes.get(flush, 0)
        self._flushes[flush] = users + 1
        if not users:
            self._size_bytes += event.size_bytes

    def _discount_flush(self, event: WriteEvent) -> None:
        flush = event.cause.wal_sequence_number
        if flush is None:
            return
        users = self._flushes.pop(flush) - 1
        if users:
            self._flushes[flush] = users
        else:
            self._size_bytes -= event.size_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class RunDetails:
    """One run whole.

    ``trigger`` is the definition it ran by, arguments included; ``event`` what its entry point was called with: the
    rows of a write (`procengine.processing.table_batches.table_batches` makes a plugin's argument of them), the
    scheduled time, or the request. Both are None when they are not kept. ``writes`` and ``queries`` are in the order
    in which they ended. ``cache`` is what it changed in the plugin cache, ``dropped`` the lines by database that a
    failed run had queued. ``missing`` says in sentences what is not kept, and why.
    """

    run: Run
    trigger: Trigger | None = None
    event: Event | None = None
    writes: tuple[RunWrite, ...] = ()
    queries: tuple[RunQuery, ...] = ()
    cache: tuple[CacheDifference, ...] = ()
    dropped: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    missing: tuple[str, ...] = ()

    @classmethod
    def of_record(cls, run: Run, rows: tuple[TableRows, ...] = ()) -> RunDetails:
        """Return what the record of a run tells, with rows that the log still has, and what else there was."""
        event: Event | None = WriteEvent(rows=rows, cause=run.cause) if rows else None
        if run.kind is TriggerKind.SCHEDULE and run.cause.instant_ns is not None:
            event = ScheduleEvent(instant_ns=run.cause.instant_ns, cause=run.cause)
        lost = [] if event is not None else [_EVENTS[run.kind]]
        lost += ["the lines that it wrote"] if run.writes and not run.lines else []
        lost += ["its queries"] if run.query_count else []
        lost += ["the values that it cached"] if run.cache_keys and not run.cache_changes else []
        if not lost:
            return cls(run=run, event=event)
        where = (
            f"; its rows came with flush {run.cause.wal_sequence_number} of the write-ahead log"
            if run.cause.kind is CauseKind.WRITE and not rows
            else ""
        )
        return cls(
            run=run,
            event=event,
            missing=(f"not kept any more: {', '.join(lost)} (of the newest runs alone){where}",),
        )


_EVENTS: Final = {
    TriggerKind.WRITE: "its input rows",
    TriggerKind.REQUEST: "its request",
    TriggerKind.SCHEDULE: "its scheduled time",
}


def _too_much(left_out: int) -> str:
    verb = "is" if left_out == 1 else "are"
    return f"{counted(left_out, 'more write or query', 'more writes and queries')} {verb} not kept"


def _no_pickles(_data: bytes) -> object:
    raise LookupError("nothing is pickled with object store memory")
