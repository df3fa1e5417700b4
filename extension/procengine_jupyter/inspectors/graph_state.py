"""Which way do rows go: from which tables, through which triggers, into which tables?

What a trigger reads stands in its specification; what it writes is known from its runs. Rates are those of the last
ten seconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from procengine.clock import NANOSECONDS_PER_SECOND
from procengine.model.counted import counted
from procengine.model.run import Run
from procengine.model.trigger import Trigger
from procengine.model.trigger_spec import AllTablesSpec, RequestSpec, TableSpec, parse_trigger_spec
from procengine.processing.trigger_statistics import TriggerState, TriggerStatistics
from procengine_jupyter.inspectors.board_state import Key, key_of
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.render.graph_picture import Node, edges_of, graph_picture, rate_text
from procengine_jupyter.render.markup import Html

if TYPE_CHECKING:
    from procengine.engine import Engine

WINDOW_NS = 10 * NANOSECONDS_PER_SECOND
Target = tuple[str, str]
"""A database and a table that were written into."""

COLUMNS = {
    "from": pa.string(),
    "trigger": pa.string(),
    "to": pa.string(),
    "rows in/s": pa.float64(),
    "rows out/s": pa.float64(),
    "rows written": pa.int64(),
    "database": pa.string(),
}


class Way(NamedTuple):
    """From a source through a trigger into a table, which is None while nothing was written."""

    key: Key
    source: str
    target: Target | None
    rate_in: float
    rate_out: float
    written: int


class GraphState(Inspected):
    """The triggers of all databases or of one, with what they read and write."""

    def __init__(self, engine: Engine, database: str | None = None) -> None:
        self._engine = engine
        self._database = database
        # Rows written by trigger and table, over all runs that were seen; the newest of them.
        self._written: dict[Key, dict[Target, int]] = {}
        self._seen = 0
        self._flows = False
        for run in engine.triggers.runs.select(database=database):
            self._count(run)

    def version(self) -> object:
        """Return what moves when a run ends, a trigger changes, or a second passes while rows flow."""
        now = self._engine.clock.now_ns()
        newest = max((run.run_id for run in self._engine.triggers.runs), default=0)
        second = now // NANOSECONDS_PER_SECOND if self._flows else 0
        states = tuple((one.state, one.failing) for one in self._engine.triggers.statistics())
        return newest, self._engine.catalog.state.sequence_number, second, states

    def contents(self) -> Contents:
        """Return one row for each way, and the picture of all."""
        runs = [run for run in self._engine.triggers.runs if not run.dry_run]
        for run in runs:
            if run.run_id > self._seen:
                self._count(run)
        statistics = [
            one
            for one in self._engine.triggers.statistics()
            if self._database in (None, one.trigger.database)
        ]
        rates = self._rates(runs)
        ways = [way for one in statistics for way in self._ways(one.trigger, rates)]
        self._flows = any(way.rate_in or way.rate_out for way in ways)
        columns = list(zip(*map(_cells, ways), strict=True)) or [()] * len(COLUMNS)
        arrays = [pa.array(c, kind) for c, kind in zip(columns, COLUMNS.values(), strict=True)]
        return Contents(
            title=f"graph of {self._database}" if self._database else "graph",
            facts=[counted(len(statistics), "trigger"), "rates over the last 10 s"],
            table=pa.Table.from_arrays(arrays, names=[*COLUMNS]),
            keys=[(way.key, way.target) for way in ways],
            hint="no trigger yet; %%plugin NAME --trigger SPEC --database DB makes one",
            missing="",
            picture=_picture(statistics, ways) if ways else None,
            lines=[_line(way) for way in ways],
        )

    def _count(self, run: Run) -> None:
        self._seen = max(self._seen, run.run_id)
        into = self._written.setdefault((run.database, run.trigger, run.trigger_id), {})
        for target, rows in run.writes.items():
            into[target] = into.get(target, 0) + rows

    def _rates(self, runs: list[Run]) -> dict[tuple[Key, Target | None], float]:
        """Return the rows a second of each trigger: in, by None, and out, by table.

        Where the runs in memory do not reach back ten seconds the rates are over as long as they do.
        """
        now = self._engine.clock.now_ns()
        since = now - WINDOW_NS
        if runs and len(self._engine.triggers.runs) >= self._engine.triggers.options.history_runs:
            since = max(since, runs[0].started_ns)
        seconds = max(1, now - since) / NANOSECONDS_PER_SECOND
        rates: dict[tuple[Key, Target | None], float] = {}
        for run in runs:
            if run.started_ns + run.duration_ns < since:
                continue
            key = (run.database, run.trigger, run.trigger_id)
            for target, rows in ((None, run.rows_in), *run.writes.items()):
                rates[key, target] = rates.get((key, target), 0.0) + rows / seconds
        return rates

    def _ways(self, trigger: Trigger, rates: dict[tuple[Key, Target | None], float]) -> list[Way]:
        key, source = key_of(trigger), source_of(trigger)
        written = self._written.get(key, {})
        targets: list[Target | None] = sorted(written) or [None]  # type: ignore[assignment]
        return [
            Way(
                key=key,
                source=source,
                target=target,
                rate_in=rates.get((key, None), 0.0),
                rate_out=0.0 if target is None else rates.get((key, target), 0.0),
                written=0 if target is None else written[target],
            )
            for target in targets
        ]


def source_of(trigger: Trigger) -> str:
    """Return what makes a trigger run: a table with its database, or its specification."""
    spec = parse_trigger_spec(trigger.spec)
    match spec:
        case TableSpec():
            return f"{trigger.database}.{spec.table}"
        case AllTablesSpec():
            return f"{trigger.database}.*"
        case RequestSpec():
            return f"request {spec.path}"
        case _:
            return str(spec)


def _cells(way: Way) -> tuple[object, ...]:
    database, name, _ = way.key
    target = None if way.target is None else ".".join(way.target)
    return (
        way.source,
        name,
        target,
        round(way.rate_in, 1),
        round(way.rate_out, 1),
        way.written,
        database,
    )


def _line(way: Way) -> str:
    rate_in = f" ({rate_text(way.rate_in)})" if way.rate_in else ""
    target = "nothing yet" if way.target is None else ".".join(way.target)
    rate_out = f" ({rate_text(way.rate_out)})" if way.rate_out else ""
    return f"{way.source} →{rate_in} {way.key[1]} →{rate_out} {target}"


def _picture(statistics: list[TriggerStatistics], ways: list[Way]) -> Html:
    """Return the picture; triggers through which most flows come first, as not all may have room."""
    nodes: dict[str, Node] = {}
    known = {key_of(one.trigger): one for one in statistics}
    lines: list[tuple[str, str, float]] = []
    seen: set[Key] = set()
    for way in sorted(ways, key=lambda way: -(way.rate_in + way.rate_out)):
        one = known[way.key]
        middle = f"trigger {way.key}"
        source = _node_id(way.source, one.trigger)
        nodes.setdefault(source, _source_node(way.source, one.trigger))
        nodes.setdefault(middle, _trigger_node(one))
        if way.key not in seen:
            seen.add(way.key)
            lines.append((source, middle, way.rate_in))
        if way.target is not None:
            name = ".".join(way.target)
            nodes.setdefault(f"table {name}", Node(name=name, kind="table"))
            lines.append((middle, f"table {name}", way.rate_out))
    return graph_picture(nodes, edges_of(lines))


def _is_table(trigger: Trigger) -> bool:
    return isinstance(parse_trigger_spec(trigger.spec), TableSpec | AllTablesSpec)


def _node_id(source: str, trigger: Trigger) -> str:
    return f"table {source}" if _is_table(trigger) else f"source {source}"


def _source_node(source: str, trigger: Trigger) -> Node:
    return Node(name=source, kind="table" if _is_table(trigger) else "source")


def _trigger_node(one: TriggerStatistics) -> Node:
    trigger = one.trigger
    taking = one.state in (TriggerState.ENABLED, TriggerState.RETRYING)
    return Node(
        name=trigger.name,
        kind="trigger",
        about=f"{trigger.name} of {trigger.database}: {trigger.plugin_filename}, {trigger.spec}",
        tone="bad" if one.failing else "" if taking else "off",
    )
