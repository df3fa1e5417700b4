"""InfluxDB's own SQL functions, but for gap filling: semantics 12."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pyarrow as pa
import pytest

from procengine.errors import QueryError
from procengine.model.column import ColumnType
from procengine.query import QueryExecutor
from tests.query.doubles import (
    FLOAT,
    HOME,
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

ODD = schema(host=TAG, v=FLOAT, i=INTEGER, u=ColumnType.UINTEGER, s=STRING, ok=ColumnType.BOOLEAN)


@pytest.fixture
def executor() -> Iterator[QueryExecutor]:
    databases = MemoryDatabases()
    databases.put("d", "home", home_rows())
    odd = batch(
        ODD,
        time=[10, 20, 30, 40, 50],
        host=["a", "a", "b", "b", "a"],
        v=[None, 4.0, 2.0, 4.0, None],
        i=[5, None, 9, 9, 2],
        u=[5, 3, 9, 9, 2],
        s=["m", "z", "a", None, "k"],
        ok=[True, None, False, False, True],
    )
    databases.put("d", "odd", MemoryRows(ODD, (odd,)))
    made = executor_of(databases)
    yield made
    made.close()


def one(executor: QueryExecutor, sql: str, **params: object) -> object:
    """Return the single value of a query."""
    return executor.query(f"SELECT {sql}", "d", params)[0].to_pylist()[0]


def nanoseconds(executor: QueryExecutor, expression: str, source: str = "") -> list[int]:
    """Return a column of instants as nanoseconds."""
    result = executor.query(f"SELECT {expression} AS x {source}", "d")
    return result["x"].cast(pa.int64()).to_pylist()


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("to_timestamp(1704067200000000000)", 1_704_067_200 * 10**9),
        ("to_timestamp('2024-01-01T00:00:00Z')", 1_704_067_200 * 10**9),
        ("to_timestamp('2024-01-01 02:00:00', '%Y-%m-%d %H:%M:%S')", 1_704_074_400 * 10**9),
        ("to_timestamp(to_timestamp(7))", 7),
        ("TO_TIMESTAMP ( 7 )", 7),
    ],
)
def test_to_timestamp_takes_integers_as_nanoseconds(
    executor: QueryExecutor, expression: str, expected: int
) -> None:
    """to_timestamp of an integer is that many nanoseconds; texts and timestamps are as in DataFusion (12)."""
    assert nanoseconds(executor, expression) == [expected]


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Sydney", "+05:30", "UTC"])
def test_tz_shows_the_same_instant_in_a_zone(executor: QueryExecutor, zone: str) -> None:
    """tz() takes times without a zone for UTC and changes their type alone (12)."""
    result = executor.query(f"SELECT tz(time, '{zone}') AS t, time FROM home", "d")
    assert result.schema.field("t").type == pa.timestamp("ns", zone)
    assert result["t"].cast(pa.int64()) == result["time"].cast(pa.int64())


def test_tz_without_a_zone_is_utc(executor: QueryExecutor) -> None:
    """The second argument defaults to UTC; a time that has a zone is shown in the new one."""
    kinds = executor.query(
        "SELECT tz(time) AS a, tz(tz(time, 'Asia/Tokyo')) AS b FROM home", "d"
    ).schema.types
    assert kinds == [pa.timestamp("ns", "UTC")] * 2


def test_tz_takes_its_zone_from_a_parameter(executor: QueryExecutor) -> None:
    """The zone may be a parameter, as any text may."""
    result = executor.query("SELECT tz(time, $zone) AS t FROM home", "d", {"zone": "Europe/Paris"})
    assert result.schema.field("t").type == pa.timestamp("ns", "Europe/Paris")


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("tz(time, 'Mars/Base')", 'TZ requires a valid timezone string, got "Mars/Base"'),
        ("tz(time, '../../etc/passwd')", 'TZ requires a valid timezone string, got "../../etc/passwd"'),
        ("tz(time, room)", "tz requires its second argument to be a timezone string, got room"),
        ("tz()", "tz expects 1 or 2 arguments, got 0"),
        ("tz(time, 'UTC', 1)", "tz expects 1 or 2 arguments, got 3"),
        ("selector_last(temp)", "selector_last requires at least 2 arguments, got 1"),
        ("selector_last(temp, time) OVER ()", "selector_last as a window function"),
        ("difference(temp)", "difference is a window function and requires an OVER clause"),
        (
            "derivative(temp, time, INTERVAL '1 day') OVER (ORDER BY time)",
            "derivative unit parameter cannot contain months or days",
        ),
        (
            "derivative(temp, time, INTERVAL '-1 second') OVER (ORDER BY time)",
            "derivative unit parameter must be positive",
        ),
        (
            "date_bin_wallclock(INTERVAL '1 month', time)",
            "DATE_BIN_WALLCLOCK does not support months or years in its interval",
        ),
        ("date_bin_wallclock(INTERVAL '1 hour')", "date_bin_wallclock expects 2 to 3 arguments, got 1"),
    ],
)
def test_wrong_arguments_are_named(executor: QueryExecutor, call: str, text: str) -> None:
    """Each function says what it takes, in the original's words where it has them."""
    with pytest.raises(QueryError, match=re.escape(text)):
        executor.query(f"SELECT {call} FROM home", "d")


