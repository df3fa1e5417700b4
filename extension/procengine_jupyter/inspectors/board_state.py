"""How is every trigger, and what can be done to it?

The board is one row a trigger, out of `TriggerStatistics` alone. A row is made anew only when these have changed, so
that a thousand triggers of which a few run cost little.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pyarrow as pa

from procengine.model.counted import counted
from procengine.model.trigger import Trigger
from procengine.model.trigger_spec import parse_trigger_spec
from procengine.processing.trigger_statistics import TriggerState, TriggerStatistics
from procengine_jupyter.inspectors.actions import Action
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.inspectors.trigger_actions import OpenInspector, trigger_actions
from procengine_jupyter.render.markup import Html
from procengine_jupyter.render.sparkline import sparkline
from procengine_jupyter.render.trigger_card import trigger_card
from procengine_jupyter.status import missing_table

if TYPE_CHECKING:
    from procengine.engine import Engine

Key = tuple[str, str, int]
"""A trigger's database, name and id: one of the same name that is made later is another."""

NANOSECONDS_PER_MILLISECOND = 1_000_000

TONES = {
    "running": "good",
    "queued": "warn",
    "waiting": "warn",
    "retrying": "warn",
    "paused": "warn",
    "failing": "bad",
    "failed": "bad",
}
"""How the words of `state_word` are coloured."""

# What fits into a narrow page comes first: a page scrolls to the rest.
COLUMNS = {
    "trigger": pa.string(),
    "state": pa.string(),
    "recent": pa.string(),
    "runs": pa.int64(),
    "errors": pa.int64(),
    "last run (UTC)": pa.timestamp("ns"),
    "next run (UTC)": pa.timestamp("ns"),
    "database": pa.string(),
    "queue": pa.int64(),
    "p50 ms": pa.float64(),
    "p95 ms": pa.float64(),
    "kind": pa.string(),
    "spec": pa.string(),
    "plugin": pa.string(),
    "note": pa.string(),
}


class Row(NamedTuple):
    """One trigger's row, and which tabs it is in."""

    of: TriggerStatistics
    cells: tuple[object, ...]
    is_running: bool
    is_bad: bool


