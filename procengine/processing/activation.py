"""How does a definition become a running trigger?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

from procengine.catalog import Catalog
from procengine.errors import ProcengineError
from procengine.model.byte_size import format_bytes
from procengine.model.node_spec import elsewhere, is_for_node
from procengine.model.run import LogLevel
from procengine.model.trigger import Trigger, TriggerKind
from procengine.model.trigger_spec import (
    AllTablesSpec,
    CronSpec,
    EverySpec,
    RequestSpec,
    TableSpec,
    TriggerSpec,
    WriteSpec,
    parse_trigger_spec,
)
from procengine.processing.event_source import EventSource, RequestSource, TickSource, WriteSource
from procengine.processing.log_view import LogView
from procengine.processing.request_routes import RequestRoutes
from procengine.processing.running_trigger import RunningTrigger, RunParts
from procengine.processing.schedules import Schedules
from procengine.processing.trigger_statistics import RunTally, TriggerState
from procengine.processing.watchers import Watcher, Watchers
from procengine.processing.write_cursor import Watch, WriteCursor

CheckPlugin = Callable[[str, TriggerKind], object]
"""Loads a plugin by its file name and looks for the entry point of a kind; raises `PluginError`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Activation:
    """Starts triggers: finds their events' source and joins the two."""

    catalog: Catalog
    check_plugin: CheckPlugin
    schedules: Schedules
    watchers: Watchers
    routes: RequestRoutes[RunningTrigger]
    log: LogView
    parts: RunParts

    def check(self, trigger: Trigger) -> TriggerSpec:
        """Accept a definition that could be started now; return its specification.

        Raises:
            TriggerSpecError: the specification cannot be parsed.
            PluginError: the plugin cannot be loaded, or has no entry point for the specification's kind.
            AlreadyExistsError: another trigger answers its request path.
        """
        spec = parse_trigger_spec(trigger.spec)
        self.check_plugin(trigger.plugin_filename, spec.kind)
        if isinstance(spec, RequestSpec) and not trigger.disabled and self.is_here(trigger):
            self.routes.check_free(spec.path, owner_of(trigger))
        return spec

    def is_here(self, trigger: Trigger) -> bool:
        """Tell whether a trigger is meant for this node."""
        return is_for_node(trigger.node_spec, self.catalog.node_id)

    def start(self, trigger: Trigger, tally: RunTally) -> RunningTrigger:
        """Return an enabled trigger, whose definition was checked, that takes events from now on.

        One that is meant for other nodes takes none.

        Raises: AlreadyExistsError: another trigger answers its request path.
        """
        if not self.is_here(trigger):
            return self._elsewhere(trigger, tally)
        spec = parse_trigger_spec(trigger.spec)
        note = self.parts.plugin_note(trigger.plugin_filename)
        if note:
            self.parts.log(trigger, LogLevel.WARN, note)
        running = RunningTrigger(trigger, self.parts, tally=tally, state=TriggerState.ENABLED)
        running.attach(self._source(running, spec))
        return running

    def start_again(self, trigger: Trigger, tally: RunTally) -> RunningTrigger:
        """Return a trigger of the catalog as it stands after the engine's start."""
        if trigger.disabled:
            return self.idle(trigger, tally)
        if trigger.pause_reason is not None:
            self.parts.log(
                trigger,
                LogLevel.WARN,
                f"trigger still paused: {trigger.pause_reason}; enable it to go on",
            )
            return self.idle(trigger, tally, TriggerState.PAUSED, trigger.pause_reason)
        if self.is_here(trigger):
            self._say_passed_over(trigger)
        return self.start_or_fail(trigger, tally)

    def _say_passed_over(self, trigger: Trigger) -> None:
        """Log how many rows a write trigger had still to handle when the engine before ended."""
        spec = parse_trigger_spec(trigger.spec)
        if not isinstance(spec, TableSpec | AllTablesSpec):
            return
        watch = Watch.of(self.catalog.database(trigger.database).id, spec)
        rows = self.log.passed_over(trigger.trigger_id, watch)
        if not rows:
            return
        clean = self.log.places.ended_clean
        number = ("" if clean else "about ") + f"{rows:,} {'was' if rows == 1 else 'were'}"
        how = "was stopped" if clean else "ended without being stopped (the number is of 50 ms before)"
        self.parts.log(
            trigger,
            LogLevel.WARN,
            f"rows passed over: {number} written before the engine {how} and not handled by then; "
            "nothing is delivered again",
        )

    def start_or_fail(self, trigger: Trigger, tally: RunTally) -> RunningTrigger:
        """Return an enabled trigger, or one in state FAILED, logged, when it cannot be started."""
        try:
            self.check(trigger)
            return self.start(trigger, tally)
        except ProcengineError as error:
            self.parts.log(trigger, LogLevel.ERROR, f"trigger not started: {error}")
            return self.idle(trigger, tally, TriggerState.FAILED, str(error))

    def idle(
        self,
        trigger: Trigger,
        tally: RunTally,
        state: TriggerState = TriggerState.DISABLED,
        reason: str | None = None,
    ) -> RunningTrigger:
        """Return a trigger that takes no events but fired ones."""
        return RunningTrigger(trigger, self.parts, tally=tally, state=state, reason=reason)

    def _elsewhere(self, trigger: Trigger, tally: RunTally) -> RunningTrigger:
        """Return a trigger that other nodes run, logged: it is easily taken for one that does not work."""
        reason = elsewhere(trigger.node_spec, self.catalog.node_id)
        self.parts.log(trigger, LogLevel.WARN, f"trigger does not run here: it is {reason}")
        return self.idle(trigger, tally, TriggerState.ELSEWHERE, reason)

    def _source(self, running: RunningTrigger, spec: TriggerSpec) -> EventSource:
        match spec:
            case TableSpec() | AllTablesSpec():
                return self._write_source(running, spec)
            case CronSpec() | EverySpec():
                return TickSource(
                    self.schedules,
                    spec,
                    now_ns=self.parts.clock.now_ns,
                    wake=running.wake,
                    on_end=running.end,
                )
            case RequestSpec():
                owner = owner_of(running.trigger)
                return RequestSource(
                    claim=lambda: self.routes.add(spec.path, owner, running),
                    release=lambda: self.routes.remove(spec.path, running),
                )
        assert_never(spec)

    def _write_source(self, running: RunningTrigger, spec: WriteSpec) -> WriteSource:
        limit = format_bytes(self.parts.options.lag_limit_bytes)
        database_id = self.catalog.database(running.trigger.database).id
        trigger_id = running.trigger.trigger_id
        places = self.log.places
        cursor = WriteCursor(
            Watch.of(database_id, spec),
            self.log.read,
            self.parts.clock.now_ns,
            on_move=lambda: places.moved(trigger_id),
        )
        reason = f"it was so far behind that more than {limit} of the write-ahead log were kept for it"
        watcher = Watcher(
            cursor=cursor,
            wake=running.wake,
            overrun=lambda: running.pause_soon(reason),
        )
        return WriteSource(
            self.watchers,
            watcher,
            log_end=self.log.end,
            follow=lambda: places.follow(trigger_id, cursor.place),
            leave=lambda: places.leave(trigger_id),
        )


def owner_of(trigger: Trigger) -> str:
    """Return the text by which a trigger is named across databases."""
    return f"{trigger.name} in database {trigger.database}"
