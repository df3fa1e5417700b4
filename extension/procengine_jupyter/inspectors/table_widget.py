"""How does a page show a table of any length?

The page has the rows that are in sight, and asks for others as it is scrolled: a window pulled from Arrow, never
all rows. When they change it is told which of its rows did. It also says what the reader does: sorting, choosing a
row, looking away.
Everything here is called on the kernel's main thread; what a page says is brought there by ``loop``, the kernel's.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget
import traitlets

from procengine_jupyter.inspectors.contents import Contents
from procengine_jupyter.inspectors.main_thread import on_main_thread
from procengine_jupyter.inspectors.rows import Order, Selection, column_widths, numeric_columns
from procengine_jupyter.inspectors.sight import Sight

FOLDER = Path(__file__).parent
MOST_ROWS_ASKED = 500
"""A page asks for a screenful or two; a larger wish is cut."""


CLOCKS = ("until", "due", "since")
"""Kinds of columns of which a page shows how far their instants are."""

AGE_WIDTH = 16
"""Characters of ``in 59 min 59 s``, and some space."""

BAR_WIDTH = 0.75
"""Characters that a sparkline's bar takes, which is 5 pixels wide."""

MARGIN = 5
"""Characters beside a column's name: the mark of its order, and some space."""


class TableWidget(anywidget.AnyWidget):  # type: ignore[misc]
    """A table in the page. The ``on_`` functions are called when the reader acts."""

    _esm = (FOLDER / "sight.js").read_text("utf-8") + (FOLDER / "table_widget.js").read_text("utf-8")
    _css = FOLDER / "table_widget.css"

    columns: traitlets.List[Any] = traitlets.List().tag(sync=True)
    row_count = traitlets.Int(0).tag(sync=True)
    version = traitlets.Int(0).tag(sync=True)
    order: traitlets.List[Any] = traitlets.List().tag(sync=True)
    chosen = traitlets.Int(-1).tag(sync=True)
    hint = traitlets.Unicode("").tag(sync=True)
    tail = traitlets.Bool(False).tag(sync=True)

    def __init__(
        self,
        *,
        on_order: Callable[[Order | None], None],
        on_choice: Callable[[int | None], None],
        on_sight: Callable[[bool], None],
        on_toggle: Callable[[int], None],
        loop: Any = None,
    ) -> None:
        super().__init__()
        self._selection: Selection | None = None
        # The rows that each place in the page has: where they begin, how many it asked for, and their texts.
        self._windows: dict[str, tuple[int, int, list[list[str | None]]]] = {}
        # The clock by which columns of instants are meant; None where there are none.
        self._now_ns: Callable[[], int] | None = None
        self._on_order, self._on_choice, self._sight = on_order, on_choice, Sight(on_sight)
        self._on_toggle = on_toggle
        self.on_msg(on_main_thread(loop, self._message))

    def show(
        self,
        selection: Selection,
        contents: Contents,
        *,
        order: Order | None,
        hint: str,
    ) -> None:
        """Show other rows. The same selection again changes nothing.

        The page is sent those of its rows that are others than before, and asks for what it has not. Columns grow
        with their texts and do not shrink again, so that nothing moves about.
        """
        if selection is self._selection:
            return
        self._selection = selection
        self._now_ns = contents.now_ns
        table = selection.table
        before = {column["name"]: column["width"] for column in self.columns}
        facts = zip(table.column_names, column_widths(table), numeric_columns(table), strict=True)
        columns = [
            {
                "name": name,
                "width": max(_width(contents, name, width), before.get(name, 0)),
                "number": number,
                "tones": dict(contents.tones.get(name, {})),
                "kind": _kind(contents, name),
                "missing": contents.missing,
            }
            for name, width, number in facts
        ]
        self._send_changes(self.version + 1, same_columns=[*before] == table.column_names)
        with self.hold_sync():
            self.columns = columns
            self.row_count = len(selection)
            self.order = [] if order is None else [order.column, order.descending]
            self.hint = hint
            self.tail = contents.tail
            self.version += 1

    def choose(self, row: int | None) -> None:
        """Show a row as the chosen one, by its number in the selection, or none."""
        self.chosen = -1 if row is None else row

    def _message(self, _widget: object, content: Any, _buffers: object) -> None:
        """Take what the page says; what is not understood is passed over."""
        match content:
            case {"kind": "rows", "start": int(start), "count": int(count), "place": str(place)}:
                self._send_rows(place, start, min(count, MOST_ROWS_ASKED))
            case {"kind": "order", "column": str(column), "descending": bool(descending)}:
                self._on_order(Order(column=column, descending=descending))
            case {"kind": "order", "column": None}:
                self._on_order(None)
            case {"kind": "choose", "row": int(row)}:
                self._on_choice(row if 0 <= row < self.row_count else None)
            case {"kind": "toggle", "row": int(row)}:
                if 0 <= row < self.row_count:
                    self._on_toggle(row)
            case {"kind": "sight", "in_sight": bool(in_sight), "place": str(place)}:
                if not in_sight:
                    self._windows.pop(place, None)
                self._sight.tell(place, in_sight)

    def _send_rows(self, place: str, start: int, count: int) -> None:
        if self._selection is None:
            return
        cells = self._selection.window(start, count)
        self._windows[place] = (max(0, start), count, cells)
        self.send(
            {
                "kind": "rows",
                "place": place,
                "start": max(0, start),
                "version": self.version,
                **self._now(),
                "cells": cells,
            }
        )

    def _now(self) -> dict[str, int]:
        """Return the time (ms) by which a page sets its own clock right, where it needs one."""
        return {} if self._now_ns is None else {"now": self._now_ns() // 1_000_000}

    def _send_changes(self, version: int, *, same_columns: bool) -> None:
        """Send what is new in the rows that the page has, before it hears of the version and would ask for them."""
        if self._selection is None:
            return
        if not same_columns:
            self._windows.clear()
        for place, (start, count, before) in self._windows.items():
            cells = self._selection.window(start, count)
            self._windows[place] = (start, count, cells)
            changed = {
                str(number): row
                for number, row in enumerate(cells)
                if number >= len(before) or row != before[number]
            }
            self.send(
                {
                    "kind": "changed",
                    "place": place,
                    "start": start,
                    "version": version,
                    **self._now(),
                    "length": len(cells),
                    "cells": changed,
                }
            )


def _width(contents: Contents, column: str, width: int) -> int:
    """Return a column's width in characters.

    Of an instant a page shows how far it is, which is shorter; the bar of a run is narrower than a character.
    """
    kind = _kind(contents, column)
    if kind in CLOCKS:
        return AGE_WIDTH
    return max(len(column) + MARGIN, math.ceil(width * BAR_WIDTH)) if kind == "sparklines" else width


def _kind(contents: Contents, column: str) -> str:
    """Return as what a column's texts are drawn."""
    if column == contents.tree:
        return "tree"
    for kind in ("sparklines", *CLOCKS):
        if column in getattr(contents, kind):
            return kind
    return "text"
