"""How are last-value and distinct-value caches created and deleted over HTTP?

A new cache is answered with the change of the catalog that made it, as the original's log has it.

Source: influxdb3_server/src/http.rs, configure_last_cache_create, configure_distinct_cache_create,
    legacy_cache_create_response and their counterparts; influxdb3_catalog/src/log/versions/v4.rs (what is answered).
Differs: columns are numbered in the order of the table's tags and of its fields, all of one field family.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from procengine.errors import TableNotFoundError
from procengine.http.catalog_failures import catalog_error
from procengine.http.failures import compact_json
from procengine.http.fields import any_fields
from procengine.http.request import Request
from procengine.http.routes import Route, RouteTable
from procengine.http.serde import JsonObject, json_fault
from procengine.model.cache_definition import (
    DEFAULT_COUNT,
    DEFAULT_MAX_AGE_SECONDS,
    DEFAULT_MAX_CARDINALITY,
    DEFAULT_TTL_SECONDS,
    CacheDefinition,
    DistinctCacheDefinition,
    LastCacheDefinition,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from procengine.catalog import Catalog, Database, TableDefinition
    from procengine.engine import Engine
    from procengine.model.table_schema import TableSchema

LAST_CACHE: Final = "/api/v3/configure/last_cache"
DISTINCT_CACHE: Final = "/api/v3/configure/distinct_cache"


def cache_routes(engine: Engine) -> RouteTable:
    """Return the routes of caches."""
    catalog = engine.catalog

    def create_last(request: Request) -> Response:
        said = request.json()
        count = _number(said, "count", DEFAULT_COUNT)
        if count == 0:
            raise json_fault("last cache size must be greater than 0")
        cache = catalog.create_last_cache(
            said.required("db", str),
            said.required("table", str),
            name=said.optional("name", str),
            key_columns=said.optional_strings("key_columns"),
            value_columns=said.optional_strings("value_columns"),
            count=count,
            ttl_seconds=_number(said, "ttl", DEFAULT_TTL_SECONDS),
        )
        database, table = _table(catalog, cache)
        return _created(catalog, cache, database, {"CreateLastCache": _last_cache(cache, table.schema)})

    def create_distinct(request: Request) -> Response:
        said = request.json()
        most = _number(said, "max_cardinality", DEFAULT_MAX_CARDINALITY)
        if most == 0:
            raise json_fault("invalid value: integer `0`, expected a nonzero usize")
        cache = catalog.create_distinct_cache(
            said.required("db", str),
            said.required("table", str),
            name=said.optional("name", str),
            columns=said.strings("columns"),
            max_cardinality=most,
            max_age_seconds=_number(said, "max_age", DEFAULT_MAX_AGE_SECONDS),
        )
        database, table = _table(catalog, cache)
        operation = {"CreateDistinctCache": _distinct_cache(cache, table.schema)}
        return _created(catalog, cache, database, operation)

    def deletion(delete: Callable[[str, str, str], object]) -> Route:
        def answer(request: Request) -> Response:
            said = any_fields(request)
            delete(said.required("db", str), said.required("table", str), said.required("name", str))
            return Response()

        return Route(answer=answer, on_error=catalog_error)

    return {
        ("POST", LAST_CACHE): Route(answer=create_last, on_error=catalog_error),
        ("DELETE", LAST_CACHE): deletion(catalog.delete_last_cache),
        ("POST", DISTINCT_CACHE): Route(answer=create_distinct, on_error=catalog_error),
        ("DELETE", DISTINCT_CACHE): deletion(catalog.delete_distinct_cache),
    }


def _number(said: JsonObject, name: str, default: int) -> int:
    """Return a number of at most 64 bits, of which a null is none."""
    if name not in said.fields:
        return default
    number = said.required(name, int)
    if number >= 2**64:
        raise json_fault(f"invalid value: integer `{number}`, expected u64")
    return number


def _table(catalog: Catalog, cache: CacheDefinition) -> tuple[Database, TableDefinition]:
    found = catalog.table_by_id(cache.table_id)
    if found is None:  # it went meanwhile, for good
        raise TableNotFoundError(cache.database, cache.table)
    return found


def _created(
    catalog: Catalog, cache: CacheDefinition, database: Database, operation: Mapping[str, object]
) -> Response:
    batch = {
        "time_ns": cache.created_ns,
        "database_id": database.id,
        "database_name": cache.database,
        "ops": [operation],
    }
    body = {"catalog_batch": {"Database": batch}, "sequence_number": catalog.sequence_number}
    headers = {"content-type": "application/json"}
    return Response(compact_json(body), status_code=201, headers=headers)


def _last_cache(cache: LastCacheDefinition, schema: TableSchema) -> dict[str, object]:
    values: object = "all_non_key_columns"
    if cache.value_columns is not None:
        values = {"explicit": {"columns": _ids(schema, cache.value_columns)}}
    return {
        "table_id": cache.table_id,
        "table": cache.table,
        "id": cache.cache_id,
        "node_spec": "all",
        "name": cache.name,
        "key_columns": _ids(schema, cache.key_columns),
        "value_columns": values,
        "count": cache.count,
        "ttl": cache.ttl_seconds,
    }


def _distinct_cache(cache: DistinctCacheDefinition, schema: TableSchema) -> dict[str, object]:
    return {
        "table_id": cache.table_id,
        "table_name": cache.table,
        "node_spec": "all",
        "cache_id": cache.cache_id,
        "cache_name": cache.name,
        "column_ids": _ids(schema, cache.columns),
        "max_cardinality": cache.max_cardinality,
        "max_age_seconds": cache.max_age_seconds,
        "source": {"type": "User"},
    }


def _ids(schema: TableSchema, names: Iterable[str]) -> list[object]:
    tags, fields = schema.series_key, [column.name for column in schema.fields]
    return [
        {"tag": tags.index(name)} if name in tags else {"field": [0, fields.index(name)]}
        for name in names
    ]
