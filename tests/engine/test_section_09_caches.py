"""Section 9 of the semantics, through the engine: last-value and distinct-value caches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from procengine import Engine
from procengine.cache import LastCache
from procengine.clock import VirtualClock
from procengine.errors import AlreadyExistsError, CacheNotFoundError
from procengine.model.table_rows import WalContents
from procengine.wal import Wal
from procengine.write.table_history import TableHistory
from tests.engine.conftest import START_NS


def write(engine: Engine, lines: str, database: str = "house") -> None:
    """Write lines whose times are nanoseconds."""
    engine.write(database, lines, precision="ns")


@pytest.fixture
def engine(clock: VirtualClock) -> Iterator[Engine]:
    """A running engine in memory, with a table of two tags and three fields."""
    with Engine(object_store="memory", environ={}, clock=clock) as running:
        write(running, 'home,room=Kitchen,wall=east co=9i,hum=36.0,note="x" 1')
        yield running


def test_caches_are_found_by_name_or_alone(engine: Engine) -> None:
    """A table's only cache needs no name; of two, or of another table, there is none without its own."""
    one = engine.last_caches.create("house", "home")
    assert engine.last_caches.find("house", "home", None) is one
    assert engine.last_caches.find("house", "home", "home_room_wall_last_cache") is one
    two = engine.last_caches.create("house", "home", name="two")
    assert engine.last_caches.find("house", "home", None) is None
    assert engine.last_caches.find("house", "home", "two") is two
    assert engine.last_caches.of_database("house") == (one, two)
    assert engine.last_caches.find("house", "nope", None) is None
    distinct = engine.distinct_caches.create("house", "home", columns=["room"])
    assert engine.distinct_caches.find("house", "home", None) is distinct
    assert engine.distinct_caches.of_database("nope") == ()


def test_caches_are_deleted(engine: Engine) -> None:
    """A deleted cache is not found, nor deleted again; its name is free."""
    made = engine.last_caches.create("house", "home")
    assert engine.last_caches.delete("house", "home", made.definition.name) == made.definition
    assert engine.last_caches.find("house", "home", None) is None
    with pytest.raises(CacheNotFoundError):
        engine.last_caches.delete("house", "home", made.definition.name)
    assert engine.last_caches.create("house", "home") is not made
    with pytest.raises(AlreadyExistsError):
        engine.last_caches.create("house", "home")


def test_caches_made_in_the_catalog_are_there(engine: Engine) -> None:
    """However the catalog is changed, the caches follow: created, deleted, gone with table or database."""
    engine.catalog.create_last_cache("house", "home", name="a")
    engine.catalog.create_distinct_cache("house", "home", name="b", columns=["room"])
    assert engine.last_caches.find("house", "home", "a") is not None
    assert engine.distinct_caches.find("house", "home", "b") is not None
    engine.catalog.delete_table("house", "home")
    assert engine.last_caches.of_database("house") == engine.distinct_caches.of_database("house") == ()
    engine.catalog.restore_table("house", "home")
    restored = engine.last_caches.find("house", "home", "a")
    assert restored is not None
    assert restored.read(columns=["room"]).to_pylist() == [{"room": "Kitchen"}]


def test_caches_survive_a_restart(tmp_path: Path) -> None:
    """The definitions are kept on disk."""
    with Engine(data_dir=tmp_path, environ={}) as engine:
        write(engine, "home,room=Kitchen temp=1 1")
        made = engine.last_caches.create("house", "home", count=2).definition
        seen = engine.distinct_caches.create("house", "home", columns=["room"]).definition
    with Engine(data_dir=tmp_path, environ={}) as engine:
        last = engine.last_caches.find("house", "home", None)
        distinct = engine.distinct_caches.find("house", "home", None)
        assert last is not None
        assert distinct is not None
        assert (last.definition, distinct.definition) == (made, seen)


TAG = pa.dictionary(pa.int32(), pa.utf8())


def test_last_cache_columns_of_all_values(engine: Engine) -> None:
    """Keys stand in their declared order, then all other columns by name, the time among them."""
    schema = engine.last_caches.create("house", "home", key_columns=["wall", "co"]).schema
    assert [(field.name, field.type) for field in schema] == [
        ("wall", pa.utf8()),
        ("co", pa.int64()),
        ("hum", pa.float64()),
        ("note", pa.utf8()),
        ("room", TAG),
        ("time", pa.timestamp("ns")),
    ]
    assert not schema.field("wall").nullable


