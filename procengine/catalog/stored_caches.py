"""Which last-value and distinct-value caches are defined? What they hold is derived, and kept elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from procengine.catalog import cache_changes
from procengine.catalog.committed_state import CommittedState
from procengine.catalog.definitions import TableDefinition
from procengine.model.cache_definition import (
    DEFAULT_COUNT,
    DEFAULT_MAX_AGE_SECONDS,
    DEFAULT_MAX_CARDINALITY,
    DEFAULT_TTL_SECONDS,
    DistinctCacheDefinition,
    LastCacheDefinition,
)
from procengine.model.node_spec import ALL_NODES


class StoredCaches(CommittedState):
    """The definitions of a catalog's last-value and distinct-value caches."""

    def last_cache_definitions(self) -> list[tuple[LastCacheDefinition, TableDefinition]]:
        """Return the last-value caches of all tables that are not deleted, each with its table."""
        return [(cache, table) for table in self._tables() for cache in table.last_caches.values()]

    def distinct_cache_definitions(self) -> list[tuple[DistinctCacheDefinition, TableDefinition]]:
        """Return the distinct-value caches of all tables that are not deleted, each with its table."""
        return [(cache, table) for table in self._tables() for cache in table.distinct_caches.values()]

    def create_last_cache(
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
    ) -> LastCacheDefinition:
        """Define a last-value cache of a table and return it; see `procengine.model.cache_definition.last_cache`.

        Raises:
            AlreadyExistsError: the table has one of this name.
            DatabaseNotFoundError, TableNotFoundError: there is no such table.
            InvalidInputError: the definition is not allowed, or the database is ``_internal``.
        """
        event, _ = self._commit_one(
            lambda state: cache_changes.create_last_cache(
                state,
                database,
                table,
                name=name,
                key_columns=key_columns,
                value_columns=value_columns,
                count=count,
                ttl_seconds=ttl_seconds,
                node_spec=node_spec,
                now_ns=self._clock.now_ns(),
            )
        )
        return event.last_cache

    def delete_last_cache(self, database: str, table: str, name: str) -> LastCacheDefinition:
        """Remove a last-value cache and return what it was.

        Raises:
            DatabaseNotFoundError, TableNotFoundError, CacheNotFoundError: there is none of this name.
            InvalidInputError: the database is ``_internal``.
        """
        event, _ = self._commit_one(
            lambda state: cache_changes.delete_last_cache(state, database, table, name)
        )
        return event.last_cache

    def create_distinct_cache(
        self,
        database: str,
        table: str,
        *,
        columns: Sequence[str],
        name: str | None = None,
        max_cardinality: int = DEFAULT_MAX_CARDINALITY,
        max_age_seconds: int = DEFAULT_MAX_AGE_SECONDS,
        node_spec: str = ALL_NODES,
    ) -> DistinctCacheDefinition:
        """Define a distinct-value cache and return it; see `procengine.model.cache_definition.distinct_cache`.

        Raises:
            AlreadyExistsError: the table has one of this name.
            DatabaseNotFoundError, TableNotFoundError: there is no such table.
            InvalidInputError: the definition is not allowed, or the database is ``_internal``.
        """
        event, _ = self._commit_one(
            lambda state: cache_changes.create_distinct_cache(
                state,
                database,
                table,
                columns=columns,
                name=name,
                max_cardinality=max_cardinality,
                max_age_seconds=max_age_seconds,
                node_spec=node_spec,
                now_ns=self._clock.now_ns(),
            )
        )
        return event.distinct_cache

    def delete_distinct_cache(self, database: str, table: str, name: str) -> DistinctCacheDefinition:
        """Remove a distinct-value cache and return what it was.

        Raises:
            DatabaseNotFoundError, TableNotFoundError, CacheNotFoundError: there is none of this name.
            InvalidInputError: the database is ``_internal``.
        """
        event, _ = self._commit_one(
            lambda state: cache_changes.delete_distinct_cache(state, database, table, name)
        )
        return event.distinct_cache

    def _tables(self) -> Iterator[TableDefinition]:
        for database in self.state.databases.values():
            yield from database.tables.values()
