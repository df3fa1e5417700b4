"""System tables: semantics 10."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pytest

from procengine.catalog import Catalog
from procengine.clock import VirtualClock
from procengine.errors import QueryError
from procengine.model.column import Column, ColumnType
from procengine.query import QueryExecutor
from procengine.query.catalog_tables import Databases, GenerationDurations, InfluxdbSchema, Nodes, Tables
from procengine.query.parquet_files_table import ParquetFiles
from tests.query.doubles import HOME, MemoryDatabases, MemoryRows, executor_of, home_rows, parquet_file

NOW_NS = 1_700_000_000 * 10**9


@pytest.fixture
def catalog() -> Iterator[Catalog]:
    made = Catalog(None, clock=VirtualClock(NOW_NS), node_id="node-1")
    made.start()
    made.create_database("sensors")
    fields = [Column("temp", ColumnType.FLOAT), Column("note", ColumnType.STRING)]
    made.create_table("sensors", "home", tags=["room", "floor"], fields=fields)
    made.create_database("gone")
    made.delete_database("gone")
    yield made
    made.close()


@pytest.fixture
def executor(catalog: Catalog) -> Iterator[QueryExecutor]:
    tables = [
        InfluxdbSchema(catalog),
        Databases(catalog),
        Tables(catalog),
        Nodes(catalog, modes=["core"], started_ns=NOW_NS),
        GenerationDurations(600 * 10**9),
    ]
    made = QueryExecutor(catalog, lambda _: MemoryRows(HOME), tables, clock=VirtualClock(NOW_NS))
    yield made
    made.close()


def test_influxdb_schema_lists_columns_in_influx_terms(executor: QueryExecutor) -> None:
    """influxdb_schema has measurement, key and data_type, as text views."""
    result = executor.query("SELECT * FROM system.influxdb_schema WHERE measurement = 'home'", "sensors")
    assert result.schema.types == [pa.string_view()] * 3
    assert {(row["key"], row["data_type"]) for row in result.to_pylist()} == {
        ("room", "tag"),
        ("floor", "tag"),
        ("temp", "float"),
        ("note", "string"),
        ("time", "time"),
    }


@pytest.mark.parametrize("table", ["databases", "tables", "nodes", "generation_durations"])
def test_internal_tables_are_seen_from_internal_alone(executor: QueryExecutor, table: str) -> None:
    """What concerns the whole engine is shown to queries against `_internal` only."""
    assert executor.query(f"SELECT * FROM system.{table}", "_internal").num_rows >= 1
    with pytest.raises(QueryError, match=f"table 'public.system.{table}' not found"):
        executor.query(f"SELECT * FROM system.{table}", "sensors")
    shown = {row["table_name"] for row in executor.query("SHOW TABLES", "sensors").to_pylist()}
    assert (table in shown) is (table == "tables")


def test_databases_shows_deleted_ones(executor: QueryExecutor) -> None:
    """databases has the retention and the deletion of each."""
    result = executor.query("SELECT * FROM system.databases", "_internal")
    assert result.schema.field("hard_deletion_time").type == pa.timestamp("s", "UTC")
    rows = {row["database_name"]: row for row in result.to_pylist()}
    assert rows["sensors"]["deleted"] is False
    assert rows["sensors"]["retention_period_ns"] is None
    assert rows["_internal"]["retention_period_ns"] == 7 * 24 * 3600 * 10**9
    assert [name.startswith("gone-") for name, row in rows.items() if row["deleted"]] == [True]


def test_tables_shows_columns_and_series_key(executor: QueryExecutor) -> None:
    """tables counts the columns with the time, and lists the series key."""
    row = executor.query(
        "SELECT * FROM system.tables WHERE table_name = 'home'", "_internal"
    ).to_pylist()[0]
    assert row == {
        "database_name": "sensors",
        "table_name": "home",
        "column_count": 5,
        "series_key_columns": "room, floor",
        "last_cache_count": 0,
        "distinct_cache_count": 0,
        "deleted": False,
        "hard_deletion_time": None,
    }


def test_nodes_shows_this_engine(executor: QueryExecutor, catalog: Catalog) -> None:
    """nodes has one row."""
    result = executor.query("SELECT * FROM system.nodes", "_internal")
    row = result.to_pylist()[0]
    assert (row["node_id"], row["instance_id"]) == ("node-1", catalog.instance_id)
    assert (row["mode"], row["state"], row["core_count"]) == (["core"], "running", os.cpu_count())
    assert result["updated_at"].cast(pa.int64()).to_pylist() == [NOW_NS // 10**6]


def test_generation_durations_are_seconds(executor: QueryExecutor) -> None:
    """generation_durations has level 1."""
    result = executor.query("SELECT * FROM system.generation_durations", "_internal")
    assert result.to_pylist() == [{"level": 1, "duration_seconds": 600}]
    assert result.schema.types == [pa.uint8(), pa.uint64()]


def test_parquet_files_are_those_of_the_database(tmp_path: Path) -> None:
    """parquet_files has path, size, rows and times of each file."""
    databases = MemoryDatabases()
    file = parquet_file(tmp_path / "1.parquet", home_rows().buffered[0])
    databases.put("sensors", "home", MemoryRows(HOME, (), (file,)))
    databases.put("others", "home", MemoryRows(HOME, (), (file, file)))
    executor = executor_of(databases, ParquetFiles(databases, databases.view))  # type: ignore[arg-type]
    rows = executor.query(
        "SELECT * FROM system.parquet_files WHERE table_name = 'home'", "sensors"
    ).to_pylist()
    executor.close()
    assert rows == [
        {
            "table_name": "home",
            "path": file.path,
            "size_bytes": file.size_bytes,
            "row_count": 6,
            "min_time": file.min_time_ns,
            "max_time": file.max_time_ns,
        }
    ]


def test_queries_logs_what_ran_against_the_database(executor: QueryExecutor) -> None:
    """queries shows text, phase and durations; the asking query runs; other databases' are not there."""
    executor.query("SELECT 1", "_internal")
    executor.query("SELECT 2", "sensors")
    with pytest.raises(QueryError):
        executor.query("SELECT nope", "sensors")
    result = executor.query("SELECT * FROM system.queries", "sensors")
    rows = result.to_pylist()
    assert [(row["query_text"], row["phase"]) for row in rows] == [
        ("SELECT 2", "success"),
        ("SELECT nope", "fail"),
        ("SELECT * FROM system.queries", "received"),
    ]
    assert [row["running"] for row in rows] == [False, False, True]
    assert [row["success"] for row in rows] == [True, False, False]
    assert len({row["id"] for row in rows}) == 3
    assert result["issue_time"].cast(pa.int64()).to_pylist() == [NOW_NS] * 3
    assert result["end2end_duration"].cast(pa.int64()).to_pylist()[0] > 0
    assert result["end2end_duration"].null_count == 1


