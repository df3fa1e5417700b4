"""Sections 4 and 8: request triggers over HTTP."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import threading
from collections.abc import Callable

import httpx
import pytest

from procengine import Engine
from procengine.http import Server
from procengine.model.run import Cause, CauseKind
from procengine.processing.event import RequestEvent

ENGINE = "/api/v3/engine"

ECHO = """
def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
    return {"params": query_params, "headers": request_headers, "body": request_body.decode("latin-1"), "args": args}
"""

Trigger = Callable[..., None]


@pytest.fixture
def trigger(engine: Engine, plugin: Callable[[str, str], str]) -> Trigger:
    """Make a request trigger of a plugin's source."""
    engine.catalog.create_database("house")

    def make(path: str, source: str, **options: object) -> None:
        name = f"t{len(engine.triggers.list())}"
        engine.triggers.create("house", name, plugin(name, source), f"request:{path}", **options)

    return make


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_engine_request_reaches_the_plugin(api: httpx.Client, trigger: Trigger, method: str) -> None:
    """Parameters are decoded, the last of a name stands; headers are lower-case, less the token; bodies are bytes."""
    trigger("echo", ECHO, arguments={"k": "v"})
    answer = api.request(
        method,
        f"{ENGINE}/echo?a=1&a=2&b=x%20y+z&c&d=%ff",
        content=b"body\xff" if method == "POST" else b"",
        headers=[("X-One", "1"), ("X-One", "2"), ("X-Latin", b"\xe9")],  # type: ignore[list-item]
    )
    told = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    assert told["params"] == {"a": "2", "b": "x y z", "c": "", "d": "\ufffd"}
    assert told["headers"]["x-one"] == "2"
    assert told["headers"]["x-latin"] == "é"
    assert "authorization" not in told["headers"]
    assert told["body"] == ("bodyÿ" if method == "POST" else "")
    assert told["args"] == {"k": "v"}


def test_engine_body_is_decompressed(api: httpx.Client, trigger: Trigger) -> None:
    """A plugin gets the body as it was before gzip."""
    trigger("echo", ECHO)
    headers = {"Content-Encoding": "gzip"}
    answer = api.post(f"{ENGINE}/echo", content=gzip.compress(b"hello"), headers=headers)
    assert answer.json()["body"] == "hello"
    assert api.post(f"{ENGINE}/echo", content=b"no gzip", headers=headers).status_code == 400


@pytest.mark.parametrize(
    ("path", "asked", "status"),
    [
        ("a/b", "a/b", 200),
        ("a", "a/", 404),
        ("/a", "/a", 200),
        ("/a", "a", 404),
        ("a b", "a%20b", 404),
        ("a%20b", "a%20b", 200),
        ("../secret", "../secret", 200),
        ("a", "./a", 404),
        ("a", "A", 404),
        ("..", "..", 200),
        ("%00", "%00", 200),
        ("a" * 30_000, "a" * 30_000, 200),
    ],
)
def test_engine_paths_are_compared_as_sent(
    server: Server, trigger: Trigger, path: str, asked: str, status: int
) -> None:
    """The path after ``engine/`` is neither decoded nor tidied."""
    trigger(path, ECHO)
    answered, body = raw_get(server, f"{ENGINE}/{asked}")
    assert answered == status
    if status == 404:
        assert body == b'{error: "not found"}'


def raw_get(server: Server, target: str) -> tuple[int, bytes]:
    """Ask for a target that no client library has tidied."""
    assert server.url is not None
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    try:
        connection.putrequest("GET", target)
        connection.putheader("Authorization", f"Bearer {server.token()}")
        connection.endheaders()
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def test_engine_other_methods(api: httpx.Client, trigger: Trigger) -> None:
    """Methods but GET and POST are not found; OPTIONS is answered without the plugin."""
    trigger("echo", ECHO)
    for method in ("PUT", "DELETE", "PATCH", "HEAD"):
        answer = api.request(method, f"{ENGINE}/echo")
        assert answer.status_code == 404
        assert answer.text == ("" if method == "HEAD" else "Not found")
    assert api.options(f"{ENGINE}/echo").status_code == 204


def test_engine_unknown_path(api: httpx.Client) -> None:
    """A path that nobody answers is 404, with the original's body."""
    answer = api.get(f"{ENGINE}/nothing")
    assert (answer.status_code, answer.text) == (404, '{error: "not found"}')


