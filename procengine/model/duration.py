"""How is a span of time written?

The grammar is humantime's: numbers with units, one after the other (``1h 30m``, ``1.5h``, ``250ms``),
where white space may stand anywhere but inside a unit. Spans are ``int`` nanoseconds.

Source: humantime 2.3.0, src/duration.rs (parse_duration, format_duration).
"""

from __future__ import annotations

import re

from procengine.errors import InvalidInputError

NANOSECOND = 1
MICROSECOND = 1_000
MILLISECOND = 1_000_000
SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY
MONTH = 2_630_016 * SECOND
"""30.44 days."""
YEAR = 31_557_600 * SECOND
"""365.25 days."""

_UNIT_NAMES = {
    NANOSECOND: "ns nsec nanos",
    MICROSECOND: "us usec µs",
    MILLISECOND: "ms msec millis",
    SECOND: "s sec secs second seconds",
    MINUTE: "m min mins minute minutes",
    HOUR: "h hr hrs hour hours",
    DAY: "d day days",
    WEEK: "w wk wks week weeks",
    MONTH: "M month months",
    YEAR: "y yr yrs year years",
}
_UNITS = {name: unit for unit, names in _UNIT_NAMES.items() for name in names.split()}

_NUMBER = re.compile(r"([0-9][0-9\s]*)(?:(\.)([0-9\s]*))?")
_UNIT = re.compile(r"[A-Za-zµ]*")
_SPACE = re.compile(r"\s*")

_LARGEST_NUMBER = 2**64 - 1
_MOST_DIGITS = 20
"""The length of the largest number; a longer fraction of any unit is no whole number of nanoseconds."""
_TOO_LARGE = (
    "number is too large or cannot be represented without a lack of precision "
    "(values below 1ns are not supported)"
)


def parse_duration(text: str) -> int:
    """Return the nanoseconds that a text such as ``1h 30m`` stands for.

    A fraction must be a whole number of nanoseconds, from hours upwards of seconds.
    ``0`` needs no unit. Positions in messages count bytes of UTF-8 from 0, as the original's do.

    Raises: InvalidInputError, with humantime's text.
    """
    if text == "0":
        return 0
    total_ns = 0
    position = _skip_space(text, 0)
    if position == len(text):
        raise InvalidInputError("value was empty")
    while position < len(text):
        span_ns, position = _read_span(text, position)
        total_ns += span_ns
    if total_ns // SECOND > _LARGEST_NUMBER:
        raise InvalidInputError(_TOO_LARGE)
    return total_ns


def format_duration(duration_ns: int) -> str:
    """Return the text of a span, largest unit first: ``1h 30m``, ``2days``, ``1ms 20us``, ``0s``.

    Raises: ValueError when the span is negative.
    """
    if duration_ns < 0:
        raise ValueError(f"cannot format a negative duration: {duration_ns} ns")
    # Each run is logged with its duration, and few take a second.
    if MICROSECOND <= duration_ns < MILLISECOND and (nanoseconds := duration_ns % MICROSECOND):
        return f"{duration_ns // MICROSECOND}us {nanoseconds}ns"
    parts = []
    rest = duration_ns
    for unit, name, plural in _FORMAT_UNITS if rest >= SECOND else _FORMAT_UNITS[-3:]:
        count, rest = divmod(rest, unit)
        if count:
            parts.append(f"{count}{name}{plural if count > 1 else ''}")
    return " ".join(parts) or "0s"


_FORMAT_UNITS = (
    (YEAR, "year", "s"),
    (MONTH, "month", "s"),
    (DAY, "day", "s"),
    (HOUR, "h", ""),
    (MINUTE, "m", ""),
    (SECOND, "s", ""),
    (MILLISECOND, "ms", ""),
    (MICROSECOND, "us", ""),
    (NANOSECOND, "ns", ""),
)


def _read_span(text: str, position: int) -> tuple[int, int]:
    """Read one number with its unit; return its nanoseconds and the position of the next one."""
    number = _NUMBER.match(text, position)
    if number is None:
        raise InvalidInputError(f"expected number at {_byte_offset(text, position)}")
    whole = _whole(_digits(number[1]))
    fraction = _digits(number[3] or "")
    if number[2] and not fraction:
        raise InvalidInputError(f"invalid character at {_byte_offset(text, number.start(2))}")
    unit = _UNIT.match(text, number.end())
    assert unit is not None  # it matches the empty text
    end = unit.end()
    if end < len(text) and not (text[end].isspace() or text[end] in "0123456789"):
        raise InvalidInputError(f"invalid character at {_byte_offset(text, end)}")
    return _span_ns(whole, fraction, unit[0]), _skip_space(text, end)


def _whole(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    if len(digits) > _MOST_DIGITS:
        raise InvalidInputError(_TOO_LARGE)
    return int(digits)


def _span_ns(whole: int, fraction: str, unit_name: str) -> int:
    if whole > _LARGEST_NUMBER:
        raise InvalidInputError(_TOO_LARGE)
    unit = _unit(unit_name, whole)
    fraction = fraction.rstrip("0") if len(fraction) > _MOST_DIGITS else fraction
    if len(fraction) > _MOST_DIGITS:
        raise InvalidInputError(_TOO_LARGE)
    numerator = int(fraction or "0") * unit
    resolution = SECOND if unit >= HOUR else NANOSECOND
    denominator = int(10 ** len(fraction))
    if (unit == NANOSECOND and fraction) or numerator % (denominator * resolution):
        raise InvalidInputError(_TOO_LARGE)
    return whole * unit + numerator // denominator


def _unit(name: str, number: int) -> int:
    if not name:
        raise InvalidInputError(f"time unit needed, for example {number}sec or {number}ms")
    unit = _UNITS.get(name)
    if unit is None:
        raise InvalidInputError(
            f'unknown time unit "{name}", supported units: ns, us/µs, ms, sec, min, hours, days, '
            "weeks, months, years (and few variations)"
        )
    return unit


def _digits(text: str) -> str:
    return "".join(text.split())


def _skip_space(text: str, position: int) -> int:
    space = _SPACE.match(text, position)
    assert space is not None  # it matches the empty text
    return space.end()


def _byte_offset(text: str, position: int) -> int:
    return len(text[:position].encode(errors="surrogatepass"))
