"""Section 4 of the semantics, through the engine: requests to plugins and what is answered.

What belongs to HTTP alone (methods, decoding, compression, sizes) is the server's.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable

import pytest

from procengine import Engine
from procengine.errors import NotFoundError
from procengine.model.run import LogLevel, Response
from tests.engine.looks import WAIT_SECONDS, ask, gate_for, request_event, rows, settle, texts

Plugin = Callable[[str, str], str]

HTML = (("Content-Type", "text/html"),)
JSON = (("Content-Type", "application/json"),)
PLAIN = (("Content-Type", "text/plain"),)


def answering(body: str) -> str:
    """Return a plugin whose request function has this body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):\n{lines}"


def test_request_comes_in_by_position(engine: Engine, plugin: Plugin) -> None:
    """Section 4: local, query parameters, headers and body, as dict, dict and bytes; then the arguments."""
    engine.catalog.create_database("house")
    source = "def process_request(*given):\n    return [repr(one) for one in given[1:]]"
    name = plugin("t", source)
    engine.triggers.create("house", "t", name, "request:a/b", arguments={"k": "v"})
    engine.triggers.create("house", "bare", name, "request:bare")
    event = request_event(params={"p": "1"}, headers={"x-h": "2"}, body=b"\x00\xff")
    assert json.loads(engine.triggers.request("a/b", event).body) == [
        "{'p': '1'}",
        "{'x-h': '2'}",
        "b'\\x00\\xff'",
        "{'k': 'v'}",
    ]
    assert json.loads(ask(engine, "bare").body)[-1] == "None"


@pytest.mark.parametrize("path", ["t/", "/t", "T", "%74", "", "t?x=1"])
def test_paths_match_exactly(engine: Engine, plugin: Plugin, path: str) -> None:
    """Section 4: exact match: a slash counts, nothing is decoded; otherwise ``not found``, status 404."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", answering("return 'here'")), "request:t")
    with pytest.raises(NotFoundError, match=r"^not found$") as caught:
        ask(engine, path)
    assert caught.value.http_status == 404
    assert ask(engine, "t").body == b"here"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("'text'", Response(status=200, headers=HTML, body=b"text")),
        ("{'a': [1, None]}", Response(status=200, headers=JSON, body=b'{"a": [1, null]}')),
        ("[1, 'x']", Response(status=200, headers=JSON, body=b'[1, "x"]')),
        ("('made', 201)", Response(status=201, headers=HTML, body=b"made")),
        ("({'a': 1}, 202)", Response(status=202, headers=JSON, body=b'{"a": 1}')),
        ("(5, 203)", Response(status=203, headers=PLAIN, body=b"5")),
        ("('x', {'X-A': 'b'})", Response(status=200, headers=(*HTML, ("X-A", "b")), body=b"x")),
        ("('x', 204, {'Content-Type': 'a/b'})", Response(status=204, headers=(("Content-Type", "a/b"),), body=b"x")),
        ("('x', 'neither')", Response(status=200, headers=HTML, body=b"x")),
        ("('x',)", Response(status=200, headers=HTML, body=b"x")),
        ("(part for part in ('a', b'b', '\\xe9'))", Response(status=200, headers=HTML, body="ab\xe9".encode())),
        ("b'bytes'", Response(status=200, headers=HTML, body=b"")),
    ],
)  # fmt: skip
def test_return_values(engine: Engine, plugin: Plugin, value: str, expected: Response) -> None:
    """Section 4: what is returned decides status, headers and body."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", answering(f"return {value}")), "request:t")
    answer = ask(engine, "t")
    assert (answer.status, answer.body) == (expected.status, expected.body)
    assert sorted(answer.headers) == sorted(expected.headers)


