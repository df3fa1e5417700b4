"""How does a request become an answer?

One ASGI callable for all routes: is the request for this machine, does it show a token, which route is it, what is
its body, what is the answer. Everything that may wait runs on `ApiThreads`.

Not Starlette's router: the original matches paths undecoded, and answers 404 where Starlette has 405 and redirects.

Source: influxdb3_server/src/http.rs, route_request, perform_routing.
Differs: ``Host`` must name this machine; without tokens ``Origin`` must as well, and no foreign page is told
    that it may read the answer (CORS).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final

from starlette.requests import ClientDisconnect
from starlette.responses import Response

from procengine.errors import StoppedError
from procengine.http.address import is_local_host, is_local_origin
from procengine.http.authentication import Authentication
from procengine.http.failures import HttpError, http_error, json_error
from procengine.http.reading import read_body
from procengine.http.request import Request
from procengine.http.routes import Route, Routes

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

    from procengine.http.api_threads import ApiThreads
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

_PATHS_OF_RESOURCE: Final = {
    "health": ("/health", "/api/v1/health"),
    "ping": ("/ping",),
    "metrics": ("/metrics",),
    "ready": ("/ready",),
    "pprof": ("/debug/pprof/heap",),
}


class Api:
    """The ASGI application. On the server's loop."""

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
        self._local_hosts: set[bytes] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        began_ns = time.perf_counter_ns()
        method, path = scope["method"], scope["raw_path"].decode("ascii", "replace")
        try:
            response = await self._answer(method, path, scope, receive)
        except ClientDisconnect:
            self._metrics.aborted(method, self._routes.label(path))
            return
        response.raw_headers.append(self._cluster_uuid)
        await response(scope, receive, send)
        duration_ns = time.perf_counter_ns() - began_ns
        self._metrics.answered(method, self._routes.label(path), response.status_code, duration_ns)

    async def _answer(self, method: str, path: str, scope: Scope, receive: Receive) -> Response:
        try:
            response = await self._try(method, path, scope, receive)
        except ClientDisconnect:
            raise
        except HttpError as error:
            return _error_response(error)
        if self._is_protected and method != "OPTIONS":
            response.raw_headers.append(ALLOW_ALL_ORIGINS)
        return response

    async def _try(self, method: str, path: str, scope: Scope, receive: Receive) -> Response:
        headers: Mapping[bytes, bytes] = dict(scope["headers"])
        self._check_local(headers)
        if method == "OPTIONS":
            return _preflight(_PREFLIGHT if self._is_protected else ())
        if not self._is_protected and path.startswith(TOKEN_ROUTES):
            raise HttpError(405, "endpoint disabled, started without auth")
        if path not in self._open_paths:
            self._authentication.check(path, scope["query_string"], headers)
        route = self._routes.find(method, path)
        if route is None:
            raise HttpError(404, "Not found")
        request = Request(
            method=method,
            path=path,
            query=scope["query_string"],
            headers=headers,
            sent_body=await read_body(headers, receive, self._largest_body_bytes),
            largest_body_bytes=self._largest_body_bytes,
        )
        try:
            if route.quick:
                return route.answer(request)
            return await self._threads.call(_call(route.answer, request))
        except Exception as error:
            raise _as_http_error(route, error) from error

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


def _call(answer: Callable[[Request], Response], request: Request) -> Callable[[], Response]:
    return lambda: answer(request)


def _as_http_error(route: Route, error: Exception) -> HttpError:
    if route.on_error is not None:
        error = route.on_error(error)
    if isinstance(error, StoppedError):
        return HttpError(error.http_status, str(error))
    return http_error(error)


def _error_response(error: HttpError) -> Response:
    response = Response(error.body.encode("utf-8", "replace"), status_code=error.status)
    if error.status == 413:
        response.raw_headers.append((b"connection", b"close"))
    return response


def _preflight(headers: tuple[tuple[bytes, bytes], ...]) -> Response:
    response = Response(status_code=204)
    response.raw_headers = list(headers)
    return response
