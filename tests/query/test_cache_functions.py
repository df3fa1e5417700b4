"""last_cache and distinct_cache in statements: semantics 9."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pyarrow as pa
import pytest

from procengine.errors import QueryError
from procengine.query import QueryExecutor
from procengine.query.brief_queries import is_brief
from procengine.query.session import Session
from procengine.query.sql_library import datafusion
from tests.query.doubles import (
    HOME,
    MemoryCache,
    MemoryCaches,
    MemoryDatabases,
    MemoryRows,
    batch,
    executor_of,
    home_rows,
    large_rows,
)

TAG = pa.dictionary(pa.int32(), pa.utf8())
HOUR_NS = 3600 * 10**9

LAST = pa.Table.from_arrays(
    [
        pa.array(["Kitchen", "Living Room", "Attic", 'it\'s "here" -- $x']),
        pa.array([1, 2, 3, -4]),
        pa.array([True, False, True, False]),
        pa.array(["north", None, "north", "south"], TAG),
        pa.array([22.7, 21.8, None, 19.0]),
        pa.array([1_641_024_000 * 10**9 + n * HOUR_NS for n in range(4)]).cast(pa.timestamp("ns")),
    ],
    schema=pa.schema(
        [
            pa.field("room", pa.utf8(), nullable=False),
            pa.field("id", pa.int64(), nullable=False),
            pa.field("on", pa.bool_(), nullable=False),
            pa.field("side", TAG),
            pa.field("temp", pa.float64()),
            pa.field("time", pa.timestamp("ns"), nullable=False),
        ]
    ),
)

VIEW = pa.string_view()
DISTINCT = pa.Table.from_arrays(
    [
        pa.array([None, "Germany", "Germany", "Germany", "Spain"], VIEW),
        pa.array(["x", "Bavaria", "Hesse", "Hesse", "Madrid"], VIEW),
        pa.array(["Atlantis", "Munich", None, "Kassel", "Madrid"], VIEW),
    ],
    names=["country", "county", "city"],
)


@pytest.fixture
def last() -> MemoryCache:
    return MemoryCache(LAST, ("room", "id", "on"))


@pytest.fixture
def distinct() -> MemoryCache:
    return MemoryCache(DISTINCT)


@pytest.fixture
def executor(last: MemoryCache, distinct: MemoryCache) -> Iterator[QueryExecutor]:
    databases = MemoryDatabases()
    for table in ("home", "two", "none"):
        databases.put("d", table, home_rows())
    made = executor_of(
        databases,
        last_caches=MemoryCaches({("home", "l"): last, ("two", "a"): last, ("two", "b"): last}),
        distinct_caches=MemoryCaches({("home", "d"): distinct}),
    )
    yield made
    made.close()


def rooms(executor: QueryExecutor, sql: str, **params: object) -> list[object]:
    """Return the first column of a statement, sorted."""
    return sorted(executor.query(sql, "d", params).column(0).to_pylist(), key=str)


INVALID = [
    ("last_cache()", "first argument must be the table name as a string"),
    ("last_cache(home)", "first argument must be the table name as a string"),
    ("last_cache($t)", "first argument must be the table name as a string"),
    ("last_cache(1)", "first argument must be the table name as a string"),
    ("last_cache(NULL)", "first argument must be the table name as a string"),
    ("last_cache('home', $t)", "second argument, if passed, must be the cache name as a string"),
    ("last_cache('home', 1)", "second argument, if passed, must be the cache name as a string"),
    ("last_cache('nope')", "provided table name is invalid"),
    ("last_cache('Home')", "provided table name is invalid"),
    ("last_cache('none')", "could not find cache for the given arguments"),
    ("last_cache('two')", "could not find cache for the given arguments"),
    ("last_cache('home', 'nope')", "could not find cache for the given arguments"),
    ("distinct_cache()", "first argument must be the table name as a string"),
    ("distinct_cache('home', 1)", "second argument, if passed, must be the cache name as a string"),
    ("distinct_cache('nope')", "provided table name (nope) is invalid"),
    ("distinct_cache('two')", "could not find distinct value cache for the given arguments"),
    ("distinct_cache('home', 'l')", "could not find distinct value cache for the given arguments"),
    ("LAST_CACHE('home')", "table function 'LAST_CACHE' not found"),
    ("iox.last_cache('home')", "table function 'iox' not found"),
]


@pytest.mark.parametrize(("call", "text"), INVALID)
def test_calls_that_name_no_cache_are_refused_in_the_originals_words(
    executor: QueryExecutor, call: str, text: str
) -> None:
    """Arguments are literals, the table exists, and so does the cache, which is named where there are several."""
    with pytest.raises(QueryError) as caught:
        executor.query(f"SELECT * FROM {call}", "d", {"t": "home"})
    assert str(caught.value) == f"Error during planning: {text}"
    assert caught.value.http_status == 400


def test_a_function_without_caches_is_there(executor: QueryExecutor) -> None:
    """An executor that was given no caches says that it has found none."""
    databases = MemoryDatabases()
    databases.put("d", "home", home_rows())
    bare = executor_of(databases)
    with pytest.raises(QueryError, match="could not find cache for the given arguments"):
        bare.query("SELECT * FROM last_cache('home')", "d")
    bare.close()


def test_select_star_shows_the_caches_columns_in_their_order(executor: QueryExecutor) -> None:
    """Columns, types and rows are those of the cache, whether planned for the first or the second time."""
    for _ in range(2):
        assert executor.query("SELECT * FROM last_cache('home')", "d") == LAST
        assert executor.query("SELECT * FROM distinct_cache('home', 'd')", "d") == DISTINCT


def test_a_third_argument_is_passed_over(executor: QueryExecutor) -> None:
    """As in the original, which looks at two."""
    assert executor.query("SELECT * FROM last_cache('two', 'a', 5)", "d").num_rows == 4


PUSHED = [
    ("room = 'Kitchen'", {"room": {"Kitchen"}}),
    ("'Kitchen' = room", {"room": {"Kitchen"}}),
    ("room IN ('Kitchen', 'Attic')", {"room": {"Kitchen", "Attic"}}),
    ("room = 'Kitchen' OR room = 'Attic'", {"room": {"Kitchen", "Attic"}}),
    (
        "room = 'Kitchen' OR room IN ('Attic', 'x', 'y', 'z')",
        {"room": {"Kitchen", "Attic", "x", "y", "z"}},
    ),
    ("room = 'Kitchen' AND id = 1", {"room": {"Kitchen"}, "id": {1}}),
    ("room = 'Kitchen' AND temp > 3", {"room": {"Kitchen"}}),
    ("room = 'Kitchen' AND time > '2022-01-01T08:00:00Z'", {"room": {"Kitchen"}}),
    ("room = 'Attic' AND time > now() - INTERVAL '5 hours'", {"room": {"Attic"}}),
    (
        "room = 'Kitchen' AND id = 1 OR room = 'Attic' AND id = 3",
        {"room": {"Kitchen", "Attic"}, "id": {1, 3}},
    ),
    ("room = 'Kitchen' AND id = 1 OR room = 'Attic'", {"room": {"Kitchen", "Attic"}}),
    ("room = 'it''s \"here\" -- $x'", {"room": {'it\'s "here" -- $x'}}),
    ("room = $room", {"room": {"Kitchen"}}),
    ("room IN ($room, 'Attic')", {"room": {"Kitchen", "Attic"}}),
    ("id = $id", {"id": {3}}),
    ("id = -4", {"id": {-4}}),
    ('"on"', {"on": {True}}),
    ('"on" = false', {"on": {False}}),
    ('NOT "on" AND id = 2', {"on": {False}, "id": {2}}),
]
NOT_PUSHED = [
    "room != 'Kitchen'",
    "room NOT IN ('Kitchen', 'Attic')",
    "room LIKE 'K%'",
    "room = 'Kitchen' OR temp > 20",
    "upper(room) = 'KITCHEN'",
    "side = 'north'",
    "side IS NULL",
    "id = $text",
    "id = $null",
    "room = $null",
    "id > 1",
    '"on" IS NOT FALSE',
    "time >= '2022-01-01T09:00:00Z'",
    "temp IS NULL OR room = 'Kitchen'",
]
VALUES = {"room": "Kitchen", "id": 3, "text": "3", "null": None}


def used(condition: str) -> dict[str, object]:
    return {name: value for name, value in VALUES.items() if f"${name}" in condition}


def expected(condition: str) -> list[dict[str, object]]:
    """Return what DataFusion alone finds in the same rows."""
    context = datafusion().SessionContext()
    context.register_record_batches("t", [LAST.to_batches()])
    values = {name: pa.scalar(value) for name, value in used(condition).items()}
    condition = condition.replace("now()", "TIMESTAMP '2022-01-01T12:26:40'")
    frame = context.sql(f"SELECT * FROM t WHERE {condition}", param_values=values)
    return pa.Table.from_batches(frame.collect(), frame.schema()).to_pylist()


def test_a_known_text_that_only_chooses_rows_is_not_planned_again(
    executor: QueryExecutor, last: MemoryCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cache's own index answers it, under the names of the statement and with the parameters of now."""
    sql = "SELECT temp AS t, c.room, id FROM last_cache('home') AS c WHERE room IN ($a, 'Attic') AND id != 7"
    plain = sql.removesuffix(" AND id != 7")
    slow, first = (executor.query(text, "d", {"a": "Kitchen"}) for text in (sql, plain))
    assert first == slow

    def refused(*_: object, **__: object) -> None:
        raise AssertionError("planned again")

    monkeypatch.setattr(Session, "plan", refused)
    assert executor.query(plain, "d", {"a": "Kitchen"}) == first
    assert rooms(executor, plain, a="nobody") == [None]
    assert executor.stream(plain, "d", {"a": "Kitchen"}).read_all() == first
    assert last.reads[-1] == ({"room": frozenset({"Kitchen", "Attic"})}, None)
    with pytest.raises(QueryError, match="planned again"):
        executor.query(sql, "d", {"a": "Kitchen"})


