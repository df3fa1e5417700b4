"""Plain SQL over buffers, Parquet files and system tables: semantics 12."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from procengine.errors import DatabaseNotFoundError, QueryError, StoppedError
from procengine.query import QueryExecutor
from tests.query.doubles import (
    FLOAT,
    HOME,
    STRING,
    TAG,
    MemoryDatabases,
    MemoryRows,
    batch,
    executor_of,
    home_rows,
    parquet_file,
    schema,
)


@pytest.fixture
def databases() -> MemoryDatabases:
    made = MemoryDatabases()
    made.put("sensors", "home", home_rows())
    return made


@pytest.fixture
def executor(databases: MemoryDatabases) -> Iterator[QueryExecutor]:
    made = executor_of(databases)
    yield made
    made.close()


def test_select_star_has_columns_by_name_and_the_original_types(executor: QueryExecutor) -> None:
    """``SELECT *`` sorts columns by name; time is timestamp[ns], tags are dictionaries (12)."""
    result = executor.query("SELECT * FROM home", "sensors")
    assert result.schema.names == ["co", "hum", "room", "temp", "time"]
    assert result.schema.field("time").type == pa.timestamp("ns")
    assert result.schema.field("room").type == pa.dictionary(pa.int32(), pa.utf8())
    assert result.num_rows == 6


def test_strings_are_utf8_from_parquet_too(tmp_path: Path) -> None:
    """Strings come as utf8, never as a view type, whether buffered or stored (12)."""
    shape = schema(host=TAG, text=STRING)
    rows = batch(shape, time=[1, 2], host=["a", "b"], text=["x", "y"])
    databases = MemoryDatabases()
    databases.put("d", "stored", MemoryRows(shape, (), (parquet_file(tmp_path / "1.parquet", rows),)))
    executor = executor_of(databases)
    result = executor.query("SELECT host, text, text || '!' AS more, 'z' AS word FROM stored", "d")
    executor.close()
    assert [str(kind) for kind in result.schema.types] == [
        "dictionary<values=string, indices=int32, ordered=0>",
        "string",
        "string",
        "string",
    ]


def test_a_table_is_its_files_and_its_buffer(tmp_path: Path) -> None:
    """Files older than a column have nulls there, and only files of the view are read."""
    old, new = schema(host=TAG, a=FLOAT), schema(host=TAG, a=FLOAT, b=FLOAT)
    first = batch(old, time=[1, 2], host=["x", "y"], a=[1.0, 2.0])
    second = batch(new, time=[3], host=["x"], a=[3.0], b=[30.0])
    unseen = batch(new, time=[4], host=["x"], a=[4.0], b=[40.0])
    files = [parquet_file(tmp_path / f"{n}.parquet", one) for n, one in enumerate((first, second))]
    parquet_file(tmp_path / "unseen.parquet", unseen)
    databases = MemoryDatabases()
    buffered = batch(new, time=[5], host=["z"], b=[50.0])
    databases.put("d", "t", MemoryRows(new, (buffered,), files))
    executor = executor_of(databases)
    result = executor.query(
        "SELECT time::BIGINT AS t, host::VARCHAR AS host, a, b FROM t ORDER BY time", "d"
    )
    executor.close()
    assert result.to_pydict() == {
        "t": [1, 2, 3, 5],
        "host": ["x", "y", "x", "z"],
        "a": [1.0, 2.0, 3.0, None],
        "b": [None, None, 30.0, 50.0],
    }


def test_rows_written_later_are_seen_by_the_next_query(
    executor: QueryExecutor, databases: MemoryDatabases
) -> None:
    """A query sees the rows of its instant; nothing is registered per write."""
    count = "SELECT count(*) AS n FROM home"
    assert executor.query(count, "sensors")["n"].to_pylist() == [6]
    rows = home_rows()
    databases.put("sensors", "home", MemoryRows(HOME, rows.buffered * 2))
    assert executor.query(count, "sensors")["n"].to_pylist() == [12]


def test_a_statement_sees_one_instant(databases: MemoryDatabases) -> None:
    """Every mention of a table in one statement sees the same rows, looked at once."""
    asked: list[int] = []

    def view(table_id: int) -> MemoryRows:
        asked.append(table_id)
        return databases.view(table_id)

    executor = QueryExecutor(databases, view, clock=executor_of(databases)._clock)  # type: ignore[arg-type]
    executor.query("SELECT a.temp FROM home a JOIN home b ON a.time = b.time", "sensors")
    executor.close()
    assert asked == [1]


@pytest.mark.parametrize(
    ("value", "condition", "count"),
    [
        ("Kitchen", "room = $x", 3),
        (22, "temp > $x", 2),
        (21.4, "temp < $x", 2),
        (-1, "co > $x", 6),
        (True, "$x", 6),
        (None, "$x IS NULL", 6),
        ("'; DROP TABLE home; --", "room = $x", 0),
    ],
)
def test_parameters_are_bound_as_values(
    executor: QueryExecutor, value: object, condition: str, count: int
) -> None:
    """A named parameter is a value of its own type, never text of the statement (12)."""
    sql = f"SELECT count(*) AS n FROM home WHERE {condition}"
    assert executor.query(sql, "sensors", {"x": value, "unused": 1})["n"].to_pylist() == [count]


def test_integers_from_zero_up_are_unsigned(executor: QueryExecutor) -> None:
    """Integer parameters bind as UInt64 from zero up and as Int64 below (12)."""
    result = executor.query("SELECT $a AS a, $b AS b", "sensors", {"a": 7, "b": -7})
    assert result.schema.types == [pa.uint64(), pa.int64()]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ([1], "cannot bind parameter 'x': a value of type list is not accepted"),
        (1 << 64, "cannot bind parameter 'x': 18446744073709551616 does not fit into 64 bits"),
        ("\ud800", "cannot bind parameter 'x': '\\ud800' is not Unicode text"),
    ],
)
def test_parameters_of_other_types_are_refused(
    executor: QueryExecutor, value: object, text: str
) -> None:
    """A parameter is a str, bool, int of 64 bits, float or None."""
    with pytest.raises(QueryError, match=re.escape(text)):
        executor.query("SELECT $x", "sensors", {"x": value})


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT $host",
        "SELECT * FROM home WHERE room = $host",
        "SELECT 1 LIMIT $host",
        "SELECT '$a', $$ $b $$, $host",
    ],
)
def test_a_missing_parameter_has_the_original_text(executor: QueryExecutor, sql: str) -> None:
    """A placeholder without a value is named (12)."""
    with pytest.raises(QueryError, match=r"No value found for placeholder with name \$host$"):
        executor.query(sql, "sensors", {"other": 1})


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE x AS SELECT 1",
        "CREATE VIEW x AS SELECT 1",
        "CREATE EXTERNAL TABLE x STORED AS CSV LOCATION '/tmp/x.csv'",
        "DROP TABLE home",
        "INSERT INTO home SELECT * FROM home",
        "DELETE FROM home",
        "UPDATE home SET temp = 1",
        "COPY home TO '/tmp/x.parquet'",
        "COPY (SELECT 1) TO '/tmp/x.csv'",
        "SET datafusion.execution.batch_size = 1",
        "SET TIME ZONE = 'Europe/Berlin'",
        "EXPLAIN ANALYZE INSERT INTO home SELECT * FROM home",
        "PREPARE p AS SELECT 1",
        "BEGIN",
        "SELECT 1; SELECT 2",
        "SELECT 1; DROP TABLE home",
        "",
        "-- nothing",
    ],
)
def test_only_one_reading_statement_is_taken(executor: QueryExecutor, sql: str) -> None:
    """DDL, DML, COPY, SET and several statements at once are refused (12)."""
    with pytest.raises(QueryError) as refused:
        executor.query(sql, "sensors")
    assert "\n" not in str(refused.value)
    assert executor.query("SELECT count(*) AS n FROM home", "sensors")["n"].to_pylist() == [6]


def test_files_cannot_be_read_by_name(executor: QueryExecutor, tmp_path: Path) -> None:
    """A file is no table, however it is named."""
    (tmp_path / "secret.csv").write_text("a\n1\n")
    with pytest.raises(QueryError, match="not found"):
        executor.query(f"SELECT * FROM '{tmp_path}/secret.csv'", "sensors")


def test_syntax_errors_name_the_place(executor: QueryExecutor) -> None:
    """What the parser expected, found, and where, to the letter of the original."""
    with pytest.raises(QueryError) as failed:
        executor.query("SELECT *\nFROM home WHERE", "sensors")
    assert str(failed.value) == 'SQL error: ParserError("Expected: an expression, found: EOF")'
    with pytest.raises(QueryError) as failed:
        executor.query("SELEC 1", "sensors")
    assert str(failed.value) == (
        'SQL error: ParserError("Expected: an SQL statement, found: SELEC at Line: 1, Column: 1")'
    )


def test_unknown_columns_come_with_a_suggestion(executor: QueryExecutor) -> None:
    """A column that is not there is answered with what is."""
    with pytest.raises(
        QueryError, match=r"(?s)No field named tmp\. Did you mean 'home\.temp'\?.*home\.co"
    ):
        executor.query("SELECT tmp FROM home", "sensors")


def test_unknown_tables_are_named_in_full(executor: QueryExecutor) -> None:
    """A table that is not there is named with its catalog and schema."""
    with pytest.raises(QueryError, match=r"table 'public\.iox\.nope' not found"):
        executor.query("SELECT * FROM nope", "sensors")


def test_type_errors_name_the_stage(executor: QueryExecutor) -> None:
    """A message that passes through several stages names them, as the original's does."""
    with pytest.raises(QueryError) as failed:
        executor.query("SELECT * FROM home WHERE time > 5", "sensors")
    assert str(failed.value) == (
        "type_coercion\ncaused by\nError during planning: Cannot infer common argument type for comparison operation "
        "Timestamp(ns) > Int64"
    )


