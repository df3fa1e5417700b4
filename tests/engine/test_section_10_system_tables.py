"""Section 10 of the semantics, through the engine: the tables of the schema ``system``."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pytest

from procengine import Engine
from procengine.errors import QueryError
from procengine.model.run import Cause, CauseKind
from procengine.processing.event import ScheduleEvent
from tests.engine.looks import rows, settle

Plugin = Callable[[str, str], str]

TICK = ScheduleEvent(instant_ns=10**18, cause=Cause(kind=CauseKind.FIRE))

TEXT, VIEW, BOOLEAN = pa.utf8(), pa.string_view(), pa.bool_()
I64, U8, U16, U32, U64 = pa.int64(), pa.uint8(), pa.uint16(), pa.uint32(), pa.uint64()
NANOSECONDS, DURATION = pa.timestamp("ns"), pa.duration("ns")
DELETION = pa.timestamp("s", "UTC")


def list_of(kind: pa.DataType) -> pa.DataType:
    return pa.list_(pa.field("item", kind))


# Names that end with a question mark may be NULL.
EVERYWHERE: dict[str, dict[str, pa.DataType]] = {
    "processing_engine_triggers": {
        "trigger_name": TEXT,
        "plugin_filename": TEXT,
        "trigger_specification": TEXT,
        "disabled": BOOLEAN,
        "error_behavior": TEXT,
    },
    "processing_engine_trigger_arguments": {
        "trigger_name": TEXT,
        "argument_key": TEXT,
        "argument_value": TEXT,
    },
    "processing_engine_logs": {
        "event_time": NANOSECONDS,
        "trigger_name": TEXT,
        "log_level": TEXT,
        "log_text": TEXT,
    },
    "last_caches": {
        "table": VIEW,
        "name": VIEW,
        "key_column_ids": list_of(U16),
        "key_column_names": list_of(VIEW),
        "value_column_ids?": list_of(U16),
        "value_column_names?": list_of(VIEW),
        "count": U64,
        "ttl": U64,
    },
    "distinct_caches": {
        "table": VIEW,
        "name": VIEW,
        "column_ids": list_of(U16),
        "column_names": list_of(VIEW),
        "max_cardinality": U64,
        "max_age_seconds": U64,
    },
    "queries": {
        "id": TEXT,
        "phase": TEXT,
        "issue_time": NANOSECONDS,
        "query_type": TEXT,
        "query_text": TEXT,
        "partitions?": I64,
        "parquet_files?": I64,
        "plan_duration?": DURATION,
        "permit_duration?": DURATION,
        "execute_duration?": DURATION,
        "end2end_duration?": DURATION,
        "compute_duration?": DURATION,
        "max_memory?": I64,
        "success": BOOLEAN,
        "running": BOOLEAN,
        "cancelled": BOOLEAN,
        "trace_id?": TEXT,
    },
    "parquet_files": {
        "table_name": TEXT,
        "path": TEXT,
        "size_bytes": U64,
        "row_count": U64,
        "min_time": I64,
        "max_time": I64,
    },
    "influxdb_schema": {"measurement": VIEW, "key": VIEW, "data_type": VIEW},
}

INTERNAL_ONLY: dict[str, dict[str, pa.DataType]] = {
    "plugin_files": {
        "plugin_name": TEXT,
        "file_name": TEXT,
        "file_path": TEXT,
        "size_bytes": I64,
        "last_modified": I64,
    },
    "databases": {
        "database_name": VIEW,
        "retention_period_ns?": U64,
        "deleted": BOOLEAN,
        "hard_deletion_time?": DELETION,
    },
    "tables": {
        "database_name": VIEW,
        "table_name": VIEW,
        "column_count": U64,
        "series_key_columns": VIEW,
        "last_cache_count": U64,
        "distinct_cache_count": U64,
        "deleted": BOOLEAN,
        "hard_deletion_time?": DELETION,
    },
    "nodes": {
        "node_id": VIEW,
        "node_catalog_id": U32,
        "instance_id": VIEW,
        "mode": list_of(VIEW),
        "core_count": U64,
        "state": VIEW,
        "updated_at?": pa.timestamp("ms"),
        "cli_params?": VIEW,
    },
    "generation_durations": {"level": U8, "duration_seconds": U64},
    "tokens": {
        "token_id": U64,
        "name": VIEW,
        "hash": VIEW,
        "created_at": pa.timestamp("ms"),
        "description?": VIEW,
        "created_by_token_id?": U64,
        "updated_at?": pa.timestamp("ms"),
        "updated_by_token_id?": U64,
        "expiry?": pa.timestamp("ms"),
        "permissions": VIEW,
    },
}

OURS = {"attached_databases", "processing_engine_runs"}
"""Tables that the original has not."""


@pytest.fixture
def house(engine: Engine, plugin: Plugin) -> Engine:
    """An engine in which every system table has something to show, but for Parquet files."""
    engine.write("house", 'home,floor=1,room=kitchen,site=a temp=21.5,note="warm",n=3i 1000')
    engine.write("house", "cpu,host=a usage=0.5 1000")
    source = "def process_scheduled_call(influxdb3_local, call_time, args=None):\n    influxdb3_local.warn('here')\n"
    engine.triggers.create("house", "t", plugin("t", source), "every:1h", arguments={"a": "1", "b": "2"})
    engine.triggers.fire("t", TICK, database="house")
    settle(engine)
    engine.catalog.create_last_cache("house", "home")
    engine.catalog.create_last_cache(
        "house",
        "home",
        name="some",
        key_columns=["room", "n"],
        value_columns=["temp", "time"],
        count=5,
        ttl_seconds=60,
    )
    engine.catalog.create_distinct_cache(
        "house", "home", columns=["site", "room"], max_cardinality=7, max_age_seconds=30
    )
    return engine


def columns(table: pa.Table) -> dict[str, pa.DataType]:
    """Return a result's columns, those that may be NULL with a question mark."""
    return {f"{one.name}{'?' * one.nullable}": one.type for one in table.schema}


