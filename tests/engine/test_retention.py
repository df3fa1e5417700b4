"""What is kept, for how long, and what can be had back: retention periods, deletion, restoration."""

from __future__ import annotations

from pathlib import Path

import pytest

from procengine import Engine
from procengine.catalog.definitions import HardDeletion
from procengine.clock import VirtualClock
from procengine.errors import (
    AlreadyExistsError,
    DatabaseNotFoundError,
    InvalidInputError,
    ProcengineError,
    TableNotFoundError,
)

HOUR_NS = 3600 * 10**9
NOON_NS = 1_700_000_000 * 10**9


class Store:
    """An engine on one folder, at a time of its own, that can be started anew."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.clock = VirtualClock(NOON_NS)
        self.engine = self._start()

    def _start(self) -> Engine:
        return Engine(data_dir=self.folder, clock=self.clock, environ={})

    def restart(self) -> None:
        """Stop the engine and start another one on the folder."""
        self.engine.stop()
        self.engine = self._start()

    def write(self, *hours_ago: float, table: str = "home") -> None:
        """Write rows that are some hours old; the field says how many."""
        now_ns = self.clock.now_ns()
        lines = [f"{table},room=a age={ago} {now_ns - round(ago * HOUR_NS)}" for ago in hours_ago]
        self.engine.write("house", "\n".join(lines), precision="ns")

    def ages(self, where: str = "true", table: str = "home") -> list[float]:
        """Return the ages that a query finds, as they were when they were written."""
        sql = f'SELECT age FROM "{table}" WHERE {where} ORDER BY age'
        return [row["age"] for row in self.engine.query(sql, "house").to_pylist()]

    def parquet_rows(self) -> int:
        """Return how many rows lie in Parquet files, whatever a query may see."""
        return sum(file.row_count for file in self.engine.write_buffer.files())


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A store whose engine is stopped in the end."""
    made = Store(tmp_path / "data")
    yield made
    made.engine.stop()


@pytest.mark.parametrize("place", ["buffer", "files", "both"])
def test_retention_hides_rows_to_the_nanosecond_wherever_they_lie(store: Store, place: str) -> None:
    """A row whose time is before now less the period is not there for queries; one at the instant itself is."""
    store.engine.catalog.create_database("house")
    store.write(3, 2, 1, 0)
    if place != "buffer":
        store.engine.snapshot()
    if place == "both":
        store.write(2, 0.5)  # the row of two hours ago once more: the two are merged
    store.engine.catalog.set_retention_period("house", 2 * HOUR_NS)
    kept = [0.0, 0.5, 1.0, 2.0] if place == "both" else [0.0, 1.0, 2.0]
    assert store.ages() == kept
    assert store.ages("room = 'a' AND time > '1970-01-01'") == kept
    store.clock.advance_to(NOON_NS + 1)
    assert store.ages() == kept[:-1]
    count = store.engine.query("SELECT count(*) AS n FROM home", "house").to_pylist()
    assert count == [{"n": len(kept) - 1}]


def test_table_period_goes_before_that_of_its_database(store: Store) -> None:
    """A table's own period holds, longer or shorter; cleared, the database's does; cleared too, all is kept."""
    catalog = store.engine.catalog
    catalog.create_database("house", retention_period_ns=HOUR_NS)
    store.write(3, 0)
    assert store.ages() == [0.0]
    catalog.set_retention_period("house", 4 * HOUR_NS, table="home")
    assert store.ages() == [0.0, 3.0]
    catalog.set_retention_period("house", None, table="home")
    catalog.set_retention_period("house", None)
    assert store.ages() == [0.0, 3.0]


def test_files_go_when_all_of_their_rows_are_past(store: Store) -> None:
    """The clock makes a file go, also over a restart, and not before its last row is past."""
    store.engine.catalog.create_database("house", retention_period_ns=2 * HOUR_NS)
    store.write(1.5, 1)
    store.engine.snapshot()
    store.clock.advance(3600)
    store.engine.snapshot()
    assert (store.parquet_rows(), store.ages()) == (2, [1.0])
    store.restart()
    store.clock.advance(1)
    store.engine.snapshot()
    assert (store.parquet_rows(), store.ages()) == (0, [])


def test_the_clock_itself_calls_for_what_is_due(store: Store) -> None:
    """Nobody has to ask: when the instant comes the snapshot thread is woken."""
    store.engine.catalog.create_database("house", retention_period_ns=HOUR_NS)
    store.write(0)
    store.engine.snapshot()
    assert store.clock.next_due_ns == NOON_NS + HOUR_NS + 1


def test_rows_in_memory_go_too(tmp_path: Path) -> None:
    """An engine without files holds no rows that nobody can see."""
    clock = VirtualClock(NOON_NS)
    with Engine(clock=clock, environ={}) as engine:
        engine.catalog.create_database("house", retention_period_ns=HOUR_NS)
        engine.write("house", f"home age=1 {NOON_NS}", precision="ns")
        engine.query("SELECT * FROM home", "house")
        clock.advance(3601)
        engine.snapshot()
        assert engine.write_buffer.statistics().buffered_row_count == 0


