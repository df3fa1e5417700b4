"""Gap filling: semantics 12, and the original's handle_gapfill.rs for its errors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

import pyarrow as pa
import pytest

from procengine.errors import QueryError
from procengine.query import QueryExecutor
from tests.query.doubles import (
    FLOAT,
    INTEGER,
    STRING,
    TAG,
    MemoryDatabases,
    MemoryRows,
    batch,
    executor_of,
    home_rows,
    schema,
)

GAPS = schema(host=TAG, v=FLOAT, i=INTEGER, s=STRING)
MINUTE = 60 * 10**9


@pytest.fixture
def executor() -> Iterator[QueryExecutor]:
    databases = MemoryDatabases()
    databases.put("d", "home", home_rows())
    gaps = batch(
        GAPS,
        time=[MINUTE * minute for minute in (1, 4, 5, 2, 3)],
        host=["a", "a", "a", "b", None],
        v=[1.0, 7.0, None, 5.0, 3.0],
        i=[1, 8, 9, None, 3],
        s=["p", None, "q", "r", "s"],
    )
    databases.put("d", "gaps", MemoryRows(GAPS, (gaps,)))
    made = executor_of(databases)
    yield made
    made.close()


def minutes(result: pa.Table, name: str = "t") -> list[float | None]:
    """Return a time column as minutes since the epoch."""
    return [None if one is None else one / MINUTE for one in result[name].cast(pa.int64()).to_pylist()]


RANGE = "time >= to_timestamp(0) AND time < to_timestamp(360000000000)"


def fill(executor: QueryExecutor, columns: str, *, where: str = RANGE, more: str = "") -> pa.Table:
    """Fill gaps by the minute in one series."""
    sql = f"SELECT date_bin_gapfill(INTERVAL '1 minute', time) AS t, {columns} FROM gaps WHERE {where} "
    return executor.query(f"{sql} GROUP BY t {more} ORDER BY t", "d")


def test_every_bin_of_the_range_gets_a_row(executor: QueryExecutor) -> None:
    """Bins run from that of the lower bound to that of the upper; rows that are added have NULL."""
    result = fill(executor, "max(v) AS v", where=f"{RANGE} AND host = 'a'")
    assert minutes(result) == [0, 1, 2, 3, 4, 5]
    assert result["v"].to_pylist() == [None, 1.0, None, None, 7.0, None]


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("time > to_timestamp(119999999999) AND time <= to_timestamp(240000000000)", [2, 3, 4]),
        ("time > to_timestamp(120000000000) AND time < to_timestamp(240000000000)", [2, 3]),
        ("time BETWEEN to_timestamp(120000000000) AND to_timestamp(180000000000)", [2, 3]),
        ("to_timestamp(60000000000) <= time AND to_timestamp(180000000000) > time", [1, 2]),
        ("time >= '1970-01-01T00:02:30Z' AND time < '1970-01-01T00:04:00Z'", [2, 3]),
        ("time >= $first AND time < $last", [1, 2, 3]),
    ],
)
def test_bounds_are_those_of_the_where(executor: QueryExecutor, where: str, expected: list[int]) -> None:
    """Bounds may be open or closed, on either side, texts or parameters; the bin of each bound belongs."""
    sql = f"SELECT date_bin_gapfill(INTERVAL '1 minute', time) AS t, count(*) FROM gaps WHERE {where} GROUP BY t"
    params = {"first": "1970-01-01T00:01:00Z", "last": "1970-01-01T00:04:00Z"}
    assert minutes(executor.query(f"{sql} ORDER BY t", "d", params)) == expected


def test_each_series_gets_all_bins(executor: QueryExecutor) -> None:
    """A row for each bin and group that the aggregate has; the NULL group is one, groups without rows are none."""
    sql = (
        "SELECT host::VARCHAR AS h, date_bin_gapfill(INTERVAL '1 minute', time) AS t, sum(v) AS v FROM gaps "
        "WHERE time >= to_timestamp(60000000000) AND time < to_timestamp(240000000000) GROUP BY h, t ORDER BY h, t"
    )
    result = executor.query(sql, "d")
    assert result["h"].to_pylist() == ["a"] * 3 + ["b"] * 3 + [None] * 3
    assert minutes(result) == [1, 2, 3] * 3
    assert result["v"].to_pylist() == [1.0, None, None, None, 5.0, None, None, None, 3.0]


def test_without_rows_there_is_nothing_to_fill(executor: QueryExecutor) -> None:
    """No series, no rows."""
    assert fill(executor, "max(v) AS v", where=f"{RANGE} AND host = 'nobody'").num_rows == 0


def test_counts_are_zero_in_added_rows(executor: QueryExecutor) -> None:
    """An aggregate that is never NULL gets its default."""
    result = fill(executor, "count(*) AS n, count(v) AS c, sum(i) AS s", where=f"{RANGE} AND host = 'a'")
    assert result["n"].to_pylist() == [0, 1, 0, 0, 1, 1]
    assert result["c"].to_pylist() == [0, 1, 0, 0, 1, 0]
    assert result["s"].to_pylist() == [None, 1, None, None, 8, 9]


def test_locf_carries_the_last_value_forward(executor: QueryExecutor) -> None:
    """locf() fills added rows and NULLs from the last value before, of any type, never before the first."""
    result = fill(executor, "locf(max(v)) AS v, locf(max(s)) AS s", where=f"{RANGE} AND host = 'a'")
    assert result["v"].to_pylist() == [None, 1.0, 1.0, 1.0, 7.0, 7.0]
    assert result["s"].to_pylist() == [None, "p", "p", "p", "p", "q"]


def test_interpolate_draws_lines_between_values(executor: QueryExecutor) -> None:
    """interpolate() fills between two values only; integers are cut off towards zero."""
    result = fill(
        executor, "interpolate(max(v)) AS v, interpolate(max(i)) AS i", where=f"{RANGE} AND host = 'a'"
    )
    assert result["v"].to_pylist() == [None, 1.0, 3.0, 5.0, 7.0, None]
    assert result["i"].to_pylist() == [None, 1, 3, 5, 8, 9]
    assert result.schema.field("i").type == pa.int64()


def test_filling_does_not_reach_into_other_series(executor: QueryExecutor) -> None:
    """Each series is filled by itself."""
    sql = (
        "SELECT host, date_bin_gapfill(INTERVAL '1 minute', time) AS t, locf(max(v)) AS v, interpolate(max(i)) AS i "
        f"FROM gaps WHERE {RANGE} GROUP BY host, t ORDER BY host NULLS LAST, t"
    )
    result = executor.query(sql, "d")
    assert result["v"].to_pylist()[6:12] == [None, None, 5.0, 5.0, 5.0, 5.0]
    assert result["i"].to_pylist()[12:] == [None, None, None, 3, None, None]


def test_interpolate_takes_what_a_selector_selected(executor: QueryExecutor) -> None:
    """Of a selector's struct the value is interpolated; its time is NULL in added rows."""
    result = fill(executor, "interpolate(selector_last(v, time)) AS x", where=f"{RANGE} AND host = 'a'")
    rows = result["x"].combine_chunks()
    assert rows.field("value").to_pylist() == [None, 1.0, 3.0, 5.0, 7.0, None]
    assert rows.field("time").cast(pa.int64()).to_pylist() == [
        None,
        MINUTE,
        None,
        None,
        4 * MINUTE,
        None,
    ]


