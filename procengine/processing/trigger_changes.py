"""Which triggers are there?

Definitions live in the catalog. Each change of one is checked, committed, and then followed by the running trigger.

Source: influxdb3_processing_engine/src/lib.rs, run_trigger, stop_trigger, background_catalog_update.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Unpack

from procengine.catalog import Catalog
from procengine.errors import (
    AlreadyExistsError,
    InvalidInputError,
    StoppedError,
    TriggerNotFoundError,
)
from procengine.model.catalog_event import CatalogEvent, DatabaseDeleted
from procengine.model.node_spec import ALL_NODES, parse_node_spec
from procengine.model.run_limits import RunLimits
from procengine.model.trigger import ErrorBehavior, Trigger, TriggerKind, TriggerSettings
from procengine.model.trigger_spec import parse_trigger_spec
from procengine.processing.activation import Activation
from procengine.processing.limit_watch import cpu_clock
from procengine.processing.running_trigger import RunningTrigger
from procengine.processing.running_triggers import RunningTriggers, key_of
from procengine.processing.trigger_statistics import RunTally, TriggerState

_ORIGINAL_KIND_NAMES = {
    TriggerKind.WRITE: "WalRows",
    TriggerKind.SCHEDULE: "Schedule",
    TriggerKind.REQUEST: "Request",
}


DISABLED = "disabled while it ran"
"""What the record of a run says that `disable` ended."""


class TriggerChanges:
    """Creates, changes and deletes triggers, and keeps the running ones in step. Any thread.

    ``tallies`` are what engines before have counted, by trigger id.
    """

    def __init__(
        self,
        catalog: Catalog,
        activation: Activation,
        running: RunningTriggers,
        *,
        allowed_kinds: frozenset[TriggerKind],
        tallies: Mapping[int, RunTally],
    ) -> None:
        self._catalog = catalog
        self._activation = activation
        self._running = running
        self._allowed_kinds = allowed_kinds
        self._tallies = tallies
        # Held while a definition changes, commit and wait for the old run included: changes are rare and must not
        # cross. A run never takes it.
        self._changes = threading.RLock()
        self._stopped = False
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Start the enabled triggers of the catalog; one that cannot be is logged, and left in state FAILED."""
        with self._changes:
            self._unsubscribe = self._catalog.subscribe(self._on_catalog_event)
            for trigger in self.list():
                tally = self._tallies.get(trigger.trigger_id) or RunTally()
                self._running.put(self._activation.start_again(trigger, tally))

    def create(
        self,
        database: str,
        name: str,
        plugin_filename: str,
        spec: str,
        **settings: Unpack[TriggerSettings],
    ) -> Trigger:
        """Create a trigger, start it unless disabled, and return it.

        Everything is checked before anything is kept. ``settings`` are keyword arguments: ``arguments``,
        ``run_async``, ``error_behavior``, ``disabled``, ``limits`` and ``node_spec``. A trigger that is meant
        for other nodes is kept and does not run.

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
        trigger = _definition(database, name, plugin_filename, spec, settings)
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
        **settings: Unpack[TriggerSettings],
    ) -> Trigger:
        """Create a trigger, or change the one of this name in place; return it. ``settings`` as for `create`.

        Without a ``node_spec`` it stays on its nodes. A changed trigger keeps its id, and so its history, and its
        plugin cache unless that disables or enables it. While only the plugin's text or the arguments changed,
        events that wait are kept; the run in flight ends as it began. A trigger that was paused or failed starts
        again; one that waits to retry does so at once.

        Raises: what `create` raises, but for a name that is taken.
        """
        if self._running.find((database, name)) is None:
            return self.create(database, name, plugin_filename, spec, **settings)
        trigger = _definition(database, name, plugin_filename, spec, settings)
        with self._changes:
            present = self.get(database, name)
            return self._replace(
                replace(
                    trigger,
                    node_spec=trigger.node_spec if "node_spec" in settings else present.node_spec,
                    trigger_id=present.trigger_id,
                )
            )

    def reload(self, database: str, name: str) -> Trigger:
        """Check a trigger's plugin again, as after a change of its text, and start it again where it had stopped.

        Raises: TriggerNotFoundError; what `create` raises about plugins.
        """
        with self._changes:
            return self._replace(replace(self.get(database, name), pause_reason=None))

    def enable(self, database: str, name: str) -> Trigger:
        """Enable a trigger and return it; one that is enabled and running is left alone.

        One that is paused or failed starts again. Nothing from before is delivered; one that was disabled begins with
        an empty plugin cache.

        Raises:
            DatabaseNotFoundError, TriggerNotFoundError: there is none of this name.
            PluginError, AlreadyExistsError: as `create`.
        """
        with self._changes:
            trigger = replace(self.get(database, name), disabled=False, pause_reason=None)
            running = self._activation_of(trigger)
            if running.state in (TriggerState.DISABLED, TriggerState.PAUSED, TriggerState.FAILED):
                self._check(trigger)
                if running.state is TriggerState.DISABLED:
                    self._running.begin_anew(trigger)
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
            self._running.stop(running, for_good=True, because=DISABLED)
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

    def _check(self, trigger: Trigger) -> None:
        if self._stopped:
            raise StoppedError("the triggers were stopped")
        _check_texts(trigger)
        kind = parse_trigger_spec(trigger.spec).kind
        if kind not in self._allowed_kinds:
            raise InvalidInputError(
                "invalid request: server is configured to reject "
                f"{_ORIGINAL_KIND_NAMES[kind]} plugin triggers"
            )
        self._activation.check(trigger)

    def _replace(self, trigger: Trigger) -> Trigger:
        """Put a definition in the place of the one of its name, and run it. ``_changes`` is held."""
        self._check(trigger)
        running = self._activation_of(trigger)
        was_disabled = running.trigger.disabled
        if was_disabled and not trigger.disabled:
            self._running.begin_anew(trigger)
        trigger = self._catalog.replace_trigger(trigger)
        if running.can_become(trigger):
            running.become(trigger)
            return trigger
        self._running.put(self._activation.idle(trigger, running.tally))
        self._running.stop(
            running,
            for_good=trigger.disabled and not was_disabled,
            because=DISABLED if trigger.disabled else "changed while it ran",
        )
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

    def _on_catalog_event(self, event: CatalogEvent) -> None:
        """Stop the triggers of a deleted database. On the thread that deleted it."""
        if not isinstance(event, DatabaseDeleted):
            return
        with self._changes:
            triggers = (one.trigger for one in self._running.all())
            self._running.remove([key_of(one) for one in triggers if one.database == event.database])

    def _close(self) -> None:
        """Follow the catalog no longer, and refuse changes from now on."""
        with self._changes:
            self._stopped = True
            self._unsubscribe()


def _definition(
    database: str, name: str, plugin_filename: str, spec: str, settings: TriggerSettings
) -> Trigger:
    """Return what a caller said, as a definition.

    Raises: InvalidInputError.
    """
    arguments = settings.get("arguments")
    limits = settings.get("limits") or RunLimits()
    if limits.cpu_ns is not None and cpu_clock() is None:
        raise InvalidInputError(
            "a limit of CPU time needs pthread_getcpuclockid, which this system does not have; leave it out"
        )
    return Trigger(
        database=database,
        name=name,
        plugin_filename=plugin_filename,
        spec=spec.strip(),
        arguments=dict(arguments) if arguments else None,
        run_async=settings.get("run_async", False),
        error_behavior=_error_behavior(settings.get("error_behavior", ErrorBehavior.LOG)),
        disabled=settings.get("disabled", False),
        limits=limits,
        node_spec=parse_node_spec(settings.get("node_spec", ALL_NODES)),
    )


def _check_texts(trigger: Trigger) -> None:
    """Accept a definition that is all text which the catalog can store; its name is the catalog's to check.

    Raises: InvalidInputError.
    """
    texts = {"plugin filename": trigger.plugin_filename, "trigger specification": trigger.spec}
    for key, value in (trigger.arguments or {}).items():
        texts |= {f"key {key!r} of the trigger arguments": key, f"trigger argument {key!r}": value}
    for what, text in texts.items():
        if not isinstance(text, str):
            raise InvalidInputError(f"{what} must be text, got {text!r}; write it as str")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise InvalidInputError(
                f"{what} is no Unicode text: character number {error.start} of {text!r} is half of a "
                "surrogate pair"
            ) from error


def _error_behavior(value: ErrorBehavior | str) -> ErrorBehavior:
    try:
        return ErrorBehavior(value)
    except ValueError:
        accepted = ", ".join(behavior.value for behavior in ErrorBehavior)
        raise InvalidInputError(f"unknown error behavior {value!r}; expected {accepted}") from None
