from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procengine.errors import InvalidInputError
from procengine.model.line_group import ParsedLines
from procengine.model.precision import Precision
from procengine.write.tabular import read_table

NOW_NS = 1_700_000_000_123_456_789


def read(data: object, *tags: str, **options: object) -> ParsedLines:
    arguments = {"table": "m", "tags": tags, "default_time_ns": NOW_NS, **options}
    return read_table(data, **arguments)  # type: ignore[arg-type]


def columns(parsed: ParsedLines) -> dict[str, str]:
    (group,) = parsed.groups
    assert [array.type for array in group.arrays] == [column.type.arrow_type for column in group.columns]
    return {column.name: column.type.value for column in group.columns}


def cells(parsed: ParsedLines, group: int = 0) -> dict[str, list[object]]:
    found = parsed.groups[group]
    return {
        column.name: array.to_pylist() for column, array in zip(found.columns, found.arrays, strict=True)
    }


def test_arrow_types_become_column_types() -> None:
    """Tags come first, in the order asked for; integers, unsigned, floats, booleans and strings are fields."""
    table = pa.table(
        {
            "i": pa.array([1], pa.int16()),
            "t2": pa.array(["b"]).dictionary_encode(),
            "u": pa.array([2], pa.uint8()),
            "f": pa.array([1.5], pa.float32()),
            "h": pa.array([np.float16(0.5)], pa.float16()),
            "b": [True],
            "s": pa.array(["x"], pa.large_utf8()),
            "v": pa.array(["y"], pa.string_view()),
            "d": pa.array(["z"]).dictionary_encode(),
            "n": pa.array([7], pa.int8()).dictionary_encode(),
            "time": pa.array([NOW_NS], pa.timestamp("ns")),
            "t1": pa.array(["a"], pa.large_utf8()),
        }
    )
    parsed = read(table, "t1", "t2")
    assert columns(parsed) == {
        "t1": "tag",
        "t2": "tag",
        "i": "integer",
        "u": "uinteger",
        "f": "float",
        "h": "float",
        "b": "boolean",
        "s": "string",
        "v": "string",
        "d": "string",
        "n": "integer",
    }
    assert list(cells(parsed).values()) == [
        ["a"],
        ["b"],
        [1],
        [2],
        [1.5],
        [0.5],
        [True],
        ["x"],
        ["y"],
        ["z"],
        [7],
    ]


def test_record_batches_and_other_arrow_exporters_are_tables() -> None:
    """A RecordBatch, or any object that exports an Arrow stream, is read as a table is."""

    class Exporter:
        def __arrow_c_stream__(self, requested_schema: object = None) -> object:
            return pa.table({"f": [1.0]}).__arrow_c_stream__(requested_schema)

    assert cells(read(pa.record_batch({"f": [1.0]}))) == {"f": [1.0]}
    assert cells(read(Exporter())) == {"f": [1.0]}


def test_null_cells_are_columns_that_the_row_does_not_have() -> None:
    """Rows are grouped by which cells are null; groups are ordered by first row and have no nulls."""
    table = pa.table({"t": ["a", None, "c", "d"], "f": [1.0, 2.0, None, 4.0], "g": [1, 2, 3, 4]})
    parsed = read(table, "t")
    assert [cells(parsed, group) for group in range(3)] == [
        {"t": ["a", "d"], "f": [1.0, 4.0], "g": [1, 4]},
        {"f": [2.0], "g": [2]},
        {"t": ["c"], "g": [3]},
    ]
    assert [group.line_numbers.tolist() for group in parsed.groups] == [[1, 4], [2], [3]]
    assert all(array.null_count == 0 for group in parsed.groups for array in group.arrays)


@settings(max_examples=60, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries({f"c{n}": st.one_of(st.none(), st.integers(-9, 9)) for n in range(40)}),
        max_size=6,
    )
)
def test_groups_hold_every_cell_of_every_row(rows: list[dict[str, int | None]]) -> None:
    """Put together again, the groups give the rows with their nulls left out; empty rows are errors."""
    schema = pa.schema([(f"c{n}", pa.int64()) for n in range(40)])
    parsed = read(pa.Table.from_pylist(rows, schema=schema))
    rebuilt: dict[int, dict[str, object]] = {error.line_number: {} for error in parsed.errors}
    for index, group in enumerate(parsed.groups):
        read_cells = cells(parsed, index)
        for place, line_number in enumerate(group.line_numbers.tolist()):
            rebuilt[line_number] = {name: values[place] for name, values in read_cells.items()}
    expected = [{name: value for name, value in row.items() if value is not None} for row in rows]
    assert [rebuilt[number] for number in sorted(rebuilt)] == expected
    assert [int(group.line_numbers[0]) for group in parsed.groups] == sorted(
        int(group.line_numbers[0]) for group in parsed.groups
    )


def test_nan_is_null_in_pandas_and_a_value_in_arrow() -> None:
    """pandas spells a missing float NaN; in Arrow a NaN is a float."""
    assert cells(read(pd.DataFrame({"f": [float("nan")], "g": [1]}))) == {"g": [1]}
    (values,) = cells(read(pa.table({"f": [float("nan")]}))).values()
    assert values[0] != values[0]