def test_errors_of_the_run_are_query_errors(executor: QueryExecutor) -> None:
    """What fails while rows are made is an error of the query, and the executor stays usable."""
    with pytest.raises(QueryError, match="Divide by zero"):
        executor.query("SELECT 1 / co FROM home", "sensors")
    assert executor.query("SELECT 1 AS one", "sensors")["one"].to_pylist() == [1]


def test_unknown_databases_are_refused(executor: QueryExecutor) -> None:
    """A database that is not there has the original's text (8)."""
    with pytest.raises(DatabaseNotFoundError, match=r"^database not found: nope$"):
        executor.query("SELECT 1", "nope")


def test_show_tables_lists_all_schemas(executor: QueryExecutor) -> None:
    """``SHOW TABLES`` includes ``system`` and ``information_schema`` (12)."""
    shown = executor.query("SHOW TABLES", "sensors").to_pylist()
    names = {(row["table_schema"], row["table_name"]): row["table_type"] for row in shown}
    assert names["iox", "home"] == "BASE TABLE"
    assert names["system", "queries"] == "BASE TABLE"
    assert names["information_schema", "columns"] == "VIEW"
    assert {row["table_catalog"] for row in shown} == {"public"}


@pytest.mark.parametrize("sql", ["SHOW COLUMNS FROM home", "DESCRIBE home"])
def test_columns_are_shown_with_their_arrow_types(executor: QueryExecutor, sql: str) -> None:
    """Tags are seen as Dictionary(Int32, Utf8), the time as not nullable."""
    shown = {row["column_name"]: row for row in executor.query(sql, "sensors").to_pylist()}
    assert shown["room"]["data_type"] == "Dictionary(Int32, Utf8)"
    assert shown["time"]["data_type"] == "Timestamp(ns)"
    assert shown["time"]["is_nullable"] == "NO"
    assert list(shown) == ["co", "hum", "room", "temp", "time"]


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("tables", "table_name", "home"),
        ("columns", "column_name", "temp"),
        ("schemata", "schema_name", "iox"),
        ("views", "table_name", "home"),
        ("df_settings", "name", "datafusion.catalog.default_schema"),
    ],
)
def test_information_schema_is_there(
    executor: QueryExecutor, table: str, column: str, value: str
) -> None:
    """information_schema has tables, columns, schemata and df_settings (12)."""
    result = executor.query(f"SELECT {column} FROM information_schema.{table}", "sensors")
    assert value in result[column].to_pylist()


