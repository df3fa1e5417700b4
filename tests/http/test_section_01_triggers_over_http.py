"""Section 1 over HTTP: creating, enabling, disabling and deleting triggers.

Source: influxdb3/tests/server/plugin_restriction.rs (texts).
"""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest

from procengine import Engine
from procengine.http import Server
from procengine.model.trigger import ErrorBehavior, Trigger
from tests.http.conftest import SECONDS
from tests.http.test_section_08_configuration import EXISTS, said

TRIGGER = "/api/v3/configure/processing_engine_trigger"

ANSWERS = """
    def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
        return {"args": args}

    def process_writes(influxdb3_local, table_batches, args=None):
        influxdb3_local.info("wrote")

    def process_scheduled_call(influxdb3_local, call_time, args=None):
        pass
"""

Plugin = Callable[[str, str], str]


@pytest.fixture
def body(engine: Engine, plugin: Plugin) -> dict[str, object]:
    """What creates a trigger, in the database ``foo``."""
    engine.catalog.create_database("foo")
    return {
        "db": "foo",
        "plugin_filename": plugin("p", ANSWERS),
        "trigger_name": "t",
        "trigger_settings": {"run_async": False, "error_behavior": "log"},
        "trigger_specification": "request:hello",
        "disabled": False,
    }


def of(engine: Engine) -> Trigger:
    """Return the trigger."""
    return engine.triggers.get("foo", "t")


def test_trigger_runs(api: httpx.Client, body: dict[str, object]) -> None:
    """A created trigger runs, with its arguments."""
    answer = api.post(TRIGGER, json=body | {"trigger_arguments": {"k": "v"}})
    assert (said(answer), answer.headers.get("content-type")) == ((200, ""), None)
    assert api.get("/api/v3/engine/hello").json() == {"args": {"k": "v"}}


def test_trigger_definition(api: httpx.Client, engine: Engine, body: dict[str, object]) -> None:
    """All that the body says is kept."""
    settings = {"run_async": True, "error_behavior": "retry"}
    changes = {"trigger_settings": settings, "trigger_specification": " table:x ", "disabled": True}
    assert said(api.post(TRIGGER, json=body | changes)) == (200, "")
    trigger = of(engine)
    assert (trigger.spec, trigger.run_async, trigger.disabled) == ("table:x", True, True)
    assert (trigger.error_behavior, trigger.arguments) == (ErrorBehavior.RETRY, None)


@pytest.mark.parametrize(
    "name",
    ["db", "plugin_filename", "trigger_name", "trigger_settings", "trigger_specification", "disabled"],
)
def test_trigger_fields_required(api: httpx.Client, body: dict[str, object], name: str) -> None:
    """Everything but the arguments must be said."""
    answer = api.post(TRIGGER, json={key: value for key, value in body.items() if key != name})
    assert answer.status_code == 400
    assert answer.text.startswith(f"serde json error: missing field `{name}` at line 1 column ")


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"trigger_settings": {}}, "missing field `run_async`"),
        ({"trigger_settings": {"run_async": True}}, "missing field `error_behavior`"),
        (
            {"trigger_settings": {"run_async": True, "error_behavior": "Log"}},
            "unknown variant `Log`, expected one of `log`, `retry`, `disable`",
        ),
        (
            {"trigger_settings": {"run_async": 1, "error_behavior": "log"}},
            "invalid type: integer `1`, expected a boolean",
        ),
        ({"trigger_settings": "log"}, 'invalid type: string "log", expected a map'),
        ({"trigger_arguments": {"k": 1}}, "invalid type: integer `1`, expected a string"),
        ({"trigger_arguments": ["k"]}, "invalid type: sequence, expected a map"),
        ({"disabled": "false"}, 'invalid type: string "false", expected a boolean'),
        ({"node_spec": 1}, "invalid type: integer `1`, expected `all` or a map with `nodes`"),
    ],
)
def test_trigger_bad_fields(
    api: httpx.Client, engine: Engine, body: dict[str, object], change: dict[str, object], text: str
) -> None:
    """A field of another type, or a behavior that is none, is 400, and nothing is created."""
    assert said(api.post(TRIGGER, json=body | change)) == (400, f"serde json error: {text}")
    assert engine.triggers.list() == ()


