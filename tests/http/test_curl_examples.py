"""Do the calls of ``curl`` in InfluxDB's documentation do here what they do there?

Each is a shell command in the form in which the documentation has it, with ``$HOST`` and ``$TOKEN`` for its place
holders; the real ``curl`` runs it. Where the documentation says otherwise than the original's source, the source
counts: those calls are last, in `test_curl_calls_that_the_original_refuses`.

Source: docs-v2, content/shared/influxdb3-admin, -get-started, -internals, -plugins, -query-guides, -write-guides;
    the routes are those of influxdb3_server/src/all_paths.rs.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from procengine import Engine
from procengine.http import Server

pytestmark = pytest.mark.skipif(
    shutil.which("curl") is None or shutil.which("sh") is None,
    reason="there is no curl, or no shell to run it, on this machine",
)

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"

ROWS = """\
home,room=Kitchen temp=21.0,hum=35.9,co=0i 1641024000
home,room=Living\\ Room temp=21.1,hum=35.9,co=0i 1641024000
home,room=Kitchen temp=23.0,hum=36.2,co=0i 1641027600"""

PLUGIN = """
    import json

    def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
        return {"query": query_parameters, "body": request_body.decode(), "args": args}

    def process_writes(influxdb3_local, table_batches, args=None):
        for batch in table_batches:
            influxdb3_local.info(f"rows: {len(batch['rows'])}")
            influxdb3_local.write(LineBuilder("copied").int64_field("n", len(batch["rows"])))

    def process_scheduled_call(influxdb3_local, call_time, args=None):
        influxdb3_local.info(f"called with {args}")
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What curl was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def kind(self) -> str | None:
        """The content type, None where there is none."""
        return self.headers.get("content-type")

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode()

    def json(self) -> Any:
        """The body's value; an answer that is no error says that it is JSON."""
        assert self.kind == (JSON if self.status < 400 else None)
        return json.loads(self.body)


Curl = Callable[[str], Answer]


@pytest.fixture
def options() -> dict[str, object]:
    """No package is fetched."""
    return {"package_manager": "disabled"}