@pytest.mark.parametrize(("condition", "keys"), PUSHED)
def test_conditions_on_keys_are_pushed_into_the_cache(
    executor: QueryExecutor, last: MemoryCache, condition: str, keys: dict[str, set[object]]
) -> None:
    """A cache is read for the keys asked for, the second time as well, and the rows are the right ones."""
    for _ in range(2):
        last.reads.clear()
        result = executor.query(
            f"SELECT * FROM last_cache('home') WHERE {condition}", "d", used(condition)
        )
        assert result.to_pylist() == expected(condition)
        assert last.reads == [({name: frozenset(values) for name, values in keys.items()}, None)]


@pytest.mark.parametrize("condition", NOT_PUSHED)
def test_other_conditions_are_left_to_datafusion(
    executor: QueryExecutor, last: MemoryCache, condition: str
) -> None:
    """What asks for no plain keys reads all rows, and the right ones come out."""
    for _ in range(2):
        last.reads.clear()
        result = executor.query(
            f"SELECT * FROM last_cache('home') WHERE {condition}", "d", used(condition)
        )
        assert result.to_pylist() == expected(condition)
        assert [keys for keys, _ in last.reads] == [{}]


def test_contradicting_conditions_read_nothing(executor: QueryExecutor, last: MemoryCache) -> None:
    """A key that would need two values has none."""
    assert (
        rooms(executor, "SELECT * FROM last_cache('home') WHERE room = 'Kitchen' AND room = 'Attic'")
        == []
    )
    assert [sum(map(len, keys.values())) for keys, _ in last.reads] in ([0], [])


