"""Last and distinct values are shown with their ages, found, forgotten, asked in SQL and created."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from procengine_jupyter.inspectors.cache_forms import span_text
from procengine_jupyter.inspectors.cache_state import DISTINCT, LAST, CacheListState
from procengine_jupyter.inspectors.contents import Inspected
from procengine_jupyter.inspectors.distinct_cache_state import DistinctCacheState
from procengine_jupyter.inspectors.inspector import Inspector
from procengine_jupyter.inspectors.last_cache_state import LastCacheState
from procengine_jupyter.inspectors.pace import FEW_ROWS, Pace
from procengine_jupyter.inspectors.rows import Order

from procengine.clock import VirtualClock
from procengine.engine import Engine
from procengine.errors import CacheNotFoundError
from procengine.model.duration import parse_duration
from tests.extension.conftest import Notebook
from tests.extension.test_inspect import shown
from tests.extension.test_plugin_cache_inspector import act

SECOND = 1_000_000_000
START_NS = 1_700_000_000 * SECOND
MADE_AT = "2023-11-14 22:13:20"
"""The start as it is shown."""


@pytest.fixture
def clock() -> VirtualClock:
    """A clock that stands still until a test moves it."""
    return VirtualClock(START_NS)


@pytest.fixture
def engine(clock: VirtualClock) -> Iterator[Engine]:
    """An engine whose table has caches of both kinds by building and room."""
    with Engine(object_store="memory", clock=clock) as one:
        write(one, "home,building=B,room=Hall temp=1", at=1)
        one.last_caches.create(
            "house", "home", name="last", key_columns=["building", "room"], count=2, ttl_seconds=100
        )
        one.distinct_caches.create(
            "house",
            "home",
            name="distinct",
            columns=["building", "room"],
            max_cardinality=5,
            max_age_seconds=100,
        )
        write(one, "home,building=A,room=Attic temp=2", at=2)
        write(one, "home,building=A,room=Hall temp=3", at=3)
        write(one, "home,building=A,room=Hall temp=4", at=4)
        yield one


def write(engine: Engine, line: str, *, at: int) -> None:
    """Write a line so many seconds after the start."""
    engine.write("house", f"{line} {START_NS + at * SECOND}")


def looking_at(state: Inspected) -> Inspector:
    """Return an inspector of a state."""
    return Inspector(lambda: state)


def last(engine: Engine) -> Inspector:
    """Return an inspector of the last-value cache."""
    return looking_at(LastCacheState(engine, ("house", "home", "last")))


def distinct(engine: Engine) -> Inspector:
    """Return an inspector of the distinct-value cache."""
    return looking_at(DistinctCacheState(engine, ("house", "home", "distinct")))


def column(inspector: Inspector, name: str) -> list[str | None]:
    """Return the texts of a shown column."""
    return [row[name] for row in shown(inspector)]


def tree(inspector: Inspector) -> list[str | None]:
    """Return the nodes that are shown, their depth drawn by dots."""
    return [str(one).replace("\u2003", "..") for one in column(inspector, "building / room")]


def test_last_values_are_newest_first_with_their_ages(engine: Engine) -> None:
    """A row's age counts from when it was inserted, and its key's older rows are beneath it."""
    inspector = last(engine)
    assert column(inspector, "temp") == ["4.0", "3.0", "2.0", "1.0"]
    assert inspector.order == Order(column="time", descending=True)
    assert set(column(inspector, "inserted (UTC)")) == {MADE_AT}
    assert set(column(inspector, "expires (UTC)")) == {"2023-11-14 22:15:00"}
    assert "count 2" in inspector.text()
    assert "0 evicted" in inspector.text()


def test_an_expired_row_goes_at_the_next_look_and_is_counted_when_evicted(
    engine: Engine, clock: VirtualClock
) -> None:
    """Until one expires nothing is read; counting up and down is the page's."""
    inspector = last(engine)
    clock.advance(99)
    before = inspector.contents
    inspector.refresh_if_changed()
    assert inspector.contents is before
    clock.advance(1)
    inspector.refresh_if_changed()
    assert shown(inspector) == []
    engine.last_caches.evict()
    inspector.refresh()
    assert "4 evicted" in inspector.text()


def test_the_chosen_key_stays_chosen_when_newer_rows_come(engine: Engine) -> None:
    """It is found by its values, wherever its rows have gone."""
    inspector = last(engine)
    inspector.choose(2)
    assert "building=A, room=Attic" in inspector.detail
    write(engine, "home,building=B,room=Hall temp=9", at=9)
    inspector.refresh_if_changed()
    assert shown(inspector)[inspector.chosen]["room"] == "Attic"


def test_a_keys_history_is_beneath_the_table(engine: Engine) -> None:
    """The rows that its count allows, newest first."""
    inspector = last(engine)
    inspector.choose(0)
    detail = str(inspector.detail)
    assert "2 rows" in detail
    assert detail.index("4.0") < detail.index("3.0")