def test_last_cache_columns_as_given(engine: Engine) -> None:
    """Given value columns stand in their order, then the time, wherever it was named."""
    schema = engine.last_caches.create("house", "home", value_columns=["note", "time", "co"]).schema
    assert schema.names == ["room", "wall", "note", "co", "time"]


def test_distinct_cache_columns(engine: Engine) -> None:
    """The columns given, in their order, as text of Arrow's view type; there is no time."""
    schema = engine.distinct_caches.create("house", "home", columns=["note", "room"]).schema
    assert [(field.name, field.type) for field in schema] == [
        ("note", pa.string_view()),
        ("room", pa.string_view()),
    ]


def shown(cache: LastCache, *columns: str) -> list[tuple[object, ...]]:
    """Return the rows of some columns, the time as a number of nanoseconds."""
    table = cache.read(columns=columns)
    if "time" in columns:
        position = columns.index("time")
        table = table.set_column(position, "time", table.column("time").cast(pa.int64()))
    return [tuple(row.values()) for row in table.to_pylist()]


def test_last_cache_follows_writes(engine: Engine) -> None:
    """When a write is answered its rows are in the cache: of each key the newest, absent values null."""
    cache = engine.last_caches.create("house", "home", value_columns=["co", "hum"])
    write(engine, "home,room=Kitchen,wall=east co=1i 2\nhome,room=Hall,wall=north hum=2.5 3")
    assert shown(cache, "room", "wall", "co", "hum", "time") == [
        ("Kitchen", "east", 1, None, 2),
        ("Hall", "north", None, 2.5, 3),
    ]


def test_last_cache_takes_no_late_row(engine: Engine) -> None:
    """A row not later than the newest of its key never enters, however many there may be; other keys do."""
    cache = engine.last_caches.create("house", "home", count=3)
    write(engine, "home,room=Kitchen,wall=east co=5i 5")
    write(engine, "home,room=Kitchen,wall=east co=3i 3\nhome,room=Kitchen,wall=east co=6i 5")
    write(engine, "home,room=Hall,wall=east co=2i 2\nhome,room=Kitchen,wall=east co=7i 7")
    assert shown(cache, "room", "co", "time") == [
        ("Kitchen", 7, 7),
        ("Kitchen", 5, 5),
        ("Kitchen", 9, 1),
        ("Hall", 2, 2),
    ]


def test_last_cache_within_one_write_goes_row_by_row(engine: Engine) -> None:
    """Rows of one write count in their order: what comes after a later row of its key is late."""
    cache = engine.last_caches.create("house", "home", count=9)
    lines = [f"home,room=Attic,wall=w co={time}i {time}" for time in (4, 2, 6, 6, 5, 7)]
    write(engine, "\n".join(lines))
    keys = {"room": frozenset(["Attic"])}
    assert cache.read(keys, ["co"]).column(0).to_pylist() == [7, 6, 4]


def test_last_cache_ignores_rows_without_all_keys_or_before_1970(engine: Engine) -> None:
    """A row that lacks a key column is ignored, and so is one whose time is 0 or less."""
    cache = engine.last_caches.create("house", "home", name="c")
    write(
        engine,
        "home,room=Attic co=1i 9\nhome,room=Attic,wall=w co=2i 0\nhome,room=Attic,wall=w co=3i -5",
    )
    assert shown(cache, "room") == [("Kitchen",)]


def test_last_cache_ttl(engine: Engine, clock: VirtualClock) -> None:
    """A row is hidden when its time to live is over, counted from its insertion, whatever its own time says."""
    cache = engine.last_caches.create("house", "home", ttl_seconds=60)
    clock.advance(30)
    write(engine, f"home,room=Hall,wall=east co=1i {clock.now_ns() + 10**15}")
    clock.advance(29)
    assert len(shown(cache, "room")) == 2
    clock.advance(1)
    assert shown(cache, "room") == [("Hall",)]
    clock.advance(30)
    assert shown(cache, "room") == []


