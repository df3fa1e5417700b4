"""How is an inspector printed, where it cannot be live?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pyarrow as pa

from procengine.model.result_format import format_pretty
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.style import card, soft
from procengine_jupyter.render.table_card import cell_texts, table_html
from procengine_jupyter.render.view import View


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class InspectorCard(View):
    """The first rows of some state, of a ``tail`` the last. ``row_count`` is how many there are of them.

    ``table`` holds those that are shown. ``problem`` says why the rows are not those of now. ``picture`` stands above
    the rows, in the text ``picture_lines``; ``lines`` stand for both there.
    """

    MOST_ROWS: ClassVar[int] = 20

    title: str
    facts: tuple[str, ...]
    table: pa.Table
    row_count: int
    tail: bool = False
    hint: str = ""
    problem: str = ""
    picture: Html | None = None
    picture_lines: tuple[str, ...] = ()
    lines: tuple[str, ...] = ()

    def html(self) -> Html:
        """Return the rows as HTML."""
        body = table_html(self.table) if self.table.num_rows else soft(self.hint)
        problem = element("div", self.problem, css="pe-text-warn") if self.problem else ""
        details = " · ".join(self._details())
        return card(
            self.title, problem, self.picture, body, details=details, tone="warn" if self.problem else ""
        )

    def plain(self) -> str:
        """Return the rows as text."""
        lines = [" · ".join([self.title, *self._details()])]
        if self.problem:
            lines.append(self.problem)
        if self.lines:
            lines += self.lines
        else:
            lines += self.picture_lines
            lines.append(format_pretty(texts_of(self.table)) if self.table.num_rows else self.hint)
        return "\n".join(line for line in lines if line)

    def _details(self) -> list[str]:
        if self.row_count <= self.table.num_rows:
            return list(self.facts)
        end = "last" if self.tail else "first"
        return [*self.facts, f"the {end} {self.table.num_rows} are shown"]


def texts_of(table: pa.Table) -> pa.Table:
    """Return a table of the texts that stand for its values."""
    columns = [pa.array(cell_texts(column), pa.string()) for column in table.columns]
    return pa.Table.from_arrays(columns, names=table.column_names)
