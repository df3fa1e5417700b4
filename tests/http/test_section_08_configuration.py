"""Section 8, configuration: databases, tables and caches (section 9).

Source: influxdb3/tests/server/configure.rs (cases), influxdb3_catalog/src/error.rs (texts).
"""

from __future__ import annotations

import datetime
import threading

import httpx
import pytest

from procengine import Engine
from procengine.catalog import Database, TableDefinition
from procengine.clock import VirtualClock
from procengine.model.catalog_event import (
    CatalogEvent,
    DatabaseDeleted,
    DatabasePurged,
    TableDeleted,
)
from tests.http.conftest import START_NS

DATABASE = "/api/v3/configure/database"
PERIOD = f"{DATABASE}/retention_period"
TABLE = "/api/v3/configure/table"
TABLE_PERIOD = "/api/v3/enterprise/configure/table/retention_period"
LAST = "/api/v3/configure/last_cache"
DISTINCT = "/api/v3/configure/distinct_cache"

HOUR_NS = 3600 * 1_000_000_000
BAD_CHARACTER = (
    "invalid character in database or rp name: must be ASCII, containing only letters, numbers, "
    "underscores, or hyphens"
)
EXISTS = "attempted to create a resource that already exists"
ALL = {"db": "foo", "table": "bar", "tags": ["t"], "fields": [{"name": "f", "type": "int64"}]}


def said(answer: httpx.Response) -> tuple[int, str]:
    """Return an answer's status and text."""
    return answer.status_code, answer.text


def deleted(engine: Engine) -> Database:
    """Return the one deleted database."""
    [found] = [one for one in engine.catalog.all_databases() if one.deleted]
    return found


def deleted_table(engine: Engine) -> TableDefinition:
    """Return the one deleted table of ``foo``."""
    [found] = [one for one in engine.catalog.database("foo").tables_by_id.values() if one.deleted]
    return found


@pytest.fixture
def bar(engine: Engine) -> None:
    """A table ``bar`` of ``foo`` with columns of all types."""
    engine.write("foo", 'bar,t1=a,t2=b s="x",i=1i,u=2u,f=1.5,b=true 1')


# Databases.


def test_databases_shown(api: httpx.Client, engine: Engine) -> None:
    """Databases come by name, as rows of a query, in the format that must be said."""
    for name in ("b", "a"):
        engine.catalog.create_database(name)
    answer = api.get(DATABASE, params={"format": "json"})
    assert answer.json() == [{"iox::database": name} for name in ("_internal", "a", "b")]
    assert answer.headers["content-type"] == "application/json"
    answer = api.get(DATABASE, params={"format": "csv"})
    assert answer.text == "iox::database\n_internal\na\nb\n"
    assert answer.headers["content-type"] == "text/csv"
    answer = api.get(DATABASE, params={"format": "jsonl"})
    assert answer.text.count("\n") == 3
    assert said(api.get(DATABASE)) == (400, "serde error: missing field `format`")
    answer = api.get(DATABASE, params={"format": "xml"})
    assert answer.status_code == 400
    assert answer.text.startswith("serde error: unknown variant `xml`, expected one of `parquet`, ")


def test_databases_shown_deleted(api: httpx.Client, engine: Engine) -> None:
    """Deleted databases come last, by the name that they bear, and only when asked for."""
    for name in ("a", "b"):
        engine.catalog.create_database(name)
    engine.catalog.delete_database("a")
    answer = api.get(DATABASE, params={"format": "json", "show_deleted": "true"})
    assert answer.json() == [
        {"iox::database": "_internal", "deleted": False},
        {"iox::database": "b", "deleted": False},
        {"iox::database": "a-20231114T221320", "deleted": True},
    ]
    rows = api.get(DATABASE, params={"format": "json"}).json()
    assert rows == [{"iox::database": "_internal"}, {"iox::database": "b"}]
    answer = api.get(DATABASE, params={"format": "json", "show_deleted": "yes"})
    assert said(answer) == (400, "serde error: provided string was not `true` or `false`")