def test_an_origin_moves_the_bins(executor: QueryExecutor) -> None:
    """The third argument is where a bin starts."""
    sql = (
        "SELECT date_bin_gapfill(INTERVAL '2 minutes', time, '1970-01-01T00:01:00Z') AS t, count(*) AS n FROM gaps "
        f"WHERE {RANGE} GROUP BY 1 ORDER BY 1"
    )
    result = executor.query(sql, "d")
    assert minutes(result) == [-1, 1, 3, 5]
    assert result["n"].to_pylist() == [0, 2, 2, 1]


@pytest.mark.parametrize(
    "group",
    [
        "1",
        "t",
        "date_bin_gapfill(INTERVAL '1 minute', time)",
        "DATE_BIN_GAPFILL( interval '1 minute' ,TIME )",
    ],
)
def test_the_group_may_be_named_in_any_way(executor: QueryExecutor, group: str) -> None:
    """By ordinal, by alias, or written out, in whatever spelling."""
    select = f"SELECT date_bin_gapfill(interval '1 minute', time) AS t FROM gaps WHERE {RANGE}"
    sql = f"{select} GROUP BY {group} ORDER BY 1"
    assert minutes(executor.query(sql, "d")) == [0, 1, 2, 3, 4, 5]


def test_an_alias_that_is_a_column_means_the_column(executor: QueryExecutor) -> None:
    """GROUP BY takes a column of the table before an alias, so this groups by the raw time."""
    sql = f"SELECT date_bin_gapfill(INTERVAL '1 minute', time) AS time, max(v) FROM gaps WHERE {RANGE} GROUP BY time"
    with pytest.raises(QueryError, match="date_bin_gapfill may only be used as a GROUP BY expression"):
        executor.query(sql, "d")


