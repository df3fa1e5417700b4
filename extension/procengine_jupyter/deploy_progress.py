"""What does a page show while a server is asked, and changed?"""

from __future__ import annotations

from dataclasses import dataclass

from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.style import card
from procengine_jupyter.render.view import View
from procengine_jupyter.under_way import UnderWay


@dataclass(frozen=True, slots=True, repr=False)
class DeployingCard(View):
    """What is done at this moment, below what was done before."""

    url: str
    steps: tuple[str, ...]

    def html(self) -> Html:
        """Return the card as HTML."""
        return card(
            "deploy", element("ul", *(element("li", each) for each in self.steps)), details=self.url
        )

    def plain(self) -> str:
        """Return the card as text."""
        return "\n".join((f"deploy to {self.url}", *(f"  {each}" for each in self.steps)))


class DeployProgress(UnderWay):
    """Shows steps below the running cell, from the first one on until the block ends. For the main thread."""

    def __init__(self, url: str) -> None:
        super().__init__(until_shown=0, between=0)
        self._url = url
        self._steps: list[str] = []

    def tell(self, step: str) -> None:
        """Show another step, which begins."""
        self._steps.append(step)
        self.show(lambda: DeployingCard(self._url, tuple(self._steps)))
