"""Which nodes of a tree of values are shown, when some of its nodes are open?

The tree is a sorted table of combinations: the rows below one node lie next to each other, so that a node is no
more than where they begin and end. Only shown nodes are ever made, by numpy: a level of 100,000 values costs
milliseconds, and what lies beneath a closed node nothing.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Int64s = npt.NDArray[np.int64]
Path = tuple[str | None, ...]
"""The values that lead to a node, the outermost first; None is NULL."""

INDENT = "\u2003"
CLOSED, OPEN, LEAF = "▸", "▾", "·"
_MARKS = pa.array([CLOSED, OPEN, LEAF])
_FIRST = np.zeros(1, np.int64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nodes:
    """The nodes that are shown, from top to bottom.

    Of each: where its combinations begin and end in the tree's rows, how deep it lies (from 0), and which mark it has
    (a place in ``CLOSED, OPEN, LEAF``).
    """

    starts: Int64s
    ends: Int64s
    depths: Int64s
    marks: Int64s

    def __len__(self) -> int:
        return len(self.starts)


class ValueTree:
    """A tree of combinations: one dictionary array a level, their rows sorted by the levels in turn."""

    def __init__(
        self, levels: Sequence[pa.ChunkedArray], rows: npt.NDArray[np.bool_] | None = None
    ) -> None:
        """``rows`` is true for those that are part of the tree; None: all are."""
        encoded = [_one_array(level) for level in levels]
        self._dictionaries = [one.dictionary for one in encoded]
        codes = [_codes(one) for one in encoded]
        self._codes = codes if rows is None else [one[rows] for one in codes]
        self._length = len(self._codes[0])

    def __len__(self) -> int:
        return self._length

    def nodes(self, turned: Set[Path], *, opened: bool = False) -> Nodes:
        """Return the shown nodes. ``opened`` says how nodes are that are not among the ``turned``."""
        parts: list[tuple[Int64s, Int64s, int, Int64s]] = []
        if self._length:
            self._add(parts, 0, self._length, 0, turned=turned, opened=opened)
        empty = np.zeros(0, np.int64)
        return Nodes(
            starts=np.concatenate([empty, *(part[0] for part in parts)]),
            ends=np.concatenate([empty, *(part[1] for part in parts)]),
            depths=np.concatenate([empty, *(np.full(len(p[0]), p[2], np.int64) for p in parts)]),
            marks=np.concatenate([empty, *(part[3] for part in parts)]),
        )

    def labels(self, nodes: Nodes) -> pa.Array:
        """Return the text of each node: its depth, its mark and its value."""
        values = np.full(len(nodes), "", object)
        for depth, dictionary in enumerate(self._dictionaries):
            chosen = np.flatnonzero(nodes.depths == depth)
            codes = self._codes[depth][nodes.starts[chosen]]
            texts = dictionary.take(pa.array(codes, mask=codes < 0)).cast(pa.string())
            texts = pc.if_else(pc.equal(texts, ""), '""', texts)
            values[chosen] = pc.fill_null(texts, "NULL").to_numpy(zero_copy_only=False)
        indents = pa.array([INDENT * depth for depth in range(len(self._codes))])
        return pc.binary_join_element_wise(
            pc.binary_join_element_wise(
                indents.take(pa.array(nodes.depths)), _MARKS.take(pa.array(nodes.marks)), ""
            ),
            pa.array(values, pa.string()),
            " ",
        )

    def path(self, nodes: Nodes, place: int) -> Path:
        """Return the values that lead to a node."""
        row = nodes.starts[place]
        codes = [int(self._codes[depth][row]) for depth in range(int(nodes.depths[place]) + 1)]
        found = zip(self._dictionaries, codes, strict=False)
        return tuple(None if code < 0 else dictionary[code].as_py() for dictionary, code in found)

    def place(self, nodes: Nodes, path: Path) -> int:
        """Return which of the nodes a path leads to.

        Raises: ValueError when it is not among them.
        """
        found = nodes.depths == len(path) - 1
        for depth, value in enumerate(path[: len(self._codes)]):
            found &= self._codes[depth][nodes.starts] == self._code(depth, value)
        places = np.flatnonzero(found)
        if not len(places):
            raise ValueError(f"no node {path!r}")
        return int(places[0])

    def newest(self, nodes: Nodes, instants: Int64s) -> Int64s:
        """Return of each node the greatest of its rows' instants."""
        found = np.zeros(len(nodes), np.int64)
        for depth in range(len(self._codes)):
            chosen = np.flatnonzero(nodes.depths == depth)
            if len(chosen):
                # Where nodes of one depth end and the next begins, other rows may lie: every other slice is theirs.
                edges = np.column_stack([nodes.starts[chosen], nodes.ends[chosen]]).reshape(-1)
                edges = edges[:-1] if edges[-1] == self._length else edges
                found[chosen] = np.maximum.reduceat(instants, edges)[::2]
        return found

    def _add(
        self,
        parts: list[tuple[Int64s, Int64s, int, Int64s]],
        first: int,
        end: int,
        depth: int,
        *,
        turned: Set[Path],
        opened: bool,
    ) -> None:
        """Add the nodes of some rows at a depth, and those beneath the open ones."""
        codes = self._codes[depth][first:end]
        starts = np.concatenate([_FIRST, np.flatnonzero(codes[1:] != codes[:-1]) + 1])
        codes = codes[starts]
        starts = starts + first
        ends = np.append(starts[1:], end)
        if depth == len(self._codes) - 1:
            parts.append((starts, ends, depth, np.full(len(starts), 2, np.int64)))
            return
        is_turned = np.isin(codes, [self._code(depth, path[-1]) for path in turned if len(path) == 1])
        is_open = is_turned != opened
        drawn = 0
        for number in np.flatnonzero(is_open):
            shown = slice(drawn, int(number) + 1)
            parts.append((starts[shown], ends[shown], depth, is_open[shown].astype(np.int64)))
            value = self._value(depth, int(codes[number]))
            below = {path[1:] for path in turned if len(path) > 1 and path[0] == value}
            self._add(
                parts, int(starts[number]), int(ends[number]), depth + 1, turned=below, opened=opened
            )
            drawn = int(number) + 1
        parts.append((starts[drawn:], ends[drawn:], depth, is_open[drawn:].astype(np.int64)))

    def _code(self, depth: int, value: str | None) -> int:
        """Return the number of a value in its level; -2 when there is no such value."""
        if value is None:
            return -1
        found = pc.index(self._dictionaries[depth], value).as_py()
        return -2 if found < 0 else int(found)

    def _value(self, depth: int, code: int) -> str | None:
        return None if code < 0 else str(self._dictionaries[depth][code].as_py())


def _one_array(column: pa.ChunkedArray) -> pa.DictionaryArray:
    combined = column.combine_chunks()
    return combined.chunk(0) if isinstance(combined, pa.ChunkedArray) else combined


def _codes(column: pa.DictionaryArray) -> Int64s:
    codes: Int64s = pc.fill_null(column.indices, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    return codes
