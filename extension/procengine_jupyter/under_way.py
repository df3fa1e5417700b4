"""How does a cell say what it is busy with?

By a card below it, from half a second on: what is quick shows nothing. For the kernel's main thread.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from procengine_jupyter.display import new_handle
from procengine_jupyter.render.markup import Html
from procengine_jupyter.render.phrases import duration
from procengine_jupyter.render.style import card
from procengine_jupyter.render.view import View

SECONDS_UNTIL_SHOWN = 0.5
SECONDS_BETWEEN = 0.2


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class UnderWayCard(View):
    """What goes on, how far that is, and what the stop button does."""

    what: str
    details: str

    def html(self) -> Html:
        """Return the card as HTML."""
        return card(self.what, details=self.details)

    def plain(self) -> str:
        """Return the card as text."""
        return f"{self.what}: {self.details}"


class UnderWay:
    """A card that is drawn anew while something goes on, and is gone at the end of the ``with`` block."""

    def __init__(
        self, *, until_shown: float = SECONDS_UNTIL_SHOWN, between: float = SECONDS_BETWEEN
    ) -> None:
        """Show nothing before ``until_shown`` seconds have passed, and then anew after ``between`` seconds."""
        self._handle: Any = None
        self._began = time.monotonic()
        self._due = self._began + until_shown
        self._between = between

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            self._handle.update({"text/plain": "", "text/html": ""}, raw=True)

    def say(self, what: str, *, stop: str) -> None:
        """Show what goes on, since when, and what the stop button does to it."""
        self.show(lambda: UnderWayCard(what=what, details=f"since {duration(self.elapsed_ns)}; {stop}"))

    @property
    def elapsed_ns(self) -> int:
        """How long it goes on, nanoseconds."""
        return round((time.monotonic() - self._began) * 1_000_000_000)

    def show(self, draw: Callable[[], View]) -> None:
        """Show how far it is, where that is not too early or too often."""
        now = time.monotonic()
        if now < self._due:
            return
        self._due = now + self._between
        if self._handle is None:
            self._handle = (
                new_handle()
            )  # known before it is shown: an interrupt may come right after that
            self._handle.display(draw())
        else:
            self._handle.update(draw())