def test_there_is_no_session_time_zone(executor: QueryExecutor) -> None:
    """No zone is set, so that times stay without one (12)."""
    shown = executor.query("SHOW datafusion.execution.time_zone", "sensors").to_pylist()
    assert [row["value"] for row in shown] in ([None], [""])


def test_explain_reads_nothing(executor: QueryExecutor) -> None:
    """EXPLAIN gives the plan as rows."""
    result = executor.query("EXPLAIN SELECT * FROM home WHERE room = 'Kitchen'", "sensors")
    assert result["plan_type"].to_pylist() == ["logical_plan", "physical_plan"]


def test_empty_results_keep_their_columns(executor: QueryExecutor) -> None:
    """A result without rows has its columns and types."""
    result = executor.query("SELECT * FROM home WHERE temp > 100", "sensors")
    assert result.num_rows == 0
    assert result.schema.field("room").type == pa.dictionary(pa.int32(), pa.utf8())


@pytest.mark.parametrize("name", ["Room One", 'q"uote', "back`tick", "MiXed", "müll", "a.b", "select"])
def test_tables_of_any_name_are_found(name: str) -> None:
    """A quoted name reaches the table that bears it, whatever stands in quotes beside it."""
    databases = MemoryDatabases()
    databases.put("d", name, home_rows())
    executor = executor_of(databases)
    quoted = name.replace('"', '""')
    sql = f"SELECT count(*) AS n, '\"' AS q FROM \"{quoted}\" WHERE room <> '\"'"
    assert executor.query(sql, "d")["n"].to_pylist() == [6]
    executor.close()


