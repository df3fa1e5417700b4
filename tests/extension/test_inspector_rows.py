"""A reader's filter and order choose rows; only a window of them becomes text."""

from __future__ import annotations

import pyarrow as pa
import pytest
from procengine_jupyter.inspectors.rows import (
    WIDEST,
    Order,
    column_widths,
    numeric_columns,
    select,
)

TABLE = pa.table(
    {
        "room": pa.array(["Kitchen", "Attic", None, "attic"]).dictionary_encode(),
        "temp": [21.5, None, 19.0, 24.25],
        "time": pa.array([3, 1, 2, 4], pa.timestamp("ns")),
        "tags": [["a"], ["b", "c"], [], None],
    }
)


def rooms(*args: object, **kwargs: object) -> list[str | None]:
    """Return the rooms of the rows that are selected."""
    return [row[0] for row in select(TABLE, *args, **kwargs).window(0, 10)]  # type: ignore[arg-type]


def test_rows_without_a_filter_are_all_of_them_in_their_order() -> None:
    """Nothing is left out and nothing moves until the reader asks."""
    assert rooms() == ["Kitchen", "Attic", None, "attic"]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("attic", ["Attic", "attic"]),
        ("ITCH", ["Kitchen"]),
        ("24.2", ["attic"]),
        ("'c'", ["Attic"]),
        ("1970-01-01 00:00:00.000000002", [None]),
        ("no such text", []),
        ("[", ["Kitchen", "Attic", None]),
        ("%", []),
    ],
)
def test_filter_looks_into_every_column_whatever_the_case(text: str, found: list[str]) -> None:
    """Tags, numbers, times and lists are all searched as the text that stands for them, literally."""
    assert rooms(text) == found


@pytest.mark.parametrize("column", ["temp", "time", "room", "tags"])
def test_order_sorts_any_column_both_ways_with_null_last(column: str) -> None:
    """Descending is ascending backwards, but for NULL, which stays at the end."""
    place = TABLE.column_names.index(column)
    up = [row[place] for row in select(TABLE, order=Order(column=column)).window(0, 10)]
    down = [
        row[place] for row in select(TABLE, order=Order(column=column, descending=True)).window(0, 10)
    ]
    known = [value for value in up if value is not None]
    assert up == known + [None] * up.count(None)
    assert down == known[::-1] + [None] * up.count(None)


def test_order_by_a_column_that_is_gone_sorts_nothing() -> None:
    """State that lost a column keeps being shown."""
    assert rooms(order=Order(column="gone")) == rooms()


def test_window_has_only_what_was_asked_for() -> None:
    """Rows beyond either end are not there, and none is invented."""
    selection = select(TABLE)
    assert len(selection.window(1, 2)) == 2
    assert selection.window(3, 5)[0][0] == "attic"
    assert selection.window(9, 5) == []
    assert len(selection.window(-3, 2)) == 2


def test_widths_fit_the_name_and_the_values_up_to_a_bound() -> None:
    """A column is as wide as what stands in it, and a very long text does not push the others out."""
    table = pa.table({"a": ["x"], "a long name": ["x"], "long": ["x" * 1_000]})
    short, named, long = column_widths(table)
    assert short < named < long == WIDEST
    assert column_widths(table.slice(0, 0))


def test_numbers_are_told_apart() -> None:
    """Numbers are set to the right."""
    assert numeric_columns(TABLE) == [False, True, False, False]
