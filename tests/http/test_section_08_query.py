"""Sections 8 and 12, querying: both methods, parameters, formats, and what is answered when SQL cannot run.

Source: influxdb3/tests/server/query.rs; influxdb3_types/src/http.rs, QueryFormat.
"""

from __future__ import annotations

import io
import json
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest

from procengine import Engine

SQL = "/api/v3/query_sql"
ROWS = "cpu,host=a usage=0.5,n=1i 2998574936\ncpu,host=b usage=0.25 2998574937"
ALL = "SELECT host, n, time, usage FROM cpu ORDER BY time"


@pytest.fixture(autouse=True)
def rows(engine: Engine) -> None:
    """Two rows, one of which lacks a field."""
    engine.write("foo", ROWS)


def get(api: httpx.Client, query: str, headers: dict[str, str] | None = None, **more: str) -> Any:
    return api.get(SQL, params={"db": "foo", "q": query} | more, headers=headers)


EXPECTED = {
    "json": (
        "application/json",
        (
            '[{"host":"a","n":1,"time":"2065-01-07T17:28:56","usage":0.5},'
            '{"host":"b","time":"2065-01-07T17:28:57","usage":0.25}]'
        ),
    ),
    "jsonl": (
        "application/jsonl",
        (
            '{"host":"a","n":1,"time":"2065-01-07T17:28:56","usage":0.5}\n'
            '{"host":"b","time":"2065-01-07T17:28:57","usage":0.25}\n'
        ),
    ),
    "json_lines": ("application/jsonl", None),
    "csv": (
        "text/csv",
        "host,n,time,usage\na,1,2065-01-07T17:28:56,0.5\nb,,2065-01-07T17:28:57,0.25\n",
    ),
    "pretty": (
        "text/plain; charset=utf-8",
        (
            "+------+---+---------------------+-------+\n"
            "| host | n | time                | usage |\n"
            "+------+---+---------------------+-------+\n"
            "| a    | 1 | 2065-01-07T17:28:56 | 0.5   |\n"
            "| b    |   | 2065-01-07T17:28:57 | 0.25  |\n"
            "+------+---+---------------------+-------+"
        ),
    ),
}


@pytest.mark.parametrize("format_", EXPECTED)
def test_query_formats(api: httpx.Client, format_: str) -> None:
    """Each format has its content type and its form, by GET as by POST."""
    content_type, text = EXPECTED[format_]
    text = text or EXPECTED["jsonl"][1]
    by_get = get(api, ALL, format=format_)
    by_post = api.post(SQL, json={"db": "foo", "q": ALL, "format": format_})
    for answer in (by_get, by_post):
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == content_type
        assert answer.text == text


def test_query_parquet(api: httpx.Client, engine: Engine) -> None:
    """Parquet is the table that the engine returns."""
    answer = get(api, ALL, format="parquet")
    assert answer.headers["content-type"] == "application/vnd.apache.parquet"
    assert pq.read_table(io.BytesIO(answer.content)).to_pylist() == engine.query(ALL, "foo").to_pylist()


@pytest.mark.parametrize(
    ("format_", "body"), [("json", "[]"), ("jsonl", ""), ("csv", ""), ("parquet", "")]
)
def test_query_without_rows(api: httpx.Client, format_: str, body: str) -> None:
    """A result without rows is an empty array, or nothing."""
    answer = get(api, "SELECT * FROM cpu WHERE host = 'nobody'", format=format_)
    assert (answer.status_code, answer.text) == (200, body)


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        ("application/json", "application/json"),
        ("*/*", "application/json"),
        ("text/html,application/xhtml+xml", "application/json"),
        ("image/png, */*;q=0.5", "application/json"),
        ("text/csv", "text/csv"),
        ("text/plain", "text/plain; charset=utf-8"),
        ("application/vnd.apache.parquet", "application/vnd.apache.parquet"),
    ],
)
def test_query_format_by_accept(api: httpx.Client, accept: str, content_type: str) -> None:
    """Without a format ``Accept`` decides."""
    answer = get(api, ALL, {"Accept": accept})
    assert (answer.status_code, answer.headers["content-type"]) == (200, content_type)