@pytest.fixture
def curl(server: Server, tmp_path: Path) -> Curl:
    """Run a shell command that calls curl once."""
    assert server.url is not None
    home, head = tmp_path / "curl", tmp_path / "curl" / "head"
    home.mkdir()
    (home / ".curlrc").write_text(
        f'silent\nshow-error\nnoproxy = "*"\nmax-time = 60\ndump-header = "{head}"\n', encoding="utf-8"
    )
    environment = {
        "PATH": os.environ["PATH"],
        "CURL_HOME": str(home),
        "HOME": str(home),
        "HOST": server.url,
        "TOKEN": server.token(),
        "TOKEN_IN_URL": quote(server.token(), safe=""),  # in Base64, which has ``+``
    }

    def run(command: str) -> Answer:
        done = subprocess.run(
            ["sh", "-c", command], env=environment, cwd=tmp_path, capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        last = (
            head.read_bytes().decode("latin-1").strip().split("\r\n\r\n")[-1]
        )  # after ``100 Continue``
        status, *lines = last.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
        return Answer(status=int(status.split(" ")[1]), headers=headers, body=done.stdout)

    return run


@pytest.fixture
def home(engine: Engine) -> None:
    """The documentation's sample, shortened."""
    engine.write("sensors", ROWS, precision="s")


def written(engine: Engine, table: str = "home") -> list[dict[str, Any]]:
    return engine.query(f"SELECT * FROM {table} ORDER BY time, room", "sensors").to_pylist()


BEARER = '--header "Authorization: Bearer $TOKEN"'
AS_TOKEN = '--header "Authorization: Token $TOKEN"'
PLAIN = '--header "Content-type: text/plain; charset=utf-8"'
LINE = "home,room=Kitchen temp=72 1641024000"


@pytest.mark.parametrize(
    "command",
    [
        f'curl "$HOST/api/v3/write_lp?db=sensors" {BEARER} --data-raw "{LINE}"',
        f'curl "$HOST/api/v3/write_lp?db=sensors&precision=second" {BEARER} --data-raw "{LINE}"',
        f'curl "$HOST/api/v3/write_lp?db=sensors&precision=millisecond" {BEARER} --data-raw "{LINE}000"',
        f'curl "$HOST/api/v3/write_lp?db=sensors&precision=nanosecond" {BEARER} --data-raw "{LINE}000000000"',
        f"curl \"$HOST/api/v2/write?bucket=sensors&precision=s\" {BEARER} {PLAIN} --data-binary '{LINE}'",
        f"curl -i \"$HOST/api/v2/write?bucket=sensors&precision=s\" {AS_TOKEN} {PLAIN} --data-binary '{LINE}'",
        f"curl $HOST/api/v2/write\\?bucket\\=sensors\\&precision\\=s {AS_TOKEN} --data-raw '{LINE}'",
        (
            f'curl --request POST "$HOST/api/v2/write?org=ignored&bucket=sensors&precision=s" {AS_TOKEN} '
            f'{PLAIN} --header "Accept: application/json" --data-binary "\n    {LINE}"'
        ),
        f'curl -i "$HOST/write?db=sensors&precision=s" --user "any:$TOKEN" {PLAIN} --data-binary \'{LINE}\'',
        f"curl -i \"$HOST/write?db=sensors&precision=s&p=$TOKEN_IN_URL\" {PLAIN} --data-binary '{LINE}'",
        f'curl "$HOST/write?db=sensors&precision=s&u=any&p=$TOKEN_IN_URL" --data-raw "{LINE}"',
        f"curl -i \"$HOST/write?db=sensors&precision=s\" {BEARER} {PLAIN} --data-binary '{LINE}'",
        f"curl -i \"$HOST/write?db=sensors&precision=s\" {AS_TOKEN} {PLAIN} --data-binary '{LINE}'",
    ],
)
def test_curl_writes(curl: Curl, engine: Engine, command: str) -> None:
    """The three routes, their precisions and each way to show a token: 204, and the row is there."""
    answer = curl(command)
    assert (answer.status, answer.kind) == (204, None)
    [row] = written(engine)
    assert (row["room"], row["temp"]) == ("Kitchen", 72.0)
    assert row["time"].value == 1_641_024_000_000_000_000


@pytest.mark.parametrize("route", ["api/v3/write_lp?db", "api/v2/write?bucket", "write?db"])
def test_curl_writes_gzip(curl: Curl, engine: Engine, tmp_path: Path, route: str) -> None:
    """A compressed file, and two that were joined."""
    first, *rest = ROWS.splitlines(keepends=True)
    (tmp_path / "batch1.gz").write_bytes(gzip.compress(first.encode()))
    (tmp_path / "batch2.gz").write_bytes(gzip.compress("".join(rest).encode()))
    to = f'"$HOST/{route}=sensors&precision=s" {BEARER} {PLAIN} --header "Content-Encoding: gzip"'
    assert curl(f"curl --request POST {to} --data-binary @batch1.gz").status == 204
    assert len(written(engine)) == 1
    assert curl(f"cat batch1.gz batch2.gz | curl {to} --data-binary @-").status == 204
    assert [row["temp"] for row in written(engine)] == [21.0, 21.1, 23.0]


def test_curl_writes_without_waiting(curl: Curl, engine: Engine) -> None:
    """``no_sync`` is answered like any write."""
    answer = curl(
        f'curl "$HOST/api/v3/write_lp?db=sensors&no_sync=true" {BEARER} --data-raw "home,room=Sunroom temp=96"'
    )
    assert (answer.status, answer.body) == (204, b"")
    engine.flush()
    assert [row["temp"] for row in written(engine)] == [96.0]


def test_curl_writes_in_part(curl: Curl, engine: Engine) -> None:
    """Bad lines: version 3 keeps the good ones unless told not to, 1 and 2 keep none; each says what is wrong."""
    bad = f"{BEARER} --data-binary 'home,room=Sunroom temp=96 1641024000\nhome,room=Sunroom temp=hi 1641024000'"
    strict = curl(f'curl "$HOST/api/v3/write_lp?db=sensors&accept_partial=false" {bad}')
    assert (strict.status, strict.json()["error"]) == (400, "line protocol parsing error")
    v2 = curl(f'curl "$HOST/api/v2/write?bucket=sensors" {bad}')
    assert (v2.status, v2.json()["code"]) == (400, "invalid")
    v1 = curl(f'curl "$HOST/write?db=sensors" {bad}')
    assert (v1.status, list(v1.json())) == (400, ["error", "data"])
    assert engine.catalog.find_database("sensors") is None
    partial = curl(f'curl "$HOST/api/v3/write_lp?db=sensors" {bad}')
    said = partial.json()
    assert (partial.status, said["error"]) == (400, "partial write of line protocol occurred")
    assert [one["line_number"] for one in said["data"]] == [2]
    assert len(written(engine)) == 1


QUERY = "SELECT room, temp FROM home WHERE temp > 22 ORDER BY time"
OBJECT = '{"room":"Kitchen","temp":23.0}'
DRAWN = """\
+---------+------+
| room    | temp |
+---------+------+
| Kitchen | 23.0 |
+---------+------+"""
FORMATS = {
    "json": (JSON, f"[{OBJECT}]"),
    "jsonl": ("application/jsonl", f"{OBJECT}\n"),
    "csv": ("text/csv", "room,temp\nKitchen,23.0\n"),
    "pretty": (TEXT, DRAWN),
}


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize(
    "command",
    [
        (
            f"curl -G $HOST/api/v3/query_sql {BEARER} --data-urlencode 'db=sensors' "
            f"--data-urlencode 'q={QUERY}' --data-urlencode 'format=%s'"
        ),
        (
            f'curl --get "$HOST/api/v3/query_sql" {BEARER} --header "Accept: application/json" '
            f'--data-urlencode "db=sensors" --data-urlencode "q={QUERY}" --data-urlencode "format=%s"'
        ),
        f'curl "$HOST/api/v3/query_sql?db=sensors&q={QUERY.replace(" ", "+")}&format=%s" {BEARER}',
        f'curl $HOST/api/v3/query_sql {BEARER} --json \'{{"db": "sensors", "q": "{QUERY}", "format": "%s"}}\'',
        f'curl $HOST/api/v3/query_sql {BEARER} --data \'{{"db": "sensors", "q": "{QUERY}", "format": "%s"}}\'',
    ],
    ids=["urlencoded", "accept", "url", "json", "data"],
)
def test_curl_queries(curl: Curl, command: str, format_: str) -> None:
    """By GET and POST, with any content type, in each format that is text."""
    answer = curl(command.replace("%s", format_))
    assert (answer.status, answer.kind, answer.text) == (200, *FORMATS[format_])


@pytest.mark.usefixtures("home")
def test_curl_queries_parquet(curl: Curl, tmp_path: Path) -> None:
    """A file that Parquet's readers read."""
    answer = curl(
        f'curl -G "$HOST/api/v3/query_sql" {BEARER} --data-urlencode "db=sensors" '
        f'--data-urlencode "q={QUERY}" --data-urlencode "format=parquet" --output found.parquet'
    )
    assert (answer.status, answer.kind) == (200, "application/vnd.apache.parquet")
    assert pq.read_table(tmp_path / "found.parquet").to_pylist() == [json.loads(OBJECT)]


@pytest.mark.usefixtures("home")
def test_curl_queries_with_parameters(curl: Curl) -> None:
    """In a JSON body, and as JSON in the URL."""
    asked = {
        "db": "sensors",
        "q": "SELECT room, temp FROM home WHERE time >= $min_time AND temp >= $min_temp AND room = $room",
        "params": {"min_time": "2022-01-01T08:00:00Z", "min_temp": 22.0, "room": "Kitchen"},
    }
    answer = curl(
        f'curl "$HOST/api/v3/query_sql" {BEARER} --header "Content-Type: application/json" '
        f"--data '{json.dumps(asked)}'"
    )
    assert (answer.status, answer.json()) == (200, [json.loads(OBJECT)])
    again = curl(
        f'curl --get "$HOST/api/v3/query_sql" {BEARER} --data-urlencode "db=sensors" '
        f"--data-urlencode 'q={asked['q']}' --data-urlencode 'params={json.dumps(asked['params'])}'"
    )
    assert (again.status, again.text) == (200, answer.text)


@pytest.mark.usefixtures("home")
def test_curl_queries_what_there_is(curl: Curl) -> None:
    """Tables, columns, and the engine's own tables, with quotes as the documentation's shell lines have them."""
    tables = curl(f'curl "$HOST/api/v3/query_sql?db=sensors&format=jsonl&q=show%20tables" {BEARER}')
    expected = {
        "table_catalog": "public",
        "table_schema": "iox",
        "table_name": "home",
        "table_type": "BASE TABLE",
    }
    assert tables.kind == "application/jsonl"
    assert expected in [json.loads(line) for line in tables.text.splitlines()]
    columns = curl(
        f"""curl "$HOST/api/v3/query_sql" {BEARER} --json '{{
            "db": "sensors",
            "q": "SELECT * FROM information_schema.columns WHERE table_schema='"'iox'"' AND table_name = '"'home'"'",
            "format": "jsonl"
        }}'"""
    )
    kinds = {one["column_name"]: one["data_type"] for one in map(json.loads, columns.text.splitlines())}
    assert kinds == {
        "co": "Int64",
        "hum": "Float64",
        "room": "Dictionary(Int32, Utf8)",
        "temp": "Float64",
        "time": "Timestamp(ns)",
    }
    queries = curl(
        f"""curl "$HOST/api/v3/query_sql" {BEARER} --json '{{
            "db": "sensors", "q": "SELECT * FROM system.queries LIMIT 2", "format": "jsonl"
        }}'"""
    )
    assert (queries.status, queries.kind) == (200, "application/jsonl")
    assert [json.loads(line)["query_type"] for line in queries.text.splitlines()] == ["sql", "sql"]


@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        (
            'curl "$HOST/api/v3/query_sql?db=nowhere&q=SELECT+1"',
            404,
            "query error: database not found: nowhere",
        ),
        ('curl "$HOST/api/v3/query_sql?db=sensors&q=SELECT+*+FROM+nope"', 400, "not found"),
        ('curl "$HOST/api/v3/query_sql"', 400, "missing query parameters 'db' and 'q'"),
        (
            'curl "$HOST/api/v3/query_influxql?db=sensors&q=select+*+from+home+limit+5"',
            405,
            "InfluxQL is not supported",
        ),
        (
            'curl $HOST/api/v3/query_influxql --json \'{"db": "sensors", "q": "select * from home"}\'',
            405,
            "InfluxQL is not supported",
        ),
        (
            'curl --get "$HOST/query" --data-urlencode "db=sensors" --data-urlencode "q=SELECT * FROM home"',
            405,
            "InfluxQL is not supported",
        ),
        ('curl "$HOST/query" --data-urlencode "q=SHOW DATABASES"', 405, "InfluxQL is not supported"),
    ],
)
@pytest.mark.usefixtures("home")
def test_curl_queries_that_fail(curl: Curl, command: str, status: int, text: str) -> None:
    """What cannot be run says why."""
    answer = curl(f"{command} {BEARER}")
    assert (answer.status, answer.kind) == (status, None)
    assert text in answer.text