@pytest.mark.parametrize(
    ("returned", "status", "headers", "body"),
    [
        ("'text'", 200, {"content-type": "text/html"}, "text"),
        ("[1, None]", 200, {"content-type": "application/json"}, "[1, null]"),
        ("('made', 201)", 201, {"content-type": "text/html"}, "made"),
        ("('x', 299, {'X-A': 'b'})", 299, {"x-a": "b"}, "x"),
        ("('x', {'Content-Type': 'text/csv'})", 200, {"content-type": "text/csv"}, "x"),
        ("('x', 700)", 700, {}, "x"),
        ("('x', 999)", 999, {}, "x"),
        ("('x', 100)", 500, {}, "x"),
        ("('x', 1000)", 500, {}, "x"),
        ("('dropped', 204)", 204, {}, ""),
        ("('dropped', 304)", 304, {}, ""),
        ("('x', 200, {'X-A': 'a\\r\\nSet-Cookie: b'})", 200, {"x-a": ""}, "x"),
        ("('x', 200, {'X-A': 'é'})", 200, {"x-a": ""}, "x"),
        ("('x', 200, {'Content-Length': '100'})", 200, {"content-length": "1"}, "x"),
        ("('x', 200, {'Transfer-Encoding': 'chunked'})", 200, {"content-length": "1"}, "x"),
        ("('x', 200, {'Connection': 'close'})", 200, {}, "x"),
        ("('é' * 3, 200)", 200, {"content-length": "6"}, "ééé"),
        (
            "('x', 200, {'X A': '1'})",
            500,
            {},
            "Processing engine error: request handler for trigger down",
        ),
        ("None", 500, {}, '{"error":"Unsupported return type from Python function"}'),
        ("1 / 0", 500, {}, '{"error":"Python function call failed: ZeroDivisionError: '),
    ],
)
def test_engine_responses(
    api: httpx.Client,
    trigger: Trigger,
    returned: str,
    status: int,
    headers: dict[str, str],
    body: str,
) -> None:
    """What a plugin returns is sent as far as HTTP can carry it, and cannot break out of its answer."""
    trigger("r", f"def process_request(a, b, c, d, e=None):\n    return {returned}\n")
    for _ in range(2):  # the connection is usable after each
        answer = api.get(f"{ENGINE}/r")
        assert answer.status_code == status
        assert answer.text.startswith(body)
        assert bool(answer.text) == bool(body)
        assert {name: answer.headers.get(name) for name in headers} == headers
        assert "set-cookie" not in answer.headers
        assert answer.headers["cluster-uuid"]


def test_engine_plugin_calls_its_own_server(api: httpx.Client, server: Server, trigger: Trigger) -> None:
    """A plugin may ask the server that it runs in while it runs."""
    trigger(
        "outer",
        f"""
        import json, urllib.request

        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            headers = {{"Authorization": "Bearer {server.token()}"}}
            def ask(path, data=None):
                return urllib.request.urlopen(urllib.request.Request("{server.url}" + path, data, headers)).read()
            ask("/api/v3/write_lp?db=house", b"inner v=1i")
            rows = ask("/api/v3/query_sql?db=house&q=SELECT+v+FROM+inner")
            return ask("{ENGINE}/inner").decode() + rows.decode()
        """.replace("FROM+inner", "FROM+%22inner%22"),
    )
    trigger("inner", "def process_request(a, b, c, d, e=None):\n    return 'in'\n")
    answer = api.get(f"{ENGINE}/outer")
    assert (answer.status_code, answer.text) == (200, 'in[{"v":1}]')


def test_engine_500_requests_at_once(api: httpx.Client, server: Server, trigger: Trigger) -> None:
    """Five hundred requests that all wait for each other's turn are all answered, and others meanwhile."""
    trigger(
        "slow",
        """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            count = influxdb3_local.cache.get("count", 0) + 1
            influxdb3_local.cache.put("count", count)
            return str(count)
        """,
    )
    assert server.url is not None
    host, _, port = server.url.removeprefix("http://").partition(":")
    sockets = [socket.create_connection((host, int(port)), timeout=60) for _ in range(500)]
    head = f"GET {ENGINE}/slow HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {server.token()}\r\n"
    for each in sockets:
        each.sendall(f"{head}Connection: close\r\n\r\n".encode())
    assert api.get("/health").status_code == 200
    counts = []
    for each in sockets:
        with each, each.makefile("rb") as file:
            counts.append(int(file.read().rpartition(b"\r\n\r\n")[2]))
    assert sorted(counts) == list(range(1, 501))


