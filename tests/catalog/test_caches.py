"""Caches in the catalog: created, deleted, and gone with their table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from procengine.catalog import Catalog
from procengine.clock import VirtualClock
from procengine.errors import (
    AlreadyExistsError,
    CacheNotFoundError,
    DatabaseNotFoundError,
    InvalidInputError,
    TableNotFoundError,
)
from procengine.model.catalog_event import (
    CatalogEvent,
    DistinctCacheCreated,
    DistinctCacheDeleted,
    LastCacheCreated,
    LastCacheDeleted,
)
from procengine.model.column import Column, ColumnType

NOW_NS = 1_735_689_600_000_000_000


@pytest.fixture
def catalog() -> Iterator[Catalog]:
    one = Catalog(None, clock=VirtualClock(NOW_NS))
    one.start()
    one.create_table("house", "home", tags=["room"], fields=[Column("temp", ColumnType.FLOAT)])
    yield one
    one.close()


def test_caches_belong_to_their_table(catalog: Catalog) -> None:
    """A created cache stands with its table, under its name; ids of both kinds are never used again."""
    last = catalog.create_last_cache("house", "home")
    distinct = catalog.create_distinct_cache("house", "home", columns=["room"])
    table = catalog.database("house").tables["home"]
    assert dict(table.last_caches) == {"home_room_last_cache": last}
    assert dict(table.distinct_caches) == {"home_room_distinct_cache": distinct}
    assert (last.cache_id, distinct.cache_id, last.created_ns) == (1, 2, NOW_NS)
    catalog.delete_distinct_cache("house", "home", distinct.name)
    assert catalog.create_last_cache("house", "home", name="other").cache_id == 3


def test_caches_of_one_name_are_refused(catalog: Catalog) -> None:
    """A taken name is refused with 409, the same definition too; the two kinds do not share names."""
    catalog.create_last_cache("house", "home", name="one")
    catalog.create_distinct_cache("house", "home", name="one", columns=["room"])
    for create in (
        lambda: catalog.create_last_cache("house", "home", name="one"),
        lambda: catalog.create_last_cache("house", "home", name="one", count=2),
        lambda: catalog.create_distinct_cache("house", "home", name="one", columns=["room"]),
    ):
        with pytest.raises(AlreadyExistsError) as raised:
            create()
        assert str(raised.value) == "attempted to create a resource that already exists"
        assert raised.value.http_status == 409


def test_caches_need_their_table(catalog: Catalog) -> None:
    """Without the database or the table nothing is created or deleted: 404."""
    with pytest.raises(DatabaseNotFoundError):
        catalog.create_last_cache("nope", "home")
    with pytest.raises(TableNotFoundError):
        catalog.create_distinct_cache("house", "nope", columns=["room"])
    with pytest.raises(TableNotFoundError):
        catalog.delete_last_cache("house", "nope", "x")
    with pytest.raises(CacheNotFoundError, match="the requested resource was not found: x") as raised:
        catalog.delete_distinct_cache("house", "home", "x")
    assert raised.value.http_status == 404
    with pytest.raises(InvalidInputError, match="cannot modify internal db"):
        catalog.create_last_cache("_internal", "home")


def test_caches_go_with_table_and_database(catalog: Catalog) -> None:
    """A deleted table's caches are gone, and those of a deleted database; the table's name is free for others."""
    catalog.create_last_cache("house", "home")
    catalog.create_distinct_cache("house", "home", columns=["room"])
    catalog.delete_table("house", "home")
    assert catalog.last_cache_definitions() == catalog.distinct_cache_definitions() == []
    catalog.create_table("house", "home", tags=["room"])
    catalog.create_last_cache("house", "home")
    catalog.delete_database("house")
    assert catalog.last_cache_definitions() == []


def test_caches_come_back_with_their_table(catalog: Catalog) -> None:
    """What a deletion took away, a restoration gives back, caches included."""
    made = catalog.create_last_cache("house", "home")
    catalog.delete_table("house", "home")
    catalog.restore_table("house", "home")
    assert [cache for cache, _ in catalog.last_cache_definitions()] == [made]


def test_caches_survive_new_columns(catalog: Catalog) -> None:
    """A table that gets another column keeps its caches."""
    made = catalog.create_last_cache("house", "home")
    catalog.evolve("house", {"home": [Column("hum", ColumnType.FLOAT)]})
    assert [cache for cache, _ in catalog.last_cache_definitions()] == [made]


def test_caches_are_announced(catalog: Catalog) -> None:
    """Subscribers hear of each creation and deletion."""
    events: list[CatalogEvent] = []
    catalog.subscribe(events.append)
    last = catalog.create_last_cache("house", "home")
    distinct = catalog.create_distinct_cache("house", "home", columns=["room"])
    catalog.delete_last_cache("house", "home", last.name)
    catalog.delete_distinct_cache("house", "home", distinct.name)
    assert events == [
        LastCacheCreated(database_id=2, last_cache=last),
        DistinctCacheCreated(database_id=2, distinct_cache=distinct),
        LastCacheDeleted(database_id=2, last_cache=last),
        DistinctCacheDeleted(database_id=2, distinct_cache=distinct),
    ]
