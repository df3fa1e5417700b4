"""What a statement wants of a large table is read off its plan, and never too narrowly."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from procengine.clock import VirtualClock
from procengine.errors import QueryError
from procengine.query import QueryExecutor
from procengine.query.scan_bounds import MAX_TIME_NS, MIN_TIME_NS
from procengine.query.scan_conditions import parse_instant
from procengine.query.statement import PLAN_TWICE_ROWS
from tests.query.doubles import (
    FLOAT,
    TAG,
    MemoryDatabases,
    MemoryRows,
    batch,
    executor_of,
    parquet_file,
    schema,
)

SHAPE = schema(host=TAG, region=TAG, v=FLOAT)
COUNT = PLAN_TWICE_ROWS
SECOND = 10**9


def large(start: int = 0, count: int = COUNT) -> pa.RecordBatch:
    """Return rows a second apart, of hosts h0 to h9 in turn, and one without a host among a hundred."""
    return batch(
        SHAPE,
        time=(np.arange(start, start + count) * SECOND).tolist(),
        host=[None if n % 100 == 99 else f"h{n % 10}" for n in range(start, start + count)],
        region=["eu" if n % 2 else "us" for n in range(start, start + count)],
        v=[float(n) for n in range(start, start + count)],
    )


@pytest.fixture(scope="module")
def rows() -> MemoryRows:
    return MemoryRows(SHAPE, (large(),))


@pytest.fixture
def executor(rows: MemoryRows) -> Iterator[QueryExecutor]:
    rows.pruned.clear()
    databases = MemoryDatabases()
    databases.put("d", "t", rows)
    databases.put("d", "other", rows)
    made = executor_of(databases)
    yield made
    made.close()


def at(seconds: int) -> str:
    return f"to_timestamp({seconds * SECOND})"


Pruned = tuple[int | None, int | None, dict[str, set[str]]]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        (f"time >= {at(5)}", (5 * SECOND, None, {})),
        (f"time > {at(5)} AND time < {at(9)}", (5 * SECOND + 1, 9 * SECOND - 1, {})),
        (f"{at(5)} <= time AND {at(9)} >= time", (5 * SECOND, 9 * SECOND, {})),
        (f"time = {at(5)}", (5 * SECOND, 5 * SECOND, {})),
        ("time BETWEEN '1970-01-01T00:00:05Z' AND '1970-01-01T00:00:09Z'", (5 * SECOND, 9 * SECOND, {})),
        ("host = 'h1'", (None, None, {"host": {"h1"}})),
        ("'h1' = host AND region = 'eu'", (None, None, {"host": {"h1"}, "region": {"eu"}})),
        ("host IN ('h1', 'h2')", (None, None, {"host": {"h1", "h2"}})),
        (
            "host IN ('h1', 'h2', 'h3', 'h4', 'h5')",
            (None, None, {"host": {"h1", "h2", "h3", "h4", "h5"}}),
        ),
        ("host = $host AND time >= $from", (5 * SECOND, None, {"host": {"h1"}})),
        (f"host = 'h1' AND v > 3 AND time >= {at(5)}", (5 * SECOND, None, {"host": {"h1"}})),
        (
            f"(host = 'h1' AND time < {at(5)}) OR (host = 'h2' AND time < {at(7)})",
            (None, 7 * SECOND - 1, {"host": {"h1", "h2"}}),
        ),
        (f"NOT time < {at(5)}", (5 * SECOND, None, {})),
    ],
)
def test_bounds_reach_the_buffer(
    executor: QueryExecutor, rows: MemoryRows, where: str, expected: Pruned
) -> None:
    """Comparisons of the time and of tags with constants, under AND and OR, prune before rows are handed over."""
    executor.query(f"SELECT * FROM t WHERE {where}", "d", {"host": "h1", "from": "1970-01-01T00:00:05Z"})
    first, last, tags = expected
    assert rows.pruned == [
        (MIN_TIME_NS if first is None else first, MAX_TIME_NS if last is None else last, tags)
    ]


@pytest.mark.parametrize("table", ["t", "iox.t", "public.iox.t", "t AS x", '"t"'])
def test_a_table_is_pruned_by_whatever_name(
    executor: QueryExecutor, rows: MemoryRows, table: str
) -> None:
    """Schema, catalog and alias do not hide which table is meant."""
    executor.query(f"SELECT max(v) FROM {table} WHERE host = 'h1'", "d")
    assert rows.pruned == [(MIN_TIME_NS, MAX_TIME_NS, {"host": {"h1"}})]


@pytest.mark.parametrize(
    "where",
    [
        "v > 3",
        f"host = 'h1' OR time > {at(5)}",
        "host <> 'h1'",
        "host LIKE 'h1%'",
        "host NOT IN ('h1', 'h2', 'h3', 'h4', 'h5')",
        "host IS NULL",
        "upper(host) = 'H1'",
        "host = region",
        f"time + INTERVAL '1 second' > {at(5)}",
        "date_bin(INTERVAL '1 minute', time) = '1970-01-01T00:01:00Z'",
        f"host = 'h1' OR (region = 'eu' AND time > {at(3)})",
        "NOT (host = 'h1')",
        "EXISTS (SELECT 1 FROM other WHERE host = 'h1')",
        "time = (SELECT max(time) FROM other)",
    ],
)
def test_what_is_not_understood_bounds_nothing(
    executor: QueryExecutor, rows: MemoryRows, where: str
) -> None:
    """Every row that could match is handed over."""
    executor.query(f"SELECT * FROM t WHERE {where}", "d")
    assert all(pruned[2] == {"host": {"h1"}} for pruned in rows.pruned)
    assert len(rows.pruned) <= ("other" in where)


@pytest.mark.parametrize(
    "sql",
    [
        f"SELECT count(*) AS n FROM t WHERE time < {at(5)} UNION ALL SELECT count(*) FROM t WHERE time > {at(19990)}",
        f"SELECT count(*) AS n FROM t a JOIN t b ON a.time = b.time WHERE a.host = 'h1' AND b.time < {at(50)}",
        f"SELECT count(*) AS n FROM t a LEFT JOIN t b ON a.time = b.time AND b.host = 'h1' WHERE a.time < {at(50)}",
        f"SELECT count(*) AS n FROM t WHERE time < {at(50)} AND v < (SELECT avg(v) FROM t)",
        "SELECT (SELECT max(v) FROM t) AS n FROM t WHERE host = 'h1' LIMIT 1",
        "SELECT sum(v) FILTER (WHERE host = 'h2') AS n FROM t WHERE region = 'us'",
        "SELECT count(*) AS n FROM (SELECT *, rank() OVER (ORDER BY v DESC) AS r FROM t) WHERE r < 5 AND host = 'h9'",
        f"WITH x AS (SELECT * FROM t LIMIT 100) SELECT count(*) AS n FROM x WHERE time >= {at(0)}",
        f"SELECT count(*) AS n FROM t WHERE time < {at(50)} HAVING count(*) > 10",
        "SELECT count(*) AS n FROM t WHERE host = 'h1' AND host = 'h2'",
        "SELECT count(*) AS n FROM t WHERE region = 'eu' AND host IN ('h1', 'h2', NULL)",
        f"SELECT count(*) AS n FROM t FULL JOIN other USING (time) WHERE t.host = 'h1' OR t.time < {at(5)}",
    ],
)
def test_pruning_changes_no_result(rows: MemoryRows, sql: str, tmp_path: Path) -> None:
    """Statements of all shapes give over a large table what they give where nothing can be pruned."""
    results = []
    for pieces in (MemoryRows(SHAPE, rows.buffered), _WithoutPruning(SHAPE, rows.buffered)):
        databases = MemoryDatabases()
        databases.put("d", "t", pieces)
        databases.put("d", "other", pieces)
        executor = executor_of(databases)
        results.append(executor.query(sql, "d")["n"].to_pylist())
        executor.close()
    assert sorted(results[0], key=str) == sorted(results[1], key=str)


class _WithoutPruning(MemoryRows):
    def prune(self, *bounds: object) -> MemoryRows:  # type: ignore[override]
        return self


def test_files_outside_the_time_are_left_out(tmp_path: Path) -> None:
    """Of many files only those that can hold the wanted times are read."""
    files = [parquet_file(tmp_path / f"{n}.parquet", large(n * 100, 100)) for n in range(10)]
    databases = MemoryDatabases()
    databases.put("d", "t", MemoryRows(SHAPE, (), files))
    for file in files[:5]:
        Path(file.path).unlink()
    executor = executor_of(databases)
    sql = f"SELECT count(*) AS n FROM t WHERE time >= {at(550)}"
    assert executor.query(sql, "d")["n"].to_pylist() == [450]
    logged = executor._log.of("d")[-1]
    assert logged.parquet_files == 5
    executor.close()


def test_small_tables_are_not_asked_to_prune() -> None:
    """Below the limit a scan costs less than a second plan."""
    small = MemoryRows(SHAPE, (large(0, 100),))
    databases = MemoryDatabases()
    databases.put("d", "t", small)
    executor = executor_of(databases)
    executor.query("SELECT * FROM t WHERE host = 'h1'", "d")
    executor.close()
    assert small.pruned == []


@pytest.mark.parametrize("seed", range(6))
def test_random_conditions_find_the_rows_that_match(executor: QueryExecutor, seed: int) -> None:
    """Whatever is combined by AND, OR and NOT, the rows are those that a plain loop finds."""
    chance = random.Random(seed)

    def condition(depth: int) -> tuple[str, object]:
        kind = chance.choice(["time", "host", "in", "v"] if depth == 0 else ["and", "or", "not"])
        if kind == "time":
            bound, operator = chance.randrange(COUNT), chance.choice(["<", "<=", ">", ">=", "="])
            return f"time {operator} {at(bound)}", ("time", operator, bound)
        if kind == "host":
            host = f"h{chance.randrange(10)}"
            return f"host = '{host}'", ("in", [host])
        if kind == "in":
            hosts = [f"h{chance.randrange(10)}" for _ in range(chance.randrange(1, 6))]
            listed = ", ".join(f"'{host}'" for host in hosts)
            return f"host IN ({listed})", ("in", hosts)
        if kind == "v":
            bound = chance.randrange(COUNT)
            return f"v < {bound}", ("time", "<", bound)
        parts = [condition(chance.randrange(depth)) for _ in range(1 if kind == "not" else 2)]
        if kind == "not":
            return f"NOT ({parts[0][0]})", ("not", parts[0][1])
        return f"({parts[0][0]}) {kind.upper()} ({parts[1][0]})", (kind, parts[0][1], parts[1][1])

    numbers = np.arange(COUNT)
    hosts = np.where(numbers % 100 == 99, "", np.char.add("h", (numbers % 10).astype(str)))

    def matches(node: object) -> tuple[np.ndarray, np.ndarray]:
        """Return where a condition is true, and where it is unknown."""
        assert isinstance(node, tuple)
        match node:
            case ("time", operator, bound):
                compare = {
                    "<": np.less,
                    "<=": np.less_equal,
                    ">": np.greater,
                    ">=": np.greater_equal,
                    "=": np.equal,
                }
                return compare[operator](numbers, bound), np.zeros(COUNT, bool)
            case ("in", wanted):
                return np.isin(hosts, wanted), hosts == ""
            case ("not", part):
                true, unknown = matches(part)
                return ~true & ~unknown, unknown
            case ("and", left, right):
                (a, a_unknown), (b, b_unknown) = matches(left), matches(right)
                return a & b, (a_unknown & (b | b_unknown)) | (b_unknown & (a | a_unknown))
            case ("or", left, right):
                (a, a_unknown), (b, b_unknown) = matches(left), matches(right)
                return a | b, (a_unknown | b_unknown) & ~(a | b)
        raise AssertionError(node)

    for _ in range(8):
        text, node = condition(chance.randrange(1, 4))
        found = executor.query(
            f"SELECT count(*) AS n, sum(v) AS s FROM t WHERE {text}", "d"
        ).to_pylist()[0]
        expected = numbers[matches(node)[0]]
        assert (found["n"], found["s"] or 0) == (len(expected), float(expected.sum())), text


def test_a_text_that_ran_before_takes_its_new_parameters(
    executor: QueryExecutor, rows: MemoryRows
) -> None:
    """What a text asks is remembered, not what its parameters were."""
    sql = "SELECT count(*) AS n FROM t WHERE host IN ($one, 'h2') AND time >= $first"
    counts = []
    for host, first in (
        ("h1", "1970-01-01T05:30:00Z"),
        ("h3", "1970-01-01T02:00:00.5+00:00"),
        ("h2", "1970-01-01"),
    ):
        result = executor.query(sql, "d", {"one": host, "first": first})
        counts.append(result["n"].to_pylist()[0])
    assert [pruned[0] for pruned in rows.pruned] == [19_800 * SECOND, 7200 * SECOND + SECOND // 2, 0]
    assert [pruned[2] for pruned in rows.pruned] == [{"host": {one, "h2"}} for one in ("h1", "h3", "h2")]
    assert counts == [40, 2 * (COUNT - 7200) // 10, COUNT // 10]


def test_the_present_moves_the_bounds_of_a_text_that_ran_before(rows: MemoryRows) -> None:
    """now() bounds each run by its own time, also where it stands twice in one condition."""
    rows.pruned.clear()
    databases = MemoryDatabases()
    databases.put("d", "t", rows)
    clock = VirtualClock(10_000 * SECOND)
    executor = executor_of(databases, clock=clock)
    sql = "SELECT count(*) AS n FROM t WHERE time > now() - INTERVAL '5 minutes' AND time <= now()"
    assert executor.query(sql, "d")["n"].to_pylist() == [300]
    clock.advance(5000)
    assert executor.query(sql, "d")["n"].to_pylist() == [300]
    executor.close()
    assert [pruned[:2] for pruned in rows.pruned] == [
        (9700 * SECOND + 1, 10_000 * SECOND),
        (14_700 * SECOND + 1, 15_000 * SECOND),
    ]


@pytest.mark.parametrize(
    "where",
    [
        "time >= date_trunc('hour', now())",
        "time >= now() - INTERVAL '1 month'",
        "time >= $first::TIMESTAMP(3)",
        "host = upper($host)",
    ],
)
def test_parameters_in_what_is_not_understood_bound_nothing(
    executor: QueryExecutor, rows: MemoryRows, where: str
) -> None:
    """A parameter inside a function, or of another type than the column, prunes nothing."""
    executor.query(f"SELECT * FROM t WHERE {where}", "d", {"first": "1970-01-01", "host": "h1"})
    assert rows.pruned == []


def test_a_name_that_means_another_table_now_is_looked_at_again(rows: MemoryRows) -> None:
    """What is remembered of a text goes when the database's tables change."""
    databases = MemoryDatabases()
    databases.put("d", "t", rows)
    executor = executor_of(databases)
    sql = "SELECT count(*) AS n FROM t WHERE region = 'eu'"
    assert executor.query(sql, "d")["n"].to_pylist() == [COUNT // 2]
    plain = schema(host=TAG, region=FLOAT)
    many = batch(plain, time=list(range(COUNT)), host=["x"] * COUNT, region=[1.0] * COUNT)
    databases.put("d", "t", MemoryRows(plain, (many,)))
    assert executor.query("SELECT count(*) AS n FROM t WHERE region = 1", "d")["n"].to_pylist() == [
        COUNT
    ]
    with pytest.raises(QueryError):
        executor.query(sql, "d")
    executor.close()


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("1970-01-01T00:00:01Z", SECOND),
        ("1970-01-01 00:00:01", SECOND),
        ("1970-01-02", 86_400 * SECOND),
        ("1970-01-01T00:00:00.123456789Z", 123_456_789),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:59:59.9Z", -SECOND // 10),
        ("1970-02-30", None),
        ("1970-01-01T00:00:00.1234567890Z", None),
        ("now", None),
        ("", None),
        ("1970-01-01T24:00:00Z", None),
        ("٠١٢٣-01-01", None),
        ("9999-01-01", None),
    ],
)
def test_instants_are_read_as_sql_reads_them(text: str, instant: int | None) -> None:
    """A text parameter bounds the time only if it is plainly a time."""
    assert parse_instant(text) == instant
