"""What can be pressed beneath an inspector does what it says, and says what came of it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from procengine_jupyter.inspectors.actions import Action, Field, Said
from procengine_jupyter.inspectors.background import THREAD_NAME
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.inspectors.inspector import Inspector
from procengine_jupyter.inspectors.live_inspector import LiveInspector
from procengine_jupyter.render.markup import Html, element
from procengine_jupyter.render.view import View

from procengine.errors import InvalidInputError


class Card(View):
    """A card with a word."""

    def __init__(self, word: str) -> None:
        self.word = word

    def html(self) -> Html:
        """Return the word."""
        return element("b", self.word)

    def plain(self) -> str:
        """Return the word."""
        return self.word


class Lamps(Inspected):
    """Lamps that are on or off."""

    def __init__(self, **lamps: bool) -> None:
        self.lamps = lamps
        self.said: list[Said] = []
        self.threads: list[str] = []

    def version(self) -> object:
        """Return the lamps."""
        return tuple(self.lamps.items())

    def contents(self) -> Contents:
        """Return a row a lamp."""
        lit = np.array(list(self.lamps.values()), np.bool_)
        texts = ["on" if one else "off" for one in lit]
        return Contents(
            title="lamps",
            table=pa.table({"lamp": [*self.lamps], "state": texts}),
            keys=[*self.lamps],
            tabs={"All": np.ones(len(lit), np.bool_), "On": lit},
        )

    def actions(self, key: object) -> Sequence[Action]:
        """Return what can be done to a lamp."""
        if not isinstance(key, str) or key not in self.lamps:
            return ()
        fields = [
            Field(name="color", label="colour", choices=("red", "green")),
            Field(name="note", label="note"),
        ]
        return [
            Action(name="switch", label="switch", act=lambda _said: self._switch(key)),
            Action(name="smash", label="smash lamp", act=lambda _said: self._smash(key), asks=True),
            Action(name="paint", label="paint…", act=self._paint, fields=fields, waits=True),
            Action(name="try", label="try paint…", act=self._paint, fields=fields),
            Action(name="open", label="open", act=lambda _said: Inspector(lambda: Lamps(inner=True))),
            Action(name="break", label="break", act=lambda _said: self._fail(ZeroDivisionError("<b>"))),
            Action(name="refuse", label="refuse", act=lambda _said: self._fail(InvalidInputError("no"))),
        ]

    def _switch(self, key: str) -> str:
        self.lamps[key] = not self.lamps[key]
        return f"switched {key}"

    def _smash(self, key: str) -> str:
        del self.lamps[key]
        return f"smashed {key}"

    def _paint(self, said: Said) -> View:
        self.threads.append(threading.current_thread().name)
        self.said.append(said)
        return Card(said["color"])

    @staticmethod
    def _fail(error: Exception) -> str:
        raise error


class Loop:
    """An event loop that is turned by hand."""

    def __init__(self) -> None:
        self.given: queue.Queue[Callable[[], None]] = queue.Queue()

    def add_callback(self, callback: Callable[..., None], *arguments: object) -> None:
        """Keep a call until `turn`; from any thread."""
        self.given.put(lambda: callback(*arguments))

    def turn(self) -> None:
        """Wait for a call, and make it."""
        self.given.get(timeout=30)()


@pytest.fixture
def live() -> tuple[LiveInspector, Lamps, Loop]:
    """A live inspector whose first lamp is chosen."""
    lamps, loop = Lamps(hall=True, attic=False), Loop()
    inspector = Inspector(lambda: lamps, loop=loop)
    inspector.choose(0)
    return LiveInspector(inspector), lamps, loop


def press(live: LiveInspector, name: str) -> Any:
    """Press the button of an action, and return it."""
    (found,) = (one for one in live.actions.children if f"pe-action-{name}" in one._dom_classes)
    found.click()
    return found


def field(live: LiveInspector, name: str) -> Any:
    """Return the widget of a form's field."""
    fields = [child for row in live.form.widget.children for child in row.children]
    (found,) = (one for one in fields if f"pe-field-{name}" in one._dom_classes)
    return found


def send(live: LiveInspector) -> None:
    """Press the form's button."""
    live.form.widget.children[-1].children[1].click()


def test_tabs_narrow_the_rows_and_count_them(live: tuple[LiveInspector, Lamps, Loop]) -> None:
    """The parts say how many rows they have, also when another one is shown."""
    widget, lamps, _ = live
    assert [tab.description for tab in widget.tabs.children] == ["All 2", "On 1"]
    widget.tabs.children[1].click()
    assert widget.table.row_count == 1
    press(widget, "switch")
    assert [tab.description for tab in widget.tabs.children] == ["All 2", "On 0"]
    assert widget.table.row_count == 0
    assert lamps.lamps == {"hall": False, "attic": False}


