"""How are retention periods and times of deletion read from requests?

Source: influxdb3_types/src/http.rs, HardDeletionTime; humantime_serde; chrono, DateTime::parse_from_rfc3339.
"""

from __future__ import annotations

import datetime
import re
from typing import Final

from procengine.catalog import HardDeletion
from procengine.errors import InvalidInputError
from procengine.http.failures import HttpError
from procengine.http.fields import Fields
from procengine.http.serde import JsonObject, described, json_fault
from procengine.model.duration import parse_duration

_WORDS: Final = {word.value: word for word in HardDeletion}
_INSTANT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)(.*)", re.ASCII | re.DOTALL
)
_LATEST_NS: Final = 2**63 - 1
_LONGEST_PERIOD_NS: Final = 2**63 - 1


def said_period_ns(said: JsonObject) -> int | None:
    """Return the field ``retention_period`` of a body, nanoseconds; None where it is missing or null.

    Raises: HttpError (400).
    """
    value = said.fields.get("retention_period")
    if value is None:
        return None
    if not isinstance(value, str):
        raise json_fault(f"invalid type: {described(value)}, expected a duration")
    try:
        return _bounded(parse_duration(said.required("retention_period", str)))
    except InvalidInputError as error:
        raise json_fault(f"invalid value: {described(value)}, expected a duration") from error


def duration_ns(said: Fields) -> int:
    """Return the field ``duration``, nanoseconds.

    Raises: HttpError (400).
    """
    try:
        return _bounded(parse_duration(said.required("duration", str)))
    except InvalidInputError as error:
        raise HttpError(400, f"Cannot parse the given human time: {error}") from error


def hard_deletion(said: Fields, now_ns: int) -> HardDeletion | int:
    """Return the field ``hard_delete_at``: a word, or an instant, nanoseconds UTC; one that has passed is now.

    Raises: HttpError (400).
    """
    text = said.optional("hard_delete_at", str)
    if text is None:
        return HardDeletion.DEFAULT
    if text in _WORDS:
        return _WORDS[text]
    instant_ns = _instant_ns(text)
    if instant_ns > _LATEST_NS:
        raise HttpError(400, "Timestamp is out of range")
    return HardDeletion.NOW if instant_ns < now_ns else instant_ns


def _bounded(period_ns: int) -> int:
    """Return a period whose beginning can be told: no row is older than the longest."""
    return min(period_ns, _LONGEST_PERIOD_NS)


def _instant_ns(text: str) -> int:
    found = _INSTANT.fullmatch(text)
    if found is None:
        fault = "premature end of input" if len(text) < 20 else "input contains invalid characters"
        raise _bad_instant(fault)
    moment, fraction, offset, rest = found.groups()
    if rest:
        raise _bad_instant("trailing input")
    try:
        parsed = datetime.datetime.fromisoformat(moment.upper() + offset.upper())
        seconds = (parsed - datetime.datetime.fromtimestamp(0, datetime.UTC)) // datetime.timedelta(
            seconds=1
        )
    except (ValueError, OverflowError) as error:
        raise _bad_instant("input is out of range") from error
    return seconds * 1_000_000_000 + int((fraction or "0").ljust(9, "0")[:9])


def _bad_instant(fault: str) -> HttpError:
    return HttpError(400, f"Cannot parse the timestamp: {fault}")
