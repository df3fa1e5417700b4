"""Results are written in the original's formats (semantics, section 12)."""

from __future__ import annotations

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from procengine.errors import InvalidInputError
from procengine.model.result_format import (
    ResultFormat,
    format_float,
    format_instant,
    format_result,
)

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

    assert text("csv", table).splitlines()[1] == '"[a, b]","{value: 1.0, time: }"'
    assert json.loads(text("json", table)) == [{"l": ["a", "b"], "s": {"value": 1.0}}]
