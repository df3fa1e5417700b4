"""How does one trigger run its events?

A `RunningTrigger` is one activation of a trigger, from enable to disable; enabling it again makes another one.
Events of a synchronous trigger run one at a time, in order, on a worker that holds the trigger's turn; those of
an asynchronous one each on a worker of its own. Requests and fired events run on the caller's thread.
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Protocol

from procengine.clock import Clock
from procengine.errors import StoppedError, TriggerBusyError
from procengine.model.counted import counted
from procengine.model.duration import format_duration
from procengine.model.run import LogLevel, Run
from procengine.model.trigger import Trigger
from procengine.processing.backoff import AfterRun, decide
from procengine.processing.cancellation import CancelToken
from procengine.processing.event import Event
from procengine.processing.event_source import EventSource
from procengine.processing.flights import Flights
from procengine.processing.instrument import Instrument
from procengine.processing.limited_runs import Call, LimitedRuns
from procengine.processing.progress import Progress
from procengine.processing.retries import Retries
from procengine.processing.run_history import RunHistory
from procengine.processing.run_slots import RunSlots
from procengine.processing.strand import Strand
from procengine.processing.stuck_run import StuckRun
from procengine.processing.trigger_options import TriggerOptions
from procengine.processing.trigger_statistics import RunTally, TriggerState, TriggerStatistics
from procengine.processing.worker_pool import TaskPool

logger = logging.getLogger(__name__)


class Runner(Protocol):
    """Calls a plugin for an event; any thread, several at once."""

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
        """Run the plugin's entry point and return what happened; what the plugin raises is in the result."""
        ...


