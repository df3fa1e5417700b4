"""When does a cron expression match?

The dialect is that of the Rust crate ``cron``: six or seven fields, ``second minute hour day-of-month
month day-of-week [year]``, all in UTC. Lists, ranges, ``/step``, English names, ``?`` in the two day
fields, and ``@yearly @monthly @weekly @daily @hourly``. Days of the week are 1-7 with SUN=1, and both
day fields must match.

Field sets are read here; which day comes next is asked of croniter, in its own dialect and without the
year, because croniter finds nothing for a fixed date in one fixed year. The time within a day, and the
year, are looked up in the sets.

Source: zslayton/cron 0.15.0, src/parsing.rs, src/time_unit/mod.rs, src/schedule.rs.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date

from procengine.errors import InvalidInputError

_NANOSECONDS_PER_SECOND = 1_000_000_000
_SECONDS_PER_DAY = 86_400
_EPOCH_ORDINAL = date(1970, 1, 1).toordinal()
_LONGEST_GAP_YEARS = 41
"""29 February on one weekday recurs after 40 years at most, across 2100."""


def _numbered(names: str) -> dict[str, int]:
    """Number the words of a text from 1; variants of one word are joined by a stroke."""
    return {
        name: number for number, variants in enumerate(names.split(), 1) for name in variants.split("|")
    }


_MONTHS = _numbered(
    "jan|january feb|february mar|march apr|april may jun|june "
    "jul|july aug|august sep|september oct|october nov|november dec|december"
)
_DAYS_OF_WEEK = _numbered(
    "sun|sunday mon|monday tue|tues|tuesday wed|wednesday thu|thurs|thursday fri|friday sat|saturday"
)

_SHORTHANDS = {
    "@yearly": "0 0 0 1 1 *",
    "@monthly": "0 0 0 1 * *",
    "@weekly": "0 0 0 * * 1",
    "@daily": "0 0 0 * * *",
    "@hourly": "0 0 * * * *",
}

_MOST_DIGITS = 10
"""The length of the largest number that the original reads, one of 32 bits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CronField:
    """What one field of an expression accepts.

    ``hint`` is added to a message about a number out of range.
    """

    name: str
    low: int
    high: int
    names: Mapping[str, int] = field(default_factory=dict)
    accepts_question_mark: bool = False
    hint: str = ""

    def read(self, specifiers: str) -> tuple[int, ...]:
        """Return the values that a field's text stands for, in order.

        Raises: InvalidInputError when a value, name, range or step is not accepted.
        """
        values: set[int] = set()
        for specifier in specifiers.split(","):
            values.update(self._read_specifier("".join(specifier.split())))
        return tuple(sorted(values))

    def _read_specifier(self, text: str) -> range:
        base, slash, step = text.partition("/")
        first, dash, last = base.partition("-")
        if base in ("*", "?"):
            values = range(self.low, self.high + 1)
        elif dash:
            values = self._range(self._value(first), self._value(last), base)
        else:
            low = self._value(first)
            values = range(low, (self.high if slash else low) + 1)
        return values[:: self._step(step)] if slash else values

    def _range(self, low: int, high: int, text: str) -> range:
        if low > high:
            raise InvalidInputError(
                f"{self.name} range {text!r} runs backwards; list its two parts instead"
            )
        return range(low, high + 1)

    def _step(self, text: str) -> int:
        step = self._number(text)
        if not 1 <= step <= self.high:
            raise InvalidInputError(f"{self.name} step {step} is not in 1-{self.high}")
        return step

    def _value(self, text: str) -> int:
        if not text.isdecimal():
            return self._named(text)
        value = self._number(text)
        if not self.low <= value <= self.high:
            raise InvalidInputError(f"{self.name} {value} is not in {self.low}-{self.high}{self.hint}")
        return value

    def _number(self, text: str) -> int:
        digits = text.lstrip("0") or "0"
        if len(digits) > _MOST_DIGITS:  # more than an int would be made of, at some length
            raise InvalidInputError(f"{self.name} {digits[:_MOST_DIGITS]}... has too many digits")
        return int(digits)

    def _named(self, name: str) -> int:
        if not self.names:
            raise InvalidInputError(f"{self.name} takes no names, got {name!r}")
        value = self.names.get(name.lower())
        if value is None:
            raise InvalidInputError(f"{name!r} is not a name of a {self.name}")
        return value


