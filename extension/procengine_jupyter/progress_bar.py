"""How far is a long write?"""

from __future__ import annotations

from dataclasses import dataclass

from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.phrases import duration
from procengine_jupyter.render.style import card
from procengine_jupyter.render.view import View
from procengine_jupyter.under_way import UnderWay

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


class ProgressBar(UnderWay):
    """A bar below the running cell, from the first `tell` to the end of the ``with`` block."""

    def __init__(self) -> None:
        super().__init__(until_shown=0, between=SECONDS_BETWEEN)

    def tell(self, done: int, total: int) -> None:
        """Show how far it is, at most ten times a second."""
        self.show(lambda: ProgressCard(done=done, total=total, elapsed_ns=self.elapsed_ns))
