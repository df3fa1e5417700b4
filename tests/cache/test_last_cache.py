"""A last-value cache holds what its rules say, row by row."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procengine.cache import LastCache
from procengine.clock import VirtualClock
from procengine.errors import InvalidInputError
from procengine.model.cache_definition import last_cache
from tests.cache.models import LastModel
from tests.cache.rows import SCHEMA, batch_of, dictionaries

SECOND_NS = 1_000_000_000
Row = Mapping[str, object]


def make(clock: VirtualClock, **options: object) -> LastCache:
    definition = last_cache("db", "t", 1, SCHEMA, created_ns=clock.now_ns(), **options)  # type: ignore[arg-type]
    return LastCache(definition, SCHEMA, clock)


def held(cache: LastCache, keys: Sequence[str]) -> dict[tuple[object, ...], list[Row]]:
    """Return what is read, by key, nulls left out."""
    found: dict[tuple[object, ...], list[Row]] = {}
    for row in dictionaries(cache.read()):
        has = {name: value for name, value in row.items() if value is not None}
        found.setdefault(tuple(row[key] for key in keys), []).append(has)
    return found


TEXTS = st.sampled_from(["a", "b", "ü", ""])
ROWS = st.lists(
    st.fixed_dictionaries(
        {"time": st.integers(-1, 12)},
        optional={
            "host": TEXTS,
            "unit": TEXTS,
            "site": TEXTS,
            "f": st.floats(allow_nan=False),
            "i": st.integers(-2, 2),
            "u": st.integers(0, 2),
            "b": st.booleans(),
            "s": TEXTS,
        },
    ),
    min_size=1,
    max_size=12,
)
STEPS = st.lists(ROWS | st.sampled_from(["tick", "evict"]), max_size=12)
KEYS = st.sampled_from(
    [
        [],
        ["host"],
        ["host", "unit"],
        ["unit", "host", "site"],
        ["i"],
        ["b", "u"],
        ["s", "host", "i", "site"],
    ]
)


@settings(deadline=None)
@given(keys=KEYS, count=st.integers(1, 4), steps=STEPS)
def test_last_cache_is_as_a_dictionary_would_be(
    keys: list[str], count: int, steps: list[list[Row] | str]
) -> None:
    """Whatever is written, expires and is evicted: key by key, newest first, what the plain rules say."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, key_columns=keys, count=count, ttl_seconds=3)
    model = LastModel(keys=keys, count=count, ttl_ns=3 * SECOND_NS)
    shown, change_count = held(cache, keys), cache.change_count
    for step in steps:
        if step == "tick":
            clock.advance(1)
        elif step == "evict":
            cache.evict()
            model.evict(clock.now_ns())
        else:
            assert not isinstance(step, str)
            cache.apply(batch_of(step), clock.now_ns())
            model.apply(step, clock.now_ns())
        expected = model.read(clock.now_ns())
        assert held(cache, keys) == expected
        assert step == "tick" or expected == shown or cache.change_count != change_count
        shown, change_count = expected, cache.change_count
        assert cache.history({}).select(cache.schema.names).equals(cache.read())
        for key in [*expected, ("nope",) * len(keys)]:
            asked = {name: frozenset([value]) for name, value in zip(keys, key, strict=True)}
            if asked:
                assert dictionaries(cache.read(asked)) == [
                    {name: row.get(name) for name in cache.schema.names} for row in expected.get(key, [])
                ]


@settings(deadline=None)
@given(rows=ROWS, hosts=st.frozensets(TEXTS), units=st.frozensets(TEXTS))
def test_last_cache_finds_by_some_keys(
    rows: list[Row], hosts: frozenset[object], units: frozenset[object]
) -> None:
    """Asked for values of some keys, a cache gives the rows that have them, and no others."""
    clock = VirtualClock(100 * SECOND_NS)
    keys = ["host", "unit", "site"]
    cache = make(clock, key_columns=keys)
    cache.apply(batch_of(rows), clock.now_ns())
    everything = dictionaries(cache.read())
    for asked in ({"unit": units}, {"host": hosts}, {"host": hosts, "unit": units}):
        expected = [row for row in everything if all(row[name] in asked[name] for name in asked)]
        found = dictionaries(cache.read(asked))
        assert sorted(found, key=repr) == sorted(expected, key=repr)