def test_last_cache_eviction_is_by_the_clock(engine: Engine, clock: VirtualClock) -> None:
    """Every 10 seconds expired rows are let go of; only then does a key take older times again."""
    cache = engine.last_caches.create("house", "home", ttl_seconds=15)
    clock.advance(15)
    write(engine, "home,room=Kitchen,wall=east co=1i 1")
    assert shown(cache, "co") == []
    assert cache.statistics().series_count == 1
    clock.advance(5)
    assert cache.statistics().series_count == 0
    write(engine, "home,room=Kitchen,wall=east co=2i 1")
    assert shown(cache, "co") == [(2,)]


def test_eviction_intervals_are_options(clock: VirtualClock) -> None:
    """How often caches are tidied is configured for each kind."""
    options = {"last_cache_eviction_interval": "1s", "distinct_cache_eviction_interval": "2s"}
    with Engine(object_store="memory", environ={}, clock=clock, **options) as engine:
        write(engine, f"home,room=a x=1 {clock.now_ns()}")
        last = engine.last_caches.create("house", "home", ttl_seconds=1)
        distinct = engine.distinct_caches.create("house", "home", columns=["room"], max_age_seconds=1)
        clock.advance(1)
        assert (last.statistics().series_count, distinct.statistics().series_count) == (0, 1)
        clock.advance(1)
        assert distinct.statistics().series_count == 0


def test_no_cache_leaves_the_clock_alone(engine: Engine, clock: VirtualClock) -> None:
    """Without caches nothing is called; when the last is deleted, once more at most."""
    assert clock.next_due_ns is None
    made = engine.last_caches.create("house", "home")
    assert clock.next_due_ns is not None
    engine.last_caches.delete("house", "home", made.definition.name)
    clock.advance(10)
    assert clock.next_due_ns is None


def test_last_cache_new_columns_join(engine: Engine) -> None:
    """A new field joins a cache of all columns, older rows have null; a cache of given columns stays as it is."""
    everything = engine.last_caches.create("house", "home", name="all", count=2)
    given = engine.last_caches.create("house", "home", name="given", value_columns=["co"], count=2)
    write(engine, "home,room=Kitchen,wall=east,floor=1 co=1i,new=true 2")
    assert everything.schema.names == [
        "room", "wall", "co", "floor", "hum", "new", "note", "time",
    ]  # fmt: skip
    assert shown(everything, "co", "floor", "new") == [(1, "1", True), (9, None, None)]
    assert given.schema.names == ["room", "wall", "co", "time"]


def test_last_cache_is_filled_from_history(engine: Engine) -> None:
    """A new cache has the newest rows of the table, late ones in their place, duplicates merged."""
    write(engine, "home,room=Kitchen,wall=east co=5i 5")
    write(engine, "home,room=Kitchen,wall=east co=3i 3\nhome,room=Hall,wall=north co=1i 1")
    write(engine, "home,room=Kitchen,wall=east hum=1.5 5")
    cache = engine.last_caches.create("house", "home", count=2, value_columns=["co", "hum"])
    found = {row[0]: shown(cache, "room", "co", "hum", "time") for row in shown(cache, "room")}
    assert found.keys() == {"Kitchen", "Hall"}
    keys = {"room": frozenset(["Kitchen"])}
    assert cache.read(keys, ["co", "hum"]).to_pylist() == [
        {"co": 5, "hum": 1.5},
        {"co": 3, "hum": None},
    ]
    assert cache.read({"room": frozenset(["Hall"])}, ["co"]).to_pylist() == [{"co": 1}]


def test_last_cache_from_history_lives_for_its_whole_ttl(engine: Engine, clock: VirtualClock) -> None:
    """Rows from history count as inserted when the cache was created, however old they are."""
    cache = engine.last_caches.create("house", "home", ttl_seconds=60)
    clock.advance(59)
    assert shown(cache, "room", "time") == [("Kitchen", 1)]
    clock.advance(1)
    assert shown(cache, "room") == []


def test_distinct_cache_follows_writes_and_history(engine: Engine, clock: VirtualClock) -> None:
    """Combinations come with history and with each write, null where a column is absent, sorted."""
    now = clock.now_ns()
    write(engine, f"home,room=Kitchen,wall=west co=1i {now}\nhome,wall=west co=1i {now}")
    cache = engine.distinct_caches.create("house", "home", columns=["room", "wall"])
    write(engine, f"home,room=Hall,wall=north co=1i {now}")
    assert [tuple(row.values()) for row in cache.read().to_pylist()] == [
        (None, "west"),
        ("Hall", "north"),
        ("Kitchen", "west"),
    ]