LogRow = Callable[[Trigger, LogLevel, str], None]
"""Adds a row to the processing engine logs."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunParts:
    """What all triggers run with.

    ``disable`` disables a trigger for good after an error; it must not wait for the trigger's run.
    ``keep_pause`` notes in the catalog why a trigger was paused. ``plugin_note`` says what is to be known of a
    plugin's copy, by its file name.
    """

    runner: Runner
    limited: LimitedRuns
    pool: TaskPool
    clock: Clock
    progress: Progress
    history: RunHistory
    options: TriggerOptions
    log: LogRow
    disable: Callable[[RunningTrigger], None]
    keep_pause: Callable[[Trigger, str], None]
    plugin_note: Callable[[str], str]


class RunningTrigger:
    """One activation of a trigger. Any thread may use it.

    One in state DISABLED or FAILED has no source: it runs fired events only. ``tally`` is handed on from the
    activation before.

    Differs: an attempt after a failure runs the plugin as it is then, so that correcting it ends the retries; the
        original's write triggers repeat with the code of the first attempt.
    """

    def __init__(
        self,
        trigger: Trigger,
        parts: RunParts,
        *,
        tally: RunTally,
        state: TriggerState,
        reason: str | None = None,
    ) -> None:
        self.tally = tally
        self.source = EventSource()
        self._parts = parts
        self._strand = Strand(parts.pool, parts.progress, self._step)
        # Says that the source has an event; returns at once.
        self.wake: Callable[[], None] = self._strand.wake
        self._flights = Flights(parts.progress)
        self._retries = Retries(parts.clock, parts.progress, resume=self.wake)
        self._slots = RunSlots(on_free=self.wake)
        self._cancel = CancelToken()
        self._define(trigger)
        # Guards the fields below.
        self._lock = threading.Lock()
        self._state = state
        self._reason = reason
        self._stopped = False
        self._pausing = False
        # The turn's holder's.
        self._warned = False

    @property
    def state(self) -> TriggerState:
        """What it does with events."""
        if self._state is TriggerState.ENABLED and self._retries.standing:
            return TriggerState.RETRYING
        return self._state

    def attach(self, source: EventSource) -> None:
        """Take events from a source from now on. What `EventSource.attach` raises is raised."""
        self.source = source
        source.attach()

    def can_become(self, trigger: Trigger) -> bool:
        """Tell whether another definition needs no other source, and this activation still takes events."""
        mine = self.trigger
        same_source = (mine.spec, mine.run_async, mine.node_spec) == (
            trigger.spec,
            trigger.run_async,
            trigger.node_spec,
        )
        return same_source and self._takes_events and not trigger.disabled

    def become(self, trigger: Trigger) -> None:
        """Run by another definition from the next event on; what waits to be retried is run at once."""
        self._define(trigger)
        self._retries.hurry()

    def fire(
        self,
        event: Event,
        *,
        dry_run: bool = False,
        cache_name: str | None = None,
        instrument: Instrument | None = None,
    ) -> Run:
        """Run an event on the calling thread and return what happened; the error behavior does not apply.

        A synchronous trigger waits for its turn first. KeyboardInterrupt ends the wait, or cancels the run.

        Raises:
            StoppedError: the trigger was stopped meanwhile.
            TriggerBusyError: the calling thread is inside a run of this synchronous trigger.
        """
        with self._turn():
            return self._run(
                event,
                dry_run=dry_run,
                cache_name=cache_name,
                capture_lines=True,
                instrument=instrument,
            )

    def request(self, event: Event) -> Run:
        """Run a request on the calling thread: in turn, or at once when asynchronous.

        The error behavior does not apply. Raises as `fire` does, and:
            RequestQueueFullError: as many requests wait as may.
        """
        if not self.trigger.run_async and self._strand.try_turn():  # as most do
            try:
                return self._run(event)
            finally:
                self._strand.pass_on()
        with self._turn(most_waiting=self._parts.options.request_queue_limit):
            return self._run(event)

    def pause_soon(self, reason: str) -> None:
        """Have a worker pause the trigger; returns at once."""
        with self._lock:
            if self._pausing:
                return
            self._pausing = True
        with contextlib.suppress(StoppedError):
            self._parts.pool.submit(lambda: self.pause(reason))

    def pause(self, reason: str) -> None:
        """Take no more events until the trigger is enabled again; what waits is dropped.

        The catalog keeps the reason, so that a restart does not end the pause.
        """
        if not self._takes_events:
            return
        self._parts.keep_pause(self.trigger, reason)
        with self._lock:
            if self._stopped or self._state is not TriggerState.ENABLED:
                return
            self._state, self._reason = TriggerState.PAUSED, reason
        dropped = self.source.lag.rows
        self._drop_waiting()
        verb = "is" if dropped == 1 else "are"
        waited = f", {counted(dropped, 'row')} that waited {verb} passed over" if dropped else ""
        self._log(
            LogLevel.ERROR, f"trigger paused: {reason}{waited}; enable it to go on with what comes then"
        )

    def end(self) -> None:
        """Note that no tick will come any more.

        Differs: the original ends silently and shows the trigger as enabled.
        """
        reason = f"{self.trigger.spec} matches no time to come"
        with self._lock:
            if self._stopped or self._state is not TriggerState.ENABLED:
                return
            self._state, self._reason = TriggerState.ENDED, reason
        self._log(LogLevel.WARN, f"trigger ended: {reason}")

    def stop(self, because: str | None = None) -> None:
        """Take no more events, drop those that wait, and cancel the runs in flight; does not wait.

        ``because`` is what records of those runs say.
        """
        with self._lock:
            self._stopped = True
        self._flights.close()
        self._cancel.cancel(because)
        self._strand.close()
        self._slots.close()
        self._drop_waiting()

    @property
    def is_inside_runs(self) -> bool:
        """Whether any of its runs is going on."""
        return len(self._flights) > 0

    def wait_stopped(self, timeout_seconds: float) -> tuple[StuckRun, ...]:
        """Wait until no run is in flight but the calling thread's own; return those that still are."""
        return self._flights.wait_landed(timeout_seconds, self.trigger)

    def statistics(self) -> TriggerStatistics:
        """Return how the trigger is doing."""
        reading = self.tally.read()
        source = self.source
        return TriggerStatistics(
            trigger=self.trigger,
            state=self.state,
            reason=self._reason,
            runs=reading.runs,
            errors=reading.errors,
            failing=reading.failing,
            last_run_ns=reading.last_run_ns,
            last_duration_ns=reading.last_duration_ns,
            last_failure=reading.last_failure,
            next_fire_ns=source.next_fire_ns if self._takes_events else None,
            attempt=self._retries.attempt,
            p50_ns=reading.p50_ns,
            p95_ns=reading.p95_ns,
            p99_ns=reading.p99_ns,
            in_flight=len(self._flights),
            queue_depth=source.waiting + self._strand.waiting_callers + self._slots.waiting_callers,
            lag=source.lag,
            warning=self._warning if self._takes_events else None,
            last_outcome=reading.last_outcome,
            recent=reading.recent,
        )

    @property
    def _warning(self) -> str | None:
        callers = self._strand.waiting_callers + self._slots.waiting_callers
        if (warning := self.source.pressure) is not None:
            return warning
        if 2 * callers >= self._parts.options.request_queue_limit:
            verb = "waits" if callers == 1 else "wait"
            return f"{counted(callers, 'request')} {verb}; at most {self._parts.options.request_queue_limit} may"
        pool = self._parts.pool
        if pool.is_exhausted and self.source.waiting:
            return f"all {pool.worker_count} workers are inside runs, and {pool.line_length:,} more wait for one"
        return self._parts.plugin_note(self.trigger.plugin_filename) or None

    @property
    def _takes_events(self) -> bool:
        return self._state.takes_events and not self._stopped

    def _define(self, trigger: Trigger) -> None:
        """Run by a definition from now on."""
        self.trigger = trigger
        self._limits = trigger.limits.over(self._parts.options.limits)
        self._is_watched = self._limits.is_watched
        self._slots.limit = self._parts.options.runs_of(self._limits)

    def _turn(self, *, most_waiting: int | None = None) -> AbstractContextManager[None]:
        is_async = self.trigger.run_async
        if is_async and self._limits.runs is None:
            return nullcontext()
        if self._flights.includes_this_thread:
            what = f"runs at most {self._limits.runs} at a time" if is_async else "is synchronous"
            raise TriggerBusyError(
                f"trigger {self.trigger.name} {what} and this thread is inside a run of it"
            )
        if is_async:
            return self._slots.slot(most_waiting)
        return self._strand.turn(most_waiting=most_waiting)

    def _step(self) -> bool:
        """Do one thing that waits; tell whether there may be more. On a worker, with the turn held."""
        return self._guarded(self._step_async if self.trigger.run_async else self._step_sync)

    def _guarded(self, work: Callable[[], bool]) -> bool:
        """Do something on a worker; what goes wrong in the engine pauses the trigger."""
        try:
            return work()
        except StoppedError:
            pass
        except LookupError as error:
            self.pause(f"the write-ahead log no longer holds what it has yet to handle: {error}")
        except Exception as error:
            logger.exception("trigger failed: trigger=%s", self.trigger.name)
            self.pause(f"the engine failed: {type(error).__name__}: {error}")
        return False

    def _step_sync(self) -> bool:
        retry = self._retries.first if self._retries.standing else None
        if retry is not None and not retry.due:
            return False
        event = retry.event if retry is not None else self._take()
        if event is None:
            return False
        again = self._run_and_decide(event, attempt=retry.attempt if retry is not None else 1)
        if not again:
            self._handled()
        if retry is not None:
            self._retries.strike(retry)
        return self.source.waiting > 0 or bool(self._retries.standing)

    def _step_async(self) -> bool:
        """Start one run if there is a slot. What failed and is due goes before what is new."""
        if not self._slots.try_take():
            return False
        retry = self._retries.first_due
        if retry is not None and self._retries.strike(retry):
            self._spawn(retry.event, attempt=retry.attempt)
            return True
        event = self._take_beside_retries()
        if event is None:
            self._slots.give_back(unused=True)
            return False
        self._spawn(event, attempt=1)
        self._handled()
        return True

    def _take_beside_retries(self) -> Event | None:
        """Return the next event, unless so many wait to be retried that more would pile up beside them."""
        if len(self._retries.standing) + self._slots.taken > self._slots.limit:
            return None
        try:
            return self._take()
        except BaseException:
            self._slots.give_back(unused=True)
            raise

    def _take(self) -> Event | None:
        """Return the next event, unless the trigger takes none, or must not take this one."""
        if not self._takes_events:
            return None
        event = self.source.take()
        if self._warned or self.source.waiting > 1:
            self._say_pressure()
        limit = self._parts.options.depth_limit
        if event is not None and event.cause.depth > limit:
            self.pause(
                f"a chain of {event.cause.depth} writes, each made by a run that the one before it caused, led "
                f"to this one; at most {limit} are allowed, so that a plugin that feeds itself comes to an end"
            )
            return None
        return event

    def _say_pressure(self) -> None:
        """Log once when the trigger falls behind, and once when it has caught up."""
        warning = self.source.pressure
        if warning is not None and not self._warned:
            self._warned = True
            self._log(LogLevel.WARN, warning)
        elif self._warned and self.source.waiting <= 1:
            self._warned = False
            self._log(LogLevel.INFO, "it has caught up")

    def _handled(self) -> None:
        self.source.done()
        self._parts.progress.changed()

    def _spawn(self, event: Event, *, attempt: int) -> None:
        """Run an event of an asynchronous trigger on a worker of its own, in the slot that was taken."""
        self._parts.progress.begin()
        try:
            self._parts.pool.submit(lambda: self._run_spawned(event, attempt))
        except StoppedError:
            self._parts.progress.end()

    def _run_spawned(self, event: Event, attempt: int) -> None:
        self._guarded(lambda: self._run_and_decide(event, attempt=attempt))
        self._slots.give_back()
        self._parts.progress.end()

    def _run_and_decide(self, event: Event, *, attempt: int) -> bool:
        """Run an event and act on the outcome; tell whether it will be run again."""
        run = self._run(event, attempt=attempt)
        if not (run.outcome.is_failure and self._takes_events):
            return False
        backoff = self._parts.options.backoff
        match decide(run.outcome, self.trigger.error_behavior, attempt, backoff):
            case AfterRun.RETRY:
                pause_ns = backoff.pause_ns(attempt)
                self._log(
                    LogLevel.WARN, f"attempt {attempt} failed, retrying in {format_duration(pause_ns)}"
                )
                self._retries.add(event, attempt=attempt + 1, pause_ns=pause_ns)
                return True
            case AfterRun.GIVE_UP:
                self._log(LogLevel.ERROR, f"giving up after {attempt} attempts: {_message(run)}")
            case AfterRun.DISABLE:
                self._log(LogLevel.ERROR, f"trigger disabled after an error: {_message(run)}")
                self._parts.disable(self)
            case AfterRun.NEXT:
                pass
        return False

    def _run(
        self,
        event: Event,
        *,
        attempt: int = 1,
        dry_run: bool = False,
        cache_name: str | None = None,
        capture_lines: bool = False,
        instrument: Instrument | None = None,
    ) -> Run:
        parts, flight = self._parts, self._flights.take_off()

        def call(cancel: CancelToken) -> Run:
            return parts.runner.run(
                self.trigger,
                event,
                dry_run=dry_run,
                cache_name=cache_name,
                capture_lines=capture_lines,
                attempt=attempt,
                cancel=cancel,
                instrument=instrument,
            )

        try:
            if self._is_watched and (instrument is None or not instrument.pauses):
                run = self._made_within_limits(flight, call)
            else:
                run = parts.limited.run_beside(self._cancel, call)
            if not dry_run:
                self.tally.count(run)
            parts.history.add(run)
        finally:
            self._flights.land(flight)
        return run

    def _made_within_limits(self, flight: int, call: Call) -> Run:
        return self._parts.limited.run(
            self._limits,
            self._cancel,
            call,
            name_stuck=lambda: self._name_stuck(flight),
            not_alone=self._say_not_alone,
        )

    def _drop_waiting(self) -> None:
        self.source.detach()
        self._retries.close()
        self._parts.progress.changed()

    def _log(self, level: LogLevel, text: str) -> None:
        self._parts.log(self.trigger, level, text)

    def _name_stuck(self, flight: int) -> None:
        stuck = self._flights.stuck(flight, self.trigger)
        if stuck is not None:
            self._log(
                LogLevel.ERROR,
                f"a run that exceeded a limit cannot be interrupted and goes on in {stuck.where}",
            )

    def _say_not_alone(self) -> None:
        self._log(
            LogLevel.WARN,
            "a run with a memory limit did not get the plugins to itself in time and runs beside others; "
            "what it is measured by is theirs too",
        )


def _message(run: Run) -> str:
    return run.failure.message if run.failure is not None else run.outcome.value
