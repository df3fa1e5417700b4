"""How are counts, durations and instants said?"""

from __future__ import annotations

import datetime

_UNITS = ((1_000_000_000, "s"), (1_000_000, "ms"), (1_000, "µs"))


def duration(nanoseconds: int) -> str:
    """Return a duration with its unit, to three digits: ``1.24 ms``, ``2 min 5 s``."""
    if nanoseconds >= 60 * _UNITS[0][0]:
        minutes, seconds = divmod(round(nanoseconds / _UNITS[0][0]), 60)
        return f"{minutes:,} min {seconds} s"
    for size, unit in _UNITS:
        if nanoseconds >= size:
            amount = nanoseconds / size
            digits = 0 if amount >= 100 else 1 if amount >= 10 else 2
            return f"{amount:.{digits}f} {unit}"
    return f"{nanoseconds} ns"


def clock_time(instant_ns: int) -> str:
    """Return an instant's time of day, UTC, to the millisecond."""
    return _utc(instant_ns).strftime("%H:%M:%S.") + f"{instant_ns // 1_000_000 % 1000:03d}"


def instant(instant_ns: int) -> str:
    """Return an instant, UTC: ``2022-12-31 00:00:00 UTC``."""
    return _utc(instant_ns).strftime("%Y-%m-%d %H:%M:%S UTC")


def _utc(instant_ns: int) -> datetime.datetime:
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return epoch + datetime.timedelta(microseconds=instant_ns // 1_000)


def listed(items: list[str], *, most: int = 6) -> str:
    """Return items by commas, the rest beyond the first few counted."""
    hidden = len(items) - most
    return ", ".join(items[:most]) + (f" and {hidden:,} more" if hidden > 0 else "")


def enabling(database: str, trigger: str) -> str:
    """Return the line that enables a trigger, which ends a pause."""
    return f"%influxdb3 enable trigger --database {database} {trigger}"
