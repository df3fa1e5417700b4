"""Results are written in the original's formats (semantics, section 12)."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from procengine.errors import InvalidInputError, QueryError
from procengine.model.result_format import ResultFormat, format_result, result_chunks
from procengine.model.result_values import format_float, format_instant

TABLE = pa.table(
    {
        "room": pa.array(["Kitchen", None]).dictionary_encode(),
        "temp": pa.array([21.0, None]),
        "time": pa.array([1_641_024_000_000_000_000, 1_641_024_000_000_001_000], pa.timestamp("ns")),
        "ok": pa.array([True, None]),
        "n": pa.array([1, 2], pa.uint64()),
    }
)

PRETTY = """\
+---------+------+----------------------------+------+---+
| room    | temp | time                       | ok   | n |
+---------+------+----------------------------+------+---+
| Kitchen | 21.0 | 2022-01-01T08:00:00        | true | 1 |
|         |      | 2022-01-01T08:00:00.000001 |      | 2 |
+---------+------+----------------------------+------+---+"""

CSV = """\
room,temp,time,ok,n
Kitchen,21.0,2022-01-01T08:00:00,true,1
,,2022-01-01T08:00:00.000001,,2
"""


def text(format_name: str, table: pa.Table = TABLE) -> str:
    return format_result(table, ResultFormat.parse(format_name)).decode()


def test_pretty_draws_a_table() -> None:
    """Pretty output is Arrow's drawing, without a line end at its end."""
    assert text("pretty") == PRETTY


def test_csv_has_one_header_and_empty_nulls() -> None:
    """NULL is an empty field."""
    assert text("csv") == CSV


def test_json_leaves_out_nulls() -> None:
    """A NULL has no key; times have no Z."""
    assert json.loads(text("json")) == [
        {"room": "Kitchen", "temp": 21.0, "time": "2022-01-01T08:00:00", "ok": True, "n": 1},
        {"time": "2022-01-01T08:00:00.000001", "n": 2},
    ]


def test_json_lines_is_one_object_a_line() -> None:
    """Each row is a line of its own."""
    assert [json.loads(line)["n"] for line in text("jsonl").splitlines()] == [1, 2]


def test_parquet_reads_back() -> None:
    """Parquet output is a Parquet file of the same rows."""
    data = format_result(TABLE, ResultFormat.PARQUET)

    assert pq.read_table(io.BytesIO(data)).num_rows == 2


@pytest.mark.parametrize(
    ("name", "expected"), [("json", "[]"), ("jsonl", ""), ("csv", ""), ("parquet", "")]
)
def test_a_result_without_rows_is_empty(name: str, expected: str) -> None:
    """Without rows there is neither a header nor a file."""
    assert text(name, TABLE.slice(0, 0)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(1.0, "1.0"), (0.1, "0.1"), (1e22, "1e22"), (1e-7, "1e-7"), (float("nan"), "NaN"), (-0.0, "-0.0")],
)
def test_floats_are_written_shortest(value: float, expected: str) -> None:
    """Exponents have neither plus sign nor leading zeros."""
    assert format_float(value) == expected


@pytest.mark.parametrize(
    ("value", "unit", "zone", "expected"),
    [
        (0, "ns", None, "1970-01-01T00:00:00"),
        (-1, "ns", None, "1969-12-31T23:59:59.999999999"),
        (1_500, "ms", None, "1970-01-01T00:00:01.500"),
        (1, "us", None, "1970-01-01T00:00:00.000001"),
        (0, "ns", "UTC", "1970-01-01T00:00:00Z"),
        (0, "s", "America/New_York", "1969-12-31T19:00:00-05:00"),
        (0, "s", "+02:00", "1970-01-01T02:00:00+02:00"),
    ],
)
def test_instants_have_a_zone_only_where_the_column_has(
    value: int, unit: str, zone: str | None, expected: str
) -> None:
    """Fractions come in groups of three digits; only zoned columns show an offset."""
    assert format_instant(value, unit, zone=zone) == expected


def test_unknown_format_is_refused() -> None:
    """The error names the formats."""
    with pytest.raises(InvalidInputError, match="'xml'; accepted: pretty, json, jsonl, csv, parquet"):
        ResultFormat.parse("xml")


def test_nested_values_are_written() -> None:
    """Lists and structs, as system tables and selectors give them, have a text form and a JSON form."""
    table = pa.table({"l": [["a", "b"]], "s": [{"value": 1.0, "time": None}]})

    assert text("pretty", table).splitlines()[3] == "| [a, b] | {value: 1.0, time: } |"
    assert json.loads(text("json", table)) == [{"l": ["a", "b"], "s": {"value": 1.0}}]


MAP = pa.array([[("a", 1), ("b", None)]], pa.map_(pa.utf8(), pa.int64()))