def test_a_dataframe_with_a_datetime_index() -> None:
    """A DatetimeIndex is the time, whatever its name, zone or unit."""
    index = pd.DatetimeIndex(
        ["2024-01-01 01:00", "2024-01-01 02:00"], tz="Europe/Berlin", name="when"
    ).as_unit("s")
    frame = pd.DataFrame(
        {"host": pd.Categorical(["a", "b"]), "f": [1.0, 2.0], "s": ["x", None]}, index=index
    )
    parsed = read(frame, "host")
    midnight_ns = 1_704_067_200 * 10**9
    assert [group.times_ns.tolist() for group in parsed.groups] == [
        [midnight_ns],
        [midnight_ns + 3600 * 10**9],
    ]
    assert cells(parsed) == {"host": ["a"], "f": [1.0], "s": ["x"]}


def test_a_time_column_goes_before_the_index_and_named_indexes_are_columns() -> None:
    """The column is the time where there is one; an index with a name is a column like others."""
    frame = pd.DataFrame({"time": [1, 2], "f": [1.0, 2.0]}, index=pd.Index(["a", "b"], name="host"))
    parsed = read(frame, "host", precision=Precision.SECOND)
    assert cells(parsed) == {"host": ["a", "b"], "f": [1.0, 2.0]}
    assert parsed.groups[0].times_ns.tolist() == [10**9, 2 * 10**9]


def test_pandas_nullable_types() -> None:
    """pandas' own nullable integers, booleans and strings are read with their nulls."""
    frame = pd.DataFrame(
        {
            "i": pd.array([1, None], dtype="Int32"),
            "b": pd.array([True, None], dtype="boolean"),
            "s": pd.array(["x", None], dtype="string"),
            "f": [1.0, 2.0],
        }
    )
    parsed = read(frame)
    assert [cells(parsed, group) for group in (0, 1)] == [
        {"i": [1], "b": [True], "s": ["x"], "f": [1.0]},
        {"f": [2.0]},
    ]


def test_a_dataframe_that_changes_later_changes_nothing() -> None:
    """Rows do not share memory with the DataFrame that they came from."""
    frame = pd.DataFrame({"f": np.array([1.0, 2.0]), "time": np.array([1, 2])})
    parsed = read(frame, precision=Precision.NANOSECOND)
    frame["f"].array._ndarray.setflags(write=True)
    frame["f"].array._ndarray[:] = 9.0
    frame["time"].array._ndarray.setflags(write=True)
    frame["time"].array._ndarray[:] = 9
    assert cells(parsed) == {"f": [1.0, 2.0]}
    assert parsed.groups[0].times_ns.tolist() == [1, 2]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "UTC", "+02:00"])
def test_timestamps_of_any_unit_and_zone(unit: str, zone: str | None) -> None:
    """Timestamps become nanoseconds UTC whatever the write's precision; without zone they are UTC."""
    instant = pa.array([1_700_000_000], pa.timestamp("s")).cast(pa.timestamp(unit, tz=zone))
    parsed = read(pa.table({"f": [1.0], "time": instant}), precision=Precision.MILLISECOND)
    assert parsed.groups[0].times_ns.tolist() == [1_700_000_000 * 10**9]


def test_integer_times_count_in_the_precision() -> None:
    """Integers in the time column are read as line protocol's timestamps are."""
    table = pa.table({"f": [1.0, 2.0], "ts": pa.array([1_700_000_000, 1_700_000_000_000], pa.uint64())})
    assert set(read(table, time_column="ts").groups[0].times_ns.tolist()) == {1_700_000_000 * 10**9}
    milliseconds = read(table.slice(1), time_column="ts", precision=Precision.MILLISECOND)
    assert milliseconds.groups[0].times_ns.tolist() == [1_700_000_000 * 10**9]


def test_rows_without_a_time_have_the_default_time() -> None:
    """A null in the time column, or no time at all, is the default time, truncated to the precision."""
    table = pa.table({"f": [1.0, 2.0], "time": pa.array([5, None], pa.timestamp("s"))})
    assert read(table).groups[0].times_ns.tolist() == [5 * 10**9, NOW_NS]
    seconds = read(pa.table({"f": [1.0]}), precision=Precision.SECOND)
    assert seconds.groups[0].times_ns.tolist() == [1_700_000_000 * 10**9]


def test_rows_without_any_time_are_refused() -> None:
    """Several rows of one time would replace each other: a table needs its column of times."""
    with pytest.raises(InvalidInputError, match=r"no column 'time': the 2 rows would all get the time"):
        read(pa.table({"f": [1.0, 2.0], "when": [1, 2]}), time_required=True)