_FIELDS = (
    CronField(name="second", low=0, high=59),
    CronField(name="minute", low=0, high=59),
    CronField(name="hour", low=0, high=23),
    CronField(name="day of month", low=1, high=31, accepts_question_mark=True),
    CronField(name="month", low=1, high=12, names=_MONTHS),
    CronField(
        name="day of week",
        low=1,
        high=7,
        names=_DAYS_OF_WEEK,
        accepts_question_mark=True,
        hint=" (SUN=1, MON=2 ... SAT=7; names are clearer)",
    ),
    CronField(name="year", low=1970, high=2100),
)


def _field_pattern(*, question_mark: bool) -> re.Pattern[str]:
    """The text of one field. Numbers and names swallow the white space around them, stars do not;

    so ``1 , 2`` is one field and ``* , 2`` is none, as the original's parser has it. Groups are atomic,
    because that parser never goes back.
    """
    space, number, name = (
        r"[ \t\r\n]*+",
        r"[ \t\r\n]*+[0-9]++[ \t\r\n]*+",
        r"[ \t\r\n]*+[A-Za-z]++[ \t\r\n]*+",
    )
    star = r"[*?]" if question_mark else r"\*"
    specifier = f"(?>{star}|{number}-{number}|{number}|{name}-{name})"
    root = f"(?>{specifier}/{number}|{specifier}|{name})"
    return re.compile(f"{space}({root}(?:,{root})*+){space}")


_PATTERN = _field_pattern(question_mark=False)
_PATTERN_WITH_QUESTION_MARK = _field_pattern(question_mark=True)