def test_curl_databases(curl: Curl, engine: Engine) -> None:
    """Created with and without a period, shown in each format, deleted."""
    url, content = '"$HOST/api/v3/configure/database', '--header "Content-Type: application/json"'
    for body in (
        {"db": "month", "retention_period": "30d"},
        {"db": "season", "retention_period": "90d"},
        {"db": "ever"},
    ):
        answer = curl(f"curl --request POST {url}\" {content} {BEARER} --data '{json.dumps(body)}'")
        assert (answer.status, answer.body) == (200, b"")
    day_ns = 86_400 * 10**9
    periods = [engine.catalog.database(name).retention_period_ns for name in ("month", "season", "ever")]
    assert periods == [30 * day_ns, 90 * day_ns, None]

    shown = curl(f'curl --request GET {url}?format=json" {BEARER}')
    assert shown.json() == [{"iox::database": name} for name in ("_internal", "ever", "month", "season")]
    pretty = curl(f'curl --request GET {url}?format=pretty" {BEARER}')
    assert (pretty.kind, pretty.text.splitlines()[1:4]) == (
        TEXT,
        ["| iox::database |", "+---------------+", "| _internal     |"],
    )
    assert curl(f'curl {url}?format=csv" {BEARER}').text.splitlines() == [
        "iox::database",
        "_internal",
        "ever",
        "month",
        "season",
    ]
    parquet = curl(f'curl {url}?format=parquet" {BEARER}')
    assert pq.read_table(io.BytesIO(parquet.body)).num_rows == 4

    assert curl(f'curl --request DELETE {url}?db=ever" {BEARER}').status == 200
    assert curl(f'curl --request DELETE {url}?db=ever" {BEARER}').status == 404
    assert curl(f'curl --request DELETE {url}?db=nowhere" {BEARER}').status == 404
    later = curl(f'curl --request DELETE {url}?db=month&hard_delete_at=2045-12-31T23:59:59Z" {BEARER}')
    assert (later.status, later.body) == (200, b"")