def test_a_time_out_of_range_is_an_error_of_its_row() -> None:
    """A timestamp that does not fit nanoseconds rejects its row and no other."""
    table = pa.table({"f": [1.0, 2.0], "time": pa.array([2**40, 1], pa.timestamp("s"))})
    parsed = read(table)
    (error,) = parsed.errors
    assert (error.line_number, error.message) == (
        1,
        f"timestamp, {2**40}, out of range for precision: Second",
    )
    assert error.original_line == f"f=1.0,time={2**40}"
    assert parsed.groups[0].line_numbers.tolist() == [2]


def test_a_row_without_fields_is_an_error_of_its_row() -> None:
    """A row needs a field, as a line does; the error shows the row."""
    parsed = read(pa.table({"t": ["a", "b"], "f": [None, 1.0]}), "t")
    assert [(error.line_number, error.original_line) for error in parsed.errors] == [(1, "t='a'")]
    assert "No fields were provided" in parsed.errors[0].message
    assert parsed.original_line(2) == "t='b',f=1.0"


def test_a_text_over_one_mebibyte_is_an_error_of_its_row() -> None:
    """Texts have line protocol's limit of 1 MiB (section 11)."""
    parsed = read(pa.table({"s": ["a" * 1_048_576, "a" * 1_048_577]}))
    assert [error.line_number for error in parsed.errors] == [2]
    assert "'s'" in parsed.errors[0].message


def test_empty_tags_are_absent() -> None:
    """An empty text is no tag value, as in line protocol."""
    assert cells(read(pa.table({"t": [""], "f": [1.0]}), "t")) == {"f": [1.0]}


@pytest.mark.parametrize(
    "values",
    [
        pa.array([Decimal("1.5")]),
        pa.array([b"x"]),
        pa.array([[1]]),
        pa.array([{"a": 1}]),
        pa.array([date(2024, 1, 1)]),
        pa.array([timedelta(1)]),
        pa.array([datetime(2024, 1, 1, tzinfo=UTC)]),
    ],
)
def test_other_column_types_are_refused_by_name(values: pa.Array) -> None:
    """A column of another type is an error that names it, its type and what is accepted."""
    with pytest.raises(
        InvalidInputError, match=r"column 'odd' has type .*; accepted are integers, unsigned"
    ):
        read(pa.table({"f": [1.0], "odd": values}))


def test_a_timestamp_that_is_not_the_time_is_refused_with_the_remedy() -> None:
    """A table whose time has another name is told how to name it."""
    with pytest.raises(InvalidInputError, match="time_column='when'"):
        read(pa.table({"f": [1.0], "when": pa.array([1], pa.timestamp("s"))}))


@pytest.mark.parametrize("values", [pa.array([1]), pa.array([True]), pa.array([1.5])])
def test_tags_that_are_no_strings_are_refused(values: pa.Array) -> None:
    """A tag is a string; another type is an error that says so."""
    with pytest.raises(InvalidInputError, match=r"tag 't' has type .*; accepted are strings"):
        read(pa.table({"t": values, "f": [1.0]}), "t")


@pytest.mark.parametrize("tags", [("missing",), ("time",), ("t", "t")])
def test_tags_must_be_columns(tags: tuple[str, ...]) -> None:
    """A tag that is no column, is the time, or is named twice is an error."""
    with pytest.raises(InvalidInputError, match=r"tag '(missing|time|t)' is not one column of"):
        read(pa.table({"t": ["a"], "f": [1.0], "time": [1]}), *tags)


@pytest.mark.parametrize("values", [pa.array(["2024-01-01"]), pa.array([1.5]), pa.array([True])])
def test_times_of_other_types_are_refused(values: pa.Array) -> None:
    """The time is a timestamp or an integer."""
    with pytest.raises(
        InvalidInputError, match=r"time column 'time' has type .*; accepted are timestamps"
    ):
        read(pa.table({"f": [1.0], "time": values}))


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pd.DataFrame({"f": [1.0, "x"]}), "column 'f' .* holds values of no common type"),
        (pd.DataFrame({1: [1.0]}), "column 1 has a name that is not a string"),
        (pd.DataFrame([[1.0, 2.0]], columns=["f", "f"]), "column 'f' occurs twice"),
        ([1, 2], "cannot write a list; expected line protocol"),
    ],
)
def test_bad_containers(frame: object, message: str) -> None:
    """What cannot be read is refused with the reason."""
    with pytest.raises(InvalidInputError, match=message):
        read(frame)


def test_an_empty_table_has_no_rows() -> None:
    """No rows give neither groups nor errors."""
    parsed = read(pa.table({"f": pa.array([], pa.float64())}))
    assert (parsed.groups, parsed.errors) == ((), ())


def test_several_chunks_are_one_column() -> None:
    """A chunked table, with another dictionary in each chunk, is read as one."""
    chunk = pa.table({"t": pa.array(["a", "b"]).dictionary_encode(), "f": [1.0, 2.0]})
    other = pa.table({"t": pa.array(["c", "a"]).dictionary_encode(), "f": [3.0, 4.0]})
    parsed = read(pa.concat_tables([chunk, other]), "t")
    assert cells(parsed) == {"t": ["a", "b", "c", "a"], "f": [1.0, 2.0, 3.0, 4.0]}
