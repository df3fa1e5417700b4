"""Which options does the engine run with, and where did each come from?"""

from __future__ import annotations

from dataclasses import dataclass

from procengine_jupyter.render.markup import Html, element, rows
from procengine_jupyter.render.style import card, code, soft
from procengine_jupyter.render.view import View

HINT = "%config ProcessingEngine.NAME = VALUE sets one; %procengine restart applies it"


@dataclass(frozen=True, slots=True, kw_only=True)
class OptionLine:
    """One option, its value, and where the value came from."""

    name: str
    value: str
    origin: str
    about: str


@dataclass(frozen=True, slots=True, repr=False)
class OptionsCard(View):
    """All options of an engine."""

    lines: tuple[OptionLine, ...]

    def html(self) -> Html:
        """Return the options as HTML."""
        cells: list[list[object]] = [
            [code(line.name), code(line.value), soft(line.origin), soft(line.about)]
            for line in self.lines
        ]
        return card("Options", rows(cells), element("div", soft(HINT), css="pe-part"))

    def plain(self) -> str:
        """Return the options as text."""
        lines = [f"{line.name} = {line.value}  ({line.origin}) {line.about}" for line in self.lines]
        return "\n".join([*lines, HINT])
