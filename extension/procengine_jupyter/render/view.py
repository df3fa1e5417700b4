"""What makes a value a card?"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

from procengine_jupyter.render.markup import Html, visible

LONGEST_PLAIN = 100_000


class View(ABC):
    """A value that a front end shows as HTML, and a terminal as text."""

    __slots__ = ()

    @abstractmethod
    def html(self) -> Html:
        """Return the card as HTML."""

    @abstractmethod
    def plain(self) -> str:
        """Return the card as text, as it comes."""

    def text(self) -> str:
        """Return the card as text, its control characters made visible, cut where it is very long."""
        return visible(self.plain(), longest=LONGEST_PLAIN)

    def _repr_mimebundle_(self, **_filters: object) -> dict[str, str]:
        """Return both forms; IPython itself applies its ``include`` and ``exclude``."""
        return {"text/html": str(self.html()), "text/plain": self.text()}

    def __repr__(self) -> str:
        return self.text()


class OfferingView(View):
    """A card with something to press, where a page is live.

    ``offer`` returns what shows both; None for a card alone.
    """

    __slots__ = ()

    @property
    @abstractmethod
    def offer(self) -> Callable[[View], Mapping[str, Any]] | None:
        """What a live page shows in the card's place."""

    def _repr_mimebundle_(self, **filters: object) -> dict[str, Any]:
        bundle: dict[str, Any] = super()._repr_mimebundle_(**filters)
        return bundle if self.offer is None else {**bundle, **self.offer(self)}
