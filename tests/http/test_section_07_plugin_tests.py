"""Section 7 over HTTP: dry runs of plugins."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from procengine import Engine
from procengine.http import Server
from tests.http.conftest import SECONDS
from tests.http.test_section_08_configuration import said

WAL = "/api/v3/plugin_test/wal"
SCHEDULE = "/api/v3/plugin_test/schedule"

SOURCE = """
    def work(influxdb3_local, args):
        influxdb3_local.warn("args", args)
        influxdb3_local.write(LineBuilder("queued").int64_field("n", 1))
        influxdb3_local.write_sync(LineBuilder("synced").int64_field("n", 2), no_sync=False)
        influxdb3_local.write_to_db("other", LineBuilder("home").string_field("temp", "hot"))
        if args and "fail" in args:
            raise ValueError(args["fail"])

    def process_writes(influxdb3_local, table_batches, args=None):
        influxdb3_local.info([batch["table_name"] for batch in table_batches])
        work(influxdb3_local, args)

    def process_scheduled_call(influxdb3_local, call_time, args=None):
        work(influxdb3_local, args)
"""

Plugin = Callable[[str, str], str]


@pytest.fixture
def test(engine: Engine, plugin: Plugin) -> dict[str, object]:
    """What asks for a dry run in the database ``house``."""
    engine.write("house", "home temp=1.5 1")
    engine.write("other", "home temp=1.5 1")
    return {"filename": plugin("p", SOURCE), "database": "house"}


def test_plugin_test_wal(api: httpx.Client, engine: Engine, test: dict[str, object]) -> None:
    """Rows of line protocol: logs, writes (synced first) and what production would reject."""
    body = test | {"input_lp": "home temp=2 1\nnew f=1 1", "input_arguments": {"k": "v"}}
    answer = api.post(WAL, json=body)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    shown = answer.json()
    assert list(shown) == ["log_lines", "database_writes", "errors"]
    assert shown["log_lines"][0] == "INFO: starting execution of wal plugin."
    assert shown["log_lines"][1:3] == ["INFO: ['home', 'new']", "WARN: args {'k': 'v'}"]
    assert shown["log_lines"][3].startswith("INFO: finished execution in ")
    writes = {"house": ["synced n=2i", "queued n=1i"], "other": ['home temp="hot"']}
    assert shown["database_writes"] == writes
    [error] = shown["errors"]
    assert "invalid column type for column 'temp'" in error
    assert set(engine.catalog.database("house").tables) == {"home"}


def test_plugin_test_wal_database_need_not_exist(api: httpx.Client, test: dict[str, object]) -> None:
    """Rows may be those of a database to come."""
    answer = api.post(WAL, json=test | {"database": "fresh", "input_lp": "home temp=2"})
    assert answer.json()["log_lines"][1] == "INFO: ['home']"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"input_lp": "home temp=1\nhome temp"}, "line protocol parse failed: "),
        ({"input_lp": 'home temp="hot"'}, "line protocol parse failed: invalid column type for"),
        ({"input_lp": ""}, "incoming write was empty"),
        ({"database": "not a name"}, "invalid database not a name"),
    ],
)
def test_plugin_test_wal_of_bad_input(
    api: httpx.Client, test: dict[str, object], change: dict[str, object], error: str
) -> None:
    """What is wrong with the rows is the one error of an answer that is 200."""
    answer = api.post(WAL, json=test | {"input_lp": "home temp=1"} | change)
    shown = answer.json()
    assert (answer.status_code, shown["log_lines"], shown["database_writes"]) == (200, [], {})
    assert len(shown["errors"]) == 1
    assert shown["errors"][0].startswith(error)


def test_plugin_test_failure(api: httpx.Client, test: dict[str, object]) -> None:
    """A plugin that raises is 200 with the one error, logs and writes empty, and no time."""
    error = "error executing plugin: ValueError: no"
    empty = {"log_lines": [], "database_writes": {}, "errors": [error]}
    body = test | {"input_lp": "home temp=2", "input_arguments": {"fail": "no"}}
    answer = api.post(WAL, json=body)
    assert (answer.status_code, answer.json()) == (200, empty)
    answer = api.post(SCHEDULE, json=test | {"input_arguments": {"fail": "no"}})
    assert (answer.status_code, answer.json()) == (200, {"trigger_time": None} | empty)


def test_plugin_test_schedule(api: httpx.Client, test: dict[str, object]) -> None:
    """A schedule's next time after now; by default every second."""
    answer = api.post(SCHEDULE, json=test | {"schedule": "0 30 6 * * *"})
    shown = answer.json()
    assert list(shown) == ["trigger_time", "log_lines", "database_writes", "errors"]
    assert shown["trigger_time"] == "2023-11-15T06:30:00Z"
    started = "INFO: starting execution with scheduled time 2023-11-15 06:30:00 UTC"
    assert shown["log_lines"][0] == started
    shown = api.post(SCHEDULE, json=test).json()
    assert shown["trigger_time"] == "2023-11-14T22:13:21Z"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"schedule": "* * * * *"}, "invalid cron syntax: "),
        ({"schedule": "0 0 0 1 1 * 1999"}, "cron schedule never triggers: 0 0 0 1 1 * 1999"),
        ({"database": "x"}, "couldn't find db"),
    ],
)
def test_plugin_test_schedule_that_cannot_be(
    api: httpx.Client, test: dict[str, object], change: dict[str, object], error: str
) -> None:
    """A schedule that is none, and a database that is not there, are the one error."""
    answer = api.post(SCHEDULE, json=test | change)
    shown = answer.json()
    assert (answer.status_code, shown["trigger_time"], shown["log_lines"]) == (200, None, [])
    assert shown["errors"][0].startswith(error)


