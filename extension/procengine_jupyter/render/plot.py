"""How do numbers go over time? Small plots, one above the other, that survive an export.

Of the values that fall into one column of pixels the least and the greatest are drawn: no peak is lost, however many
there are.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.phrases import instant
from procengine_jupyter.render.sparkline import BLOCKS

WIDTH, HEIGHT = 640, 56
BUCKETS = 320
MOST_PLOTS = 8
TEXT_WIDTH = 48

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]

_STYLE = element(
    "style",
    Html(
        ".pe-card .pe-plot{display:block;max-width:100%;height:auto}"
        ".pe-card .pe-plot path{fill:none;stroke:var(--jp-brand-color1,rgb(33,150,243));stroke-width:1.2}"
        ".pe-card .pe-plot line{stroke:var(--pe-line)}"
        ".pe-card .pe-plot-ends{display:flex;justify-content:space-between;max-width:640px;font-size:11px}"
    ),
)


def envelope(
    times_ns: Times, values: Values, buckets: int = BUCKETS
) -> tuple[npt.NDArray[np.int64], Values, Values]:
    """Return which of equal spans of time have values, and the least and the greatest value of each.

    NaN is no value. The spans are those between the first and the last time.
    """
    there = ~np.isnan(values)
    if not there.any():
        return np.empty(0, np.int64), np.empty(0), np.empty(0)
    first, last = int(times_ns.min()), int(times_ns.max())
    share = (times_ns[there] - first) / max(1, last - first)
    places = np.minimum((share * buckets).astype(np.int64), buckets - 1)
    least, greatest = np.full(buckets, np.inf), np.full(buckets, -np.inf)
    np.minimum.at(least, places, values[there])
    np.maximum.at(greatest, places, values[there])
    found = np.flatnonzero(np.isfinite(least) | np.isfinite(greatest))
    return found, least[found], greatest[found]


def plots_html(times_ns: Times, columns: Mapping[str, Values]) -> Html:
    """Return a plot for each column, the first of them where there are many, over one axis of time."""
    if not len(times_ns):
        return Html("")
    drawn = [_plot(name, times_ns, columns[name]) for name in list(columns)[:MOST_PLOTS]]
    hidden = len(columns) - len(drawn)
    more = element("div", f"and {hidden:,} more columns", css="pe-soft") if hidden > 0 else ""
    ends = [element("span", instant(int(one))) for one in (times_ns.min(), times_ns.max())]
    axis = element("div", *ends, css="pe-plot-ends pe-soft")
    return Html(_STYLE + element("div", *drawn, axis if drawn else "", more, css="pe-part"))


def plots_text(times_ns: Times, columns: Mapping[str, Values]) -> list[str]:
    """Return a line for each column: its least and greatest value, and its course in blocks."""
    width = max(map(len, columns), default=0)
    lines = []
    for name, values in list(columns.items())[:MOST_PLOTS]:
        found, least, greatest = envelope(times_ns, values, TEXT_WIDTH)
        if len(found):
            course = _blocks(found, (least + greatest) / 2)
            lines.append(f"{name:{width}} {course} {least.min():.6g} to {greatest.max():.6g}")
    return lines


def _plot(name: str, times_ns: Times, values: Values) -> Html:
    found, least, greatest = envelope(times_ns, values)
    if not len(found):
        return element("div", name, element("span", " no value", css="pe-soft"))
    low, high = float(least.min()), float(greatest.max())
    head = element(
        "div", name, element("span", f" {low:.6g} to {high:.6g}", css="pe-soft"), css="pe-plot-head"
    )
    x = (found + 0.5) * (WIDTH / BUCKETS)
    upper, lower = _y(greatest, low, high), _y(least, low, high)
    points = " L".join(
        f"{a:.1f} {b:.1f} L{a:.1f} {c:.1f}" for a, b, c in zip(x, lower, upper, strict=True)
    )
    size = {"width": str(WIDTH), "height": str(HEIGHT), "viewBox": f"0 0 {WIDTH} {HEIGHT}"}
    base = {"x1": "0", "x2": str(WIDTH), "y1": str(HEIGHT - 1), "y2": str(HEIGHT - 1)}
    about = f"{name} over time, {low:.6g} to {high:.6g}"
    svg = element(
        "svg",
        element("title", about),
        element("line", **base),
        element("path", d=Html(f"M{points}")),  # whole: other text is cut where it is long
        css="pe-plot",
        role="img",
        **size,
    )
    return Html(head + svg)


def _y(values: Values, low: float, high: float) -> Values:
    """Return heights from above, with room for the line; a constant is drawn in the middle."""
    return np.asarray(2 + (1 - _share(values, low, high)) * (HEIGHT - 6), np.float64)


def _share(values: Values, low: float, high: float) -> Values:
    """Return where values are between the least and the greatest, 0 to 1; a half where that cannot be said."""
    span = high / 2 - low / 2  # halves: the difference of two numbers may be too large for one
    if not 0 < span < np.inf:
        return np.full(len(values), 0.5)
    return np.asarray((values / 2 - low / 2) / span, np.float64)


def _blocks(found: npt.NDArray[np.int64], values: Values) -> str:
    course = [" "] * TEXT_WIDTH
    share = _share(values, float(values.min()), float(values.max()))
    for place, each in zip(found, share, strict=True):
        course[place] = BLOCKS[round(float(each) * (len(BLOCKS) - 1))]
    return "".join(course)
