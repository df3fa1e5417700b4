"""In which order do rows stand by series and time, and where does each series lie?

A series is one combination of tag values; a null tag is absent, and not the empty string.
Series are ordered by their tags in series-key order, each tag absent first, then by its UTF-8 bytes.
The index is a permutation beside the rows: the rows themselves are neither moved nor copied.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from procengine.model.arrow_text import missing_of, numbers_of
from procengine.model.column import TIME

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

_GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)
_RADIX_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True, eq=False)
class TagCodes:
    """One tag column as ranks: 0 where the tag is absent, else 1 + the rank of its value.

    ``values`` are ascending.
    """

    codes: Int64s
    values: tuple[str, ...]

    def ranks_of(self, wanted: Iterable[str]) -> list[int]:
        """Return the ranks of those of some values that there are."""
        places = [(bisect_left(self.values, value), value) for value in wanted]
        return [place + 1 for place, value in places if self.values[place : place + 1] == (value,)]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SeriesIndex:
    """Rows by (series, time), rows of equal series and time in the order of their arrival.

    ``order`` (int32) holds row numbers; ``times_ns`` (int64) the times in that order. Series ``s`` lies at
    ``starts[s]`` up to ``starts[s + 1]``. ``tags`` maps each tag to its rank for each series, and to the values
    that the ranks stand for. ``hashes`` (uint64) are equal for equal series in this process, whichever index
    they come from.
    """

    order: Int32s
    times_ns: Int64s
    starts: Int64s
    tags: Mapping[str, TagCodes]
    hashes: UInt64s

    @property
    def series_count(self) -> int:
        """The number of distinct series."""
        return len(self.starts) - 1

    def row_series(self) -> Int64s:
        """Return the series of each row, in the index's order."""
        return np.repeat(np.arange(self.series_count), np.diff(self.starts))

    def same_as_previous(self) -> Bools:
        """Return, in the index's order, whether a row has the series and time of the one before it."""
        same = np.empty(len(self.order), np.bool_)
        same[:1] = False
        np.equal(self.times_ns[1:], self.times_ns[:-1], out=same[1:])
        inner = self.starts[1:-1]
        same[inner] = False
        return same

    def matching_series(self, tag_equals: Mapping[str, frozenset[str]]) -> Int64s:
        """Return the series that have, for each tag, one of its values; an absent tag equals nothing."""
        matches = None
        for tag, wanted in tag_equals.items():
            codes = self.tags.get(tag)
            ranks = [] if codes is None else codes.ranks_of(wanted)
            if codes is None or not ranks:
                return np.empty(0, np.int64)
            matching = codes.codes == ranks[0] if len(ranks) == 1 else np.isin(codes.codes, ranks)
            matches = matching if matches is None else matches & matching
        return np.arange(self.series_count) if matches is None else np.flatnonzero(matches)


def index_series(batch: pa.RecordBatch, tags: Sequence[str]) -> SeriesIndex:
    """Return the index of a batch's rows by the tags given, in series-key order.

    Tags that the batch does not have count as absent. Takes some 40 ms for a million rows of three tags.
    """
    times = time_values(batch)
    present = [tag for tag in tags if batch.schema.get_field_index(tag) >= 0]
    codes = {tag: _tag_codes(batch.column(tag)) for tag in present}
    series, distinct = _number_series([codes[tag] for tag in present], batch.num_rows)
    order = _order(series, len(distinct), times)
    starts = np.zeros(len(distinct) + 1, np.int64)
    np.cumsum(np.bincount(series, minlength=len(distinct)), out=starts[1:])
    by_series = {
        tag: TagCodes(_codes_of_series(codes[tag].codes, order, starts), codes[tag].values)
        for tag in present
    }
    return SeriesIndex(
        order=order.astype(np.int32, copy=False),
        times_ns=times[order],
        starts=starts,
        tags=by_series,
        hashes=_series_hashes(by_series, len(distinct)),
    )