def test_last_cache_finds_among_many_keys() -> None:
    """Lookups by one of two keys are right before and after many more series have come."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, key_columns=["host", "unit"], value_columns=["i"])
    for first in (0, 2_000, 2_100, 9_000):
        numbers = range(first, first + 2_000)
        cache.apply(
            batch_of([{"host": f"h{n % 50}", "unit": f"u{n}", "i": n, "time": n + 1} for n in numbers]),
            clock.now_ns(),
        )
        everything = dictionaries(cache.read())
        for host in ("h7", "h49", "nope"):
            found = dictionaries(cache.read({"host": frozenset([host])}))
            expected = [row for row in everything if row["host"] == host]
            assert sorted(found, key=repr) == sorted(expected, key=repr)


def test_last_cache_columns_join() -> None:
    """A column that comes later joins, older rows have null; not where the columns were given."""
    clock = VirtualClock(100 * SECOND_NS)
    everything = make(clock, key_columns=["host"])
    given_ = make(clock, key_columns=["host"], value_columns=["f"])
    for cache in (everything, given_):
        cache.apply(batch_of([{"host": "a", "f": 1.0, "time": 1}]), clock.now_ns())
        later = batch_of([{"host": "b", "f": 2.0, "time": 2}])
        new = pa.RecordBatch.from_arrays(
            [later["host"], pa.array([7], pa.int64()), later["time"]], names=["host", "aa", "time"]
        )
        cache.apply(new, clock.now_ns())
    assert everything.schema.names == ["host", "aa", "b", "f", "i", "s", "site", "time", "u", "unit"]
    assert everything.read(columns=["host", "aa", "f"]).to_pylist() == [
        {"host": "a", "aa": None, "f": 1.0},
        {"host": "b", "aa": 7, "f": None},
    ]
    assert given_.schema.names == ["host", "f", "time"]


def test_last_cache_joining_columns_of_each_kind_are_null_before() -> None:
    """For rows held when a column joins it is null, whichever type it has."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, key_columns=["host"], count=2)
    cache.apply(batch_of([{"host": "a", "time": 1}, {"host": "a", "time": 2}]), clock.now_ns())
    kinds = [pa.int64(), pa.uint64(), pa.float64(), pa.bool_(), pa.utf8()]
    names = [f"new{number}" for number in range(len(kinds))]
    arrays = [pa.array([1], pa.int64()).cast(kind) for kind in kinds]
    late = batch_of([{"host": "b", "time": 1}])
    cache.apply(
        pa.RecordBatch.from_arrays(
            [late["host"], *arrays, late["time"]], names=["host", *names, "time"]
        ),
        clock.now_ns(),
    )
    rows = cache.read(columns=["host", *names]).to_pylist()
    assert rows[:2] == [{"host": "a"} | dict.fromkeys(names)] * 2
    assert rows[2] == {"host": "b", "new0": 1, "new1": 1, "new2": 1.0, "new3": True, "new4": "1"}


