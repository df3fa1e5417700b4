"""Which rows of a table are shown, in which order, and as which text?

Pure: a `Selection` names rows by their place, and only those of a window become text.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from procengine_jupyter.inspectors.text_search import TextSearch, as_text, decoded
from procengine_jupyter.render.table_card import cell_texts, is_number

NARROWEST, WIDEST = 5, 44
"""Characters of a column's width."""

MEASURED_ROWS = 200
"""Rows that a column's width is taken from, spread over the table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """By which column rows are sorted."""

    column: str
    descending: bool = False


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Selection:
    """Rows of a table, by their places in it, in the order in which they are shown."""

    table: pa.Table
    places: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.places)

    def window(self, start: int, count: int) -> list[list[str | None]]:
        """Return the texts of some rows, row by row; None is NULL. Beyond the end there is nothing."""
        part = self.part(start, count)
        columns = [cell_texts(column) for column in part.columns]
        return [list(row) for row in zip(*columns, strict=True)]

    def part(self, start: int, count: int) -> pa.Table:
        """Return some rows as a table."""
        return self.table.take(pa.array(self.places[max(0, start) : max(0, start) + max(0, count)]))


def select(
    table: pa.Table,
    text: str = "",
    order: Order | None = None,
    part: npt.NDArray[np.bool_] | None = None,
    search: TextSearch | None = None,
) -> Selection:
    """Return the rows that have a text in any column, whatever its case, sorted; NULL comes last.

    ``part`` is true for the rows that count at all; None: for each. ``search`` looks for the text, and remembers what
    it looked for before.
    Rows that compare equal stay in the table's order. A column that is not in the table sorts nothing.
    """
    places = np.arange(table.num_rows, dtype=np.int64)
    if part is not None:
        places = places[part]
    if text:
        places = places[(search or TextSearch(table)).matching(text)[places]]
    if order is not None and order.column in table.column_names:
        column = _sortable(table.column(order.column))
        if len(places) < table.num_rows:
            column = column.take(pa.array(places))
        direction = "descending" if order.descending else "ascending"
        keys = pa.table({"key": column})
        sorted_ = pc.sort_indices(keys, sort_keys=[("key", direction)])
        places = places[sorted_.to_numpy().astype(np.int64)]
    return Selection(table=table, places=places)


def column_widths(table: pa.Table) -> list[int]:
    """Return the width of each column in characters, by its name and some of its rows."""
    measured = np.unique(np.linspace(0, max(0, table.num_rows - 1), MEASURED_ROWS).astype(np.int64))
    some = table.take(pa.array(measured)) if table.num_rows else table
    widths = []
    for name, column in zip(table.column_names, some.columns, strict=True):
        longest = _longest(column)
        widths.append(min(WIDEST, max(NARROWEST, len(name) + 2, longest) + 3))
    return widths


def _longest(column: pa.ChunkedArray) -> int:
    """Return the length of a column's longest text."""
    if pa.types.is_string(column.type):
        return pc.max(pc.utf8_length(column)).as_py() or 4
    return max((len(text) for text in cell_texts(column) if text is not None), default=4)


def numeric_columns(table: pa.Table) -> list[bool]:
    """Return for each column whether it holds numbers, which are set to the right."""
    return [is_number(field.type) for field in table.schema]


def _sortable(column: pa.ChunkedArray) -> pa.ChunkedArray:
    plain = decoded(column)
    if pa.types.is_nested(plain.type) or pa.types.is_null(plain.type):
        return as_text(plain)
    return plain
