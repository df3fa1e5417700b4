"""What does a statement ask of the rows of a table, whatever its parameters will be?

Conditions compare the time, or a column by which rows are found, with constants and parameters. Given the parameters
they become `ScanBounds`; so a text is looked at once, and each run of it only pays for filling them in. What a
condition does not express bounds nothing: bounds may be too wide, never too narrow, and say of themselves whether
they are exact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import reduce
from operator import and_, or_

import pyarrow as pa

from procengine.query.scan_bounds import EVERYTHING, MAX_TIME_NS, MIN_TIME_NS, PERHAPS_ANY, ScanBounds

Parameters = Mapping[str, pa.Scalar]

Key = str | int
"""A value of a column by which rows are found: tags and strings, integers, booleans."""

KeyType = type[str] | type[int] | type[bool]

_INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?)?(Z|[+-]\d\d:\d\d)?", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter by its name; for times, moved by nanoseconds."""

    name: str
    offset_ns: int = 0

    def instant_ns(self, parameters: Parameters) -> int | None:
        """Return the instant that it stands for, None if that is not plain."""
        value = parameters.get(self.name)
        if value is None or not value.is_valid:
            return None
        if pa.types.is_timestamp(value.type):
            # Of other units DataFusion compares the time in that unit, which is not the same.
            return int(value.value) + self.offset_ns if value.type.unit == "ns" else None
        text = value.as_py()
        instant_ns = parse_instant(text) if isinstance(text, str) else None
        return None if instant_ns is None else instant_ns + self.offset_ns

    def value(self, parameters: Parameters, key_type: KeyType) -> Key | None:
        """Return the value that it stands for, None if it has another type: that is compared by other rules."""
        scalar = parameters.get(self.name)
        value = None if scalar is None else scalar.as_py()
        return value if type(value) is key_type else None


@dataclass(frozen=True, slots=True)
class TimeCondition:
    """The time stands in a relation (``=``, ``<``, ``<=``, ``>``, ``>=``) to an instant, nanoseconds UTC."""

    operator: str
    instant: int | Parameter

    def bounds(self, parameters: Parameters) -> ScanBounds:
        """Return the rows that it wants."""
        at = self.instant if isinstance(self.instant, int) else self.instant.instant_ns(parameters)
        if at is None:
            return PERHAPS_ANY
        # DataFusion refuses instants past 64 bits, and none lies before the first or after the last.
        exact = MIN_TIME_NS < at < MAX_TIME_NS
        match self.operator:
            case "=":
                return ScanBounds(min_ns=at, max_ns=at, exact=exact)
            case ">":
                return ScanBounds(min_ns=min(at + 1, MAX_TIME_NS), exact=exact)
            case ">=":
                return ScanBounds(min_ns=at, exact=exact)
            case "<":
                return ScanBounds(max_ns=max(at - 1, MIN_TIME_NS), exact=exact)
            case _:
                return ScanBounds(max_ns=at, exact=exact)


@dataclass(frozen=True, slots=True)
class KeyCondition:
    """A column by which rows are found has one of some values; ``key_type`` is the type of the column's values."""

    column: str
    values: tuple[Key | Parameter, ...]
    key_type: KeyType

    def bounds(self, parameters: Parameters) -> ScanBounds:
        """Return the rows that it wants."""
        values = [
            one.value(parameters, self.key_type) if isinstance(one, Parameter) else one
            for one in self.values
        ]
        wanted = frozenset(value for value in values if value is not None)
        return PERHAPS_ANY if None in values else ScanBounds(key_equals={self.column: wanted})


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of some conditions hold; without any, nothing is asked."""

    parts: tuple[Condition, ...] = ()

    def bounds(self, parameters: Parameters) -> ScanBounds:
        """Return the rows that all want."""
        return reduce(and_, (part.bounds(parameters) for part in self.parts), EVERYTHING)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of some conditions holds."""

    parts: tuple[Condition, ...]

    def bounds(self, parameters: Parameters) -> ScanBounds:
        """Return bounds that hold the rows that any wants."""
        return reduce(or_, (part.bounds(parameters) for part in self.parts))


@dataclass(frozen=True, slots=True)
class Unread:
    """Something is asked that these conditions do not express."""

    def bounds(self, parameters: Parameters) -> ScanBounds:  # noqa: ARG002
        """Return that any row may be wanted."""
        return PERHAPS_ANY


Condition = TimeCondition | KeyCondition | AllOf | AnyOf | Unread

UNREAD = Unread()


def parameter_names(condition: Condition) -> Iterator[str]:
    """Yield the names of the parameters in a condition, each as often as it stands there."""
    match condition:
        case TimeCondition(instant=Parameter() as one):
            yield one.name
        case KeyCondition():
            yield from (one.name for one in condition.values if isinstance(one, Parameter))
        case AllOf() | AnyOf():
            for part in condition.parts:
                yield from parameter_names(part)


def parse_instant(text: str) -> int | None:
    """Return the nanoseconds UTC of a time as SQL writes it; None for what is not plainly one, or past 64 bits."""
    found = _INSTANT.fullmatch(text)
    if found is None:
        return None
    day, clock, fraction, zone = found.groups()
    try:
        moment = datetime.fromisoformat(
            f"{day}T{clock or '00:00:00'}{(zone or 'Z').replace('Z', '+00:00')}"
        )
    except ValueError:
        return None
    elapsed = moment - datetime.fromtimestamp(0, UTC)
    instant_ns = (elapsed.days * 86_400 + elapsed.seconds) * 10**9 + int((fraction or "").ljust(9, "0"))
    return instant_ns if MIN_TIME_NS <= instant_ns <= MAX_TIME_NS else None
