"""How does a request reach its trigger?

The path is what follows ``/api/v3/engine/``, compared as it was sent.

Source: influxdb3_server/src/http.rs, processing_engine_request_plugin; influxdb3_processing_engine/src/plugins.rs.
Differs: a header's value that is not ASCII reaches the plugin (as Latin-1); in the original it ends the request.
    A plugin's headers on how a message is framed are left out, and a status that has no body has none.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from procengine.errors import NotFoundError, PluginsDisabledError
from procengine.http.request import Request
from procengine.http.routes import Route, RouteTable
from procengine.model.run import Cause, CauseKind
from procengine.model.run import Response as PluginResponse
from procengine.processing.event import RequestEvent

if TYPE_CHECKING:
    from procengine.engine import Engine

ENGINE: Final = "/api/v3/engine/"

_OUTSIDE: Final = Cause(kind=CauseKind.REQUEST)

NOT_FOUND: Final = '{error: "not found"}'
"""What the original answers; it is no JSON there either."""

_FRAMING: Final = frozenset(
    ("connection", "content-length", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade")
)


def engine_routes(engine: Engine) -> RouteTable:
    """Return the routes of request triggers."""
    route = Route(
        answer=lambda request: _request(engine, request),
        lane_of=lambda request: _lane(engine, request),
    )
    return {("GET", f"{ENGINE}*"): route, ("POST", f"{ENGINE}*"): route}


def _lane(engine: Engine, request: Request) -> str | None:
    """Return the path of a trigger that takes one request at a time."""
    path = request.path.removeprefix(ENGINE)
    runs_in_turn = engine.config.plugins_enabled and engine.triggers.takes_requests_in_turn(path)
    return path if runs_in_turn else None


def _request(engine: Engine, request: Request) -> Response:
    event = RequestEvent(
        query_params=dict(request.query_pairs),
        headers=_headers(request.headers),
        body=request.body(),
        cause=_OUTSIDE,
        method=request.method,
        offered_ns=request.received_ns,
    )
    try:
        answered = engine.triggers.request(request.path.removeprefix(ENGINE), event)
    except (NotFoundError, PluginsDisabledError):
        return Response(NOT_FOUND, status_code=404)
    return _sendable(answered)


def _headers(headers: Mapping[bytes, bytes]) -> dict[str, str]:
    return {
        name.decode("latin-1"): value.decode("latin-1")
        for name, value in headers.items()
        if name != b"authorization"
    }


class _Answer(Response):
    """A plugin's answer, made without Starlette's own headers."""

    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status_code = status
        self.raw_headers = headers
        self.body = body
        self.background = None


def _sendable(answered: PluginResponse) -> Response:
    """Return what a plugin answered, as HTTP can carry it."""
    status = answered.status if answered.status >= 200 else 500
    headers = list(_sendable_headers(answered.headers))
    if status in (204, 304):
        return _Answer(status, headers, b"")
    headers.append((b"content-length", b"%d" % len(answered.body)))
    return _Answer(status, headers, answered.body)


@lru_cache(maxsize=64)  # a trigger's answers mostly have the same
def _sendable_headers(headers: tuple[tuple[str, str], ...]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(
        (name.encode("latin-1"), value.encode("latin-1"))
        for name, value in headers
        if name.lower() not in _FRAMING
    )