def test_query_accept_is_checked_in_any_case(api: httpx.Client) -> None:
    """``Accept`` is looked at even where the format is given, and does not know JSON lines."""
    for accept in ("application/jsonl", "image/png"):
        answer = get(api, ALL, {"Accept": accept}, format="json")
        assert (answer.status_code, answer.text) == (400, f"invalid mime type ({accept})")
    answer = get(api, ALL, {b"Accept": b"\xff"}, format="json")  # type: ignore[dict-item]
    assert answer.status_code == 400
    assert answer.text.startswith("the mime type specified was not valid UTF8: ")


def test_query_parameters(api: httpx.Client) -> None:
    """``$name`` takes its value from ``params``: a JSON object in the body, its text in the URL."""
    query = "SELECT host FROM cpu WHERE host = $host AND usage > $usage AND $yes"
    values = {"host": "a", "usage": 0.1, "yes": True}
    by_get = get(api, query, params=json.dumps(values))
    by_post = api.post(SQL, json={"db": "foo", "q": query, "params": values})
    assert by_get.json() == by_post.json() == [{"host": "a"}]


def test_query_parameter_types(api: httpx.Client) -> None:
    """Integers from 0 up are unsigned, those below are signed, null is null."""
    query = "SELECT arrow_typeof($a) AS a, arrow_typeof($b) AS b, $c IS NULL AS c"
    answer = api.post(SQL, json={"db": "foo", "q": query, "params": {"a": 1, "b": -1, "c": None}})
    assert answer.json() == [{"a": "UInt64", "b": "Int64", "c": True}]


def test_query_parameter_missing(api: httpx.Client) -> None:
    """A parameter without a value is the caller's fault."""
    answer = get(api, "SELECT * FROM cpu WHERE host = $host", params='{"other":1}')
    assert answer.status_code == 400
    assert "No value found for placeholder with name $host" in answer.text


@pytest.mark.parametrize(
    ("query", "status", "text"),
    [
        ("", 400, "missing query parameters 'db' and 'q'"),
        ("q=SELECT+1", 400, "serde error: missing field `db`"),
        ("db=foo", 400, "serde error: missing field `q`"),
        (
            "db=foo&q=SELECT+1&format=xml",
            400,
            (
                "serde error: unknown variant `xml`, expected one of `parquet`, `csv`, `pretty`, `json`, "
                "`json_lines`, `jsonl`"
            ),
        ),
        ("db=foo&q=SELECT+1&params=[1]", 400, "serde json error: params: expected a map of parameter"),
        ("db=foo&q=SELECT+1&params={", 400, "serde json error: "),
        ("db=foo&q=SELECT+1&params={%22a%22:[1]}", 400, "serde json error: params: the value of"),
        ("db=nope&q=SELECT+1", 404, '{"error":"query error: database not found: nope"}'),
        ("db=foo&q=SELECT+*+FROM+nope", 400, "Error during planning: table 'public.iox.nope' not found"),
        ("db=foo&q=SELEC", 400, "SQL error: "),
        ("db=foo&q=SHOW+MEASUREMENTS", 400, ""),
        ("db=foo&q=INSERT+INTO+cpu+VALUES(1)", 400, ""),
        ("db=foo&q=CREATE+TABLE+a(b+INT)", 400, ""),
        ("db=foo&q=SET+datafusion.execution.batch_size=1", 400, ""),
        ("db=foo&q=SELECT+1;SELECT+2", 405, "This feature is not implemented: "),
        ("db=foo&q=SELECT+arrow_cast('x','Int64')", 500, ""),
    ],
)
def test_query_refused(api: httpx.Client, query: str, status: int, text: str) -> None:
    """What cannot be read, planned or run has its status and the reason."""
    answer = api.get(f"{SQL}?{query}" if query else SQL)
    assert answer.status_code == status, answer.text
    assert answer.text.startswith(text)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("", "serde json error: EOF while parsing a value at line 1 column 0"),
        ("{", "serde json error: "),
        ("{}", "serde json error: missing field `db` at line 1 column 2"),
        ('{"db":"foo"}', "serde json error: missing field `q` at line 1 column 12"),
        ('{"db":1,"q":"SELECT 1"}', "serde json error: invalid type: integer `1`, expected a string"),
        (
            '{"db":"foo","q":"SELECT 1","format":"xml"}',
            "serde json error: unknown variant `xml`, expected one of",
        ),
        ('{"db":"foo","q":"SELECT 1","params":1}', "serde json error: params: expected a map"),
        ('{"db":"foo","q":"SELECT $a","params":{"a":NaN}}', "serde json error: expected value"),
        ('{"db":"foo","q":"\\ud800"}', "serde json error: lone leading surrogate in hex escape"),
        ("[" * 100_000, "serde json error: recursion limit exceeded"),
        ("9" * 5_000, "serde json error: number out of range"),
    ],
)
def test_query_bad_bodies(api: httpx.Client, body: str, text: str) -> None:
    """A body that is no JSON object with a database and a text is 400; its content type does not matter."""
    answer = api.post(SQL, content=body, headers={"Content-Type": "text/plain"})
    assert answer.status_code == 400, answer.text
    assert answer.text.startswith(text)


