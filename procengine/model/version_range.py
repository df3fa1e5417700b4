"""Does a version fit what a plugin asks for?

Ranges are Cargo's: ``>=3.2.0,<4.0.0``, ``~1.2``, ``1.*``; a version alone means compatible ones, ``1.2`` is ``^1.2``.
A pre-release fits only where a comparator names a pre-release of the same three numbers.

Source: semver 1.0.27 (crate), parse.rs, eval.rs, display.rs, which influxdb3-plugin-sdk reads ranges by.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from procengine.model.semantic_version import (
    MAJOR,
    MINOR,
    PATCH,
    PRE_RELEASE,
    Version,
    VersionTextError,
    pre_release_rank,
    read_number,
    read_suffixes,
)

OPERATORS: Final = (">=", ">", "<=", "<", "=", "~", "^")
WILDCARD: Final = "*"
"""The operator of ``1.*``; it is not written in front."""

WILDCARDS: Final = frozenset("*xX")
MOST_COMPARATORS: Final = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparator:
    """One condition; ``minor`` and ``patch`` are None where the text leaves them open."""

    operator: str
    major: int
    minor: int | None = None
    patch: int | None = None
    pre_release: str = ""

    def __str__(self) -> str:
        numbers = [str(one) for one in (self.major, self.minor, self.patch) if one is not None]
        if self.operator == WILDCARD:
            return ".".join([*numbers, WILDCARD])
        return f"{self.operator}{'.'.join(numbers)}{'-' if self.pre_release else ''}{self.pre_release}"

    def holds(self, version: Version) -> bool:
        """Tell whether a version meets the condition, whatever is said of pre-releases elsewhere."""
        match self.operator:
            case "=" | "*":
                return self._is_exact(version)
            case ">":
                return self._is_beyond(version, 1)
            case ">=":
                return self._is_exact(version) or self._is_beyond(version, 1)
            case "<":
                return self._is_beyond(version, -1)
            case "<=":
                return self._is_exact(version) or self._is_beyond(version, -1)
            case "~":
                return self._is_near(version)
        return self._is_compatible(version)

    def admits_pre_release(self, version: Version) -> bool:
        """Tell whether the condition names a pre-release of the same three numbers."""
        return bool(self.pre_release) and (self.major, self.minor, self.patch) == (
            version.major,
            version.minor,
            version.patch,
        )

    def _is_exact(self, version: Version) -> bool:
        return (
            version.major == self.major
            and self.minor in (None, version.minor)
            and self.patch in (None, version.patch)
            and version.pre_release == self.pre_release
        )

    def _is_beyond(self, version: Version, sign: int) -> bool:
        """Tell whether a version is after (1) or before (-1) all that the condition names."""
        for own, other in (
            (self.major, version.major),
            (self.minor, version.minor),
            (self.patch, version.patch),
        ):
            if own is None:
                return False
            if own != other:
                return (other > own) == (sign > 0)
        own_rank, rank = pre_release_rank(self.pre_release), pre_release_rank(version.pre_release)
        return own_rank < rank if sign > 0 else rank < own_rank

    def _is_near(self, version: Version) -> bool:
        if version.major != self.major or self.minor not in (None, version.minor):
            return False
        if self.patch is not None and version.patch != self.patch:
            return version.patch > self.patch
        return self._is_not_before(version)

    def _is_compatible(self, version: Version) -> bool:
        if version.major != self.major:
            return False
        if self.minor is None:
            return True
        if self.patch is None:
            return version.minor >= self.minor if self.major else version.minor == self.minor
        own, other = (self.minor, self.patch), (version.minor, version.patch)
        if self.major:
            if other != own:
                return other > own
        elif self.minor:
            if version.minor != self.minor:
                return False
            if version.patch != self.patch:
                return version.patch > self.patch
        elif other != own:
            return False
        return self._is_not_before(version)

    def _is_not_before(self, version: Version) -> bool:
        return pre_release_rank(version.pre_release) >= pre_release_rank(self.pre_release)


@dataclass(frozen=True, slots=True)
class VersionRange:
    """Conditions that must hold together; none for ``*``. As text it is in the original's normal form."""

    comparators: tuple[Comparator, ...]

    def __str__(self) -> str:
        return ", ".join(map(str, self.comparators)) or WILDCARD

    def includes(self, version: Version) -> bool:
        """Tell whether a version fits."""
        if not all(one.holds(version) for one in self.comparators):
            return False
        return not version.pre_release or any(
            one.admits_pre_release(version) for one in self.comparators
        )


def parse_version_range(text: str) -> VersionRange:
    """Return the range that a text is.

    Raises: VersionTextError.
    """
    rest = text.lstrip(" ")
    if rest[:1] in WILDCARDS and rest:
        sign, after = rest[0], rest[1:].lstrip(" ")
        if not after:
            return VersionRange(())
        raise _not_alone(sign) if after.startswith(",") else _after_wildcard()
    found: list[Comparator] = []
    while True:
        comparator, place, rest = _read_comparator(rest)
        found.append(comparator)
        if not rest:
            return VersionRange(tuple(found))
        if not rest.startswith(","):
            raise VersionTextError(f"expected comma after {place}, found {rest[0]!r}")
        if len(found) == MOST_COMPARATORS:
            raise VersionTextError("excessive number of version comparators")
        rest = rest[1:].lstrip(" ")


def _read_comparator(text: str) -> tuple[Comparator, str, str]:
    """Return the condition that a text begins with, what was read last, and what follows."""
    operator = next((one for one in OPERATORS if text.startswith(one)), "")
    rest = text[len(operator) :].lstrip(" ")
    if text[:1] in WILDCARDS and text and text[1:].lstrip(" ")[:1] in ("", ","):
        raise _not_alone(text[0])
    major, rest = read_number(rest, MAJOR)
    minor, rest, place, open_minor = _read_part(rest, MAJOR, MINOR, is_open=False)
    patch, rest, place, is_open = _read_part(rest, place, PATCH, is_open=open_minor)
    pre_release = ""
    if patch is not None:
        pre_release, _, rest = read_suffixes(rest)
        place = PRE_RELEASE if pre_release else place
    comparator = Comparator(
        operator=operator or (WILDCARD if open_minor or is_open else "^"),
        major=major,
        minor=minor,
        patch=patch,
        pre_release=pre_release,
    )
    return comparator, place, rest.lstrip(" ")


def _read_part(
    text: str, before: str, place: str, *, is_open: bool
) -> tuple[int | None, str, str, bool]:
    """Return a further number, None where there is none or a wildcard, with what follows and where it ends."""
    if not text.startswith("."):
        return None, text, before, is_open
    rest = text[1:]
    if rest[:1] in WILDCARDS and rest:
        return None, rest[1:], place, True
    if is_open:
        raise _after_wildcard()
    number, rest = read_number(rest, place)
    return number, rest, place, False


def _not_alone(sign: str) -> VersionTextError:
    return VersionTextError(f"wildcard req ({sign}) must be the only comparator in the version req")


def _after_wildcard() -> VersionTextError:
    return VersionTextError("unexpected character after wildcard in version req")
