"""How does a request become an answer?

Is it for this machine, does it show a token, which route is it, what is its body, what is the answer. Everything that
may wait runs on `ApiThreads`. A request with a long body is answered by a task, as ASGI has it; others by an
`Exchange`, which needs none.

Not Starlette's router: the original matches paths undecoded, and answers 404 where Starlette has 405 and redirects.

Source: influxdb3_server/src/http.rs, route_request, perform_routing.
Differs: ``Host`` must name this machine; without tokens ``Origin`` must as well, and no foreign page is told
    that it may read the answer (CORS).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect
from starlette.responses import Response, StreamingResponse
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from procengine.errors import StoppedError
from procengine.http.address import is_local_host, is_local_origin
from procengine.http.authentication import Authentication
from procengine.http.exchange import header_lines
from procengine.http.failures import HttpError, http_error, json_error
from procengine.http.head import Head, KnownHeads, head_of
from procengine.http.plugin_answer import PluginAnswer
from procengine.http.reading import read_body
from procengine.http.request import Request, too_large
from procengine.http.routes import Route, Routes

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from procengine.http.api_threads import ApiThreads
    from procengine.http.exchange import Exchange
    from procengine.http.metrics import HttpMetrics

TOKEN_ROUTES: Final = "/api/v3/configure/token"
CREATE_ADMIN_TOKEN: Final = "/api/v3/configure/token/admin"

ALLOW_ALL_ORIGINS: Final = (b"access-control-allow-origin", b"*")

_PREFLIGHT: Final = (
    ALLOW_ALL_ORIGINS,
    (b"access-control-allow-methods", b"*"),
    (b"access-control-allow-headers", b"*"),
    (b"access-control-max-age", b"86400"),
)

_CLOSE: Final = (b"connection", b"close")

_PATHS_OF_RESOURCE: Final = {
    "health": ("/health", "/api/v1/health"),
    "ping": ("/ping",),
    "metrics": ("/metrics",),
    "ready": ("/ready",),
    "pprof": ("/debug/pprof/heap",),
}


class Api:
    """The application, for ASGI and for `BoundedProtocol`. On the server's loop."""

    def __init__(
        self,
        routes: Routes,
        threads: ApiThreads,
        authentication: Authentication,
        metrics: HttpMetrics,
        *,
        cluster_uuid: str,
        largest_body_bytes: int,
        open_resources: tuple[str, ...] = (),
    ) -> None:
        self._routes = routes
        self._threads = threads
        self._authentication = authentication
        self._metrics = metrics
        self._largest_body_bytes = largest_body_bytes
        self._is_protected = authentication.required
        self._open_paths = frozenset(
            (CREATE_ADMIN_TOKEN, *(path for one in open_resources for path in _PATHS_OF_RESOURCE[one]))
        )
        self._cluster_uuid = (b"cluster-uuid", cluster_uuid.encode())
        cors = (ALLOW_ALL_ORIGINS,) if self._is_protected else ()
        self._lines_of_success = header_lines((*cors, self._cluster_uuid))
        self.known_heads = KnownHeads()
        self._local_hosts: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request by a task."""
        if scope["type"] != "http":
            return
        received_ns = time.perf_counter_ns()
        asked = head_of(scope)
        try:
            response = await self._answer(asked, receive, received_ns)
        except ClientDisconnect:
            self._metrics.aborted(asked.method, self._label(asked))
            return
        await response(scope, receive, send)
        self._count(asked, response.status_code, received_ns)

    def start(self, exchange: Exchange) -> None:
        """Begin to answer a request whose head has come; its body may come later."""
        admitted = self._admitted(exchange.head)
        if isinstance(admitted, Response):
            self._send(exchange, admitted)
        elif exchange.awaits_body:
            exchange.go_on = partial(self._begin, exchange, admitted)
        else:
            self._begin(exchange, admitted)

    def _begin(self, exchange: Exchange, route: Route) -> None:
        """Answer a request that has come."""
        if exchange.disconnected:
            self._metrics.aborted(exchange.head.method, self._label(exchange.head))
            return
        body = exchange.give_body()
        request = self._request(
            exchange.head,
            body if len(body) <= self._largest_body_bytes else too_large(self._largest_body_bytes),
            exchange.received_ns,
        )
        if route.quick:
            self._send(exchange, self._made(route, request))
            return
        call, done = partial(route.answer, request), partial(self._answered, exchange, route)
        try:
            self._threads.submit(call, done, lane=route.lane(request))
        except StoppedError as error:
            done(None, error)

    def _answered(
        self, exchange: Exchange, route: Route, response: Response | None, error: Exception | None
    ) -> None:
        if type(response) is PluginAnswer and not exchange.disconnected:
            exchange.answer(response.lines + self._lines_of_success, response.sent_body)
            self._count(exchange.head, response.status_code, exchange.received_ns)
        else:
            self._send(exchange, self._finished(route, response, error))

    def _send(self, exchange: Exchange, response: Response) -> None:
        if exchange.disconnected:
            self._metrics.aborted(exchange.head.method, self._label(exchange.head))
            return
        if isinstance(response, StreamingResponse):
            exchange.run(response)  # type: ignore[arg-type]  # Starlette and uvicorn type ASGI in two ways
        else:
            lines = STATUS_LINE[response.status_code] + header_lines(response.raw_headers)
            exchange.answer(lines, bytes(response.body), close=_CLOSE in response.raw_headers)
        self._count(exchange.head, response.status_code, exchange.received_ns)

    def _count(self, asked: Head, status: int, received_ns: int) -> None:
        label = asked.label or self._label(asked)
        self._metrics.answered(asked.method, label, status, time.perf_counter_ns() - received_ns)

    def _label(self, asked: Head) -> str:
        """Return the path by which a request is counted."""
        label = asked.label
        if label is None:
            label = asked.label = self._routes.label(asked.path)
        return label

    async def _answer(self, asked: Head, receive: Receive, received_ns: int) -> Response:
        admitted = self._admitted(asked)
        if isinstance(admitted, Response):
            return admitted
        body = await read_body(asked.headers, receive, self._largest_body_bytes)
        request = self._request(asked, body, received_ns)
        if admitted.quick:
            return self._made(admitted, request)
        try:
            call = partial(admitted.answer, request)
            response = await self._threads.call(call, lane=admitted.lane(request))
        except Exception as error:  # noqa: BLE001 - the HTTP handler: each becomes an answer
            return self._finished(admitted, None, error)
        return self._finished(admitted, response, None)

    def _admitted(self, asked: Head) -> Route | Response:
        """Return the route of a request that may be answered, or the answer of one that need not be.

        What a head says once it says again: only the token may have ceased to admit.
        """
        try:
            if asked.route is not None:
                self._check_token(asked)
                return asked.route
            self._check_local(asked.headers)
            if asked.method == "OPTIONS":
                return self._completed(_preflight(_PREFLIGHT if self._is_protected else ()))
            if not self._is_protected and asked.path.startswith(TOKEN_ROUTES):
                raise HttpError(405, "endpoint disabled, started without auth")
            self._check_token(asked)
            route = self._routes.find(asked.method, asked.path)
            if route is None:
                raise HttpError(404, "Not found")
        except HttpError as error:
            return self._completed(_error_response(error))
        asked.route = route
        return route

    def _check_token(self, asked: Head) -> None:
        if asked.path not in self._open_paths:
            self._authentication.check(asked.path, asked.query, asked.headers)

    def _made(self, route: Route, request: Request) -> Response:
        """Return the answer of a route that is quick."""
        try:
            return self._finished(route, route.answer(request), None)
        except Exception as error:  # noqa: BLE001 - the HTTP handler: each becomes an answer
            return self._finished(route, None, error)

    def _finished(self, route: Route, response: Response | None, error: Exception | None) -> Response:
        """Return what is sent for what a route answered, or raised."""
        if response is None:
            assert error is not None
            return self._completed(_error_response(_as_http_error(route, error)))
        if isinstance(response, PluginAnswer):
            response = response.unfolded()
        if self._is_protected:
            response.raw_headers.append(ALLOW_ALL_ORIGINS)
        return self._completed(response)

    def _completed(self, response: Response) -> Response:
        response.raw_headers.append(self._cluster_uuid)
        return response

    def _request(self, asked: Head, body: bytes | HttpError, received_ns: int) -> Request:
        return Request(asked, body, received_ns, self._largest_body_bytes)

    def _check_local(self, headers: Mapping[bytes, bytes]) -> None:
        host = headers.get(b"host", b"")
        if host not in self._local_hosts:
            if not is_local_host(host):
                raise json_error(
                    403, "the Host header does not name this machine; use 127.0.0.1 or localhost"
                )
            if len(self._local_hosts) < 64:
                self._local_hosts.add(host)
        if not self._is_protected and not is_local_origin(headers.get(b"origin", b"http://localhost")):
            raise json_error(403, "requests of pages from elsewhere are not answered without tokens")


def _as_http_error(route: Route, error: Exception) -> HttpError:
    if route.on_error is not None:
        error = route.on_error(error)
    if isinstance(error, StoppedError):
        return HttpError(error.http_status, str(error))
    return http_error(error)


def _error_response(error: HttpError) -> Response:
    response = Response(error.body.encode("utf-8", "replace"), status_code=error.status)
    if error.status == 413:
        response.raw_headers.append(_CLOSE)
    return response


def _preflight(headers: tuple[tuple[bytes, bytes], ...]) -> Response:
    response = Response(status_code=204)
    response.raw_headers = list(headers)
    return response