def test_plugin_test_cache(api: httpx.Client, test: dict[str, object], plugin: Plugin) -> None:
    """Tests share a cache by its name; without one they share another."""
    code = """
    def process_writes(influxdb3_local, table_batches, args=None):
        n = influxdb3_local.cache.get("n", 0) + 1
        influxdb3_local.cache.put("n", n)
        influxdb3_local.info(n)
    """
    body = test | {"filename": plugin("q", code), "input_lp": "home temp=2"}
    names = (None, None, "a", "a", "_shared_test")
    counts = [api.post(WAL, json=body | {"cache_name": name}).json()["log_lines"][1] for name in names]
    assert counts == [f"INFO: {number}" for number in (1, 2, 1, 2, 3)]


def test_plugin_test_of_half_a_character(
    api: httpx.Client, test: dict[str, object], plugin: Plugin
) -> None:
    """A log line that is no Unicode text does not cost the answer."""
    code = """
    def process_writes(influxdb3_local, table_batches, args=None):
        influxdb3_local.info(chr(0xD800))
    """
    answer = api.post(WAL, json=test | {"filename": plugin("q", code), "input_lp": "home temp=2"})
    assert answer.status_code == 200


def test_plugin_test_of_a_missing_plugin(
    api: httpx.Client, engine: Engine, test: dict[str, object]
) -> None:
    """A plugin that cannot be read is 500, whatever else is wrong."""
    for name in ("x.py", "x" * 5_000):
        path = engine.plugins.folder / name
        text = f"Plugin error: reading plugin file: Plugin not found: {path}"
        body = test | {"filename": name, "input_lp": "", "schedule": "x"}
        assert said(api.post(WAL, json=body)) == (500, text)
        assert said(api.post(SCHEDULE, json=body)) == (500, text)
    answer = api.post(SCHEDULE, json=test | {"filename": "/etc/passwd"})
    assert answer.text.startswith("Plugin error: Path traversal detected: plugin filename '/etc/passwd'")


@pytest.mark.parametrize("route", [WAL, SCHEDULE])
def test_plugin_test_bad_bodies(api: httpx.Client, test: dict[str, object], route: str) -> None:
    """A body without its fields, or with others, is 400; one that is not JSON by its type 415."""
    full = test | {"input_lp": "home temp=1"}
    needed = ("filename", "database") if route == SCHEDULE else full
    for name in needed:
        answer = api.post(route, json={key: value for key, value in full.items() if key != name})
        assert answer.status_code == 400
        assert answer.text.startswith(f"serde json error: missing field `{name}`")
    answer = api.post(route, json=full | {"input_arguments": {"k": 1}})
    assert said(answer) == (
        400,
        "serde json error: invalid type: integer `1`, expected a string",
    )
    answer = api.post(route, content="{}")
    assert said(answer) == (415, "unacceptable content-type, expected: application/json")


def test_plugin_test_without_plugin_directory() -> None:
    """Without a plugin directory nothing is run."""
    with (
        Engine(environ={}, without_auth=True, http_bind="127.0.0.1:0") as engine,
        Server(engine) as server,
    ):
        assert server.wait_ready(SECONDS)
        body = {"filename": "p.py", "database": "house", "input_lp": "home temp=1"}
        for route in (WAL, SCHEDULE):
            answer = httpx.post(f"{server.url}{route}", json=body)
            assert said(answer) == (500, "Plugin error: Node not configured with plugin directory")