def test_curl_retention(curl: Curl, engine: Engine) -> None:
    """A database's period is set, changed and cleared."""
    engine.write("sensors", "home temp=1")
    url = "$HOST/api/v3/configure/database"
    set_ = curl(f'curl -X POST "{url}/retention_period?db=sensors&duration=7d" {BEARER}')
    assert (set_.status, set_.body) == (204, b"")
    assert engine.catalog.database("sensors").retention_period_ns == 7 * 86_400 * 10**9
    put = curl(
        f"""curl -X PUT "{url}" {BEARER} --json '{{"db": "sensors", "retention_period": "30d"}}'"""
    )
    assert put.status == 200
    assert engine.catalog.database("sensors").retention_period_ns == 30 * 86_400 * 10**9
    assert curl(f'curl -X DELETE "{url}/retention_period?db=sensors" {BEARER}').status == 204
    assert engine.catalog.database("sensors").retention_period_ns is None


def test_curl_tables(curl: Curl, engine: Engine) -> None:
    """Created with tags alone, with fields, with a period; listed; deleted at once or at a time."""
    engine.catalog.create_database("sensors")
    url, content = '"$HOST/api/v3/configure/table', '--header "Content-Type: application/json"'
    fields = [{"name": "temp", "type": "float64"}, {"name": "co", "type": "int64"}]
    tags = ["room", "sensor_id"]
    for body in (
        {"db": "sensors", "table": "bare", "tags": ["tag1", "tag2", "tag3"], "fields": []},
        {"db": "sensors", "table": "home", "tags": tags, "fields": fields},
        {"db": "sensors", "table": "week", "tags": tags, "fields": fields, "retention_period": "7d"},
    ):
        answer = curl(f"curl -X POST {url}\" {BEARER} {content} --data '{json.dumps(body)}'")
        assert (answer.status, answer.body) == (200, b"")
    listed = curl(
        f'curl --get "$HOST/api/v3/query_sql" {BEARER} --data-urlencode "db=sensors" '
        '--data-urlencode "q=SHOW TABLES" --data-urlencode "format=csv"'
    )
    names = [line.split(",")[2] for line in listed.text.splitlines() if line.startswith("public,iox,")]
    assert sorted(names) == ["bare", "home", "week"]
    assert curl(f'curl -X DELETE {url}?db=sensors&table=bare" {BEARER}').status == 200
    when = "hard_delete_at=2045-12-31T23:59:59Z"
    assert curl(f'curl -X DELETE {url}?db=sensors&table=home&{when}" {BEARER}').status == 200
    missing = curl(f'curl -X DELETE {url}?db=sensors&table=nope" {BEARER}')
    assert missing.status == 404