def test_errors_beside_the_functions_speak_of_the_users_text(executor: QueryExecutor) -> None:
    """A mistake elsewhere in a text with such functions is reported at its place in that text."""
    with pytest.raises(QueryError, match=r"found: time at Line: 1, Column: 36\"\)$"):
        executor.query("SELECT tz(time), now() FROM t WHER time > 5", "d")


@pytest.mark.parametrize(
    ("selector", "value", "time"),
    [
        ("selector_first(v, time)", 4.0, 20),
        ("selector_last(v, time)", 4.0, 40),
        ("selector_min(v, time)", 2.0, 30),
        ("selector_max(v, time)", 4.0, 20),
        ("selector_first(i, time)", 5, 10),
        ("selector_last(i, time)", 2, 50),
        ("selector_max(i, time)", 9, 30),
        ("selector_min(u, time)", 2, 50),
        ("selector_min(s, time)", "a", 30),
        ("selector_max(s, time)", "z", 20),
        ("selector_last(s, time)", "k", 50),
        ("selector_min(ok, time)", False, 30),
        ("selector_max(ok, time)", True, 10),
        ("selector_last(host, time)", "a", 50),
        ("selector_last(v, time) FILTER (WHERE host = 'a')", 4.0, 20),
        ("selector_max(v * -1, time)", -2.0, 30),
        ("SELECTOR_LAST(v,time)", 4.0, 40),
    ],
)
def test_selectors_give_value_and_time_of_one_row(
    executor: QueryExecutor, selector: str, value: object, time: int
) -> None:
    """Rows without a value do not count; of equal values the earliest is taken (12)."""
    row = executor.query(f"SELECT {selector}['value'] AS v, {selector}['time'] AS t FROM odd", "d")
    assert row["v"].to_pylist() == [value]
    assert row["t"].cast(pa.int64()).to_pylist() == [time]


def test_selectors_are_structs_of_value_and_time(executor: QueryExecutor) -> None:
    """The struct has `value`, `time`, and further arguments of the same row; without any row it is NULL."""
    result = executor.query("SELECT selector_max(v, time, i, s) AS x FROM odd", "d")
    assert [field.name for field in result.schema.field("x").type] == [
        "value",
        "time",
        "other_1",
        "other_2",
    ]
    assert result["x"].combine_chunks().field("other_2").to_pylist() == ["z"]
    assert one(executor, "selector_last(v, time) FROM odd WHERE v > 100") is None


def test_selectors_work_by_group_and_under_other_functions(executor: QueryExecutor) -> None:
    """A selector is an aggregate like others."""
    sql = "SELECT host, round(selector_last(v, time)['value'] * 2) AS v FROM odd GROUP BY host ORDER BY host"
    assert [row["v"] for row in executor.query(sql, "d").to_pylist()] == [8.0, 8.0]


def column(executor: QueryExecutor, expression: str) -> list[object]:
    return executor.query(f"SELECT {expression} AS x FROM odd ORDER BY time", "d")["x"].to_pylist()


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        ("difference(v)", [None, None, -2.0, 2.0, None]),
        ("non_negative_difference(v)", [None, None, None, 2.0, None]),
        ("difference(i)", [None, None, 4, 0, -7]),
        ("non_negative_difference(u)", [None, None, 6, 0, None]),
        ("derivative(v, time)", [None, None, -2.0 / 1e-8, 2.0 / 1e-8, None]),
        ("derivative(i, time, INTERVAL '10 nanoseconds')", [None, None, 2.0, 0.0, -7.0]),
        ("non_negative_derivative(i, time, INTERVAL '20 nanoseconds')", [None, None, 4.0, 0.0, None]),
    ],
)
def test_differences_are_to_the_last_row_with_a_value(
    executor: QueryExecutor, call: str, expected: list[object]
) -> None:
    """Rows without a value give NULL and are passed over; the first value gives NULL (12)."""
    found = column(executor, f"{call} OVER (ORDER BY time)")
    assert found == [value if value is None else pytest.approx(value) for value in expected]


