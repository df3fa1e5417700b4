"""In which pieces a table's rows are held."""

from __future__ import annotations

import pyarrow as pa

from procengine.write.table_buffer import TableBuffer, compacted, grouped
from tests.some_rows import some_rows


def batch_of(count: int, first: int = 0) -> pa.RecordBatch:
    return some_rows(*(("a", first + number, 0.0) for number in range(count))).batch


def filled(*sizes: int) -> TableBuffer:
    buffer = TableBuffer(1, 1)
    first = 0
    for size in sizes:
        buffer.append(batch_of(size, first))
        pieces = buffer.pieces()
        buffer.install(pieces, compacted(pieces, ("room",)))
        first += size
    return buffer


def sizes_of(buffer: TableBuffer) -> list[int]:
    return [rows.row_count for rows in buffer.pieces().rows]


def test_buffer_merges_small_groups_into_large_ones() -> None:
    """However many small writes come, few groups are left, larger ones first, and no row is lost."""
    sizes = sizes_of(filled(*[1] * 100))
    assert sum(sizes) == 100
    assert len(sizes) <= 7
    assert sizes == sorted(sizes, reverse=True)


def test_buffer_leaves_large_groups_alone() -> None:
    """A group more than twice as large as the next is not copied again."""
    assert sizes_of(filled(100, 10)) == [100, 10]
    assert sizes_of(filled(100, 60)) == [160]


def test_buffer_keeps_a_single_write_as_it_is() -> None:
    """A write that stands alone is neither copied nor converted."""
    batch = batch_of(3)
    (group,) = grouped([batch], ("room",))
    assert group.batch is batch


def test_buffer_install_gives_way_to_a_snapshot() -> None:
    """Groups made from what was frozen meanwhile are dropped: no row is there twice."""
    buffer = TableBuffer(1, 1)
    buffer.append(batch_of(2))
    before = buffer.pieces()
    buffer.freeze(lambda: ("room",))
    buffer.append(batch_of(1))
    buffer.install(before, compacted(before, ("room",)))
    assert (buffer.row_count, buffer.tail_length, len(buffer.pieces().frozen)) == (3, 1, 1)


def test_buffer_install_keeps_later_writes() -> None:
    """Writes that came while groups were made stay behind them."""
    buffer = TableBuffer(1, 1)
    buffer.append(batch_of(2))
    before = buffer.pieces()
    buffer.append(batch_of(1))
    buffer.install(before, compacted(before, ("room",)))
    assert (sizes_of(buffer), buffer.tail_length) == ([2], 1)


def test_buffer_thaw_puts_older_rows_first() -> None:
    """Rows whose snapshot failed go back before those that came since."""
    buffer = TableBuffer(1, 1)
    buffer.append(batch_of(2))
    buffer.freeze(lambda: ("room",))
    buffer.append(batch_of(1))
    buffer.thaw()
    buffer.freeze(lambda: ("room",))
    assert [rows.row_count for rows in buffer.pieces().frozen] == [2, 1]


def test_buffer_groups_writes_of_different_columns() -> None:
    """Writes with different columns share a group; what a row lacks is null."""
    other = pa.record_batch({"extra": pa.array([7]), "time": pa.array([9], pa.timestamp("ns"))})
    (group,) = grouped([batch_of(1), other], ("room",))
    assert group.batch.column("extra").to_pylist() == [None, 7]
    assert group.batch.column("room").to_pylist() == ["a", None]
