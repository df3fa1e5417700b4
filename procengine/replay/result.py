"""What came of a replay?

Values alone: the engine that made them is gone.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from procengine.errors import TableNotFoundError
from procengine.model.run import Run
from procengine.processing.cached_value import CachedValue
from procengine.replay.value_text import value_text

if TYPE_CHECKING:
    from procengine.replay.comparison import Comparison

COST_COLUMNS: Final = ("queue_wait", "duration", "cpu_time", "peak_memory_bytes")
"""What a run costs on the machine's own clock; all its other columns are the same in each replay."""

_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+>")


@dataclass(frozen=True, slots=True)
class CachedState:
    """One value that plugins had in their cache at the end.

    ``contents`` is a number of what it holds, which tells values apart. ``text`` is for people: the ``repr``, or
    where that has an address, what is in the value.
    """

    namespace: str
    key: str
    type_name: str
    contents: str
    text: str = field(compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerCost:
    """What the runs of one trigger cost together: nanoseconds of time and of CPU time."""

    trigger: str
    runs: int
    errors: int
    duration_ns: int
    cpu_ns: int
    p50_ns: int
    p95_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayResult:
    """What a replay left behind, whole or up to where it was stopped.

    ``tables`` maps database and table to rows in the order of time and tags, the replayed ones included, with tags as
    text; ``tags`` to the names of the tags. ``runs`` and ``logs`` have the columns of
    ``system.processing_engine_runs`` (but for ``rows_written`` and ``cache_keys_changed``, which follow from
    ``written`` and ``cache_keys``) and ``system.processing_engine_logs``, and a few more, in the order in which
    they came. ``failed_runs`` are the first that failed, whole; ``swaps`` the plugin files that ran in the place of
    others.
    ``notes`` say what was not as one might think. Instants are nanoseconds UTC, of the virtual clock.
    """

    name: str
    database: str
    seed: int
    batching: str
    started_ns: int
    ended_ns: int
    elapsed_ns: int
    row_count: int
    rows_total: int
    tables: Mapping[tuple[str, str], pa.Table]
    tags: Mapping[tuple[str, str], tuple[str, ...]]
    runs: pa.Table
    logs: pa.Table
    state: tuple[CachedState, ...]
    triggers: tuple[str, ...]
    failed_runs: tuple[Run, ...] = ()
    swaps: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    stopped: bool = False
    notes: tuple[str, ...] = ()

    @property
    def title(self) -> str:
        """What was replayed, and with which other plugin files."""
        others = [f"{new} for {old}" for old, new in self.swaps.items()]
        return f"{self.name} with {', '.join(others)}" if others else self.name

    def rows(self, table: str, database: str | None = None) -> pa.Table:
        """Return the rows of a table, by default of the database that was replayed.

        Raises: TableNotFoundError: it has none.
        """
        place = (database or self.database, table)
        found = self.tables.get(place)
        if found is None:
            raise TableNotFoundError(*place)
        return found

    def compare(self, other: ReplayResult) -> Comparison:
        """Return in what another replay differs from this one: rows added, changed and missing, state, cost."""
        from procengine.replay.comparison import compare

        return compare(self, other)

    @property
    def facts(self) -> pa.Table:
        """The runs without what they cost."""
        return self.runs.drop_columns(list(COST_COLUMNS))

    @property
    def error_count(self) -> int:
        """How many runs failed, or had lines rejected."""
        return int(pc.sum(pc.not_equal(self.runs["outcome"], "success")).as_py() or 0)

    @property
    def digest(self) -> str:
        """A number of rows, runs, logs and state: equal for equal ones, whatever they cost."""
        whole = hashlib.sha256()
        for (database, table), rows in sorted(self.tables.items()):
            whole.update(f"{database}\0{table}\0".encode())
            for part in _bytes_of(rows):
                whole.update(part)
        for rows in (self.facts, self.logs):
            for part in _bytes_of(rows):
                whole.update(part)
        for one in self.state:
            whole.update(f"{one.namespace}\0{one.key}\0{one.type_name}\0{one.contents}\0".encode())
        return whole.hexdigest()

    def costs(self) -> tuple[TriggerCost, ...]:
        """Return what the runs of each trigger cost, by trigger."""
        return tuple(self._cost(name) for name in self.triggers)

    def _cost(self, trigger: str) -> TriggerCost:
        mine = self.runs.filter(pc.equal(self.runs["trigger_name"], trigger))
        durations = mine["duration"].cast(pa.int64())
        middle, late = (
            pc.quantile(durations, q=[0.5, 0.95], interpolation="nearest").to_pylist()
            if mine.num_rows
            else (0, 0)
        )
        return TriggerCost(
            trigger=trigger,
            runs=mine.num_rows,
            errors=int(pc.sum(pc.not_equal(mine["outcome"], "success")).as_py() or 0),
            duration_ns=int(pc.sum(durations).as_py() or 0),
            cpu_ns=int(pc.sum(mine["cpu_time"].cast(pa.int64())).as_py() or 0),
            p50_ns=int(middle),
            p95_ns=int(late),
        )


def cached_state(values: Sequence[CachedValue]) -> tuple[CachedState, ...]:
    """Return what plugins cached, by namespace and key; runs ``repr`` of the values, and what pickling runs."""
    return tuple(sorted(map(_cached, values), key=lambda one: (one.namespace, one.key)))


def _cached(cached: CachedValue) -> CachedState:
    told = _called(value_text, cached)
    text = _called(repr, cached)
    return CachedState(
        namespace=cached.namespace,
        key=cached.key,
        type_name=cached.type_name,
        contents=hashlib.blake2b(told.encode(errors="surrogatepass"), digest_size=16).hexdigest(),
        text=told if _ADDRESS.search(text) else text,
    )


def _called(tell: Callable[[Any], str], cached: CachedValue) -> str:
    try:
        return tell(cached.value)
    except Exception as error:  # noqa: BLE001 - a plugin's own method
        return f"<repr failed: {type(error).__name__}: {error}>"


def _bytes_of(rows: pa.Table) -> Iterator[Any]:
    """Yield bytes that are equal for tables of equal columns and values."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema.remove_metadata()) as stream:
        stream.write_table(rows.replace_schema_metadata(None).combine_chunks())
    yield sink.getvalue()
