"""How does a request reach its trigger?

The path is what follows ``/api/v3/engine/``, compared as it was sent.

Source: influxdb3_server/src/http.rs, processing_engine_request_plugin; influxdb3_processing_engine/src/plugins.rs.
Differs: a header's value that is not ASCII reaches the plugin (as Latin-1); in the original it ends the request.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from procengine.errors import NotFoundError, PluginsDisabledError
from procengine.http.plugin_answer import PluginAnswer
from procengine.http.request import Request
from procengine.http.routes import Route, RouteTable
from procengine.model.run import Cause, CauseKind
from procengine.processing.event import RequestEvent

if TYPE_CHECKING:
    from procengine.engine import Engine

ENGINE: Final = "/api/v3/engine/"

_OUTSIDE: Final = Cause(kind=CauseKind.REQUEST)

NOT_FOUND: Final = '{error: "not found"}'
"""What the original answers; it is no JSON there either."""


def engine_routes(engine: Engine) -> RouteTable:
    """Return the routes of request triggers."""
    route = Route(answer=partial(_request, engine), lane_of=partial(_lane, engine))
    return {("GET", f"{ENGINE}*"): route, ("POST", f"{ENGINE}*"): route}


def _lane(engine: Engine, request: Request) -> str | None:
    """Return the path of a trigger that takes one request at a time."""
    path = request.head.path.removeprefix(ENGINE)
    runs_in_turn = engine.config.plugins_enabled and engine.triggers.takes_requests_in_turn(path)
    return path if runs_in_turn else None


def _request(engine: Engine, request: Request) -> Response:
    head = request.head
    event = RequestEvent(
        query_params=head.query_params,
        headers=head.plugin_headers,
        body=request.body(),
        cause=_OUTSIDE,
        method=head.method,
        offered_ns=request.received_ns,
    )
    try:
        answered = engine.triggers.request(head.path.removeprefix(ENGINE), event)
    except (NotFoundError, PluginsDisabledError):
        return Response(NOT_FOUND, status_code=404)
    return PluginAnswer(answered)
