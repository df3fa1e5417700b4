"""What a view shows, what pruning may leave out, and where it says that duplicates are."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procengine.model.column import Column, ColumnType
from procengine.model.table_schema import TableSchema
from procengine.write.buffered_rows import BufferedRows
from procengine.write.merge_duplicates import merge_duplicates
from procengine.write.parquet_file import ParquetFile
from procengine.write.table_view import TableView, united

SCHEMA = TableSchema(
    (
        Column("host", ColumnType.TAG),
        Column("v", ColumnType.FLOAT),
        Column("room", ColumnType.TAG),
        Column("late", ColumnType.STRING),
    )
)
Row = tuple[str | None, str | None, int, float | None]


def group(*rows: Row) -> BufferedRows:
    batch = pa.record_batch(
        {
            "v": pa.array([row[3] for row in rows], pa.float64()),
            "room": pa.array([row[1] for row in rows], pa.utf8()).dictionary_encode(),
            "host": pa.array([row[0] for row in rows], pa.utf8()).dictionary_encode(),
            "time": pa.array([row[2] for row in rows], pa.timestamp("ns")),
        }
    )
    return BufferedRows(batch, ("host", "room"))


def view_of(*groups: Sequence[Row]) -> TableView:
    return TableView(schema=SCHEMA, rows=[group(*rows) for rows in groups])


def read(view: TableView) -> list[Row]:
    """Return a view's buffered rows, merged over its pieces."""
    batches = view.batches()
    if not batches:
        return []
    merged = merge_duplicates(batches, SCHEMA.series_key)
    columns = [merged.column(name) for name in ("host", "room", "time", "v")]
    columns[2] = columns[2].cast(pa.int64())
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def file(first: int, last: int, number: int = 1) -> ParquetFile:
    return ParquetFile(
        path=f"{number}.parquet",
        number=number,
        database_id=1,
        table_id=1,
        size_bytes=1,
        checksum=0,
        row_count=1,
        min_time_ns=first,
        max_time_ns=last,
        sort_key=("time",),
    )


rows = st.tuples(
    st.sampled_from([None, "", "a", "b"]),
    st.sampled_from([None, "x", "y"]),
    st.integers(0, 12),
    st.none() | st.floats(allow_nan=False),
)
groups = st.lists(st.lists(rows, min_size=1, max_size=10), min_size=1, max_size=3)


def test_view_batches_have_the_whole_schema() -> None:
    """Columns are sorted by name, those that the rows lack are null, tags are dictionaries (section 12)."""
    (batch,) = view_of([("a", None, 1, 2.0)], [("b", "x", 2, None)]).batches()
    assert batch.schema == SCHEMA.arrow_schema
    assert batch.schema.names == ["host", "late", "room", "time", "v"]
    assert batch.column("late").to_pylist() == [None, None]
    assert batch.schema.field("host").type == pa.dictionary(pa.int32(), pa.utf8())


def test_view_batches_of_some_columns() -> None:
    """Only the columns asked for are handed out, in the schema's order."""
    (batch,) = view_of([("a", None, 1, 2.0)]).batches({"v", "host"})
    assert batch.schema.names == ["host", "v"]


def test_view_batches_share_the_buffers() -> None:
    """A view copies nothing of a group that is handed out whole."""
    held = group(("a", "x", 1, 2.0), ("a", "x", 2, 3.0))
    (batch,) = TableView(schema=SCHEMA, rows=[held]).batches()
    for name in ("v", "time"):
        given_buffers, held_buffers = batch.column(name).buffers(), held.batch.column(name).buffers()
        assert given_buffers[1].address == held_buffers[1].address


@given(groups, st.integers(-1, 13), st.integers(-1, 13), st.data())
@settings(max_examples=200, deadline=None)
def test_view_prune_keeps_every_row_that_matches(
    content: list[list[Row]], first: int, last: int, data: st.DataObject
) -> None:
    """Of buffered rows a pruned view holds those that match and no others, duplicates merged."""
    wanted = data.draw(
        st.dictionaries(
            st.sampled_from(["host", "room", "v", "unknown"]),
            st.frozensets(st.sampled_from(["", "a", "b", "x", "none"]), max_size=2),
        )
    )
    view = view_of(*content)

    def matches(row: Row) -> bool:
        tags = {"host": row[0], "room": row[1]}
        return first <= row[2] <= last and all(
            tags[tag] in values for tag, values in wanted.items() if tag in tags
        )

    pruned = view.prune(first, last, wanted)
    assert read(pruned) == [row for row in read(view) if matches(row)]
    assert set(pruned.overlaps) <= {one for one in pruned.overlaps if first <= one[0] <= one[1] <= last}


