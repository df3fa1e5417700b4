"""How are clients told of a cache that was created?

As a batch of the catalog with one operation, which the HTTP API answers and the command line prints.

Source: influxdb3_catalog/src/log/versions/v4.rs, OrderedCatalogBatch, LastCacheDefinition, DistinctCacheDefinition;
influxdb3_server/src/http.rs, legacy_cache_create_response.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from procengine.model.cache_definition import (
    CacheDefinition,
    DistinctCacheDefinition,
    LastCacheDefinition,
)
from procengine.model.column import ColumnType
from procengine.model.node_spec import nodes_of
from procengine.model.table_schema import TableSchema

Json = dict[str, Any]


def created_cache(
    cache: CacheDefinition, schema: TableSchema, *, database_id: int, sequence_number: int
) -> Json:
    """Return what is answered to the creation of a cache of a table with these columns."""
    if isinstance(cache, LastCacheDefinition):
        operation = {"CreateLastCache": _last_cache(cache, schema)}
    else:
        operation = {"CreateDistinctCache": _distinct_cache(cache, schema)}
    batch = {
        "time_ns": cache.created_ns,
        "database_id": database_id,
        "database_name": cache.database,
        "ops": [operation],
    }
    return {"catalog_batch": {"Database": batch}, "sequence_number": sequence_number}


def _last_cache(cache: LastCacheDefinition, schema: TableSchema) -> Json:
    values: str | Json = "all_non_key_columns"
    if cache.value_columns is not None:
        values = {"explicit": {"columns": _ids(cache.value_columns, schema)}}
    return {
        "table_id": cache.table_id,
        "table": cache.table,
        "id": cache.cache_id,
        "node_spec": _node_spec(cache.node_spec),
        "name": cache.name,
        "key_columns": _ids(cache.key_columns, schema),
        "value_columns": values,
        "count": cache.count,
        "ttl": cache.ttl_seconds,
    }


def _distinct_cache(cache: DistinctCacheDefinition, schema: TableSchema) -> Json:
    return {
        "table_id": cache.table_id,
        "table_name": cache.table,
        "node_spec": _node_spec(cache.node_spec),
        "cache_id": cache.cache_id,
        "cache_name": cache.name,
        "column_ids": _ids(cache.columns, schema),
        "max_cardinality": cache.max_cardinality,
        "max_age_seconds": cache.max_age_seconds,
        "source": {"type": "User"},
    }


def _node_spec(spec: str) -> str | Json:
    """Return where a cache is, with the nodes' names in the place of the original's numbers."""
    nodes = nodes_of(spec)
    return spec if nodes is None else {"nodes": list(nodes)}


def _ids(columns: Sequence[str], schema: TableSchema) -> list[Json]:
    """Return columns by kind and number: a tag's among the tags, a field's in the one family that there is."""
    tags = schema.series_key
    fields = [column.name for column in schema.fields]
    return [
        {"tag": tags.index(name)}
        if schema.type_of(name) is ColumnType.TAG
        else {"field": [0, fields.index(name)]}
        for name in columns
    ]
