"""Is every type of column answered, in every format and over Flight, with the same values?

System tables have lists, durations and text views; caches have text views; queries have structs and lists of
instants.

Source: arrow-rs, `arrow_cast::display`, with which the original writes text, and `arrow-json`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import flight

from procengine import Engine
from procengine.http import Server
from procengine.http.flight.ticket import format_ticket
from procengine.model.names import INTERNAL_DATABASE

SQL = "/api/v3/query_sql"
ROWS = """\
home,room=a,wall=x temp=1.5,n=1i,u=2u,b=true,s="text" 1700000000
home,room=b temp=2.5 1700000001"""
NESTED = re.compile(r"Arrow error: Csv error: Nested type (?:List|Struct)\(.+\) is not supported in CSV")
T0, T1 = "2023-11-14T22:13:20", "2023-11-14T22:13:21"

Get = Callable[[str, str], pa.Table]


@pytest.fixture
def get(server: Server) -> Iterator[Get]:
    """Get a query's rows over Flight."""
    assert server.url is not None
    headers = [(b"authorization", b"Bearer " + server.token().encode())]
    call = flight.FlightCallOptions(headers=headers, timeout=60)
    with flight.connect(server.url.replace("http", "grpc")) as connection:
        yield lambda database, sql: connection.do_get(
            flight.Ticket(format_ticket(database, sql)), call
        ).read_all()


@pytest.fixture(autouse=True)
def home(engine: Engine, plugin: Callable[[str, str], str]) -> None:
    """A table with a column of each type, both caches, and a trigger."""
    engine.write("db", ROWS)
    forever = 2**30
    engine.catalog.create_last_cache(
        "db",
        "home",
        name="last",
        key_columns=["room", "wall"],
        value_columns=["temp"],
        ttl_seconds=forever,
    )
    engine.catalog.create_last_cache("db", "home", name="all", ttl_seconds=forever)
    engine.catalog.create_distinct_cache(
        "db", "home", name="distinct", columns=["room", "wall"], max_age_seconds=forever
    )
    engine.triggers.create(
        "db", "t", plugin("p", "def process_writes(influxdb3_local, t, args=None): pass"), "table:home"
    )


def answers(api: httpx.Client, database: str, sql: str) -> dict[str, httpx.Response]:
    """Return what each format answers."""
    found = {}
    for format_ in ("json", "jsonl", "csv", "pretty", "parquet"):
        answer = api.get(SQL, params={"db": database, "q": sql, "format": format_})
        if format_ == "csv" and answer.status_code == 500:
            assert NESTED.fullmatch(answer.text), (sql, answer.text)
        else:
            assert answer.status_code == 200, (sql, format_, answer.text)
        found[format_] = answer
    return found


@pytest.mark.parametrize("database", ["db", INTERNAL_DATABASE])
def test_every_format_of_every_table(api: httpx.Client, get: Get, engine: Engine, database: str) -> None:
    """All tables that there are, the engine's own included: as many rows in each format, and over Flight.

    CSV has no lists, as some system tables have them.
    """
    tables = engine.query("SHOW TABLES", database).to_pylist()
    assert {row["table_schema"] for row in tables} >= {"system", "information_schema"}
    for row in tables:
        schema, name = row["table_schema"], row["table_name"]
        # Queries are listed while they run: of those there is one more each time.
        where = " WHERE query_text = 'none'" if name == "queries" else ""
        sql = f"SELECT * FROM {schema}.{name}{where}"
        found = answers(api, database, sql)
        count = len(found["json"].json())
        assert len(found["jsonl"].text.splitlines()) == count
        assert get(database, sql).num_rows == count
        if count:
            assert pq.read_table(io.BytesIO(found["parquet"].content)).num_rows == count
        else:
            assert (found["csv"].content, found["parquet"].content) == (b"", b"")