def test_flask_responses(engine: Engine, plugin: Plugin) -> None:
    """Section 4: an object whose ``__flask_response__()`` is True gives status, headers and data."""
    body = (
        "class Answer:\n"
        "    status_code, headers = 418, {'X-Tea': 'pot'}\n"
        "    def __flask_response__(self): return True\n"
        "    def get_data(self): return 'tea'\n"
        "return Answer()"
    )
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", answering(body)), "request:t")
    assert ask(engine, "t") == Response(status=418, headers=(("X-Tea", "pot"),), body=b"tea")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise KeyError('k')", "Python function call failed: KeyError: 'k'"),
        ("return None", "Unsupported return type from Python function"),
        ("return 1.5", "Unsupported return type from Python function"),
        ("return 'x', 200, 'no headers'", "expected a dictionary in header item"),
    ],
)
def test_failures_are_500(engine: Engine, plugin: Plugin, body: str, message: str) -> None:
    """Section 4: 500 with the error as JSON, no Content-Type, no traceback; the log has the row."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", answering(body)), "request:t")
    answer = ask(engine, "t")
    assert (answer.status, answer.headers) == (500, ())
    assert json.loads(answer.body) == {"error": message}
    [row] = texts(engine, LogLevel.ERROR)
    assert row.splitlines()[0] == f"error running request plugin: {message}"


def test_load_errors_lack_the_prefix(engine: Engine, plugin: Plugin) -> None:
    """Section 4: a plugin that no longer compiles answers 500 without ``Python function call failed``."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", answering("return 'fine'")), "request:t")
    plugin("t", "def process_request(:\n")
    answer = ask(engine, "t")
    assert answer.status == 500
    assert json.loads(answer.body)["error"].startswith("SyntaxError: ")


def test_queued_writes_are_there_when_the_response_is(engine: Engine, plugin: Plugin) -> None:
    """Section 4: queued lines are flushed before the response, and a refusal does not change it."""
    body = (
        "influxdb3_local.write(LineBuilder('home').int64_field('n', 1))\n"
        "influxdb3_local.write_to_db('other', LineBuilder('home').string_field('n', 'text'))\n"
        "return 'done', 201"
    )
    engine.write("other", "home n=1i")
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", answering(body)), "request:t")
    assert ask(engine, "t") == Response(status=201, headers=HTML, body=b"done")
    assert rows(engine, "SELECT n FROM home") == [{"n": 1}]
    [row] = texts(engine, LogLevel.ERROR)
    assert row.splitlines()[0] == (
        "error running request plugin: error writing back lines to other: Cannot write: line protocol parse failed: "
        "invalid column type for column 'n', expected iox::column_type::field::integer, "
        "got iox::column_type::field::string"
    )


def test_more_requests_than_the_originals_queue_holds(engine: Engine, plugin: Plugin) -> None:
    """Section 4: one at a time; past 60 that wait, nobody else is held up (Differs), and all are answered."""
    body = "influxdb3_local.cache.get('gate', use_global=True).pass_through()\nreturn query_params['n']"
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", answering(body)), "request:t")
    answers: dict[int, bytes] = {}

    def send(number: int) -> None:
        answers[number] = engine.triggers.request("t", request_event(params={"n": str(number)})).body

    callers = [threading.Thread(target=send, args=(number,)) for number in range(70)]
    with gate_for(engine) as gate:
        for caller in callers:
            caller.start()
        gate.wait_reached()
        engine.write("house", "home n=1i")
        assert engine.triggers.statistics("house", "t").in_flight == 1
    for caller in callers:
        caller.join(WAIT_SECONDS)
    assert answers == {number: str(number).encode() for number in range(70)}


def test_asynchronous_requests_run_side_by_side(engine: Engine, plugin: Plugin) -> None:
    """Section 4: an asynchronous trigger answers any number of requests at once."""
    body = "influxdb3_local.cache.get('gate', use_global=True).pass_through()\nreturn 'x'"
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", answering(body)), "request:t", run_async=True)
    callers = [threading.Thread(target=ask, args=(engine, "t")) for _ in range(5)]
    with gate_for(engine) as gate:
        for caller in callers:
            caller.start()
        for _ in callers:
            gate.wait_reached()
    for caller in callers:
        caller.join(WAIT_SECONDS)
    settle(engine)
    assert engine.triggers.statistics("house", "t").runs == 5
