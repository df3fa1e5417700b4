"""How query results look to plugins: the type table of section 5."""

from __future__ import annotations

import datetime

import pyarrow as pa
import pytest

from procengine.processing.query_rows import query_rows


def test_every_column_is_present() -> None:
    """Section 5: all columns in every row, NULL as None; timestamps are integers, never datetime."""
    table = pa.table(
        {
            "i": pa.array([1, None]),
            "u": pa.array([2**64 - 1, None], pa.uint64()),
            "f": pa.array([0.5, None]),
            "b": pa.array([True, None]),
            "s": pa.array(["x", None]),
            "tag": pa.array(["y", None]).dictionary_encode(),
            "t": pa.array([7, None], pa.timestamp("ns")),
            "z": pa.array([8, None], pa.timestamp("ns", "UTC")),
        }
    )
    assert query_rows(table) == [
        {"i": 1, "u": 2**64 - 1, "f": 0.5, "b": True, "s": "x", "tag": "y", "t": 7, "z": 8},
        dict.fromkeys(table.column_names),
    ]


KEY = 'Field { name: "key", data_type: Utf8 }'
VALUE = 'Field { name: "value", data_type: Int64, nullable: true }'


@pytest.mark.parametrize(
    ("array", "name"),
    [
        (pa.array([1], pa.int32()), "Int32"),
        (pa.array([1], pa.uint8()), "UInt8"),
        (pa.array([1.0], pa.float32()), "Float32"),
        (pa.array(["x"], pa.string_view()), "Utf8View"),
        (pa.array(["x"], pa.large_string()), "LargeUtf8"),
        (pa.array([b"x"]), "Binary"),
        (pa.array([datetime.date(2024, 1, 1)]), "Date32"),
        (pa.array([5], pa.duration("ns")), "Duration(Nanosecond)"),
        (pa.array([5], pa.timestamp("ms")), "Timestamp(Millisecond, None)"),
        (pa.array([5], pa.timestamp("s", "UTC")), 'Timestamp(Second, Some("UTC"))'),
        (pa.array(["x"], pa.dictionary(pa.int8(), pa.utf8())), "Dictionary(Int8, Utf8)"),
        (pa.array([[1]]), "List(Field { data_type: Int64, nullable: true })"),
        (
            pa.array([[1]], pa.list_(pa.int64(), 1)),
            "FixedSizeList(Field { data_type: Int64, nullable: true }, 1)",
        ),
        (
            pa.array([[("a", 1)]], pa.map_(pa.utf8(), pa.int64())),
            f'Map(Field {{ name: "entries", data_type: Struct([{KEY}, {VALUE}]) }}, false)',
        ),
    ],
)
def test_other_types_are_value_errors(array: pa.Array, name: str) -> None:
    """Section 5: ``Unsupported data type: …`` with the type's name in the original's Arrow library."""
    with pytest.raises(ValueError, match="Unsupported") as raised:
        query_rows(pa.table({"n": pa.array([1]), "x": array}))
    assert str(raised.value) == f"Unsupported data type: {name}"


def test_nulls_of_other_types_are_none() -> None:
    """Section 5: a null is None before its type is looked at."""
    table = pa.table({"d": pa.nulls(2, pa.date32()), "n": pa.nulls(2), "i": pa.array([1, 2])})
    assert query_rows(table) == [
        {"d": None, "n": None, "i": 1},
        {"d": None, "n": None, "i": 2},
    ]


def test_the_first_row_with_a_fault_decides() -> None:
    """The original reads row by row: the value that it meets first names the type."""
    table = pa.table({"a": pa.array([None, 1], pa.int8()), "b": pa.array([1, 1], pa.int16())})
    with pytest.raises(ValueError, match=r"^Unsupported data type: Int16$"):
        query_rows(table)


def test_no_rows_and_no_columns() -> None:
    """An empty result is an empty list."""
    assert query_rows(pa.table({"i": pa.array([], pa.int64())})) == []
    assert query_rows(pa.table({"d": pa.array([], pa.date32())})) == []