def test_distinct_cache_hides_by_the_data_s_time(engine: Engine, clock: VirtualClock) -> None:
    """Rows whose own time is longer ago than the maximum age are not seen: backfill stays invisible."""
    cache = engine.distinct_caches.create("house", "home", columns=["room"], max_age_seconds=60)
    now = clock.now_ns()
    write(engine, f"home,room=new co=1i {now}\nhome,room=old co=1i {now - 60 * 10**9}")
    assert cache.read().to_pylist() == [{"room": "new"}]
    clock.advance(60)
    assert cache.read().num_rows == 0


def test_distinct_cache_of_a_field_has_no_replaced_value(engine: Engine, clock: VirtualClock) -> None:
    """History gives the values that the table has: one that another write replaced is none."""
    now = clock.now_ns()
    write(engine, f'home,room=a note="before" {now}')
    write(engine, f'home,room=a note="after" {now}\nhome,room=b note="too" {now}')
    cache = engine.distinct_caches.create("house", "home", columns=["note"])
    assert cache.read().column(0).to_pylist() == ["after", "too"]


@pytest.mark.parametrize("kind", ["last", "distinct"])
def test_caches_may_begin_without_history(kind: str, clock: VirtualClock) -> None:
    """Where history is turned off, a new cache is empty until rows come."""
    option = {f"{kind}_value_cache_disable_from_history": True}
    with Engine(object_store="memory", environ={}, clock=clock, **option) as engine:
        write(engine, f"home,room=a x=1 {clock.now_ns()}")
        last = engine.last_caches.create("house", "home")
        distinct = engine.distinct_caches.create("house", "home", columns=["room"])
        assert last.read().num_rows == (kind != "last")
        assert distinct.read().num_rows == (kind != "distinct")
        write(engine, f"home,room=b x=1 {clock.now_ns()}")
        assert last.read().num_rows == distinct.read().num_rows + (1 if kind == "distinct" else -1)


