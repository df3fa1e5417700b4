"""Which combinations of key values are there, and at which place does each stand?

Values are numbers of a vocabulary for each column; a combination of two numbers is one number of an index, a
combination of three is that number with the third, and so on: the indexes hold the combinations themselves.
A combination of two columns takes 16 to 24 bytes, one of a single column none beside its value's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from math import prod

import numpy as np
import pyarrow as pa

from procengine.cache.arrow_values import Int32s, Int64s
from procengine.cache.key_groups import KeyGroups
from procengine.cache.number_index import NumberIndex, UInt64s
from procengine.cache.vocabulary import Vocabulary

_SHIFT = np.uint64(32)
_LOW = np.uint64(0xFFFF_FFFF)
_FEW_COMBINATIONS = 1024
_FEW_PLACES = 1024


class SeriesKeys:
    """Combinations of key values, placed from 0 in the order of their coming, null being a value.

    One thread's at a time. Of a single column, place 0 is that of null, whether or not there is one; without columns
    there is one combination.
    """

    def __init__(self, columns: Sequence[tuple[str, pa.DataType]]) -> None:
        self.columns = tuple(columns)
        self._vocabularies = tuple(Vocabulary(kind) for _, kind in columns)
        self._indexes = tuple(NumberIndex() for _ in columns[1:])
        self._postings: dict[int, _Postings] = {}

    @property
    def count(self) -> int:
        """One more than the last place."""
        if self._indexes:
            return len(self._indexes[-1])
        return len(self._vocabularies[0]) + 1 if self._vocabularies else 1

    @property
    def size_bytes(self) -> int:
        """The bytes taken, about."""
        return (
            sum(one.size_bytes for one in self._vocabularies)
            + sum(one.size_bytes for one in self._indexes)
            + sum(one.size_bytes for one in self._postings.values())
        )

    def number(self, groups: KeyGroups) -> Int64s:
        """Return the place of each group, new combinations being added."""
        codes = [
            self._number_values(vocabulary, one, values)
            for vocabulary, one, values in zip(
                self._vocabularies, groups.codes, groups.values, strict=True
            )
        ]
        return self._number(codes, groups.count)

    def codes(self, column: int, places: Int64s) -> Int64s:
        """Return the values of a column at places: 0 for null, else 1 + the number in the column's vocabulary."""
        for position in range(len(self._indexes), 0, -1):
            combined = self._indexes[position - 1].numbers[places]
            if column == position:
                return (combined & _LOW).astype(np.int64)
            places = (combined >> _SHIFT).astype(np.int64)
        return places

    def values(self, column: int) -> pa.Array:
        """Return all values that a column ever had, by number."""
        return self._vocabularies[column].array

    def array(self, column: int, places: Int64s) -> pa.Array:
        """Return the values of a column at places."""
        numbers = self.codes(column, places) - 1
        has_null = len(numbers) > 0 and bool(numbers.min() < 0)
        return self.values(column).take(pa.array(numbers, mask=numbers < 0 if has_null else None))

    def encoded_array(self, column: int, places: Int64s) -> pa.DictionaryArray:
        """Return the values of a column at places as numbers of a vocabulary, in which others may be as well."""
        numbers = (self.codes(column, places) - 1).astype(np.int32)
        has_null = len(numbers) > 0 and bool(numbers.min() < 0)
        codes = pa.array(numbers, mask=numbers < 0 if has_null else None)
        return pa.DictionaryArray.from_arrays(codes, self.values(column))

    def find(self, wanted: Mapping[str, frozenset[object]]) -> Int64s:
        """Return the places of combinations that have, for each column named, one of its values; in no order.

        What is asked for is looked up, all places are not gone through: by the combinations where these are few,
        else by a list of the places of each value, made when first needed and kept.
        """
        codes = {
            position: self._known(position, wanted[name])
            for position, (name, _) in enumerate(self.columns)
            if name in wanted
        }
        if not codes:
            return np.arange(self.count)
        if len(codes) == len(self.columns) and prod(map(len, codes.values())) <= _FEW_COMBINATIONS:
            return self._find_combinations([codes[one] for one in range(len(self.columns))])
        column = min(codes, key=lambda one: len(codes[one]))
        places = self._places_of(column, codes.pop(column))
        for other, accepted in codes.items():
            places = places[np.isin(self.codes(other, places), accepted)]
        return places

    def kept(self, places: Int64s) -> tuple[SeriesKeys, Int64s]:
        """Return keys that have some of the combinations only, and the new place of each."""
        keys = SeriesKeys(self.columns)
        codes = []
        for column, vocabulary in enumerate(keys._vocabularies):
            old = self.codes(column, places)
            codes.append(self._number_values(vocabulary, old, self.values(column)))
        return keys, keys._number(codes, len(places))

    def _number_values(self, vocabulary: Vocabulary, codes: Int64s, values: pa.Array) -> Int64s:
        """Turn codes into values into codes into a vocabulary, to which only values in use are added."""
        if len(values) == 1 == len(codes) and codes[0]:
            return vocabulary.number(values).astype(np.int64) + 1
        in_use = np.zeros(len(values) + 1, np.bool_)
        in_use[codes] = True
        used = np.flatnonzero(in_use[1:])
        of_value = np.zeros(len(values) + 1, np.int64)
        if len(used):
            chosen = values if len(used) == len(values) else values.take(pa.array(used))
            of_value[used + 1] = vocabulary.number(chosen) + 1
        return of_value[codes]

    def _number(self, codes: Sequence[Int64s], count: int) -> Int64s:
        """Return the places of combinations, of which none comes twice; new ones are added."""
        if not codes:
            return np.zeros(count, np.int64)
        places = codes[0]
        for index, code in zip(self._indexes[:-1], codes[1:-1], strict=True):
            prefixes, of_combination = np.unique(_combined(places, code), return_inverse=True)
            places = index.number(prefixes)[of_combination].astype(np.int64)
        if self._indexes:
            places = self._indexes[-1].number(_combined(places, codes[-1])).astype(np.int64)
        return places

    def _known(self, column: int, values: frozenset[object]) -> list[int]:
        """Return the codes of those values that the column had."""
        found = self._vocabularies[column].find(values)
        return ([0] if None in values else []) + [number + 1 for number in found]

    def _find_combinations(self, codes: Sequence[Sequence[int]]) -> Int64s:
        rows = np.array(list(product(*codes)), np.int64).reshape(-1, len(codes))
        places = rows[:, 0]
        for column, index in enumerate(self._indexes, start=1):
            found = index.find(_combined(places, rows[:, column])).astype(np.int64)
            rows, places = rows[found >= 0], found[found >= 0]
        return places

    def _places_of(self, column: int, codes: Sequence[int]) -> Int64s:
        if not self._indexes:
            return np.array(codes, np.int64)
        postings = self._postings.get(column)
        if postings is None or self.count > postings.length * 5 // 4 + _FEW_PLACES:
            of_place = self.codes(column, np.arange(self.count)).astype(np.int32)
            postings = self._postings[column] = _Postings(of_place)
        since = np.arange(postings.length, self.count)
        late = since[np.isin(self.codes(column, since), codes)]
        return np.concatenate([*(postings.places(code) for code in codes), late])


class _Postings:
    """The places of each value of a column, among the places there were when it was made."""

    def __init__(self, of_place: Int32s) -> None:
        self.length = len(of_place)
        self._order = np.argsort(of_place, kind="stable").astype(np.int32)
        self._sorted = of_place[self._order]

    @property
    def size_bytes(self) -> int:
        """The bytes taken."""
        return self._order.nbytes + self._sorted.nbytes

    def places(self, code: int) -> Int64s:
        """Return the places that have a code."""
        first, end = np.searchsorted(self._sorted, [code, code + 1])
        return self._order[first:end].astype(np.int64)


def _combined(high: Int64s | Int32s, low: Int64s | Int32s) -> UInt64s:
    return (high.astype(np.uint64) << _SHIFT) | low.astype(np.uint64)