def test_database_created(api: httpx.Client, engine: Engine) -> None:
    """A database is created once, with a retention period or none."""
    answer = api.post(DATABASE, json={"db": "foo", "retention_period": "1h"})
    assert (said(answer), answer.headers.get("content-type")) == ((200, ""), None)
    assert engine.catalog.database("foo").retention_period_ns == HOUR_NS
    assert said(api.post(DATABASE, json={"db": "foo"})) == (409, EXISTS)
    assert said(api.post(DATABASE, json={"db": "bar", "retention_period": None})) == (200, "")
    assert engine.catalog.database("bar").retention_period_ns is None


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("{}", "missing field `db` at line 1 column 2"),
        ('{"db":1}', "invalid type: integer `1`, expected a string"),
        ('{"db":"a","db":"b"}', "duplicate field `db`"),
        (
            '{"db":"a","retention_period":"soon"}',
            'invalid value: string "soon", expected a duration',
        ),
        ('{"db":"a","retention_period":1}', "invalid type: integer `1`, expected a duration"),
        ("", "EOF while parsing a value at line 1 column 0"),
        ('{"db":"\\ud800"}', "lone leading surrogate in hex escape"),
        (b'{"db":"\xff"}', "invalid unicode code point"),
    ],
)
def test_database_bad_bodies(api: httpx.Client, body: str | bytes, text: str) -> None:
    """A body that is not accepted is 400, with serde's text."""
    answer = api.post(DATABASE, content=body, headers={"Content-Type": "application/json"})
    assert said(answer) == (400, f"serde json error: {text}")


def test_database_names_that_are_not_utf_8(api: httpx.Client) -> None:
    """What is no UTF-8 in a query string is read as replaced, and found nowhere."""
    answer = api.delete(f"{DATABASE}?db=%ff%fe")
    assert said(answer) == (404, "the requested resource was not found: \ufffd\ufffd")


def test_database_unknown_fields(api: httpx.Client) -> None:
    """Fields that nobody asks for are passed over, although they are there twice."""
    body = '{"db":"foo","x":1,"x":{"db":2}}'
    answer = api.post(DATABASE, content=body, headers={"Content-Type": "application/json"})
    assert said(answer) == (200, "")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "db name cannot be empty"),
        ("_x", "db name did not start with a number or letter"),
        ("a b", BAD_CHARACTER),
        ("x" * 512, "db name too long: max 511"),
    ],
)
def test_database_names(api: httpx.Client, name: str, text: str) -> None:
    """Names that are not allowed are refused as a write refuses them, as JSON."""
    answer = api.post(DATABASE, json={"db": name})
    assert (answer.status_code, answer.json()) == (400, {"error": text})
    answer = api.post(TABLE, json=ALL | {"db": name})
    assert (answer.status_code, answer.json()) == (400, {"error": text})


def test_database_limit(api: httpx.Client, engine: Engine) -> None:
    """More databases than may be are 422, as JSON."""
    most = engine.catalog.limits.databases
    for number in range(most):
        engine.catalog.create_database(f"d{number}")
    answer = api.post(DATABASE, json={"db": "foo"})
    text = f"Adding a new database would exceed limit of {most} databases"
    assert (answer.status_code, answer.json()) == (422, {"error": text})


def test_database_updated(api: httpx.Client, engine: Engine) -> None:
    """A retention period is set, and cleared where none is said."""
    engine.catalog.create_database("foo")
    assert said(api.put(DATABASE, json={"db": "foo", "retention_period": "1h"})) == (200, "")
    assert engine.catalog.database("foo").retention_period_ns == HOUR_NS
    assert said(api.put(DATABASE, json={"db": "foo"})) == (200, "")
    assert engine.catalog.database("foo").retention_period_ns is None
    assert said(api.put(DATABASE, json={"db": "x"})) == (404, "Database not found x")


def test_database_deleted(api: httpx.Client, engine: Engine, bar: None) -> None:
    """A deleted database is gone for queries, stays 72 hours, and cannot be changed meanwhile."""
    assert said(api.delete(DATABASE, params={"db": "foo"})) == (200, "")
    assert deleted(engine).hard_deletion_time_ns == START_NS + 72 * HOUR_NS
    answer = api.get("/api/v3/query_sql", params={"db": "foo", "q": "SELECT 1"})
    assert answer.status_code == 404
    assert said(api.delete(DATABASE, params={"db": "foo"}))[0] == 404
    assert api.post("/api/v3/write_lp?db=foo", content="bar f=1").status_code == 204
    [gone] = [one.name for one in engine.catalog.all_databases() if one.deleted]
    refused = api.post("/api/v3/write_lp", params={"db": gone}, content="bar f=1")
    assert refused.json() == {
        "error": f"cannot write to soft-deleted database '{gone}' - it is marked for deletion"
    }
    text = f"attempted to modify resource that was already deleted: {gone}"
    assert said(api.put(DATABASE, json={"db": gone})) == (409, text)
    assert said(api.delete(DATABASE, params={"db": gone})) == (409, text)


