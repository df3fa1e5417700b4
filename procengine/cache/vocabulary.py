"""Which values did a column have, each with a number?

A value costs its text three times over (as a Python string, as Arrow's bytes, and some 110 bytes around them),
however many rows have it; a row costs the four bytes of the number.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from procengine.cache.arrow_values import Int32s, raw_values

_STRING_BYTES = sys.getsizeof("")
_NUMBER_BYTES = sys.getsizeof(1)
_FEW_VALUES = 1024


class Vocabulary:
    """Distinct values of one type (text, whole numbers or booleans), numbered from 0 as they came.

    One thread's at a time. A hash table of Python's is searched: for one value that costs a tenth of any vectorised
    search. For a large part of the vocabulary one of Arrow's is made, which costs a third of searching ours.
    """

    def __init__(self, kind: pa.DataType) -> None:
        self.kind = kind
        self._numbers: dict[object, int] = {}
        # Together they are all values by number; each is more than twice as long as the next, so few are joined.
        self._pieces: list[pa.Array] = []
        self._text_bytes = 0

    def __len__(self) -> int:
        return len(self._numbers)

    def number(self, values: pa.Array) -> Int32s:
        """Return the number of each value, new ones being added; no value may be null or come twice."""
        if len(values) > max(_FEW_VALUES, len(self) // 4):
            return self._number_many(values)
        listed = values.to_pylist()
        found: list[int | None] = [*map(self._numbers.get, listed)]
        if None in found:
            self._add(values, listed, found)
        return np.array(found, np.int32)

    def find(self, values: Iterable[object]) -> list[int]:
        """Return the numbers of those values that are known."""
        return [self._numbers[one] for one in values if one in self._numbers]

    @property
    def array(self) -> pa.Array:
        """All values, by number."""
        if len(self._pieces) != 1:
            self._pieces = [pa.concat_arrays(self._pieces) if self._pieces else pa.array([], self.kind)]
        return self._pieces[0]

    @property
    def size_bytes(self) -> int:
        """What the values take, about: the hash table, the Python objects and the Arrow arrays."""
        of_object = _NUMBER_BYTES + (_STRING_BYTES if self.kind == pa.utf8() else _NUMBER_BYTES)
        return (
            sys.getsizeof(self._numbers)
            + len(self._numbers) * of_object
            + self._text_bytes
            + sum(int(piece.nbytes) for piece in self._pieces)
        )

    def _number_many(self, values: pa.Array) -> Int32s:
        """Number values by a hash table of Arrow's, made for once: for most of a vocabulary that costs a third."""
        places = pc.index_in(values, value_set=self.array)
        known: Int32s = raw_values(places.fill_null(-1)).copy()
        new = np.flatnonzero(known < 0)
        if len(new):
            piece = values.take(pa.array(new))
            known[new] = np.arange(len(self), len(self) + len(new), dtype=np.int32)
            self._numbers.update(
                zip(piece.to_pylist(), range(len(self), len(self) + len(new)), strict=True)
            )
            self._add_piece(piece)
        return known

    def _add(self, values: pa.Array, listed: list[object], found: list[int | None]) -> None:
        """Give the values that were not found the next numbers."""
        new = [position for position, number in enumerate(found) if number is None]
        for number, position in enumerate(new, len(self._numbers)):
            self._numbers[listed[position]] = found[position] = number
        self._add_piece(values.take(pa.array(new)))

    def _add_piece(self, piece: pa.Array) -> None:
        if self.kind == pa.utf8():
            self._text_bytes += piece.nbytes - 4 * len(piece)
        self._pieces.append(piece)
        while len(self._pieces) > 1 and len(self._pieces[-2]) <= 2 * len(self._pieces[-1]):
            self._pieces[-2:] = [pa.concat_arrays(self._pieces[-2:])]
