"""Section 9 of the semantics, through the engine: what SQL, and a plugin's query, see of caches."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.errors import QueryError
from procengine.model.run import Cause, CauseKind
from procengine.processing.event import ScheduleEvent
from tests.engine.conftest import START_NS
from tests.engine.looks import rows, settle, texts

Plugin = Callable[[str, str], str]

SECOND_NS = 10**9
TICK = ScheduleEvent(instant_ns=START_NS, cause=Cause(kind=CauseKind.FIRE))


def write(engine: Engine, *lines: str, at_seconds: int = 0) -> None:
    """Write lines with a time near the clock's."""
    instant_ns = START_NS + at_seconds * SECOND_NS
    engine.write("house", "\n".join(f"{line} {instant_ns}" for line in lines), precision="ns")


@pytest.fixture
def house(engine: Engine) -> Engine:
    write(engine, "home,room=kitchen,side=north temp=20,n=1i", "home,room=attic,side=south temp=30,n=2i")
    write(engine, "home,room=kitchen,side=north temp=21,n=3i", "home,room=cellar temp=9", at_seconds=1)
    engine.last_caches.create("house", "home", key_columns=["room"], count=2)
    engine.distinct_caches.create("house", "home", columns=["side", "room"])
    return engine


def test_last_values_have_the_originals_columns_and_types(house: Engine) -> None:
    """Keys first, tags among them plain text and never NULL; then all else by name, tags as dictionaries."""
    schema = house.query("SELECT * FROM last_cache('home')", "house").schema
    assert [(one.name, one.type, one.nullable) for one in schema] == [
        ("room", pa.utf8(), False),
        ("n", pa.int64(), True),
        ("side", pa.dictionary(pa.int32(), pa.utf8()), True),
        ("temp", pa.float64(), True),
        ("time", pa.timestamp("ns"), True),
    ]


def test_keys_are_found_newest_first(house: Engine) -> None:
    """One key's rows, by literal and by parameter, first and again."""
    for _ in range(2):
        assert rows(house, "SELECT temp FROM last_cache('home') WHERE room = 'kitchen'") == [
            {"temp": 21.0},
            {"temp": 20.0},
        ]
        found = house.query(
            "SELECT temp FROM last_cache('home') WHERE room = $r", "house", {"r": "attic"}
        )
        assert found.to_pylist() == [{"temp": 30.0}]


def test_rows_that_expire_are_gone_from_texts_known_before(house: Engine, clock: VirtualClock) -> None:
    """The time to live is heeded whether a text is planned or known."""
    sql = "SELECT count(*) AS n FROM last_cache('home')"
    one = "SELECT temp FROM last_cache('home') WHERE room = 'kitchen'"
    assert (rows(house, sql), len(rows(house, one))) == ([{"n": 4}], 2)
    clock.advance(4 * 3600)
    assert (rows(house, sql), rows(house, one)) == ([{"n": 0}], [])


def test_new_columns_appear(house: Engine) -> None:
    """Where all columns that are no keys are held, one that is written first is there in the next query."""
    sql = "SELECT * FROM last_cache('home') WHERE room = 'kitchen' AND time > '2023-11-14T22:13:21Z'"
    assert rows(house, sql) == []
    write(house, "home,room=kitchen wet=true", at_seconds=2)
    assert rows(house, sql) == [
        {
            "room": "kitchen",
            "n": None,
            "side": None,
            "temp": None,
            "time": START_NS + 2 * SECOND_NS,
            "wet": True,
        }
    ]


def test_a_cache_joins_its_table(house: Engine) -> None:
    """The rows of the table that are the last of their room."""
    sql = (
        "SELECT h.room, h.temp FROM home h JOIN last_cache('home') c ON h.room = c.room AND h.time = c.time "
        "WHERE c.room IN ('kitchen', 'attic') ORDER BY h.temp"
    )
    assert [row["temp"] for row in rows(house, sql)] == [20.0, 21.0, 30.0]


def test_issue_25922_explicit_keys_and_values_are_projected_and_joined(house: Engine) -> None:
    """A cache with columns chosen for keys and values has those in any order, alone, and beside its table."""
    house.last_caches.create(
        "house", "home", name="chosen", key_columns=["side", "room"], value_columns=["temp", "time"]
    )
    call = "last_cache('home', 'chosen')"
    assert house.query(f"SELECT * FROM {call}", "house").column_names == ["side", "room", "temp", "time"]
    assert rows(house, f"SELECT temp, room FROM {call} WHERE side = 'north'") == [
        {"temp": 21.0, "room": "kitchen"}
    ]
    assert rows(house, f"SELECT temp FROM {call} WHERE room = 'attic'") == [{"temp": 30.0}]
    joined = (
        f"SELECT h.n, c.temp FROM home h JOIN {call} c ON h.room = c.room AND h.side = c.side AND h.time = c.time "
        "ORDER BY h.n"
    )
    assert rows(house, joined) == [{"n": 2, "temp": 30.0}, {"n": 3, "temp": 21.0}]


