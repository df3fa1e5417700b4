"""Ranges of versions are read, written and met as Cargo's."""

from __future__ import annotations

import pytest

from procengine.model.semantic_version import VersionTextError, parse_version
from procengine.model.version_range import parse_version_range


@pytest.mark.parametrize(
    ("text", "normal", "fits", "does_not"),
    [
        ("*", "*", "0.0.0 9.9.9", "1.0.0-rc.1"),
        (">=3.2.0,<4.0.0", ">=3.2.0, <4.0.0", "3.2.0 3.10.0", "3.1.9 4.0.0 4.0.0-rc.1"),
        ("1.2", "^1.2", "1.2.0 1.9.0", "1.1.9 2.0.0"),
        ("^1.2.3", "^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0"),
        ("^0.2.3", "^0.2.3", "0.2.3 0.2.9", "0.2.2 0.3.0"),
        ("^0.0.3", "^0.0.3", "0.0.3", "0.0.4"),
        ("^0", "^0", "0.0.1 0.9.0", "1.0.0"),
        ("^0.2", "^0.2", "0.2.9", "0.3.0"),
        ("~1.2.3", "~1.2.3", "1.2.3 1.2.9", "1.2.2 1.3.0"),
        ("~1", "~1", "1.9.9", "2.0.0"),
        ("=1.2", "=1.2", "1.2.0 1.2.9", "1.3.0"),
        ("1.*", "1.*", "1.0.0 1.9.9", "2.0.0"),
        ("1.2.x", "1.2.*", "1.2.9", "1.3.0"),
        (">1.2", ">1.2", "1.3.0", "1.2.9"),
        ("<=1.2", "<=1.2", "1.2.9 0.1.0", "1.3.0"),
        (">= 1.0.0-beta , < 2", ">=1.0.0-beta, <2", "1.0.0-rc.1 1.5.0", "1.0.0-alpha 1.1.0-rc.1"),
        ("=1.0.0+build", "=1.0.0", "1.0.0", "1.0.1"),
    ],
)
def test_ranges_and_what_fits(text: str, normal: str, fits: str, does_not: str) -> None:
    """A range has one normal form, and takes in what it says and nothing else."""
    versions = parse_version_range(text)
    assert str(versions) == normal
    assert [one for one in fits.split() if not versions.includes(parse_version(one))] == []
    assert [one for one in does_not.split() if versions.includes(parse_version(one))] == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "unexpected end of input while parsing major version number"),
        (">=bad", "unexpected character 'b' while parsing major version number"),
        (">=1.0.0 <2", "expected comma after patch version number, found '<'"),
        ("1, *", "wildcard req (*) must be the only comparator in the version req"),
        ("*, 1", "wildcard req (*) must be the only comparator in the version req"),
        ("*.1", "unexpected character after wildcard in version req"),
        ("1.*.1", "unexpected character after wildcard in version req"),
        ("1.0.0,", "unexpected end of input while parsing major version number"),
        (",".join(["1"] * 33), "excessive number of version comparators"),
    ],
)
def test_texts_that_are_no_range(text: str, why: str) -> None:
    """What is no range is refused with the original's text."""
    with pytest.raises(VersionTextError) as caught:
        parse_version_range(text)
    assert str(caught.value) == why
