from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procengine.model.line_protocol.digit_words import Positions, Words, parse_decimal, parse_unsigned

SPELLINGS = st.one_of(
    st.text("0123456789", min_size=1, max_size=20),
    st.from_regex(r"\A[0-9]{1,9}\.[0-9]{1,9}\Z"),
    st.text("0123456789.-+e/:x", max_size=20),
)


def load(texts: list[str]) -> tuple[tuple[Words, Words, Words], Positions]:
    """Return the three words before each text's end, as they stand in a body, and the lengths."""
    data = b"9" * 24 + "9".join(texts).encode()
    lengths = np.array([len(text) for text in texts])
    ends = 24 + np.cumsum(lengths + 1) - 1
    words = [
        np.array([int.from_bytes(data[e - b - 8 : e - b], "little") for e in ends], np.uint64)
        for b in (0, 8, 16)
    ]
    return (words[0], words[1], words[2]), lengths


@settings(deadline=None)
@given(texts=st.lists(SPELLINGS, min_size=1, max_size=30))
def test_unsigned_integers(texts: list[str]) -> None:
    """One to nineteen digits are read exactly, whatever stands before them; all else is bad."""
    words, lengths = load(texts)
    values, bad = parse_unsigned(words, lengths)
    for text, value, is_bad in zip(texts, values.tolist(), bad.tolist(), strict=True):
        assert is_bad == (re.fullmatch("[0-9]{1,19}", text) is None)
        assert is_bad or value == int(text)


@settings(deadline=None)
@given(texts=st.lists(SPELLINGS, min_size=1, max_size=30))
def test_decimals(texts: list[str]) -> None:
    """Up to sixteen characters are read to the nearest double, as ``float`` does; all else is bad."""
    words, lengths = load(texts)
    values, bad = parse_decimal(words[0], words[1], lengths)
    for text, value, is_bad in zip(texts, values.tolist(), bad.tolist(), strict=True):
        assert is_bad == (re.fullmatch(r"[0-9]+(\.[0-9]+)?", text) is None or len(text) > 16)
        assert is_bad or value == float(text)


@pytest.mark.parametrize(
    "text", ["", ".", ".5", "5.", "1.2.3", "..", "1..2", "12345678.", ".12345678", "1/2", "1:2"]
)
def test_what_is_no_decimal(text: str) -> None:
    """A dot needs a digit on both sides, and there is one dot at most."""
    for company in ("1", "1234567890.12345"):
        words, lengths = load([company, text])
        assert parse_decimal(words[0], words[1], lengths)[1].tolist() == [False, True]