def test_the_tree_opens_and_closes_node_by_node(engine: Engine) -> None:
    """A node says how many combinations lie beneath, and when the newest of them was last seen."""
    inspector = distinct(engine)
    assert tree(inspector) == ["▸ A", "▸ B"]
    assert column(inspector, "combinations") == ["2", "1"]
    assert column(inspector, "last seen (UTC)")[0] == "2023-11-14 22:13:24"
    inspector.toggle(0)
    assert tree(inspector) == ["▾ A", "..· Attic", "..· Hall", "▸ B"]
    inspector.toggle(0)
    assert tree(inspector) == ["▸ A", "▸ B"]


def test_open_nodes_stay_open_when_values_come(engine: Engine) -> None:
    """And the chosen one chosen."""
    inspector = distinct(engine)
    inspector.toggle(1)
    inspector.choose(2)
    write(engine, "home,building=A0,room=Hall temp=9", at=9)
    inspector.refresh_if_changed()
    assert tree(inspector) == ["▸ A", "▸ A0", "▾ B", "..· Hall"]
    assert inspector.chosen == 3


def test_a_filter_shows_what_it_finds_with_all_that_leads_there(engine: Engine) -> None:
    """Below closed nodes as well; without the filter the tree is closed again."""
    inspector = distinct(engine)
    inspector.text_filter = "HALL"
    assert tree(inspector) == ["▾ A", "..· Hall", "▾ B", "..· Hall"]
    assert "2 of 3 combinations have 'HALL'" in inspector.text()
    inspector.toggle(0)
    assert tree(inspector) == ["▸ A", "▾ B", "..· Hall"]
    inspector.text_filter = "nothing"
    assert (tree(inspector), inspector.hint) == ([], "no row has 'nothing' in it")
    inspector.text_filter = ""
    assert tree(inspector) == ["▸ A", "▸ B"]


def test_deleting_a_node_forgets_all_beneath_it(engine: Engine) -> None:
    """In the cache, not in the table."""
    inspector = distinct(engine)
    inspector.choose(0)
    inspector.delete()
    assert inspector.done == "deleted 2 combinations of building=A"
    assert tree(inspector) == ["▸ B"]
    assert len(engine.query("SELECT * FROM home", "house")) == 4


def test_cardinality_and_age_are_told_against_their_limits(engine: Engine) -> None:
    """As a bar whose colour warns, and in words."""
    inspector = distinct(engine)
    picture = str(inspector.html())
    assert "3 of at most 5 combinations; the oldest is forgotten at 2023-11-14 22:15:01 UTC" in picture
    assert "width:60%" in picture
    assert "max cardinality 5" in inspector.text()
    for number in range(3):
        write(engine, f"home,building=C,room=r{number} temp=1", at=9)
    inspector.refresh_if_changed()
    assert "--pe-bad" in str(inspector.contents.picture)


@pytest.mark.parametrize("name", ["last", "distinct"])
def test_the_query_cell_reads_the_cache(engine: Engine, name: str) -> None:
    """As it stands."""
    inspector = last(engine) if name == "last" else distinct(engine)
    act(inspector, "query")
    magic, _, sql = str(inspector.below).partition("\n")
    assert magic == "%%query house"
    assert engine.query(sql, "house").num_rows == (4 if name == "last" else 3)
    assert "user-select:all" in inspector.below.html()


CREATED = {
    "last": (
        {"keys": "room", "values": "temp", "count": "3", "ttl": "1h 30m", "name": "mine"},
        (
            "influxdb3 create last_cache --database house --table home --key-columns room --value-columns temp "
            "--count 3 --ttl '1h 30m' mine"
        ),
    ),
    "distinct": (
        {"columns": "room, building", "cardinality": "7", "age": "2h"},
        (
            "influxdb3 create distinct_cache --database house --table home --columns room,building "
            "--max-cardinality 7 --max-age 2h"
        ),
    ),
}


@pytest.mark.parametrize("name", ["last", "distinct"])
def test_the_command_line_makes_the_cache_that_the_form_makes(notebook: Notebook, name: str) -> None:
    """The very same definition, but for what tells two caches apart."""
    notebook.run("%%write house\nhome,building=A,room=Hall temp=1")
    inspector = notebook.run(f"%inspect {name}")
    said, line = CREATED[name]
    act(inspector, "command", **said)
    assert str(inspector.below) == line
    notebook.run(f"%{line}")
    holder = (LAST if name == "last" else DISTINCT).holder(notebook.engine)
    (by_line,) = holder.of_database("house")
    holder.delete("house", "home", by_line.definition.name)
    assert act(inspector, "create", **said) == f"created cache {by_line.definition.name}"
    (by_form,) = holder.of_database("house")
    assert by_form.definition == by_line.definition
    assert column(inspector, "name") == [by_form.definition.name]


