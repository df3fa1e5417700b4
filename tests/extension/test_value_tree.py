"""A tree of values shows the nodes that are open, whatever the values are."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from procengine_jupyter.inspectors.value_tree import CLOSED, LEAF, OPEN, Path, ValueTree


def levels(*rows: Path) -> list[pa.ChunkedArray]:
    """Return sorted combinations as levels, null first."""
    ordered = sorted(rows, key=lambda row: [(one is not None, one or "") for one in row])
    return [
        pa.chunked_array([pa.array([row[place] for row in ordered], pa.string()).dictionary_encode()])
        for place in range(len(rows[0]))
    ]


HOUSE = levels(("a", "x", "1"), ("a", "x", "2"), ("a", "y", "1"), ("b", "x", "1"), (None, "", "1"))


def shown(tree: ValueTree, turned: set[Path], *, opened: bool = False) -> list[Path]:
    """Return the paths of the nodes that are shown."""
    nodes = tree.nodes(turned, opened=opened)
    paths = [tree.path(nodes, place) for place in range(len(nodes))]
    assert [tree.place(nodes, path) for path in paths] == [*range(len(nodes))]
    return paths


def expected(rows: list[Path], turned: set[Path], *, opened: bool) -> list[Path]:
    """Return the same, by going through all nodes."""
    every = {row[:depth] for row in rows for depth in range(1, len(row) + 1)}
    visible = [
        path
        for path in every
        if all((path[:depth] in turned) != opened for depth in range(1, len(path)))
    ]
    return sorted(visible, key=lambda row: [(one is not None, one or "") for one in row])


@pytest.mark.parametrize("seed", range(20))
def test_shown_nodes_are_those_below_open_ones(seed: int) -> None:
    """Whichever nodes are turned, of whatever values, and however all of them begin."""
    chance = np.random.default_rng(seed)
    some = [None, "", "a", "b", "é"]
    rows = [*{tuple(some[chance.integers(5)] for _ in range(3)) for _ in range(30)}]
    every = [row[:depth] for row in rows for depth in (1, 2)]
    turned = {every[chance.integers(len(every))] for _ in range(8)}
    tree = ValueTree(levels(*rows))
    for opened in (False, True):
        assert shown(tree, turned, opened=opened) == expected(rows, turned, opened=opened)


def test_counts_and_newest_are_of_all_beneath() -> None:
    """Whether or not it is shown."""
    tree = ValueTree(HOUSE)
    nodes = tree.nodes({("a",)})
    assert (nodes.ends - nodes.starts).tolist() == [1, 3, 2, 1, 1]
    assert tree.newest(nodes, np.array([50, 20, 30, 40, 10])).tolist() == [50, 40, 30, 40, 10]


def test_labels_tell_depth_state_and_value() -> None:
    """NULL and the empty text are no blanks."""
    tree = ValueTree(HOUSE)
    assert tree.labels(tree.nodes({(None,), (None, "")})).to_pylist() == [
        f"{OPEN} NULL",
        f'\u2003{OPEN} ""',
        f"\u2003\u2003{LEAF} 1",
        f"{CLOSED} a",
        f"{CLOSED} b",
    ]


def test_rows_that_do_not_count_are_not_there() -> None:
    """A filter leaves the nodes that lead to what it found."""
    tree = ValueTree(HOUSE, np.array([False, False, True, False, False]))
    assert shown(tree, set(), opened=True) == [("a",), ("a", "x"), ("a", "x", "2")]
    assert shown(ValueTree(HOUSE, np.zeros(5, np.bool_)), set()) == []


def test_a_path_that_is_not_shown_has_no_place() -> None:
    """It is gone, or beneath a closed node."""
    tree = ValueTree(HOUSE)
    nodes = tree.nodes(set())
    for path in (("c",), ("a", "x"), ("a", "x", "1", "more")):
        with pytest.raises(ValueError, match="no node"):
            tree.place(nodes, path)


def test_many_values_of_one_level() -> None:
    """A level of 100,000 values is shown whole."""
    names = [f"{one:05}" for one in range(100_000)]
    tree = ValueTree(levels(*zip(names)))
    nodes = tree.nodes(set())
    assert len(nodes) == 100_000
    assert tree.path(nodes, 77_777) == ("77777",)
    assert list(itertools.islice(tree.labels(nodes).to_pylist(), 2)) == ["· 00000", "· 00001"]
