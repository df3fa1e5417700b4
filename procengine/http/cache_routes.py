"""How are last-value and distinct-value caches created and deleted over HTTP?

A new cache is answered with the change of the catalog that made it, as the original's log has it.

Source: influxdb3_server/src/http.rs, configure_last_cache_create, configure_distinct_cache_create,
    and their counterparts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from procengine.errors import TableNotFoundError
from procengine.http.catalog_failures import catalog_error
from procengine.http.failures import compact_json
from procengine.http.fields import any_fields
from procengine.http.node_spec import read_node_spec
from procengine.http.request import Request
from procengine.http.routes import Route, RouteTable
from procengine.http.serde import JsonObject, json_fault
from procengine.model.cache_definition import (
    DEFAULT_COUNT,
    DEFAULT_MAX_AGE_SECONDS,
    DEFAULT_MAX_CARDINALITY,
    DEFAULT_TTL_SECONDS,
    CacheDefinition,
)
from procengine.model.created_cache import created_cache

if TYPE_CHECKING:
    from collections.abc import Callable

    from procengine.catalog import Catalog
    from procengine.engine import Engine

LAST_CACHE: Final = "/api/v3/configure/last_cache"
DISTINCT_CACHE: Final = "/api/v3/configure/distinct_cache"


def cache_routes(engine: Engine) -> RouteTable:
    """Return the routes of caches."""
    catalog = engine.catalog

    def create_last(request: Request) -> Response:
        said = request.json()
        node_spec = read_node_spec(said)
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
            node_spec=node_spec,
        )
        return _created(catalog, cache)

    def create_distinct(request: Request) -> Response:
        said = request.json()
        node_spec = read_node_spec(said)
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
            node_spec=node_spec,
        )
        return _created(catalog, cache)

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


def _created(catalog: Catalog, cache: CacheDefinition) -> Response:
    found = catalog.table_by_id(cache.table_id)
    if found is None:  # it went meanwhile, for good
        raise TableNotFoundError(cache.database, cache.table)
    database, table = found
    body = created_cache(
        cache, table.schema, database_id=database.id, sequence_number=catalog.sequence_number
    )
    headers = {"content-type": "application/json"}
    return Response(compact_json(body), status_code=201, headers=headers)
