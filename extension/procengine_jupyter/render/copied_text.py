"""How is text shown that a reader is to copy?"""

from __future__ import annotations

from dataclasses import dataclass

from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.style import card, soft
from procengine_jupyter.render.view import View


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CopiedText(View):
    """A text that one click chooses whole; ``kind`` says what it is: a cell, a command line."""

    title: str
    kind: str
    lines: str
    note: str = ""

    def html(self) -> Html:
        """Return the text, which one click chooses whole."""
        shown = element("pre", self.lines, style="user-select:all")
        note = soft(self.note) if self.note else ""
        return card(self.title, shown, note, details=f"{self.kind}; one click chooses it")

    def plain(self) -> str:
        """Return the text."""
        return self.lines
