"""Which bins lie in a range of time?"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from procengine.errors import QueryError
from procengine.query.gapfill_rows import MOST_ROWS
from procengine.query.wallclock_bins import utc_offsets

Numbers = npt.NDArray[np.int64]


def even_bins(first_ns: int, last_ns: int, stride_ns: int) -> Numbers:
    """Return the bins from one start to another, both included."""
    _check((last_ns - first_ns) // stride_ns + 1)
    return np.arange(first_ns, last_ns + 1, stride_ns, dtype=np.int64)


def wallclock_bins(first_ns: int, last_ns: int, stride_ns: int, zone: str) -> Numbers:
    """Return the bins of a wall's clock from one start to another.

    Source: core/iox_query/src/exec/gapfill/date_bin_wallclock_gap_expander.rs, TimestampIterator.
    """
    _check((last_ns - first_ns) // stride_ns + 1)
    bins = [first_ns]
    offset = _offset(first_ns, zone)
    while bins[-1] <= last_ns:
        following = bins[-1] + stride_ns
        ahead = _offset(following, zone)
        if ahead != offset:
            following, offset = _across_change(following, offset, ahead, stride_ns, zone)
        bins.append(following)
    return np.array([one for one in bins if one <= last_ns], np.int64)


def _across_change(
    following: int, offset: int, ahead: int, stride_ns: int, zone: str
) -> tuple[int, int]:
    """Return the next bin where the clocks change before it, and the offset that is then in force."""
    change = abs(offset - ahead)
    if change >= stride_ns:
        return following, ahead
    if ahead < offset or _offset(following - change, zone) == ahead:
        return following + offset - ahead, ahead
    # The hour aimed at does not exist: the offset is left for the bin after this one to make up for.
    return following, offset


def _offset(instant_ns: int, zone: str) -> int:
    return int(utc_offsets(np.array([instant_ns], np.int64), zone)[0])


def _check(count: int) -> None:
    if count > MOST_ROWS:
        raise QueryError(f"gap filling would make {count} rows a series; at most {MOST_ROWS} are made")