def test_each_run_asks_for_its_own_parameters(executor: QueryExecutor) -> None:
    """A text that was planned before takes the values of now."""
    sql = "SELECT room FROM last_cache('home') WHERE room = $room"
    found = [rooms(executor, sql, room=name) for name in ("Kitchen", "Attic", "nobody")]
    assert found == [["Kitchen"], ["Attic"], []]


def test_a_mentioned_table_is_not_looked_at(last: MemoryCache) -> None:
    """The table that a cache is of costs nothing, however large it is."""
    databases = MemoryDatabases()
    large = large_rows()
    databases.put("d", "home", large)
    looked = 0

    def view(table_id: int) -> MemoryRows:
        nonlocal looked
        looked += 1
        return databases.view(table_id)

    executor = executor_of(databases, last_caches=MemoryCaches({("home", "l"): last}), view=view)
    sql = "SELECT temp FROM last_cache('home') WHERE room = 'Kitchen'"
    first, second = (executor.query(sql, "d").to_pylist() for _ in range(2))
    assert first == second == [{"temp": 22.7}]
    assert looked == 1
    assert large.pruned == []
    both = "SELECT count(*) AS n FROM home, last_cache('home') c WHERE c.id = 1"
    assert [rooms(executor, both) for _ in range(2)] == [[large.row_count]] * 2
    executor.close()