@pytest.mark.usefixtures("home")
def test_curl_last_cache(curl: Curl) -> None:
    """Created, listed, asked and deleted."""
    created = curl(
        f"""curl -X POST "$HOST/api/v3/configure/last_cache" {BEARER} --json '{{
            "db": "sensors",
            "table": "home",
            "name": "homeLastCache",
            "key_columns": ["room"],
            "value_columns": ["temp", "hum", "co"],
            "count": 5,
            "ttl": 14400
        }}'"""
    )
    assert (created.status, created.kind) == (201, JSON)
    shown = curl(
        f"""curl -X POST "$HOST/api/v3/query_sql" {BEARER} --json '{{
            "db": "sensors",
            "q": "SELECT * FROM system.last_caches WHERE name = '\\''homeLastCache'\\''",
            "format": "json"
        }}'"""
    )
    [row] = shown.json()
    assert row["key_column_names"] == ["room"]
    assert row["value_column_names"] == ["temp", "hum", "co"]
    assert (row["count"], row["ttl"]) == (5, 14400)
    delete = f'curl -X DELETE "$HOST/api/v3/configure/last_cache?db=sensors&table=home&name=homeLastCache" {BEARER}'
    assert [curl(delete).status, curl(delete).status] == [200, 404]


@pytest.mark.usefixtures("home")
def test_curl_distinct_cache(curl: Curl) -> None:
    """Created, listed, asked, and deleted by a JSON body."""
    created = curl(
        f"""curl -X POST "$HOST/api/v3/configure/distinct_cache" {BEARER} --json '{{
            "db": "sensors",
            "table": "home",
            "name": "rooms",
            "columns": ["room"],
            "max_cardinality": 10000,
            "max_age": 31536000000
        }}'"""
    )
    assert (created.status, created.kind) == (201, JSON)
    found = curl(
        f"""curl -X POST "$HOST/api/v3/query_sql" {BEARER} --json '{{
            "db": "sensors",
            "q": "SELECT room FROM distinct_cache('\\''home'\\'', '\\''rooms'\\'') ORDER BY room",
            "format": "json"
        }}'"""
    )
    assert found.json() == [{"room": "Kitchen"}, {"room": "Living Room"}]
    shown = curl(
        f"""curl -X POST "$HOST/api/v3/query_sql" {BEARER} --json '{{
            "db": "sensors",
            "q": "SELECT * FROM system.distinct_caches WHERE name = '\\''rooms'\\''",
            "format": "json"
        }}'"""
    )
    assert [(row["column_names"], row["max_cardinality"]) for row in shown.json()] == [(["room"], 10000)]
    gone = curl(
        f"""curl -X DELETE "$HOST/api/v3/configure/distinct_cache" {BEARER} --json '{{
            "db": "sensors", "table": "home", "name": "rooms"
        }}'"""
    )
    assert gone.status == 200


