"""The cron dialect (section 1 of the semantics; the Rust crate ``cron`` 0.15.0)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procengine.errors import InvalidInputError
from procengine.model.cron import Cron

ACCEPTED = "expected 'second minute hour day-of-month month day-of-week [year]' in UTC"


def ns(text: str) -> int:
    """Return an instant from ``YYYY-MM-DD HH:MM:SS``, UTC."""
    return round(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 10**9


def fires(expression: str, after: str, count: int = 3) -> list[str]:
    """Return the next fire times as text."""
    cron = Cron.parse(expression)
    instant: int | None = ns(after)
    found = []
    for _ in range(count):
        assert instant is not None
        instant = cron.next_after(instant)
        if instant is None:
            break
        found.append(f"{datetime.fromtimestamp(instant / 10**9, UTC):%Y-%m-%d %H:%M:%S}")
    return found


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("*/5 * * * * *", ["2026-11-23 10:00:05", "2026-11-23 10:00:10", "2026-11-23 10:00:15"]),
        ("*/59 * * * * *", ["2026-11-23 10:00:59", "2026-11-23 10:01:00", "2026-11-23 10:01:59"]),
        ("0 15,45 9-17/4 * * *", ["2026-11-23 13:15:00", "2026-11-23 13:45:00", "2026-11-23 17:15:00"]),
        ("0 0 0 * * 1", ["2026-11-29 00:00:00", "2026-12-06 00:00:00", "2026-12-13 00:00:00"]),
        ("0 0 0 ? * 1-5", ["2026-11-24 00:00:00", "2026-11-25 00:00:00", "2026-11-26 00:00:00"]),
        ("0 0 0 * * MON-FRI", ["2026-11-24 00:00:00", "2026-11-25 00:00:00", "2026-11-26 00:00:00"]),
        ("0 0 0 13 * FRI", ["2027-08-13 00:00:00", "2028-10-13 00:00:00", "2029-04-13 00:00:00"]),
        ("0 0 0 29 2 SUN", ["2032-02-29 00:00:00", "2060-02-29 00:00:00", "2088-02-29 00:00:00"]),
        ("0 0 0 31 * ?", ["2026-12-31 00:00:00", "2027-01-31 00:00:00", "2027-03-31 00:00:00"]),
        (
            "0 0 12 1 JAN-mar,DECEMBER *",
            ["2026-12-01 12:00:00", "2027-01-01 12:00:00", "2027-02-01 12:00:00"],
        ),
        ("0 0 0 1 1 * 2030", ["2030-01-01 00:00:00"]),
        ("0 0 0 1 1 *2030", ["2030-01-01 00:00:00"]),
        ("0 0 0 29 2 ? 2027-2033", ["2028-02-29 00:00:00", "2032-02-29 00:00:00"]),
        ("59 59 23 31 12 * 2100", ["2100-12-31 23:59:59"]),
        ("1 , 2 * * * * *", ["2026-11-23 10:00:01", "2026-11-23 10:00:02", "2026-11-23 10:01:01"]),
        ("@yearly", ["2027-01-01 00:00:00", "2028-01-01 00:00:00", "2029-01-01 00:00:00"]),
        ("@monthly", ["2026-12-01 00:00:00", "2027-01-01 00:00:00", "2027-02-01 00:00:00"]),
        ("@weekly", ["2026-11-29 00:00:00", "2026-12-06 00:00:00", "2026-12-13 00:00:00"]),
        ("@daily", ["2026-11-24 00:00:00", "2026-11-25 00:00:00", "2026-11-26 00:00:00"]),
        (" @hourly ", ["2026-11-23 11:00:00", "2026-11-23 12:00:00", "2026-11-23 13:00:00"]),
        ("0 0 0 30 2 *", []),
        ("* * * * * * 2020", []),
        ("0 0 0 29 2 * 2027", []),
    ],
)
def test_fire_times(expression: str, expected: list[str]) -> None:
    """Fire times are those of the original's crate: SUN=1, both day fields must match, UTC, to 2100."""
    assert fires(expression, "2026-11-23 10:00:00") == expected


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        ("0 0 * * *", f"5 fields where 6 or 7 belong, seconds come first; {ACCEPTED}"),
        ("", f"0 fields where 6 or 7 belong, seconds come first; {ACCEPTED}"),
        ("* * * * * * * *", f"'*' follows the year; {ACCEPTED}"),
        ("0 0 0 * * 0", "day of week 0 is not in 1-7 (SUN=1, MON=2 ... SAT=7; names are clearer)"),
        ("0 0 0 * * 8", "day of week 8 is not in 1-7 (SUN=1, MON=2 ... SAT=7; names are clearer)"),
        ("60 * * * * *", "second 60 is not in 0-59"),
        ("0 0 0 0 * *", "day of month 0 is not in 1-31"),
        ("* * * * * * 1969", "year 1969 is not in 1970-2100"),
        ("*/60 * * * * *", "second step 60 is not in 1-59"),
        ("5-9/0 * * * * *", "second step 0 is not in 1-59"),
        ("9" * 5000 + " * * * * *", "second 9999999999... has too many digits"),
        ("*/" + "9" * 5000 + " * * * * *", "second 9999999999... has too many digits"),
        ("10-5 * * * * *", "second range '10-5' runs backwards; list its two parts instead"),
        ("0 0 0 * * SAT-SUN", "day of week range 'SAT-SUN' runs backwards; list its two parts instead"),
        ("0 0 0 L * *", "day of month takes no names, got 'L'"),
        ("0 0 0 * feb sundays", "'sundays' is not a name of a day of week"),
        ("? * * * * *", "'?' stands only for day of month and day of week, not for second; use '*'"),
        ("0 0 0 * JAN/2 *", f"cannot read day of week at '/2 *'; {ACCEPTED}"),
        ("0,,1 * * * * *", f"cannot read minute at ',,1 * * * * *'; {ACCEPTED}"),
        (
            "@midnight",
            "unknown shorthand '@midnight'; expected @yearly, @monthly, @weekly, @daily, @hourly",
        ),
    ],
)
def test_refused_expressions(expression: str, message: str) -> None:
    """An expression that the original's crate refuses is refused, and the text names the field."""
    with pytest.raises(InvalidInputError) as caught:
        Cron.parse(expression)
    assert str(caught.value) == message


