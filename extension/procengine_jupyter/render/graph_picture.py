"""How does the way of the rows look: from tables through triggers to tables?"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from procengine_jupyter.render.graph_layout import layout
from procengine_jupyter.render.markup import Html, element

WIDTH, HEIGHT = 136, 24
COLUMN, ROW = 196, 36
MARGIN = 4
LONGEST_NAME = 18
MOST_NODES = 80
"""More cannot be told apart; the table below has them all."""

_SHEET = """
.pe-card .pe-graph{display:block;max-width:100%;height:auto}
.pe-card .pe-graph text{font:12px var(--jp-code-font-family,ui-monospace,monospace);fill:currentColor}
.pe-card .pe-graph rect{fill:none;stroke:var(--pe-line);stroke-width:1.5}
.pe-card .pe-graph .pe-node-table rect{fill:var(--jp-layout-color2,rgba(128,128,128,.12))}
.pe-card .pe-graph .pe-node-trigger rect{rx:12px;stroke:var(--jp-brand-color1,rgb(33,150,243))}
.pe-card .pe-graph .pe-node-bad rect{stroke:var(--pe-bad)}
.pe-card .pe-graph .pe-node-off{opacity:.55}
.pe-card .pe-graph .pe-node-source rect{stroke-dasharray:3 3}
.pe-card .pe-graph path{fill:none;stroke:var(--pe-line)}
.pe-card .pe-graph path.pe-edge-live{stroke:var(--pe-good)}
.pe-card .pe-graph text.pe-rate{font-size:11px;fill:var(--pe-soft)}
"""
STYLE = element("style", Html("".join(_SHEET.splitlines())))


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One thing in the picture. ``kind`` is ``table``, ``trigger`` or ``source``; ``about`` is told on a longer look.

    ``tone`` is ``bad`` for a trigger that fails, ``off`` for one that takes no events, else empty.
    """

    name: str
    kind: str
    about: str = ""
    tone: str = ""


Rates = Mapping[tuple[str, str], float]
"""What goes along each edge, in rows a second, by the ids of its ends."""


def graph_picture(nodes: Mapping[str, Node], edges: Rates) -> Html:
    """Return the picture of nodes, by id, and edges; edges of nodes that are left out are left out too."""
    shown = list(nodes)[:MOST_NODES]
    kept = {ends: rate for ends, rate in edges.items() if ends[0] in shown and ends[1] in shown}
    places = layout(shown, kept)
    columns = 1 + max((column for column, _ in places.values()), default=0)
    rows = 1 + max((row for _, row in places.values()), default=0)
    width = (columns - 1) * COLUMN + WIDTH + 2 * MARGIN
    height = (rows - 1) * ROW + HEIGHT + 2 * MARGIN
    drawn = [
        *(_edge(places[source], places[target], rate) for (source, target), rate in kept.items()),
        *(_node(nodes[one], places[one]) for one in shown),
    ]
    size = {"width": str(width), "height": str(height), "viewBox": f"0 0 {width} {height}"}
    return Html(STYLE + element("svg", *drawn, css="pe-graph", role="img", **size))


def _node(node: Node, place: tuple[int, int]) -> Html:
    x, y = _corner(place)
    name = node.name if len(node.name) <= LONGEST_NAME else f"{node.name[: LONGEST_NAME - 1]}…"
    box = {"x": str(x), "y": str(y), "width": str(WIDTH), "height": str(HEIGHT)}
    middle = {"x": str(x + WIDTH // 2), "y": str(y + 16), "text-anchor": "middle"}
    tone = f" pe-node-{node.tone}" if node.tone else ""
    return element(
        "g",
        element("title", node.about or node.name),
        element("rect", **box),
        element("text", name, **middle),
        css=f"pe-node-{node.kind}{tone}",
    )


def _edge(source: tuple[int, int], target: tuple[int, int], rate: float) -> Html:
    """Return a line from one node's right side to another's left; one that leads back goes round below."""
    x1, y1 = _corner(source)
    x2, y2 = _corner(target)
    x1, y1, y2 = x1 + WIDTH, y1 + HEIGHT // 2, y2 + HEIGHT // 2
    bend = (x2 - x1) / 2 if x2 > x1 else COLUMN / 3
    line = f"M{x1} {y1}C{x1 + bend:.0f} {y1} {x2 - bend:.0f} {y2} {x2} {y2}"
    path = element(
        "path",
        css="pe-edge-live" if rate else "pe-edge",
        d=line,
        **{"stroke-width": f"{1.5 + min(3.5, math.log10(1 + rate)):.1f}"},
    )
    if not rate:
        return path
    middle = {"x": f"{(x1 + x2) / 2:.0f}", "y": f"{(y1 + y2) / 2 - 4:.0f}", "text-anchor": "middle"}
    return Html(path + element("text", rate_text(rate), css="pe-rate", **middle))


def rate_text(rate: float) -> str:
    """Return rows a second in few characters: ``0.2/s``, ``1,250/s``."""
    return f"{rate:,.0f}/s" if rate >= 10 else f"{rate:.1f}/s"


def _corner(place: tuple[int, int]) -> tuple[int, int]:
    return MARGIN + place[0] * COLUMN, MARGIN + place[1] * ROW


def edges_of(lines: Sequence[tuple[str, str, float]]) -> dict[tuple[str, str], float]:
    """Return edges with what goes along each, those of the same ends together."""
    found: dict[tuple[str, str], float] = {}
    for source, target, rate in lines:
        found[source, target] = found.get((source, target), 0.0) + rate
    return found
