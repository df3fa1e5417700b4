"""Which events does a change of last-value and distinct-value caches make, and what forbids it?

Pure functions over states, as in `procengine.catalog.changes`.

Source: influxdb3_catalog/src/catalog/versions/v3/ops/cache.rs.
Differs: the documentation says that a cache which exists with the same definition is no error; the original's
source, and this, refuse every name that is taken.
"""

from __future__ import annotations

from collections.abc import Sequence

from procengine.catalog.changes import active_database, already_exists
from procengine.catalog.definitions import Database, TableDefinition
from procengine.catalog.state import CatalogState
from procengine.errors import CacheNotFoundError, TableNotFoundError
from procengine.model.cache_definition import distinct_cache, last_cache
from procengine.model.catalog_event import (
    DistinctCacheCreated,
    DistinctCacheDeleted,
    LastCacheCreated,
    LastCacheDeleted,
)


def create_last_cache(
    state: CatalogState,
    database: str,
    table: str,
    *,
    name: str | None,
    key_columns: Sequence[str] | None,
    value_columns: Sequence[str] | None,
    count: int,
    ttl_seconds: int,
    node_spec: str,
    now_ns: int,
) -> LastCacheCreated:
    """Return the creation of a last-value cache, under the next id."""
    active, definition = active_table(state, database, table)
    cache = last_cache(
        database,
        table,
        definition.id,
        definition.schema,
        name=name,
        key_columns=key_columns,
        value_columns=value_columns,
        count=count,
        ttl_seconds=ttl_seconds,
        node_spec=node_spec,
        cache_id=state.next_cache_id,
        created_ns=now_ns,
    )
    if cache.name in definition.last_caches:
        raise already_exists()
    return LastCacheCreated(database_id=active.id, last_cache=cache)


def delete_last_cache(state: CatalogState, database: str, table: str, name: str) -> LastCacheDeleted:
    """Return the deletion of a last-value cache."""
    active, definition = active_table(state, database, table)
    cache = definition.last_caches.get(name)
    if cache is None:
        raise CacheNotFoundError(name)
    return LastCacheDeleted(database_id=active.id, last_cache=cache)


def create_distinct_cache(
    state: CatalogState,
    database: str,
    table: str,
    *,
    columns: Sequence[str],
    name: str | None,
    max_cardinality: int,
    max_age_seconds: int,
    node_spec: str,
    now_ns: int,
) -> DistinctCacheCreated:
    """Return the creation of a distinct-value cache, under the next id."""
    active, definition = active_table(state, database, table)
    cache = distinct_cache(
        database,
        table,
        definition.id,
        definition.schema,
        columns=columns,
        name=name,
        max_cardinality=max_cardinality,
        max_age_seconds=max_age_seconds,
        node_spec=node_spec,
        cache_id=state.next_cache_id,
        created_ns=now_ns,
    )
    if cache.name in definition.distinct_caches:
        raise already_exists()
    return DistinctCacheCreated(database_id=active.id, distinct_cache=cache)


def delete_distinct_cache(
    state: CatalogState, database: str, table: str, name: str
) -> DistinctCacheDeleted:
    """Return the deletion of a distinct-value cache."""
    active, definition = active_table(state, database, table)
    cache = definition.distinct_caches.get(name)
    if cache is None:
        raise CacheNotFoundError(name)
    return DistinctCacheDeleted(database_id=active.id, distinct_cache=cache)


def active_table(state: CatalogState, database: str, table: str) -> tuple[Database, TableDefinition]:
    """Return a table that may be changed, and its database."""
    active = active_database(state, database)
    definition = active.tables.get(table)
    if definition is None:
        raise TableNotFoundError(database, table)
    return active, definition
