"""How does a page show runs on a line of time?

The page has the marks around the window that it shows, and asks for others as it is moved; it is told that there are
new runs, not which. Everything here is called on the kernel's main thread.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import numpy as np
import traitlets

from procengine.clock import NANOSECONDS_PER_SECOND
from procengine_jupyter.inspectors.main_thread import on_main_thread
from procengine_jupyter.inspectors.run_index import OUTCOMES, Placed, RunIndex
from procengine_jupyter.inspectors.run_window import MOST_BINS, Marks, marks
from procengine_jupyter.inspectors.sight import Sight

FOLDER = Path(__file__).parent
MICROSECOND = 1_000
OF_LATE_NS = 150 * NANOSECONDS_PER_SECOND
"""Runs that ended this long before the last one are of late: a page that follows the present shows twice as much."""

FARTHEST = 2**62
"""Instants are cut to this, nanoseconds: a page may ask for any."""


class TimelineWidget(anywidget.AnyWidget):  # type: ignore[misc]
    """Runs in the page, a lane a trigger. ``on_choice`` and ``on_sight`` are called when the reader acts.

    ``now_ns`` tells the engine's time: what the right edge is while the page follows it.
    """

    _esm = (FOLDER / "sight.js").read_text("utf-8") + (FOLDER / "timeline_widget.js").read_text("utf-8")
    _css = FOLDER / "timeline_widget.css"

    lanes: traitlets.List[Any] = traitlets.List().tag(sync=True)
    outcomes: traitlets.List[Any] = traitlets.List().tag(sync=True)
    bounds: traitlets.List[Any] = traitlets.List([-1, -1, -1]).tag(sync=True)
    """Microseconds: when the first run began, when the last one ended, and when the first of late began."""
    now = traitlets.Float(0).tag(sync=True)
    version = traitlets.Int(0).tag(sync=True)
    chosen: traitlets.List[Any] = traitlets.List().tag(sync=True)
    hint = traitlets.Unicode("").tag(sync=True)

    def __init__(
        self,
        *,
        now_ns: Callable[[], int],
        on_choice: Callable[[int | None], None],
        on_sight: Callable[[bool], None],
        loop: Any = None,
    ) -> None:
        super().__init__(outcomes=[outcome.value for outcome in OUTCOMES])
        self._index: RunIndex | None = None
        self._shown: tuple[int, int] | None = None
        self._runs, _ = RunIndex().by_name()
        self._now_ns = now_ns
        self._on_choice, self._sight = on_choice, Sight(on_sight)
        self.on_msg(on_main_thread(loop, self._message))

    def show(self, index: RunIndex, *, hint: str = "") -> None:
        """Show runs; the same ones again change nothing."""
        runs = index.runs
        newest = (len(runs), int(runs.run[-1]) if len(runs) else -1)
        if index is self._index and newest == self._shown:
            return
        self._index, self._shown = index, newest
        self._runs, lanes = index.by_name()
        with self.hold_sync():
            self.lanes = [list(lane) for lane in lanes]
            self.hint = hint
            if len(runs):
                self.bounds = _bounds(runs)
            self.now = self._now_ns() / MICROSECOND
            self.version += 1

    def choose(self, run_id: int | None) -> None:
        """Show a run as the chosen one; one that is not known is shown as none."""
        runs = self._runs
        places = np.flatnonzero(runs.run == (-1 if run_id is None else run_id))
        if not len(places):
            self.chosen = []
            return
        place = places[-1]
        start, end = int(runs.start[place]), int(runs.end[place])
        self.chosen = [
            int(runs.run[place]),
            int(runs.lane[place]),
            start / MICROSECOND,
            end / MICROSECOND,
        ]

    def _message(self, _widget: object, content: Any, _buffers: object) -> None:
        """Take what the page says; what is not understood is passed over."""
        match content:
            case {
                "kind": "window",
                "from": int() | float() as begin,
                "to": int() | float() as end,
                "bins": int(bins),
                "first_lane": int(first),
                "last_lane": int(last),
                "place": str(place),
            } if begin < end:
                self._send_marks(place, begin, end, range(first, last), bins)
            case {"kind": "choose", "run": int() | float() as run}:
                self._on_choice(int(run) if run >= 0 else None)
            case {"kind": "sight", "in_sight": bool(in_sight), "place": str(place)}:
                self._sight.tell(place, in_sight)

    def _send_marks(self, place: str, begin: float, end: float, lanes: range, bins: int) -> None:
        runs = self._runs
        if lanes.start > 0 or lanes.stop < len(self.lanes):
            runs = runs.where((runs.lane >= lanes.start) & (runs.lane < lanes.stop))
        found = marks(runs, _ns(begin), _ns(end), bins=max(1, min(bins, 2 * MOST_BINS)))
        self.send(
            {
                "kind": "marks",
                "place": place,
                "from": begin,
                "to": end,
                "first_lane": lanes.start,
                "last_lane": lanes.stop,
                "count": len(found),
                "version": self.version,
                "now": self._now_ns() / MICROSECOND,
            },
            buffers=_buffers(found),
        )


def _bounds(runs: Placed) -> list[int]:
    """Return when runs, of which there are some, began and ended, and since when there are some of late."""
    last = int(runs.end.max())
    recent = runs.start[runs.end >= last - OF_LATE_NS]
    return [int(one) // MICROSECOND for one in (runs.start.min(), last, recent.min())]


def _ns(microseconds: float) -> int:
    return int(max(-FARTHEST, min(FARTHEST, microseconds * MICROSECOND)))


def _buffers(found: Marks) -> list[memoryview]:
    """Return start, duration (microseconds) and run as doubles, and the rest as 32-bit integers."""
    # Whole microseconds first: as a double, an instant in nanoseconds is exact to 256 of them.
    start = found.start // MICROSECOND + found.start % MICROSECOND / MICROSECOND
    times = np.array([start, (found.end - found.start) / MICROSECOND, found.run], np.float64)
    rest = np.array([found.lane, found.outcome, found.count, found.failed], np.int32)
    return [memoryview(times.tobytes()), memoryview(rest.tobytes())]
