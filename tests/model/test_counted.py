"""How a number of things is said."""

from __future__ import annotations

import pytest

from procengine.model.counted import counted


@pytest.mark.parametrize(
    ("number", "said"), [(0, "0 rows"), (1, "1 row"), (2, "2 rows"), (3288, "3,288 rows")]
)
def test_counted_has_the_noun_in_its_number(number: int, said: str) -> None:
    """One thing takes the singular, any other number the plural, thousands are set apart."""
    assert counted(number, "row") == said


def test_counted_takes_a_plural_of_its_own() -> None:
    """A noun whose plural has no s brings it."""
    assert [counted(number, "flush", "flushes") for number in (1, 2)] == ["1 flush", "2 flushes"]