def test_differences_follow_partitions_and_named_windows(executor: QueryExecutor) -> None:
    """The window is the caller's, in place or by name."""
    window = "WINDOW w AS (PARTITION BY host ORDER BY time)"
    sql = f"SELECT time, difference(u) OVER w AS x FROM odd {window} ORDER BY time"
    values = executor.query(sql, "d")["x"].to_pylist()
    assert values[0] is None
    assert values[2:4] == [None, 0]


def instant(text: str, zone: str = "UTC") -> int:
    """Return the nanoseconds of a time in a zone."""
    return (
        int(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC).timestamp())
        * 10**9
    )


@pytest.mark.parametrize(
    ("zone", "interval", "utc", "expected"),
    [
        # Spring: 2024-03-10 has 23 hours in New York.
        (
            "America/New_York",
            "1 day",
            "2024-03-10T12:00:00",
            ("2024-03-10T00:00:00", "America/New_York"),
        ),
        (
            "America/New_York",
            "1 day",
            "2024-03-11T03:59:59",
            ("2024-03-10T00:00:00", "America/New_York"),
        ),
        (
            "America/New_York",
            "1 day",
            "2024-03-11T04:00:00",
            ("2024-03-11T00:00:00", "America/New_York"),
        ),
        (
            "America/New_York",
            "12 hours",
            "2024-03-10T17:00:00",
            ("2024-03-10T12:00:00", "America/New_York"),
        ),
        # 02:00 does not exist: as long after midnight as it would have been, 07:00 UTC.
        ("America/New_York", "2 hours", "2024-03-10T07:30:00", ("2024-03-10T07:00:00", "UTC")),
        # Autumn: 01:00 comes twice. A long bin starts with the first, a short one where the instant is.
        ("America/New_York", "1 day", "2024-11-03T23:00:00", ("2024-11-03T04:00:00", "UTC")),
        ("America/New_York", "30 minutes", "2024-11-03T05:40:00", ("2024-11-03T05:30:00", "UTC")),
        ("America/New_York", "30 minutes", "2024-11-03T06:40:00", ("2024-11-03T06:30:00", "UTC")),
        ("America/New_York", "1 hour", "2024-11-03T06:40:00", ("2024-11-03T06:00:00", "UTC")),
        ("Asia/Kolkata", "1 hour", "2024-01-01T00:10:00", ("2023-12-31T23:30:00", "UTC")),
        ("UTC", "1 week", "2024-01-03T00:00:00", ("2023-12-28T00:00:00", "UTC")),
    ],
)
def test_wallclock_bins_start_where_the_wall_shows_a_whole_stride(
    executor: QueryExecutor, zone: str, interval: str, utc: str, expected: tuple[str, str]
) -> None:
    """date_bin_wallclock bins by the clock of the argument's zone, across changes of the clocks (12)."""
    time = f"tz(to_timestamp('{utc}Z'), '{zone}')"
    found = nanoseconds(executor, f"date_bin_wallclock(INTERVAL '{interval}', {time})")
    assert found == [instant(*expected)]


def test_wallclock_bins_keep_the_zone_and_take_an_origin(executor: QueryExecutor) -> None:
    """The result has the argument's type; the origin is a time on the wall, without a zone (12)."""
    sql = (
        "SELECT date_bin_wallclock(INTERVAL '1 day', local, '1970-01-01T06:00:00') AS d "
        "FROM (SELECT tz(time, 'Europe/Paris') AS local FROM home)"
    )
    result = executor.query(sql, "d")
    assert result.schema.field("d").type == pa.timestamp("ns", "Europe/Paris")
    assert set(result["d"].cast(pa.int64()).to_pylist()) == {
        instant("2022-01-01T06:00:00", "Europe/Paris")
    }


