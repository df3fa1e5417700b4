"""How is a trigger doing?

`TriggerStatistics` is the frozen record that inspectors read; `RunTally` is what a trigger counts as it runs.
"""

from __future__ import annotations

import threading
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from procengine.model.run import Run, RunFailure, RunOutcome
from procengine.model.trigger import Trigger

WINDOW_RUNS = 256
"""How many durations the percentiles are taken over."""

RECENT_RUNS = 24
"""How many of the newest runs are told one by one."""


class RecentRun(NamedTuple):
    """How long one of the newest runs took, and whether it failed."""

    duration_ns: int
    failed: bool


class TriggerState(Enum):
    """Whether a trigger takes events, and why not."""

    ENABLED = "enabled"
    """It runs when its event comes."""
    RETRYING = "retrying"
    """Its last run failed and will be repeated after a pause; synchronous triggers take no other event."""
    PAUSED = "paused"
    """The engine stopped it to protect itself; ``enable`` resumes it."""
    FAILED = "failed"
    """It could not be started; ``enable`` tries again."""
    ENDED = "ended"
    """Its cron expression matches no time to come."""
    ELSEWHERE = "elsewhere"
    """It is meant for other nodes than this one."""
    DISABLED = "disabled"
    """It is disabled in the catalog."""

    takes_events: bool
    """Whether what comes, or has come and waits, is run."""

    def __init__(self, value: str) -> None:
        self.takes_events = value in ("enabled", "ended")


@dataclass(frozen=True, slots=True, kw_only=True)
class Lag:
    """How far a write trigger is behind the write-ahead log: contents and rows it has yet to handle.

    ``seconds`` is the age of the oldest of them, ``held_bytes`` how much of the log is kept for it.
    """

    contents: int = 0
    rows: int = 0
    seconds: float = 0.0
    held_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerStatistics:
    """One trigger at one instant. Times are nanoseconds UTC, durations nanoseconds.

    ``reason`` says why it is paused, failed, ended or elsewhere, ``warning`` what it cannot keep up with. ``runs``
    and ``errors`` count since the trigger was made, over restarts (with object store ``memory``: since the engine
    started), dry runs left out; an error is a run whose plugin raised, or that went past a limit. ``failing`` tells
    whether the last run was one; ``last_failure`` is the last one's, even if runs have succeeded since.
    ``last_outcome`` is how the last run ended, None before the first. ``attempt`` is the number of the attempt to
    come while retrying, else 0. The percentiles are those of the last 256 runs; after a restart, of those of them
    that are among the newest runs of all triggers; ``recent`` are the newest of these, oldest first.
    ``in_flight`` are runs going on; ``queue_depth`` are events that wait: ticks, contents, or requests.
    """

    trigger: Trigger
    state: TriggerState
    reason: str | None
    runs: int
    errors: int
    failing: bool
    last_run_ns: int | None
    last_duration_ns: int | None
    last_failure: RunFailure | None
    next_fire_ns: int | None
    attempt: int
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None
    in_flight: int
    queue_depth: int
    lag: Lag
    warning: str | None = None
    last_outcome: RunOutcome | None = None
    recent: tuple[RecentRun, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerTotal:
    """One trigger's runs: counts, the start and duration of the last one (ns), how it ended, and the last failure."""

    runs: int
    errors: int
    last_start_ns: int
    last_duration_ns: int
    last_outcome: RunOutcome
    last_failure: RunFailure | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TallyReading:
    """What a tally says at one instant; the fields are those of `TriggerStatistics`."""

    runs: int
    errors: int
    failing: bool
    last_run_ns: int | None
    last_duration_ns: int | None
    last_failure: RunFailure | None
    p50_ns: int | None
    p95_ns: int | None
    p99_ns: int | None
    last_outcome: RunOutcome | None = None
    recent: tuple[RecentRun, ...] = ()


class RunTally:
    """Counts a trigger's runs, on from what engines before have counted. Any thread.

    ``recent`` are the newest runs before, oldest first, as far as they are known.
    """

    def __init__(self, before: TriggerTotal | None = None, recent: Sequence[RecentRun] = ()) -> None:
        # Guards the counts: asynchronous runs of one trigger end at the same time.
        self._lock = threading.Lock()
        self._runs = 0
        self._errors = 0
        self._last: tuple[int, int, RunOutcome] | None = None
        self._last_failure: RunFailure | None = None
        # Rings of equal length; ``_oldest`` is where both begin.
        self._durations_ns = array("q", [run.duration_ns for run in recent[-WINDOW_RUNS:]])
        self._failed = bytearray(run.failed for run in recent[-WINDOW_RUNS:])
        self._oldest = 0
        # What was read last, until another run is counted: of a thousand triggers few have run in between.
        self._reading: TallyReading | None = None
        if before is not None:
            self._runs, self._errors = before.runs, before.errors
            self._last = (before.last_start_ns, before.last_duration_ns, before.last_outcome)
            self._last_failure = before.last_failure

    def count(self, run: Run) -> None:
        """Count a run that ended."""
        outcome, duration_ns = run.outcome, run.duration_ns
        failed = outcome.is_failure
        with self._lock:
            if len(self._durations_ns) < WINDOW_RUNS:
                self._durations_ns.append(duration_ns)
                self._failed.append(failed)
            else:
                self._durations_ns[self._oldest] = duration_ns
                self._failed[self._oldest] = failed
                self._oldest = (self._oldest + 1) % WINDOW_RUNS
            self._runs += 1
            self._last = (run.started_ns, duration_ns, outcome)
            if failed:
                self._errors += 1
                self._last_failure = run.failure
            self._reading = None

    def read(self) -> TallyReading:
        """Return the counts; the same object until another run is counted."""
        with self._lock:
            if self._reading is None:
                self._reading = self._read()
            return self._reading

    def _read(self) -> TallyReading:
        """Return the counts. The caller holds the lock."""
        last, durations = self._last, sorted(self._durations_ns)
        return TallyReading(
            runs=self._runs,
            errors=self._errors,
            failing=last is not None and last[2].is_failure,
            last_run_ns=last[0] if last else None,
            last_duration_ns=last[1] if last else None,
            last_failure=self._last_failure,
            p50_ns=_percentile(durations, 50),
            p95_ns=_percentile(durations, 95),
            p99_ns=_percentile(durations, 99),
            last_outcome=last[2] if last else None,
            recent=self._recent(),
        )

    def _recent(self) -> tuple[RecentRun, ...]:
        length = len(self._durations_ns)
        places = range(max(0, length - RECENT_RUNS), length)
        return tuple(
            RecentRun(self._durations_ns[place], bool(self._failed[place]))
            for place in ((self._oldest + each) % length for each in places)
        )


def _percentile(ordered: list[int], percent: int) -> int | None:
    """Return a percentile by the nearest rank."""
    if not ordered:
        return None
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
