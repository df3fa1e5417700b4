"""Which rows of a batch enter a last-value cache?

Rows are looked at one after the other: a row enters when its time is later than that of every row of its key before
it. So late rows never enter, nor do rows of equal time, however many rows a key may have.

Source: influxdb3_cache/src/last_cache/cache.rs, LastCacheStore::push.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from procengine.cache.arrow_values import Int64s

_EARLIEST = -(2**63)
_RADIX_LIMIT = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Accepted:
    """The rows that enter, by group and, within it, in ascending time.

    ``rows`` are positions in what was given, ``groups`` the groups that have any, ascending, ``counts`` how many
    each has.
    """

    rows: Int64s
    groups: Int64s
    counts: Int64s


_FIRST = np.zeros(1, np.int64)
_ONE = Accepted(rows=_FIRST, groups=_FIRST, counts=np.ones(1, np.int64))
_NONE = Accepted(rows=_FIRST[:0], groups=_FIRST[:0], counts=_FIRST[:0])


def accept(of_row: Int64s, times_ns: Int64s, newest_ns: Int64s, *, count: int) -> Accepted:
    """Return the rows that enter, of each group the newest ``count`` at most.

    ``of_row`` is the group of each row, ``newest_ns`` for each group the time that a row must exceed.
    """
    if len(times_ns) == 1 == len(newest_ns):
        enters = times_ns > newest_ns
        return _ONE if enters[0] else _NONE
    if count == 1:
        return _accept_newest(of_row, times_ns, newest_ns)
    if not len(times_ns):
        return _NONE
    if times_ns.min() > newest_ns.max():  # as a rule; seen without looking up each row's
        return _accept_records(of_row, times_ns, len(newest_ns), count)
    late = np.flatnonzero(times_ns > newest_ns[of_row])
    if not len(late):
        return _NONE
    found = _accept_records(of_row[late], times_ns[late], len(newest_ns), count)
    return Accepted(rows=late[found.rows], groups=found.groups, counts=found.counts)


def _accept_records(of_row: Int64s, times_ns: Int64s, groups: int, count: int) -> Accepted:
    """Return the newest rows of each group among those that are later than all before them; there is a row."""
    if bool((times_ns[1:] > times_ns[:-1]).all()):  # then all are
        return _accept_last(of_row, groups, count)
    order = _by_group(of_row, groups)
    group = of_row[order]
    record = _is_record(group, times_ns[order])
    if not record.all():
        order, group = order[record], group[record]
    return _newest_of_each(order, np.bincount(group, minlength=groups), count)


def _accept_last(of_row: Int64s, groups: int, count: int) -> Accepted:
    """Return the last rows of each group. Most have theirs near the end: only of others earlier rows are sorted."""
    near = max(0, len(of_row) - groups * count * 3 // 2)
    if near < len(of_row) // 8:
        return _newest_of_each(_by_group(of_row, groups), np.bincount(of_row, minlength=groups), count)
    number = np.bincount(of_row[near:], minlength=groups)
    far = np.flatnonzero((number < count)[of_row[:near]])
    number += np.bincount(of_row[far], minlength=groups)
    order = _by_group(np.concatenate([of_row[far], of_row[near:]]), groups)
    order += near - len(far)  # a row's number, but for the far ones
    low = np.flatnonzero(order < near)
    order[low] = far[order[low] - (near - len(far))]
    return _newest_of_each(order, number, count)


def _newest_of_each(rows: Int64s, number: Int64s, count: int) -> Accepted:
    """Return of rows that stand by group, so many of each group as ``number`` says, the last ``count`` of each."""
    if number.max() > count:
        of_row = np.repeat(np.arange(len(number), dtype=np.int32), number)
        kept = np.ones(len(rows), np.bool_)
        kept[:-count] = of_row[count:] != of_row[:-count]
        rows = rows[kept]
    groups = np.flatnonzero(number)
    return Accepted(rows=rows, groups=groups, counts=np.minimum(number[groups], count))


def newest_rows(of_row: Int64s, times_ns: Int64s, groups: int, *, count: int) -> Int64s:
    """Return the rows whose time is among the newest ``count`` distinct times of their group; in their order."""
    if count == 1:
        return np.flatnonzero(times_ns == _newest_times(of_row, times_ns, groups)[of_row])
    order = np.lexsort((times_ns, of_row))
    group, time = of_row[order], times_ns[order]
    is_new = np.ones(len(order), np.bool_)
    is_new[1:] = (group[1:] != group[:-1]) | (time[1:] != time[:-1])
    rank = np.cumsum(is_new)
    last_rank = np.zeros(groups, np.int64)
    last_rank[group] = rank
    return np.sort(order[last_rank[group] - rank < count])


def _accept_newest(of_row: Int64s, times_ns: Int64s, newest_ns: Int64s) -> Accepted:
    """Return of each group the first row of its latest time, where that is late enough."""
    newest = _newest_times(of_row, times_ns, len(newest_ns))
    candidates = np.flatnonzero(times_ns == newest[of_row])[::-1]
    rows = np.empty(len(newest_ns), np.int64)
    rows[of_row[candidates]] = candidates  # the last written stays: the first in the order of rows
    groups = np.flatnonzero(newest > newest_ns)
    return Accepted(rows=rows[groups], groups=groups, counts=np.ones(len(groups), np.int64))


def _newest_times(of_row: Int64s, times_ns: Int64s, groups: int) -> Int64s:
    newest = np.full(groups, _EARLIEST, np.int64)
    if len(times_ns) < 2 or bool((times_ns[1:] >= times_ns[:-1]).all()):
        newest[of_row] = times_ns  # the last written stays
    else:
        np.maximum.at(newest, of_row, times_ns)
    return newest


def _by_group(of_row: Int64s, groups: int) -> npt.NDArray[np.intp]:
    """Return the order of rows by group, stable; numpy sorts 16-bit numbers by radix, six times as fast as others."""
    if groups <= _RADIX_LIMIT:
        return np.argsort(of_row.astype(np.uint16), kind="stable")
    low = np.argsort(of_row.astype(np.uint16), kind="stable")  # of its lower 16 bits
    high = np.argsort((of_row >> 16).astype(np.uint16)[low], kind="stable")
    return low[high]


def _is_record(group: Int64s, times_ns: Int64s) -> npt.NDArray[np.bool_]:
    """Return whether a row is later than all before it in its group; rows stand by group."""
    record = np.ones(len(group), np.bool_)
    same = group[1:] == group[:-1]
    if not bool((same & (times_ns[1:] < times_ns[:-1])).any()):
        record[1:] = ~same | (times_ns[1:] > times_ns[:-1])
        return record
    ranks = np.unique(times_ns, return_inverse=True)[1]
    height = group * (int(ranks.max()) + 1) + ranks  # rises from group to group
    record[1:] = height[1:] > np.maximum.accumulate(height)[:-1]
    return record
