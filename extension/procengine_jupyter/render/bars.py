"""How do counts over time look? As stacked bars, inline SVG that needs no script, and prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from procengine_jupyter.render.markup import Html, element

WIDTH, HEIGHT, GAP = 720, 72, 1.0


@dataclass(frozen=True, slots=True)
class Series:
    """Counts of bins of equal width; ``color`` is CSS."""

    name: str
    counts: Sequence[int]
    color: str


def stacked_bars(series: Sequence[Series], *, begin: str, end: str) -> Html:
    """Return bars of all series, one on the other, with a legend of those that have any; empty when none has."""
    present = [one for one in series if any(one.counts)]
    if not present:
        return Html("")
    totals = [sum(counts) for counts in zip(*(one.counts for one in present), strict=True)]
    highest, step = max(totals), WIDTH / len(totals)
    bars = []
    for place in range(len(totals)):
        top = float(HEIGHT)
        for one in present:
            height = one.counts[place] / highest * (HEIGHT - 4)
            if height:
                top -= height
                bars.append(_bar(place * step, top, max(step - GAP, 0.5), height, one))
    axis = element(
        "line", x1="0", x2=str(WIDTH), y1=str(HEIGHT), y2=str(HEIGHT), style="stroke:var(--pe-line)"
    )
    chart = element(
        "svg",
        *bars,
        axis,
        viewBox=f"0 0 {WIDTH} {HEIGHT + 1}",
        role="img",
        preserveAspectRatio="none",
        style="width:100%;height:72px;display:block;margin-top:6px",
    )
    legend = [
        element(
            "span",
            element(
                "span",
                style=f"display:inline-block;width:9px;height:9px;background:{one.color};margin-right:5px",
            ),
            f"{one.name} {sum(one.counts):,}",
            style="margin-right:16px",
        )
        for one in present
    ]
    scale = element(
        "div",
        element("span", begin),
        element("span", f"at most {highest:,} a bar"),
        element("span", end),
        css="pe-soft",
        style="display:flex;justify-content:space-between;font-size:11px",
    )
    return element("div", element("div", *legend), chart, scale, css="pe-part")


def _bar(x: float, y: float, width: float, height: float, series: Series) -> Html:
    return element(
        "rect",
        x=f"{x:.1f}",
        y=f"{y:.1f}",
        width=f"{width:.1f}",
        height=f"{height:.1f}",
        style=f"fill:{series.color}",
    )
