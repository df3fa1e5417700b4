"""Numbers in Prometheus' text format, read back by its own parser."""

from __future__ import annotations

import pytest
from prometheus_client.parser import text_string_to_metric_families

from procengine.http.exposition import END, counter, gauge, histogram
from procengine.model.histogram import Histogram


@pytest.mark.parametrize("label", ['a"b', "a\\b", "a\nb", "ü", "", "a}b{c,d=", "\ud800"])
def test_exposition_labels_survive(label: str) -> None:
    """Whatever a label says, the parser reads it back; half of a surrogate pair becomes a question mark."""
    (family,) = text_string_to_metric_families(gauge("g", "help", [({"l": label}, 1)]) + END)
    assert family.samples[0].labels == {"l": label.replace("\ud800", "?")}


def test_exposition_numbers() -> None:
    """Whole numbers and fractions, small and large, are read back as they were."""
    values = [0, 1, 0.25, 1e-9, 2**53, 1e22]
    text = counter("c", "help", [({"n": str(number)}, value) for number, value in enumerate(values)])
    (family,) = text_string_to_metric_families(text)
    assert family.type == "counter"
    assert [sample.value for sample in family.samples] == values


def test_exposition_histogram() -> None:
    """A histogram has a bucket for each bound and one for all, a sum and a count."""
    seconds = Histogram((0.5, 1))
    seconds.add(0.75)
    (family,) = text_string_to_metric_families(histogram("h", "help", [({"a": "b"}, seconds.read())]))
    assert family.type == "histogram"
    assert [(one.name, one.labels.get("le"), one.value) for one in family.samples] == [
        ("h_bucket", "0.5", 0),
        ("h_bucket", "1", 1),
        ("h_bucket", "+Inf", 1),
        ("h_sum", None, 0.75),
        ("h_count", None, 1),
    ]
