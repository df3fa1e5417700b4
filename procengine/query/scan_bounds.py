"""Which rows of a table does a statement want?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from procengine.query.stored_rows import StoredFile

MIN_TIME_NS = -(1 << 63)
MAX_TIME_NS = (1 << 63) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanBounds:
    """A closed range of time (nanoseconds UTC), and the values that tags, or a cache's key columns, may have.

    ``exact`` tells that all rows within are wanted; without it some may not be.
    """

    min_ns: int = MIN_TIME_NS
    max_ns: int = MAX_TIME_NS
    key_equals: Mapping[str, frozenset[Any]] = field(default_factory=dict)
    exact: bool = True

    @property
    def everything(self) -> bool:
        """Whether all rows are wanted."""
        return self.min_ns == MIN_TIME_NS and self.max_ns == MAX_TIME_NS and not self.key_equals

    def admits(self, file: StoredFile) -> bool:
        """Tell whether a file can hold wanted rows."""
        return file.max_time_ns >= self.min_ns and file.min_time_ns <= self.max_ns

    def __and__(self, other: ScanBounds) -> ScanBounds:
        """Return what both want."""
        exact = self.exact and other.exact
        keys = dict(self.key_equals)
        for name, values in other.key_equals.items():
            keys[name] = keys[name] & values if name in keys else values
        return ScanBounds(
            min_ns=max(self.min_ns, other.min_ns),
            max_ns=min(self.max_ns, other.max_ns),
            key_equals=keys,
            exact=exact,
        )

    def __or__(self, other: ScanBounds) -> ScanBounds:
        """Return bounds that hold what either wants."""
        shared = self.key_equals.keys() & other.key_equals.keys()
        return ScanBounds(
            min_ns=min(self.min_ns, other.min_ns),
            max_ns=max(self.max_ns, other.max_ns),
            key_equals={name: self.key_equals[name] | other.key_equals[name] for name in shared},
            exact=self.exact and other.exact and self._differs_in_one_key(other),
        )

    def _differs_in_one_key(self, other: ScanBounds) -> bool:
        """Tell whether what holds both holds nothing else: all is alike but for the values of one key."""
        if (self.min_ns, self.max_ns) != (other.min_ns, other.max_ns):
            return False
        if self.key_equals.keys() != other.key_equals.keys():
            return False
        return sum(values != other.key_equals[name] for name, values in self.key_equals.items()) <= 1


EVERYTHING = ScanBounds()
"""All rows, and all of them are wanted."""

PERHAPS_ANY = ScanBounds(exact=False)
"""What is known of a condition that cannot be read: nothing."""