ANYWHERE = [
    (
        "SELECT h.room FROM home h JOIN last_cache('home') c ON h.room = c.room WHERE c.temp > 22",
        ["Kitchen"] * 3,
    ),
    (
        "SELECT room FROM home LEFT JOIN last_cache('home') c USING (room) WHERE c.id = 2",
        ["Living Room"] * 3,
    ),
    ("WITH c AS (SELECT room, id FROM last_cache('home')) SELECT room FROM c WHERE id = 3", ["Attic"]),
    ("SELECT room FROM (SELECT * FROM last_cache('home') WHERE id < 2) WHERE temp > 20", ["Kitchen"]),
    ("SELECT room FROM last_cache('home') AS c WHERE c.room = 'Attic'", ["Attic"]),
    ("SELECT a FROM last_cache('home') AS c(a, b, c, d, e, f) WHERE b = 2", ["Living Room"]),
    ("SELECT \"last_cache()\".room FROM last_cache('home') WHERE id = 1", ["Kitchen"]),
    (
        "SELECT a.room FROM last_cache('home') a, last_cache('home') b WHERE a.id = 1 AND b.id = 2",
        ["Kitchen"],
    ),
    (
        "SELECT a.room FROM last_cache('two','a') a JOIN last_cache('two','b') b ON a.id = b.id + 1",
        ["Attic", "Living Room"],
    ),
    (
        "SELECT room FROM last_cache('home') WHERE id=1 UNION ALL SELECT room FROM last_cache('home') WHERE id=3",
        ["Attic", "Kitchen"],
    ),
    (
        "SELECT DISTINCT h.room FROM home h WHERE h.room IN (SELECT room FROM last_cache('home') WHERE \"on\")",
        ["Kitchen"],
    ),
    (
        "SELECT room FROM home h WHERE EXISTS (SELECT 1 FROM last_cache('home') c WHERE c.room = h.room AND id = 2)",
        ["Living Room"] * 3,
    ),
    (
        "SELECT room FROM last_cache('home') WHERE temp = (SELECT max(temp) FROM last_cache('home'))",
        ["Kitchen"],
    ),
    ("SELECT (SELECT temp FROM last_cache('home') WHERE room = 'Kitchen') FROM home LIMIT 1", [22.7]),
    ("SELECT count(*) FROM last_cache('home')", [4]),
    ("SELECT count(*) FROM last_cache('home') WHERE \"on\"", [2]),
    ("SELECT count(DISTINCT side) FROM last_cache('home')", [2]),
    ("SELECT avg(temp) FROM last_cache('home') WHERE room IN ('Kitchen', 'Living Room')", [22.25]),
    ("SELECT max(temp) FROM last_cache('home') GROUP BY side HAVING max(temp) > 20", [21.8, 22.7]),
    ("SELECT room FROM last_cache('home') ORDER BY time DESC LIMIT 1 OFFSET 2", ["Living Room"]),
    ("SELECT room FROM last_cache('home') WHERE false", []),
    ("SELECT row_number() OVER (ORDER BY time) FROM last_cache('home')", [1, 2, 3, 4]),
    (
        "SELECT tz(time, 'UTC')::text FROM last_cache('home') WHERE id = 1",
        ["2022-01-01T00:00:00Z".replace("00:00:00Z", "08:00:00Z")],
    ),
    (
        "SELECT 'last_cache(''nope'')' FROM last_cache('home') WHERE id = 1 -- last_cache('nope')",
        ["last_cache('nope')"],
    ),
    ("SELECT /* last_cache('nope') */ room FROM last_cache ( 'home' , 'l' ) WHERE id = 1", ["Kitchen"]),
    ("SELECT selector_last(temp, time)['value'] FROM last_cache('home')", [19.0]),
]


