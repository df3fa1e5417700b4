"""Versions are ordered and refused as the original does."""

from __future__ import annotations

import pytest

from procengine.model.semantic_version import Version, VersionTextError, parse_version

# The order of semver.org, section 11, and one with numbers of two digits.
ORDERED = (
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "1.2.0",
    "1.10.0",
)


def test_versions_are_ordered_by_precedence() -> None:
    """Pre-releases stand before their release, numbers before words, shorter before longer."""
    assert [str(one) for one in sorted(map(parse_version, reversed(ORDERED)))] == list(ORDERED)


def test_build_metadata_is_kept_and_does_not_count() -> None:
    """Build metadata comes back in the text, and two versions that differ by it alone are the same."""
    version = parse_version("1.0.0-a-b.0+build.007")
    assert str(version) == "1.0.0-a-b.0+build.007"
    assert version == parse_version("1.0.0-a-b.0")
    assert hash(version) == hash(Version(1, 0, 0, "a-b.0"))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "empty string, expected a semver version"),
        ("1", "unexpected end of input while parsing major version number"),
        ("1.2", "unexpected end of input while parsing minor version number"),
        ("latest", "unexpected character 'l' while parsing major version number"),
        ("1.2.3.4", "unexpected character '.' after patch version number"),
        ("01.2.3", "invalid leading zero in major version number"),
        ("1.2.3-", "empty identifier segment in pre-release identifier"),
        ("1.2.3-a..b", "empty identifier segment in pre-release identifier"),
        ("1.2.3-01", "invalid leading zero in pre-release identifier"),
        ("1.2.3+", "empty identifier segment in build metadata"),
        ("1.2.3-ä", "empty identifier segment in pre-release identifier"),
        ("1.2.3+b!", "unexpected character '!' after build metadata"),
        ("1.18446744073709551616.0", "value of minor version number exceeds u64::MAX"),
        ("1.2." + "9" * 10_000, "value of patch version number exceeds u64::MAX"),
    ],
)
def test_texts_that_are_no_version(text: str, why: str) -> None:
    """What is no version is refused with the original's text."""
    with pytest.raises(VersionTextError) as caught:
        parse_version(text)
    assert str(caught.value) == why
