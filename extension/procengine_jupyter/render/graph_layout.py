"""Where does each node of a graph stand?

In columns, each right of what leads to it; an edge that closes a circle is drawn back and counts for nothing.
Pure: names in, columns and rows out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean

Edge = tuple[str, str]


def layout(nodes: Sequence[str], edges: Iterable[Edge]) -> dict[str, tuple[int, int]]:
    """Return the column and the row of each node; in a column, what comes from above stands above.

    Both count from 0. Nodes without edges stand in the first column. The nodes' order decides what nothing else does.
    """
    forward = _without_circles(nodes, edges)
    before: dict[str, list[str]] = {node: [] for node in nodes}
    for source, target in forward:
        before[target].append(source)
    columns = _columns(nodes, before)
    places: dict[str, tuple[int, int]] = {}
    for column in sorted(set(columns.values())):
        members = [node for node in nodes if columns[node] == column]
        members.sort(key=lambda node: fmean([places[one][1] for one in before[node]] or [0.0]))
        places |= {node: (column, row) for row, node in enumerate(members)}
    return places


def _columns(nodes: Sequence[str], before: dict[str, list[str]]) -> dict[str, int]:
    """Return for each node how long the longest way to it is."""
    columns: dict[str, int] = {}
    waiting = list(nodes)
    while waiting:
        ready = [node for node in waiting if all(one in columns for one in before[node])]
        for node in ready:
            columns[node] = 1 + max((columns[one] for one in before[node]), default=-1)
        waiting = [node for node in waiting if node not in columns]
    return columns


def _without_circles(nodes: Sequence[str], edges: Iterable[Edge]) -> list[Edge]:
    """Return the edges but for those that lead back to where a walk has come from."""
    after: dict[str, list[str]] = {node: [] for node in nodes}
    incoming = dict.fromkeys(nodes, 0)
    for source, target in dict.fromkeys(edges):
        after[source].append(target)
        incoming[target] += 1
    kept: list[Edge] = []
    done: set[str] = set()
    # Walks begin where nothing leads to, so that of a circle the edge into its beginning is the one that goes.
    for start in sorted(nodes, key=lambda node: incoming[node] > 0):
        walk = [] if start in done else [(start, iter(after[start]))]
        under_way = {start}
        while walk:
            node, targets = walk[-1]
            following = next(targets, None)
            if following is None:
                walk.pop()
                under_way.discard(node)
                done.add(node)
            elif following not in under_way:
                kept.append((node, following))
                if following not in done:
                    under_way.add(following)
                    walk.append((following, iter(after[following])))
    return kept