@pytest.mark.parametrize(("sql", "values"), ANYWHERE)
def test_caches_are_read_anywhere_in_a_query(
    executor: QueryExecutor, sql: str, values: list[object]
) -> None:
    """Joins, subqueries, aliases, aggregates, unions, twice in one text: as with any table."""
    for _ in range(2):
        assert rooms(executor, sql) == values


def test_keys_are_pushed_from_within_a_scalar_subquery(
    executor: QueryExecutor, last: MemoryCache
) -> None:
    """A subquery that yields one value is looked into as well."""
    sql = (
        "SELECT room, (SELECT temp FROM last_cache('home') WHERE room = 'Attic') AS t FROM home LIMIT 1"
    )
    executor.query(sql, "d")
    assert last.reads == [({"room": frozenset({"Attic"})}, None)]


def test_gaps_are_filled_over_rooms_of_a_cache(executor: QueryExecutor) -> None:
    """A gap-filling query may call a cache function, and may read one instead of a table."""
    sql = (
        "SELECT date_bin_gapfill(INTERVAL '30 minutes', time) AS t, locf(max(temp)) AS temp FROM home "
        "WHERE time >= '2022-01-01T08:00:00Z' AND time < '2022-01-01T09:00:00Z' "
        "AND room IN (SELECT room FROM last_cache('home') WHERE \"on\") GROUP BY t ORDER BY t"
    )
    assert executor.query(sql, "d")["temp"].to_pylist() == [21.0, 21.0]
    over = (
        "SELECT date_bin_gapfill(INTERVAL '1 hour', time) AS t, count(*) AS n FROM last_cache('home') "
        "WHERE time >= '2022-01-01T08:00:00Z' AND time < '2022-01-01T11:00:00Z' AND room != 'Attic' GROUP BY t"
    )
    assert executor.query(over, "d").sort_by("t")["n"].to_pylist() == [1, 1, 0]


@pytest.mark.parametrize(
    "explain", ["EXPLAIN", "EXPLAIN ANALYZE", "EXPLAIN VERBOSE", "explain format tree"]
)
def test_a_call_is_explained(executor: QueryExecutor, explain: str, last: MemoryCache) -> None:
    """EXPLAIN plans the rows of the keys alone, as the query does."""
    sql = f"{explain} SELECT temp FROM last_cache('home') WHERE room = 'Kitchen'"
    plans = executor.query(sql, "d")["plan"].to_pylist()
    assert any("Kitchen" in plan for plan in plans)
    assert last.reads == [({"room": frozenset({"Kitchen"})}, None)]


def test_a_call_is_described(executor: QueryExecutor) -> None:
    """DESCRIBE of a query shows the cache's types."""
    rows = executor.query("DESCRIBE SELECT * FROM last_cache('home')", "d").to_pylist()
    assert [(row["column_name"], row["data_type"], row["is_nullable"]) for row in rows][:4] == [
        ("room", "Utf8", "NO"),
        ("id", "Int64", "NO"),
        ("on", "Boolean", "NO"),
        ("side", "Dictionary(Int32, Utf8)", "YES"),
    ]