@pytest.mark.parametrize("database", ["house", "_internal"])
@pytest.mark.parametrize("table", EVERYWHERE)
def test_tables_of_every_database_have_the_originals_columns(
    house: Engine, table: str, database: str
) -> None:
    """Names, order, types and NULLs are those of section 10, in `_internal` as well."""
    result = house.query(f"SELECT * FROM system.{table}", database)
    assert list(columns(result).items()) == list(EVERYWHERE[table].items())


@pytest.mark.parametrize("table", INTERNAL_ONLY)
def test_tables_of_the_engine_are_seen_from_internal_alone(house: Engine, table: str) -> None:
    """What concerns all databases has its columns in `_internal`, and is not there elsewhere."""
    result = house.query(f"SELECT * FROM system.{table}", "_internal")
    assert list(columns(result).items()) == list(INTERNAL_ONLY[table].items())
    with pytest.raises(QueryError, match=f"table 'public.system.{table}' not found"):
        house.query(f"SELECT * FROM system.{table}", "house")


@pytest.mark.parametrize(
    ("database", "expected"),
    [("house", {*EVERYWHERE}), ("_internal", {*EVERYWHERE, *INTERNAL_ONLY})],
)
def test_there_are_no_other_system_tables(house: Engine, database: str, expected: set[str]) -> None:
    """SHOW TABLES and information_schema list those of section 10."""
    shown = rows(house, "SHOW TABLES", database)
    listed = rows(house, "SELECT * FROM information_schema.tables", database)
    for found in (shown, listed):
        assert {one["table_name"] for one in found if one["table_schema"] == "system"} - OURS == expected


@pytest.mark.parametrize("table", [*EVERYWHERE, *INTERNAL_ONLY])
def test_information_schema_agrees_with_the_tables(house: Engine, table: str) -> None:
    """The columns that information_schema and SHOW COLUMNS list are those that a query gives."""
    result = house.query(f"SELECT * FROM system.{table}", "_internal")
    listed = rows(
        house,
        f"SELECT column_name, is_nullable FROM information_schema.columns WHERE table_schema = 'system' "
        f"AND table_name = '{table}' ORDER BY ordinal_position",
        "_internal",
    )
    shown = rows(house, f"SHOW COLUMNS FROM system.{table}", "_internal")
    nullable = {True: "YES", False: "NO"}
    assert [(one["column_name"], one["is_nullable"]) for one in listed] == [
        (one.name, nullable[one.nullable]) for one in result.schema
    ]
    assert [one["column_name"] for one in shown] == result.column_names


def test_last_caches_lists_definitions(house: Engine) -> None:
    """Ids are numbers of columns in the order of their creation; NULL stands for all columns that are no keys."""
    assert rows(house, "SELECT * FROM system.last_caches") == [
        {
            "table": "home",
            "name": "home_floor_room_site_last_cache",
            "key_column_ids": [0, 1, 2],
            "key_column_names": ["floor", "room", "site"],
            "value_column_ids": None,
            "value_column_names": None,
            "count": 1,
            "ttl": 14400,
        },
        {
            "table": "home",
            "name": "some",
            "key_column_ids": [1, 5],
            "key_column_names": ["room", "n"],
            "value_column_ids": [3],
            "value_column_names": ["temp"],
            "count": 5,
            "ttl": 60,
        },
    ]


def test_distinct_caches_lists_definitions(house: Engine) -> None:
    """One row a cache, columns in the order of the definition."""
    assert rows(house, "SELECT * FROM system.distinct_caches") == [
        {
            "table": "home",
            "name": "home_site_room_distinct_cache",
            "column_ids": [2, 1],
            "column_names": ["site", "room"],
            "max_cardinality": 7,
            "max_age_seconds": 30,
        }
    ]