@pytest.mark.parametrize(
    ("when", "instant_ns"),
    [
        ("never", None),
        ("now", START_NS),
        ("default", START_NS + 72 * HOUR_NS),
        ("2023-11-14T23:13:20Z", START_NS + HOUR_NS),
        ("2023-11-15T00:13:20.000000001+01:00", START_NS + HOUR_NS + 1),
        ("2001-01-01T00:00:00Z", START_NS),
    ],
)
def test_hard_deletion_times(
    api: httpx.Client, engine: Engine, bar: None, when: str, instant_ns: int | None
) -> None:
    """A word or a time says when the data of a database or table goes; a time that has passed is now."""
    seen: list[CatalogEvent] = []
    unsubscribe = engine.catalog.subscribe(seen.append)
    params = {"db": "foo", "table": "bar", "hard_delete_at": when}
    assert said(api.delete(TABLE, params=params)) == (200, "")
    assert said(api.delete(DATABASE, params=params)) == (200, "")
    unsubscribe()
    times = [
        one.hard_deletion_time_ns for one in seen if isinstance(one, TableDeleted | DatabaseDeleted)
    ]
    assert times == [instant_ns, instant_ns]


@pytest.mark.parametrize(
    ("when", "text"),
    [
        ("", "Cannot parse the timestamp: premature end of input"),
        ("tomorrow-at-the-same-time", "Cannot parse the timestamp: input contains invalid characters"),
        ("2023-13-01T00:00:00Z", "Cannot parse the timestamp: input is out of range"),
        ("2023-11-14T23:13:20Zz", "Cannot parse the timestamp: trailing input"),
        ("9999-01-01T00:00:00Z", "Timestamp is out of range"),
    ],
)
def test_hard_deletion_bad_times(api: httpx.Client, bar: None, when: str, text: str) -> None:
    """A time that is none deletes nothing."""
    params = {"db": "foo", "table": "bar", "hard_delete_at": when}
    assert said(api.delete(TABLE, params=params)) == (400, text)
    assert said(api.delete(DATABASE, params=params)) == (400, text)


def test_hard_deletion_comes(api: httpx.Client, engine: Engine, clock: VirtualClock, bar: None) -> None:
    """When its time has come, a database is shown no more, not even as deleted."""
    purged = threading.Event()
    engine.catalog.subscribe(lambda event: purged.set() if isinstance(event, DatabasePurged) else None)
    api.delete(DATABASE, params={"db": "foo", "hard_delete_at": "2023-11-14T23:13:20Z"})
    shown = {"format": "json", "show_deleted": "true"}
    assert len(api.get(DATABASE, params=shown).json()) == 2
    clock.advance(3600)
    assert purged.wait(30)
    assert len(api.get(DATABASE, params=shown).json()) == 1


def test_deletion_of_data_alone(api: httpx.Client, engine: Engine, bar: None) -> None:
    """What would keep the schema in Enterprise is refused, not passed over (Differs)."""
    text = "data_only is not supported: leave it out to delete all, the schema included"
    params = {"db": "foo", "table": "bar", "data_only": "true"}
    assert said(api.delete(DATABASE, params=params)) == (400, text)
    assert said(api.delete(TABLE, params=params)) == (400, text)
    assert "bar" in engine.catalog.database("foo").tables
    assert said(api.delete(TABLE, params=params | {"data_only": "false"})) == (200, "")


def test_deletion_refused(api: httpx.Client) -> None:
    """What is not there cannot be deleted, nor ``_internal``, nor nothing in particular."""
    text = "the requested resource was not found: foo"
    assert said(api.delete(DATABASE, params={"db": "foo"})) == (404, text)
    assert said(api.delete(DATABASE)) == (400, "serde error: missing field `db`")
    assert said(api.delete(f"{DATABASE}?db=a&db=b")) == (400, "serde error: duplicate field `db`")
    answer = api.delete(DATABASE, params={"db": "_internal"})
    assert said(answer) == (400, "cannot delete internal db")