def test_query_body_that_is_not_utf8(api: httpx.Client) -> None:
    """Bytes that are no UTF-8 are no JSON."""
    answer = api.post(SQL, content=b'{"db":"foo","q":"\xff"}')
    assert (answer.status_code, answer.text) == (400, "serde json error: invalid unicode code point")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_query_influxql_is_refused(api: httpx.Client, method: str) -> None:
    """InfluxQL is not offered, and the answer says what is."""
    text = "InfluxQL is not supported; use SQL at /api/v3/query_sql"
    params = {"db": "foo", "q": "SELECT * FROM cpu"}
    answer = api.request(method, "/api/v3/query_influxql", params=params)
    assert (answer.status_code, answer.text) == (405, text)
    answer = api.request(method, "/query", params=params)
    assert (answer.status_code, answer.json()) == (405, {"error": text})


def test_query_large_result_is_streamed(api: httpx.Client, engine: Engine) -> None:
    """A result of many rows comes in pieces, and is whole in each format."""
    lines = "\n".join(f"many,host=h{number % 7} v={number}i {number}" for number in range(30_000))
    engine.write("foo", lines, precision="ns")
    query = "SELECT host, v FROM many ORDER BY v"
    expected = engine.query(query, "foo").to_pylist()
    with api.stream("GET", SQL, params={"db": "foo", "q": query}) as answer:
        assert "content-length" not in answer.headers
        assert json.loads(answer.read()) == expected
    by_line = [json.loads(line) for line in get(api, query, format="jsonl").text.splitlines()]
    assert by_line == expected
    assert get(api, query, format="csv").text.count("\n") == 30_001
    assert pq.read_table(io.BytesIO(get(api, query, format="parquet").content)).num_rows == 30_000


class TestOneThread:
    """Queries that find their rows in order."""

    @pytest.fixture
    def options(self) -> dict[str, object]:
        return {"datafusion_num_threads": 1}

    def test_query_that_fails_midway_is_cut_short(self, api: httpx.Client, engine: Engine) -> None:
        """What fails after the answer has begun cuts it short, so that no client takes it for whole."""
        lines = "\n".join(f'many v={number}i,t="{"x" * 40}" {number}' for number in range(60_000))
        engine.write("foo", lines, precision="ns")
        query = "SELECT t, 1 / (59999 - v) AS n FROM many"
        params = {"db": "foo", "q": query, "format": "jsonl"}
        with api.stream("GET", SQL, params=params) as answer:
            assert answer.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError):
                answer.read()
        assert get(api, "SELECT count(*) AS n FROM many").json() == [{"n": 60_000}]