def trigger(name: str, spec: str, **more: object) -> str:
    """Return the documentation's call that creates a trigger."""
    body = {
        "db": "sensors",
        "trigger_name": name,
        "plugin_filename": "plugin.py",
        "trigger_specification": spec,
        "trigger_settings": {"run_async": False, "error_behavior": "log"},
        "disabled": False,
    } | more
    return (
        f'curl -X POST "$HOST/api/v3/configure/processing_engine_trigger" {BEARER} '
        f"--header \"Content-Type: application/json\" --data '{json.dumps(body)}'"
    )


@pytest.mark.usefixtures("home")
def test_curl_triggers(curl: Curl, engine: Engine, plugin: Callable[[str, str], str]) -> None:
    """Each kind of specification and of behaviour is created, disabled, enabled and deleted."""
    plugin("plugin", PLUGIN)
    behaviors = ("log", "retry", "disable")
    for number, spec in enumerate(
        ("table:home", "all_tables", "every:5m", "every:1h", "cron:0 0 8 * * *", "request:webhook")
    ):
        settings = {"run_async": number % 2 == 0, "error_behavior": behaviors[number % 3]}
        arguments = {"threshold": "90"} if number == 3 else None
        created = curl(
            trigger(f"t{number}", spec, trigger_settings=settings, trigger_arguments=arguments)
        )
        assert (created.status, created.body) == (200, b""), created
    url = "$HOST/api/v3/configure/processing_engine_trigger"
    named = "db=sensors&trigger_name=t0"
    assert curl(f'curl -X DELETE "{url}?{named}" {BEARER}').status == 500  # it runs
    assert curl(f'curl -X POST "{url}/disable?{named}" {BEARER}').status == 200
    assert curl(f'curl -X POST "{url}/enable?{named}" {BEARER}').status == 200
    assert curl(f'curl -X POST "{url}/disable?{named}" {BEARER}').status == 200
    assert curl(f'curl -X DELETE "{url}?{named}" {BEARER}').status == 200
    assert curl(f'curl -X DELETE "{url}?db=sensors&trigger_name=t1&force=true" {BEARER}').status == 200
    left = engine.query("SELECT trigger_name FROM system.processing_engine_triggers", "sensors")
    assert sorted(row["trigger_name"] for row in left.to_pylist()) == ["t2", "t3", "t4", "t5"]


@pytest.mark.usefixtures("home")
def test_curl_calls_a_request_trigger(curl: Curl, plugin: Callable[[str, str], str]) -> None:
    """By GET and by POST, with parameters, headers and a body."""
    plugin("plugin", PLUGIN)
    assert curl(trigger("hook", "request:webhook", trigger_arguments={"k": "v"})).status == 200
    got = curl(f'curl "$HOST/api/v3/engine/webhook?a=1&b=x%20y" {BEARER}')
    assert (got.status, got.json()) == (
        200,
        {"query": {"a": "1", "b": "x y"}, "body": "", "args": {"k": "v"}},
    )
    posted = curl(f"""curl "$HOST/api/v3/engine/webhook" {BEARER} --json '{{"some": "data"}}'""")
    assert posted.json()["body"] == '{"some": "data"}'
    assert curl(f'curl "$HOST/api/v3/engine/nothing" {BEARER}').status == 404
    assert curl('curl "$HOST/api/v3/engine/webhook"').status == 401


