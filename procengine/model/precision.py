"""In which unit does a body of line protocol count its timestamps?

Source: influxdb3_types/src/write.rs, Precision.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
import numpy.typing as npt

from procengine.errors import InvalidInputError

_INT64_MAX = 2**63 - 1


class Precision(Enum):
    """The unit of the timestamps in a body; ``AUTO`` infers it for each line from its magnitude."""

    AUTO = "auto"
    SECOND = "second"
    MILLISECOND = "millisecond"
    MICROSECOND = "microsecond"
    NANOSECOND = "nanosecond"

    @staticmethod
    def parse(text: str) -> Precision:
        """Return the precision of a name or of one of its short forms.

        Raises: InvalidInputError when there is no such precision; case counts.
        """
        precision = _BY_NAME.get(text)
        if precision is None:
            raise InvalidInputError(
                f"unrecognized precision unit: {text!r}; expected auto, second (s), millisecond (ms), "
                "microsecond (us, u) or nanosecond (ns, n)"
            )
        return precision

    def to_ns(self, timestamp: int) -> int | None:
        """Return a line's timestamp in nanoseconds, or None when that is out of an int64's range."""
        nanoseconds = timestamp * (_UNIT_NS.get(self) or _inferred_unit_ns(timestamp))
        return nanoseconds if -_INT64_MAX - 1 <= nanoseconds <= _INT64_MAX else None

    def to_ns_array(
        self, timestamps: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_] | None]:
        """Return many timestamps in nanoseconds, and which are out of range (None: none is).

        Times out of range are meaningless. The array that was given may be returned itself.
        The smallest int64 must not be among the timestamps.
        """
        if self is Precision.NANOSECOND or not len(timestamps):
            return timestamps, None
        if self is Precision.AUTO:
            return _auto_to_ns(timestamps), None
        unit_ns = _UNIT_NS[self]
        out_of_range = np.abs(timestamps) > _INT64_MAX // unit_ns
        return timestamps * unit_ns, out_of_range if out_of_range.any() else None

    def truncate(self, instant_ns: int) -> int:
        """Return an instant rounded towards zero to a multiple of the unit; ``AUTO`` leaves it alone."""
        unit_ns = _UNIT_NS.get(self, 1)
        return (
            instant_ns // unit_ns * unit_ns if instant_ns >= 0 else -(-instant_ns // unit_ns * unit_ns)
        )

    def out_of_range(self, timestamp: int) -> str:
        """Return the text of the error for a timestamp that `to_ns` refuses."""
        return f"timestamp, {timestamp}, out of range for precision: {self.name.capitalize()}"


_UNIT_NS = {
    Precision.SECOND: 1_000_000_000,
    Precision.MILLISECOND: 1_000_000,
    Precision.MICROSECOND: 1_000,
    Precision.NANOSECOND: 1,
}

_BY_NAME = {precision.value: precision for precision in Precision} | {
    "s": Precision.SECOND,
    "ms": Precision.MILLISECOND,
    "us": Precision.MICROSECOND,
    "u": Precision.MICROSECOND,
    "ns": Precision.NANOSECOND,
    "n": Precision.NANOSECOND,
}

# The original takes abs() of the smallest int64, which overflows to itself and so counts as seconds:
# that one timestamp is always out of range under `auto`.
_AUTO_LIMITS = ((5 * 10**9, 1_000_000_000), (5 * 10**12, 1_000_000), (5 * 10**15, 1_000))


def _inferred_unit_ns(timestamp: int) -> int:
    magnitude = abs(timestamp)
    for limit, unit_ns in _AUTO_LIMITS:
        if magnitude < limit:
            return unit_ns
    return 1 if timestamp != -_INT64_MAX - 1 else _UNIT_NS[Precision.SECOND]


def _auto_to_ns(timestamps: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    smallest, largest = int(timestamps.min()), int(timestamps.max())
    unit_ns = _inferred_unit_ns(smallest)
    if smallest >= 0 and unit_ns == _inferred_unit_ns(largest):
        return timestamps if unit_ns == 1 else timestamps * unit_ns
    limits, units = zip(*_AUTO_LIMITS, strict=True)
    chosen = np.searchsorted(limits, np.abs(timestamps), side="right")
    return timestamps * np.array([*units, 1], dtype=np.int64)[chosen]
