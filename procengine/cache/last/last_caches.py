"""Which last-value caches are there?"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Protocol

from procengine.cache.holder import Holder, HolderSettings, Table
from procengine.cache.last.last_cache import LastCache
from procengine.errors import CacheNotFoundError
from procengine.model.cache_definition import (
    DEFAULT_COUNT,
    DEFAULT_TTL_SECONDS,
    LastCacheDefinition,
)
from procengine.model.node_spec import ALL_NODES


class Catalog(Protocol):
    """What is needed of the catalog."""

    def last_cache_definitions(self) -> Iterable[tuple[LastCacheDefinition, Table]]:
        """Return all last-value caches with their tables."""
        ...

    def create_last_cache(
        self,
        database: str,
        table: str,
        *,
        name: str | None,
        key_columns: Sequence[str] | None,
        value_columns: Sequence[str] | None,
        count: int,
        ttl_seconds: int,
        node_spec: str,
    ) -> LastCacheDefinition:
        """Define a cache."""
        ...

    def delete_last_cache(self, database: str, table: str, name: str) -> LastCacheDefinition:
        """Remove a cache."""
        ...


class LastCaches(Holder[LastCacheDefinition, LastCache]):
    """The last-value caches of an engine."""

    def __init__(self, catalog: Catalog, settings: HolderSettings) -> None:
        super().__init__(catalog.last_cache_definitions, LastCache, settings)
        self._catalog = catalog

    def create(
        self,
        database: str,
        table: str,
        *,
        name: str | None = None,
        key_columns: Sequence[str] | None = None,
        value_columns: Sequence[str] | None = None,
        count: int = DEFAULT_COUNT,
        ttl_seconds: int = DEFAULT_TTL_SECONDS,
        node_spec: str = ALL_NODES,
        check: Callable[[], None] | None = None,
    ) -> LastCache:
        """Create a cache, filled with what the table has, and return it. Any thread; writers go on meanwhile.

        ``key_columns`` None takes the table's tags; ``value_columns`` None takes all other columns, those to come
        included; ``name`` None makes one of the table's and the keys' names.
        ``check`` is called now and then while the cache is filled, and may raise KeyboardInterrupt.

        Raises:
            KeyboardInterrupt: it was interrupted while it was filled; there is no cache.
            AlreadyExistsError: the table has one of this name.
            DatabaseNotFoundError, TableNotFoundError: there is no such table.
            InvalidInputError: the definition is not allowed.
        """
        with self._filled_or_gone(check):
            definition = self._catalog.create_last_cache(
                database,
                table,
                name=name,
                key_columns=key_columns,
                value_columns=value_columns,
                count=count,
                ttl_seconds=ttl_seconds,
                node_spec=node_spec,
            )
            self.follow()
        cache = self.find(database, table, definition.name)
        if cache is None:  # another thread deleted it meanwhile
            raise CacheNotFoundError(definition.name)
        return cache

    def delete(self, database: str, table: str, name: str) -> LastCacheDefinition:
        """Delete a cache and return what it was.

        Raises:
            DatabaseNotFoundError, TableNotFoundError, CacheNotFoundError: there is none of this name.
        """
        definition = self._catalog.delete_last_cache(database, table, name)
        self.follow()
        return definition
