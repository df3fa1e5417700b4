"""How are databases listed, created, kept and deleted over HTTP?

Source: influxdb3_server/src/http.rs, show_databases, create_database, update_database, delete_database,
    set_retention_period_for_database, clear_retention_period_for_database; influxdb3_query_executor/src/lib.rs.
Differs: what Enterprise has beyond that, deleting the data alone (``data_only``), is refused: to pass it over, as
    Core does, would delete all. ``restore`` is ours.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from procengine.errors import DatabaseNotFoundError
from procengine.http.catalog_failures import catalog_error, resource_not_found
from procengine.http.failures import HttpError
from procengine.http.fields import Fields, query_fault, query_fields
from procengine.http.periods import duration_ns, hard_deletion, said_period_ns
from procengine.http.query_routes import CONTENT_TYPES, FORMATS
from procengine.http.request import Request
from procengine.http.routes import Route, RouteTable
from procengine.http.serde import FormError
from procengine.model.names import check_database_name
from procengine.model.result_format import format_result

if TYPE_CHECKING:
    from collections.abc import Callable

    from procengine.catalog import Database
    from procengine.engine import Engine

DATABASE: Final = "/api/v3/configure/database"
RETENTION: Final = f"{DATABASE}/retention_period"
RESTORE: Final = f"{DATABASE}/restore"


def database_routes(engine: Engine) -> RouteTable:
    """Return the routes of databases."""
    catalog = engine.catalog

    def create(request: Request) -> Response:
        said = request.json()
        name, period_ns = said.required("db", str), said_period_ns(said)
        check_database_name(name)
        catalog.create_database(name, retention_period_ns=period_ns)
        return Response()

    def update(request: Request) -> Response:
        said = request.json()
        catalog.set_retention_period(said.required("db", str), said_period_ns(said))
        return Response()

    def delete(request: Request) -> Response:
        said = query_fields(request)
        name = said.required("db", str)
        refuse_data_only(said)
        try:
            catalog.delete_database(name, hard_deletion(said, engine.clock.now_ns()))
        except DatabaseNotFoundError as error:
            raise resource_not_found(name) from error
        return Response()

    def restore(request: Request) -> Response:
        catalog.restore_database(query_fields(request).required("db", str))
        return Response()

    def set_retention(request: Request) -> Response:
        said = query_fields(request)
        catalog.set_retention_period(said.required("db", str), duration_ns(said))
        return Response(status_code=204)

    def clear_retention(request: Request) -> Response:
        catalog.set_retention_period(query_fields(request).required("db", str), None)
        return Response(status_code=204)

    def changing(answer: Callable[[Request], Response]) -> Route:
        return Route(answer=answer, on_error=catalog_error)

    return {
        ("GET", DATABASE): Route(answer=lambda request: _show(catalog.all_databases(), request)),
        ("POST", DATABASE): changing(create),
        ("PUT", DATABASE): changing(update),
        ("DELETE", DATABASE): changing(delete),
        ("POST", RESTORE): changing(restore),
        ("POST", RETENTION): changing(set_retention),
        ("DELETE", RETENTION): changing(clear_retention),
    }


def refuse_data_only(said: Fields) -> None:
    """Accept a deletion that does not ask for less than all to go.

    Raises: HttpError (400).
    """
    if said.optional("data_only", bool):
        raise HttpError(
            400, "data_only is not supported: leave it out to delete all, the schema included"
        )


def _show(databases: tuple[Database, ...], request: Request) -> Response:
    import pyarrow as pa

    form = request.form()
    try:
        chosen = form.choice("format", FORMATS)
        if chosen is None:
            raise FormError("missing field `format`")
        deleted_too = form.flag("show_deleted", default=False)
    except FormError as error:
        raise query_fault(str(error)) from error
    shown = sorted(
        (one for one in databases if deleted_too or not one.deleted),
        key=lambda one: (one.deleted, one.name),
    )
    columns: dict[str, pa.Array] = {"iox::database": pa.array([one.name for one in shown], pa.string())}
    if deleted_too:
        columns["deleted"] = pa.array([one.deleted for one in shown], pa.bool_())
    body = format_result(pa.table(columns), chosen)
    return Response(body, headers={"content-type": CONTENT_TYPES[chosen]})
