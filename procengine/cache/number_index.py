"""At which place does a number stand in a growing list?

A hash table with open addressing, searched and filled for whole arrays at once: some 16 to 24 bytes a number.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from procengine.cache.arrow_values import Int32s, grown

UInt64s = npt.NDArray[np.uint64]

_SMALLEST_BITS = 6
_GOLDEN = np.uint64(0x9E37_79B9_7F4A_7C15)
_HALF = np.uint64(32)


class NumberIndex:
    """Distinct 64-bit numbers, each at a place counted from 0 in the order of their coming."""

    def __init__(self) -> None:
        self._count = 0
        self._numbers: UInt64s = np.empty(0, np.uint64)
        self._bits = _SMALLEST_BITS
        self._table: Int32s = np.full(1 << _SMALLEST_BITS, -1, np.int32)

    def __len__(self) -> int:
        return self._count

    @property
    def numbers(self) -> UInt64s:
        """All numbers, by place; a view that must not be changed."""
        return self._numbers[: self._count]

    @property
    def size_bytes(self) -> int:
        """The bytes taken."""
        return self._numbers.nbytes + self._table.nbytes

    def find(self, wanted: UInt64s) -> Int32s:
        """Return the place of each number, -1 where it has none."""
        return self._search(wanted)[0]

    def number(self, wanted: UInt64s) -> Int32s:
        """Return the place of each number, those that had none being added; none may come twice."""
        places, _ = self._search(wanted)
        new = np.flatnonzero(places < 0)
        if len(new):
            places[new] = np.arange(self._count, self._count + len(new), dtype=np.int32)
            self._numbers = grown(self._numbers, self._count + len(new))
            self._numbers[self._count : self._count + len(new)] = wanted[new]
            before, self._count = self._count, self._count + len(new)
            self._enter(before)
        return places

    def _search(self, wanted: UInt64s) -> tuple[Int32s, npt.NDArray[np.intp]]:
        """Return places, and the slots of the table at which the search ended."""
        slots = self._first_slots(wanted)
        places = self._table[slots]
        mask = len(self._table) - 1
        numbers = self._numbers
        open_ = np.flatnonzero(places >= 0)
        open_ = open_[numbers[places[open_]] != wanted[open_]]
        while len(open_):
            slots[open_] = (slots[open_] + 1) & mask
            found = self._table[slots[open_]]
            places[open_] = found
            goes_on = found >= 0
            goes_on[goes_on] = numbers[found[goes_on]] != wanted[open_[goes_on]]
            open_ = open_[goes_on]
        return places, slots

    def _enter(self, first: int) -> None:
        """Put the numbers from a place on into the table, which is made anew where it becomes half full."""
        if 2 * self._count > len(self._table):
            while 2 * self._count > 1 << self._bits:
                self._bits += 1
            self._table = np.full(1 << self._bits, -1, np.int32)
            first = 0
        mask = len(self._table) - 1
        places = np.arange(first, self._count, dtype=np.int32)
        slots = self._first_slots(self._numbers[first : self._count])
        while len(places):
            free = self._table[slots] < 0
            # Of several that want one free slot the last written gets it; the others look further.
            self._table[slots[free]] = places[free]
            left = self._table[slots] != places
            places, slots = places[left], (slots[left] + 1) & mask

    def _first_slots(self, numbers: UInt64s) -> npt.NDArray[np.intp]:
        mixed = (numbers ^ (numbers >> _HALF)) * _GOLDEN
        return (mixed >> np.uint64(64 - self._bits)).astype(np.intp)