def test_caches_are_those_of_the_queried_database(house: Engine) -> None:
    """Another database has none, and its tables are there all the same."""
    house.write("other", "home x=1")
    for table in ("last_caches", "distinct_caches"):
        assert rows(house, f"SELECT * FROM system.{table}", "other") == []
        assert rows(house, f"SELECT count(*) AS n FROM system.{table}", "other") == [{"n": 0}]


def test_deleted_caches_are_not_listed(house: Engine) -> None:
    """Deleting a cache takes it from the list and the count; deleting its table from the list, until that is back."""
    house.catalog.delete_last_cache("house", "home", "some")
    assert len(rows(house, "SELECT * FROM system.last_caches")) == 1
    counts = "SELECT sum(last_cache_count) AS n FROM system.tables"
    assert rows(house, counts, "_internal") == [{"n": 1}]
    house.catalog.delete_table("house", "home")
    assert rows(house, "SELECT * FROM system.last_caches") == []


def test_tables_counts_caches(house: Engine) -> None:
    """Each table has the number of its caches of both kinds."""
    sql = (
        "SELECT table_name, column_count, series_key_columns, last_cache_count, distinct_cache_count "
        "FROM system.tables WHERE database_name = 'house' ORDER BY table_name"
    )
    assert [tuple(row.values()) for row in rows(house, sql, "_internal")] == [
        ("cpu", 3, "host", 0, 0),
        ("home", 7, "floor, room, site", 2, 1),
    ]


def test_triggers_and_their_arguments_are_listed(house: Engine) -> None:
    """The specification is the original's JSON."""
    assert rows(house, "SELECT * FROM system.processing_engine_triggers") == [
        {
            "trigger_name": "t",
            "plugin_filename": "t.py",
            "trigger_specification": '{"every":{"duration":{"secs":3600,"nanos":0}}}',
            "disabled": False,
            "error_behavior": "log",
        }
    ]
    arguments = rows(house, "SELECT * FROM system.processing_engine_trigger_arguments")
    assert [tuple(row.values()) for row in arguments] == [("t", "a", "1"), ("t", "b", "2")]


def test_logs_are_joined_with_triggers(house: Engine) -> None:
    """System tables are tables: they join, group and filter."""
    sql = (
        "SELECT l.log_level, l.log_text, t.plugin_filename FROM system.processing_engine_logs l "
        "JOIN system.processing_engine_triggers t USING (trigger_name) WHERE l.log_level = 'WARN'"
    )
    assert rows(house, sql) == [{"log_level": "WARN", "log_text": "here", "plugin_filename": "t.py"}]


def test_a_plugin_cannot_read_columns_of_views_and_lists(house: Engine, plugin: Plugin) -> None:
    """``query()`` raises for the types that the original cannot hand to Python, and takes them cast."""
    source = (
        "def process_scheduled_call(influxdb3_local, call_time, args=None):\n"
        "    for columns in ('name', 'key_column_ids', 'count, ttl', 'name::varchar AS name'):\n"
        "        try:\n"
        "            sql = f'SELECT {columns} FROM system.last_caches ORDER BY 1 LIMIT 1'\n"
        "            influxdb3_local.info(influxdb3_local.query(sql))\n"
        "        except ValueError as error:\n"
        "            influxdb3_local.error(error)\n"
    )
    house.triggers.create("house", "reads", plugin("reads", source), "every:1h")
    house.triggers.fire("reads", TICK, database="house")
    settle(house)
    logged = [entry.text for entry in house.logs.entries() if entry.trigger == "reads"][1:5]
    assert logged[0].startswith("Unsupported data type: Utf8View")
    assert logged[1].startswith("Unsupported data type: List")
    assert logged[2:] == [
        "[{'count': 1, 'ttl': 14400}]",
        "[{'name': 'home_floor_room_site_last_cache'}]",
    ]


@pytest.mark.parametrize("sql", ["SHOW TABLES", "show tables;", "  SHOW\n TABLES "])
def test_tables_are_shown_in_order(engine: Engine, sql: str) -> None:
    """Section 10: those of the database, the system's, and the views; the first two by their names.

    Source: influxdb3/tests/server/query.rs, api_v3_query_show_tables_ordering.
    """
    for table in ("xxx", "table_002", "aaa", "table_001"):
        engine.write("foo", f"{table} x=1")
    shown = engine.query(sql, "foo").to_pylist()
    assert shown[0] == {
        "table_catalog": "public",
        "table_schema": "iox",
        "table_name": "aaa",
        "table_type": "BASE TABLE",
    }
    names = [row["table_name"] for row in shown]
    assert names[:4] == ["aaa", "table_001", "table_002", "xxx"]
    system = [row["table_name"] for row in shown if row["table_schema"] == "system"]
    assert names[4 : 4 + len(system)] == system == sorted(system)
    views = ["tables", "views", "columns", "df_settings", "schemata", "routines", "parameters"]
    assert names[4 + len(system) :] == views