@pytest.mark.parametrize(
    "bad", ["SELECT nope FROM last_cache('home')", "SELECT room FROM last_cache('home') WHERE"]
)
def test_mistakes_beside_a_call_are_reported_at_their_place(executor: QueryExecutor, bad: str) -> None:
    """The text is not rewritten, so what DataFusion says of it is about what was written."""
    with pytest.raises(QueryError) as caught:
        executor.query(bad, "d")
    assert "nope" in str(caught.value) or "Column" in str(caught.value) or "EOF" in str(caught.value)
    assert "procengine" not in str(caught.value)


def test_only_the_columns_asked_for_are_read_of_many_rows(
    executor: QueryExecutor, last: MemoryCache
) -> None:
    """Without keys a last-value cache hands out the columns that the plan uses; counting takes one."""
    for sql, columns in [
        ("SELECT avg(temp) FROM last_cache('home')", ("temp",)),
        ("SELECT room FROM last_cache('home') ORDER BY time", ("room", "time")),
        ("SELECT count(*) FROM last_cache('home')", ("room",)),
        ("SELECT a.temp, b.side FROM last_cache('home') a JOIN last_cache('home') b USING (id)", None),
    ]:
        last.reads.clear()
        executor.query(sql, "d")
        if columns is not None:
            assert last.reads == [({}, columns)]
    assert last.reads == [({}, ("id", "temp")), ({}, ("id", "side"))]


COMBINATIONS = [
    ("SELECT country FROM distinct_cache('home')", ["Germany", None, "Spain"]),
    ("SELECT county FROM distinct_cache('home')", ["Bavaria", "Hesse", "Madrid", "x"]),
    (
        "SELECT country, county FROM distinct_cache('home') WHERE country = 'Germany'",
        ["Germany", "Germany"],
    ),
    (
        "SELECT country FROM distinct_cache('home') WHERE city IN ('Munich', 'Kassel')",
        ["Germany", "Germany"],
    ),
    ("SELECT city FROM distinct_cache('home') WHERE county = 'Hesse'", ["Kassel", None]),
    ("SELECT count(*) FROM distinct_cache('home')", [5]),
    ("SELECT count(*) FROM distinct_cache('home') WHERE country = 'Germany'", [1]),
    ("SELECT count(country) FROM distinct_cache('home')", [2]),
    (
        "SELECT DISTINCT county FROM distinct_cache('home') WHERE country IS NOT NULL",
        ["Bavaria", "Hesse", "Madrid"],
    ),
    ("SELECT country FROM distinct_cache('home') LIMIT 2", ["Germany", None]),
    (
        "SELECT country FROM distinct_cache('home') ORDER BY country NULLS LAST LIMIT 2 OFFSET 1",
        [None, "Spain"],
    ),
]


@pytest.mark.parametrize(("sql", "values"), COMBINATIONS)
def test_columns_asked_for_decide_which_combinations_there_are(
    executor: QueryExecutor, sql: str, values: list[object]
) -> None:
    """One row for each combination up to the deepest column that is asked for or filtered by."""
    for _ in range(2):
        assert rooms(executor, sql) == values


def test_distinct_values_come_in_the_order_of_the_columns(executor: QueryExecutor) -> None:
    """A plain scan keeps the cache's order: NULL first, then by value."""
    result = executor.query("SELECT country, county FROM distinct_cache('home')", "d")
    assert result.column(1).to_pylist() == ["x", "Bavaria", "Hesse", "Madrid"]
    assert result.schema.types == [VIEW, VIEW]


