"""The routing table: what it finds, and that the README has all of it."""

from __future__ import annotations

import asyncio
import re

import httpx
import pytest
from starlette.responses import Response

from procengine import Engine
from procengine.http.api_threads import ApiThreads
from procengine.http.engine_metrics import RunMetrics
from procengine.http.metrics import HttpMetrics
from procengine.http.routes import Route, Routes
from procengine.http.serving import route_tables
from tests import readme

ROUTE = Route(answer=lambda request: Response())


def test_routes_are_exact() -> None:
    """A path is found as it is, with its method; a star stands for all that follows, even nothing."""
    routes = Routes({("GET", "/a"): ROUTE}, {("GET", "/b/*"): ROUTE})
    for path in ("/a", "/b/", "/b/c", "/b//../c"):
        assert routes.find("GET", path) is ROUTE
    for method, path in (("GET", "/a/"), ("GET", "/A"), ("GET", "/b"), ("POST", "/a"), ("get", "/a")):
        assert routes.find(method, path) is None


def test_routes_are_counted_by_what_they_have_in_common() -> None:
    """Paths that clients make up do not make up labels."""
    routes = Routes({("GET", "/a"): ROUTE, ("GET", "/b/*"): ROUTE})
    assert [routes.label(path) for path in ("/a", "/b/x", "/c")] == ["/a", "/b/*", "other"]


def test_routes_do_not_shadow_each_other() -> None:
    """Two families with one route are a mistake."""
    with pytest.raises(AssertionError, match="two routes for GET /a"):
        Routes({("GET", "/a"): ROUTE}, {("GET", "/a"): ROUTE})


def served_routes() -> set[tuple[str, str]]:
    """Return the method and path of all routes."""
    with Engine(environ={}) as engine:
        loop = asyncio.new_event_loop()
        tables = route_tables(engine, ApiThreads(loop, limit=1), HttpMetrics(), RunMetrics())
        loop.close()
        return {route for table in tables for route in table}


def test_routes_stand_in_the_readme() -> None:
    """The README's table has each route, and no other."""
    cells = " ".join(readme.table_cells("HTTP API"))
    assert set(re.findall(r"`([A-Z]+) (\S+)`", cells)) == served_routes()


NOT_OFFERED = [
    "/api/v3/authorize",
    "/api/v3/authorize/refresh",
    "/api/v3/authorize/reset-password",
    "/api/v3/configure/query_concurrency_limit",
    "/api/v3/configure/user",
    "/api/v3/enterprise/backup",
    "/api/v3/enterprise/backup/a",
    "/api/v3/enterprise/restore",
    "/api/v3/enterprise/restore/a",
    "/api/v3/enterprise/import",
    "/api/v3/enterprise/configure/file_index",
    "/api/v3/enterprise/configure/node/stop",
    "/api/v3/enterprise/configure/node/remove",
    "/api/v3/enterprise/configure/query_groups",
    "/api/v3/enterprise/configure/query_groups/1",
    "/api/v3/enterprise/configure/token",
    "/api/v3/export/databases",
    "/api/v3/export/tables",
    "/api/v3/export/windows",
    "/api/v3/export/window_data",
    "/api/v3/loadcap/profiles",
    "/api/v3/loadcap/profiles/1",
    "/api/v3/loadcap/start",
    "/api/v3/roles",
    "/api/v3/roles/1/permissions",
    "/api/v3/roles_by_name/a",
    "/api/v3/row_delete_requests",
    "/api/v3/row_delete_requests/1/abort",
    "/api/v3/users",
    "/api/v3/users/1",
    "/api/v3/users/1/roles",
    "/api/v3/users/1/require-password-reset",
    "/api/v3/users_by_oauth_id/a",
    "/api/v3/test/telemetry_snapshot",
    "/debug/pprof/heap",
]
"""Source: docs-v2, influxdb3-enterprise-openapi.yaml; influxdb3_server/src/all_paths.rs."""


def test_routes_that_are_not_offered_are_not_found(api: httpx.Client) -> None:
    """What the README says is not offered is 404 by every method, with the original's text."""
    for path in NOT_OFFERED:
        for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
            answer = api.request(method, path)
            assert (answer.status_code, answer.text) == (404, "Not found"), (method, path)
