"""Which caches are there, and which of them does a table have?

What both kinds share: the caches are those that the catalog defines, found by the names of database and table.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Generic, Protocol, TypeVar

from procengine.model.cache_definition import CacheDefinition
from procengine.model.catalog_event import CatalogEvent
from procengine.model.table_schema import TableSchema

D = TypeVar("D", bound=CacheDefinition)


class Cache(Protocol):
    """What the holder needs of a cache."""

    @property
    def definition(self) -> CacheDefinition:
        """What the cache is of."""
        ...


C = TypeVar("C", bound=Cache)


class Table(Protocol):
    """What is needed of a table's definition."""

    @property
    def schema(self) -> TableSchema:
        """The table's columns."""
        ...


class Holder(Generic[D, C]):
    """The caches of one kind. Any thread may ask; those that change something take their turn."""

    def __init__(
        self,
        defined: Callable[[], Iterable[tuple[D, Table]]],
        build: Callable[[D, TableSchema], C],
    ) -> None:
        self._defined = defined
        self._build = build
        # Guards the replacement of the map; readers need no lock.
        self._changes = threading.Lock()
        self._by_table: dict[tuple[str, str], tuple[C, ...]] = {}

    def find(self, database: str, table: str, name: str | None = None) -> C | None:
        """Return a cache of a table; without a name its only one. None where there is none, or a choice."""
        caches = self._by_table.get((database, table), ())
        if name is None:
            return caches[0] if len(caches) == 1 else None
        return next((one for one in caches if one.definition.name == name), None)

    def of_database(self, database: str) -> tuple[C, ...]:
        """Return the caches of a database's tables."""
        return tuple(
            one for key, caches in self._by_table.items() if key[0] == database for one in caches
        )

    def on_catalog_event(self, event: CatalogEvent) -> None:  # noqa: ARG002 events may cross: the state counts
        """Follow the catalog."""
        self.reconcile()

    def reconcile(self) -> None:
        """Make the caches those that the catalog defines."""
        with self._changes:
            known = {
                one.definition.cache_id: one for caches in self._by_table.values() for one in caches
            }
            by_table: dict[tuple[str, str], tuple[C, ...]] = {}
            for definition, table in self._defined():
                cache = known.get(definition.cache_id) or self._build(definition, table.schema)
                key = (definition.database, definition.table)
                by_table[key] = (*by_table.get(key, ()), cache)
            self._by_table = by_table
