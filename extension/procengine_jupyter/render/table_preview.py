"""What is in a table, at a glance: how its numbers went, and its newest rows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from procengine.model.counted import counted
from procengine.model.result_format import format_pretty
from procengine_jupyter.render.inspector_card import texts_of
from procengine_jupyter.render.markup import Html
from procengine_jupyter.render.plot import Values, plots_html, plots_text
from procengine_jupyter.render.style import card
from procengine_jupyter.render.table_card import is_number, table_html
from procengine_jupyter.render.view import View

SHOWN_ROWS = 10


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class TablePreview(View):
    """The newest rows of a table, newest first; ``rows`` has a column ``time``. ``is_whole``: there are no others."""

    name: str
    rows: pa.Table
    is_whole: bool

    def html(self) -> Html:
        """Return plots of the numbers, and the first rows."""
        times, columns = self._numbers()
        plots = plots_html(times, columns)
        return card(
            self.name, plots, table_html(self.rows.slice(0, SHOWN_ROWS)), details=self._details()
        )

    def plain(self) -> str:
        """Return the course of the numbers, and the first rows."""
        lines = [f"{self.name} · {self._details()}", *plots_text(*self._numbers())]
        if self.rows.num_rows:
            lines.append(format_pretty(texts_of(self.rows.slice(0, SHOWN_ROWS))))
        return "\n".join(lines)

    def _details(self) -> str:
        count = counted(self.rows.num_rows, "row")
        return count if self.is_whole else f"the newest {count}"

    def _numbers(self) -> tuple[np.ndarray[tuple[int], np.dtype[np.int64]], dict[str, Values]]:
        """Return the times, ns, and the columns of numbers; NULL is NaN."""
        times = self.rows["time"].cast(pa.int64()).to_numpy()
        columns = {
            field.name: self.rows[field.name].cast(pa.float64(), safe=False).to_numpy()
            for field in self.rows.schema
            if is_number(field.type)
        }
        return times, columns
