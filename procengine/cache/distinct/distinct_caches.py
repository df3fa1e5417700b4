"""Which distinct-value caches are there?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from procengine.cache.distinct.distinct_cache import DistinctCache
from procengine.cache.holder import Holder, HolderSettings, Table
from procengine.errors import CacheNotFoundError
from procengine.model.cache_definition import (
    DEFAULT_MAX_AGE_SECONDS,
    DEFAULT_MAX_CARDINALITY,
    DistinctCacheDefinition,
)
from procengine.model.node_spec import ALL_NODES


class Catalog(Protocol):
    """What is needed of the catalog."""

    def distinct_cache_definitions(self) -> Iterable[tuple[DistinctCacheDefinition, Table]]:
        """Return all distinct-value caches with their tables."""
        ...

    def create_distinct_cache(
        self,
        database: str,
        table: str,
        *,
        columns: Sequence[str],
        name: str | None,
        max_cardinality: int,
        max_age_seconds: int,
        node_spec: str,
    ) -> DistinctCacheDefinition:
        """Define a cache."""
        ...

    def delete_distinct_cache(self, database: str, table: str, name: str) -> DistinctCacheDefinition:
        """Remove a cache."""
        ...


class DistinctCaches(Holder[DistinctCacheDefinition, DistinctCache]):
    """The distinct-value caches of an engine."""

    def __init__(self, catalog: Catalog, settings: HolderSettings) -> None:
        super().__init__(catalog.distinct_cache_definitions, DistinctCache, settings)
        self._catalog = catalog

    def create(
        self,
        database: str,
        table: str,
        *,
        columns: Sequence[str],
        name: str | None = None,
        max_cardinality: int = DEFAULT_MAX_CARDINALITY,
        max_age_seconds: int = DEFAULT_MAX_AGE_SECONDS,
        node_spec: str = ALL_NODES,
        check: Callable[[], None] | None = None,
    ) -> DistinctCache:
        """Create a cache, filled with what the table has, and return it. Any thread; writers go on meanwhile.

        ``name`` None makes one of the table's and the columns' names.
        ``check`` is called now and then while the cache is filled, and may raise KeyboardInterrupt.

        Raises:
            KeyboardInterrupt: it was interrupted while it was filled; there is no cache.
            AlreadyExistsError: the table has one of this name.
            DatabaseNotFoundError, TableNotFoundError: there is no such table.
            InvalidInputError: the definition is not allowed.
        """
        with self._filled_or_gone(check):
            definition = self._catalog.create_distinct_cache(
                database,
                table,
                columns=columns,
                name=name,
                max_cardinality=max_cardinality,
                max_age_seconds=max_age_seconds,
                node_spec=node_spec,
            )
            self.follow()
        cache = self.find(database, table, definition.name)
        if cache is None:  # another thread deleted it meanwhile
            raise CacheNotFoundError(definition.name)
        return cache

    def delete(self, database: str, table: str, name: str) -> DistinctCacheDefinition:
        """Delete a cache and return what it was.

        Raises:
            DatabaseNotFoundError, TableNotFoundError, CacheNotFoundError: there is none of this name.
        """
        definition = self._catalog.delete_distinct_cache(database, table, name)
        self.follow()
        return definition
