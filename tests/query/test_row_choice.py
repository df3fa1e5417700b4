"""Statements that only choose rows are answered without DataFusion, and as DataFusion answers them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from procengine.catalog import Catalog
from procengine.clock import VirtualClock
from procengine.errors import QueryCancelledError, QueryError
from procengine.model.column import Column, ColumnType
from procengine.model.table_rows import TableRows, WalContents
from procengine.query import QueryExecutor, statement_planner
from procengine.query import statement as statement_module
from procengine.query.cancellation import QueryCancellation
from procengine.query.row_choice import STREAM_ROWS
from procengine.write.write_buffer import WriteBuffer

START = 1_700_000_000
SECOND = 10**9
NOW_NS = (START + 60) * SECOND
COLUMNS = {
    "host": ColumnType.TAG,
    "Odd tag": ColumnType.TAG,
    "v": ColumnType.FLOAT,
    "n": ColumnType.INTEGER,
    "text": ColumnType.STRING,
}


@dataclass(frozen=True)
class Twins:
    """Two executors over one buffer: one that may answer by itself, and one that always asks DataFusion."""

    catalog: Catalog
    buffer: WriteBuffer
    free: QueryExecutor
    plain: QueryExecutor

    def apply(self, number: int, batch: pa.RecordBatch) -> None:
        columns = [Column(name, COLUMNS[name]) for name in batch.schema.names if name != "time"]
        database = self.catalog.evolve("d", {"t": columns})
        table = database.tables["t"]
        names = tuple(column.name for column in columns)
        rows = TableRows(
            database_id=database.id,
            table_id=table.id,
            database="d",
            table="t",
            batch=batch,
            shapes=(names,),
        )
        self.buffer.apply(WalContents(sequence_number=number, persisted_ns=0, rows=(rows,)))

    def chooses(self, sql: str) -> bool:
        """Tell whether the executor knows of a text that it only chooses rows."""
        known = self.free._sessions().cache.get(self.catalog.database("d"), sql)
        return known is not None and known.choice is not None

    def close(self) -> None:
        self.free.close()
        self.plain.close()
        self.catalog.close()


def _batch(chance: random.Random, count: int, names: list[str]) -> pa.RecordBatch:
    """Return rows of a minute, some with a tag absent, some twice."""

    def column(name: str) -> pa.Array:
        match COLUMNS[name]:
            case ColumnType.TAG:
                values = chance.choices(["a", "b", "c", "Ünï", None], k=count)
                return pa.array(values, pa.utf8()).dictionary_encode()
            case ColumnType.FLOAT:
                return pa.array(chance.choices([0.5, -1.0, float("nan"), None], k=count), pa.float64())
            case ColumnType.INTEGER:
                return pa.array(chance.choices([1, 2, None], k=count), pa.int64())
            case _:
                return pa.array(chance.choices(["p", "", None], k=count), pa.utf8())

    times = [(START + chance.randrange(60)) * SECOND for _ in range(count)]
    return pa.RecordBatch.from_arrays(
        [*(column(name) for name in names), pa.array(times, pa.timestamp("ns"))], names=[*names, "time"]
    )


def _twins(folder: Path | None = None) -> Twins:
    clock = VirtualClock(NOW_NS)
    catalog = Catalog(None, clock=clock)
    catalog.start()
    catalog.create_database("d")
    buffer = WriteBuffer(folder, catalog=catalog)
    if folder is not None:
        buffer.load()
    free, plain = (QueryExecutor(catalog, buffer.view, clock=clock) for _ in range(2))
    return Twins(catalog, buffer, free, plain)


@pytest.fixture(scope="module", params=[1, 20_000], ids=["large", "small"])
def twins(request: pytest.FixtureRequest) -> Iterator[Twins]:
    """Five flushes with duplicates among them, the last of which brings a column; taken for a large table or not."""
    made = _twins()
    chance = random.Random(7)
    for number in range(1, 6):
        names = list(COLUMNS) if number == 5 else [name for name in COLUMNS if name != "text"]
        made.apply(number, _batch(chance, 80, names))
    with patch.object(statement_module, "PLAN_TWICE_ROWS", request.param):
        yield made
    made.close()


def _outcome(
    executor: QueryExecutor, sql: str, parameters: Mapping[str, object]
) -> tuple[object, object, object]:
    """Return a result's schema and its rows in one order, or an error's text."""
    try:
        table = executor.query(sql, "d", parameters)
    except QueryError as failure:
        return None, None, str(failure)
    rows = sorted(
        repr(row) for row in zip(*(column.to_pylist() for column in table.columns), strict=True)
    )
    fields = [(field.name, field.type, field.metadata) for field in table.schema]
    return fields, table.schema.metadata, rows


def _instants() -> st.SearchStrategy[str]:
    seconds = st.integers(START - 2, START + 62)
    return st.one_of(
        seconds.map(lambda second: f"to_timestamp({second * SECOND})"),
        seconds.map(lambda second: f"arrow_cast({second * SECOND + 1}, 'Timestamp(Nanosecond, None)')"),
        st.integers(0, 59).map(lambda second: f"'2023-11-14T22:13:{second:02}Z'"),
        st.integers(0, 59).map(lambda second: f"'2023-11-14 22:13:{second:02}.5'"),
        st.integers(0, 90).map(lambda second: f"now() - INTERVAL '{second} seconds'"),
        st.sampled_from(
            [
                "$from",
                "$until",
                "$missing",
                "NULL",
                "'nonsense'",
                "now() - INTERVAL '1 month'",
                "current_date",
            ]
        ),
        st.sampled_from(["$from + INTERVAL '3 seconds'", "tz(now(), 'Europe/Berlin')", "5"]),
    )


def _texts() -> st.SearchStrategy[str]:
    return st.sampled_from(
        ["'a'", "'b'", "'Ünï'", "''", "'nobody'", "$host", "$other", "NULL", "1", "host", "text"]
    )


def _conditions() -> st.SearchStrategy[str]:
    tag = st.sampled_from(["host", '"Odd tag"', "t.host"])
    operator = st.sampled_from(["=", "<", "<=", ">", ">=", "<>"])
    leaves = st.one_of(
        st.builds("time {} {}".format, operator, _instants()),
        st.builds("{} {} time".format, _instants(), operator),
        st.builds("time BETWEEN {} AND {}".format, _instants(), _instants()),
        st.builds("{} = {}".format, tag, _texts()),
        st.builds("{} = {}".format, tag, _texts()),
        st.builds("{} IN ({}, {})".format, tag, _texts(), _texts()),
        st.builds("{} <> {}".format, tag, _texts()),
        st.sampled_from(
            ["v > 0", "n = 1", "host IS NULL", "host LIKE 'a%'", "true", "false", "n = $host"]
        ),
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds("{} AND {}".format, inner, inner),
            st.builds("{} AND {}".format, inner, inner),
            st.builds("({} OR {})".format, inner, inner),
            st.builds("NOT ({})".format, inner),
        ),
        max_leaves=4,
    )


def _statements() -> st.SearchStrategy[str]:
    items = st.sampled_from(
        [
            "*",
            "time, host",
            "host AS h, v",
            'v, v AS again, "Odd tag"',
            "t.*",
            "text",
            "n + 1 AS next",
            "time AS n, n AS time",
            "v, v",
            "DISTINCT host",
            "nothing",
            "count(*) AS c",
        ]
    )
    tables = st.sampled_from(
        [
            "t",
            "iox.t",
            "public.iox.t",
            '"t"',
            "t AS t",
            "(SELECT * FROM t) AS t",
            "t AS x",
            "nowhere",
            "system.t",
        ]
    )
    endings = st.sampled_from(["", "", "", "", ";", " ORDER BY time, host", " LIMIT 0", " -- LIMIT 1"])
    where = st.one_of(st.just(""), *(_conditions().map(" WHERE {}".format) for _ in range(4)))
    return st.builds("SELECT {} FROM {}{}{}".format, items, tables, where, endings)


VALUES = st.fixed_dictionaries(
    {
        "from": st.sampled_from(
            [
                "2023-11-14T22:13:30Z",
                "2023-11-14 22:13:30",
                "2023-11-14",
                "nonsense",
                "",
                "9999-01-01",
                None,
                5,
                1.5,
            ]
        ),
        "until": st.sampled_from(
            [
                "2023-11-14T23:13:50+01:00",
                pa.scalar((START + 30) * SECOND, pa.timestamp("ns")),
                pa.scalar(START + 30, pa.timestamp("s")),
                True,
            ]
        ),
        "host": st.sampled_from(["a", "Ünï", "nobody", "", None, 1, 0.5, False]),
        "other": st.sampled_from(["b", None]),
    }
)
PLAIN = {"from": "2023-11-14T22:13:30Z", "until": "2023-11-14T22:14:00Z", "host": "a", "other": "b"}


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@example(sql="SELECT * FROM t WHERE time >= $from AND host IN ($host, $other)", parameters=PLAIN)
@example(sql="SELECT v FROM t WHERE host = 'a' OR host = 'b' OR time > now()", parameters=PLAIN)
@example(
    sql="SELECT v FROM t WHERE time > now() AND time < now() - INTERVAL '1 second'", parameters=PLAIN
)
@example(sql="SELECT v FROM t WHERE host = $host AND (true OR n = $host)", parameters=PLAIN)
@given(sql=_statements(), parameters=VALUES)
def test_the_answer_is_datafusions(twins: Twins, sql: str, parameters: dict[str, object]) -> None:
    """Run for the first, second and third time a text gives the columns, types, rows or error of the plain way."""
    with patch.object(statement_planner, "may_only_choose", lambda sql: False):
        expected = _outcome(twins.plain, sql, parameters)
    for _ in range(3):
        assert _outcome(twins.free, sql, parameters) == expected


CHOICES = [
    "SELECT * FROM t",
    "SELECT time, host AS h FROM iox.t WHERE host = 'a'",
    "SELECT v FROM t AS x WHERE x.host IN ('a', 'b') AND time >= '2023-11-14T22:13:30Z'",
    'SELECT * FROM t WHERE "Odd tag" = $host AND time > $from AND time <= $until',
    "SELECT * FROM t WHERE host = $host AND time > now() - INTERVAL '30 seconds'",
    "SELECT host FROM (SELECT host, time FROM t) WHERE time < now()",
    "SELECT n FROM t WHERE host = 'a' OR host = $host",
]
OTHERS = [
    "SELECT v + 1 AS w FROM t",
    "SELECT v FROM t WHERE v > 0",
    "SELECT v FROM t WHERE host = 'a' OR true OR text = $host",
    "SELECT v FROM t WHERE host <> 'a'",
    "SELECT v FROM t WHERE host = 'a' OR time > now()",
    "SELECT v FROM t WHERE host = 'a' ORDER BY time",
    "SELECT v FROM t LIMIT 1",
    "SELECT DISTINCT host FROM t",
    "SELECT a.v FROM t AS a, t AS b",
    "SELECT v FROM t UNION ALL SELECT v FROM t",
]


@pytest.mark.parametrize(
    ("sql", "chooses"), [*((sql, True) for sql in CHOICES), *((sql, False) for sql in OTHERS)]
)
def test_a_text_that_only_chooses_is_known_the_third_time(twins: Twins, sql: str, chooses: bool) -> None:
    """Where columns are named and tags and time are compared, DataFusion is asked no more; else it is."""
    parameters = {name: value for name, value in PLAIN.items() if f"${name}" in sql}
    expected = [_outcome(twins.free, sql, parameters) for _ in range(2)]
    pool = twins.free._sessions()
    with patch.object(pool, "take", side_effect=pool.take) as taken:
        assert _outcome(twins.free, sql, parameters) == expected[0] == expected[1]
    assert taken.called is not chooses


def test_a_large_tables_text_is_known_the_second_time() -> None:
    """The plan that is made to prune a large table tells as well whether the text only chooses."""
    made = _twins()
    made.apply(1, _batch(random.Random(1), 100, ["host", "v"]))
    sql = "SELECT v FROM t WHERE host = 'a'"
    with patch.object(statement_module, "PLAN_TWICE_ROWS", 1):
        made.free.query(sql, "d")
        assert made.chooses(sql)
    made.close()


def test_an_added_column_is_in_the_next_answer() -> None:
    """What is known of a text ends with the columns that the table had."""
    made = _twins()
    made.apply(1, _batch(random.Random(1), 100, ["host", "v"]))
    for _ in range(3):
        assert made.free.query("SELECT * FROM t", "d").column_names == ["host", "time", "v"]
    assert made.chooses("SELECT * FROM t")
    made.apply(2, _batch(random.Random(2), 100, ["host", "n"]))
    assert made.free.query("SELECT * FROM t", "d").column_names == ["host", "n", "time", "v"]
    made.close()


def test_rows_in_files_are_found_by_datafusion(tmp_path: Path) -> None:
    """After a snapshot a known text still finds all rows: of the files' time by a plan, of later ones without."""
    made = _twins(tmp_path)
    made.apply(1, _batch(random.Random(1), 100, ["host", "v"]))
    all_rows, later = (
        "SELECT * FROM t",
        f"SELECT * FROM t WHERE time >= to_timestamp({(START + 60) * SECOND})",
    )
    before = [_outcome(made.free, all_rows, {}) for _ in range(3)][-1]
    made.buffer.snapshot()
    assert _outcome(made.free, all_rows, {}) == before
    batch = pa.RecordBatch.from_pydict(
        {"v": [1.0], "time": pa.array([(START + 90) * SECOND], pa.timestamp("ns"))}
    )
    made.apply(2, batch)
    for _ in range(3):
        assert made.free.query(later, "d")["v"].to_pylist() == [1.0]
    assert made.free.query(all_rows, "d").num_rows == len(before[2]) + 1
    made.close()


