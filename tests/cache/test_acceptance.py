"""Rows enter by the rule of one after the other, whichever way it is worked out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from procengine.cache.last.acceptance import accept, newest_rows

ROWS = st.lists(st.tuples(st.integers(0, 3), st.integers(-2, 6)), max_size=40)
FLOORS = st.lists(st.integers(0, 4), min_size=4, max_size=4)


@given(rows=ROWS, floors=FLOORS, count=st.integers(1, 4), ascending=st.booleans())
def test_accept_is_one_after_the_other(
    rows: list[tuple[int, int]], floors: list[int], count: int, ascending: bool
) -> None:
    """A row enters when it is later than all before it in its group, and than the group's floor; the newest stay."""
    rows = sorted(rows, key=lambda row: row[1]) if ascending else rows
    newest = dict(enumerate(floors))
    expected: dict[int, list[int]] = {}
    for number, (group, time) in enumerate(rows):
        if time > newest[group]:
            newest[group] = time
            expected[group] = [*expected.get(group, []), number][-count:]
    groups = np.array([group for group, _ in rows], np.int64)
    times = np.array([time for _, time in rows], np.int64)
    accepted = accept(groups, times, np.array(floors, np.int64), count=count)
    assert accepted.groups.tolist() == sorted(expected)
    assert accepted.rows.tolist() == [one for group in sorted(expected) for one in expected[group]]
    assert accepted.counts.tolist() == [len(expected[group]) for group in sorted(expected)]


@given(
    groups=st.lists(st.integers(0, 3), min_size=1, max_size=200),
    floors=st.lists(st.integers(0, 200), min_size=4, max_size=4),
    count=st.integers(2, 4),
)
def test_accept_where_each_row_is_later_than_all_before(
    groups: list[int], floors: list[int], count: int
) -> None:
    """Of rows in the order of their times the last of each group enter, also where a group's are far from the end."""
    expected: dict[int, list[int]] = {}
    for number, group in enumerate(groups):
        if number > floors[group]:
            expected[group] = [*expected.get(group, []), number][-count:]
    accepted = accept(
        np.array(groups, np.int64), np.arange(len(groups)), np.array(floors, np.int64), count=count
    )
    assert accepted.groups.tolist() == sorted(expected)
    assert accepted.rows.tolist() == [one for group in sorted(expected) for one in expected[group]]
    assert accepted.counts.tolist() == [len(expected[group]) for group in sorted(expected)]


@pytest.mark.parametrize("group_count", [10, 70_000, 300_000])
def test_accept_among_many_groups(group_count: int) -> None:
    """However many groups there are, all rows of a group are told apart from others."""
    groups = np.random.default_rng(1).permutation(np.tile(np.arange(group_count), 2))
    times = np.arange(1, len(groups) + 1)
    floors = np.zeros(group_count, np.int64)
    accepted = accept(groups, times, floors, count=2)
    assert np.array_equal(accepted.groups, np.arange(group_count))
    assert set(accepted.counts.tolist()) == {2}
    assert np.array_equal(groups[accepted.rows], np.repeat(np.arange(group_count), 2))
    assert bool((np.diff(accepted.rows.reshape(-1, 2)) > 0).all())
    newest = accept(groups, times, floors, count=1)
    assert np.array_equal(newest.rows, accepted.rows.reshape(-1, 2)[:, 1])


@given(rows=ROWS, count=st.integers(1, 4))
def test_newest_rows_have_the_newest_distinct_times(rows: list[tuple[int, int]], count: int) -> None:
    """Of each group the rows with one of its newest distinct times, all of them, in their order."""
    by_group: dict[int, set[int]] = {}
    for group, time in rows:
        by_group.setdefault(group, set()).add(time)
    newest = {group: sorted(times)[-count:] for group, times in by_group.items()}
    expected = [number for number, (group, time) in enumerate(rows) if time in newest[group]]
    groups = np.array([group for group, _ in rows], np.int64)
    times = np.array([time for _, time in rows], np.int64)
    assert newest_rows(groups, times, 4, count=count).tolist() == expected
