"""Values counted by bounds."""

from __future__ import annotations

from procengine.model.histogram import Histogram


def test_histogram_counts_values_at_most_each_bound() -> None:
    """Each bound has the values up to it, itself included; the count has those beyond all bounds, too."""
    histogram = Histogram((1, 2, 5))
    for value in (0.5, 1, 1.5, 2, 5, 7):
        histogram.add(value)
    reading = histogram.read()
    assert reading.bounds == (1, 2, 5)
    assert reading.at_most == (2, 4, 5)
    assert (reading.count, reading.sum) == (6, 17)


def test_histogram_begins_empty() -> None:
    """Without values all counts are nought."""
    assert Histogram((1,)).read().at_most == (0,)
    assert Histogram((1,)).read().count == 0
