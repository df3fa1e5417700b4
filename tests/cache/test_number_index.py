"""Numbers find their places, however they collide."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from procengine.cache.number_index import NumberIndex

NUMBERS = st.integers(0, 2**64 - 1) | st.integers(0, 40) | st.integers(0, 40).map(lambda one: one << 32)


@given(batches=st.lists(st.lists(NUMBERS, unique=True), max_size=8), others=st.lists(NUMBERS))
def test_numbers_keep_the_place_of_their_coming(batches: list[list[int]], others: list[int]) -> None:
    """Each number gets the next place when it first comes, and has it from then on; others have none."""
    index = NumberIndex()
    expected: dict[int, int] = {}
    for batch in batches:
        places = index.number(np.array(batch, np.uint64))
        for number in batch:
            expected.setdefault(number, len(expected))
        assert places.tolist() == [expected[number] for number in batch]
    assert index.numbers.tolist() == list(expected)
    asked = [*expected, *others]
    found = index.find(np.array(asked, np.uint64))
    assert found.tolist() == [expected.get(number, -1) for number in asked]


def test_many_numbers_of_one_kind() -> None:
    """Hundreds of thousands of neighbours and of multiples of 2**32 are found again."""
    for step in (1, 2**32, 2**32 + 1):
        numbers = np.arange(300_000, dtype=np.uint64) * np.uint64(step)
        index = NumberIndex()
        for part in np.split(numbers, 3):
            index.number(part)
        assert np.array_equal(index.find(numbers), np.arange(300_000))
        assert index.size_bytes <= 24 * len(index)