@pytest.mark.parametrize(
    ("name", "said", "told"),
    [
        ("last", {"count": "many"}, "rows of a key: 'many' is no whole number"),
        ("last", {"count": "0"}, "last cache size must be greater than 0"),
        ("last", {"ttl": "soon"}, "time to live: cannot parse 'soon'"),
        ("last", {"keys": "temp"}, "only uint64, int64, bool, tag, and string columns are supported"),
        ("last", {"keys": "nothing"}, "invalid key column provided: nothing"),
        ("last", {"name": "last", "keys": "room"}, "has a cache of that name already"),
        ("distinct", {}, "no columns provided"),
        ("distinct", {"columns": "temp"}, "only tag and string columns are supported"),
        ("distinct", {"columns": "room", "cardinality": "-1"}, "max cardinality"),
    ],
)
def test_what_cannot_be_created_is_told_in_place(
    engine: Engine, name: str, said: dict[str, str], told: str
) -> None:
    """In the words of the server where it has any; nothing is created."""
    inspector = looking_at(CacheListState(LAST if name == "last" else DISTINCT, engine))
    assert told in act(inspector, "create", **said)
    assert inspector.failed
    assert len(shown(inspector)) == 1


def test_a_cache_that_is_gone_and_comes_back_is_followed(engine: Engine) -> None:
    """What was there last stays meanwhile; the new cache of the name has its own rows."""
    inspector = last(engine)
    engine.last_caches.delete("house", "home", "last")
    inspector.refresh_if_changed()
    assert "this is what was there last" in inspector.text()
    assert inspector.actions == ()
    engine.last_caches.create("house", "home", name="last", key_columns=["room"])
    inspector.refresh_if_changed()
    assert (inspector.problem, len(shown(inspector))) == ("", 2)
    engine.last_caches.delete("house", "home", "last")
    with pytest.raises(CacheNotFoundError):
        last(engine)


def test_columns_of_the_ages_names_are_told_apart(engine: Engine) -> None:
    """Whatever a table's columns are called."""
    write(engine, "odd,last_seen=x,expires=y inserted\\ (UTC)=1,expires\\ (UTC)=2", at=1)
    engine.last_caches.create("house", "odd", name="odd")
    engine.distinct_caches.create("house", "odd", name="odd", columns=["last_seen", "expires"])
    (row,) = shown(looking_at(LastCacheState(engine, ("house", "odd", "odd"))))
    assert (row["inserted (UTC)"], row["inserted (UTC)′"]) == ("1.0", MADE_AT)
    inspector = looking_at(DistinctCacheState(engine, ("house", "odd", "odd")))
    assert column(inspector, "last_seen / expires") == ["▸ x"]


def test_many_rows_are_looked_at_more_seldom(clock: VirtualClock) -> None:
    """A look takes a twentieth of the time at most; few rows are looked at whenever they change."""
    pace = Pace(clock.now_ns)
    for rows, is_due in ((FEW_ROWS, True), (FEW_ROWS + 1, False)):
        pace.begin()
        clock.advance(1)
        pace.end(rows)
        assert pace.is_due is is_due
    clock.advance(20)
    assert pace.is_due


def test_inspect_shows_both_kinds_by_name(notebook: Notebook) -> None:
    """%inspect takes a cache's name, or its table's, and prints its newest rows."""
    notebook.run("%%write house\nhome,building=A,room=Hall temp=1")
    notebook.engine.last_caches.create("house", "home", name="mine")
    notebook.engine.distinct_caches.create("house", "home", columns=["building", "room"])
    assert column(notebook.run("%inspect last mine"), "room") == ["Hall"]
    inspector: Any = notebook.run("%inspect distinct home --filter hall")
    assert tree(inspector) == ["▾ A", "..· Hall"]
    assert "▾ A" in inspector.text()


def test_a_distinct_cache_of_old_rows_alone_says_why_it_is_empty(
    engine: Engine, clock: VirtualClock
) -> None:
    """Rows that are older than the max age are in no cache; where there are none, the next write brings some."""
    clock.advance(1_000)
    assert distinct(engine).hint == (
        "no value: the newest row of home is of 2023-11-14 22:13:24 UTC, older than the max age of 1m 40s; a cache "
        "of a longer --max-age has what is older"
    )
    engine.catalog.create_table("house", "empty", tags=["room"], fields=[])
    engine.distinct_caches.create("house", "empty", name="rooms", columns=["room"])
    of_nothing = looking_at(DistinctCacheState(engine, ("house", "empty", "rooms")))
    assert of_nothing.hint == "no value; the next write to its table brings some"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (4 * 3600, "4h"),
        (86_400, "1day"),
        (90 * 86_400, "90days"),
        (36_500 * 86_400, "36500days"),
        (90, "1m 30s"),
    ],
)
def test_spans_of_whole_days_are_told_in_days(seconds: int, text: str) -> None:
    """Not in years and months that do not add up; a form takes the text as it is shown."""
    assert span_text(seconds) == text
    assert parse_duration(text) == seconds * SECOND
