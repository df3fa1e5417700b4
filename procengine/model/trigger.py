"""What is a trigger, as a definition?

Definitions are values, kept by the catalog; running triggers are rebuilt from them.
The text of a specification is parsed by `procengine.model.trigger_spec`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TypedDict

from procengine.model.node_spec import ALL_NODES
from procengine.model.run_limits import RunLimits


class ErrorBehavior(Enum):
    """What happens after a run of a write or schedule trigger raised."""

    LOG = "log"
    """The error is logged; the batch or tick is dropped."""
    RETRY = "retry"
    """The same input is run again, with exponential backoff, until it succeeds or is stopped."""
    DISABLE = "disable"
    """The trigger is disabled, for good (Differs: the original forgets that at restart)."""


class TriggerKind(Enum):
    """Which entry point a trigger calls."""

    WRITE = "write"
    """``process_writes(influxdb3_local, table_batches, args)``"""
    SCHEDULE = "schedule"
    """``process_scheduled_call(influxdb3_local, call_time, args)``"""
    REQUEST = "request"
    """``process_request(influxdb3_local, query_params, request_headers, request_body, args)``"""

    # By identity, as members are equal: an enum's own is written in Python, 0.1 us for each look into a mapping.
    __hash__ = object.__hash__


ENTRY_POINTS: Mapping[TriggerKind, str] = {
    TriggerKind.WRITE: "process_writes",
    TriggerKind.SCHEDULE: "process_scheduled_call",
    TriggerKind.REQUEST: "process_request",
}


class TriggerSettings(TypedDict, total=False):
    """What may be said of a trigger beside its name, plugin and specification; the fields of `Trigger`."""

    arguments: Mapping[str, str] | None
    run_async: bool
    error_behavior: ErrorBehavior | str
    disabled: bool
    limits: RunLimits
    node_spec: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """A trigger's definition, unique by name within its database.

    ``spec`` is the specification's text, ``plugin_filename`` is relative to the plugin directory,
    ``arguments`` is None when there are none (the plugin then receives ``None``).
    ``limits`` hold before the engine's own. ``pause_reason`` says why the engine paused the trigger to protect
    itself, until it is enabled again; None when it is not paused.
    ``node_spec`` says on which nodes it runs, as `procengine.model.node_spec` has it.
    ``trigger_id`` is unique in the engine and never used again; the catalog gives it.
    """

    database: str
    name: str
    plugin_filename: str
    spec: str
    arguments: Mapping[str, str] | None = None
    run_async: bool = False
    error_behavior: ErrorBehavior = ErrorBehavior.LOG
    disabled: bool = False
    node_spec: str = ALL_NODES
    limits: RunLimits = RunLimits()
    pause_reason: str | None = None
    trigger_id: int = field(default=0, compare=False)

    @property
    def settings(self) -> TriggerSettings:
        """What makes another trigger as this one, but for what the engine did to it."""
        return TriggerSettings(
            arguments=self.arguments,
            run_async=self.run_async,
            error_behavior=self.error_behavior,
            disabled=self.disabled,
            limits=self.limits,
            node_spec=self.node_spec,
        )
