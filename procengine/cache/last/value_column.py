"""How are the values of one column held, cell by cell?

A cell is a place of a series and a level within it. Numbers and times take 8 bytes a cell, booleans 1, texts and tags
4, for the number of their value in a vocabulary; a column that has had a null takes 1 byte more a cell.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from procengine.cache.arrow_values import (
    Array,
    Bools,
    Int64s,
    arrow_array,
    encoded,
    grown,
    raw_values,
    valid_rows,
)
from procengine.cache.vocabulary import Vocabulary
from procengine.model.column import ColumnType

_DTYPES = {
    ColumnType.INTEGER: np.dtype(np.int64),
    ColumnType.UINTEGER: np.dtype(np.uint64),
    ColumnType.FLOAT: np.dtype(np.float64),
    ColumnType.BOOLEAN: np.dtype(np.bool_),
    ColumnType.TIME: np.dtype(np.int64),
    ColumnType.STRING: np.dtype(np.int32),
    ColumnType.TAG: np.dtype(np.int32),
}
_TEXTS = (ColumnType.STRING, ColumnType.TAG)
_SMALLEST_VOCABULARY = 1024


class ValueColumn:
    """The cells of one column, ``shape`` series and levels; null until something is put there."""

    def __init__(self, kind: ColumnType, shape: tuple[int, int]) -> None:
        self.kind = kind
        self._is_text = kind in _TEXTS
        self._vocabulary = Vocabulary(pa.utf8())
        self._values: Array = np.full(shape, -1 if self._is_text else 0, _DTYPES[kind])
        # None as long as no cell in use is null; texts have -1 there and need none.
        self._valid: Bools | None = None

    @property
    def size_bytes(self) -> int:
        """The bytes taken, about."""
        valid = 0 if self._valid is None else self._valid.nbytes
        return self._values.nbytes + valid + self._vocabulary.size_bytes

    def grow(self, places: int) -> None:
        """Make room for a number of places."""
        self._values = grown(self._values, places, -1 if self._is_text else 0)
        if self._valid is not None:
            self._valid = grown(self._valid, places, False)

    def put(self, cells: Int64s, values: pa.Array) -> None:
        """Set cells, given by their flat numbers, to an array's values."""
        flat = self._values.reshape(-1)
        if self._is_text:
            flat[cells] = self._number(values)
            return
        flat[cells] = raw_values(values)
        valid = valid_rows(values)
        if valid is not None:
            self._need_valid()[cells] = valid
        elif self._valid is not None:
            self._valid.reshape(-1)[cells] = True

    def put_null(self, cells: Int64s) -> None:
        """Set cells to null."""
        if self._is_text:
            self._values.reshape(-1)[cells] = -1
        else:
            self._need_valid()[cells] = False

    def take(self, cells: Int64s) -> pa.Array:
        """Return cells as an Arrow array of the column's type."""
        values = self._values.reshape(-1)[cells]
        if not self._is_text:
            valid = None if self._valid is None else self._valid.reshape(-1)[cells]
            return arrow_array(values, self.kind.arrow_type, valid)
        null = values < 0
        numbers = pa.array(values, mask=null if null.any() else None)
        if self.kind is ColumnType.TAG:
            return pa.DictionaryArray.from_arrays(numbers, self._vocabulary.array)
        return self._vocabulary.array.take(numbers)

    def rearrange(self, cells: Int64s, into: Int64s, shape: tuple[int, int]) -> None:
        """Make a new shape of cells, in which ``into`` are what ``cells`` were, and the others null."""
        values = np.full(shape, -1 if self._is_text else 0, self._values.dtype)
        values.reshape(-1)[into] = self._values.reshape(-1)[cells]
        if self._valid is not None:
            valid = np.zeros(shape, np.bool_)
            valid.reshape(-1)[into] = self._valid.reshape(-1)[cells]
            self._valid = valid
        self._values = values
        if self._is_text:
            self._forget_values(into)

    def outgrown(self, cells: int) -> bool:
        """Whether there are so many texts that most must be unused, when there are so many cells."""
        return self._is_text and len(self._vocabulary) > 2 * cells + _SMALLEST_VOCABULARY

    def forget_unused(self, cells: Int64s) -> None:
        """Let go of the texts that none of the cells in use has any more, where they are most."""
        if self.outgrown(len(cells)):
            self._forget_values(cells)

    def _number(self, values: pa.Array) -> Array:
        one = encoded(values)
        in_use = np.zeros(len(one.values) + 1, np.bool_)
        in_use[one.codes] = True
        used = np.flatnonzero(in_use[:-1])
        chosen = one.values if len(used) == len(one.values) else one.values.take(pa.array(used))
        of_code = np.full(len(one.values) + 1, -1, np.int32)
        of_code[used] = self._vocabulary.number(chosen)
        numbers: Array = of_code[one.codes]
        return numbers

    def _forget_values(self, cells: Int64s) -> None:
        flat = self._values.reshape(-1)
        numbers = flat[cells]
        used = np.unique(numbers[numbers >= 0])
        of_number = np.full(len(self._vocabulary) + 1, -1, np.int32)
        kept = Vocabulary(pa.utf8())
        of_number[used] = kept.number(self._vocabulary.array.take(pa.array(used)))
        # Cells out of use may hold what is let go; they are never looked at.
        flat[:] = of_number[flat]
        self._vocabulary = kept

    def _need_valid(self) -> Bools:
        if self._valid is None:
            self._valid = np.ones(self._values.shape, np.bool_)
        return self._valid.reshape(-1)
