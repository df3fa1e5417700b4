"""How are numbers written so that Prometheus reads them?

The text format, version 0.0.4, with the mark at its end that the original adds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from procengine.model.histogram import HistogramReading

END: Final = "# EOF\n"

Labels = Mapping[str, str]


def counter(name: str, help_text: str, samples: Iterable[tuple[Labels, float]]) -> str:
    """Return a family of counters; the name's ``_total`` is added."""
    return _family(name, "counter", help_text, [_line(f"{name}_total", *one) for one in samples])


def gauge(name: str, help_text: str, samples: Iterable[tuple[Labels, float]]) -> str:
    """Return a family of gauges."""
    return _family(name, "gauge", help_text, [_line(name, *one) for one in samples])


def histogram(name: str, help_text: str, samples: Iterable[tuple[Labels, HistogramReading]]) -> str:
    """Return a family of histograms."""
    lines: list[str] = []
    for labels, reading in samples:
        for bound, count in zip(reading.bounds, reading.at_most, strict=True):
            lines.append(_line(f"{name}_bucket", {**labels, "le": _number(bound)}, count))
        lines.append(_line(f"{name}_bucket", {**labels, "le": "+Inf"}, reading.count))
        lines.append(_line(f"{name}_sum", labels, reading.sum))
        lines.append(_line(f"{name}_count", labels, reading.count))
    return _family(name, "histogram", help_text, lines)


def _family(name: str, kind: str, help_text: str, lines: list[str]) -> str:
    shown = f"{name}_total" if kind == "counter" else name
    return "".join([f"# HELP {shown} {help_text}\n", f"# TYPE {shown} {kind}\n", *lines])


def _line(name: str, labels: Labels, value: float) -> str:
    shown = ",".join(f'{label}="{_escaped(text)}"' for label, text in labels.items())
    return f"{name}{{{shown}}} {_number(value)}\n" if shown else f"{name} {_number(value)}\n"


def _escaped(text: str) -> str:
    clean = text.encode("utf-8", "replace").decode()
    return clean.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(float(value))