def test_distinct_values_of_many_rows_keep_their_order() -> None:
    """However many rows there are."""
    names = [f"v{n:06}" for n in range(250_000)]
    cache = MemoryCache(pa.table({"v": pa.array(names, VIEW)}))
    databases = MemoryDatabases()
    databases.put("d", "home", home_rows())
    executor = executor_of(databases, distinct_caches=MemoryCaches({("home", "d"): cache}))
    assert executor.query("SELECT * FROM distinct_cache('home')", "d")["v"].to_pylist() == names
    executor.close()


def test_issue_26318_a_column_is_projected_while_another_is_filtered() -> None:
    """influxdb#26318, #26332: a filter on one column and a projection of another give rows of one length."""
    rows = pa.table({"t1": ["AA", "BB"], "t2": ["(1, 2]", "(0, 1]"], "t3": ["None", "(2.0, 4.0]"]})
    rows = rows.cast(pa.schema([(name, VIEW) for name in rows.column_names]))
    databases = MemoryDatabases()
    databases.put("d", "home18", home_rows())
    caches = MemoryCaches({("home18", "home18_cache"): MemoryCache(rows)})
    executor = executor_of(databases, distinct_caches=caches)
    call = "distinct_cache('home18', 'home18_cache') where t1 = 'BB'"
    assert executor.query(f"select t2 from {call}", "d").to_pylist() == [{"t2": "(0, 1]"}]
    assert executor.query(f"select t2, t3 from {call}", "d").to_pylist() == [
        {"t2": "(0, 1]", "t3": "(2.0, 4.0]"}
    ]
    executor.close()


def test_columns_may_be_skipped(executor: QueryExecutor) -> None:
    """The first and the last column of three are projected without the middle one (influxdb#25988)."""
    sql = "select country, city from distinct_cache('home') where country = 'Spain'"
    assert executor.query(sql, "d").to_pylist() == [{"country": "Spain", "city": "Madrid"}]


def test_issue_25565_conditions_on_one_column_combine(executor: QueryExecutor) -> None:
    """influxdb#25565: several conditions on one column are all heeded."""
    call = "SELECT room FROM last_cache('home') WHERE"
    assert rooms(executor, f"{call} room = 'Attic' OR room = 'Kitchen'") == ["Attic", "Kitchen"]
    assert rooms(executor, f"{call} room = 'Attic' AND room = 'Kitchen'") == []
    assert len(rooms(executor, f"{call} room = 'Attic' OR room != 'Attic'")) == 4


def test_issue_26752_an_empty_cache_and_unknown_keys_give_no_rows(
    executor: QueryExecutor, last: MemoryCache
) -> None:
    """influxdb#26752: a query of a cache whose rows have gone, or of keys it has not, gives no rows, and no panic."""
    assert rooms(executor, "SELECT room FROM last_cache('home') WHERE room = 'nobody'") == []
    last.rows = LAST.slice(0, 0)
    assert executor.query("SELECT * FROM last_cache('home')", "d") == LAST.slice(0, 0)
    assert rooms(executor, "SELECT count(*) FROM last_cache('home')") == [0]
    assert rooms(executor, "SELECT max(temp) FROM last_cache('home') WHERE room = 'Kitchen'") == [None]


def test_new_columns_of_a_cache_are_seen_by_texts_known_before(
    executor: QueryExecutor, last: MemoryCache
) -> None:
    """A text that was planned while the cache had fewer columns is looked at again."""
    sql = "SELECT * FROM last_cache('home') WHERE room = 'Kitchen'"
    assert executor.query(sql, "d").num_columns == 6
    last.rows = LAST.append_column("wet", pa.array([True, None, None, None]))
    assert executor.query(sql, "d")["wet"].to_pylist() == [True]


def test_a_deleted_cache_is_not_found_by_texts_known_before(last: MemoryCache) -> None:
    """Deleting a cache makes its statements fail with the same words."""
    databases = MemoryDatabases()
    databases.put("d", "home", home_rows())
    caches = MemoryCaches({("home", "l"): last})
    executor = executor_of(databases, last_caches=caches)
    executor.query("SELECT * FROM last_cache('home')", "d")
    caches.caches.clear()
    with pytest.raises(QueryError, match="could not find cache for the given arguments"):
        executor.query("SELECT * FROM last_cache('home')", "d")
    executor.close()


