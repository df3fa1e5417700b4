"""How does a card follow runs that end after its cell?

A run ends on an engine's thread; that thread only leaves word. The kernel's own event loop, on the main
thread, then draws the card anew: nothing else may talk to the front end. Where there is no such loop (a
terminal) a card stays as it was first shown.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Any

from procengine.model.run import Run
from procengine_jupyter.display import show_updatable
from procengine_jupyter.render.view import View

MOST_FOLLOWED = 64
"""Cards that are followed at a time; the oldest is let go."""


class LiveCards:
    """The cards that still follow runs. For the kernel's main thread, but for `run_finished`."""

    def __init__(self, loop: Any) -> None:
        """``loop`` is the kernel's own event loop, None in a terminal."""
        self._loop = loop
        self._followed: OrderedDict[int, Callable[[], None]] = OrderedDict()
        # Flushes whose card the loop has been asked to draw; many runs then cost one drawing.
        self._due: set[int] = set()

    @property
    def can_update(self) -> bool:
        """Whether cards can be drawn anew after their cell."""
        return self._loop is not None

    def show(self, draw: Callable[[], View], flushes: Callable[[], Iterable[int]] = tuple) -> None:
        """Show a card, and show it anew whenever a run ends that one of its flushes caused.

        ``draw`` returns the card as things stand, ``flushes`` the numbers of the flushes so far, which grow as runs
        write themselves. Both are called on the main thread.
        """
        handle = show_updatable(draw())
        if handle is None or self._loop is None:
            return

        def redraw() -> None:
            follow()  # before it is drawn: what ends in between is on the card
            handle.update(draw())

        def follow() -> None:
            for number in flushes():
                self._followed[number] = redraw
            while len(self._followed) > MOST_FOLLOWED:
                self._followed.popitem(last=False)

        follow()

    def run_finished(self, run: Run) -> None:
        """Leave word that a run ended; from any thread."""
        number = run.cause.wal_sequence_number
        if number is None or number in self._due or number not in self._followed or self._loop is None:
            return
        self._due.add(number)
        self._loop.add_callback(self._redraw, number)

    def _redraw(self, number: int) -> None:
        self._due.discard(number)
        redraw = self._followed.get(number)
        if redraw is not None:
            redraw()

    def forget(self) -> None:
        """Follow nothing any more."""
        self._followed.clear()
