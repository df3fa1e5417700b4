"""Which of two versions is the newer, by Semantic Versioning 2.0.0?

Source: semver 1.0.27 (crate), parse.rs, error.rs, impls.rs, which influxdb3-plugin-sdk reads versions by.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import total_ordering

from procengine.errors import InvalidInputError

LARGEST = 2**64 - 1
MAJOR, MINOR, PATCH = "major version number", "minor version number", "patch version number"
PRE_RELEASE, BUILD = "pre-release identifier", "build metadata"


class VersionTextError(InvalidInputError):
    """A text is no version, or no range of versions; the text is the original's."""


@total_ordering
@dataclass(frozen=True, slots=True)
class Version:
    """One version. Build metadata does not count for the order, nor for equality.

    ``pre_release`` and ``build`` are texts without their signs, empty where there are none.
    """

    major: int
    minor: int
    patch: int
    pre_release: str = ""
    build: str = field(default="", compare=False)

    def __lt__(self, other: Version) -> bool:
        return self._rank() < other._rank()

    def __str__(self) -> str:
        pre_release = f"-{self.pre_release}" if self.pre_release else ""
        build = f"+{self.build}" if self.build else ""
        return f"{self.major}.{self.minor}.{self.patch}{pre_release}{build}"

    def _rank(self) -> tuple[int, int, int, PreReleaseRank]:
        return self.major, self.minor, self.patch, pre_release_rank(self.pre_release)


PreReleaseRank = tuple[bool, tuple[tuple[bool, int, str], ...]]


def pre_release_rank(text: str) -> PreReleaseRank:
    """Return what pre-releases are ordered by: none stands last, numbers by size, before words."""
    identifiers = tuple(
        (False, int(one), "") if one.isdigit() else (True, 0, one) for one in text.split(".") if text
    )
    return not text, identifiers


def parse_version(text: str) -> Version:
    """Return the version that a text is.

    Raises: VersionTextError.
    """
    if not text:
        raise VersionTextError("empty string, expected a semver version")
    major, rest = read_number(text, MAJOR)
    minor, rest = read_number(_after_dot(rest, MAJOR), MINOR)
    patch, rest = read_number(_after_dot(rest, MINOR), PATCH)
    pre_release, build, rest = read_suffixes(rest)
    if rest:
        place = BUILD if build else PRE_RELEASE if pre_release else PATCH
        raise VersionTextError(f"unexpected character {rest[0]!r} after {place}")
    return Version(major, minor, patch, pre_release, build)


def read_suffixes(text: str) -> tuple[str, str, str]:
    """Return the pre-release and the build metadata that a text begins with, and what follows."""
    pre_release = build = ""
    if text.startswith("-"):
        pre_release, text = _read_identifiers(text[1:], PRE_RELEASE)
    if text.startswith("+"):
        build, text = _read_identifiers(text[1:], BUILD)
    return pre_release, build, text


def read_number(text: str, place: str) -> tuple[int, str]:
    """Return the number that a text begins with, and what follows."""
    length = 0
    while length < len(text) and text[length] in "0123456789":
        length += 1
    digits = text[:length]
    if not digits:
        said = f"unexpected character {text[0]!r}" if text else "unexpected end of input"
        raise VersionTextError(f"{said} while parsing {place}")
    if digits[0] == "0" and length > 1:
        raise VersionTextError(f"invalid leading zero in {place}")
    # A comparison of lengths first: reading thousands of digits takes long, or is refused by Python.
    if length > len(str(LARGEST)) or int(digits) > LARGEST:
        raise VersionTextError(f"value of {place} exceeds u64::MAX")
    return int(digits), text[length:]


def _after_dot(text: str, place: str) -> str:
    if text.startswith("."):
        return text[1:]
    if text:
        raise VersionTextError(f"unexpected character {text[0]!r} after {place}")
    raise VersionTextError(f"unexpected end of input while parsing {place}")


def _read_identifiers(text: str, place: str) -> tuple[str, str]:
    """Return the identifiers, separated by dots, that a text begins with, and what follows."""
    length = 0
    while (
        length < len(text)
        and text[length].isascii()
        and (text[length].isalnum() or text[length] in "-.")
    ):
        length += 1
    for one in text[:length].split("."):
        if not one:
            raise VersionTextError(f"empty identifier segment in {place}")
        if place == PRE_RELEASE and one.isdigit() and len(one) > 1 and one[0] == "0":
            raise VersionTextError(f"invalid leading zero in {place}")
    return text[:length], text[length:]
