"""A command line is split as a POSIX shell splits it."""

from __future__ import annotations

import pytest

from procengine.cli.words import split_words
from procengine.errors import InvalidInputError

LINES = [
    ("", []),
    ("  a  b\tc\n", ["a", "b", "c"]),
    ("a 'b c' \"d e\"", ["a", "b c", "d e"]),
    ("a'b'\"c\"", ["abc"]),
    ("''", [""]),
    (r"'home,room=Living\ Room t=1'", [r"home,room=Living\ Room t=1"]),
    (r"a\ b", ["a b"]),
    (r'"say \"x\" \n"', [r'say "x" \n']),
    ("a \\\n  b", ["a", "b"]),
    ("a\\\nb", ["ab"]),
    ("a \\", ["a"]),
    ("a # comment\nb", ["a", "b"]),
    ("a#b", ["a#b"]),
    ("$HOME *.lp ~", ["$HOME", "*.lp", "~"]),
    ("'two\nlines'", ["two\nlines"]),
]


@pytest.mark.parametrize(("text", "words"), LINES)
def test_words_are_split_as_in_a_shell(text: str, words: list[str]) -> None:
    """Quotes, escapes, continuations and comments mean what they mean in a shell."""
    assert split_words(text) == words


@pytest.mark.parametrize("text", ["a 'b", 'a "b', 'x\n "'])
def test_open_quote_is_refused_with_its_place(text: str) -> None:
    """A quote that is not closed is an error that names line and column."""
    with pytest.raises(InvalidInputError, match=r"opened at line \d+, column \d+ is not closed"):
        split_words(text)


def test_place_of_an_open_quote_counts_from_one() -> None:
    """Lines and columns count from 1."""
    with pytest.raises(InvalidInputError, match="line 2, column 3"):
        split_words("a\n b'")