def test_streams_give_the_rows_piece_by_piece(executor: QueryExecutor) -> None:
    """A stream holds what the query would give, and ends."""
    reader = executor.stream("SELECT * FROM home ORDER BY time, room", "sensors")
    assert reader.read_all() == executor.query("SELECT * FROM home ORDER BY time, room", "sensors")


def test_a_stream_may_be_left_unread(executor: QueryExecutor) -> None:
    """Dropping a stream half read leaves the executor usable."""
    reader = executor.stream(
        "SELECT a.temp FROM home a, home b, home c, home d, home e, home f", "sensors"
    )
    reader.read_next_batch()
    del reader
    assert executor.query("SELECT 1 AS one", "sensors")["one"].to_pylist() == [1]


def test_a_closed_executor_says_so(databases: MemoryDatabases) -> None:
    """After close, queries are refused; closing twice is allowed."""
    executor = executor_of(databases)
    executor.query("SELECT 1", "sensors")
    executor.close()
    executor.close()
    with pytest.raises(StoppedError):
        executor.query("SELECT 1", "sensors")


def test_schemas_have_no_owner(executor: QueryExecutor) -> None:
    """information_schema shows NULL, and not the name of a Python value."""
    rows = executor.query("SELECT schema_name, schema_owner FROM information_schema.schemata", "sensors")
    assert sorted(rows.to_pylist(), key=str) == [
        {"schema_name": "iox", "schema_owner": None},
        {"schema_name": "system", "schema_owner": None},
    ]


def test_a_subquery_of_one_value_becomes_a_join(executor: QueryExecutor) -> None:
    """As in the original's version: its scans can be read off the plan, and it may even have several rows."""
    plan = executor.query(
        "EXPLAIN SELECT room FROM home WHERE temp = (SELECT max(temp) FROM home)", "sensors"
    )["plan"].to_pylist()[0]
    assert "Subquery:" not in plan
    assert plan.count("TableScan: home") == 2
