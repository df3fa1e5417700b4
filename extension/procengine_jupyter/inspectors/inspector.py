"""How is state looked at, filtered, sorted, deleted from and acted upon?

An `Inspector` keeps what the reader chose, and the contents as they were last looked at. It needs no front end: its
snapshots in HTML and text are what an exported or reopened notebook shows. The live form is made when a front end
asks for it, and looks again once a second while it is in sight, which costs one question when nothing has changed.
All of it is for the kernel's main thread.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from procengine.errors import ProcengineError
from procengine_jupyter.inspectors.actions import Action, Done, Said, attempt
from procengine_jupyter.inspectors.background import in_background
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.inspectors.rows import Order, Selection, select
from procengine_jupyter.inspectors.text_search import TextSearch
from procengine_jupyter.render.inspector_card import InspectorCard
from procengine_jupyter.render.markup import Html
from procengine_jupyter.render.view import View

_NOTHING = pa.table({})
DOWN = "the engine is down; this is what was there last"


class Inspector(View):
    """State under a glass: ``text_filter``, ``tab``, ``order`` and the chosen row are the reader's.

    ``find`` returns the state of the engine that is up, None while none is: an inspector outlives a restart.
    ``loop`` is the kernel's event loop, None in a terminal. ``problem`` says why the contents are not those of now,
    ``done`` what came of the last deletion or action, ``failed`` whether that was nothing good, and ``below`` is what
    an action brought to be shown.

    Raises: ProcengineError when the state cannot be looked at even once.
    """

    def __init__(
        self, find: Callable[[], Inspected | None], *, loop: Any = None, text: str = ""
    ) -> None:
        """``text`` is the filter to begin with."""
        self.loop = loop
        self.problem = ""
        self.done = ""
        self.failed = False
        self.below: View | None = None
        self._find = find
        self._filter = text
        self._tab = ""
        self._order: Order | None = None
        self._chosen: object = None
        self._place = 0
        self._changed: list[Callable[[], None]] = []
        self._inspected = find()
        self._version: object = None
        self._contents = Contents(title="", table=_NOTHING)
        self._selection = select(_NOTHING)
        self._search = TextSearch(_NOTHING)
        if self._inspected is not None:
            self._version = self._inspected.version()
            self._inspected.look_for(text)
            contents = self._inspected.contents()
            self._order = contents.order
            self._hold(contents)
        else:
            self.problem = DOWN

    @property
    def inspected(self) -> Inspected | None:
        """The state that was last looked at; None when there never was one."""
        return self._inspected

    @property
    def contents(self) -> Contents:
        """What was last looked at."""
        return self._contents

    @property
    def selection(self) -> Selection:
        """The rows that are shown."""
        return self._selection

    @property
    def text_filter(self) -> str:
        """The text that rows must have, whatever its case."""
        return self._filter

    @text_filter.setter
    def text_filter(self, text: str) -> None:
        self._filter = text
        if self._contents.tree:
            self._look()
        else:
            self._hold(self._contents)
        self._tell()

    @property
    def tabs(self) -> Mapping[str, int]:
        """The parts that the rows can be narrowed to, and how many rows each has."""
        return {name: int(rows.sum()) for name, rows in self._contents.tabs.items()}

    @property
    def tab(self) -> str:
        """The part that is shown; empty where there are none."""
        names = self._contents.tabs
        return self._tab if self._tab in names else next(iter(names), "")

    @tab.setter
    def tab(self, name: str) -> None:
        self._tab = name
        self._hold(self._contents)
        self._tell()

    @property
    def order(self) -> Order | None:
        """By which column the rows are sorted; None keeps the state's own order."""
        return self._order

    @order.setter
    def order(self, order: Order | None) -> None:
        self._order = order
        self._hold(self._contents)
        self._tell()

    @property
    def chosen(self) -> int | None:
        """The number of the chosen row among those shown; it follows its row through filter and order."""
        place = self._place_of_chosen()
        if place is None:
            return None
        rows = np.flatnonzero(self._selection.places == place)
        return int(rows[0]) if len(rows) else None

    @property
    def chosen_key(self) -> object:
        """What identifies the chosen row, whether or not it is shown; None when there is none."""
        return self._chosen

    def choose(self, row: int | None) -> None:
        """Choose a shown row, or none."""
        self._place = 0 if row is None else int(self._selection.places[row])
        self._chosen = None if row is None else self._contents.keys[self._place]
        self._tell()

    def choose_key(self, key: object) -> None:
        """Choose what a key stands for, or nothing for None; it need not be among the rows."""
        self._place, self._chosen = 0, key
        self._tell()

    def toggle(self, row: int) -> None:
        """Open or close a shown node of a tree."""
        if self._inspected is not None and not self.problem:
            self._inspected.toggle(self._contents.keys[int(self._selection.places[row])])
            self._look()
            self._tell()

    @property
    def detail(self) -> Html | None:
        """What is shown of the chosen row beneath the table."""
        if self._chosen is None or self._inspected is None:
            return None
        return self._inspected.detail(self._chosen)

    @property
    def deletes(self) -> str | None:
        """What deleting a row is called, or None."""
        return self._inspected.deletes if self._inspected is not None else None

    @property
    def actions(self) -> Sequence[Action]:
        """What can be done to the chosen row, or without one."""
        if self._inspected is None or self.problem:
            return ()
        return self._inspected.actions(self._chosen)

    def act(self, action: Action, said: Said | None = None) -> None:
        """Do something; ``done``, ``failed`` and ``below`` say what came of it, at once or when it is done."""
        if not action.waits:
            self._acted(attempt(action, said or {}))
            return
        self.done, self.failed = f"{action.verb}: under way", False
        self._tell()
        in_background(self.loop, lambda: attempt(action, said or {}), self._acted)

    def close_below(self) -> None:
        """Show no more what an action brought."""
        self.below = None
        self._tell()

    def refresh(self) -> None:
        """Look again, whether or not anything changed."""
        self.done, self.failed = "", False
        self._look()
        self._tell()

    def refresh_if_changed(self) -> None:
        """Look again if the state is another than it was; nobody is told when it is not."""
        problem = self.problem
        if self._look(only_if_changed=True) or problem != self.problem:
            self._tell()

    def delete(self) -> None:
        """Delete what the chosen row stands for; ``done`` says what came of it."""
        self.done, self.failed = self._delete(), False
        self._look()
        self._tell()

    def subscribe(self, callback: Callable[[], None]) -> None:
        """Call back whenever something else is to be shown."""
        self._changed.append(callback)

    def unsubscribe(self, callback: Callable[[], None]) -> None:
        """Call back no more."""
        self._changed.remove(callback)

    @property
    def facts(self) -> list[str]:
        """What is said beside the title."""
        shown, held = len(self._selection), self._contents.table.num_rows
        narrowed = bool(self._filter) and shown != held
        facts = [f"{shown:,} of {held:,} rows have {self._filter!r}"] if narrowed else []
        return [*facts, *self._contents.facts]

    @property
    def hint(self) -> str:
        """What stands in the place of rows when there are none."""
        if not self._contents.table.num_rows and not (self._filter and self._contents.tree):
            return self._contents.hint
        return f"no row has {self._filter!r} in it" if self._filter else "none of them"

    def html(self) -> Html:
        """Return the first rows as HTML."""
        return self._card().html()

    def plain(self) -> str:
        """Return the first rows as text."""
        return self._card().plain()

    def _repr_mimebundle_(self, **filters: object) -> dict[str, Any]:
        """Return both snapshots and, where a front end may show it, the live form."""
        bundle: dict[str, Any] = dict(super()._repr_mimebundle_(**filters))
        if self.loop is not None:
            from procengine_jupyter.inspectors.live_inspector import live_bundle

            bundle |= live_bundle(self)
        return bundle

    def _card(self) -> InspectorCard:
        return InspectorCard(
            title=self._contents.title,
            facts=tuple(self.facts),
            table=self._selection.part(
                max(0, len(self._selection) - InspectorCard.MOST_ROWS) if self._contents.tail else 0,
                InspectorCard.MOST_ROWS,
            ),
            row_count=len(self._selection),
            tail=self._contents.tail,
            hint=self.hint,
            problem=self.problem,
            picture=self._contents.drawn,
            picture_lines=tuple(self._contents.picture_lines()),
            lines=tuple(self._contents.lines),
        )

    def _acted(self, done: Done) -> None:
        self.done, self.failed = done.text, done.failed
        if done.view is not None:
            self.below = done.view
        self._look()
        self._tell()

    def _look(self, *, only_if_changed: bool = False) -> bool:
        """Take the state as it is now, and tell whether it was taken; when it is gone, what was seen last stays."""
        found = self._find()
        if found is None:
            self.problem = DOWN
            return False
        same = found is self._inspected and not self.problem
        self._inspected = found
        try:
            found.look_for(self._filter)
            version = found.version()
            if only_if_changed and same and version == self._version:
                return False
            self._hold(found.contents())
        except ProcengineError as error:
            self.problem = f"{error}; this is what was there last"
            return False
        self._version, self.problem = version, ""
        return True

    def _hold(self, contents: Contents) -> None:
        if contents is not self._contents:
            # Of columns of instants a page shows something else than what would be looked into.
            self._search = TextSearch(contents.table, {*contents.until, *contents.due, *contents.since})
        self._contents = contents
        if contents.tree:
            self._selection = select(contents.table)
            return
        part = contents.tabs.get(self.tab)
        self._selection = select(contents.table, self._filter, self._order, part, self._search)

    def _delete(self) -> str:
        """Delete what the chosen row stands for; return what came of it."""
        if self._chosen is None:
            return "choose a row first"
        found = self._find()
        if found is None:
            return "nothing was deleted: the engine is down"
        try:
            done = found.delete(self._chosen)
        except ProcengineError as error:
            return f"nothing was deleted: {error}"
        self._chosen = None
        return done

    def _place_of_chosen(self) -> int | None:
        """Return the chosen row's place in the table: where it was, unless the rows have moved."""
        keys, chosen = self._contents.keys, self._chosen
        if chosen is None:
            return None
        if self._place >= len(keys) or keys[self._place] != chosen:
            try:
                self._place = keys.index(chosen)
            except ValueError:
                self._place = len(keys)
        return self._place if self._place < len(keys) else None

    def _tell(self) -> None:
        for callback in tuple(self._changed):
            callback()