def time_values(batch: pa.RecordBatch) -> Int64s:
    """Return a batch's times as nanoseconds, without a copy."""
    return numbers_of(batch.column(TIME), np.int64)


def _tag_codes(column: pa.DictionaryArray) -> TagCodes:
    unique = column.dictionary.dictionary_encode()  # a dictionary may repeat a value, or hold a null
    values = unique.dictionary
    ranks = np.empty(len(values) + 1, np.int64)
    ranks[numbers_of(pc.array_sort_indices(values), np.uint64)] = np.arange(1, len(values) + 1)
    ranks[-1] = 0
    of_entry = ranks[_indices(unique)]
    of_entry = np.append(of_entry, 0)
    codes = of_entry[_indices(column)]
    return TagCodes(codes, tuple(values.take(pc.array_sort_indices(values)).to_pylist()))


def _indices(column: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    """Return the places in the dictionary, -1 for NULL."""
    indices = column.indices
    places = numbers_of(indices, np.int32)
    return np.where(missing_of(indices), np.int32(-1), places) if indices.null_count else places


def _number_series(tags: Sequence[TagCodes], row_count: int) -> tuple[Int64s, Int64s]:
    """Return each row's series, numbered from 0 in series order, and an array with one entry a series."""
    series = np.zeros(row_count, np.int64)
    distinct = np.zeros(min(row_count, 1), np.int64)
    for tag in tags:
        radix = len(tag.values) + 1
        series = series * radix + tag.codes
        series, distinct = _dense(series, len(distinct) * radix)
    return series, distinct


def _dense(values: Int64s, bound: int) -> tuple[Int64s, Int64s]:
    """Number values (0 up to a bound) without gaps, keeping their order."""
    if bound > max(4 * len(values), 1024):
        distinct, numbers = np.unique(values, return_inverse=True)
        return numbers, distinct
    present = np.zeros(bound, np.bool_)
    present[values] = True
    distinct = np.flatnonzero(present)
    if len(distinct) == bound:
        return values, distinct
    numbers = np.empty(bound, np.int64)
    numbers[distinct] = np.arange(len(distinct))
    return numbers[values], distinct


def _order(series: Int64s, series_count: int, times: Int64s) -> npt.NDArray[np.intp]:
    """Return the row numbers by (series, time, arrival)."""
    if len(times) < 2 or not np.any(times[1:] < times[:-1]):
        if series_count <= 1:
            return np.arange(len(times))
        if series_count <= _RADIX_LIMIT:  # numpy sorts 16-bit numbers by radix, six times as fast
            return np.argsort(series.astype(np.uint16), kind="stable")
        return np.argsort(series, kind="stable")
    by_time = np.argsort(times, kind="stable")
    if series_count <= 1:
        return by_time
    narrow = series.astype(np.uint16) if series_count <= _RADIX_LIMIT else series
    order: npt.NDArray[np.intp] = by_time[np.argsort(narrow[by_time], kind="stable")]
    return order


def _codes_of_series(codes: Int64s, order: npt.NDArray[np.intp], starts: Int64s) -> Int64s:
    return codes[order[starts[:-1]]]


def _series_hashes(tags: Mapping[str, TagCodes], series_count: int) -> UInt64s:
    """Hash each series by its present tags, in whichever order they come: tags may be added later."""
    hashes = np.zeros(series_count, np.uint64)
    for tag, codes in tags.items():
        of_value = np.array([0, *(hash((tag, value)) for value in codes.values)], np.int64)
        hashes += _mix(of_value.view(np.uint64))[codes.codes] * (codes.codes != 0).astype(np.uint64)
    return hashes


def _mix(values: UInt64s) -> UInt64s:
    """Spread the bits of 64-bit numbers; arithmetic wraps round."""
    mixed = (values ^ (values >> np.uint64(30))) * _GOLDEN
    return (mixed ^ (mixed >> np.uint64(27))) * _GOLDEN
