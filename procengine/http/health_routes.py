"""Is the server there, what is it, and how is it doing?

Source: influxdb3_server/src/http.rs, health, ping, handle_metrics.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from starlette.responses import Response

from procengine.http.engine_metrics import RunMetrics, engine_exposition
from procengine.http.exposition import END
from procengine.http.failures import compact_json
from procengine.http.metrics import HttpMetrics
from procengine.http.request import Request
from procengine.http.routes import Route, RouteTable
from procengine.model.original_version import ORIGINAL_VERSION

if TYPE_CHECKING:
    from procengine.engine import Engine

PRODUCT_NAME: Final = "InfluxDB 3 Enterprise"
BUILD: Final = "Enterprise"
VERSION: Final = ORIGINAL_VERSION
"""Clients decide by it what they can ask for."""

REVISION: Final = "procengine"

PLAIN: Final = "text/plain; charset=utf-8"
EXPOSITION: Final = "text/plain; version=0.0.4; charset=utf-8"


def health_routes(engine: Engine, metrics: HttpMetrics, runs: RunMetrics) -> RouteTable:
    """Return the routes that monitors ask."""
    process_id = str(uuid.uuid4())

    def ping(request: Request) -> Response:  # noqa: ARG001
        return _ping(process_id)

    def expose(request: Request) -> Response:  # noqa: ARG001
        text = metrics.exposition() + engine_exposition(engine) + runs.exposition() + END
        return Response(text, headers={"content-type": EXPOSITION})

    healthy = Route(answer=_health, quick=True)
    pinged = Route(answer=ping, quick=True)
    return {
        ("GET", "/health"): healthy,
        ("GET", "/api/v1/health"): healthy,
        ("GET", "/ready"): healthy,
        ("GET", "/ping"): pinged,
        ("POST", "/ping"): pinged,
        ("GET", "/metrics"): Route(answer=expose),
    }


def _health(request: Request) -> Response:  # noqa: ARG001
    return Response("OK", headers={"content-type": PLAIN})


def _ping(process_id: str) -> Response:
    request_id = str(uuid.uuid4())
    body = {
        "product_name": PRODUCT_NAME,
        "version": VERSION,
        "revision": REVISION,
        "process_id": process_id,
    }
    headers = {
        "content-type": "application/json",
        "request-id": request_id,
        "x-influxdb-build": BUILD,
        "x-influxdb-version": VERSION,
        "x-request-id": request_id,
    }
    return Response(compact_json(body), headers=headers)