def test_now_is_one_instant_for_bounds_and_rows(executor: QueryExecutor) -> None:
    """Bounds from now() are the clock's."""
    sql = (
        "SELECT date_bin_gapfill(INTERVAL '1 hour', time) AS t, locf(avg(temp)) AS v FROM home "
        "WHERE time > now() - INTERVAL '6 hours' AND time <= now() GROUP BY t ORDER BY t"
    )
    result = executor.query(sql, "d")
    hours = [
        datetime.fromtimestamp(one // 10**9, UTC).hour
        for one in result["t"].cast(pa.int64()).to_pylist()
    ]
    assert hours == [6, 7, 8, 9, 10, 11, 12]
    assert result["v"].to_pylist()[-1] == pytest.approx((22.7 + 21.8) / 2)


def test_order_limit_and_expressions_stand_on_filled_rows(executor: QueryExecutor) -> None:
    """What the SELECT computes, orders by and limits sees the added rows."""
    sql = (
        "SELECT upper(host) AS h, date_bin_gapfill(INTERVAL '1 minute', time) AS t, "
        "coalesce(locf(max(v)), -1) + 0.5 AS v, 'x' AS x, (SELECT max(v) FROM gaps) AS top "
        f"FROM gaps g WHERE {RANGE} AND g.host = 'a' GROUP BY g.host, t "
        "ORDER BY max(v) DESC NULLS LAST, t DESC LIMIT 3"
    )
    result = executor.query(sql, "d")
    assert result["h"].to_pylist() == ["A"] * 3
    assert minutes(result) == [5, 4, 3]
    assert result["v"].to_pylist() == [7.5, 7.5, 1.5]
    assert result["top"].to_pylist() == [7.0] * 3


def test_having_sees_filled_rows(executor: QueryExecutor) -> None:
    """HAVING stands behind the filling."""
    result = fill(executor, "count(*) AS n", where=f"{RANGE} AND host = 'a'", more="HAVING count(*) = 0")
    assert minutes(result) == [0, 2, 3]


def test_filled_rows_serve_subqueries_and_with(executor: QueryExecutor) -> None:
    """Gap filling works inside WITH, in FROM, beside other queries, and more than once."""
    sql = f"""
        WITH one AS (SELECT * FROM gaps WHERE host = 'a'),
             two AS (SELECT date_bin_gapfill(INTERVAL '1 minute', time) AS t, interpolate(max(v)) AS v
                     FROM one WHERE {RANGE} GROUP BY t)
        SELECT x.t, x.v, y.n FROM two AS x
        JOIN (SELECT date_bin_gapfill(INTERVAL '2 minutes', time) AS t, count(*) AS n
              FROM gaps WHERE {RANGE} GROUP BY 1) AS y ON x.t = y.t
        ORDER BY x.t
    """
    result = executor.query(sql, "d")
    assert minutes(result) == [0, 2, 4]
    assert result["v"].to_pylist() == [None, 3.0, 7.0]
    assert result["n"].to_pylist() == [1, 2, 2]


def test_bounds_are_found_below_subqueries(executor: QueryExecutor) -> None:
    """A WHERE inside the FROM bounds the filling, under the name that the column has there."""
    sql = (
        "SELECT date_bin_gapfill(INTERVAL '1 minute', at) AS t, max(v) AS v FROM "
        f"(SELECT time AS at, v FROM gaps WHERE {RANGE} AND host = 'a') GROUP BY t ORDER BY t"
    )
    assert minutes(executor.query(sql, "d")) == [0, 1, 2, 3, 4, 5]


def test_unions_order_the_whole(executor: QueryExecutor) -> None:
    """ORDER BY behind a UNION is not the last SELECT's own."""
    columns = "date_bin_gapfill(INTERVAL '3 minutes', time) AS t, count(*) AS n"
    part = f"SELECT {columns} FROM gaps WHERE {RANGE} GROUP BY t"
    result = executor.query(f"{part} UNION ALL {part} ORDER BY t, n", "d")
    assert minutes(result) == [0, 0, 3, 3]


def test_names_of_columns_are_the_originals(executor: QueryExecutor) -> None:
    """Columns without an alias have the names that the original gives them."""
    sql = (
        "SELECT date_bin_gapfill(INTERVAL '1 minute', time), gaps.host, locf(avg(v)), max(v), count(*) FROM gaps "
        f"WHERE {RANGE} GROUP BY 1, host"
    )
    interval = "IntervalMonthDayNano { months: 0, days: 0, nanoseconds: 60000000000 }"
    assert executor.query(sql, "d").schema.names == [
        f'date_bin_gapfill(IntervalMonthDayNano("{interval}"),gaps.time)',
        "host",
        "locf(avg(gaps.v))",
        "max(gaps.v)",
        "count(*)",
    ]


@pytest.mark.parametrize(
    ("zone", "start", "days", "hours"),
    [
        ("America/New_York", "2024-03-09T05:00:00Z", 3, [24, 23]),
        ("America/New_York", "2024-11-02T04:00:00Z", 3, [24, 25]),
        ("Australia/Sydney", "2022-09-30T14:00:00Z", 3, [24, 23]),
    ],
)
def test_wallclock_days_have_the_hours_that_they_have(
    executor: QueryExecutor, zone: str, start: str, days: int, hours: list[int]
) -> None:
    """date_bin_wallclock_gapfill makes the bins of the wall's clock."""
    sql = (
        f"SELECT date_bin_wallclock_gapfill(INTERVAL '1 day', tz(time, '{zone}')) AS t, count(*) AS n "
        f"FROM (SELECT to_timestamp('{start}') AS time) "
        f"WHERE time >= '{start}' AND time < to_timestamp('{start}') + INTERVAL '{days * 24 - 2} hours' "
        "GROUP BY t ORDER BY t"
    )
    result = executor.query(sql, "d")
    assert result.schema.field("t").type == pa.timestamp("ns", zone)
    times = result["t"].cast(pa.int64()).to_pylist()
    assert [(after - before) // (3600 * 10**9) for before, after in pairwise(times)] == hours


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("SELECT {gapfill} AS t FROM gaps GROUP BY t", "missing both upper and lower time bounds"),
        ("SELECT {gapfill} AS t FROM gaps WHERE time < now() GROUP BY t", "missing lower time bound"),
        ("SELECT {gapfill} AS t FROM gaps WHERE time > now() GROUP BY t", "missing upper time bound"),
        (
            "SELECT {gapfill} AS t FROM gaps WHERE {range} OR v > 1 GROUP BY t",
            "missing both upper and lower time bounds",
        ),
        (
            "SELECT {gapfill} AS t FROM gaps WHERE time > time - INTERVAL '1 s' AND time < now() GROUP BY t",
            "lower time bound for gap fill query must evaluate to a scalar",
        ),
        (
            "SELECT {gapfill} FROM gaps WHERE {range}",
            "date_bin_gapfill may only be used as a GROUP BY expression",
        ),
        (
            "SELECT {gapfill} + INTERVAL '1 s' AS t FROM gaps WHERE {range} GROUP BY t",
            "DATE_BIN_GAPFILL must be a top-level expression in the GROUP BY clause",
        ),
        (
            "SELECT {gapfill} AS t, date_bin_gapfill('1 hour', time) AS u FROM gaps WHERE {range} GROUP BY t, u",
            "DATE_BIN_GAPFILL specified more than once",
        ),
        (
            "SELECT date_bin_gapfill(INTERVAL '1 minute') AS t FROM gaps WHERE {range} GROUP BY t",
            "DATE_BIN_GAPFILL expects 2 or 3 arguments, got 1",
        ),
        (
            "SELECT date_bin_gapfill('1 minute', time + INTERVAL '1 s') AS t FROM gaps WHERE {range} GROUP BY t",
            "DATE_BIN_GAPFILL requires a column as the source argument",
        ),
        (
            "SELECT date_bin_gapfill(INTERVAL '1 month', time) AS t FROM gaps WHERE {range} GROUP BY t",
            "gap filling does not support month intervals",
        ),
        ("SELECT locf(v) FROM gaps", "locf may only be used in the SELECT list of a gap-filling query"),
        (
            "SELECT {gapfill} AS t, locf(host) FROM gaps WHERE {range} GROUP BY t, host",
            "locf must be called on an aggregate column in a gap-filling query",
        ),
        (
            "SELECT {gapfill} AS t, locf(max(v)), interpolate(max(v)) FROM gaps WHERE {range} GROUP BY t",
            "multiple fill strategies for the same column",
        ),
        (
            "SELECT {gapfill} AS t, max(v) FROM gaps WHERE {range} GROUP BY t HAVING locf(max(v)) > 1",
            "locf may only be used in the SELECT list of a gap-filling query",
        ),
        (
            "SELECT {gapfill} AS t, interpolate(max(s)) FROM gaps WHERE {range} GROUP BY t",
            "unsupported data type string for interpolation gap filling",
        ),
        ("SELECT {gapfill} AS t, nope FROM gaps WHERE {range} GROUP BY t", "No field named nope"),
        (
            "SELECT {gapfill} AS t, v FROM gaps WHERE {range} GROUP BY t",
            '"gaps.v" must appear in the GROUP BY clause',
        ),
        (
            "SELECT {gapfill} AS t FROM nope WHERE {range} GROUP BY t",
            "table 'public.iox.nope' not found",
        ),
        (
            "SELECT {gapfill} AS t FROM gaps WHERE {range} GROUP BY t LIMIT",
            "Expected: an expression, found: EOF",
        ),
        (
            "SELECT date_bin_gapfill(INTERVAL '1 nanosecond', time) AS t FROM gaps WHERE {range} GROUP BY t",
            "at most 50000000 are made",
        ),
    ],
)
def test_misuse_is_named(executor: QueryExecutor, sql: str, text: str) -> None:
    """Each way of asking for gap filling that cannot be has the original's text, where it has one."""
    written = sql.format(gapfill="date_bin_gapfill(INTERVAL '1 minute', time)", range=RANGE)
    with pytest.raises(QueryError, match=re.escape(text)):
        executor.query(written, "d")


def test_explain_fills_nothing(executor: QueryExecutor) -> None:
    """EXPLAIN of gap filling gives a plan."""
    result = executor.query(
        f"EXPLAIN SELECT date_bin_gapfill(INTERVAL '1 minute', time) AS t FROM gaps WHERE {RANGE} GROUP BY t",
        "d",
    )
    assert result.schema.names == ["plan_type", "plan"]


def test_comments_and_strings_stay(executor: QueryExecutor) -> None:
    """Text that only looks like gap filling is left alone."""
    sql = f"SELECT 'locf(x)' AS a -- interpolate(y)\n FROM gaps WHERE {RANGE} LIMIT 1"
    assert executor.query(sql, "d")["a"].to_pylist() == ["locf(x)"]