def test_engine_stop_cancels_requests(engine: Engine, trigger: Trigger) -> None:
    """Stopping the engine cancels a plugin that runs, and its client gets an answer; no thread is left."""
    before = set(threading.enumerate())
    server = Server(engine)
    server.start()
    trigger(
        "forever",
        """
        import time

        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            influxdb3_local.info("entered")
            while True:
                time.sleep(0.01)
        """,
    )
    entered = threading.Event()
    seen: list[object] = []
    headers = {"Authorization": f"Bearer {server.token()}"}

    def ask() -> None:
        try:
            seen.append(httpx.get(f"{server.url}{ENGINE}/forever", headers=headers, timeout=60))
        except httpx.HTTPError as error:
            seen.append(error)

    def watch() -> None:
        while not any(entry.text == "entered" for entry in engine.logs.entries(database="house")):
            entered.wait(0.005)
        entered.set()

    client = threading.Thread(target=ask)
    client.start()
    watcher = threading.Thread(target=watch)
    watcher.start()
    watcher.join()
    engine.stop()
    client.join()
    assert isinstance(seen[0], httpx.Response)
    assert seen[0].status_code in (500, 503)
    left = {thread for thread in set(threading.enumerate()) - before if thread.is_alive()}
    assert [thread.name for thread in left if thread.name.startswith("procengine")] == []


def test_engine_requests_wait_without_threads(
    api: httpx.Client, server: Server, engine: Engine, trigger: Trigger
) -> None:
    """Requests that wait for a trigger's turn hold no threads, however many; other triggers answer meanwhile."""
    trigger(
        "held",
        """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            influxdb3_local.cache.put("entered", True, use_global=True)
            while not influxdb3_local.cache.get("open", use_global=True):
                influxdb3_local.query("SELECT 1")
            return "done"
        """,
    )
    trigger(
        "other",
        "def process_request(a, b, c, d, e=None):\n    a.cache.put('open', True, use_global=True)\n",
    )
    assert server.url is not None
    host, _, port = server.url.removeprefix("http://").partition(":")
    head = f"GET {ENGINE}/held HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {server.token()}\r\n"
    sockets = [socket.create_connection((host, int(port)), timeout=60) for _ in range(100)]
    for each in sockets:
        each.sendall(f"{head}Connection: close\r\n\r\n".encode())
    assert api.get("/health").status_code == 200
    threads = [one for one in threading.enumerate() if one.name.startswith("procengine-http-")]
    assert len(threads) < 20
    assert api.get(f"{ENGINE}/other").status_code == 500  # it returns None, and has opened the gate
    for each in sockets:
        with each, each.makefile("rb") as file:
            assert file.read().endswith(b"done")


def test_engine_json_of_the_quickest_answer(api: httpx.Client, trigger: Trigger) -> None:
    """An answer in JSON is what ``json.dumps`` makes of it."""
    trigger("j", "def process_request(a, b, c, d, e=None):\n    return {'a': [1, 2.5, 'é']}\n")
    assert api.get(f"{ENGINE}/j").text == json.dumps({"a": [1, 2.5, "é"]})


@pytest.mark.parametrize("options", [{"request_queue_limit": 60}])
def test_a_full_queue_answers_503(api: httpx.Client, engine: Engine, trigger: Trigger) -> None:
    """With 60 requests waiting for a synchronous trigger the next is answered, not left to wait."""
    source = """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            influxdb3_local.cache.get("gate", use_global=True).wait()
    """
    trigger("slow", source)
    gate = threading.Event()
    engine.plugin_cache.for_trigger("house", 0).put("gate", gate, use_global=True)
    event = RequestEvent(query_params={}, headers={}, body=b"", cause=Cause(kind=CauseKind.REQUEST))
    callers = [threading.Thread(target=engine.triggers.request, args=("slow", event)) for _ in range(61)]
    for caller in callers:
        caller.start()
    full = lambda: engine.triggers.statistics("house", "t0").queue_depth == 60  # noqa: E731
    assert engine.triggers._progress.wait_until(full, 20)
    answer = api.get(f"{ENGINE}/slow")
    gate.set()
    for caller in callers:
        caller.join(20)
    assert answer.status_code == 503
    assert "the trigger has 60 requests waiting, as many as may" in answer.text
