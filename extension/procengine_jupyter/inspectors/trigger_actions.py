"""What can be done to a trigger from the board?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

from procengine.model.trigger import Trigger
from procengine.processing.trigger_statistics import TriggerState, TriggerStatistics
from procengine_jupyter.fire_command import make_event
from procengine_jupyter.inspectors.actions import Action, Said
from procengine_jupyter.inspectors.event_form import event_fields, words_of
from procengine_jupyter.render.run_card import RunCard
from procengine_jupyter.render.trigger_card import CommandLineCard
from procengine_jupyter.render.view import View

if TYPE_CHECKING:
    from procengine.engine import Engine

CellNames = Callable[[], Mapping[str, str]]


class OpenInspector(Protocol):
    """Makes an inspector of some state of one trigger."""

    def __call__(self, what: str, name: str, database: str) -> View:
        """Return an inspector of ``runs`` or ``logs``.

        Raises: UsageError, ProcengineError when the state cannot be looked at.
        """
        ...


def trigger_actions(
    engine: Engine, one: TriggerStatistics, open_inspector: OpenInspector, cell_names: CellNames
) -> list[Action]:
    """Return what can be done to a trigger as it is; what waits for a run of its own is done apart."""
    trigger = one.trigger
    fields = event_fields(engine, trigger)

    def fire(said: Said, *, dry_run: bool) -> RunCard:
        event = make_event(engine, trigger, words_of(said), None)
        run = engine.triggers.fire(trigger.name, event, database=trigger.database, dry_run=dry_run)
        return RunCard(run, cell_names())

    return [
        Action(
            name="fire",
            label="fire…",
            about="run it with an event made up here",
            fields=fields,
            act=lambda said: fire(said, dry_run=False),
            waits=True,
        ),
        Action(
            name="dry-run",
            label="dry run…",
            about="the same, but nothing is stored",
            fields=fields,
            act=lambda said: fire(said, dry_run=True),
            waits=True,
        ),
        *_switches(engine, one),
        Action(
            name="delete",
            label="delete trigger",
            about="for good; its runs and logs stay",
            act=lambda _said: _delete(engine, trigger),
            asks=True,
            waits=True,
        ),
        Action(
            name="logs",
            label="logs",
            about="what it logged",
            act=lambda _said: open_inspector("logs", trigger.name, trigger.database),
        ),
        Action(
            name="runs",
            label="runs",
            about="its runs",
            act=lambda _said: open_inspector("runs", trigger.name, trigger.database),
        ),
        Action(
            name="command",
            label="command line",
            about="what would make it elsewhere",
            act=lambda _said: CommandLineCard(trigger),
        ),
    ]


def _switches(engine: Engine, one: TriggerStatistics) -> list[Action]:
    """Return what changes whether a trigger runs: a paused or failed one can be told to go on, or disabled."""
    trigger = one.trigger
    found = []
    if one.state not in (TriggerState.ENABLED, TriggerState.RETRYING, TriggerState.ENDED):
        found.append(
            Action(
                name="enable",
                label="enable",
                about="let it take events again",
                act=lambda _said: _enable(engine, trigger),
                waits=True,
            )
        )
    if one.state is not TriggerState.DISABLED:
        found.append(
            Action(
                name="disable",
                label="disable",
                about="take no event any more; a run in flight is cancelled",
                act=lambda _said: _disable(engine, trigger),
                waits=True,
            )
        )
    return found


def _enable(engine: Engine, trigger: Trigger) -> str:
    engine.triggers.enable(trigger.database, trigger.name)
    return f"enabled {trigger.name}"


def _disable(engine: Engine, trigger: Trigger) -> str:
    engine.triggers.disable(trigger.database, trigger.name)
    return f"disabled {trigger.name}"


def _delete(engine: Engine, trigger: Trigger) -> str:
    engine.triggers.delete(trigger.database, trigger.name, force=True)
    return f"deleted {trigger.name}"
