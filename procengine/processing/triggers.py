"""What makes triggers run, and how are they doing?

The face of the processing engine. Events come in here: flushes, requests, and events fired by hand; schedules have
the clock. What creates and changes triggers is in `procengine.processing.trigger_changes`.

Source: influxdb3_processing_engine/src/lib.rs, ProcessingEngineManagerImpl.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import overload

from procengine.catalog import Catalog
from procengine.clock import Clock
from procengine.errors import (
    InvalidInputError,
    NotFoundError,
    ProcengineError,
    StoppedError,
)
from procengine.model.run import Response, Run
from procengine.model.table_rows import WalContents
from procengine.model.trigger import Trigger
from procengine.model.trigger_spec import TableSpec, parse_trigger_spec
from procengine.processing.activation import Activation, CheckPlugin
from procengine.processing.event import Event, RequestEvent, WriteEvent
from procengine.processing.instrument import Instrument
from procengine.processing.limited_runs import LimitedRuns
from procengine.processing.log_view import LogView
from procengine.processing.progress import Progress
from procengine.processing.request_routes import RequestRoutes
from procengine.processing.run_history import OnRunFinished, RunHistory
from procengine.processing.running_trigger import LogRow, Runner, RunningTrigger, RunParts
from procengine.processing.running_triggers import RunningTriggers, key_of
from procengine.processing.schedules import Schedules
from procengine.processing.stuck_run import StuckRun
from procengine.processing.taps import Taps
from procengine.processing.trigger_changes import TriggerChanges
from procengine.processing.trigger_options import TriggerOptions
from procengine.processing.trigger_statistics import TriggerStatistics
from procengine.processing.watchers import Watchers
from procengine.processing.worker_pool import TaskPool, WorkerPool

logger = logging.getLogger(__name__)


class Triggers(TriggerChanges):
    """The triggers of an engine. Any thread may use it, but where a method says otherwise.

    ``check_plugin`` loads a plugin and looks for its entry point; ``drop_cache`` forgets a trigger's local plugin
    cache; ``log`` adds a row to the processing engine logs. ``runs`` is the history, open; by default one in memory.
    ``taps`` is for who wants to hear of flushes and requests as they come. ``pool`` runs plugins; by default one of
    threads.
    """

    def __init__(
        self,
        catalog: Catalog,
        runner: Runner,
        write_ahead_log: LogView,
        clock: Clock,
        *,
        check_plugin: CheckPlugin,
        log: LogRow,
        drop_cache: Callable[[Trigger], None],
        options: TriggerOptions | None = None,
        runs: RunHistory | None = None,
        pool: TaskPool | None = None,
        plugin_note: Callable[[str], str] = lambda _: "",
    ) -> None:
        self.options = options or TriggerOptions()
        self.runs = runs if runs is not None else RunHistory(self.options.history_runs)
        self.taps = Taps()
        self._progress = Progress()
        self._watchers = Watchers(self.options.lag_limit_bytes)
        self._routes: RequestRoutes[RunningTrigger] = RequestRoutes()
        self._pool: TaskPool = pool or WorkerPool(
            limit=self.options.worker_limit, idle_seconds=self.options.worker_idle_seconds
        )
        self._limited = LimitedRuns()
        self._offered = 0
        parts = RunParts(
            runner=runner,
            limited=self._limited,
            pool=self._pool,
            clock=clock,
            progress=self._progress,
            history=self.runs,
            options=self.options,
            log=log,
            disable=self._disable_after_error,
            keep_pause=self._keep_pause,
            plugin_note=plugin_note,
        )
        activation = Activation(
            catalog=catalog,
            check_plugin=check_plugin,
            log=write_ahead_log,
            schedules=Schedules(clock),
            watchers=self._watchers,
            routes=self._routes,
            parts=parts,
        )
        running = RunningTriggers(
            drop_cache=drop_cache, log=log, stop_timeout_seconds=self.options.stop_timeout_seconds
        )
        super().__init__(
            catalog,
            activation,
            running,
            allowed_kinds=self.options.allowed_kinds,
            tallies=self.runs.tallies(),
        )

    def stop(self) -> tuple[StuckRun, ...]:
        """Stop all triggers: cancel what runs and wait for it up to ``stop_timeout_seconds``.

        Returns the runs that could not be stopped; each is in its trigger's log, too. Stopping twice is allowed.
        """
        deadline = time.monotonic() + self.options.stop_timeout_seconds
        self._close()
        stuck = self._running.stop_all(deadline)
        self._pool.stop(max(0.0, deadline - time.monotonic()))
        self._limited.close()
        for run in stuck:
            logger.warning("could not be stopped: %s", run)
        return tuple(stuck)

    def offer(self, contents: WalContents) -> None:
        """Wake the write triggers that want rows of a flush. On the flush thread; never waits."""
        if self._stopped:
            return
        self.taps.flushed(contents)
        self._watchers.offer(contents)
        self._offered = contents.sequence_number
        self._progress.changed()

    def fire(
        self,
        name: str,
        event: Event,
        *,
        database: str | None = None,
        dry_run: bool = False,
        cache_name: str | None = None,
        instrument: Instrument | None = None,
    ) -> Run:
        """Run a synthetic event on the calling thread, whatever the trigger's state, and return the run.

        A synchronous trigger finishes the run it is in first. The error behavior does not apply.
        A dry run sees a copy of what the trigger cached and leaves nothing behind; one with a ``cache_name`` shares
        the cache of tests of that name. KeyboardInterrupt gives the outcome CANCELLED.
        An ``instrument``, a debugger or a profiler, calls the entry point in the engine's place.

        Raises:
            TriggerNotFoundError, InvalidInputError: see `find`.
            InvalidInputError: the event is of another kind than the trigger, or has rows of tables that it does not
                watch: what can never happen is not to be tried.
            TriggerBusyError: called from inside a run of this synchronous trigger.
            StoppedError: the trigger was stopped meanwhile.
        """
        trigger = self.find(name, database)
        kind = parse_trigger_spec(trigger.spec).kind
        if event.kind is not kind:
            raise InvalidInputError(
                f"trigger {name!r} takes {kind.value} events ({trigger.spec}), got a {event.kind.value} event"
            )
        refuse_other_tables(trigger, event)
        with self._progress.under_way():
            return self._activation_of(trigger).fire(
                event, dry_run=dry_run, cache_name=cache_name, instrument=instrument
            )

    def takes_requests_in_turn(self, path: str) -> bool:
        """Tell whether a path's requests run one at a time; a caller who sees to that saves the waiting threads."""
        try:
            return not self._routes.find(path).trigger.run_async
        except NotFoundError:
            return False

    def request(self, path: str, event: RequestEvent) -> Response:
        """Answer a request by the trigger on its path, on the calling thread.

        A synchronous trigger takes one request at a time, in the order in which they came.
        A failed run answers 500 with the failure's text.

        Raises:
            NotFoundError: no trigger has the path.
            RequestQueueFullError: as many requests wait for the trigger as may.
            StoppedError: the trigger was stopped meanwhile.
        """
        running = self._routes.find(path)
        self.taps.requested(running.trigger.database, path, event)
        self._progress.begin()
        try:
            run = running.request(event)
        finally:
            self._progress.end()
        if run.response is None:
            raise StoppedError(f"trigger {running.trigger.name} was stopped before it answered")
        return run.response

    @overload
    def statistics(self) -> tuple[TriggerStatistics, ...]: ...

    @overload
    def statistics(self, database: str, name: str) -> TriggerStatistics: ...

    def statistics(
        self, database: str | None = None, name: str | None = None
    ) -> TriggerStatistics | tuple[TriggerStatistics, ...]:
        """Return how a trigger is doing, or, without a name, how all are, in the order of `list`.

        Raises: DatabaseNotFoundError, TriggerNotFoundError.
        """
        if database is not None and name is not None:
            return self._activation_of(self.get(database, name)).statistics()
        found = (self._running.find(key_of(trigger)) for trigger in self.list())
        return tuple(one.statistics() for one in found if one is not None)

    def subscribe(self, on_run_finished: OnRunFinished) -> Callable[[], None]:
        """Call back with each run that ends, on its thread; return the call that ends this."""
        return self.runs.subscribe(on_run_finished)

    @property
    def oldest_needed(self) -> int | None:
        """The lowest sequence number of the log that a write trigger has not handled; None when there is none."""
        positions = [one.source.position for one in self._running.all()]
        return min((position for position in positions if position is not None), default=None)

    def wait_caught_up(
        self, wal_sequence_number: int, timeout_seconds: float | None, database: str | None = None
    ) -> bool:
        """Wait until all synchronous write triggers (of a database) have handled the log so far; tell whether.

        A paused trigger is not waited for, one that retries is. KeyboardInterrupt ends the wait.
        """
        deadline = None if timeout_seconds is None else time.monotonic() + timeout_seconds

        def behind(running: RunningTrigger) -> bool:
            position = running.source.position
            return position is not None and position <= wal_sequence_number

        if not self._progress.wait_until(lambda: self._offered >= wal_sequence_number, timeout_seconds):
            return False
        late = [
            one
            for one in self._running.all()
            if not one.trigger.run_async and database in (None, one.trigger.database) and behind(one)
        ]

        def caught_up() -> bool:
            while late and not behind(late[-1]):
                late.pop()
            return not late

        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        return self._progress.wait_until(caught_up, left)

    def wait_idle(self, timeout_seconds: float | None) -> bool:
        """Wait until no run is going on, waits, or will be retried; tell whether. KeyboardInterrupt ends the wait."""
        return self._progress.wait_until(lambda: self._progress.idle, timeout_seconds)

    def _disable_after_error(self, running: RunningTrigger) -> None:
        """Disable a trigger for good. On its worker, so neither the run nor a change under way is waited for."""
        trigger = self._catalog.set_trigger_disabled(
            running.trigger.database, running.trigger.name, True
        )
        self._running.disable_now(running, self._activation.idle(trigger, running.tally))

    def _keep_pause(self, trigger: Trigger, reason: str) -> None:
        """Note a pause in the catalog. On a worker; a pause that cannot be kept holds until the engine stops."""
        try:
            self._catalog.pause_trigger(trigger.database, trigger.name, reason)
        except ProcengineError as error:
            logger.warning("a pause is not kept: trigger=%s error=%s", trigger.name, error)


def refuse_other_tables(trigger: Trigger, event: Event) -> None:
    """Refuse an event with rows that a trigger of one table never receives.

    Raises: InvalidInputError, with the table that it watches.
    """
    spec = parse_trigger_spec(trigger.spec)
    if not isinstance(spec, TableSpec) or not isinstance(event, WriteEvent):
        return
    others = sorted({rows.table for rows in event.rows} - {spec.table})
    if others:
        raise InvalidInputError(
            f"trigger {trigger.name!r} receives rows of table {spec.table} alone ({trigger.spec}), "
            f"got rows of {', '.join(others)}"
        )
