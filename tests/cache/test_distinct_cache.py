"""A distinct-value cache holds what its rules say, row by row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procengine.cache import DistinctCache
from procengine.clock import VirtualClock
from procengine.errors import InvalidInputError
from procengine.model.cache_definition import distinct_cache
from tests.cache.models import DistinctModel
from tests.cache.rows import SCHEMA, batch_of

SECOND_NS = 1_000_000_000
Row = Mapping[str, object]


def make(clock: VirtualClock, columns: Sequence[str], **options: object) -> DistinctCache:
    definition = distinct_cache("db", "t", 1, SCHEMA, columns=columns, **options)  # type: ignore[arg-type]
    return DistinctCache(definition, SCHEMA, clock)


def rows_of(table: pa.Table) -> list[tuple[object, ...]]:
    return [tuple(row.values()) for row in table.to_pylist()]


def _with_numbers(columns: Sequence[str]) -> pa.Schema:
    """Return the columns of `last_seen` with text for dictionaries and nanoseconds for instants."""
    fields = [pa.field(name, pa.string()) for name in columns]
    return pa.schema([*fields, ("last_seen", pa.int64()), ("expires", pa.int64())])


TEXTS = st.sampled_from(["a", "b", "ü", "\U0001f600", ""])
TIMES = st.integers(96, 106).map(lambda second: second * SECOND_NS)
ROWS = st.lists(
    st.fixed_dictionaries({"time": TIMES}, optional=dict.fromkeys(("host", "unit", "s"), TEXTS)),
    min_size=1,
    max_size=12,
)
STEPS = st.lists(ROWS | st.sampled_from(["tick", "prune"]), max_size=12)
COLUMNS = st.sampled_from([["host"], ["host", "unit"], ["s", "unit", "host"]])


@settings(deadline=None)
@given(columns=COLUMNS, steps=STEPS)
def test_distinct_cache_is_as_a_dictionary_would_be(
    columns: list[str], steps: list[list[Row] | str]
) -> None:
    """Whatever is written, ages and is pruned: the combinations seen of late, sorted, null first."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, columns, max_age_seconds=3)
    model = DistinctModel(columns=columns, max_cardinality=100_000, max_age_ns=3 * SECOND_NS)
    shown, change_count = rows_of(cache.read()), cache.change_count
    for step in steps:
        if step == "tick":
            clock.advance(1)
        elif step == "prune":
            cache.evict()
            model.prune(clock.now_ns())
        else:
            assert not isinstance(step, str)
            cache.apply(batch_of(step), clock.now_ns())
            model.apply(step)
        expected = model.read(clock.now_ns())
        assert rows_of(cache.read()) == expected
        assert step == "tick" or expected == shown or cache.change_count != change_count
        shown, change_count = expected, cache.change_count
        with_times = rows_of(cache.last_seen().cast(_with_numbers(columns)))
        assert [row[:-2] for row in with_times] == expected
        assert all(until - seen == 3 * SECOND_NS for *_, seen, until in with_times)
        assert all(until > clock.now_ns() for *_, until in with_times)
        for position, name in enumerate(columns):
            for value in ("a", None):
                found = rows_of(cache.read({name: frozenset([value])}))
                assert found == [row for row in expected if row[position] == value]
            alone = [row[0] for row in rows_of(cache.read(columns=[name]))]
            assert alone == list(dict.fromkeys(row[position] for row in expected))


def test_distinct_cache_prefixes_are_distinct() -> None:
    """Of leading columns alone no combination comes twice, nor of any others; they stand in the order asked for."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, ["host", "unit", "s"])
    rows = [(h, u, s) for h in "ab" for u in "xy" for s in "12"]
    cache.apply(
        batch_of([{"host": h, "unit": u, "s": s, "time": 100 * SECOND_NS} for h, u, s in rows]), 0
    )
    assert rows_of(cache.read()) == rows
    assert rows_of(cache.read(columns=["host"])) == [("a",), ("b",)]
    assert rows_of(cache.read(columns=["host", "unit"])) == [(h, u) for h in "ab" for u in "xy"]
    assert sorted(rows_of(cache.read(columns=["s"]))) == [("1",), ("2",)]
    assert sorted(rows_of(cache.read(columns=["s", "host"]))) == [(s, h) for s in "12" for h in "ab"]
    assert cache.read({"host": frozenset(["a"])}, ["unit"]).column(0).to_pylist() == ["x", "y"]
    assert cache.read(columns=[]).num_rows == 8
    assert cache.read().schema == cache.schema


def test_distinct_cache_late_rows() -> None:
    """The row processed last counts, even an older one; it hides its own combination, and no other."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, ["host", "unit"], max_age_seconds=10)
    new, old = 99 * SECOND_NS, 50 * SECOND_NS
    cache.apply(batch_of([{"host": "a", "unit": u, "time": new} for u in "xy"]), 0)
    cache.apply(batch_of([{"host": "a", "unit": "x", "time": old}]), 0)
    assert rows_of(cache.read()) == [("a", "y")]
    cache.apply(batch_of([{"host": "a", "unit": "x", "time": one} for one in (old, new)]), 0)
    assert rows_of(cache.read()) == [("a", "x"), ("a", "y")]


