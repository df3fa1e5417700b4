"""How are tables created, kept and deleted over HTTP?

Source: influxdb3_server/src/http.rs, create_table, delete_table; docs-v2,
    api-docs/influxdb3/enterprise/influxdb3-enterprise-openapi.yaml (the retention period of a table).
Differs: as `procengine.http.database_routes`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from procengine.http.catalog_failures import catalog_error
from procengine.http.database_routes import refuse_data_only
from procengine.http.fields import query_fields
from procengine.http.periods import duration_ns, hard_deletion, said_period_ns
from procengine.http.request import Request
from procengine.http.routes import Route, RouteTable
from procengine.http.serde import JsonObject
from procengine.model.column import FIELD_TYPES, Column
from procengine.model.names import check_database_name

if TYPE_CHECKING:
    from procengine.engine import Engine

TABLE: Final = "/api/v3/configure/table"
RESTORE: Final = f"{TABLE}/restore"
RETENTION: Final = "/api/v3/enterprise/configure/table/retention_period"


def table_routes(engine: Engine) -> RouteTable:
    """Return the routes of tables."""
    catalog = engine.catalog

    def create(request: Request) -> Response:
        said = request.json()
        database, table = said.required("db", str), said.required("table", str)
        tags = said.strings("tags")
        fields = [_field(one) for one in said.maps("fields")]
        period_ns = said_period_ns(said)
        check_database_name(database)
        catalog.create_table(database, table, tags=tags, fields=fields)
        if period_ns is not None:
            catalog.set_retention_period(database, period_ns, table=table)
        return Response()

    def delete(request: Request) -> Response:
        said = query_fields(request)
        database, table = said.required("db", str), said.required("table", str)
        refuse_data_only(said)
        catalog.delete_table(database, table, hard_deletion(said, engine.clock.now_ns()))
        return Response()

    def restore(request: Request) -> Response:
        said = query_fields(request)
        catalog.restore_table(said.required("db", str), said.required("table", str))
        return Response()

    def set_retention(request: Request) -> Response:
        said = query_fields(request)
        database, table = said.required("db", str), said.required("table", str)
        catalog.set_retention_period(database, duration_ns(said), table=table)
        return Response(status_code=204)

    def clear_retention(request: Request) -> Response:
        said = query_fields(request)
        database, table = said.required("db", str), said.required("table", str)
        catalog.set_retention_period(database, None, table=table)
        return Response(status_code=204)

    return {
        ("POST", TABLE): Route(answer=create, on_error=catalog_error),
        ("DELETE", TABLE): Route(answer=delete, on_error=catalog_error),
        ("POST", RESTORE): Route(answer=restore, on_error=catalog_error),
        ("POST", RETENTION): Route(answer=set_retention, on_error=catalog_error),
        ("DELETE", RETENTION): Route(answer=clear_retention, on_error=catalog_error),
    }


def _field(said: JsonObject) -> Column:
    return Column(said.required("name", str), said.required_choice("type", FIELD_TYPES))