def test_trigger_field_twice(api: httpx.Client, body: dict[str, object]) -> None:
    """A field that is there twice is refused, in the settings as well."""
    sent = '{"db":"foo","plugin_filename":"p.py","trigger_name":"t","trigger_settings":'
    settings = '{"run_async":true,"run_async":false,"error_behavior":"log"}}'
    headers = {"Content-Type": "application/json"}
    answer = api.post(TRIGGER, content=sent + settings, headers=headers)
    assert said(answer) == (400, "serde json error: duplicate field `run_async`")


def test_trigger_query_string_replaces_body(
    api: httpx.Client, engine: Engine, body: dict[str, object]
) -> None:
    """Any query string stands in the body's place, where the settings cannot be said."""
    answer = api.post(TRIGGER, params={"db": "foo"}, json=body)
    assert said(answer) == (400, "serde error: missing field `plugin_filename`")
    params = {name: str(value) for name, value in body.items() if name != "trigger_settings"}
    answer = api.post(TRIGGER, params=params, json=body)
    assert said(answer) == (400, "serde error: missing field `trigger_settings`")
    answer = api.post(TRIGGER, params=params | {"trigger_settings": "{}"}, json=body)
    assert said(answer) == (400, 'serde error: invalid type: string "{}", expected a map')
    assert engine.triggers.list() == ()


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"db": "x"}, 404, "Database not found x"),
        ({"db": "_internal"}, 400, "cannot modify internal db"),
        (
            {"trigger_specification": "table:"},
            500,
            "failed to parse trigger from table:: table name is empty",
        ),
        (
            {"trigger_specification": "cron:* * * * *"},
            500,
            "failed to parse trigger from cron:* * * * *",
        ),
        (
            {"plugin_filename": "../p.py"},
            500,
            "Plugin error: Path traversal detected: plugin filename '../p.py' attempts to access files",
        ),
    ],
)
def test_trigger_refused(
    api: httpx.Client, body: dict[str, object], change: dict[str, object], status: int, text: str
) -> None:
    """What cannot be is refused with the original's status and text."""
    answer = api.post(TRIGGER, json=body | change)
    assert (answer.status_code, answer.text[: len(text)]) == (status, text)


def test_trigger_plugin_missing(api: httpx.Client, engine: Engine, body: dict[str, object]) -> None:
    """A plugin that cannot be read is 500, and says where it was looked for."""
    folder = engine.plugins.folder
    answer = api.post(TRIGGER, json=body | {"plugin_filename": "x.py"})
    text = f"Plugin error: reading plugin file: Plugin not found: {folder / 'x.py'}"
    assert said(answer) == (500, text)
    (folder / "d").mkdir()
    answer = api.post(TRIGGER, json=body | {"plugin_filename": "d/"})
    assert said(answer) == (
        500,
        f"Plugin error: reading plugin file: Multi-file plugin directory must contain __init__.py: {folder / 'd'}",
    )


def test_trigger_plugin_is_compiled(
    api: httpx.Client, engine: Engine, body: dict[str, object], plugin: Plugin
) -> None:
    """A plugin that cannot be compiled, or lacks the entry point, is refused at once (Differs)."""
    plugin("p", "def process_request(:\n")
    answer = api.post(TRIGGER, json=body)
    assert (answer.status_code, answer.text[:27]) == (500, "Plugin error: SyntaxError: ")
    plugin("p", "x = 1\n")
    answer = api.post(TRIGGER, json=body)
    assert answer.text.startswith(
        "Plugin error: the process_request function is not present in the plugin."
    )
    assert engine.triggers.list() == ()