def test_cache_whose_history_cannot_be_read_goes_on_without(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The definition is kept, the log says that the history is missing, and rows come from then on."""

    def fail(table_id: int) -> TableHistory:
        raise OSError(f"table {table_id} is on a disk that is gone")

    monkeypatch.setattr(engine.write_buffer, "history", fail)
    cache = engine.last_caches.create("house", "home")
    assert shown(cache, "room") == []
    assert "cache was not filled from history: database=house table=home" in caplog.text
    assert "on a disk that is gone" in caplog.text
    write(engine, "home,room=Kitchen,wall=east co=1i 2")
    assert shown(cache, "room", "co") == [("Kitchen", 1)]


def test_caches_have_what_retention_keeps(engine: Engine, clock: VirtualClock) -> None:
    """Rows that the database keeps no longer do not come into a new cache."""
    engine.catalog.create_database("short", retention_period_ns=3600 * 10**9)
    now = clock.now_ns()
    write(engine, f"t,host=old x=1 {now - 3601 * 10**9}\nt,host=new x=1 {now}", "short")
    assert shown(engine.last_caches.create("short", "t"), "host") == [("new",)]


def test_caches_after_a_restart(tmp_path: Path, clock: VirtualClock) -> None:
    """Caches come back with what lies in Parquet files and in the log, in the right order."""
    options = {"data_dir": tmp_path, "environ": {}, "clock": clock}
    now = clock.now_ns()
    with Engine(**options) as engine:
        write(engine, f"home,room=a co=1i {now + 1}\nhome,room=b co=1i {now + 1}")
        engine.snapshot()
        engine.last_caches.create("house", "home", count=2)
        engine.distinct_caches.create("house", "home", columns=["room"])
        write(engine, f"home,room=a co=2i {now + 2}\nhome,room=c co=9i {now + 9}")
        engine.snapshot()
        write(engine, f"home,room=a co=3i {now + 3}\nhome,room=c co=10i {now + 10}")
        before = [read_all(engine, kind) for kind in ("last", "distinct")]
    with Engine(**options) as engine:
        assert [read_all(engine, kind) for kind in ("last", "distinct")] == before
        assert ("a", 3) in before[0]
        assert len(before[0]) == 5
        write(engine, f"home,room=a co=4i {now + 4}\nhome,room=a co=0i {now}")
        assert ("a", 4) in read_all(engine, "last")


def read_all(engine: Engine, kind: str) -> set[tuple[object, ...]]:
    """Return what the only cache of a kind holds."""
    if kind == "last":
        last = engine.last_caches.find("house", "home")
        assert last is not None
        return set(shown(last, "room", "co"))
    distinct = engine.distinct_caches.find("house", "home")
    assert distinct is not None
    return {tuple(row.values()) for row in distinct.read().to_pylist()}


def test_last_cache_ttl_goes_on_while_the_engine_is_down(tmp_path: Path, clock: VirtualClock) -> None:
    """A restart prolongs nothing of rows written as they happened, in Parquet or log, and revives none."""
    options = {"data_dir": tmp_path, "environ": {}, "clock": clock}
    with Engine(**options) as engine:
        write(engine, f"home,room=before co=1i {clock.now_ns()}")
        engine.last_caches.create("house", "home", ttl_seconds=100)
        clock.advance(40)
        write(engine, f"home,room=parquet co=1i {clock.now_ns()}")
        engine.snapshot()
        clock.advance(40)
        write(engine, "home,room=log co=1i 1")
    seen = []
    for _ in range(4):
        with Engine(**options) as engine:
            seen.append({row[0] for row in read_all(engine, "last")})
        clock.advance(30)
    assert seen == [{"before", "parquet", "log"}, {"parquet", "log"}, {"log"}, {"log"}]
    with Engine(**options) as engine:
        assert read_all(engine, "last") == set()


def test_rows_before_the_cache_live_on_from_the_log_too(tmp_path: Path, clock: VirtualClock) -> None:
    """Rows that were flushed before the cache was created count as inserted then, after a restart as well."""
    options = {"data_dir": tmp_path, "environ": {}, "clock": clock}
    with Engine(**options) as engine:
        write(engine, f"home,room=logged co=1i {clock.now_ns()}")
        clock.advance(40)
        engine.last_caches.create("house", "home", ttl_seconds=60)
    clock.advance(59)
    with Engine(**options) as engine:
        assert read_all(engine, "last") == {("logged", 1)}
        clock.advance(1)
        assert read_all(engine, "last") == set()


def test_caches_merge_what_files_and_buffer_have_of_a_row(tmp_path: Path, clock: VirtualClock) -> None:
    """A row whose fields were written before and after a snapshot is one row, and a replaced value is none."""
    now = clock.now_ns()
    with Engine(data_dir=tmp_path, environ={}, clock=clock) as engine:
        write(
            engine, f'home,room=a,wall=w co=5i,note="before" {now}\nhome,room=b,wall=w co=1i {now - 9}'
        )
        engine.snapshot()
        write(
            engine, f'home,room=a,wall=w hum=1.5,note="after" {now}\nhome,room=a,wall=w co=4i {now - 1}'
        )
        last = engine.last_caches.create("house", "home", key_columns=["room"], count=2)
        few = engine.last_caches.create(
            "house", "home", name="few", key_columns=["room"], value_columns=["co", "hum"]
        )
        distinct = engine.distinct_caches.create("house", "home", columns=["note"])
        assert last.read({"room": frozenset(["a"])}, ["co", "hum", "note"]).to_pylist() == [
            {"co": 5, "hum": 1.5, "note": "after"},
            {"co": 4, "hum": None, "note": None},
        ]
        assert few.read({"room": frozenset(["a"])}, ["co", "hum"]).to_pylist() == [{"co": 5, "hum": 1.5}]
        assert distinct.read().column(0).to_pylist() == [None, "after"]


def test_flush_goes_to_the_caches_first(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each flush reaches last-value caches, distinct-value caches, write buffer, in this order."""
    order: list[str] = []

    def noting(name: str, apply: Callable[[WalContents], None]) -> Callable[[WalContents], None]:
        def note(contents: WalContents) -> None:
            order.append(name)
            apply(contents)

        return note

    for name in ("last_caches", "distinct_caches", "write_buffer"):
        part = getattr(engine, name)
        monkeypatch.setattr(part, "apply", noting(name, part.apply))
    write(engine, "home,room=Kitchen,wall=east co=1i 2")
    assert order == ["last_caches", "distinct_caches", "write_buffer"]


def test_cache_is_complete_whenever_it_is_created(engine: Engine) -> None:
    """While several threads write, each new cache has each row that was or is acknowledged, and none twice.

    Every series is written once, so that a row lost between history and flushes stays lost.
    """
    stop = threading.Event()
    written: list[list[str]] = [[], []]

    def write_series(thread: int) -> None:
        number = 0
        while not stop.is_set():
            hosts = [f"{thread}-{number}-{one}" for one in range(3)]
            write(engine, "\n".join(f"t,host={host} x=1 {number + 1}" for host in hosts), "live")
            written[thread] += hosts
            number += 1

    write(engine, "t,host=first x=1 1", "live")
    threads = [threading.Thread(target=write_series, args=(one,)) for one in range(2)]
    for thread in threads:
        thread.start()
    caches = [engine.last_caches.create("live", "t", name=f"c{n}", count=3) for n in range(25)]
    stop.set()
    for thread in threads:
        thread.join()
    expected = sorted(["first", *written[0], *written[1]])
    assert len(expected) > 25
    for cache in caches:
        assert sorted(cache.read(columns=["host"]).column(0).to_pylist()) == expected


def test_cache_misses_no_flush_that_was_under_way(
    clock: VirtualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows whose flush looked at the caches before the new one was there come with its history."""
    reached, go_on = threading.Event(), threading.Event()
    flush = Wal.flush

    def go_on_and_flush(wal: Wal) -> None:
        go_on.set()
        flush(wal)

    # A new cache is known to the flush thread when it waits for flushes under way: until then ours stands still.
    monkeypatch.setattr(Wal, "flush", go_on_and_flush)
    with Engine(object_store="memory", environ={}, clock=clock) as engine:
        write(engine, "home,room=Kitchen x=1 1")
        apply = engine.write_buffer.apply

        def slow_apply(contents: WalContents) -> None:
            reached.set()
            go_on.wait()
            apply(contents)

        monkeypatch.setattr(engine.write_buffer, "apply", slow_apply)
        go_on.clear()
        writer = threading.Thread(target=write, args=(engine, "home,room=Attic x=1 9"))
        writer.start()
        reached.wait()
        cache = engine.last_caches.create("house", "home")
        go_on.set()
        writer.join()
        assert shown(cache, "room") == [("Kitchen",), ("Attic",)]


@pytest.mark.parametrize("kind", ["last", "distinct"])
def test_a_cache_whose_fill_is_interrupted_is_not_there(engine: Engine, kind: str) -> None:
    """Half a cache would answer wrongly: it is gone, its name free, and other caches and writes go on."""
    write(engine, f"home,room=Attic,wall=east co=1i {START_NS - 2}")
    other = engine.last_caches.create("house", "home", name="other")
    caches = engine.last_caches if kind == "last" else engine.distinct_caches
    more = {} if kind == "last" else {"columns": ["room"]}

    def press_stop() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        caches.create("house", "home", name="half", check=press_stop, **more)
    assert caches.find("house", "home", "half") is None
    with pytest.raises(CacheNotFoundError):
        caches.delete("house", "home", "half")
    write(engine, f"home,room=Hall,wall=west co=1i {START_NS - 1}")
    assert other.statistics().row_count == 3

    checks: list[int] = []
    whole = caches.create("house", "home", name="half", check=lambda: checks.append(1), **more)
    assert whole.statistics().row_count == (3 if kind == "last" else 2)
    assert checks


def test_a_cache_whose_history_is_interrupted_is_not_there(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the stop button is pressed anywhere in the fill, without a check."""
    merged = TableHistory.merged

    def press_stop(*_arguments: object, **_more: object) -> pa.RecordBatch:
        raise KeyboardInterrupt

    monkeypatch.setattr(TableHistory, "merged", press_stop)
    with pytest.raises(KeyboardInterrupt):
        engine.last_caches.create("house", "home")
    assert engine.last_caches.of_database("house") == ()
    monkeypatch.setattr(TableHistory, "merged", merged)
    assert engine.last_caches.create("house", "home").statistics().row_count == 1
