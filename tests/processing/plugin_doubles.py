"""Small real endpoints, and what builds a runner around a folder of plugins."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa

from procengine.clock import VirtualClock
from procengine.errors import ProcengineError
from procengine.model.line_protocol import read_lines
from procengine.model.precision import Precision
from procengine.model.run import Cause, CauseKind, Run
from procengine.model.table_rows import TableRows
from procengine.model.trigger import Trigger
from procengine.model.write_result import WriteResult
from procengine.processing.cancellation import CancelToken
from procengine.processing.event import Event, RequestEvent, ScheduleEvent, WriteEvent
from procengine.processing.plugin_cache import PluginCache
from procengine.processing.plugin_classes import PluginClasses
from procengine.processing.plugin_logs import ProcessingEngineLogs
from procengine.processing.plugin_pickle import ValuePickles
from procengine.processing.plugin_registry import PluginRegistry
from procengine.processing.runner import PluginRunner
from procengine.state import Connect, Place, PluginState, connect


@dataclass
class Written:
    """One write that reached the endpoint."""

    database: str
    lines: str
    no_sync: bool
    depth: int


@dataclass
class AccumulatingWrites:
    """Takes every write and remembers it, or raises what it was told to."""

    taken: list[Written] = field(default_factory=list)
    checked: list[tuple[str, str]] = field(default_factory=list)
    refuse: ProcengineError | None = None
    problems: Sequence[object] = ()

    def write_lines(self, database: str, lines: str, *, no_sync: bool, depth: int) -> WriteResult:
        if self.refuse is not None:
            raise self.refuse
        self.taken.append(Written(database, lines, no_sync, depth))
        parsed = read_lines(lines, precision=Precision.NANOSECOND, default_time_ns=0)
        tables: dict[str, int] = {}
        for group in parsed.groups:
            tables[group.table] = tables.get(group.table, 0) + group.row_count
        return WriteResult(database=database, tables=tables)

    def check_lines(self, database: str, lines: str) -> Sequence[object]:
        self.checked.append((database, lines))
        return self.problems


@dataclass
class FixedAnswers:
    """Answers every query with one table, or raises what it was told to."""

    table: pa.Table = field(default_factory=lambda: pa.table({"n": [1]}))
    refuse: ProcengineError | None = None
    asked: list[tuple[str, str, Mapping[str, object] | None]] = field(default_factory=list)
    on_query: Callable[[], None] = lambda: None

    def query(self, sql: str, database: str, params: Mapping[str, object] | None = None) -> pa.Table:
        self.asked.append((sql, database, params))
        self.on_query()
        if self.refuse is not None:
            raise self.refuse
        return self.table


class PluginBench:
    """A folder of plugins with everything that runs them; the clock stands at one second.

    With ``state`` the plugin cache of triggers 1 to 3 of ``db`` is stored in that folder.
    """

    def __init__(
        self,
        folder: Path,
        *,
        state: Path | None = None,
        connect_state: Connect = connect,
        clock: VirtualClock | None = None,
    ) -> None:
        self.folder = folder
        self.clock = clock or VirtualClock(1_000_000_000)
        self.registry = PluginRegistry(folder)
        self.caches = PluginCache(
            self.clock,
            store=None if state is None else PluginState(state, connect=connect_state),
            pickles=ValuePickles(PluginClasses(self.registry)),
        )
        self.caches.open({Place("db", number) for number in (1, 2, 3)})
        self.logs = ProcessingEngineLogs()
        self.writes = AccumulatingWrites()
        self.queries = FixedAnswers()
        self.runner = PluginRunner(
            self.registry, self.caches, self.logs, self.writes, self.queries, self.clock
        )

    def save(self, text: str, filename: str = "plugin.py") -> str:
        path = self.folder / filename
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))
        return filename

    def run(
        self,
        text: str | None = None,
        event: Event | None = None,
        *,
        filename: str = "plugin.py",
        trigger: Trigger | None = None,
        dry_run: bool = False,
        cache_name: str | None = None,
        capture_lines: bool = False,
        cancel: CancelToken | None = None,
    ) -> Run:
        if text is not None:
            self.save(text, filename)
        return self.runner.run(
            trigger or make_trigger(filename),
            event or schedule_event(),
            dry_run=dry_run,
            cache_name=cache_name,
            capture_lines=capture_lines,
            cancel=cancel,
        )

    def run_scheduled(self, body: str, **options: object) -> Run:
        """Run a schedule plugin with this body."""
        return self.run(scheduled(body), **options)  # type: ignore[arg-type]

    def close(self) -> None:
        self.caches.commit_rest()
        self.runner.close()
        self.caches.close()
        self.registry.close()


def scheduled(body: str, before: str = "") -> str:
    """Return a schedule plugin with a body, and with module level text before it."""
    indented = textwrap.indent(textwrap.dedent(body).strip("\n"), "    ")
    head = "def process_scheduled_call(influxdb3_local, call_time, args=None):"
    return f"{textwrap.dedent(before)}\n{head}\n{indented}\n"


def make_trigger(filename: str = "plugin.py", **changes: object) -> Trigger:
    values: dict[str, object] = {
        "database": "db",
        "name": "watch",
        "plugin_filename": filename,
        "spec": "every:1s",
        "trigger_id": 1,
    }
    return Trigger(**(values | changes))  # type: ignore[arg-type]


def schedule_event(instant_ns: int = 1_700_000_000_000_000_000, depth: int = 0) -> ScheduleEvent:
    return ScheduleEvent(instant_ns=instant_ns, cause=Cause(kind=CauseKind.TICK, depth=depth))


def request_event(**changes: object) -> RequestEvent:
    values: dict[str, object] = {
        "query_params": {},
        "headers": {},
        "body": b"",
        "cause": Cause(kind=CauseKind.REQUEST),
    }
    return RequestEvent(**(values | changes))  # type: ignore[arg-type]


def write_event(*rows: TableRows) -> WriteEvent:
    return WriteEvent(rows=rows, cause=Cause(kind=CauseKind.WRITE, wal_sequence_number=1))


def table_rows(
    table: str = "home",
    columns: Mapping[str, pa.Array] | None = None,
    times: Sequence[int] = (1, 2),
    *,
    table_id: int = 1,
    shapes: tuple[tuple[str, ...], ...] | None = None,
    shape_of_row: Sequence[int] | None = None,
) -> TableRows:
    """Return rows of one table; by default two rows with a tag and a float."""
    given = (
        {
            "room": pa.array(["Kitchen", "Hall"]).dictionary_encode(),
            "temp": pa.array([21.5, 19.0]),
        }
        if columns is None
        else dict(columns)
    )
    batch = pa.RecordBatch.from_arrays(
        [*given.values(), pa.array(times, pa.timestamp("ns"))], [*given, "time"]
    )
    return TableRows(
        database_id=1,
        table_id=table_id,
        database="db",
        table=table,
        batch=batch,
        shapes=shapes or (tuple(given),),
        shape_of_row=None if shape_of_row is None else np.array(shape_of_row, np.int32),
    )