def test_trigger_conflicts(api: httpx.Client, engine: Engine, body: dict[str, object]) -> None:
    """A name that is taken in the database is 409, and so is a request path (Differs)."""
    engine.catalog.create_database("bar")
    assert said(api.post(TRIGGER, json=body)) == (200, "")
    another = {"trigger_specification": "table:x"}
    assert said(api.post(TRIGGER, json=body | another)) == (409, EXISTS)
    assert said(api.post(TRIGGER, json=body | another | {"db": "bar"})) == (200, "")
    assert api.post(TRIGGER, json=body | {"trigger_name": "u"}).status_code == 409


@pytest.mark.parametrize(
    ("node_spec", "kept", "runs"),
    [
        (None, "all", True),
        ("all", "all", True),
        ({"nodes": ["procengine"]}, "nodes:procengine", True),
        ({"node_id": "procengine"}, "nodes:procengine", True),
        ({"node_group": "g"}, "all", True),
        ({"nodes": ["procengine", "n2"]}, "nodes:procengine,n2", True),
        ({"nodes": ["n2"]}, "nodes:n2", False),
        ({"node_id": "n2"}, "nodes:n2", False),
    ],
)
def test_trigger_node_specs(
    api: httpx.Client,
    engine: Engine,
    body: dict[str, object],
    node_spec: object,
    kept: str,
    runs: bool,
) -> None:
    """Enterprise's node_spec is kept; the route is there on the nodes that it names, and elsewhere not found."""
    assert said(api.post(TRIGGER, json=body | {"node_spec": node_spec})) == (200, "")
    assert of(engine).node_spec == kept
    assert api.get("/api/v3/engine/hello").status_code == (200 if runs else 404)


def test_trigger_disabled_and_enabled(
    api: httpx.Client, engine: Engine, body: dict[str, object]
) -> None:
    """A trigger is disabled and enabled for good, twice as well as once."""
    api.post(TRIGGER, json=body)
    params = {"db": "foo", "trigger_name": "t"}
    for _ in range(2):
        assert said(api.post(f"{TRIGGER}/disable", params=params)) == (200, "")
        assert of(engine).disabled
        assert api.get("/api/v3/engine/hello").status_code == 404
    for _ in range(2):
        assert said(api.post(f"{TRIGGER}/enable", params=params)) == (200, "")
        assert not of(engine).disabled
        assert api.get("/api/v3/engine/hello").status_code == 200


@pytest.mark.parametrize("way", ["enable", "disable"])
def test_trigger_enabling_refused(api: httpx.Client, body: dict[str, object], way: str) -> None:
    """Enabling and disabling read the query string alone; what is not there is 404."""
    route = f"{TRIGGER}/{way}"
    assert said(api.post(route)) == (400, "serde error: missing field `db`")
    answer = api.post(route, params={"db": "foo"}, json={"trigger_name": "t"})
    assert said(answer) == (400, "serde error: missing field `trigger_name`")
    answer = api.post(route, params={"db": "foo", "trigger_name": "t"})
    assert said(answer) == (404, "the requested resource was not found: t")
    answer = api.post(route, params={"db": "x", "trigger_name": "t"})
    assert said(answer) == (404, "Database not found x")


@pytest.mark.parametrize("way", ["params", "json"])
def test_trigger_deleted(api: httpx.Client, engine: Engine, body: dict[str, object], way: str) -> None:
    """A disabled trigger is deleted, an enabled one by force; by query string or body."""
    named = {"db": "foo", "trigger_name": "t"}

    def delete(**more: object) -> tuple[int, str]:
        sent = named | more
        return said(api.request("DELETE", TRIGGER, **{way: sent}))  # type: ignore[arg-type]

    api.post(TRIGGER, json=body)
    text = "Cannot delete running plugin t. Disable it first or use --force."
    assert delete() == (500, text)
    api.post(f"{TRIGGER}/disable", params=named)
    assert delete() == (200, "")
    api.post(TRIGGER, json=body)
    assert delete(force=True) == (200, "")
    assert engine.triggers.list() == ()
    assert delete() == (404, "the requested resource was not found: t")
    assert delete(db="x") == (404, "Database not found x")