def test_retention_period(api: httpx.Client, engine: Engine) -> None:
    """A database's retention period is set and cleared by query strings, 204."""
    engine.catalog.create_database("foo")
    params = {"db": "foo", "duration": "1h 30m"}
    assert said(api.post(PERIOD, params=params)) == (204, "")
    assert engine.catalog.database("foo").retention_period_ns == HOUR_NS * 3 // 2
    assert said(api.delete(PERIOD, params={"db": "foo"})) == (204, "")
    assert engine.catalog.database("foo").retention_period_ns is None


def test_retention_period_refused(api: httpx.Client, engine: Engine) -> None:
    """A period that is none, a database that is not there and missing parameters are refused."""
    engine.catalog.create_database("foo")
    cases = [
        ({"db": "foo", "duration": "x"}, 400, "Cannot parse the given human time: expected number at 0"),
        ({"db": "foo"}, 400, "serde error: missing field `duration`"),
        ({}, 400, "serde error: missing field `db`"),
        ({"db": "x", "duration": "1h"}, 404, "Database not found x"),
        ({"db": "_internal", "duration": "1h"}, 400, "cannot modify internal db"),
    ]
    for params, status, text in cases:
        assert said(api.post(PERIOD, params=params)) == (status, text)
    assert said(api.delete(PERIOD)) == (400, "serde error: missing field `db`")
    assert said(api.delete(PERIOD, params={"db": "x"})) == (404, "Database not found x")


def test_retention_period_of_ages(api: httpx.Client, engine: Engine) -> None:
    """A period longer than time itself keeps all rows."""
    engine.write("foo", "bar f=1 1")
    params = {"db": "foo", "duration": "500000000000y"}
    assert said(api.post(PERIOD, params=params)) == (204, "")
    assert engine.query("SELECT f FROM bar", "foo").num_rows == 1


def test_retention_period_hides_rows(api: httpx.Client, engine: Engine) -> None:
    """Rows older than the period of a table, or of its database, are not answered."""
    engine.write("foo", f"bar f=1 {START_NS - 2 * HOUR_NS}\nbar f=2 {START_NS}")

    def seen() -> list[float]:
        return [row["f"] for row in engine.query("SELECT f FROM bar ORDER BY f", "foo").to_pylist()]

    of_table = {"db": "foo", "table": "bar"}
    assert seen() == [1, 2]
    assert said(api.post(TABLE_PERIOD, params=of_table | {"duration": "1h"})) == (204, "")
    assert seen() == [2]
    assert engine.catalog.database("foo").tables["bar"].retention_period_ns == HOUR_NS
    assert said(api.delete(TABLE_PERIOD, params=of_table)) == (204, "")
    assert engine.catalog.database("foo").tables["bar"].retention_period_ns is None


def test_table_retention_period_refused(api: httpx.Client, bar: None) -> None:
    """A table's period needs a table that is there."""
    answer = api.post(TABLE_PERIOD, params={"db": "foo", "table": "x", "duration": "1h"})
    assert said(answer) == (404, "Table x not in DB schema for foo")
    answer = api.post(TABLE_PERIOD, params={"db": "foo", "duration": "1h"})
    assert said(answer) == (400, "serde error: missing field `table`")
    answer = api.delete(TABLE_PERIOD, params={"db": "foo", "table": "x"})
    assert said(answer) == (404, "Table x not in DB schema for foo")


# Tables.


def test_table_created(api: httpx.Client, engine: Engine) -> None:
    """A table is created with tags and fields of five types, its database with it."""
    kinds = ("utf8", "int64", "uint64", "float64", "bool")
    fields = [{"name": kind, "type": kind} for kind in kinds]
    answer = api.post(TABLE, json={"db": "foo", "table": "bar", "tags": ["t"], "fields": fields})
    assert said(answer) == (200, "")
    columns = engine.catalog.database("foo").tables["bar"].schema.columns
    found = [(column.name, column.type.value) for column in columns]
    assert found == [
        ("t", "tag"),
        ("utf8", "string"),
        ("int64", "integer"),
        ("uint64", "uinteger"),
        ("float64", "float"),
        ("bool", "boolean"),
    ]
    assert said(api.post(TABLE, json=ALL)) == (409, EXISTS)


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"fields": None}, "invalid type: null, expected a sequence"),
        ({"tags": "t"}, 'invalid type: string "t", expected a sequence'),
        ({"tags": [1]}, "invalid type: integer `1`, expected a string"),
        ({"fields": ["f"]}, 'invalid type: string "f", expected a map'),
        ({"fields": [{"name": "f"}]}, "missing field `type`"),
        (
            {"fields": [{"name": "f", "type": "Int64"}]},
            "unknown variant `Int64`, expected one of `utf8`, `int64`, `uint64`, `float64`, `bool`",
        ),
    ],
)
def test_table_bad_bodies(
    api: httpx.Client, engine: Engine, change: dict[str, object], text: str
) -> None:
    """A table's body that is not accepted is 400, and nothing is created."""
    assert said(api.post(TABLE, json=ALL | change)) == (400, f"serde json error: {text}")
    for missing in ("db", "table", "tags", "fields"):
        body = {name: value for name, value in ALL.items() if name != missing}
        answer = api.post(TABLE, json=body)
        assert answer.status_code == 400
        assert answer.text.startswith(f"serde json error: missing field `{missing}`")
    assert engine.catalog.find_database("foo") is None


