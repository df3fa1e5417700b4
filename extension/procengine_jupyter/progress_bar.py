"""How far is a long write?"""

from __future__ import annotations

import time
from dataclasses import dataclass
from types import TracebackType
from typing import Any

from procengine_jupyter.display import show_updatable
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.phrases import duration
from procengine_jupyter.render.style import card
from procengine_jupyter.render.view import View

SECONDS_BETWEEN = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class ProgressCard(View):
    """How many of the lines are written."""

    done: int
    total: int
    elapsed_ns: int

    def html(self) -> Html:
        """Return the bar as HTML."""
        bar = element("progress", value=str(self.done), max=str(max(self.total, 1)), style="width:100%")
        return card("writing", bar, details=self._details())

    def plain(self) -> str:
        """Return the progress as text."""
        return f"writing: {self._details()}"

    def _details(self) -> str:
        share = self.done / self.total if self.total else 1.0
        left = f" · {duration(round(self.elapsed_ns * (1 - share) / share))} left" if share else ""
        return f"{self.done:,} of {self.total:,} lines · {share:.0%}{left}"


class ProgressBar:
    """A bar below the running cell, from the first `show` to the end of the ``with`` block."""

    def __init__(self) -> None:
        self._handle: Any = None
        self._started_ns = time.perf_counter_ns()
        self._shown_ns = 0

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            self._handle.update({"text/plain": "", "text/html": ""}, raw=True)

    def show(self, done: int, total: int) -> None:
        """Show how far it is, at most ten times a second."""
        now_ns = time.perf_counter_ns()
        if now_ns - self._shown_ns < SECONDS_BETWEEN * 1_000_000_000:
            return
        self._shown_ns = now_ns
        card_ = ProgressCard(done=done, total=total, elapsed_ns=now_ns - self._started_ns)
        if self._handle is None:
            self._handle = show_updatable(card_)
        else:
            self._handle.update(card_)