def test_what_a_cache_raises_surfaces_as_itself(executor: QueryExecutor, last: MemoryCache) -> None:
    """A mistake of ours is not turned into a query error, and the executor lives."""

    def broken(*_: object) -> pa.Table:
        raise OSError("broken")

    last.read = broken  # type: ignore[method-assign]
    with pytest.raises(OSError, match="broken"):
        executor.query("SELECT * FROM last_cache('home')", "d")
    assert rooms(executor, "SELECT 1 AS one") == [1]


def test_batches_of_a_cache_are_streamed(executor: QueryExecutor) -> None:
    """The stream of a call has the cache's columns and rows."""
    reader = executor.stream("SELECT * FROM last_cache('home') WHERE id > 1", "d")
    assert reader.schema == LAST.schema
    assert reader.read_all().num_rows == 2


@pytest.mark.parametrize(
    ("sql", "brief"),
    [
        ("SELECT temp FROM last_cache('home') WHERE room = 'x'", True),
        ("SELECT * FROM distinct_cache('home', 'd')", True),
        ("SELECT c.temp FROM last_cache('home') AS c WHERE c.room = 'x' ORDER BY c.time", True),
        ("SELECT c.temp FROM last_cache('home') c", True),
        ("SELECT * FROM last_cache('home') NATURAL JOIN home", False),
        ("SELECT * FROM last_cache('home') CROSS JOIN home WHERE room = 'x'", False),
        ("SELECT * FROM last_cache('home') c, home", False),
        ("SELECT * FROM last_cache('home') c JOIN home h USING (room)", False),
        ("SELECT * FROM home UNION SELECT * FROM home", False),
        ("SELECT * FROM last_cache('home'), last_cache('home') b", False),
        ("SELECT * FROM generate_series(1, 10)", False),
        ("SELECT * FROM range(1, 10)", False),
    ],
)
def test_a_call_is_a_table_read_once(sql: str, brief: bool) -> None:
    """A text that reads one cache and nothing else may run on the caller's thread; other functions may not."""
    assert is_brief(sql) is brief


@pytest.mark.parametrize("seed", range(4))
def test_any_condition_finds_what_datafusion_finds_in_the_same_rows(
    executor: QueryExecutor, seed: int
) -> None:
    """However conditions are put together, what is pushed into the cache never changes the answer."""
    chance = random.Random(seed)
    atoms = [condition for condition, _ in PUSHED] + NOT_PUSHED
    for _ in range(40):
        condition = chance.choice(atoms)
        for _ in range(chance.randrange(1, 4)):
            other = chance.choice(atoms)
            condition = (
                f"{chance.choice(['', 'NOT '])}({condition}) {chance.choice(['AND', 'OR'])} ({other})"
            )
        sql = f"SELECT * FROM last_cache('home') WHERE {condition}"
        for _ in range(2):
            assert executor.query(sql, "d", used(condition)).to_pylist() == expected(condition), (
                condition
            )


def test_a_table_grown_large_is_looked_at_then() -> None:
    """A text that was looked at while one of its tables was small is looked at again for that table's bounds."""
    databases = MemoryDatabases()
    large, growing = large_rows(), MemoryRows(HOME, (batch(HOME, time=[1], room=["Attic"]),))
    databases.put("d", "big", large)
    databases.put("d", "home", growing)
    executor = executor_of(databases)
    sql = "SELECT count(*) FROM big, home WHERE home.room = 'Attic' AND big.room = 'Kitchen'"
    executor.query(sql, "d")
    grown = large_rows()
    databases.rows[databases.database("d").tables["home"].id] = grown
    executor.query(sql, "d")
    assert [keys for _, _, keys in grown.pruned] == [{"room": frozenset({"Attic"})}]
    executor.close()
