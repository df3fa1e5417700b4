"""What does a reader see of a token?"""

from __future__ import annotations

from typing import Any

NOTE = "(who can read this can use the token; tok = %procengine token keeps it in a variable instead)"


class ShownToken(str):
    """A token, which is text, with a note where it is the output of a cell."""

    __slots__ = ()

    def _repr_pretty_(self, printer: Any, _cycle: bool) -> None:
        printer.text(f"{str(self)!r}\n{NOTE}")