@pytest.mark.usefixtures("home")
def test_curl_plugin_files_and_tests(curl: Curl, plugin_dir: Path) -> None:
    """A plugin is sent, tried, given a trigger, changed, and made a folder of."""
    files = f'"$HOST/api/v3/plugins/files" {BEARER}'
    sent = {"plugin_name": "plugin.py", "content": PLUGIN.replace("\n    ", "\n")}
    (plugin_dir.parent / "body.json").write_text(json.dumps(sent), encoding="utf-8")
    created = curl(f"curl -X POST {files} --json @body.json")
    assert (created.status, created.body) == (200, b"")
    assert (plugin_dir / "plugin.py").read_text(encoding="utf-8") == sent["content"]

    wal = curl(
        f"""curl -X POST "$HOST/api/v3/plugin_test/wal" {BEARER} --json '{{
            "filename": "plugin.py", "database": "sensors", "input_lp": "home,room=Attic temp=1 1\\nhome temp=2 2"
        }}'"""
    )
    assert wal.json()["database_writes"] == {"sensors": ["copied n=2i"]}
    assert wal.json()["errors"] == []
    scheduled = curl(
        f"""curl -X POST "$HOST/api/v3/plugin_test/schedule" {BEARER} --json '{{
            "filename": "plugin.py", "database": "sensors", "schedule": "*/5 * * * * *",
            "input_arguments": {{"k": "v"}}
        }}'"""
    )
    assert (scheduled.json()["errors"], scheduled.json()["log_lines"][1]) == (
        [],
        "INFO: called with {'k': 'v'}",
    )

    assert curl(trigger("writes", "table:home")).status == 200
    sent = {"plugin_name": "writes", "content": sent["content"] + "# changed\n"}
    (plugin_dir.parent / "body.json").write_text(json.dumps(sent), encoding="utf-8")
    assert curl(f"curl -X PUT {files} --json @body.json").status == 200
    assert (plugin_dir / "plugin.py").read_text(encoding="utf-8") == sent["content"]


def test_curl_packages(curl: Curl) -> None:
    """Where no package may be fetched, the calls are understood and refused."""
    for route, body in (
        ("packages", {"packages": ["pandas", "requests"]}),
        ("requirements", {"requirements_location": "requirements.txt"}),
    ):
        answer = curl(
            f'curl -X POST "$HOST/api/v3/configure/plugin_environment/install_{route}" {BEARER} '
            f"--header \"Content-Type: application/json\" --data '{json.dumps(body)}'"
        )
        assert (answer.status, answer.kind) == (403, None), answer
        assert "disabled" in answer.text


def test_curl_tokens(curl: Curl) -> None:
    """The admin token is there and is renewed; a named one is made, used, listed and deleted."""
    url = "$HOST/api/v3/configure/token"
    assert curl(f'curl -X POST "{url}/admin"').status == 409
    made = curl(
        f"""curl -X POST "{url}/named_admin" {BEARER} --json '{{"token_name": "mine", "expiry_secs": 3600}}'"""
    )
    assert (made.status, list(made.json())) == (
        201,
        ["id", "name", "token", "hash", "created_at", "expiry"],
    )
    mine = f'--header "Authorization: Bearer {made.json()["token"]}"'
    listed = curl(
        f'curl -G "$HOST/api/v3/query_sql" --data-urlencode "db=_internal" '
        "--data-urlencode \"q=SELECT name, permissions FROM system.tokens WHERE permissions='*:*:*' ORDER BY name\" "
        f"--data-urlencode \"format=csv\" --header 'Accept: text/csv' {mine}"
    )
    assert (listed.kind, listed.text) == ("text/csv", "name,permissions\n_admin,*:*:*\nmine,*:*:*\n")
    since = curl(
        'curl -G "$HOST/api/v3/query_sql" --data-urlencode "db=_internal" --data-urlencode '
        "\"q=SELECT name FROM system.tokens WHERE created_at > '2020-01-01 00:00:00' ORDER BY name\" "
        f'--header "Accept: application/json" {mine}'
    )
    assert since.json() == [{"name": "_admin"}, {"name": "mine"}]
    whole = curl(
        'curl -G "$HOST/api/v3/query_sql" --data-urlencode "db=_internal" --data-urlencode '
        f'"q=SELECT * FROM system.tokens" --data-urlencode "format=csv" {mine}'
    )
    assert (whole.status, made.json()["token"] in whole.text) == (200, False)

    renewed = curl(f'curl -X POST "{url}/admin/regenerate" {BEARER} --header "Accept: application/json"')
    assert renewed.status == 201
    assert curl(f'curl "$HOST/health" {BEARER}').status == 401
    admin = f'--header "Authorization: Bearer {renewed.json()["token"]}"'
    assert curl(f'curl -X DELETE "{url}?token_name=mine" {admin}').status == 200
    assert curl(f'curl "$HOST/health" {mine}').status == 401