def test_the_query_log_is_bounded(catalog: Catalog) -> None:
    """The oldest queries go past the limit."""
    executor = QueryExecutor(catalog, lambda _: MemoryRows(HOME), clock=VirtualClock(), log_size=3)
    for number in range(5):
        executor.query(f"SELECT {number}", "sensors")
    texts = executor.query("SELECT query_text FROM system.queries", "sensors")["query_text"].to_pylist()
    executor.close()
    assert texts == ["SELECT 3", "SELECT 4", "SELECT query_text FROM system.queries"]


@dataclass
class _Broken:
    name: str = "broken"
    internal_only: bool = False
    schema: pa.Schema = pa.schema([("x", pa.int64())])

    def rows(self, database: str) -> pa.Table:
        raise OSError(f"no rows of {database}")


def test_errors_of_system_tables_surface_as_themselves(catalog: Catalog) -> None:
    """What a table of ours raises is not turned into text."""
    executor = QueryExecutor(catalog, lambda _: MemoryRows(HOME), [_Broken()], clock=VirtualClock())
    with pytest.raises(OSError, match="no rows of sensors"):
        executor.query("SELECT * FROM system.broken", "sensors")
    assert executor.query("SELECT 1 AS one", "sensors")["one"].to_pylist() == [1]
    executor.close()
