"""Values are numbered as they come, whether a few or most are looked up."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from procengine.cache.vocabulary import Vocabulary


@pytest.mark.parametrize("kind", [pa.utf8(), pa.int64()])
def test_vocabulary_numbers_values_as_they_come(kind: pa.DataType) -> None:
    """Each value has one number for ever: of single ones, of many new ones, and of many of which some are known."""
    chance = np.random.default_rng(3)
    vocabulary, expected = Vocabulary(kind), dict[object, int]()
    for size in (3, 5_000, 1, 5_000, 20, 9_000):
        numbers = chance.permutation(20_000)[:size].tolist()
        values: list[object] = [f"value {one}" for one in numbers] if kind == pa.utf8() else numbers
        for value in values:
            expected.setdefault(value, len(expected))
        found = vocabulary.number(pa.array(values, kind))
        assert found.tolist() == [expected[value] for value in values]
        assert (vocabulary.array.to_pylist(), len(vocabulary)) == ([*expected], len(expected))
    assert vocabulary.find([*expected]) == [*range(len(expected))]
