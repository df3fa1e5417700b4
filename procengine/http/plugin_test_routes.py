"""How is a plugin tried over HTTP that no trigger runs yet?

What is wrong with the test itself (its lines, its schedule, its database) is answered 200 as the one error; a plugin
that cannot be read is 500.

Source: influxdb3_processing_engine/src/lib.rs, dry_run_wal_plugin and test_schedule_plugin;
    influxdb3_types/src/http.rs, WalPluginTestRequest and SchedulePluginTestRequest.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.responses import Response

from procengine.errors import (
    DatabaseNotFoundError,
    InvalidInputError,
    InvalidNameError,
    LineProtocolError,
)
from procengine.http.failures import compact_json
from procengine.http.plugin_failures import plugin_error
from procengine.http.request import Request
from procengine.http.routes import Route, RouteTable

if TYPE_CHECKING:
    from procengine.engine import Engine

Answer = dict[str, object]


def plugin_test_routes(engine: Engine) -> RouteTable:
    """Return the routes of dry runs."""

    def write(request: Request) -> Response:
        said = request.json()
        filename, database = said.required("filename", str), said.required("database", str)
        lines = said.required("input_lp", str)
        cache_name, arguments = said.optional("cache_name", str), said.texts("input_arguments")
        tests = engine.plugin_tests
        return _answer(
            database,
            {},
            lambda: tests.write(database, filename, lines, arguments=arguments, cache_name=cache_name),
        )

    def schedule(request: Request) -> Response:
        said = request.json()
        filename, database = said.required("filename", str), said.required("database", str)
        cron = said.optional("schedule", str)
        cache_name, arguments = said.optional("cache_name", str), said.texts("input_arguments")
        tests = engine.plugin_tests
        return _answer(
            database,
            {"trigger_time": None},
            lambda: tests.schedule(database, filename, cron, arguments=arguments, cache_name=cache_name),
        )

    return {
        ("POST", "/api/v3/plugin_test/wal"): Route(answer=write, on_error=plugin_error),
        ("POST", "/api/v3/plugin_test/schedule"): Route(answer=schedule, on_error=plugin_error),
    }


def _answer(database: str, untimed: Answer, run: Callable[[], Answer]) -> Response:
    try:
        answer = run()
    except (InvalidInputError, DatabaseNotFoundError) as error:
        answer = untimed | {"log_lines": [], "database_writes": {}, "errors": [_fault(error, database)]}
    body = compact_json(answer).encode("utf-8", "replace")
    return Response(body, headers={"content-type": "application/json"})


def _fault(error: InvalidInputError | DatabaseNotFoundError, database: str) -> str:
    match error:
        case DatabaseNotFoundError():
            return "couldn't find db"
        case InvalidNameError():
            return f"invalid database {database}"
        case LineProtocolError():
            return f"line protocol parse failed: {error.errors[0].message}"
    return str(error)
