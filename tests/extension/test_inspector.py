"""An inspector keeps what its reader chose while the state under it changes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.inspectors.inspector import DOWN, Inspector
from procengine_jupyter.inspectors.live_inspector import WIDGET_VIEW, LiveInspector
from procengine_jupyter.inspectors.rows import Order
from procengine_jupyter.inspectors.table_widget import TableWidget
from procengine_jupyter.inspectors.timeline_widget import TimelineWidget
from procengine_jupyter.render.markup import Html, element

from procengine.errors import InvalidInputError
from tests.extension.records import HOSTILE


class Shelf(Inspected):
    """Some words, which can be deleted."""

    deletes = "delete word"

    def __init__(self, *words: str) -> None:
        self.words = list(words)
        self.looked = 0
        self.failure: str | None = None

    def version(self) -> object:
        """Return the words."""
        if self.failure:
            raise InvalidInputError(self.failure)
        return tuple(self.words)

    def contents(self) -> Contents:
        """Return a row a word."""
        self.looked += 1
        return Contents(
            title="shelf",
            table=pa.table({"word": pa.array(self.words, pa.string())}),
            keys=list(self.words),
            facts=[f"{len(self.words)} words"],
            hint="no word",
        )

    def detail(self, key: object) -> Html:
        """Return the word, spelled."""
        return element("b", "-".join(str(key)))

    def delete(self, key: object) -> str:
        """Take a word away."""
        if key not in self.words:
            raise InvalidInputError(f"no word {key!r}")
        self.words.remove(str(key))
        return f"deleted {key}"


class Loop:
    """An event loop whose clock is moved by hand."""

    def __init__(self) -> None:
        self.waiting: list[Callable[[], None]] = []

    def call_later(self, _seconds: float, callback: Callable[[], None]) -> Callable[[], None]:
        """Keep a callback until `second`."""
        self.waiting.append(callback)
        return callback

    def remove_timeout(self, callback: Callable[[], None]) -> None:
        """Forget a callback."""
        self.waiting.remove(callback)

    def second(self) -> None:
        """Let a second pass."""
        due, self.waiting = self.waiting, []
        for callback in due:
            callback()


def shown(inspector: Inspector) -> list[str | None]:
    """Return the words that are shown."""
    return [row[0] for row in inspector.selection.window(0, 100)]


def test_refresh_shows_the_state_of_now_under_the_same_filter_and_order() -> None:
    """What the reader chose outlasts a look."""
    shelf = Shelf("pear", "apple")
    inspector = Inspector(lambda: shelf)
    inspector.text_filter = "p"
    inspector.order = Order(column="word")
    shelf.words += ["plum", "fig"]
    inspector.refresh()
    assert shown(inspector) == ["apple", "pear", "plum"]
    assert "3 of 4 rows have 'p'" in inspector.text()


def test_unchanged_state_is_not_read_again_and_nobody_is_told() -> None:
    """Looking for changes costs one question when there are none."""
    shelf = Shelf("pear")
    inspector = Inspector(lambda: shelf)
    told: list[int] = []
    inspector.subscribe(lambda: told.append(1))
    inspector.refresh_if_changed()
    assert (shelf.looked, told) == (1, [])
    shelf.words.append("fig")
    inspector.refresh_if_changed()
    assert (shelf.looked, told) == (2, [1])


def test_chosen_row_follows_its_key() -> None:
    """Filter, order and new rows move the chosen row; without it, nothing is chosen."""
    shelf = Shelf("pear", "apple")
    inspector = Inspector(lambda: shelf)
    inspector.choose(0)
    inspector.order = Order(column="word")
    assert inspector.chosen == 1
    assert inspector.detail == "<b>p-e-a-r</b>"
    shelf.words.insert(0, "fig")
    inspector.refresh()
    assert shown(inspector)[inspector.chosen] == "pear"
    inspector.text_filter = "fig"
    assert inspector.chosen is None


def test_delete_takes_the_chosen_row_and_says_what_came_of_it() -> None:
    """Nothing is deleted without a choice, and a deletion that cannot be is told in words."""
    shelf = Shelf("pear", "apple")
    inspector = Inspector(lambda: shelf)
    inspector.delete()
    assert inspector.done == "choose a row first"
    inspector.choose(0)
    inspector.delete()
    assert (inspector.done, shown(inspector), inspector.chosen) == ("deleted pear", ["apple"], None)
    inspector.choose(0)
    shelf.words.clear()
    inspector.delete()
    assert inspector.done == "nothing was deleted: no word 'apple'"


def test_state_that_is_gone_leaves_what_was_seen_last_and_says_so() -> None:
    """An engine that stops, and a thing that is deleted, are no reason to show nothing, or to raise."""
    shelf = Shelf("pear")
    state: list[Shelf | None] = [shelf]
    inspector = Inspector(lambda: state[0])
    told: list[int] = []
    inspector.subscribe(lambda: told.append(1))

    state[0] = None
    inspector.refresh_if_changed()
    inspector.refresh_if_changed()
    assert (inspector.problem, shown(inspector), told) == (DOWN, ["pear"], [1])
    inspector.choose(0)
    inspector.delete()
    assert inspector.done == "nothing was deleted: the engine is down"

    state[0] = Shelf("fig")
    inspector.refresh_if_changed()
    assert (inspector.problem, shown(inspector)) == ("", ["fig"])

    state[0].failure = "no such shelf"
    inspector.refresh_if_changed()
    assert inspector.problem == "no such shelf; this is what was there last"
    assert "no such shelf" in inspector.text()


def test_snapshots_escape_and_say_what_they_leave_out() -> None:
    """HTML lets no markup in, text no control characters; both count the rows that are not shown."""
    inspector = Inspector(lambda: Shelf(HOSTILE, *(f"w{n}" for n in range(30))))
    assert "<script" not in str(inspector.html())
    assert "the first 20 are shown" in inspector.text()
    assert "\x1b" not in inspector.text()
    assert "no word" in Inspector(Shelf).text()


def test_without_an_event_loop_there_are_snapshots_only() -> None:
    """A terminal gets text, an export HTML; a page gets the live form as well."""
    assert set(Inspector(Shelf)._repr_mimebundle_()) == {"text/html", "text/plain"}
    live = Inspector(Shelf, loop=Loop())._repr_mimebundle_()
    assert set(live) == {"text/html", "text/plain", WIDGET_VIEW}


@pytest.fixture
def live() -> tuple[LiveInspector, Shelf, Loop]:
    """A live inspector, its state, and the loop that moves it."""
    shelf, loop = Shelf("pear", "apple", "fig"), Loop()
    return LiveInspector(Inspector(lambda: shelf, loop=loop)), shelf, loop


def sent(live: LiveInspector, message: dict[str, Any]) -> None:
    """Let the page say something."""
    live.table._handle_custom_msg(message, [])


def test_live_filter_narrows_the_rows(live: tuple[LiveInspector, Shelf, Loop]) -> None:
    """Typing into the filter is enough."""
    widget, _, _ = live
    widget.filter.value = "APP"
    assert widget.table.row_count == 1
    assert "1 of 3 rows" in widget.head.value


def test_live_delete_asks_first(live: tuple[LiveInspector, Shelf, Loop]) -> None:
    """The first press asks, the second deletes; choosing another row takes the question back."""
    widget, shelf, _ = live
    assert widget.delete.disabled
    sent(widget, {"kind": "choose", "row": 1})
    widget.delete.click()
    assert shelf.words == ["pear", "apple", "fig"]
    assert widget.delete.description == "press again to delete"
    sent(widget, {"kind": "choose", "row": 0})
    assert widget.delete.description == "delete word"
    widget.delete.click()
    widget.delete.click()
    assert shelf.words == ["apple", "fig"]
    assert "deleted pear" in widget.done.value


def test_live_table_looks_again_only_while_it_is_in_sight(
    live: tuple[LiveInspector, Shelf, Loop],
) -> None:
    """Hidden, nothing waits on the loop; in sight, an unchanged state sends nothing."""
    widget, shelf, loop = live
    assert loop.waiting == []
    sent(widget, {"kind": "sight", "in_sight": True, "place": "cell"})
    version = widget.table.version
    loop.second()
    assert widget.table.version == version
    shelf.words.append("plum")
    loop.second()
    assert (widget.table.version, widget.table.row_count) == (version + 1, 4)
    sent(widget, {"kind": "sight", "in_sight": False, "place": "cell"})
    assert loop.waiting == []
    assert not widget.is_watching


def test_live_table_sends_the_window_that_was_asked_for(
    live: tuple[LiveInspector, Shelf, Loop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The page gets the rows it asks for, with the version that they belong to, and never more than it may."""
    widget, _, _ = live
    answers: list[dict[str, Any]] = []
    monkeypatch.setattr(widget.table, "send", answers.append)
    sent(widget, {"kind": "rows", "start": 1, "count": 10**9, "place": "cell"})
    (answer,) = answers
    assert (answer["kind"], answer["place"], answer["start"]) == ("rows", "cell", 1)
    assert (answer["version"], answer["cells"]) == (widget.table.version, [["apple"], ["fig"]])


