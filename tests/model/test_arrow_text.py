"""Columns by buffers: are they what pyarrow would make, or read, itself?"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from procengine.model.arrow_text import FEW_TEXTS, array_of, missing_of, numbers_of, text_column


@pytest.mark.parametrize(
    "numbers",
    [
        np.array([3, -1, 2**63 - 1]),
        np.array([0, 2**64 - 1], np.uint64),
        np.array([1.5, np.nan, -np.inf]),
        np.array([7, 8, 9, 10], np.int32)[::2],
        np.array([True, False, True] * 5),
        np.array([], np.int64),
    ],
)
def test_an_array_of_numbers_is_pyarrow_s(numbers: np.ndarray) -> None:
    """Types and values are those of `pyarrow.array`, with and without a mask."""
    assert array_of(numbers).equals(pa.array(numbers)) or np.isnan(numbers).any()
    assert np.array_equal(array_of(numbers).to_numpy(zero_copy_only=False), numbers, equal_nan=True)
    mask = np.arange(len(numbers)) % 2 == 0
    made = array_of(numbers, mask)
    made.validate(full=True)
    assert made.null_count == np.count_nonzero(mask)
    assert made.drop_null().to_pylist() == numbers[~mask].tolist() or np.isnan(numbers[~mask]).any()


def test_numbers_of_a_column_are_pyarrow_s() -> None:
    """Slices begin where they begin, chunks are joined, and nothing is there of nothing."""
    column = pa.array([1, 2, 3, 4, 5])
    assert numbers_of(column.slice(1, 3), np.int64).tolist() == [2, 3, 4]
    assert numbers_of(pa.chunked_array([column, column.slice(4)]), np.int64).tolist() == [
        1,
        2,
        3,
        4,
        5,
        5,
    ]
    assert numbers_of(pa.chunked_array([], pa.int64()), np.int64).tolist() == []
    assert numbers_of(pa.array([1, None, 3]), np.int64)[[0, 2]].tolist() == [1, 3]


def test_what_is_missing_of_an_array() -> None:
    """NULL is told by place, also in a slice that begins inside a byte of the bitmap."""
    column = pa.array([1, None, 3, None] * 5)
    for start in (0, 1, 9):
        part = column.slice(start, 7)
        assert missing_of(part).tolist() == part.is_null().to_pylist()
    assert not missing_of(pa.array([1, 2])).any()


@pytest.mark.parametrize("count", [0, 1, 2, FEW_TEXTS, FEW_TEXTS + 1, 500])
def test_texts_are_pyarrow_s(count: int) -> None:
    """Few and many texts, of one byte a character and of more, alike and not, with and without NULL."""
    for texts in (
        [f"text {number}" for number in range(count)],
        ["same"] * count,
        [f"Straße {'é' * number}" for number in range(count)],
        ["" if number % 2 else "x" for number in range(count)],
        [None if number % 3 else f"t{number}" for number in range(count)],
    ):
        made = text_column(texts)
        made.validate(full=True)
        assert made.equals(pa.array(texts, pa.utf8()))
