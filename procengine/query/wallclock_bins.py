"""Into which bin of the clock on the wall does an instant fall?

Bins are whole strides from an origin, both as the wall's clock shows them, so that a day has 23 or 25 hours when the
clocks change. Where the start of a bin is an hour that was left out, it is as long after midnight as it would have
been; where the hour came twice, it is the first of the two, or the one that the instant itself is in when the stride
is no longer than the hour that was repeated.

Source: core/query_functions/src/date_bin_wallclock.rs, offset_from_utc_ns and offset_from_local_ns.
"""

from __future__ import annotations

import re
import zoneinfo
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from procengine.errors import QueryError

SINCE_BIN = "procengine_since_wallclock_bin"
"""The SQL function of `since_bin`."""

DAY_NS = 24 * 3600 * 1_000_000_000
_TYPE = re.compile(r'Timestamp\(ns(?:, "(?P<zone>.*)")?\)')
_OFFSET = re.compile(r"[+-]\d{2}:?\d{2}")

Instants = npt.NDArray[np.int64]


def is_zone(name: str) -> bool:
    """Tell whether a name is a time zone of the IANA database, or an offset like ``+05:30``."""
    if _OFFSET.fullmatch(name):
        return True
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return True


def since_bin(
    times: pa.Array, kinds: pa.Array, strides: pa.Array, in_days: pa.Array, origins: pa.Array
) -> pa.Array:
    """Return how long each instant is past the start of its bin, as ``duration[ns]``.

    ``times`` and ``origins`` are int64, nanoseconds UTC and on the wall; ``kinds`` names the Arrow type of the times,
    with their zone; ``strides`` are nanoseconds and ``in_days`` tells that they were given in days. All but the
    times are the same in every row.
    """
    if not len(times):
        return pa.nulls(0, pa.duration("ns"))
    kind = kinds[0].as_py()
    found = _TYPE.fullmatch(kind)
    if found is None:
        raise QueryError(f"DATE_BIN_WALLCLOCK expects a timestamp value, not {kind}")
    instants = pc.fill_null(times, 0).to_numpy(zero_copy_only=False)
    stride_ns, origin_ns = strides[0].as_py(), origins[0].as_py()
    starts = bin_starts(
        instants, found["zone"], stride_ns, in_days=in_days[0].as_py(), origin_ns=origin_ns
    )
    mask = times.is_null().to_numpy(zero_copy_only=False) if times.null_count else None
    return pa.array(instants - starts, mask=mask).cast(pa.duration("ns"))


def bin_starts(
    instants: Instants, zone: str | None, stride_ns: int, *, in_days: bool, origin_ns: int = 0
) -> Instants:
    """Return the start of each instant's bin, nanoseconds UTC."""
    if zone is None or zone == "UTC":
        return instants - (instants - origin_ns) % stride_ns
    offsets = utc_offsets(instants, zone)
    local = instants + offsets
    return _instants_of(
        local - (local - origin_ns) % stride_ns, zone, offsets, None if in_days else stride_ns
    )


def utc_offsets(instants: Instants, zone: str) -> Instants:
    """Return how many nanoseconds the wall's clock is ahead of UTC at each instant."""
    shown = pc.local_timestamp(
        pa.array(instants).cast(pa.timestamp("ns", "UTC")).cast(pa.timestamp("ns", zone))
    )
    offsets: Instants = _numbers(shown) - instants
    return offsets


def _instants_of(local: Instants, zone: str, offsets: Instants, stride_ns: int | None) -> Instants:
    """Return the instants at which the wall's clock shows some times."""
    first, last = _assume(local, zone, "earliest"), _assume(local, zone, "latest")
    result = first.copy()
    skipped = first + utc_offsets(first, zone) != local
    repeated = (first != last) & ~skipped
    if stride_ns is not None:
        near = repeated & (stride_ns <= last - first)
        result[near] = local[near] - offsets[near]
    if skipped.any():
        result[skipped] = _assume(local[skipped] - DAY_NS, zone, "earliest") + DAY_NS
    return result


def _assume(local: Instants, zone: str, which: str) -> Instants:
    shown = pa.array(local).cast(pa.timestamp("ns"))
    return _numbers(pc.assume_timezone(shown, zone, ambiguous=which, nonexistent=which))


def _numbers(times: pa.Array) -> Instants:
    numbers: Instants = times.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return numbers


def register(context: Any, library: Any, guard: Any) -> None:
    """Let a context's SQL call `since_bin`; ``guard`` wraps the function, to keep what it raises."""
    kinds = [pa.int64(), pa.utf8(), pa.int64(), pa.bool_(), pa.int64()]
    function = library.udf(guard(since_bin), kinds, pa.duration("ns"), "immutable", SINCE_BIN)
    context.register_udf(function)