def test_table_of_bad_columns(api: httpx.Client) -> None:
    """Two columns of one name, and the time as one, are refused by the catalog."""
    assert api.post(TABLE, json=ALL | {"tags": ["f"]}).status_code == 400
    assert api.post(TABLE, json=ALL | {"tags": ["time"]}).status_code == 400


def test_table_deleted(api: httpx.Client, engine: Engine, bar: None) -> None:
    """A deleted table is gone for queries and writes begin another; what is not there is 404."""
    of_bar = {"db": "foo", "table": "bar"}
    assert said(api.delete(TABLE, params=of_bar)) == (200, "")
    assert deleted_table(engine).hard_deletion_time_ns == START_NS + 72 * HOUR_NS
    assert said(api.delete(TABLE, params=of_bar)) == (404, "Table bar not in DB schema for foo")
    assert said(api.delete(TABLE, params={"db": "x", "table": "bar"})) == (404, "Database not found x")
    assert said(api.delete(TABLE, params={"db": "foo"})) == (400, "serde error: missing field `table`")


# Caches.


def test_last_cache_created(api: httpx.Client, engine: Engine, bar: None) -> None:
    """A last-value cache has defaults, and is answered as the change of the catalog that made it."""
    answer = api.post(LAST, json={"db": "foo", "table": "bar"})
    assert (answer.status_code, answer.headers["content-type"]) == (201, "application/json")
    body = answer.json()
    batch = body["catalog_batch"]["Database"]
    assert list(body) == ["catalog_batch", "sequence_number"]
    assert list(batch) == ["time_ns", "database_id", "database_name", "ops"]
    assert body["sequence_number"] == engine.catalog.sequence_number
    assert (batch["time_ns"], batch["database_name"]) == (START_NS, "foo")
    assert batch["database_id"] == engine.catalog.database("foo").id
    assert batch["ops"] == [
        {
            "CreateLastCache": {
                "table_id": engine.catalog.database("foo").tables["bar"].id,
                "table": "bar",
                "id": 1,
                "node_spec": "all",
                "name": "bar_t1_t2_last_cache",
                "key_columns": [{"tag": 0}, {"tag": 1}],
                "value_columns": "all_non_key_columns",
                "count": 1,
                "ttl": 14400,
            }
        }
    ]
    rows = engine.query("SELECT t1, f FROM last_cache('bar')", "foo").to_pylist()
    assert rows == [{"t1": "a", "f": 1.5}]


def test_last_cache_options(api: httpx.Client, bar: None) -> None:
    """Name, columns, count and time to live may be said."""
    body = {"db": "foo", "table": "bar", "name": "c", "count": 2, "ttl": 60}
    answer = api.post(LAST, json=body | {"key_columns": ["t2"], "value_columns": ["u"]})
    [operation] = answer.json()["catalog_batch"]["Database"]["ops"]
    cache = operation["CreateLastCache"]
    assert (cache["name"], cache["count"], cache["ttl"]) == ("c", 2, 60)
    assert cache["key_columns"] == [{"tag": 1}]
    assert cache["value_columns"] == {"explicit": {"columns": [{"field": [0, 2]}]}}