class BoardState(Inspected):
    """All triggers, or those of a database, or the one of a name."""

    def __init__(
        self,
        engine: Engine,
        trigger: str | None = None,
        database: str | None = None,
        *,
        open_inspector: OpenInspector,
        cell_names: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """``open_inspector`` makes the inspectors that a row leads to, ``cell_names`` tells what cells are called."""
        self._engine = engine
        self._trigger = trigger
        self._database = database
        self._open = open_inspector
        self._cell_names = cell_names
        self._taken: tuple[TriggerStatistics, ...] = ()
        self._definitions = -1
        self._rows: dict[Key, Row] = {}

    def version(self) -> object:
        """Return how all triggers are; a catalog that changed may have a table that one waits for."""
        taken = self._engine.triggers.statistics()
        if self._trigger is not None or self._database is not None:
            taken = tuple(one for one in taken if self._is_shown(one.trigger))
        self._taken = taken
        return self._engine.catalog.state.sequence_number, taken

    def contents(self) -> Contents:
        """Return one row a trigger, as `version` has found them."""
        definitions = self._engine.catalog.state.sequence_number
        before = self._rows if definitions == self._definitions else {}
        self._rows = {key_of(one.trigger): self._row(one, before) for one in self._taken}
        self._definitions = definitions
        shown = list(self._rows.values())
        columns = list(zip(*(row.cells for row in shown), strict=True)) or [()] * len(COLUMNS)
        arrays = [pa.array(c, kind) for c, kind in zip(columns, COLUMNS.values(), strict=True)]
        running = np.array([row.is_running for row in shown], np.bool_)
        return Contents(
            title=self._title(),
            facts=_facts(self._taken),
            table=pa.Table.from_arrays(arrays, names=[*COLUMNS]),
            keys=[*self._rows],
            hint="no trigger yet; %%plugin NAME --trigger SPEC --database DB makes one",
            tones={"state": TONES},
            sparklines=("recent",),
            since=("last run (UTC)",),
            due=("next run (UTC)",),
            now_ns=self._engine.clock.now_ns,
            missing="",
            tabs={
                "All": np.ones(len(shown), np.bool_),
                "Running": running,
                "Stopped": ~running,
                "Errors": np.array([row.is_bad for row in shown], np.bool_),
            },
        )

    def detail(self, key: object) -> Html | None:
        """Return what a row leaves out."""
        row = self._rows.get(key)  # type: ignore[call-overload]
        if row is None:
            return None
        trigger = row.of.trigger
        pins = self._engine.catalog.state.pins
        commit = pins.get(trigger.plugin_filename.rstrip("/"), "")
        return trigger_card(row.of, missing_table(self._engine, trigger), commit=commit)

    def actions(self, key: object) -> Sequence[Action]:
        """Return what can be done to a trigger."""
        row = self._rows.get(key)  # type: ignore[call-overload]
        if row is None:
            return ()
        return trigger_actions(self._engine, row.of, self._open, self._cell_names)

    def _is_shown(self, trigger: Trigger) -> bool:
        return self._trigger in (None, trigger.name) and self._database in (None, trigger.database)

    def _title(self) -> str:
        if self._trigger is not None:
            return f"trigger {self._trigger}"
        return f"triggers of {self._database}" if self._database is not None else "triggers"

    def _row(self, one: TriggerStatistics, before: Mapping[Key, Row]) -> Row:
        known = before.get(key_of(one.trigger))
        if known is not None and known.of == one:
            return known
        missing = missing_table(self._engine, one.trigger)
        state = state_word(one, missing)
        return Row(
            of=one,
            cells=_cells(one, state, missing),
            is_running=one.state in (TriggerState.ENABLED, TriggerState.RETRYING),
            is_bad=one.failing or state in ("failed", "paused", "retrying"),
        )


def key_of(trigger: Trigger) -> Key:
    """Return what tells a trigger from all others."""
    return trigger.database, trigger.name, trigger.trigger_id


def state_word(one: TriggerStatistics, missing: str | None) -> str:
    """Return how a trigger is, in a word; ``missing`` is the table that it waits for."""
    if one.in_flight:
        return "running"
    if one.state is not TriggerState.ENABLED:
        return str(one.state.value)
    if one.queue_depth:
        return "queued"
    if missing is not None:
        return "waiting"
    return "failing" if one.failing else "idle"


def _cells(one: TriggerStatistics, state: str, missing: str | None) -> tuple[object, ...]:
    trigger = one.trigger
    return (
        trigger.name,
        state,
        sparkline(one.recent),
        one.runs,
        one.errors,
        one.last_run_ns,
        one.next_fire_ns,
        trigger.database,
        one.queue_depth,
        _milliseconds(one.p50_ns),
        _milliseconds(one.p95_ns),
        _kind(trigger.spec),
        trigger.spec,
        trigger.plugin_filename,
        _note(one, missing),
    )


@lru_cache(maxsize=4_096)  # a cron expression takes longer to read than the rest of a row
def _kind(spec: str) -> str:
    return parse_trigger_spec(spec).kind.value


def _note(one: TriggerStatistics, missing: str | None) -> str | None:
    """Return why a trigger is not as it should be, in a line; None when it is."""
    if one.reason:
        return one.reason
    if one.failing and one.last_failure is not None:
        return one.last_failure.message.partition("\n")[0]
    if missing is not None:
        return f"waits for table {missing}"
    return one.warning


def _facts(taken: Sequence[TriggerStatistics]) -> list[str]:
    facts = [counted(len(taken), "trigger"), counted(sum(one.runs for one in taken), "run")]
    in_flight = sum(one.in_flight for one in taken)
    waiting = sum(one.queue_depth for one in taken)
    if in_flight:
        facts.append(f"{in_flight:,} running")
    if waiting:
        facts.append(f"{waiting:,} waiting")
    return facts


def _milliseconds(nanoseconds: int | None) -> float | None:
    return None if nanoseconds is None else round(nanoseconds / NANOSECONDS_PER_MILLISECOND, 3)