def test_last_cache_of_strange_dictionaries() -> None:
    """A dictionary may repeat values, hold null, and have more values than there are rows."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, key_columns=["host"], value_columns=["unit"])
    values = pa.array(["a", None, "b", "a", *(f"unused{n}" for n in range(50))])
    times = pa.array([1, 2, 3, 4, 5], pa.int64()).cast(pa.timestamp("ns"))
    for indices in ([0, 1, 2, 3, None], [3, 2, None, 0, 1]):
        tag = pa.DictionaryArray.from_arrays(pa.array(indices, pa.int32()), values)
        cache.apply(
            pa.RecordBatch.from_arrays([tag, tag, times], names=["host", "unit", "time"]), clock.now_ns()
        )
    assert dictionaries(cache.read()) == [
        {"host": "a", "unit": "a", "time": 4},
        {"host": "b", "unit": "b", "time": 3},
    ]
    assert len(cache.read().column("unit").chunk(0).dictionary) == 2


def test_last_cache_lets_go_of_what_it_held() -> None:
    """Series that come and go, and texts that are replaced, leave no memory behind for long."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, key_columns=["host", "unit"], value_columns=["s"], ttl_seconds=5)
    sizes = []
    for round_ in range(12):
        numbers = range(round_ * 3_000, (round_ + 1) * 3_000)
        rows = [{"host": f"h{n}", "unit": "u", "s": f"{n}", "time": n + 1} for n in numbers]
        cache.apply(batch_of(rows), clock.now_ns())
        rows = [{"host": "one", "unit": "u", "s": f"text {n}", "time": n + 1} for n in numbers]
        for row in rows[:200]:
            cache.apply(batch_of([row]), clock.now_ns())
        clock.advance(5)
        assert cache.evict() == 3_001
        assert cache.read().num_rows == 0
        sizes.append(cache.statistics().size_bytes)
    assert max(sizes[4:]) <= max(sizes[:4])
    assert cache.statistics().series_count == 0
    cache.apply(batch_of([{"host": "one", "unit": "u", "s": "again", "time": 1}]), clock.now_ns())
    assert cache.read(columns=["s"]).to_pylist() == [{"s": "again"}]


def test_last_cache_texts_of_one_series_do_not_pile_up() -> None:
    """A series whose text is another one in each row keeps few of them, without any eviction."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, key_columns=[], value_columns=["s"])
    for n in range(20):
        rows = [{"s": f"text {n} {k}", "time": n * 500 + k + 1} for k in range(500)]
        for start in range(0, 500, 100):
            cache.apply(batch_of(rows[start : start + 100]), clock.now_ns())
    for n in range(4_000):
        cache.apply(batch_of([{"s": f"later {n}", "time": 20_000 + n}]), clock.now_ns())
    assert cache.read(columns=["s"]).to_pylist() == [{"s": "later 3999"}]
    assert cache.statistics().size_bytes < 400_000


def test_last_cache_gives_out_what_is_ready() -> None:
    """As long as nothing changes and nothing expires, the same table is given out."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, key_columns=["host"], ttl_seconds=3)
    cache.apply(batch_of([{"host": "a", "time": 1}]), clock.now_ns())
    clock.advance(1)
    cache.apply(batch_of([{"host": "b", "time": 1}]), clock.now_ns())
    ready = cache.read()
    clock.advance(1.9)
    assert cache.read() is ready
    clock.advance(0.1)
    assert cache.read(columns=["host"]).to_pylist() == [{"host": "b"}]
    cache.apply(batch_of([{"host": "b", "time": 1}]), clock.now_ns())
    assert ready.num_rows == 2