def test_curl_health(curl: Curl) -> None:
    """What monitors ask, with the headers of each answer."""
    for path in ("health", "api/v1/health", "ready"):
        answer = curl(f"curl $HOST/{path} {BEARER}")
        assert (answer.status, answer.kind, answer.text) == (200, TEXT, "OK")
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cluster-uuid"]
    for method in ("GET", "POST"):
        ping = curl(f"curl --request {method} $HOST/ping {BEARER}")
        assert ping.json()["version"] == ping.headers["x-influxdb-version"]
        assert ping.headers["request-id"]
        assert ping.headers["x-influxdb-build"] == "Enterprise"
    assert curl(f"curl --head $HOST/ping {BEARER}").status == 404
    metrics = curl(f"curl $HOST/metrics {BEARER}")
    assert metrics.status == 200
    assert 'http_requests_total{method="GET",path="/ping",status="ok"} 1' in metrics.text
    for path in ("health", "ping", "metrics"):
        refused = curl(f"curl $HOST/{path}")
        assert (refused.status, refused.text) == (
            401,
            '{"error": "the request was not authenticated"}',
        )


def test_curl_asks_for_permission(curl: Curl) -> None:
    """What a browser asks first needs no token."""
    answer = curl(
        'curl --request OPTIONS "$HOST/api/v3/query_sql" --header "Origin: http://example.org" '
        '--header "Access-Control-Request-Method: GET"'
    )
    assert answer.status == 204
    allowed = {
        name: answer.headers[f"access-control-allow-{name}"] for name in ("origin", "methods", "headers")
    }
    assert allowed == {"origin": "*", "methods": "*", "headers": "*"}


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize(
    ("command", "status", "text"),
    [
        # The format of what is shown is required.
        (f'curl "$HOST/api/v3/configure/database" {BEARER}', 400, "missing field `format`"),
        # There is one operator's token; a named one has its own route.
        (
            f'curl -X POST "$HOST/api/v3/configure/token/admin" {BEARER} --json \'{{"name": "mine"}}\'',
            409,
            "already exists",
        ),
        # A period is a duration; one that is left out is for ever.
        (
            (
                f'curl --request POST "$HOST/api/v3/configure/database" {BEARER} '
                '--json \'{"db": "ever", "retention_period": "none"}\''
            ),
            400,
            "serde json error: ",
        ),
        # Databases are changed by PUT, without their name in the path.
        (
            (
                f'curl --request PATCH "$HOST/api/v3/configure/database/sensors" {BEARER} '
                '--json \'{"retention_period": "60d"}\''
            ),
            404,
            "Not found",
        ),
        # What is done after an error is named in small letters.
        (trigger("t", "all_tables").replace('"log"', '"Log"'), 400, "unknown variant `Log`"),
        # Plugin files are JSON.
        (
            (
                f'curl -X PUT "$HOST/api/v3/plugins/files?path=plugin.py" {BEARER} '
                '--header "Content-Type: application/octet-stream" --data-binary "# text"'
            ),
            415,
            "unacceptable content-type, expected: application/json",
        ),
        # Without --get the parameters are a body, which is no JSON.
        (
            f'curl "$HOST/api/v3/query_sql" {BEARER} --data-urlencode "db=sensors" --data-urlencode "q=SELECT 1"',
            400,
            "serde json error: ",
        ),
        # The media type of Parquet is another.
        (
            (
                f'curl -G "$HOST/api/v3/query_sql" {BEARER} --data-urlencode "db=_internal" --data-urlencode '
                '"q=SELECT * FROM system.tokens" --header "Accept: application/parquet"'
            ),
            400,
            "invalid mime type (application/parquet)",
        ),
        # A table's fields may be none, but not missing.
        (
            (
                f'curl --request POST "$HOST/api/v3/configure/table" {BEARER} '
                '--json \'{"db": "sensors", "table": "t", "tags": ["a"], "retention_period": "7d"}\''
            ),
            400,
            "missing field `fields`",
        ),
        # Nor may the data go alone; see the README.
        (
            f'curl --request DELETE "$HOST/api/v3/configure/database?db=sensors&data_only=true" {BEARER}',
            400,
            "data_only is not supported",
        ),
        # Only a cluster has it.
        (f'curl --request GET "$HOST/api/v3/query_sql_telemetry" {BEARER}', 404, "Not found"),
    ],
)
def test_curl_calls_that_the_original_refuses(
    curl: Curl, engine: Engine, command: str, status: int, text: str
) -> None:
    """Where the documentation and the source differ, the source's answer is given; nothing has changed by it."""
    before = engine.catalog.sequence_number
    answer = curl(command)
    assert (answer.status, text in answer.text) == (status, True), answer
    assert engine.catalog.sequence_number == before
