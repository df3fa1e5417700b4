"""What does a timeline look like where nothing moves: in an exported notebook, on paper, in a terminal?"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from procengine.model.counted import counted
from procengine.model.run import RunOutcome
from procengine_jupyter.inspectors.run_index import OUTCOMES, Placed
from procengine_jupyter.inspectors.run_window import Marks, marks
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.phrases import duration, instant

MOST_LANES = 20
WIDTH, GUTTER, LANE, AXIS = 860, 150, 24, 20
BINS = 60
"""Characters of a lane in text."""

BLOCKS = "▁▂▃▄▅▆▇█"
FAILED = "✗"

LOOKS = {
    RunOutcome.SUCCESS: ("#0072b2", 10, ""),
    RunOutcome.ERROR: ("#c24400", 18, "▼"),
    RunOutcome.WRITE_ERROR: ("#946800", 14, "▲"),
    RunOutcome.CANCELLED: ("#6b6b6b", 10, "○"),
    RunOutcome.LIMIT_EXCEEDED: ("#8f3f78", 18, "■"),
}
"""Colour, height and sign of each outcome, as in the page: colours that the colour-blind can tell apart."""

WORDS = {
    RunOutcome.SUCCESS: "success",
    RunOutcome.ERROR: "error",
    RunOutcome.WRITE_ERROR: "lines rejected",
    RunOutcome.CANCELLED: "cancelled",
    RunOutcome.LIMIT_EXCEEDED: "past a limit",
}

Lanes = Sequence[tuple[str, str]]


def timeline_svg(runs: Placed, lanes: Lanes) -> Html:
    """Return all runs as one drawing, a lane a trigger; nothing when there are none."""
    if not len(runs):
        return Html("")
    lanes = lanes[:MOST_LANES]
    begin, end = _window(runs)
    found = marks(runs, begin, end)
    height = LANE * len(lanes) + AXIS + 22
    scale = (WIDTH - GUTTER) / (end - begin)
    parts = [
        _text(6, number * LANE + 16, _cut(trigger), title=f"{database}/{trigger}")
        for number, (database, trigger) in enumerate(lanes)
    ]
    parts += [_line(number * LANE) for number in range(len(lanes) + 1)]
    parts += [_mark(found, place, begin, scale) for place in _order(found, len(lanes))]
    bottom = len(lanes) * LANE + 14
    parts.append(_text(GUTTER, bottom, instant(begin), soft=True))
    parts.append(_text(WIDTH, bottom, f"{instant(end)} · {duration(end - begin)}", soft=True, end=True))
    parts.append(_legend(found, bottom + 22))
    return element(
        "svg",
        *parts,
        css="pe-timeline",
        viewBox=f"0 0 {WIDTH} {height + 4}",
        width="100%",
        role="img",
        **{"aria-label": f"timeline of {counted(len(runs), 'run')}"},
        style=f"display:block;max-width:{WIDTH}px;font:12px var(--jp-ui-font-family,system-ui,sans-serif)",
    )


def timeline_lines(runs: Placed, lanes: Lanes) -> list[str]:
    """Return a line a lane: how many runs there were when, and where some did not succeed."""
    if not len(runs):
        return []
    begin, end = _window(runs)
    width = max(len(trigger) for _, trigger in lanes[:MOST_LANES])
    place = np.minimum(BINS - 1, (runs.start - begin) * BINS // max(1, end - begin))
    lines = []
    for number, (_, trigger) in enumerate(lanes[:MOST_LANES]):
        mine = runs.lane == number
        bad = mine & (runs.outcome != OUTCOMES.index(RunOutcome.SUCCESS))
        counts = np.bincount(place[mine], minlength=BINS)
        failed = np.bincount(place[bad], minlength=BINS)
        most = max(1, int(counts.max()))
        drawn = "".join(
            FAILED if failed[n] else BLOCKS[(len(BLOCKS) - 1) * counts[n] // most] if counts[n] else " "
            for n in range(BINS)
        )
        facts = counted(int(mine.sum()), "run")
        facts += f", {int(bad.sum()):,} not successful" if bad.any() else ""
        lines.append(f"{trigger:{width}} |{drawn}| {facts}")
    if len(lanes) > MOST_LANES:
        lines.append(f"and {counted(len(lanes) - MOST_LANES, 'more trigger')}")
    lines.append(f"{'':{width}}  {instant(begin)} - {instant(end)}")
    return lines


def _window(runs: Placed) -> tuple[int, int]:
    begin, end = int(runs.start.min()), int(runs.end.max())
    room = max(1_000_000, (end - begin) // 50)
    return begin - room, end + room


def _order(found: Marks, lanes: int) -> list[int]:
    """Return the marks of the lanes that are drawn, failures last: they lie on top."""
    drawn = np.flatnonzero(found.lane < lanes)
    return [int(place) for place in drawn[np.argsort(found.failed[drawn] > 0, kind="stable")]]


def _mark(found: Marks, place: int, begin: int, scale: float) -> Html:
    outcome = OUTCOMES[int(found.outcome[place])]
    colour, height, sign = LOOKS[outcome]
    left = GUTTER + (int(found.start[place]) - begin) * scale
    width = max(2.0, (int(found.end[place]) - int(found.start[place])) * scale)
    middle = int(found.lane[place]) * LANE + LANE / 2
    count = int(found.count[place])
    if count > 1:
        height = int(min(15, 5 + 2 * np.log2(count)))
    hollow = outcome is RunOutcome.CANCELLED and count == 1
    top = middle + 10 - height if count > 1 else middle - height / 2
    bar = element(
        "rect",
        element("title", _about(found, place, outcome)),
        x=f"{left:.1f}",
        y=f"{top:.1f}",
        width=f"{width:.1f}",
        height=str(height),
        fill="none" if hollow else colour,
        stroke=colour if hollow else "none",
    )
    if not sign:
        return bar
    low = sign == "▲" and count == 1
    return Html(bar + _sign(sign, left + width / 2, middle + (12 if low else -5), colour))


def _about(found: Marks, place: int, outcome: RunOutcome) -> str:
    if found.count[place] > 1:
        return f"{counted(int(found.count[place]), 'run')}, {int(found.failed[place])} not successful"
    took = duration(int(found.end[place] - found.start[place]))
    return f"run {found.run[place]}: {WORDS[outcome]}, {instant(int(found.start[place]))}, {took}"


def _sign(sign: str, x: float, y: float, colour: str) -> Html:
    return element(
        "text",
        sign,
        x=f"{x:.1f}",
        y=f"{y:.1f}",
        fill=colour,
        **{"font-size": "8", "text-anchor": "middle"},
    )


def _legend(found: Marks, y: int) -> Html:
    """Return what the colours and signs of the outcomes mean that occur."""
    x, parts = GUTTER, []
    for number in np.unique(found.outcome):
        colour, height, sign = LOOKS[OUTCOMES[int(number)]]
        hollow = OUTCOMES[int(number)] is RunOutcome.CANCELLED
        parts.append(
            element(
                "rect",
                x=str(x),
                y=f"{y - 4 - height / 2:.1f}",
                width="5",
                height=str(height),
                fill="none" if hollow else colour,
                stroke=colour,
            )
        )
        word = f"{sign} {WORDS[OUTCOMES[int(number)]]}".strip()
        parts.append(_text(x + 10, y, word, soft=True))
        x += 24 + 7 * len(word)
    return Html("".join(parts))


def _text(x: int, y: int, text: str, *, title: str = "", soft: bool = False, end: bool = False) -> Html:
    colour = "var(--jp-ui-font-color2,GrayText)" if soft else "currentColor"
    return element(
        "text",
        element("title", title) if title else "",
        text,
        x=str(x),
        y=str(y),
        fill=colour,
        **{"text-anchor": "end" if end else "start"},
    )


def _line(y: int) -> Html:
    return element(
        "line",
        x1="0",
        x2=str(WIDTH),
        y1=str(y),
        y2=str(y),
        stroke="var(--jp-border-color2,rgba(128,128,128,.35))",
    )


def _cut(text: str) -> str:
    return text if len(text) <= 21 else f"{text[:20]}…"
