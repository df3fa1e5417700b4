"""Rows that have a text are found, however the text was typed and whatever holds it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.inspectors.decimal_search import may_have_decimal
from procengine_jupyter.inspectors.inspector import Inspector
from procengine_jupyter.inspectors.text_search import TextSearch

ROWS = 30_000


def long_table() -> pa.Table:
    """Return rows whose numbers repeat, whose texts are encoded in chunks, with nulls among them."""
    chance = np.random.default_rng(1)
    words = pa.array(["Attic", "kitchen", None, "12", "é"]).dictionary_encode()
    chunks = [
        pa.DictionaryArray.from_arrays(pa.array(chance.integers(0, 4, ROWS // 2)), words.dictionary)
        for _ in range(2)
    ]
    few = np.round(chance.random(ROWS) * 100, 1)
    return pa.table(
        {
            "word": pa.chunked_array(chunks),
            "few": pa.array(few, mask=few > 90),
            "many": chance.random(ROWS),
            "key": [f"Sensor-{number}" for number in range(ROWS)],
        }
    )


TABLE = long_table()
TEXTS = [["" if one is None else str(one) for one in column.to_pylist()] for column in TABLE.columns]


def expected(text: str) -> list[int]:
    """Return the places of rows that have a text, found row by row."""
    return [
        place for place in range(ROWS) if any(text.lower() in column[place].lower() for column in TEXTS)
    ]


@pytest.mark.parametrize(
    "typed",
    [
        ["a", "at", "ATT", "att", "attx", "at"],
        ["1", "12", "12.", "12.5", "2", "0.12", ".7", "0.5"],
        ["sensor-1", "sensor-12", "SENSOR-123", "é", "."],
        ["nothing", "nothing at all", "n"],
    ],
)
def test_what_is_typed_letter_by_letter_finds_what_it_would_at_once(typed: list[str]) -> None:
    """A text that goes on is looked for where the one before was found, any other everywhere."""
    search = TextSearch(TABLE)
    for text in typed:
        assert np.flatnonzero(search.matching(text)).tolist() == expected(text), text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("2023", False),
        ("13", False),
        ("2023-", True),
        ("22:13", True),
        ("-11-1", True),
        ("22:13x", False),
    ],
)
def test_times_are_found_by_dates_and_times_of_day(text: str, found: bool) -> None:
    """A number that happens to be a part of an instant is not what a reader looks for."""
    table = pa.table({"time": pa.array([1_700_000_000_123_456_789], pa.timestamp("ns"))})
    assert TextSearch(table).matching(text).tolist() == [found]


def test_columns_that_a_page_counts_from_are_not_looked_into() -> None:
    """What is shown of them is an age, which no text is compared with."""
    stamps = pa.array([1_700_000_000_000], pa.timestamp("ms"))

    class Aged(Inspected):
        """One row with its age."""

        def version(self) -> object:
            """Return nothing that moves."""
            return 0

        def contents(self) -> Contents:
            """Return the row."""
            return Contents(title="", table=pa.table({"a": ["x"], "age": stamps}), since=("age",))

    state = Aged()
    inspector = Inspector(lambda: state, text="22:13")
    assert len(inspector.selection) == 0
    inspector.text_filter = "x"
    assert len(inspector.selection) == 1


@settings(deadline=None)
@given(value=st.floats(allow_nan=False), start=st.integers(0, 20), length=st.integers(1, 8))
def test_no_float_is_passed_over_that_has_a_decimal_in_it(value: float, start: int, length: int) -> None:
    """Any part of its text around the point finds it, whether Python or pyarrow writes it."""
    (arrow,) = pa.array([value]).cast(pa.string()).to_pylist()
    for written in (repr(value), arrow):
        part = written[start : start + length]
        found = may_have_decimal(np.array([value]), part)
        assert found is None or found.tolist() == [0], part


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("12.5", [0, 1, 2]),
        ("2.5", [0, 1, 2, 4]),
        (".5", [0, 1, 2, 4]),
        ("13.", [3]),
        ("-12.5", [0, 1, 2]),
    ],
)
def test_decimals_leave_few_floats_to_be_written_out(text: str, found: list[int]) -> None:
    """By the digits around the point, whatever stands before and after them."""
    values = np.array([12.5, 112.57, -12.5, 13.0, 2.5, np.nan])
    places = may_have_decimal(values, text)
    assert places is not None
    assert places.tolist() == found


@pytest.mark.parametrize("text", ["12", "1e5", "1.5e", "x.5", "1.2.3"])
def test_of_other_texts_nothing_is_told_beforehand(text: str) -> None:
    """They may stand anywhere in a number."""
    assert may_have_decimal(np.array([1.0]), text) is None
