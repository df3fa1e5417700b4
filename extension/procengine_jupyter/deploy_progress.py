"""What does a page show while a server is asked, and changed?"""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Any

from procengine_jupyter.display import show_updatable
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.style import card
from procengine_jupyter.render.view import View


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


class DeployProgress:
    """Shows steps below the running cell, until the block ends. For the main thread."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._steps: list[str] = []
        self._handle: Any = None

    def __enter__(self) -> DeployProgress:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            self._handle.update({"text/plain": "", "text/html": ""}, raw=True)

    def tell(self, step: str) -> None:
        """Show another step, which begins."""
        self._steps.append(step)
        shown = DeployingCard(self._url, tuple(self._steps))
        if self._handle is None:
            self._handle = show_updatable(shown)
        else:
            self._handle.update(shown)
