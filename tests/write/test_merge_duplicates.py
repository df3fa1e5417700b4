"""What is left of rows with the same tags and time, against a model in plain Python."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procengine.write.merge_duplicates import merge_duplicates

TAGS = ("host", "room")
SCHEMA = pa.schema(
    [
        ("host", pa.dictionary(pa.int32(), pa.utf8())),
        ("f", pa.float64()),
        ("i", pa.int64()),
        ("u", pa.uint64()),
        ("s", pa.utf8()),
        ("b", pa.bool_()),
        ("time", pa.timestamp("ns")),
        ("room", pa.dictionary(pa.int32(), pa.utf8())),
    ]
)
Row = dict[str, object]

rows = st.fixed_dictionaries(
    {
        "host": st.sampled_from([None, "", "a", "b", "ä"]),
        "f": st.none() | st.floats(allow_nan=False),
        "i": st.none() | st.integers(-(2**63), 2**63 - 1),
        "u": st.none() | st.integers(0, 2**64 - 1),
        "s": st.none() | st.text(max_size=3),
        "b": st.none() | st.booleans(),
        "time": st.integers(-2, 3) | st.integers(-(2**62), 2**62),
        "room": st.sampled_from([None, "a", "z"]),
    }
)


def batch_of(content: Sequence[Row]) -> pa.RecordBatch:
    arrays = [pa.array([row[field.name] for row in content], _plain(field.type)) for field in SCHEMA]
    return pa.RecordBatch.from_arrays(
        [
            array.dictionary_encode() if pa.types.is_dictionary(field.type) else array
            for array, field in zip(arrays, SCHEMA, strict=True)
        ],
        schema=SCHEMA,
    )


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def rows_of(batch: pa.RecordBatch) -> list[Row]:
    columns = {name: batch.column(name) for name in batch.schema.names}
    columns["time"] = columns["time"].cast(pa.int64())
    lists = {name: column.to_pylist() for name, column in columns.items()}
    return [dict(zip(lists, row, strict=True)) for row in zip(*lists.values(), strict=True)]


def model(content: Sequence[Row]) -> list[Row]:
    """Merge per field, last non-null wins; sort by tags (absent first, then UTF-8 bytes) and time."""
    merged: dict[tuple[object, ...], Row] = {}
    for row in content:
        key = (row["host"], row["room"], row["time"])
        held = merged.setdefault(key, dict(row))
        held.update({name: value for name, value in row.items() if value is not None})

    def place(row: Row) -> tuple[object, ...]:
        tags = [row[tag] for tag in TAGS]
        return (
            *((tag is not None, str(tag).encode() if tag is not None else b"") for tag in tags),
            row["time"],
        )

    return sorted(merged.values(), key=place)  # type: ignore[arg-type]


@given(st.lists(st.lists(rows, min_size=1, max_size=8), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_merge_equals_the_model(batches: list[list[Row]]) -> None:
    """Section 11: rows of the same table, tags and time merge per field, the last value that is not null wins."""
    merged = merge_duplicates([batch_of(one) for one in batches], TAGS)
    assert merged.schema == SCHEMA
    assert rows_of(merged) == model([row for one in batches for row in one])


@given(st.lists(rows, min_size=1, max_size=12), st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_merge_in_steps_equals_merge_at_once(content: list[Row], cut: int) -> None:
    """Merging a part first, and its result with the rest, changes nothing."""
    first, rest = content[:cut], content[cut:]
    parts = [merge_duplicates([batch_of(part)], TAGS) for part in (first, rest) if part]
    assert rows_of(merge_duplicates(parts, TAGS)) == model(content)


def test_merge_absent_tag_is_not_the_empty_one() -> None:
    """An absent tag is a series of its own, beside the tag with the empty value."""
    row = {"f": 1.0, "i": None, "u": None, "s": None, "b": None, "time": 0, "room": None}
    merged = merge_duplicates([batch_of([{"host": "", **row}, {"host": None, **row}])], TAGS)
    assert merged.column("host").to_pylist() == [None, ""]


def test_merge_reads_dictionaries_with_repeated_and_null_values() -> None:
    """Series are told apart by their values, however the dictionary is made."""
    hosts = pa.DictionaryArray.from_arrays(pa.array([0, 1, 2], pa.int32()), pa.array(["a", "a", None]))
    batch = pa.record_batch(
        {"host": hosts, "f": [1.0, 2.0, 3.0], "time": pa.array([5, 5, 5], pa.timestamp("ns"))}
    )
    merged = merge_duplicates([batch], ["host"])
    assert merged.column("f").to_pylist() == [3.0, 2.0]


def test_merge_without_tags() -> None:
    """A table without tags is one series."""
    batch = pa.record_batch({"f": [1.0, None, 3.0], "time": pa.array([5, 5, 1], pa.timestamp("ns"))})
    assert merge_duplicates([batch], []).column("f").to_pylist() == [3.0, 1.0]


@pytest.mark.parametrize("series", [3, 70_000])
def test_merge_of_many_series(series: int) -> None:
    """Few series and many are numbered in different ways, and sorted alike."""
    hosts = [f"h{number:06}" for number in range(series)] * 2
    batch = pa.record_batch(
        {
            "host": pa.array(hosts[::-1]).dictionary_encode(),
            "f": pa.array(range(len(hosts)), pa.float64()),
            "time": pa.array([0] * len(hosts), pa.timestamp("ns")),
        }
    )
    merged = merge_duplicates([batch], ["host"])
    assert merged.column("host").to_pylist() == hosts[:series]
    assert merged.column("f").to_pylist() == list(range(2 * series - 1, series - 1, -1))


def test_merge_keeps_the_first_value_where_it_is_asked_to() -> None:
    """Of a column named in ``first`` the oldest row's value stays, null included; of others the last that is not."""
    blank: Row = {field.name: None for field in SCHEMA} | {"time": 1, "room": "a"}
    content = [blank | {"i": 1, "f": 1.0}, blank | {"i": 2}, blank | {"i": 3, "f": 3.0}]
    [row] = rows_of(merge_duplicates([batch_of(content)], TAGS, first=("i", "s")))
    assert (row["i"], row["f"], row["s"]) == (1, 3.0, None)