def test_an_actions_sentence_is_told_and_the_state_shown_anew(
    live: tuple[LiveInspector, Lamps, Loop],
) -> None:
    """What was pressed shows at once, in words and in the rows."""
    widget, _, _ = live
    press(widget, "switch")
    assert "switched hall" in widget.done.value
    assert widget._inspector.selection.window(0, 1) == [["hall", "off"]]


def test_what_cannot_be_undone_is_asked_for_until_another_row_is_chosen(
    live: tuple[LiveInspector, Lamps, Loop],
) -> None:
    """A look in between takes the question not back; another choice does."""
    widget, lamps, _ = live
    assert press(widget, "smash").description == "press again to smash"
    lamps.lamps["attic"] = True
    widget._inspector.refresh_if_changed()
    assert widget.actions.children[1].description == "press again to smash"
    widget._choose(1)
    assert widget.actions.children[1].description == "smash lamp"
    press(widget, "smash")
    press(widget, "smash")
    assert lamps.lamps == {"hall": True}
    assert widget.actions.children == ()


def test_a_form_keeps_what_was_typed_from_one_action_to_the_next(
    live: tuple[LiveInspector, Lamps, Loop],
) -> None:
    """An event can be tried by one action and sent by another without typing it again."""
    widget, lamps, loop = live
    press(widget, "try")
    field(widget, "color").value = "green"
    field(widget, "note").value = "matt"
    send(widget)
    press(widget, "paint")
    send(widget)
    loop.turn()
    assert lamps.said == [{"color": "green", "note": "matt"}] * 2
    widget._choose(1)
    press(widget, "try")
    assert field(widget, "color").value == "red"


def test_what_takes_long_is_done_apart_and_shown_when_it_is_done(
    live: tuple[LiveInspector, Lamps, Loop],
) -> None:
    """The kernel's thread is free meanwhile, and is the one that shows what came of it."""
    widget, lamps, loop = live
    press(widget, "paint")
    send(widget)
    assert "under way" in widget.done.value
    loop.turn()
    assert lamps.threads == [THREAD_NAME]
    assert widget.below.children[1].value == "<b>red</b>"
    widget.below.children[0].click()
    assert widget.below.children == ()


def test_an_opened_inspector_is_live_beneath_and_is_let_go(
    live: tuple[LiveInspector, Lamps, Loop],
) -> None:
    """It takes its own clicks; closing it ends its looking."""
    widget, _, _ = live
    press(widget, "open")
    inner = widget._live_below
    assert inner is not None
    assert inner.table.row_count == 1
    widget.below.children[0].click()
    assert widget._live_below is None
    assert inner.table.comm is None


@pytest.mark.parametrize(
    ("name", "said"),
    [("refuse", "refuse: no"), ("break", "break: ZeroDivisionError: &lt;b&gt;")],
)
def test_a_failed_action_is_told_in_place(
    live: tuple[LiveInspector, Lamps, Loop], name: str, said: str
) -> None:
    """Whatever an action raises is shown as text beside its button."""
    widget, _, _ = live
    press(widget, name)
    assert said in widget.done.value
    assert "pe-text-bad" in widget.done.value


def test_what_comes_on_another_thread_is_done_on_the_loops(
    live: tuple[LiveInspector, Lamps, Loop],
) -> None:
    """A page may speak by a subshell, whose thread must not change what the main thread is looking at."""
    widget, lamps, loop = live

    def page() -> None:
        widget.table._handle_custom_msg({"kind": "choose", "row": 1}, [])
        press(widget, "switch")

    thread = threading.Thread(target=page)
    thread.start()
    thread.join()
    assert (widget._inspector.chosen, lamps.lamps["attic"]) == (0, False)
    loop.turn()
    assert widget._inspector.chosen == 1
    loop.turn()
    assert lamps.lamps["attic"]


def test_only_changed_rows_are_sent(
    live: tuple[LiveInspector, Lamps, Loop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page that has its rows is told which of them are others, and at which version."""
    widget, lamps, _ = live
    widget.table._handle_custom_msg({"kind": "rows", "start": 0, "count": 40, "place": "cell"}, [])
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(widget.table, "send", sent.append)
    lamps.lamps["attic"] = True
    widget._inspector.refresh_if_changed()
    version = widget.table.version
    assert sent == [
        {
            "kind": "changed",
            "place": "cell",
            "start": 0,
            "version": version,
            "length": 2,
            "cells": {"1": ["attic", "on"]},
        }
    ]