@pytest.mark.parametrize(
    "zone", ["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia"]
)
def test_wallclock_days_are_midnights(executor: QueryExecutor, zone: str) -> None:
    """Over years of hours, every day bin is the last midnight on the wall (zones with odd changes included)."""
    sql = (
        f"SELECT t, date_bin_wallclock(INTERVAL '1 day', tz(t, '{zone}')) AS d FROM "
        "(SELECT to_timestamp(value * 3 * 3600000000000 + 1262304000000000000) AS t FROM range(0, 11000))"
    )
    result = executor.query(sql, "d")
    for time, start in zip(
        result["t"].cast(pa.int64()).to_pylist(), result["d"].cast(pa.int64()).to_pylist(), strict=True
    ):
        local = datetime.fromtimestamp(time // 10**9, ZoneInfo(zone))
        shown = datetime.fromtimestamp(start // 10**9, ZoneInfo(zone))
        assert shown.date() == local.date()
        assert start <= time
        if shown.hour or shown.minute:
            midnight = shown.replace(hour=0, minute=0, fold=0)
            assert midnight.astimezone(UTC).astimezone(ZoneInfo(zone)) != midnight


def test_wallclock_bins_refuse_what_is_no_time(executor: QueryExecutor) -> None:
    """The second argument must be a time; the error is the function's own."""
    with pytest.raises(QueryError, match=r"Timestamp|Duration|timestamp"):
        executor.query("SELECT date_bin_wallclock(INTERVAL '1 day', room) FROM home", "d")


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'tz(time)' AS x",
        "SELECT 1 AS x -- tz(time, 'nowhere')",
        "SELECT 1 AS x /* selector_last() */",
        'SELECT 1 AS "now"',
        "SELECT t.tz AS x FROM (SELECT 1 AS tz) t",
        "SELECT derivative FROM (SELECT 1 AS derivative)",
        "SELECT $$tz()$$ AS x",
        "SELECT E'\\'tz()' AS x",
    ],
)
def test_names_that_are_not_calls_are_left_alone(executor: QueryExecutor, sql: str) -> None:
    """Strings, comments, aliases and columns may bear a function's name."""
    assert executor.query(sql, "d").num_rows == 1


def test_the_present_is_the_clocks(executor: QueryExecutor) -> None:
    """now() and its kin come from the engine's clock, and are one instant in a statement."""
    row = executor.query(
        "SELECT now() AS a, current_timestamp AS b, today() AS c, current_date AS d, current_time AS e",
        "d",
    )
    start = 1_641_040_000
    assert (
        row["a"].cast(pa.int64()).to_pylist() == row["b"].cast(pa.int64()).to_pylist() == [start * 10**9]
    )
    assert row["c"].to_pylist() == row["d"].to_pylist() == [datetime.fromtimestamp(start, UTC).date()]
    assert row["e"].to_pylist() == [datetime.fromtimestamp(start, UTC).time()]


def test_unnamed_columns_bear_the_text(executor: QueryExecutor) -> None:
    """A column made with such a function, and not named, is named as it was written."""
    names = executor.query("SELECT tz( time ), temp, 1 + now()::BIGINT FROM home", "d").schema.names
    assert names == ["tz( time )", "temp", "1 + now()::BIGINT"]


def test_home_rows_stay_plain(executor: QueryExecutor) -> None:
    """The tables themselves are not touched by the functions."""
    assert executor.query("SELECT * FROM home", "d").schema.names == HOME.arrow_schema.names


@pytest.mark.parametrize(
    ("item", "name"),
    [
        ("selector_max(v, time)['value'] AS 'max v'", "max v"),
        ("selector_max(v, time)['value'] 'max v'", "max v"),
        ("selector_max(v, time)['value'] AS 'it''s'", "it's"),
        ("selector_max(v, time)['value'] AS \"max v\"", "max v"),
        ("selector_max(v, time)['value'] max_v", "max_v"),
        ("max(tz(time, 'UTC') + INTERVAL '1 hour')", "max(tz(time, 'UTC') + INTERVAL '1 hour')"),
        ("max(tz(time)) + INTERVAL '1 hour'", "max(tz(time)) + INTERVAL '1 hour'"),
    ],
)
def test_aliases_may_be_in_single_quotes(executor: QueryExecutor, item: str, name: str) -> None:
    """A name in single quotes is the column's, behind AS and without; the text of a literal is none.

    Source: docs-v2, content/shared/influxdb3-query-guides/sql/aggregate-select.md.
    """
    assert executor.query(f"SELECT {item} FROM odd", "d").column_names == [name]


def test_filled_gaps_may_be_named_in_single_quotes(executor: QueryExecutor) -> None:
    """The same holds where gaps are filled."""
    found = executor.query(
        "SELECT date_bin_gapfill(INTERVAL '10 nanoseconds', time) AS 'at', locf(avg(v)) AS 'v of it' FROM odd "
        "WHERE time >= '1970-01-01T00:00:00.000000010Z' AND time < '1970-01-01T00:00:00.000000040Z' GROUP BY 1",
        "d",
    )
    assert found.column_names == ["at", "v of it"]
    assert found.num_rows == 3