def test_a_match_is_strictly_after_the_instant() -> None:
    """At a match the next one is asked for; a nanosecond before it, the match itself."""
    cron = Cron.parse("0 * * * * *")
    at = ns("2026-11-23 10:01:00")
    assert [cron.next_after(at - 1), cron.next_after(at)] == [at, at + 60 * 10**9]


# One field's text with the values it stands for, by the rules of section 1 alone.
def _fields(low: int, high: int) -> st.SearchStrategy[tuple[str, frozenset[int]]]:
    numbers = st.integers(low, high)
    steps = st.integers(1, min(high, 40))
    item = st.one_of(
        st.just(("*", frozenset(range(low, high + 1)))),
        numbers.map(lambda n: (str(n), frozenset([n]))),
        st.tuples(numbers, numbers)
        .map(sorted)
        .map(lambda r: (f"{r[0]}-{r[1]}", frozenset(range(r[0], r[1] + 1)))),
        st.tuples(numbers, steps).map(
            lambda p: (f"{p[0]}/{p[1]}", frozenset(range(p[0], high + 1, p[1])))
        ),
    )
    return st.lists(item, min_size=1, max_size=3).map(
        lambda items: (",".join(text for text, _ in items), frozenset().union(*(s for _, s in items)))
    )


YEARS = st.sets(st.integers(2024, 2040), min_size=1).map(lambda s: (",".join(map(str, s)), frozenset(s)))
DAYS = st.tuples(_fields(1, 31), _fields(1, 12), _fields(1, 7), YEARS)


@settings(max_examples=150, deadline=None)
@given(DAYS, st.datetimes(datetime(2023, 1, 1), datetime(2041, 1, 1)))
def test_days_equal_a_walk_over_the_calendar(
    fields: tuple[tuple[str, frozenset[int]], ...], start: datetime
) -> None:
    """The next match is the one that a walk over all days finds, whatever the day fields and years are."""
    texts = [text for text, _ in fields]
    days, months, weekdays, years = (values for _, values in fields)
    day = datetime(start.year, start.month, start.day, tzinfo=UTC)
    expected = None
    while day.year <= 2040:
        day += timedelta(days=1)
        sunday_first = day.isoweekday() % 7 + 1
        if day.day in days and day.month in months and sunday_first in weekdays and day.year in years:
            expected = round(day.timestamp()) * 10**9
            break
    at = round(start.replace(tzinfo=UTC, microsecond=0).timestamp()) * 10**9
    assert Cron.parse(f"0 0 0 {' '.join(texts)}").next_after(at) == expected


@settings(max_examples=300)
@given(_fields(0, 59), _fields(0, 59), _fields(0, 23), st.integers(0, 86_399))
def test_times_equal_a_walk_over_the_day(
    second: tuple[str, frozenset[int]],
    minute: tuple[str, frozenset[int]],
    hour: tuple[str, frozenset[int]],
    start: int,
) -> None:
    """Within a day, too, the next match is the one that a walk finds."""
    walk = (
        at
        for at in range(start + 1, start + 1 + 2 * 86_400)
        if at // 3600 % 24 in hour[1] and at // 60 % 60 in minute[1] and at % 60 in second[1]
    )
    cron = Cron.parse(f"{second[0]} {minute[0]} {hour[0]} * * *")
    assert cron.next_after(start * 10**9) == next(walk) * 10**9