VALUES = [
    (pa.array([300_000_000_000], pa.timestamp("s")), "+11476-08-15T05:20:00", '"+11476-08-15T05:20:00"'),
    (pa.array([-100_000_000_000], pa.timestamp("s")), "-1199-02-15T14:13:20", '"-1199-02-15T14:13:20"'),
    (pa.array([-62_167_219_201], pa.timestamp("s")), "-0001-12-31T23:59:59", '"-0001-12-31T23:59:59"'),
    (
        pa.array([8_210_266_876_799], pa.timestamp("s")),
        "+262142-12-31T23:59:59",
        '"+262142-12-31T23:59:59"',
    ),
    (
        pa.array([8_210_266_876_800], pa.timestamp("s")),
        "ERROR: Cast error: Failed to convert 8210266876800 to datetime for Timestamp(s)",
        '"ERROR: Cast error: Failed to convert 8210266876800 to datetime for Timestamp(s)"',
    ),
    (pa.array([1_577_836_800_000], pa.date64()), "2020-01-01T00:00:00", '"2020-01-01T00:00:00"'),
    (pa.array([36_672_500_000_000], pa.time64("ns")), "10:11:12.500", '"10:11:12.500"'),
    (pa.array([-1], pa.duration("ns")), "-PT0.000000001S", '"-PT0.000000001S"'),
    (pa.array([90_061_500], pa.duration("ms")), "PT90061.5S", '"PT90061.5S"'),
    (pa.array([0], pa.duration("s")), "P0D", '"P0D"'),
    (MAP, "{a: 1, b: }", '{"a":1}'),
    (pa.StructArray.from_arrays([MAP], ["m"]), "{m: {a: 1, b: }}", '{"m":{"a":1}}'),
    (pa.array([[1, 2]], pa.list_(pa.int64(), 2)), "[1, 2]", "[1,2]"),
    (pa.array([b"ab"], pa.binary_view()), "6162", '"6162"'),
    (pa.array(["1.50"]).cast(pa.decimal128(10, 2)), "1.50", "1.50"),
    (pa.array([3.141592653589793], pa.float32()), "3.1415927", "3.1415927"),
]
"""What arrow-rs 57 writes for values: in a drawn table, and as JSON."""


@pytest.mark.parametrize(("values", "drawn", "as_json"), VALUES, ids=lambda value: str(value)[:40])
def test_values_of_every_type_are_written_as_arrow_rs_writes_them(
    values: pa.Array, drawn: str, as_json: str
) -> None:
    """Far years are signed, maps look like structs, spans are ISO 8601, and so on."""
    table = pa.table({"x": values})
    assert text("pretty", table).splitlines()[3].strip("| ") == drawn
    assert text("jsonl", table) == f'{{"x":{as_json}}}\n'


@pytest.mark.parametrize(
    ("value", "as_text", "as_json"),
    [
        (1e-5, "0.00001", "0.00001"),
        (-1.234e-5, "-0.00001234", "-0.00001234"),
        (1e-6, "1e-6", "1.0e-6"),
        (1234567890.0, "1234567890.0", "1234567890.0"),
        (12345678901.5, "12345678901.5", "1.23456789015e10"),
        (1e10, "10000000000.0", "1.0e10"),
        (-1e15, "-1000000000000000.0", "-1.0e15"),
        (1e16, "1e16", "1.0e16"),
        (1.2345678901234568e17, "1.2345678901234568e17", "1.2345678901234568e17"),
        (5e-324, "5e-324", "5.0e-324"),
    ],
)
def test_numbers_have_exponents_where_the_originals_have(
    value: float, as_text: str, as_json: str
) -> None:
    """Text has them from 1e16 on, JSON from 1e10; both below 1e-5, and JSON's mantissa has a point."""
    table = pa.table({"x": [value]})
    assert text("csv", table) == f"x\n{as_text}\n"
    assert text("json", table) == f'[{{"x":{as_json}}}]'


def test_lists_have_no_form_in_csv() -> None:
    """Nested values are refused, named as the original names their type."""
    inner = pa.struct([pa.field("a", pa.int64()), pa.field("b", pa.utf8(), nullable=False)])
    for kind, name in (
        (pa.list_(pa.int64()), "List(Int64)"),
        (inner, 'Struct("a": Int64, "b": non-null Utf8)'),
        (
            MAP.type,
            'Map("entries": non-null Struct("key": non-null Utf8, "value": Int64), unsorted)',
        ),
    ):
        with pytest.raises(QueryError) as refused:
            text("csv", pa.table({"x": pa.nulls(1, kind)}))
        assert str(refused.value) == (
            f"Arrow error: Csv error: Nested type {name} is not supported in CSV"
        )


def test_maps_with_other_keys_than_texts_have_no_form_in_json() -> None:
    """JSON's names are texts."""
    table = pa.table({"x": pa.nulls(1, pa.map_(pa.int64(), pa.utf8()))})
    with pytest.raises(
        QueryError, match=r"Only UTF8 keys supported by JSON MapArray Writer: got Int64$"
    ):
        text("json", table)


def test_carriage_returns_are_quoted() -> None:
    """A field with a carriage return is quoted in CSV, as one with a line feed is."""
    table = pa.table({"x": ["a\rb", 'c"d', "e"]})
    assert text("csv", table) == 'x\n"a\rb"\n"c""d"\ne\n'


def test_wide_letters_take_two_columns() -> None:
    """A drawn table is as wide as a terminal draws it."""
    table = pa.table({"x": ["\u65e5\u672c", "e\u0301"]})
    assert text("pretty", table) == (
        "+------+\n| x    |\n+------+\n| \u65e5\u672c |\n| e\u0301    |\n+------+"
    )


def test_nothing_is_drawn_of_a_result_without_rows() -> None:
    """Its columns are not named: the original's queries yield no batch then.

    Source: influxdb3/tests/cli/snapshots, the summary of system tables.
    """
    assert text("pretty", TABLE.slice(0, 0)) == "++\n++"
    pieces = result_chunks(TABLE.schema, iter(TABLE.slice(0, 0).to_batches()), ResultFormat.PRETTY)
    assert b"".join(pieces) == b"++\n++"