CASES: list[tuple[str, list[dict[str, Any]], str]] = [
    (
        "SELECT * FROM last_cache('home', 'last') ORDER BY room",
        [{"room": "a", "wall": "x", "temp": 1.5, "time": T0}],
        f"room,wall,temp,time\na,x,1.5,{T0}\n",
    ),
    (
        "SELECT * FROM distinct_cache('home', 'distinct')",
        [{"room": "a", "wall": "x"}, {"room": "b"}],
        "room,wall\na,x\nb,\n",
    ),
    (
        "SELECT name, key_column_names, value_column_names, ttl FROM system.last_caches WHERE name = 'last'",
        [
            {
                "name": "last",
                "key_column_names": ["room", "wall"],
                "value_column_names": ["temp"],
                "ttl": 2**30,
            }
        ],
        'name,key_column_names,value_column_names,ttl\nlast,"[room, wall]",[temp],1073741824\n',
    ),
    (
        "SELECT selector_last(temp, time) AS last FROM home",
        [{"last": {"value": 2.5, "time": T1}}],
        f'last\n"{{value: 2.5, time: {T1}}}"\n',
    ),
    (
        "SELECT array_agg(room ORDER BY time) AS rooms, array_agg(time ORDER BY time) AS times FROM home",
        [{"rooms": ["a", "b"], "times": [T0, T1]}],
        f'rooms,times\n"[a, b]","[{T0}, {T1}]"\n',
    ),
    (
        "SELECT make_array(named_struct('at', time)) AS nested FROM home WHERE room = 'a'",
        [{"nested": [{"at": T0}]}],
        f"nested\n[{{at: {T0}}}]\n",
    ),
    (
        (
            "SELECT time - TIMESTAMP '2023-11-14T22:00:00' AS d, "
            "make_array(arrow_cast(90061001, 'Duration(Millisecond)')) AS ds FROM home WHERE room = 'a'"
        ),
        [{"d": "PT800S", "ds": ["PT90061.001S"]}],
        "d,ds\nPT800S,[PT90061.001S]\n",
    ),
    (
        (
            "SELECT arrow_cast('x', 'Utf8View') AS v, arrow_cast(make_array('x'), 'List(Utf8View)') AS vs, "
            "arrow_cast(1700000000123, 'Timestamp(Millisecond, None)') AS ms, DATE '2024-01-02' AS day, 1 AS one"
        ),
        [{"v": "x", "vs": ["x"], "ms": f"{T0}.123", "day": "2024-01-02", "one": 1}],
        f"v,vs,ms,day,one\nx,[x],{T0}.123,2024-01-02,1\n",
    ),
]


@pytest.mark.parametrize(("sql", "rows", "text"), CASES, ids=[sql[7:40] for sql, _, _ in CASES])
def test_every_format_of_every_type(
    api: httpx.Client, get: Get, sql: str, rows: list[dict[str, Any]], text: str
) -> None:
    """Caches, lists, structs, durations, text views and instants of milliseconds: values as arrow-rs writes them.

    CSV refuses what is nested.
    """
    found = answers(api, "db", sql)
    assert found["json"].json() == rows
    assert [json.loads(line) for line in found["jsonl"].text.splitlines()] == rows
    parquet = pq.read_table(io.BytesIO(found["parquet"].content))
    if any(pa.types.is_nested(field.type) for field in parquet.schema):
        assert found["csv"].status_code == 500
    else:
        assert found["csv"].text == text
    cells = [cell.strip() for cell in found["pretty"].text.splitlines()[3].strip("|").split("|")]
    assert cells == list(csv.reader(io.StringIO(text)))[1]
    assert get("db", sql).to_pylist() == parquet.to_pylist()


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("INTERVAL '1 month 2 days 3 seconds'", "1 mons 2 days 3.000000000 secs"),
        ("INTERVAL '90 minutes'", "1 hours 30 mins"),
        ("INTERVAL '-90 seconds'", "-1 mins -30.000000000 secs"),
        ("INTERVAL '0 days'", ""),
    ],
)
def test_every_format_of_intervals(api: httpx.Client, get: Get, sql: str, text: str) -> None:
    """Text in the words of arrow-rs; Parquet has no such type, there as here."""
    for format_, expected in (("json", json.dumps([{"i": text}], separators=(",", ":"))), ("csv", None)):
        answer = api.get(SQL, params={"db": "db", "q": f"SELECT {sql} AS i", "format": format_})
        assert answer.status_code == 200
        assert answer.text == expected or expected is None
    assert get("db", f"SELECT {sql} AS i").num_rows == 1
