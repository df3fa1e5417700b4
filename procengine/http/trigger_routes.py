"""How are triggers created, enabled, disabled and deleted over HTTP?

Source: influxdb3_server/src/http.rs, configure_processing_engine_trigger and those that follow it;
    influxdb3_types/src/http.rs, ProcessingEngineTriggerCreateRequest.
Differs: a plugin is compiled when its trigger is created, and a second trigger on a request path is refused, 409.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from procengine.errors import TriggerSpecError
from procengine.http.catalog_failures import catalog_error
from procengine.http.failures import HttpError
from procengine.http.fields import any_fields, query_fields
from procengine.http.node_spec import read_node_spec
from procengine.http.plugin_failures import plugin_error
from procengine.http.request import Request
from procengine.http.routes import Route, RouteTable
from procengine.http.serde import JsonObject
from procengine.model.trigger import ErrorBehavior

if TYPE_CHECKING:
    from procengine.engine import Engine

TRIGGER: Final = "/api/v3/configure/processing_engine_trigger"

_BEHAVIORS: Final[Mapping[str, ErrorBehavior]] = {one.value: one for one in ErrorBehavior}


def trigger_routes(engine: Engine) -> RouteTable:
    """Return the routes of triggers. Without a plugin directory nothing runs, but what is defined can be changed."""
    runs, catalog = engine.config.plugins_enabled, engine.catalog

    def delete(request: Request) -> Response:
        said = any_fields(request)
        database, name = said.required("db", str), said.required("trigger_name", str)
        force = said.optional("force", bool) or False
        if runs:
            engine.triggers.delete(database, name, force=force)
        else:
            catalog.delete_trigger(database, name, force=force)
        return Response()

    def enable(database: str, name: str) -> None:
        if runs:
            engine.triggers.enable(database, name)
        else:
            catalog.set_trigger_disabled(database, name, False)

    def disable(database: str, name: str) -> None:
        if runs:
            engine.triggers.disable(database, name)
        else:
            catalog.set_trigger_disabled(database, name, True)

    return {
        ("POST", TRIGGER): _changing(lambda request: _create(engine, request)),
        ("DELETE", TRIGGER): _changing(delete),
        ("POST", f"{TRIGGER}/enable"): _changing(_named(enable)),
        ("POST", f"{TRIGGER}/disable"): _changing(_named(disable)),
    }


def _changing(answer: Callable[[Request], Response]) -> Route:
    return Route(answer=answer, on_error=_trigger_error)


def _named(change: Callable[[str, str], None]) -> Callable[[Request], Response]:
    """Return what changes the trigger that a query string names."""

    def answer(request: Request) -> Response:
        said = query_fields(request)
        change(said.required("db", str), said.required("trigger_name", str))
        return Response()

    return answer


def _create(engine: Engine, request: Request) -> Response:
    said = any_fields(request)
    database = said.required("db", str)
    plugin_filename = said.required("plugin_filename", str)
    name = said.required("trigger_name", str)
    settings = JsonObject(said.required("trigger_settings", dict), "")
    assert isinstance(said, JsonObject)  # there are no maps in a query string
    run_async = settings.required("run_async", bool)
    error_behavior = settings.required_choice("error_behavior", _BEHAVIORS)
    spec = said.required("trigger_specification", str)
    arguments = said.texts("trigger_arguments")
    disabled = said.required("disabled", bool)
    node_spec = read_node_spec(said)
    engine.triggers.create(
        database,
        name,
        plugin_filename,
        spec,
        arguments=arguments,
        run_async=run_async,
        error_behavior=error_behavior,
        disabled=disabled,
        node_spec=node_spec,
    )
    return Response()


def _trigger_error(error: Exception) -> Exception:
    if isinstance(error, TriggerSpecError):
        return HttpError(500, str(error))
    return plugin_error(catalog_error(error))
