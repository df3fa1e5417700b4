"""Which last-value and distinct-value caches are there, as an inspector shows them?

Both kinds answer alike, so that one state serves both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from procengine.model.counted import counted
from procengine.model.names import INTERNAL_DATABASE
from procengine_jupyter.inspectors.actions import Action
from procengine_jupyter.inspectors.cache_forms import (
    distinct_cache_actions,
    last_cache_actions,
    query_action,
    query_cell,
    span_text,
)
from procengine_jupyter.inspectors.contents import Contents, Inspected, instants
from procengine_jupyter.inspectors.pace import Pace
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.style import card, code
from procengine_jupyter.render.table_card import table_html

if TYPE_CHECKING:
    from procengine.engine import Engine

NANOSECONDS = 1_000_000_000
NEWEST = "newest (UTC)"

CachePlace = tuple[str, str, str]
"""A cache's database, table and name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKind:
    """What tells the kinds apart: what they are called, where they are, and what bounds them.

    ``name`` is that of the commands and of the SQL function; ``title`` is for readers, ``word`` for ``%inspect``.
    ``gone`` returns how many rows a cache let go of, ``create`` the actions that make one.
    """

    title: str
    word: str
    name: str
    holder: Callable[[Engine], Any]
    keys: Callable[[Any], tuple[str, ...]]
    bounds: Callable[[Any], Mapping[str, object]]
    gone: Callable[[Any], int]
    create: Callable[[Engine, str | None], Sequence[Action]]


LAST = CacheKind(
    title="last-value cache",
    word="last",
    name="last_cache",
    holder=lambda engine: engine.last_caches,
    keys=lambda definition: definition.key_columns,
    bounds=lambda definition: {"count": definition.count, "ttl": span_text(definition.ttl_seconds)},
    gone=lambda held: held.evicted_row_count,
    create=last_cache_actions,
)
DISTINCT = CacheKind(
    title="distinct-value cache",
    word="distinct",
    name="distinct_cache",
    holder=lambda engine: engine.distinct_caches,
    keys=lambda definition: definition.columns,
    bounds=lambda definition: {
        "max cardinality": f"{definition.max_cardinality:,}",
        "max age": span_text(definition.max_age_seconds),
    },
    gone=lambda held: held.pruned_count,
    create=distinct_cache_actions,
)


def all_caches(kind: CacheKind, engine: Engine, database: str | None = None) -> list[Any]:
    """Return the caches of a kind, of one database or of all."""
    return [
        cache
        for one in engine.catalog.databases
        if one.name != INTERNAL_DATABASE and database in (None, one.name)
        for cache in kind.holder(engine).of_database(one.name)
    ]


class CacheListState(Inspected):
    """The caches of one kind."""

    deletes = "delete cache"

    def __init__(self, kind: CacheKind, engine: Engine, database: str | None = None) -> None:
        self._kind = kind
        self._engine = engine
        self._database = database
        self._pace = Pace(engine.clock.now_ns)
        self._version: object = None

    def version(self) -> object:
        """Return where the catalog and the caches stand."""
        if self._pace.is_due:
            caches = all_caches(self._kind, self._engine, self._database)
            stands = [(cache.definition.cache_id, cache.change_count) for cache in caches]
            self._version = self._engine.catalog.sequence_number, stands
        return self._version

    def contents(self) -> Contents:
        """Return one row a cache."""
        caches = all_caches(self._kind, self._engine, self._database)
        self._pace.begin()
        held = [(cache.definition, cache.statistics()) for cache in caches]
        lines = [self._line(*one) for one in held]
        self._pace.end(sum(one.row_count for _, one in held))
        names = [*(lines[0] if lines else ("database", "table", "name"))]
        columns = {name: pa.array([line[name] for line in lines]) for name in names}
        if lines:
            columns[NEWEST] = instants(columns[NEWEST].cast(pa.int64()))
        return Contents(
            title=f"{self._kind.title}s",
            facts=[counted(len(caches), "cache")],
            table=pa.table(columns),
            keys=[_place(cache) for cache in caches],
            hint=f"no cache; %influxdb3 create {self._kind.name} --database DB --table TABLE makes one",
            since=(NEWEST,),
            now_ns=self._engine.clock.now_ns,
        )

    def detail(self, key: object) -> Html | None:
        """Return how a cache is asked in SQL, its first rows, and how all of them are looked at."""
        cache = self._find(key)
        if cache is None:
            return None
        definition, rows = cache.definition, cache.read()
        line = f"%inspect {self._kind.word} {definition.name} --database {definition.database}"
        return card(
            definition.name,
            element("pre", query_cell(definition, self._kind.name), style="user-select:all"),
            table_html(rows),
            element("div", "all of them, live: ", code(line), css="pe-part"),
            details=counted(rows.num_rows, "row"),
        )

    def actions(self, key: object) -> Sequence[Action]:
        """Return what can be done: the chosen cache asked, another one created."""
        cache = self._find(key)
        asked = [query_action(cache.definition, self._kind.name)] if cache is not None else []
        return [*asked, *self._kind.create(self._engine, self._database)]

    def delete(self, key: object) -> str:
        """Delete a cache; its table's rows stay."""
        assert isinstance(key, tuple)
        self._kind.holder(self._engine).delete(*key)
        return f"deleted cache {key[2]}"

    def _find(self, key: object) -> Any:
        return self._kind.holder(self._engine).find(*key) if isinstance(key, tuple) else None

    def _line(self, definition: Any, held: Any) -> dict[str, object]:
        age = held.newest_age_seconds
        newest_ns = None if age is None else self._engine.clock.now_ns() - round(age * NANOSECONDS)
        return {
            "database": definition.database,
            "table": definition.table,
            "name": definition.name,
            "by": ", ".join(self._kind.keys(definition)),
            **self._kind.bounds(definition),
            "rows": held.row_count,
            "gone": self._kind.gone(held),
            "bytes": held.size_bytes,
            NEWEST: newest_ns,
        }


def _place(cache: Any) -> CachePlace:
    definition = cache.definition
    return definition.database, definition.table, definition.name