@pytest.mark.parametrize("seconds", [31_536_000_000, 2**64 - 1])
def test_caches_keep_rows_for_ever(api: httpx.Client, engine: Engine, bar: None, seconds: int) -> None:
    """Periods of up to 64 bits of seconds are taken, and read, though no instant is so far away."""
    last = {"db": "foo", "table": "bar", "key_columns": ["t2"], "ttl": seconds}
    distinct = {"db": "foo", "table": "bar", "columns": ["t2"], "max_age": seconds}
    assert [api.post(LAST, json=last).status_code, api.post(DISTINCT, json=distinct).status_code] == [
        201,
        201,
    ]
    engine.write("foo", "bar,t2=old f=1 1", precision="ns")
    for function in ("last_cache", "distinct_cache"):
        query = f"SELECT t2 FROM {function}('bar') WHERE t2 = 'old'"
        answer = api.get("/api/v3/query_sql", params={"db": "foo", "q": query})
        assert said(answer) == (200, '[{"t2":"old"}]')


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"db": "x"}, 404, "Database not found x"),
        ({"table": "x"}, 404, "Table x not in DB schema for foo"),
        (
            {"key_columns": ["x"]},
            400,
            "invalid configuration provided: invalid key column provided: x",
        ),
        (
            {"value_columns": ["x"]},
            400,
            "invalid configuration provided: invalid value column provided: x",
        ),
        (
            {"key_columns": ["f"]},
            400,
            "only uint64, int64, bool, tag, and string columns are supported in the last cache",
        ),
        ({"count": 0}, 400, "serde json error: last cache size must be greater than 0"),
        ({"count": -1}, 400, "serde json error: invalid type: integer `-1`, expected u64"),
        ({"ttl": 2**64}, 400, f"serde json error: invalid value: integer `{2**64}`, expected u64"),
        ({"ttl": None}, 400, "serde json error: invalid type: null, expected u64"),
        ({"db": None}, 400, "serde json error: invalid type: null, expected a string"),
    ],
)
def test_last_cache_refused(
    api: httpx.Client, bar: None, change: dict[str, object], status: int, text: str
) -> None:
    """A last-value cache that cannot be is refused with the original's text."""
    assert said(api.post(LAST, json={"db": "foo", "table": "bar"} | change)) == (status, text)


def test_distinct_cache_created(api: httpx.Client, engine: Engine, bar: None) -> None:
    """A distinct-value cache is answered as the change of the catalog that made it."""
    answer = api.post(DISTINCT, json={"db": "foo", "table": "bar", "columns": ["t1", "s"]})
    assert answer.status_code == 201
    assert answer.json()["catalog_batch"]["Database"]["ops"] == [
        {
            "CreateDistinctCache": {
                "table_id": engine.catalog.database("foo").tables["bar"].id,
                "table_name": "bar",
                "node_spec": "all",
                "cache_id": 1,
                "cache_name": "bar_t1_s_distinct_cache",
                "column_ids": [{"tag": 0}, {"field": [0, 0]}],
                "max_cardinality": 100000,
                "max_age_seconds": 86400,
                "source": {"type": "User"},
            }
        }
    ]
    rows = engine.query("SELECT table, name FROM system.distinct_caches", "foo").to_pylist()
    assert rows == [{"table": "bar", "name": "bar_t1_s_distinct_cache"}]


@pytest.mark.parametrize(
    ("change", "status", "text"),
    [
        ({"table": "x"}, 404, "Table x not in DB schema for foo"),
        (
            {"columns": []},
            400,
            "invalid configuration provided: no columns provided when creating distinct cache",
        ),
        ({"columns": None}, 400, "serde json error: invalid type: null, expected a sequence"),
        ({"columns": ["x"]}, 400, "invalid configuration provided: invalid column provided: x"),
        ({"columns": ["b"]}, 400, "only tag and string columns are supported in the distinct cache"),
        (
            {"max_cardinality": 0},
            400,
            "serde json error: invalid value: integer `0`, expected a nonzero usize",
        ),
    ],
)
def test_distinct_cache_refused(
    api: httpx.Client, bar: None, change: dict[str, object], status: int, text: str
) -> None:
    """A distinct-value cache that cannot be is refused with the original's text."""
    body = {"db": "foo", "table": "bar", "columns": ["t1"]} | change
    assert said(api.post(DISTINCT, json=body)) == (status, text)


@pytest.mark.parametrize("route", [LAST, DISTINCT])
def test_caches_conflict(api: httpx.Client, bar: None, route: str) -> None:
    """A name that is taken is 409, even for the same definition; other columns make another name."""
    body: dict[str, object] = {"db": "foo", "table": "bar", "columns": ["t1"]}
    assert api.post(route, json=body).status_code == 201
    assert said(api.post(route, json=body)) == (409, EXISTS)
    assert api.post(route, json=body | {"name": "c"}).status_code == 201
    assert said(api.post(route, json=body | {"name": "c", "ttl": 1, "max_age": 1})) == (409, EXISTS)
    other = {"key_columns": ["t2"], "columns": ["t2"]}
    assert api.post(route, json=body | other).status_code == 201