def test_a_known_text_is_streamed_in_pieces() -> None:
    """A stream's batches stay small, however large the pieces are in which rows are buffered."""
    made = _twins()
    count = STREAM_ROWS * 2 + 5
    rows = {"v": [1.0] * count, "time": pa.array(range(count), pa.timestamp("ns"))}
    made.apply(1, pa.RecordBatch.from_pydict(rows))
    expected = made.free.stream("SELECT v FROM t", "d").read_all()
    for _ in range(2):
        made.free.query("SELECT v FROM t", "d")
    reader = made.free.stream("SELECT v FROM t", "d")
    batches = list(reader)
    assert reader.schema == expected.schema
    assert [batch.num_rows for batch in batches] == [STREAM_ROWS, STREAM_ROWS, 5]
    assert pa.Table.from_batches(batches) == expected.combine_chunks()
    made.close()


def test_a_cancelled_run_of_a_known_text_is_cancelled(twins: Twins) -> None:
    """A cancellation counts for statements that are answered at once, too."""
    for _ in range(3):
        twins.free.query("SELECT * FROM t", "d")
    cancellation = QueryCancellation()
    cancellation.cancel()
    with pytest.raises(QueryCancelledError):
        twins.free.query("SELECT * FROM t", "d", cancellation=cancellation)


def test_a_known_texts_runs_are_logged(twins: Twins) -> None:
    """system.queries shows a run that DataFusion had no part in like any other."""
    for _ in range(3):
        twins.free.query("SELECT v FROM t", "d")
    logged = "SELECT query_text, success, running, parquet_files FROM system.queries"
    rows = twins.free.query(logged, "d").to_pylist()
    expected = {"query_text": "SELECT v FROM t", "success": True, "running": False, "parquet_files": 0}
    assert rows[-2] == expected
