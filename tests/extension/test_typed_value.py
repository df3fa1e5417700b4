"""A typed text is a value, or an error that says where it is wrong; any value is shown bounded and escaped."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd
import pytest
from procengine_jupyter.inspectors.typed_value import (
    kind_of,
    literal_text,
    typed_time_to_live,
    typed_value,
)
from procengine_jupyter.render.value_card import value_html, value_text

from procengine.errors import InvalidInputError


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        (" 'a' ", "a"),
        ("{'a': (1, 2.5, None)}", {"a": (1, 2.5, None)}),
        ("{1, 2}", {1, 2}),
        ("b'x'", b"x"),
        ('{"a": [true, false, null]}', {"a": [True, False, None]}),
        ("True", True),
        ("true", True),
        ("NaN", math.nan),
    ],
)
def test_python_literals_and_json_are_values(text: str, value: Any) -> None:
    """Python is tried first."""
    found = typed_value(text)
    assert type(found) is type(value)
    assert found == value or math.isnan(found)


@pytest.mark.parametrize("text", ["kitchen", "open('x')", "[1,", "1 +", "[" * 10_000, "{'a': x}", "\0"])
def test_anything_else_is_refused_in_words(text: str) -> None:
    """Names and calls are no values, and nothing is executed."""
    with pytest.raises(InvalidInputError, match="neither a Python literal nor JSON"):
        typed_value(text)


@pytest.mark.parametrize(
    "value",
    [1, "a\n'b'", b"\0", 2.5, None, [], {}, set(), {"a": [(1,), {2}]}, "x" * 500, {None: True}, (1,)],
)
def test_a_literal_is_offered_as_a_text_that_makes_it_again(value: Any) -> None:
    """What is edited begins as what is there."""
    text = literal_text(value)
    assert text is not None
    found = typed_value(text)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    "value",
    [
        object(),
        math.nan,
        [math.inf],
        [object()],
        list(range(5_000)),
        "x" * 100_000,
        pd.DataFrame(),
        {1: {2: [print]}},
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_no_literal_stands_for_is_not_offered(value: Any) -> None:
    """An approximation would be put in its place by an edit that changed nothing."""
    assert literal_text(value) is None


def test_a_list_within_itself_is_neither_offered_nor_followed_for_ever() -> None:
    """Depth is bounded."""
    endless: list[Any] = []
    endless.append(endless)
    assert literal_text(endless) is None
    assert "list of 1" in value_text(endless)


@pytest.mark.parametrize(
    ("text", "seconds"), [("never", None), ("90", 90), (" 1.5 ", 1.5), ("1h 30m", 5400)]
)
def test_times_to_live(text: str, seconds: float | None) -> None:
    """Seconds as a plugin says them, or a duration."""
    assert typed_time_to_live(text) == seconds


def test_kinds_say_how_many() -> None:
    """A reader sees of which type the text was."""
    assert [kind_of(one) for one in ([1, 2], {}, "ab", None)] == [
        "list of 2",
        "dict of 0",
        "str",
        "NoneType",
    ]


def test_values_are_laid_out_over_lines_and_bounded() -> None:
    """Of a million parts a hundred are touched."""
    text = value_text({"numbers": list(range(1_000_000)), "deep": {"text": "y" * 50_000}})
    assert "… 999,900 more" in text
    assert "… (30,000 more)" in text
    assert len(text) < 30_000
    assert value_text({"b": 1, "a": {1, 2}}).startswith("{'b': 1, 'a': {1, 2}")


def test_a_data_frame_is_a_table_of_its_first_rows() -> None:
    """Escaped, like everything."""
    html = value_html(pd.DataFrame({"<b>": ["<i>"] * 50, "n": range(50)}))
    assert "&lt;i&gt;" in html
    assert "<i>" not in html
    assert "50 rows, 2 columns, the first 20 are shown" in html


def test_markup_and_control_characters_in_a_value_are_text() -> None:
    """Nothing that a plugin cached becomes part of the page."""
    html = value_html({"<script>": "\x1b[31m\u202e"})
    assert "<script>" not in html
    assert "\x1b" not in html
