"""Is a widget in sight anywhere?

A page may show one widget in several places: beside its cell, in an output view of its own, and in another window.
Each place says for itself whether it is in sight, under a name of its own; one that is closed takes nothing from the
others. For the kernel's main thread.
"""

from __future__ import annotations

from collections.abc import Callable


class Sight:
    """The places in which a widget is in sight; ``on_sight`` is told of the first one, and of the last one's end."""

    def __init__(self, on_sight: Callable[[bool], None]) -> None:
        self._on_sight = on_sight
        self._places: set[str] = set()

    def tell(self, place: str, in_sight: bool) -> None:
        """Take what a place says."""
        before = bool(self._places)
        (self._places.add if in_sight else self._places.discard)(place)
        if bool(self._places) != before:
            self._on_sight(not before)