@given(groups)
@settings(max_examples=150, deadline=None)
def test_view_overlaps_cover_all_duplicates(content: list[list[Row]]) -> None:
    """Outside of the ranges no two rows handed out have the same tags and time."""
    view = view_of(*content)
    seen: set[tuple[object, ...]] = set()
    for batch in view.batches():
        times = batch.column("time").cast(pa.int64()).to_pylist()
        for key in zip(
            batch.column("host").to_pylist(), batch.column("room").to_pylist(), times, strict=True
        ):
            inside = any(first <= key[2] <= last for first, last in view.overlaps)
            assert inside or key not in seen
            seen.add(key)


def test_view_overlaps_are_of_series_not_of_times() -> None:
    """Groups that share times but no series do not overlap; those that share rows do, where they share them."""
    apart = view_of(
        [("a", None, 1, 1.0), ("a", None, 9, 1.0)], [("b", None, 1, 1.0), ("b", None, 9, 1.0)]
    )
    assert apart.overlaps == ()
    shared = view_of(
        [("a", None, 1, 1.0), ("a", None, 9, 1.0)], [("a", None, 5, 1.0), ("a", None, 9, 1.0)]
    )
    assert shared.overlaps == ((9, 9),)


def test_view_overlaps_see_through_added_tags() -> None:
    """A tag that was added later and is absent does not make another series."""
    old = BufferedRows(group(("a", None, 1, 1.0)).batch.select(["v", "host", "time"]), ("host",))
    view = TableView(schema=SCHEMA, rows=[old, group(("a", None, 1, 2.0), ("a", "x", 1, 3.0))])
    assert view.overlaps == ((1, 1),)


def test_view_overlaps_over_long_times() -> None:
    """Times that are far apart are compared as exactly as near ones."""
    far = 2**62
    view = view_of(
        [("a", None, -far, 1.0), ("b", None, 3, 1.0), ("b", None, far, 1.0)],
        [("a", None, far, 1.0), ("b", None, -far, 1.0), ("b", None, 3, 1.0)],
    )
    assert view.overlaps == ((3, 3),)


def test_view_overlaps_of_files() -> None:
    """Files are compared by their time ranges, among each other and with the buffer."""
    view = TableView(
        schema=SCHEMA,
        files=[file(0, 10, 1), file(5, 7, 2), file(10, 20, 3), file(30, 40, 4)],
        rows=[group(("a", None, 35, 1.0), ("a", None, 50, 1.0))],
    )
    assert view.overlaps == ((5, 7), (10, 10), (35, 40))
    assert view.prune(6, 36).overlaps == ((6, 7), (10, 10), (35, 35))


def test_view_prune_chooses_files_by_time() -> None:
    """Files whose times lie outside are left out; the bounds are included."""
    view = TableView(schema=SCHEMA, files=[file(0, 9, 1), file(10, 19, 2), file(20, 29, 3)])
    assert [one.number for one in view.prune(9, 10).files] == [1, 2]
    assert [one.number for one in view.prune(None, 5).files] == [1]
    assert [one.number for one in view.prune(20).files] == [3]


def test_view_prune_by_a_tag_that_rows_lack_finds_none() -> None:
    """An absent tag equals nothing, the empty text included."""
    view = view_of([("a", None, 1, 1.0)])
    assert view.prune(tag_equals={"room": frozenset([""])}).batches() == ()


@pytest.mark.parametrize("series", [10, 200])
def test_view_prune_of_few_series_and_many(series: int) -> None:
    """One series and a hundred are looked up in different ways, and found alike."""
    content = [(f"h{number}", None, time, 0.0) for time in range(4) for number in range(series)]
    wanted = frozenset(f"h{number}" for number in range(0, series, 2))
    pruned = view_of(content).prune(1, 2, {"host": wanted})
    assert len(read(pruned)) == pruned.row_count == len(wanted) * 2


def test_view_small_groups_make_one_batch() -> None:
    """DataFusion pays by the batch, so small groups are handed out together."""
    assert len(view_of(*([("a", None, time, 0.0)] for time in range(20))).batches()) == 1


def test_united_ranges() -> None:
    """Ranges that touch or overlap become one, in ascending order."""
    assert united([(5, 6), (1, 2), (3, 4), (10, 12), (11, 11)]) == ((1, 6), (10, 12))
