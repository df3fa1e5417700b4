"""Runs as bars: how long, and whether they failed."""

from __future__ import annotations

import pytest
from procengine_jupyter.render.sparkline import sparkline


@pytest.mark.parametrize(
    ("runs", "bars"),
    [
        ([], ""),
        ([(5, False)], "█"),
        ([(0, False)], "█"),
        ([(1_000_000, False), (100, True)], "█✗"),
        ([(100_000_000, False), (10_000, False)], "█▁"),
        ([(100, False), (1_000_000_000_000, False)], "▁█"),
        ([(7, True)], "✗"),
    ],
)
def test_bars_rise_with_the_duration(runs: list[tuple[int, bool]], bars: str) -> None:
    """The longest is full, four decades less is the lowest, and a failed run is a cross whatever it took."""
    assert sparkline(runs) == bars


def test_bars_tell_apart_what_one_slow_run_would_flatten() -> None:
    """Beside a run a hundred times as long, one is still higher than another of half its length."""
    low, high, _ = sparkline([(1_000_000, False), (4_000_000, False), (100_000_000, False)])
    assert low < high
