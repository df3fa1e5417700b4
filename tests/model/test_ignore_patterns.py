"""Patterns leave out the files that `.gitignore` would, where the original says so."""

from __future__ import annotations

import pytest

from procengine.model.ignore_patterns import IgnorePatterns, PatternError


@pytest.mark.parametrize(
    ("patterns", "left_out", "taken"),
    [
        ([], "", "a.py"),
        (["*.pyc"], "a.pyc deep/er/a.pyc .pyc", "a.py a.pyc.txt"),
        (["__pycache__/"], "__pycache__/a deep/__pycache__/b/c", "__pycache__ a/__pycache__"),
        (["tests/**"], "tests/a tests/a/b", "tests deep/tests/a"),
        (["/build"], "build build/a", "deep/build"),
        (["deep/a"], "deep/a deep/a/b", "x/deep/a"),
        (["**/x/**/y"], "x/y a/x/b/c/y", "y x/yy"),
        (["a?c", "d[0-9]", "e[!0-9]"], "abc d1 ex", "ac a/c d e1"),
        (["*.{md,txt}"], "a.md deep/b.txt", "a.py"),
        ([r"\#a", r"\!b", r"c\*"], "#a !b c*", "a b cd"),
        (["# comment", "", "  "], "", "# comment"),
        (["*.py", "!keep.py"], "a.py", "keep.py deep/keep.py"),
        (["__pycache__/", "!__pycache__/keep.pyc"], "__pycache__/a.pyc", "__pycache__/keep.pyc"),
        (["!__pycache__/keep.pyc", "__pycache__/"], "__pycache__/a.pyc", "__pycache__/keep.pyc"),
        (["a  "], "a", "a  "),
        (["a/*/b"], "a/x/b", "a/b a/x/y/b"),
        (["/**"], "a a/b", ""),
        (["**/"], "a a/b", ""),
        (["a["], "a[", "a"),
        (["a**b"], "ab axxb", "a/b"),
    ],
)
def test_what_patterns_leave_out(patterns: list[str], left_out: str, taken: str) -> None:
    """Patterns leave out what they match, below folders too, unless one takes it in again."""
    ignored = IgnorePatterns(patterns)
    assert [one for one in left_out.split() if not ignored.leave_out(one)] == []
    names = [taken] if " " in taken and patterns == ["a  "] else taken.split()
    assert [one for one in names if ignored.leave_out(one)] == []


@pytest.mark.parametrize("pattern", ["a[z-a]", "{a", "a}", "a\\"])
def test_patterns_that_cannot_be_read(pattern: str) -> None:
    """A pattern that is none is named."""
    with pytest.raises(PatternError) as caught:
        IgnorePatterns(["*.py", pattern])
    assert str(caught.value).startswith(f"invalid exclude pattern {pattern!r}: ")