def test_trigger_deletion_needs_fields(api: httpx.Client) -> None:
    """A deletion that says nothing is 415, for its body is none; a field that is missing or wrong is 400."""
    answer = api.delete(TRIGGER)
    assert said(answer) == (415, "unacceptable content-type, expected: application/json")
    answer = api.delete(TRIGGER, params={"db": "foo"})
    assert said(answer) == (400, "serde error: missing field `trigger_name`")
    answer = api.delete(TRIGGER, params={"db": "foo", "trigger_name": "t", "force": "1"})
    assert said(answer) == (400, "serde error: provided string was not `true` or `false`")


@pytest.mark.parametrize(
    ("allowed", "refused", "kind"),
    [
        ("schedule", "table:x", "WalRows"),
        ("schedule", "all_tables", "WalRows"),
        ("wal", "every:1s", "Schedule"),
        ("wal,schedule", "request:x", "Request"),
    ],
)
def test_triggers_restricted(
    plugin_dir: object, plugin: Plugin, allowed: str, refused: str, kind: str
) -> None:
    """Triggers of a kind that is not allowed are refused, 400."""
    settings = {"restrict_plugin_triggers_to": allowed, "http_bind": "127.0.0.1:0"}
    with (
        Engine(plugin_dir=plugin_dir, environ={}, without_auth=True, settings=settings) as engine,
        Server(engine) as server,
    ):
        assert server.wait_ready(SECONDS)
        engine.catalog.create_database("foo")
        body = {
            "db": "foo",
            "plugin_filename": plugin("p", ANSWERS),
            "trigger_name": "t",
            "trigger_settings": {"run_async": False, "error_behavior": "log"},
            "trigger_specification": refused,
            "disabled": False,
        }
        answer = httpx.post(f"{server.url}{TRIGGER}", json=body)
        text = f"invalid request: server is configured to reject {kind} plugin triggers"
        assert said(answer) == (400, text)


def test_triggers_without_plugin_directory() -> None:
    """Without a plugin directory no trigger is created; what is defined can be enabled, disabled and deleted."""
    with (
        Engine(environ={}, without_auth=True, http_bind="127.0.0.1:0") as engine,
        Server(engine) as server,
    ):
        assert server.wait_ready(SECONDS)
        engine.catalog.create_database("foo")
        trigger = Trigger(database="foo", name="t", plugin_filename="p.py", spec="all_tables")
        engine.catalog.create_trigger(trigger)
        body = {
            "db": "foo",
            "plugin_filename": "p.py",
            "trigger_name": "u",
            "trigger_settings": {"run_async": False, "error_behavior": "log"},
            "trigger_specification": "all_tables",
            "disabled": False,
        }
        with httpx.Client(base_url=server.url or "") as api:
            answer = api.post(TRIGGER, json=body)
            assert said(answer) == (500, "Plugin error: Node not configured with plugin directory")
            named = {"db": "foo", "trigger_name": "t"}
            assert said(api.post(f"{TRIGGER}/disable", params=named)) == (200, "")
            assert engine.catalog.database("foo").triggers["t"].disabled
            assert said(api.post(f"{TRIGGER}/enable", params=named)) == (200, "")
            assert said(api.delete(TRIGGER, params=named | {"force": "true"})) == (200, "")
            assert engine.catalog.database("foo").triggers == {}


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", TRIGGER),
        ("DELETE", TRIGGER),
        ("POST", f"{TRIGGER}/enable"),
        ("POST", f"{TRIGGER}/disable"),
        ("POST", "/api/v3/plugin_test/wal"),
        ("POST", "/api/v3/plugin_test/schedule"),
    ],
)
def test_triggers_need_a_token(anyone: httpx.Client, method: str, path: str) -> None:
    """Without a token no plugin is run or configured."""
    answer = anyone.request(method, path)
    assert said(answer) == (401, '{"error": "the request was not authenticated"}')
    assert anyone.options(path).status_code == 204
