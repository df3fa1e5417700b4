"""What queries see of applied rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from procengine.errors import NotFoundError
from procengine.file_system import LOCAL
from procengine.model.column import Column, ColumnType
from procengine.write.snapshot_tracker import SnapshotPolicy, SnapshotTracker
from procengine.write.table_buffer import LONG_TAIL
from procengine.write.write_buffer import WriteBuffer
from tests.some_rows import some_rows
from tests.write.buffers import HOME, Definition, SmallCatalog, apply, contents, merged


def memory_buffer(catalog: SmallCatalog | None = None, **policy: int) -> WriteBuffer:
    return WriteBuffer(None, catalog=catalog or SmallCatalog(), policy=SnapshotPolicy(**policy))


def test_write_buffer_shows_what_was_applied() -> None:
    """Rows can be queried as soon as they are applied, and a view never changes."""
    buffer = memory_buffer()
    apply(buffer, 1, ("a", 1, 1.0))
    view = buffer.view(1)
    apply(buffer, 2, ("a", 2, 2.0))
    assert merged(view, LOCAL) == [("a", 1.0, 1)]
    assert merged(buffer.view(1), LOCAL) == [("a", 1.0, 1), ("a", 2.0, 2)]


def test_write_buffer_merges_duplicates() -> None:
    """Section 11: rows of the same tags and time merge, the later one wins."""
    buffer = memory_buffer()
    apply(buffer, 1, ("a", 1, 1.0), ("a", 1, 2.0))
    apply(buffer, 2, ("a", 1, 3.0))
    assert merged(buffer.view(1), LOCAL) == [("a", 3.0, 1)]


def test_write_buffer_table_without_rows_is_empty() -> None:
    """A table that exists and was never written to has a schema and no rows."""
    view = memory_buffer().view(2)
    assert (view.schema, view.files, view.batches()) == (HOME, (), ())


def test_write_buffer_refuses_unknown_tables() -> None:
    """A view of a table that the catalog does not know is an error."""
    with pytest.raises(NotFoundError, match="no table has id 9"):
        memory_buffer().view(9)


def test_write_buffer_drops_rows_of_tables_that_are_gone() -> None:
    """Rows of a table that the catalog does not know, or that was deleted for good, are passed over."""
    buffer = memory_buffer()
    apply(buffer, 1, ("a", 1, 1.0), table_id=9)
    apply(buffer, 2, ("a", 1, 1.0))
    buffer.delete_table(1)
    apply(buffer, 3, ("a", 2, 1.0))
    assert buffer.statistics().table_count == 0
    assert buffer.view(1).batches() == ()


def test_write_buffer_deletes_the_tables_of_a_database() -> None:
    """Deleting a database forgets the rows of all its tables."""
    buffer = memory_buffer()
    buffer.apply(contents(1, some_rows(("a", 1, 1.0)), some_rows(("a", 1, 1.0), table_id=2)))
    buffer.delete_database(1)
    assert buffer.statistics().buffered_row_count == 0


def test_write_buffer_apply_is_idempotent() -> None:
    """The same flush applied again changes nothing."""
    buffer = memory_buffer()
    for _ in range(2):
        apply(buffer, 1, ("a", 1, 1.0))
    assert buffer.statistics().buffered_row_count == 1


def test_write_buffer_view_has_columns_added_later() -> None:
    """Rows written before a column was added show null there, tags included."""
    catalog = SmallCatalog()
    buffer = memory_buffer(catalog)
    apply(buffer, 1, ("a", 1, 1.0))
    assert buffer.view(1).batches()[0].num_columns == 3
    added = (Column("floor", ColumnType.TAG), Column("note", ColumnType.STRING))
    catalog.tables[1] = Definition(HOME.with_columns(added))
    apply(buffer, 2, ("a", 1, 2.0))
    view = buffer.view(1)
    assert view.batches()[0].schema == catalog.tables[1].schema.arrow_schema
    assert merged(view, LOCAL) == [("a", 2.0, 1)]


def test_write_buffer_shares_the_arrays_of_a_write() -> None:
    """A write that lies alone in the buffer is there with its own buffers, before and after a view."""
    buffer = memory_buffer()
    rows = some_rows(("a", 1, 1.0))
    buffer.apply(contents(1, rows))
    assert buffer.held_batches(1)[0] is rows.batch
    (seen,) = buffer.view(1).batches()
    assert seen.column("temp").buffers()[1].address == rows.batch.column("temp").buffers()[1].address
    assert buffer.held_batches(1)[0] is rows.batch


def test_write_buffer_asks_for_compaction_of_many_writes() -> None:
    """Many tiny writes that nobody queries are gathered without a query."""
    buffer = memory_buffer()
    for number in range(1, LONG_TAIL):
        apply(buffer, number, ("a", number, 0.0))
    assert not buffer.due.is_set()
    apply(buffer, LONG_TAIL, ("a", 0, 0.0))
    assert buffer.due.is_set()
    buffer.compact()
    assert len(buffer.held_batches(1)) == 1


def test_write_buffer_asks_for_compaction_of_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Large writes are gathered without a query, once there is something to gather."""
    monkeypatch.setattr("procengine.write.table_buffer.GROUP_ROWS", 3)
    buffer = memory_buffer()
    apply(buffer, 1, *(("a", number, 0.0) for number in range(5)))
    assert not buffer.due.is_set()
    apply(buffer, 2, ("a", 9, 0.0))
    assert buffer.due.is_set()


def test_write_buffer_without_a_folder_makes_no_snapshot(tmp_path: Path) -> None:
    """With the memory object store rows stay in memory, whatever the policy says."""
    buffer = memory_buffer(rows=1)
    apply(buffer, 1, ("a", 1, 1.0))
    assert not buffer.snapshot_due
    assert buffer.snapshot() is None
    assert buffer.load() == 0


@pytest.mark.parametrize("limit", ["flushes", "rows", "values"])
def test_tracker_first_limit_reached_makes_a_snapshot_due(limit: str) -> None:
    """Any one limit suffices."""
    tracker = SnapshotTracker(policy=SnapshotPolicy(**{limit: 2}))
    for _ in range(2):
        assert not tracker.due
        tracker.flushes += 1
        tracker.add_rows(1, 1)
    assert tracker.due


def test_tracker_counts_again_what_failed() -> None:
    """Counts taken by a snapshot that failed are added to those since."""
    tracker = SnapshotTracker(policy=SnapshotPolicy(rows=3))
    tracker.add_rows(2, 1)
    taken = tracker.take()
    tracker.add_rows(1, 1)
    assert not tracker.due
    tracker.give_back(taken)
    assert tracker.due


def test_policy_refuses_limits_below_one() -> None:
    """A limit of zero would make a snapshot of nothing, for ever."""
    with pytest.raises(ValueError, match="must be 1 or more"):
        SnapshotPolicy(rows=0)