def test_caches_after_a_restart_beside_files_with_duplicates(
    tmp_path: Path, clock: VirtualClock
) -> None:
    """A row that is in files and again in the buffer is one: in the table, in both caches, and in a join of them."""
    last = "SELECT room, time FROM last_cache('home') ORDER BY room"
    distinct = "SELECT room FROM distinct_cache('home') ORDER BY room"
    joined = (
        "SELECT h.n FROM home h JOIN last_cache('home') c ON h.room = c.room AND h.time = c.time "
        "JOIN distinct_cache('home') d ON d.room = h.room ORDER BY h.n"
    )

    def check(engine: Engine) -> None:
        rooms = ("attic", "cellar", "kitchen")
        assert rows(engine, last) == [{"room": room, "time": START_NS} for room in rooms]
        assert rows(engine, distinct) == [{"room": room} for room in rooms]
        assert rows(engine, joined) == [{"n": n} for n in (4, 10, 20)]
        assert rows(engine, "SELECT count(*) AS n FROM home") == [{"n": 3}]

    with Engine(data_dir=tmp_path, environ={}, clock=clock) as engine:
        write(engine, "home,room=kitchen n=1i", "home,room=attic n=2i")
        engine.last_caches.create("house", "home", key_columns=["room"], count=2, ttl_seconds=10**6)
        engine.distinct_caches.create("house", "home", columns=["room"])
        engine.snapshot()
        write(engine, "home,room=kitchen n=3i", "home,room=cellar n=4i")
        engine.snapshot()
        write(engine, "home,room=kitchen n=10i", "home,room=attic n=20i")
        check(engine)
    for _ in range(2):
        with Engine(data_dir=tmp_path, environ={}, clock=clock) as engine:
            assert engine.write_buffer.files()
            check(engine)
            engine.snapshot()
            check(engine)


def test_distinct_values_are_views_in_the_order_of_the_columns(house: Engine) -> None:
    """NULL sorts first; leading columns alone are distinct."""
    result = house.query("SELECT * FROM distinct_cache('home')", "house")
    assert result.schema.types == [pa.string_view()] * 2
    assert [tuple(row.values()) for row in result.to_pylist()] == [
        (None, "cellar"),
        ("north", "kitchen"),
        ("south", "attic"),
    ]
    assert rows(house, "SELECT side FROM distinct_cache('home') WHERE side IS NOT NULL") == [
        {"side": "north"},
        {"side": "south"},
    ]
    assert rows(house, "SELECT room FROM distinct_cache('home') WHERE side = 'north'") == [
        {"room": "kitchen"}
    ]


def test_other_columns_than_the_leading_ones_can_repeat(house: Engine) -> None:
    """As in the original, against its documentation; DISTINCT makes them one."""
    write(house, "home,room=kitchen,side=south temp=1", at_seconds=3)
    sql = "room FROM distinct_cache('home') WHERE side IN ('north', 'south') ORDER BY room"
    assert [row["room"] for row in rows(house, f"SELECT {sql}")] == ["attic", "kitchen", "kitchen"]
    assert [row["room"] for row in rows(house, f"SELECT DISTINCT {sql}")] == ["attic", "kitchen"]
    assert rows(house, "SELECT count(*) AS n FROM distinct_cache('home')") == [{"n": 4}]


def test_a_deleted_cache_is_not_found(house: Engine) -> None:
    """The words are those for a cache that never was; another database's is not found either."""
    sql = "SELECT * FROM last_cache('home')"
    rows(house, sql)
    house.write("other", "home x=1")
    for database in ("other", "house"):
        if database == "house":
            house.last_caches.delete("house", "home", "home_room_last_cache")
        with pytest.raises(QueryError, match="could not find cache for the given arguments"):
            house.query(sql, database)


def test_a_second_cache_has_to_be_named(house: Engine) -> None:
    """A text that named none fails from then on, and goes on when there is one again."""
    sql = "SELECT temp FROM last_cache('home') WHERE room = 'attic'"
    assert rows(house, sql) == [{"temp": 30.0}]
    house.last_caches.create("house", "home", name="second")
    with pytest.raises(QueryError, match="could not find cache for the given arguments"):
        rows(house, sql)
    assert rows(house, sql.replace("'home'", "'home', 'home_room_last_cache'")) == [{"temp": 30.0}]
    house.last_caches.delete("house", "home", "second")
    assert rows(house, sql) == [{"temp": 30.0}]


def test_a_plugin_queries_caches(house: Engine, plugin: Plugin) -> None:
    """Rows of a last-value cache are dictionaries; distinct values raise until they are cast."""
    source = """
        def process_scheduled_call(influxdb3_local, call_time, args=None):
            info, query = influxdb3_local.info, influxdb3_local.query
            info(query("SELECT room, side, temp, time FROM last_cache('home') WHERE room = $r", {"r": "attic"}))
            info(query("SELECT side::varchar AS side FROM distinct_cache('home') WHERE side IS NOT NULL"))
            for sql in ("SELECT room FROM distinct_cache('home')", "SELECT * FROM last_cache('nope')"):
                try:
                    query(sql)
                except Exception as error:
                    info(type(error).__name__, error)
    """
    house.triggers.create("house", "t", plugin("t", source), "every:1h")
    for _ in range(2):
        house.triggers.fire("t", TICK, database="house")
        settle(house)
    refused = "Error during planning: provided table name is invalid"
    wrong = "SELECT * FROM last_cache('nope')"
    once = [
        str([{"room": "attic", "side": "south", "temp": 30.0, "time": START_NS}]),
        str([{"side": "north"}, {"side": "south"}]),
        "ValueError Unsupported data type: Utf8View",
        f"QueryError error: error while planning query: {refused} executing query on house: {wrong}",
    ]
    assert texts(house) == once * 2