@dataclass(frozen=True, slots=True)
class Cron:
    """A cron expression: its text and, for each field, the values that match, in order.

    Days of the week are 1 (Sunday) to 7 (Saturday).
    """

    text: str
    seconds: tuple[int, ...]
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days_of_month: tuple[int, ...]
    months: tuple[int, ...]
    days_of_week: tuple[int, ...]
    years: tuple[int, ...]

    @classmethod
    def parse(cls, text: str) -> Cron:
        """Read an expression.

        Raises: InvalidInputError, which names the field at fault and what it accepts.
        """
        longhand = text.strip(" \t\r\n")
        return cls(text, *_read_fields(_SHORTHANDS.get(longhand, longhand)))

    def __str__(self) -> str:
        return self.text

    def next_after(self, instant_ns: int) -> int | None:
        """Return the first match strictly after an instant.

        Both are nanoseconds UTC; matches are whole seconds. None when no match is left up to the
        end of 2100.
        """
        day, second = divmod(instant_ns // _NANOSECONDS_PER_SECOND + 1, _SECONDS_PER_DAY)
        match = self._second_from(second) if self._matches(_date(day)) else None
        if match is None:
            following = self._day_from(day + 1)
            if following is None:
                return None
            day = following
            match = (self.hours[0] * 60 + self.minutes[0]) * 60 + self.seconds[0]
        return (day * _SECONDS_PER_DAY + match) * _NANOSECONDS_PER_SECOND

    def _matches(self, day: date) -> bool:
        return (
            day.day in self.days_of_month
            and day.month in self.months
            and _day_of_week(day) in self.days_of_week
            and day.year in self.years
        )

    def _second_from(self, second: int) -> int | None:
        """Return the first matching second of a day, counted from midnight, not before ``second``."""
        minute, second = divmod(second, 60)
        hour, minute = divmod(minute, 60)
        found = _at_or_after(self.seconds, second)
        if found is None:
            minute, found = minute + 1, self.seconds[0]
        matched_minute = _at_or_after(self.minutes, minute)
        if matched_minute != minute:
            found = self.seconds[0]
        if matched_minute is None:
            hour, matched_minute = hour + 1, self.minutes[0]
        matched_hour = _at_or_after(self.hours, hour)
        if matched_hour is None:
            return None
        if matched_hour != hour:
            matched_minute, found = self.minutes[0], self.seconds[0]
        return (matched_hour * 60 + matched_minute) * 60 + found

    def _day_from(self, day: int) -> int | None:
        """Return the first matching day not before ``day``, both counted from the epoch."""
        if self._matches(_date(day)):
            return day
        following = _day_search(self)
        while True:
            start = _date(day)
            year = _at_or_after(self.years, start.year)
            if year is None:
                return None
            if year != start.year:
                day = date(year, 1, 1).toordinal() - _EPOCH_ORDINAL
            found = following(day)
            if found is None or _date(found).year in self.years:
                return found
            day = found


def _day_search(cron: Cron) -> Callable[[int], int | None]:
    """Return a search for the first day, not before a given one, that both day fields and the month match.

    croniter counts Sunday as 0, and joins the day fields by OR unless told not to.
    """
    from croniter import CroniterBadDateError, croniter

    days_of_month = _in_croniter(cron.days_of_month, _FIELDS[3])
    months = _in_croniter(cron.months, _FIELDS[4])
    days_of_week = (
        "*" if len(cron.days_of_week) == 7 else ",".join(str(d - 1) for d in cron.days_of_week)
    )
    expression = f"0 0 {days_of_month} {months} {days_of_week}"

    def search(day: int) -> int | None:
        just_before = day * _SECONDS_PER_DAY - 1
        schedule = croniter(
            expression, just_before, day_or=False, max_years_between_matches=_LONGEST_GAP_YEARS
        )
        try:
            return int(schedule.get_next(float)) // _SECONDS_PER_DAY
        except CroniterBadDateError:
            return None

    return search


def _in_croniter(values: tuple[int, ...], of: CronField) -> str:
    if len(values) == of.high - of.low + 1:
        return "*"
    return ",".join(map(str, values))


def _read_fields(text: str) -> list[tuple[int, ...]]:
    values = []
    position = 0
    for index, of in enumerate(_FIELDS):
        pattern = _PATTERN_WITH_QUESTION_MARK if of.accepts_question_mark else _PATTERN
        match = pattern.match(text, position)
        if match is None:
            if position == len(text) and index == len(_FIELDS) - 1:
                values.append(tuple(range(of.low, of.high + 1)))
                return values
            raise InvalidInputError(_unreadable(text, position, index))
        values.append(of.read(match[1]))
        position = match.end()
    if position != len(text):
        raise InvalidInputError(f"{text[position:]!r} follows the year; {_ACCEPTED}")
    return values


_ACCEPTED = "expected 'second minute hour day-of-month month day-of-week [year]' in UTC"


def _unreadable(text: str, position: int, index: int) -> str:
    """Say why a field could not be read: none left, or something that it does not take."""
    if text.startswith("@"):
        return f"unknown shorthand {text!r}; expected {', '.join(_SHORTHANDS)}"
    if position == len(text):
        return f"{index} fields where 6 or 7 belong, seconds come first; {_ACCEPTED}"
    of = _FIELDS[index]
    if text[position] == "?":
        return f"'?' stands only for day of month and day of week, not for {of.name}; use '*'"
    return f"cannot read {of.name} at {text[position:]!r}; {_ACCEPTED}"


def _at_or_after(values: tuple[int, ...], least: int) -> int | None:
    index = bisect_left(values, least)
    return values[index] if index < len(values) else None


def _date(day: int) -> date:
    return date.fromordinal(min(max(day + _EPOCH_ORDINAL, 1), date.max.toordinal()))


def _day_of_week(day: date) -> int:
    return day.isoweekday() % 7 + 1
