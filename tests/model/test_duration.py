"""The grammar of durations (section 1 of the semantics; humantime)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procengine.errors import InvalidInputError
from procengine.model.duration import DAY, HOUR, MINUTE, SECOND, YEAR, format_duration, parse_duration

TOO_LARGE = (
    "number is too large or cannot be represented without a lack of precision "
    "(values below 1ns are not supported)"
)
UNITS = "ns, us/µs, ms, sec, min, hours, days, weeks, months, years (and few variations)"


@pytest.mark.parametrize(
    ("names", "unit_ns"),
    [
        ("ns nsec nanos", 1),
        ("us usec µs", 1_000),
        ("ms msec millis", 1_000_000),
        ("s sec secs second seconds", SECOND),
        ("m min mins minute minutes", MINUTE),
        ("h hr hrs hour hours", HOUR),
        ("d day days", DAY),
        ("w wk wks week weeks", 7 * DAY),
        ("M month months", 2_630_016 * SECOND),
        ("y yr yrs year years", YEAR),
    ],
)
def test_unit_names(names: str, unit_ns: int) -> None:
    """Each unit has the names of section 1, and no other case of them."""
    assert {parse_duration(f"3{name}") for name in names.split()} == {3 * unit_ns}


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("0", 0),
        ("0s", 0),
        ("1h 30m", 90 * MINUTE),
        ("1h30m", 90 * MINUTE),
        ("1.5h", 90 * MINUTE),
        ("1.5h30m", 2 * HOUR),
        (" 1 h ", HOUR),
        ("1 0s", 10 * SECOND),
        ("1 . 5 h", 90 * MINUTE),
        ("1h 1h", 2 * HOUR),
        ("0.123456789s", 123_456_789),
        ("1.1y", 34_713_360 * SECOND),
        ("365.25d", YEAR),
        ("18446744073709551615s", (2**64 - 1) * SECOND),
    ],
)
def test_durations(text: str, expected_ns: int) -> None:
    """Spans add up, fractions and inner white space are accepted; values are those of humantime 2.3.0."""
    assert parse_duration(text) == expected_ns


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "value was empty"),
        ("  ", "value was empty"),
        ("1", "time unit needed, for example 1sec or 1ms"),
        ("1h 30", "time unit needed, for example 30sec or 30ms"),
        (" 0", "time unit needed, for example 0sec or 0ms"),
        ("1H", f'unknown time unit "H", supported units: {UNITS}'),
        ("1e3s", f'unknown time unit "e", supported units: {UNITS}'),
        ("h", "expected number at 0"),
        ("-1s", "expected number at 0"),
        ("1s é", "expected number at 3"),
        ("1µs,", "invalid character at 4"),
        ("1h,2m", "invalid character at 2"),
        ("1.h", "invalid character at 1"),
        ("1.2.3s", "invalid character at 3"),
        ("1.5ns", TOO_LARGE),
        ("1.0005us", TOO_LARGE),
        ("0.3333333333h", TOO_LARGE),
        ("99999999999999999999s", TOO_LARGE),
        ("18446744073709551615s 1s", TOO_LARGE),
        ("9" * 5000 + "s", TOO_LARGE),
        ("0." + "9" * 5000 + "s", TOO_LARGE),
    ],
)
def test_refused_durations(text: str, message: str) -> None:
    """A refused duration gets humantime's text, with the place in bytes."""
    with pytest.raises(InvalidInputError) as caught:
        parse_duration(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("duration_ns", "text"),
    [
        (0, "0s"),
        (1, "1ns"),
        (1_020_000, "1ms 20us"),
        (SECOND, "1s"),
        (90 * MINUTE, "1h 30m"),
        (DAY, "1day"),
        (2 * DAY, "2days"),
        (2_630_016 * SECOND, "1month"),
        (123_456_789_012_345_678, "3years 10months 28days 17h 57m 9s 12ms 345us 678ns"),
    ],
)
def test_formatted_durations(duration_ns: int, text: str) -> None:
    """Log texts show durations as humantime formats them: days and longer are words with a plural."""
    assert format_duration(duration_ns) == text


@given(st.integers(min_value=0, max_value=10**22))
def test_a_formatted_duration_reads_back(duration_ns: int) -> None:
    """Parsing what was formatted gives the same span."""
    assert parse_duration(format_duration(duration_ns)) == duration_ns
