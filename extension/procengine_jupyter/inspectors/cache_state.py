"""What do the last-value and distinct-value caches hold, as an inspector shows it?

Both kinds answer alike, so one pair of states serves both: the list of caches, and the rows of one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from procengine.errors import CacheNotFoundError
from procengine.model.counted import counted
from procengine.model.duration import format_duration
from procengine.model.names import INTERNAL_DATABASE
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.phrases import duration
from procengine_jupyter.render.style import card
from procengine_jupyter.render.table_card import table_html

if TYPE_CHECKING:
    from procengine.engine import Engine

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheKind:
    """What tells the kinds apart: what they are called, where they are, and what bounds them.

    ``name`` is that of the commands and of the SQL function; ``title`` is for readers.
    """

    title: str
    name: str
    holder: Callable[[Engine], Any]
    keys: Callable[[Any], tuple[str, ...]]
    bounds: Callable[[Any], Mapping[str, object]]


LAST = CacheKind(
    title="last-value cache",
    name="last_cache",
    holder=lambda engine: engine.last_caches,
    keys=lambda definition: definition.key_columns,
    bounds=lambda definition: {"count": definition.count, "ttl": _span(definition.ttl_seconds)},
)
DISTINCT = CacheKind(
    title="distinct-value cache",
    name="distinct_cache",
    holder=lambda engine: engine.distinct_caches,
    keys=lambda definition: definition.columns,
    bounds=lambda definition: {
        "max cardinality": definition.max_cardinality,
        "max age": _span(definition.max_age_seconds),
    },
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

    def version(self) -> object:
        """Return where the catalog and the rows stand."""
        flushed = self._engine.wal.last_sequence_number
        return self._engine.catalog.sequence_number, flushed

    def contents(self) -> Contents:
        """Return one row a cache."""
        caches = all_caches(self._kind, self._engine, self._database)
        lines = [self._line(cache) for cache in caches]
        names = [*(lines[0] if lines else ("database", "table", "name"))]
        return Contents(
            title=f"{self._kind.title}s",
            facts=[counted(len(caches), "cache")],
            table=pa.table({name: pa.array([line[name] for line in lines]) for name in names}),
            keys=[_place(cache) for cache in caches],
            hint=f"no cache; %influxdb3 create {self._kind.name} --database DB --table TABLE makes one",
        )

    def detail(self, key: object) -> Html | None:
        """Return how a cache is asked in SQL, and its first rows."""
        assert isinstance(key, tuple)
        cache = self._kind.holder(self._engine).find(*key)
        if cache is None:
            return None
        database, table, name = key
        sql = (
            f"%%query {database}\nSELECT * FROM {self._kind.name}('{_quoted(table)}', '{_quoted(name)}')"
        )
        rows = cache.read()
        return card(name, element("pre", sql), table_html(rows), details=counted(rows.num_rows, "row"))

    def delete(self, key: object) -> str:
        """Delete a cache; its table's rows stay."""
        assert isinstance(key, tuple)
        self._kind.holder(self._engine).delete(*key)
        return f"deleted cache {key[2]}"

    def _line(self, cache: Any) -> dict[str, object]:
        definition, held = cache.definition, cache.statistics()
        age = held.newest_age_seconds
        return {
            "database": definition.database,
            "table": definition.table,
            "name": definition.name,
            "by": ", ".join(self._kind.keys(definition)),
            **self._kind.bounds(definition),
            "rows": held.row_count,
            "bytes": held.size_bytes,
            "newest": None if age is None else f"{duration(round(age * NANOSECONDS))} ago",
        }


class CacheRowsState(Inspected):
    """The rows of one cache."""

    deletes = "delete key"

    def __init__(self, kind: CacheKind, engine: Engine, place: tuple[str, str, str]) -> None:
        self._kind = kind
        self._engine = engine
        self._place = place
        self._rows: pa.Table | None = None
        self._reads = 0

    def version(self) -> object:
        """Return how often another table was read: a cache gives out the same one as long as nothing changes."""
        rows = self._cache().read()
        if rows is not self._rows:
            self._rows = rows
            self._reads += 1
        return self._reads

    def contents(self) -> Contents:
        """Return the cache's rows."""
        cache = self._cache()
        definition, held = cache.definition, cache.statistics()
        rows = cache.read()
        bounds = [f"{name} {value}" for name, value in self._kind.bounds(definition).items()]
        facts = [f"{definition.database}.{definition.table}", counted(held.row_count, "row")]
        if held.series_count != held.row_count:
            facts.append(counted(held.series_count, "key"))
        facts += [*bounds, f"{held.size_bytes:,} bytes"]
        return Contents(
            title=f"{self._kind.title} {definition.name}",
            facts=facts,
            table=_without_views(rows),
            keys=_Keys(rows, self._kind.keys(definition)),
            hint="no row; the next write to its table brings some",
        )

    def delete(self, key: object) -> str:
        """Forget the rows of one key; its table's rows stay."""
        assert isinstance(key, tuple)
        gone = self._cache().delete({name: frozenset([value]) for name, value in key})
        return f"deleted {counted(gone, 'row')} of {', '.join(f'{name}={value}' for name, value in key)}"

    def detail(self, key: object) -> Html | None:
        """Return all rows of a last-value cache's key, and when each was inserted and expires."""
        cache = self._cache()
        history = getattr(cache, "history", None)
        if history is None:
            return None
        assert isinstance(key, tuple)
        rows = history({name: frozenset([value]) for name, value in key})
        title = ", ".join(f"{name}={value}" for name, value in key)
        return card(title, table_html(rows), details=counted(rows.num_rows, "row"))

    def _cache(self) -> Any:
        cache = self._kind.holder(self._engine).find(*self._place)
        if cache is None:
            raise CacheNotFoundError(self._place[2])
        return cache


class _Keys:
    """The keys of a cache's rows, made when they are asked for: of 100,000 rows few ever are."""

    def __init__(self, rows: pa.Table, names: tuple[str, ...]) -> None:
        self._columns = [(name, rows.column(name)) for name in names]
        self._length: int = rows.num_rows

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, place: int) -> tuple[tuple[str, object], ...]:
        return tuple((name, column[int(place)].as_py()) for name, column in self._columns)


def _without_views(rows: pa.Table) -> pa.Table:
    """Return rows with plain text for text views, which pyarrow cannot choose rows of."""
    text = pa.string()
    fields = [one.with_type(text) if one.type == pa.string_view() else one for one in rows.schema]
    return rows.cast(pa.schema(fields))


def _place(cache: Any) -> tuple[str, str, str]:
    definition = cache.definition
    return definition.database, definition.table, definition.name


def _quoted(name: str) -> str:
    return name.replace("'", "''")


def _span(seconds: int) -> str:
    return format_duration(seconds * NANOSECONDS)
