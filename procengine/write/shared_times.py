"""In which time range do two groups of rows have the same tags and time?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from procengine.write.series_index import SeriesIndex

TimeRange = tuple[int, int]
"""First and last instant, nanoseconds UTC, both included."""

Int64s = npt.NDArray[np.int64]

_MAX_KEY = 2**62


def shared_times(one: SeriesIndex, other: SeriesIndex, between: TimeRange) -> TimeRange | None:
    """Return the range of the times at which both have a row of the same series, within a range, or None.

    Series are compared by 64-bit hashes, so a range may be named without cause; none is missed. Both indexes are
    sorted alike, so rows are compared by one search of sorted numbers in sorted numbers: some 50 ms for a
    million rows each.
    """
    _, mine, theirs = np.intersect1d(one.hashes, other.hashes, return_indices=True)
    if not len(mine):
        return None
    by_place = np.argsort(mine)
    mine, theirs = mine[by_place], theirs[by_place]
    if np.any(np.diff(theirs) <= 0):  # two series with one hash: the order says nothing then
        return between
    my_series, my_times = _rows(one, mine, between)
    their_series, their_times = _rows(other, theirs, between)
    my_keys, their_keys = _keys(my_series, my_times, their_series, their_times, between)
    times = my_times[_found(my_keys, their_keys)]
    return (int(times.min()), int(times.max())) if len(times) else None


def _rows(index: SeriesIndex, series: Int64s, between: TimeRange) -> tuple[Int64s, Int64s]:
    """Return number and time of the rows of some series in a time range; series are numbered as they are given."""
    numbers = np.full(index.series_count, -1)
    numbers[series] = np.arange(len(series))
    of_row = np.repeat(numbers, np.diff(index.starts))
    inside = (of_row >= 0) & (index.times_ns >= between[0]) & (index.times_ns <= between[1])
    return of_row[inside], index.times_ns[inside]


def _keys(
    my_series: Int64s, my_times: Int64s, their_series: Int64s, their_times: Int64s, between: TimeRange
) -> tuple[Int64s, Int64s]:
    """Return one number for each series and time, rising with both."""
    span = between[1] - between[0] + 1
    count = int(max(my_series.max(initial=0), their_series.max(initial=0))) + 1
    if count * span < _MAX_KEY:
        return my_series * span + (my_times - between[0]), their_series * span + (
            their_times - between[0]
        )
    distinct, places = np.unique(np.concatenate([my_times, their_times]), return_inverse=True)
    mine, theirs = places[: len(my_times)], places[len(my_times) :]
    return my_series * len(distinct) + mine, their_series * len(distinct) + theirs


def _found(needles: Int64s, sorted_numbers: Int64s) -> npt.NDArray[np.bool_]:
    if not len(sorted_numbers):
        return np.zeros(len(needles), np.bool_)
    places = np.searchsorted(sorted_numbers, needles)
    found: npt.NDArray[np.bool_] = sorted_numbers[np.minimum(places, len(sorted_numbers) - 1)] == needles
    return found
