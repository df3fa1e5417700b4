"""Section 9 of the semantics, through the engine: last-value and distinct-value caches."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.errors import AlreadyExistsError, CacheNotFoundError


@pytest.fixture
def engine(clock: VirtualClock) -> Iterator[Engine]:
    """A running engine in memory, with a table of two tags and three fields."""
    with Engine(object_store="memory", environ={}, clock=clock) as running:
        running.write("house", 'home,room=Kitchen,wall=east co=9i,hum=36.0,note="x" 1')
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


def test_caches_survive_a_restart(tmp_path: Path) -> None:
    """The definitions are kept on disk."""
    with Engine(data_dir=tmp_path, environ={}) as engine:
        engine.write("house", "home,room=Kitchen temp=1 1")
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