def test_period_survives_a_restart(store: Store) -> None:
    """What was said about a database and about a table is in the log and in the catalog's snapshot."""
    catalog = store.engine.catalog
    catalog.create_database("house")
    store.write(3, 1)
    catalog.set_retention_period("house", 2 * HOUR_NS)
    catalog.set_retention_period("house", 4 * HOUR_NS, table="home")
    store.restart()
    assert store.ages() == [1.0, 3.0]
    store.engine.catalog.set_retention_period("house", None, table="home")
    assert store.ages() == [1.0]


def test_restored_table_has_its_rows(store: Store) -> None:
    """Until its time a deleted table comes back as it was, under either of its names; queries see it at once."""
    store.write(2, 1)
    store.engine.snapshot()
    store.write(0)
    deleted = store.engine.catalog.delete_table("house", "home")
    with pytest.raises(ProcengineError, match="home"):
        store.ages()
    store.restart()
    store.engine.catalog.restore_table("house", deleted.name)
    assert store.ages() == [0.0, 1.0, 2.0]
    store.engine.catalog.delete_table("house", "home")
    store.engine.catalog.restore_table("house", "home")
    assert store.ages() == [0.0, 1.0, 2.0]


def test_restored_database_has_the_tables_that_went_with_it(store: Store) -> None:
    """Tables that were deleted before the database stay deleted, and can be restored after it."""
    catalog = store.engine.catalog
    store.write(0)
    store.write(1, table="other")
    catalog.delete_table("house", "other")
    store.clock.advance(1)
    catalog.delete_database("house")
    with pytest.raises(DatabaseNotFoundError):
        store.ages()
    store.restart()
    catalog = store.engine.catalog
    catalog.restore_database("house")
    assert list(catalog.database("house").tables) == ["home"]
    assert store.ages() == [0.0]
    catalog.restore_table("house", "other")
    assert store.ages(table="other") == [1.0]


def test_nothing_is_restored_over_what_took_its_name(store: Store) -> None:
    """A name in use is not taken back; the error says by what."""
    catalog = store.engine.catalog
    store.write(1)
    catalog.delete_table("house", "home")
    store.write(0)
    with pytest.raises(AlreadyExistsError, match="there is a table 'home' again; delete that first"):
        catalog.restore_table("house", "home")
    store.clock.advance(1)
    catalog.delete_table("house", "home")
    with pytest.raises(InvalidInputError, match=r"there are several; expected one of 'home-.*', 'home-"):
        catalog.restore_table("house", "home")


def test_hard_deletion_removes_the_bytes_when_its_time_comes(store: Store) -> None:
    """From then on there is nothing to restore, and no file, no row of the log and no definition is left."""
    catalog = store.engine.catalog
    store.write(2)
    store.engine.snapshot()
    store.write(1)
    catalog.delete_database("house", store.clock.now_ns() + HOUR_NS)
    store.clock.advance(3599)
    store.engine.snapshot()
    assert store.parquet_rows() == 2
    store.clock.advance(1)
    with pytest.raises((InvalidInputError, DatabaseNotFoundError)):
        catalog.restore_database("house")
    store.engine.snapshot()
    assert store.parquet_rows() == 0
    assert [one.name for one in catalog.all_databases()] == ["_internal"]
    store.restart()
    assert store.engine.write_buffer.table_ids() == ()
    assert not list(store.folder.rglob("*.parquet"))


def test_hard_deletion_now_needs_no_waiting(store: Store) -> None:
    """`now` forgets at once; the name is free for another table, whose rows are its own."""
    store.write(2)
    store.engine.catalog.delete_table("house", "home", HardDeletion.NOW)
    with pytest.raises(TableNotFoundError):
        store.engine.catalog.restore_table("house", "home")
    store.write(0)
    store.restart()
    assert store.ages() == [0.0]


def test_another_time_for_a_deleted_database_is_its_tables_time_too(store: Store) -> None:
    """Deleting a deleted database sets when all of it goes."""
    catalog = store.engine.catalog
    store.write(0)
    deleted = catalog.delete_database("house", HardDeletion.NEVER)
    catalog.delete_database(deleted.name, store.clock.now_ns() + HOUR_NS)
    store.clock.advance(3600)
    store.engine.snapshot()
    assert [one.name for one in catalog.all_databases()] == ["_internal"]


def test_writes_to_a_deleted_database_are_refused_by_the_name_it_bears(store: Store) -> None:
    """The original's text (section 11)."""
    store.write(0)
    deleted = store.engine.catalog.delete_database("house")
    text = f"cannot write to soft-deleted database '{deleted.name}' - it is marked for deletion"
    with pytest.raises(InvalidInputError) as raised:
        store.engine.write(deleted.name, "home age=1")
    assert str(raised.value) == text


def test_internal_database_keeps_its_period(store: Store) -> None:
    """`_internal` is not the user's to change."""
    with pytest.raises(InvalidInputError, match="cannot modify internal db"):
        store.engine.catalog.set_retention_period("_internal", None)
