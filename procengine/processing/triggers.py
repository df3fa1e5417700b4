"""Which triggers are there, and what runs?

The face of the processing engine: triggers are created, enabled, disabled, deleted and fired here. Definitions
live in the catalog; a running trigger is made from one and replaced when it changes.

Source: influxdb3_processing_engine/src/lib.rs, ProcessingEngineManagerImpl.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from procengine.catalog import Catalog
from procengine.clock import Clock
from procengine.errors import (
    AlreadyExistsError,
    InvalidInputError,
    StoppedError,
    TriggerNotFoundError,
)
from procengine.model.catalog_event import CatalogEvent, DatabaseDeleted
from procengine.model.run import Response, Run
from procengine.model.table_rows import WalContents
from procengine.model.trigger import ErrorBehavior, Trigger, TriggerKind
from procengine.model.trigger_spec import parse_trigger_spec
from procengine.processing.activation import Activation, CheckPlugin
from procengine.processing.event import Event, RequestEvent
from procengine.processing.progress import Progress
from procengine.processing.request_routes import RequestRoutes
from procengine.processing.run_history import OnRunFinished, RunHistory
from procengine.processing.running_trigger import LogRow, Runner, RunningTrigger, RunParts
from procengine.processing.running_triggers import RunningTriggers, key_of
from procengine.processing.schedules import Schedules
from procengine.processing.trigger_options import TriggerOptions
from procengine.processing.trigger_statistics import RunTally, TriggerState, TriggerStatistics
from procengine.processing.watchers import Watchers
from procengine.processing.worker_pool import WorkerPool
from procengine.processing.write_cursor import ReadContents

logger = logging.getLogger(__name__)

_ORIGINAL_KIND_NAMES = {
    TriggerKind.WRITE: "WalRows",
    TriggerKind.SCHEDULE: "Schedule",
    TriggerKind.REQUEST: "Request",
}


class Triggers:
    """The triggers of an engine. Any thread may use it, but where a method says otherwise.

    ``check_plugin`` loads a plugin and looks for its entry point; ``drop_cache`` forgets a trigger's local plugin
    cache; ``log`` adds a row to the processing engine logs.
    """

    def __init__(
        self,
        catalog: Catalog,
        runner: Runner,
        read_contents: ReadContents,
        clock: Clock,
        *,
        check_plugin: CheckPlugin,
        log: LogRow,
        drop_cache: Callable[[Trigger], None],
        options: TriggerOptions | None = None,
    ) -> None:
        self.options = options or TriggerOptions()
        self.runs = RunHistory(self.options.history_runs)
        self._catalog = catalog
        self._progress = Progress()
        self._watchers = Watchers()
        self._routes: RequestRoutes[RunningTrigger] = RequestRoutes()
        self._pool = WorkerPool(
            limit=self.options.worker_limit, idle_seconds=self.options.worker_idle_seconds
        )
        self._activation = Activation(
            catalog=catalog,
            check_plugin=check_plugin,
            read_contents=read_contents,
            schedules=Schedules(clock),
            watchers=self._watchers,
            routes=self._routes,
            parts=RunParts(
                runner=runner,
                pool=self._pool,
                clock=clock,
                progress=self._progress,
                history=self.runs,
                options=self.options,
                log=log,
                disable=self._disable_after_error,
            ),
        )
        # Held while a definition changes, commit and wait for the old run included: changes are rare and must not
        # cross. A run never takes it.
        self._changes = threading.RLock()
        self._running = RunningTriggers(
            drop_cache=drop_cache, log=log, stop_timeout_seconds=self.options.stop_timeout_seconds
        )
        self._offered = 0
        self._stopped = False
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Start the enabled triggers of the catalog; one that cannot be is logged, and left in state FAILED."""
        with self._changes:
            self._unsubscribe = self._catalog.subscribe(self._on_catalog_event)
            for trigger in self.list():
                start = self._activation.idle if trigger.disabled else self._activation.start_or_fail
                self._running.put(start(trigger, RunTally()))

    def stop(self) -> tuple[str, ...]:
        """Stop all triggers: cancel what runs and wait for it up to ``stop_timeout_seconds``.

        Returns the names of the threads that could not be stopped. Stopping twice is allowed.
        """
        deadline = time.monotonic() + self.options.stop_timeout_seconds
        with self._changes:
            self._stopped = True
            self._unsubscribe()
        stuck = self._running.stop_all(deadline)
        stuck += self._pool.stop(max(0.0, deadline - time.monotonic()))
        if stuck:
            logger.warning("could not be stopped: threads=%s", ", ".join(sorted(set(stuck))))
        return tuple(sorted(set(stuck)))

    def offer(self, contents: WalContents) -> None:
        """Wake the write triggers that want rows of a flush. On the flush thread; never waits."""
        if self._stopped:
            return
        self._watchers.offer(contents)
        self._offered = contents.sequence_number
        self._progress.changed()

    def create(
        self,
        database: str,
        name: str,
        plugin_filename: str,
        spec: str,
        *,
        arguments: Mapping[str, str] | None = None,
        run_async: bool = False,
        error_behavior: ErrorBehavior | str = ErrorBehavior.LOG,
        disabled: bool = False,
    ) -> Trigger:
        """Create a trigger, start it unless disabled, and return it.

        Everything is checked before anything is kept.

        Raises:
            TriggerSpecError: the specification cannot be parsed.
            PluginError: the plugin cannot be loaded, or lacks the entry point.
            DatabaseNotFoundError: there is no such database.
            AlreadyExistsError: the name is taken in the database, or the request path by another trigger.
            InvalidInputError: triggers of this kind are not allowed, or the database is ``_internal``.
            StoppedError: the triggers were stopped.
        Source: influxdb3_catalog, versions/v3/ops/trigger.rs, CreateTriggerOp.
        Differs: the original neither compiles the plugin nor looks for its entry point.
        """
        trigger = Trigger(
            database=database,
            name=name,
            plugin_filename=plugin_filename,
            spec=spec.strip(),
            arguments=dict(arguments) if arguments else None,
            run_async=run_async,
            error_behavior=_error_behavior(error_behavior),
            disabled=disabled,
        )
        with self._changes:
            self._check(trigger)
            if name in self._catalog.database(database).triggers:
                raise AlreadyExistsError("attempted to create a resource that already exists")
            return self._run_from_now(self._catalog.create_trigger(trigger))

    def replace(
        self,
        database: str,
        name: str,
        plugin_filename: str,
        spec: str,
        *,
        arguments: Mapping[str, str] | None = None,
        run_async: bool = False,
        error_behavior: ErrorBehavior | str = ErrorBehavior.LOG,
        disabled: bool = False,
    ) -> Trigger:
        """Create a trigger, or change the one of this name in place; return it.

        A changed trigger keeps its id, and so its plugin cache, and its history. While only the plugin's text or
        the arguments changed, events that wait are kept; the run in flight ends as it began. A trigger that was
        paused or failed starts again; one that waits to retry does so at once.

        Raises: what `create` raises, but for a name that is taken.
        """
        if self._running.find((database, name)) is None:
            return self.create(
                database,
                name,
                plugin_filename,
                spec,
                arguments=arguments,
                run_async=run_async,
                error_behavior=error_behavior,
                disabled=disabled,
            )
        with self._changes:
            return self._replace(
                replace(
                    self.get(database, name),
                    plugin_filename=plugin_filename,
                    spec=spec.strip(),
                    arguments=dict(arguments) if arguments else None,
                    run_async=run_async,
                    error_behavior=_error_behavior(error_behavior),
                    disabled=disabled,
                )
            )

    def reload(self, database: str, name: str) -> Trigger:
        """Check a trigger's plugin again, as after a change of its text, and start it again where it had stopped.

        Raises: TriggerNotFoundError; what `create` raises about plugins.
        """
        with self._changes:
            return self._replace(self.get(database, name))

    def enable(self, database: str, name: str) -> Trigger:
        """Enable a trigger and return it; one that is enabled and running is left alone.

        One that is paused or failed starts again. Nothing from before is delivered.

        Raises:
            DatabaseNotFoundError, TriggerNotFoundError: there is none of this name.
            PluginError, AlreadyExistsError: as `create`.
        """
        with self._changes:
            trigger = replace(self.get(database, name), disabled=False)
            running = self._activation_of(trigger)
            if running.state in (TriggerState.DISABLED, TriggerState.PAUSED, TriggerState.FAILED):
                self._check(trigger)
                trigger = self._catalog.set_trigger_disabled(database, name, False)
                self._run_from_now(trigger, running)
            return trigger

    def disable(self, database: str, name: str) -> Trigger:
        """Disable a trigger, for good, and return it; one that is disabled is left alone.

        Its run in flight is cancelled and waited for, its local plugin cache dropped.

        Raises: DatabaseNotFoundError, TriggerNotFoundError: there is none of this name.
        """
        with self._changes:
            if self.get(database, name).disabled:
                return self.get(database, name)
            trigger = self._catalog.set_trigger_disabled(database, name, True)
            running = self._activation_of(trigger)
            self._running.put(self._activation.idle(trigger, running.tally))
            self._running.stop(running, for_good=True)
            return trigger

    def delete(self, database: str, name: str, *, force: bool = False) -> Trigger:
        """Delete a trigger and return what it was; its run in flight is cancelled and waited for.

        Raises:
            DatabaseNotFoundError, TriggerNotFoundError: there is none of this name.
            TriggerBusyError: it is enabled, and ``force`` is not given.
        """
        with self._changes:
            trigger = self._catalog.delete_trigger(database, name, force=force)
            self._running.remove([(database, name)])
            return trigger

    def get(self, database: str, name: str) -> Trigger:
        """Return a trigger's definition.

        Raises: DatabaseNotFoundError, TriggerNotFoundError.
        """
        trigger = self._catalog.database(database).triggers.get(name)
        if trigger is None:
            raise TriggerNotFoundError(name, database)
        return trigger

    def find(self, name: str, database: str | None = None) -> Trigger:
        """Return the trigger of a name, in one database or wherever it is.

        Raises:
            TriggerNotFoundError: there is none.
            InvalidInputError: several databases have one, and none was given.
        """
        if database is not None:
            return self.get(database, name)
        found = [trigger for trigger in self.list() if trigger.name == name]
        if not found:
            raise TriggerNotFoundError(name)
        if len(found) > 1:
            databases = ", ".join(trigger.database for trigger in found)
            raise InvalidInputError(
                f"trigger {name!r} is in several databases: {databases}; name one of them"
            )
        return found[0]

    def list(self) -> tuple[Trigger, ...]:
        """Return all triggers, database by database, in the order of their creation."""
        return tuple(
            trigger for database in self._catalog.databases for trigger in database.triggers.values()
        )

    def fire(
        self,
        name: str,
        event: Event,
        *,
        database: str | None = None,
        dry_run: bool = False,
        cache_name: str | None = None,
    ) -> Run:
        """Run a synthetic event on the calling thread, whatever the trigger's state, and return the run.

        A synchronous trigger finishes the run it is in first. The error behavior does not apply.
        KeyboardInterrupt gives the outcome CANCELLED.

        Raises:
            TriggerNotFoundError, InvalidInputError: see `find`.
            InvalidInputError: the event is of another kind than the trigger.
            TriggerBusyError: called from inside a run of this synchronous trigger.
            StoppedError: the trigger was stopped meanwhile.
        """
        trigger = self.find(name, database)
        kind = parse_trigger_spec(trigger.spec).kind
        if event.kind is not kind:
            raise InvalidInputError(
                f"trigger {name!r} takes {kind.value} events ({trigger.spec}), got a {event.kind.value} event"
            )
        with self._progress.under_way():
            return self._activation_of(trigger).fire(event, dry_run=dry_run, cache_name=cache_name)

    def request(self, path: str, event: RequestEvent) -> Response:
        """Answer a request by the trigger on its path, on the calling thread.

        A synchronous trigger takes one request at a time, in the order in which they came.
        A failed run answers 500 with the failure's text.

        Raises:
            NotFoundError: no trigger has the path.
            StoppedError: the trigger was stopped meanwhile.
        """
        running = self._routes.find(path)
        with self._progress.under_way():
            run = running.request(event)
        if run.response is None:
            raise StoppedError(f"trigger {running.trigger.name} was stopped before it answered")
        return run.response

    def statistics(self, database: str, name: str) -> TriggerStatistics:
        """Return how a trigger is doing.

        Raises: DatabaseNotFoundError, TriggerNotFoundError.
        """
        return self._activation_of(self.get(database, name)).statistics()

    def all_statistics(self) -> tuple[TriggerStatistics, ...]:
        """Return how all triggers are doing, in the order of `list`."""
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

    def _check(self, trigger: Trigger) -> None:
        if self._stopped:
            raise StoppedError("the triggers were stopped")
        kind = parse_trigger_spec(trigger.spec).kind
        if kind not in self.options.allowed_kinds:
            raise InvalidInputError(
                "invalid request: server is configured to reject "
                f"{_ORIGINAL_KIND_NAMES[kind]} plugin triggers"
            )
        self._activation.check(trigger)

    def _replace(self, trigger: Trigger) -> Trigger:
        """Put a definition in the place of the one of its name, and run it. ``_changes`` is held."""
        self._check(trigger)
        running = self._activation_of(trigger)
        trigger = self._catalog.replace_trigger(trigger)
        if running.can_become(trigger):
            running.become(trigger)
            return trigger
        self._running.put(self._activation.idle(trigger, running.tally))
        self._running.stop(running)
        return self._run_from_now(trigger, running)

    def _run_from_now(self, trigger: Trigger, before: RunningTrigger | None = None) -> Trigger:
        """Run a definition that was checked. ``_changes`` is held."""
        start = self._activation.idle if trigger.disabled else self._activation.start
        self._running.put(start(trigger, before.tally if before is not None else RunTally()))
        return trigger

    def _activation_of(self, trigger: Trigger) -> RunningTrigger:
        running = self._running.find(key_of(trigger))
        if running is None:
            raise StoppedError("the triggers are not started")
        return running

    def _disable_after_error(self, running: RunningTrigger) -> None:
        """Disable a trigger for good. On its worker, so neither the run nor a change under way is waited for."""
        trigger = self._catalog.set_trigger_disabled(
            running.trigger.database, running.trigger.name, True
        )
        self._running.disable_now(running, self._activation.idle(trigger, running.tally))

    def _on_catalog_event(self, event: CatalogEvent) -> None:
        """Stop the triggers of a deleted database. On the thread that deleted it."""
        if not isinstance(event, DatabaseDeleted):
            return
        with self._changes:
            triggers = (one.trigger for one in self._running.all())
            self._running.remove([key_of(one) for one in triggers if one.database == event.database])


def _error_behavior(value: ErrorBehavior | str) -> ErrorBehavior:
    try:
        return ErrorBehavior(value)
    except ValueError:
        accepted = ", ".join(behavior.value for behavior in ErrorBehavior)
        raise InvalidInputError(f"unknown error behavior {value!r}; expected {accepted}") from None