def test_last_cache_reads_are_snapshots() -> None:
    """What was read does not change with later writes."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, key_columns=["host"], value_columns=["i", "s"])
    cache.apply(batch_of([{"host": "a", "i": 1, "s": "x", "time": 1}]), clock.now_ns())
    before, one = cache.read(), cache.read({"host": frozenset(["a"])})
    cache.apply(batch_of([{"host": "a", "i": 2, "s": "y", "time": 2}]), clock.now_ns())
    assert dictionaries(before) == dictionaries(one) == [{"host": "a", "i": 1, "s": "x", "time": 1}]


def test_last_cache_reads_of_other_threads_are_of_one_instant() -> None:
    """While rows come, series join and columns grow, each read sees whole writes and nothing between."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, key_columns=["host"], value_columns=["i", "s"], count=2)
    done = threading.Event()

    def hosts_of(number: int) -> list[str]:
        return [f"h{host}" for host in range(number % 7 + number // 10 + 1)]

    def write() -> None:
        for number in range(1, 400):
            values = {"i": number, "s": f"text {number}", "time": number}
            cache.apply(batch_of([{"host": host} | values for host in hosts_of(number)]), clock.now_ns())
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen = set()
    while not done.is_set() or not seen:
        rows = dictionaries(cache.read())
        assert all(row["i"] == row["time"] and row["s"] == f"text {row['i']}" for row in rows)
        newest: dict[object, object] = {}
        for row in rows:
            newest.setdefault(row["host"], row["i"])
        if rows:
            number = newest["h0"]
            assert isinstance(number, int)
            assert {newest[host] for host in hosts_of(number)} == {number}
            seen.add(number)
    thread.join()


def test_last_cache_shows_when_rows_expire() -> None:
    """The history of a key has its rows, newest first, with when each was inserted and when it expires."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, key_columns=["host"], value_columns=["i"], count=3, ttl_seconds=3)
    for number in range(1, 3):
        cache.apply(batch_of([{"host": "a", "i": number, "time": number}]), clock.now_ns())
        clock.advance(1)
    history = cache.history({"host": frozenset(["a"])})
    assert history.schema.names == ["host", "i", "time", "inserted", "expires"]
    assert history.column("i").to_pylist() == [2, 1]
    stamps = [history.column(name).cast(pa.int64()).to_pylist() for name in ("inserted", "expires")]
    assert stamps == [[101 * SECOND_NS, 100 * SECOND_NS], [104 * SECOND_NS, 103 * SECOND_NS]]


def test_last_cache_forgets_a_key() -> None:
    """Deleted rows are gone, and their key takes any time again."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, key_columns=["host"], value_columns=["i"], count=2)
    rows = [{"host": host, "i": n, "time": n} for host in ("a", "b") for n in (8, 9)]
    cache.apply(batch_of(rows), clock.now_ns())
    assert cache.delete({"host": frozenset(["a", "nope"])}) == 2
    assert cache.read(columns=["host"]).to_pylist() == [{"host": "b"}] * 2
    cache.apply(batch_of([{"host": "a", "i": 1, "time": 1}]), clock.now_ns())
    assert cache.read({"host": frozenset(["a"])}, ["i"]).to_pylist() == [{"i": 1}]


def test_last_cache_statistics() -> None:
    """Counts of rows and series, what was evicted, ages since the insertion, and the bytes taken."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, key_columns=["host"], count=2, ttl_seconds=3)
    assert cache.statistics().newest_age_seconds is None
    cache.apply(batch_of([{"host": "a", "time": 1}, {"host": "b", "time": 1}]), clock.now_ns())
    clock.advance(2)
    cache.apply(batch_of([{"host": "a", "time": 2}]), clock.now_ns())
    clock.advance(0.5)
    now = cache.statistics()
    assert (now.row_count, now.series_count, now.evicted_row_count) == (3, 2, 0)
    assert (now.newest_age_seconds, now.oldest_age_seconds) == (0.5, 2.5)
    assert now.size_bytes > 0
    clock.advance(0.5)
    assert (cache.statistics().row_count, cache.statistics().series_count) == (1, 2)
    assert cache.evict() == 2
    now = cache.statistics()
    assert (now.row_count, now.series_count, now.evicted_row_count) == (1, 1, 2)


def test_last_cache_without_columns_counts_rows() -> None:
    """A read of no columns has as many rows as there are."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, key_columns=["host"])
    cache.apply(batch_of([{"host": "a", "time": 1}, {"host": "b", "time": 1}]), clock.now_ns())
    assert cache.read(columns=[]).num_rows == 2
    assert cache.read({"host": frozenset(["a"])}, []).num_rows == 1


def test_last_cache_refuses_other_names() -> None:
    """Only keys can be asked for by value, only columns that are there can be read."""
    cache = make(VirtualClock(1), key_columns=["host"], value_columns=["f"], name="n")
    with pytest.raises(
        InvalidInputError, match="column 'f' is no key of last-value cache 'n'; its keys are host"
    ):
        cache.read({"f": frozenset([1.0])})
    with pytest.raises(
        InvalidInputError, match="last-value cache 'n' has no column 'x'; it has host, f, time"
    ):
        cache.read(columns=["x"])