def test_places_that_show_one_table_do_not_take_from_each_other(
    live: tuple[LiveInspector, Shelf, Loop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each has rows of its own and hears of their changes; one that is closed leaves the other one live."""
    widget, shelf, loop = live
    for place in ("cell", "view"):
        sent(widget, {"kind": "sight", "in_sight": True, "place": place})
    answers: list[dict[str, Any]] = []
    monkeypatch.setattr(widget.table, "send", answers.append)
    sent(widget, {"kind": "rows", "start": 0, "count": 1, "place": "cell"})
    sent(widget, {"kind": "rows", "start": 2, "count": 1, "place": "view"})
    shelf.words[2] = "plum"
    loop.second()
    assert [(one["place"], one["kind"], one["start"]) for one in answers] == [
        ("cell", "rows", 0),
        ("view", "rows", 2),
        ("cell", "changed", 0),
        ("view", "changed", 2),
    ]
    assert [one["cells"] for one in answers[2:]] == [{}, {"0": ["plum"]}]

    sent(widget, {"kind": "sight", "in_sight": False, "place": "view"})
    assert widget.is_watching
    shelf.words[0] = "quince"
    loop.second()
    assert [(one["place"], one["cells"]) for one in answers[4:]] == [("cell", {"0": ["quince"]})]
    sent(widget, {"kind": "sight", "in_sight": False, "place": "cell"})
    assert not widget.is_watching


def test_live_order_is_taken_and_taken_back(live: tuple[LiveInspector, Shelf, Loop]) -> None:
    """A click on a head sorts, a later one restores the state's own order."""
    widget, _, _ = live
    sent(widget, {"kind": "order", "column": "word", "descending": True})
    assert widget.table.order == ["word", True]
    sent(widget, {"kind": "order", "column": None})
    assert widget.table.order == []


@pytest.mark.parametrize(
    "message",
    [
        {},
        {"kind": "rows"},
        {"kind": "rows", "start": "x", "count": None},
        {"kind": "choose", "row": 99},
        [],
    ],
)
def test_live_table_survives_whatever_a_page_sends(
    live: tuple[LiveInspector, Shelf, Loop], message: Any
) -> None:
    """Messages that make no sense change nothing."""
    widget, _, _ = live
    sent(widget, message)
    assert widget.table.row_count == 3


@pytest.mark.skipif(shutil.which("node") is None, reason="Node.js is not installed")
@pytest.mark.parametrize("widget", [TableWidget, TimelineWidget])
def test_scripts_of_pages_are_javascript(widget: Any, tmp_path: Path) -> None:
    """Put together from parts, none of which may say again what another does."""
    script = tmp_path / "widget.mjs"
    source = str(widget._esm)
    assert "export default { render }" in source
    script.write_text(source, encoding="utf-8")
    subprocess.run(["node", "--check", str(script)], check=True, timeout=60)
