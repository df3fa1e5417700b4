"""In which cells do the rows of each series lie, which is the newest, and which have expired?

The cells of a series are a ring of ``levels``: a new row takes the place after the newest, and so the oldest's once
the ring is full. Rings begin with one level and grow to ``count`` as some series needs it.
A series takes 16 bytes here (its newest time, and where its ring stands), a cell 8 (when its row was inserted).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from procengine.cache.arrow_values import Bools, Int32s, Int64s, grown

NEVER_NS = 2**63 - 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Move:
    """Cells, by flat number, that went elsewhere; ``shape`` is places and levels afterwards."""

    cells: Int64s
    into: Int64s
    shape: tuple[int, int]


class SeriesCells:
    """The rings of all series of a cache, by place."""

    def __init__(self, count: int) -> None:
        self._count = count
        self.levels = 1
        self.newest_ns: Int64s = np.zeros(0, np.int64)
        """The time of the newest row of each series, 0 where there is none: only later rows enter."""
        self._head: Int32s = np.full(0, -1, np.int32)
        self._fill: Int32s = np.zeros(0, np.int32)
        self._inserted_ns: Int64s = np.zeros((0, 1), np.int64)

    @property
    def size_bytes(self) -> int:
        """The bytes taken."""
        parts = (self.newest_ns, self._head, self._fill, self._inserted_ns)
        return sum(part.nbytes for part in parts)

    @property
    def row_count(self) -> int:
        """The number of rows, those included that expired and are not yet evicted."""
        return int(self._fill.sum())

    def live_places(self) -> Int64s:
        """Return the places of series that have rows."""
        return np.flatnonzero(self._fill)

    def grow(self, places: int) -> None:
        """Make room for a number of places."""
        self.newest_ns = grown(self.newest_ns, places)
        self._head = grown(self._head, places, -1)
        self._fill = grown(self._fill, places)
        self._inserted_ns = grown(self._inserted_ns, places)

    def levels_for(self, places: Int64s, counts: Int64s) -> int:
        """Return how many levels are needed before ``counts`` rows can be pushed."""
        if self.levels == self._count:
            return self._count
        needed = int((self._fill[places] + counts).max())
        if needed <= self.levels:
            return self.levels
        return min(self._count, max(needed, 2 * self.levels))

    def push(
        self, places: Int64s, counts: Int64s, newest_ns: Int64s, inserted_ns: int | Int64s
    ) -> Int64s:
        """Take cells for ``counts`` rows of each place, ascending in time, and return them in that order.

        A place comes once and gets at most ``count`` rows; ``newest_ns`` is the time of its last. ``inserted_ns``
        is for all rows, or for each.
        """
        if self.levels == 1:
            cells = places
            self._head[places] = 0
            self._fill[places] = 1
        else:
            head = self._head[places]
            of_row = np.repeat(np.arange(len(places)), counts)
            cells = places[of_row] * self.levels + (head[of_row] + _steps(counts)) % self.levels
            self._head[places] = (head + counts) % self.levels
            self._fill[places] = np.minimum(self._fill[places] + counts, self.levels)
        self.newest_ns[places] = newest_ns
        self._inserted_ns.reshape(-1)[cells] = inserted_ns
        return cells

    def cells(self, places: Int64s | None, after_ns: int) -> Int64s:
        """Return the cells of rows inserted after an instant, by series, each newest first; None: of all places."""
        if places is None:
            places = self.live_places()
        if self.levels == 1:
            kept = self._inserted_ns[places, 0] > after_ns
            kept &= self._fill[places] > 0
            return places if kept.all() else places[kept]
        cells, _ = self._ring(places, after_ns)
        return cells

    def inserted_ns(self, cells: Int64s) -> Int64s:
        """Return when the rows of cells were inserted."""
        return self._inserted_ns.reshape(-1)[cells]

    def evict(self, until_ns: int) -> int:
        """Let go of the rows inserted up to an instant, but for those older than one that stays; return how many.

        A series without rows begins anew: any time after 0 is late enough.
        """
        places = self.live_places()
        before = int(self._fill[places].sum())
        if self.levels == 1:
            kept = (self._inserted_ns[places, 0] > until_ns).astype(np.int32)
        else:
            kept = self._ring(places, until_ns)[1]
        self._fill[places] = kept
        self.newest_ns[places[kept == 0]] = 0
        return before - int(kept.sum())

    def clear(self, places: Int64s) -> int:
        """Let go of all rows of some series; return how many."""
        count = int(self._fill[places].sum())
        self._fill[places] = 0
        self.newest_ns[places] = 0
        return count

    def rearrange(self, places: Int64s, into: Int64s, shape: tuple[int, int]) -> Move:
        """Give the series of some places other ones, and perhaps more levels; all others are gone.

        Return which cells went where.
        """
        fill = self._fill[places]
        level = np.arange(self.levels)
        in_use = level < fill[:, None]
        ring = (self._head[places] - fill + 1)[:, None] + level
        cells = (places[:, None] * self.levels + ring % self.levels)[in_use]
        target = (into[:, None] * shape[1] + level)[in_use]
        inserted_ns, newest_ns = self.inserted_ns(cells), self.newest_ns[places]
        self.levels = shape[1]
        self.newest_ns = np.zeros(shape[0], np.int64)
        self.newest_ns[into] = newest_ns
        self._head = np.full(shape[0], -1, np.int32)
        self._head[into] = fill - 1
        self._fill = np.zeros(shape[0], np.int32)
        self._fill[into] = fill
        self._inserted_ns = np.zeros(shape, np.int64)
        self._inserted_ns.reshape(-1)[target] = inserted_ns
        return Move(cells=cells, into=target, shape=shape)

    def _ring(self, places: Int64s, after_ns: int) -> tuple[Int64s, Int32s]:
        """Return the cells of rows inserted after an instant, and how many rows of each place they reach back."""
        level = np.arange(self.levels)
        cells = places[:, None] * self.levels + (self._head[places][:, None] - level) % self.levels
        alive: Bools = level < self._fill[places][:, None]
        alive &= self._inserted_ns.reshape(-1)[cells] > after_ns
        reach = np.where(alive, level + 1, 0).max(axis=1, initial=0).astype(np.int32)
        return cells[alive], reach


def _steps(counts: Int64s) -> Int64s:
    """Return 1, 2, ... up to each count, one after the other."""
    starts = np.cumsum(counts) - counts
    return np.arange(int(counts.sum())) - np.repeat(starts, counts) + 1