def test_distinct_cache_cardinality() -> None:
    """The limit is kept by the pruning alone: what is too old goes first, then the oldest, as many as needed."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, ["host"], max_cardinality=3, max_age_seconds=10)
    seen = {"a": 95, "b": 97, "c": 97, "d": 97, "e": 99, "gone": 90}
    cache.apply(batch_of([{"host": h, "time": at * SECOND_NS} for h, at in seen.items()]), 0)
    assert cache.read().num_rows == 5
    assert cache.statistics().series_count == 6
    assert cache.evict() == 3
    left = [row[0] for row in rows_of(cache.read())]
    assert len(left) == 3
    assert "e" in left
    assert set(left) <= {"b", "c", "d", "e"}
    assert cache.evict() == 0
    now = cache.statistics()
    assert (now.row_count, now.series_count, now.pruned_count) == (3, 3, 3)
    assert (now.newest_age_seconds, now.oldest_age_seconds) == (1.0, 3.0)


def test_distinct_cache_lets_go_of_what_it_held() -> None:
    """Combinations that come and go leave no memory behind for long."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, ["host", "unit"], max_age_seconds=5)
    sizes = []
    for round_ in range(12):
        numbers = range(round_ * 3_000, (round_ + 1) * 3_000)
        rows = [{"host": f"h{n}", "unit": "u", "time": clock.now_ns()} for n in numbers]
        cache.apply(batch_of(rows), clock.now_ns())
        assert cache.read().num_rows == 3_000
        clock.advance(5)
        assert cache.read().num_rows == 0
        assert cache.evict() == 3_000
        sizes.append(cache.statistics().size_bytes)
    assert max(sizes[4:]) <= max(sizes[:4])


def test_distinct_cache_forgets() -> None:
    """Deleted combinations are gone until they are seen again."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, ["host"])
    cache.apply(batch_of([{"host": h, "time": 100 * SECOND_NS} for h in "ab"]), 0)
    assert cache.delete({"host": frozenset(["a", "nope"])}) == 1
    assert rows_of(cache.read()) == [("b",)]
    cache.apply(batch_of([{"host": "a", "time": 100 * SECOND_NS}]), 0)
    assert rows_of(cache.read()) == [("a",), ("b",)]


def test_distinct_cache_gives_out_what_is_ready() -> None:
    """As long as nothing changes and nothing becomes too old, the same tables are given out."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, ["host", "unit"], max_age_seconds=3)
    cache.apply(batch_of([{"host": "a", "time": 99 * SECOND_NS}]), 0)
    ready, hosts = cache.read(), cache.read(columns=["host"])
    clock.advance(1.9)
    assert cache.read() is ready
    assert cache.read(columns=["host"]) is hosts
    clock.advance(0.1)
    assert cache.read().num_rows == 0
    assert ready.num_rows == 1


def test_distinct_cache_refuses_other_names() -> None:
    """Only columns that are there can be asked for."""
    cache = make(VirtualClock(1), ["host", "unit"], name="n")
    text = "distinct-value cache 'n' has no column 's'; it has host, unit"
    for ask in (lambda: cache.read({"s": frozenset(["a"])}), lambda: cache.read(columns=["s"])):
        with pytest.raises(InvalidInputError, match=text):
            ask()


def test_distinct_cache_of_a_longest_age_never_expires() -> None:
    """What is for ever has no end that instants can say, and is the last of them."""
    clock = VirtualClock(100 * SECOND_NS)
    cache = make(clock, ["host"], max_age_seconds=2**62)
    cache.apply(batch_of([{"host": "a", "time": 99 * SECOND_NS}]), clock.now_ns())
    (expires,) = cache.last_seen().column("expires").cast(pa.int64()).to_pylist()
    assert expires == 2**63 - 1