@pytest.mark.parametrize("route", [LAST, DISTINCT])
def test_caches_deleted(api: httpx.Client, bar: None, route: str) -> None:
    """A cache is deleted by a query string or a body, and then 404; without either it is 415."""
    of_cache = {"db": "foo", "table": "bar", "name": "c"}
    for way in ("json", "params"):
        assert api.post(route, json=of_cache | {"columns": ["t1"]}).status_code == 201
        assert said(api.request("DELETE", route, **{way: of_cache})) == (200, "")  # type: ignore[arg-type]
        answer = api.request("DELETE", route, **{way: of_cache})  # type: ignore[arg-type]
        assert said(answer) == (404, "the requested resource was not found: c")
        for missing in of_cache:
            rest = {name: value for name, value in of_cache.items() if name != missing}
            answer = api.request("DELETE", route, **{way: rest})  # type: ignore[arg-type]
            assert answer.status_code == 400
            assert f"missing field `{missing}`" in answer.text
    text = "unacceptable content-type, expected: application/json"
    assert said(api.delete(route)) == (415, text)


@pytest.mark.parametrize("route", [LAST, DISTINCT])
def test_caches_node_spec(api: httpx.Client, bar: None, route: str) -> None:
    """Enterprise's node_spec is kept and told, whichever nodes it names; a name that is empty is refused."""
    body: dict[str, object] = {"db": "foo", "table": "bar", "columns": ["t1"]}
    answer = api.post(route, json=body | {"node_spec": {"nodes": ["n2", ""]}})
    refusal = "node spec cannot be 'nodes:n2,'; accepted: all, or nodes:<NODE>[,<NODE>]"
    assert said(answer) == (400, refusal)
    answer = api.post(route, json=body | {"node_spec": {"nodes": ["n2", "procengine"]}})
    assert answer.status_code == 201
    (operation,) = answer.json()["catalog_batch"]["Database"]["ops"]
    (created,) = operation.values()
    assert created["node_spec"] == {"nodes": ["n2", "procengine"]}


# All of them.

ROUTES = [
    ("GET", DATABASE),
    ("POST", DATABASE),
    ("PUT", DATABASE),
    ("DELETE", DATABASE),
    ("POST", PERIOD),
    ("DELETE", PERIOD),
    ("POST", TABLE),
    ("DELETE", TABLE),
    ("POST", TABLE_PERIOD),
    ("DELETE", TABLE_PERIOD),
    ("POST", LAST),
    ("DELETE", LAST),
    ("POST", DISTINCT),
    ("DELETE", DISTINCT),
]


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_configuration_needs_a_token(anyone: httpx.Client, method: str, path: str) -> None:
    """Without a token nothing is configured, but asked whether one may ask (CORS)."""
    answer = anyone.request(method, path)
    assert said(answer) == (401, '{"error": "the request was not authenticated"}')
    assert anyone.options(path).status_code == 204


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", DATABASE), ("PUT", DATABASE), ("POST", TABLE), ("POST", LAST), ("POST", DISTINCT)],
)
def test_configuration_content_types(api: httpx.Client, method: str, path: str) -> None:
    """Bodies must say that they are JSON."""
    answer = api.request(method, path, content="{}", headers={"Content-Type": "text/plain"})
    assert said(answer) == (415, "unacceptable content-type, expected: application/json")
    answer = api.request(method, path, content="{", headers={"Content-Type": "application/json"})
    assert answer.status_code == 400
    assert answer.text.startswith("serde json error: ")


def test_configuration_is_durable_in_the_catalog(api: httpx.Client, engine: Engine) -> None:
    """``system.databases`` shows what was configured."""
    api.post(DATABASE, json={"db": "foo", "retention_period": "1h"})
    api.delete(DATABASE, params={"db": "foo", "hard_delete_at": "2023-11-14T23:13:20Z"})
    rows = engine.query("SELECT * FROM system.databases WHERE deleted", "_internal").to_pylist()
    [row] = rows
    assert row["retention_period_ns"] == HOUR_NS
    assert row["hard_deletion_time"] == datetime.datetime(2023, 11, 14, 23, 13, 20, tzinfo=datetime.UTC)
