"""Which rows fall into some ranges of time, and what is left of them when duplicates there are merged?

Ranges are closed, in nanoseconds, disjoint and ascending.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from procengine.model.column import TIME
from procengine.query.stored_rows import StoredFile
from procengine.write.merge_duplicates import merge_duplicates

Range = tuple[int, int]


def without_duplicates(
    batches: Sequence[pa.RecordBatch], ranges: Sequence[Range], tags: Sequence[str]
) -> Sequence[pa.RecordBatch]:
    """Return buffered rows, merged where two may have the same tags and time: within the ranges only."""
    if not ranges:
        return batches
    inside, outside = split_batches(batches, ranges)
    return [merge_duplicates(inside, tags), *outside] if inside else outside


def split_batches(
    batches: Iterable[pa.RecordBatch], ranges: Sequence[Range]
) -> tuple[list[pa.RecordBatch], list[pa.RecordBatch]]:
    """Return the rows within the ranges and those outside, each in their order."""
    inside, outside = [], []
    for batch in batches:
        mask = _within(batch, ranges)
        if mask.all():
            inside.append(batch)
        elif not mask.any():
            outside.append(batch)
        else:
            inside.append(batch.filter(pa.array(mask)))
            outside.append(batch.filter(pa.array(~mask)))
    return inside, outside


def touches(file: StoredFile, ranges: Iterable[Range]) -> bool:
    """Tell whether a file can hold rows within the ranges."""
    return any(file.min_time_ns <= last and file.max_time_ns >= first for first, last in ranges)


def holds(ranges: Iterable[Range], file: StoredFile) -> bool:
    """Tell whether all rows of a file lie within the ranges."""
    return any(first <= file.min_time_ns and file.max_time_ns <= last for first, last in ranges)


def _within(batch: pa.RecordBatch, ranges: Sequence[Range]) -> npt.NDArray[np.bool_]:
    times = batch[TIME].to_numpy(zero_copy_only=False).view(np.int64)
    firsts = np.array([first for first, _ in ranges], np.int64)
    lasts = np.array([last for _, last in ranges], np.int64)
    position = np.searchsorted(firsts, times, side="right") - 1
    within: npt.NDArray[np.bool_] = (position >= 0) & (times <= lasts[np.maximum(position, 0)])
    return within
