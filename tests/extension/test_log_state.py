"""The tail of the logs: what is new is added, a pause counts, and a line leads to its run."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from procengine_jupyter.inspectors import log_state
from procengine_jupyter.inspectors.inspector import Inspector
from procengine_jupyter.inspectors.live_inspector import LiveInspector
from procengine_jupyter.inspectors.log_state import LogState

from procengine.model.run import LogLevel
from procengine.processing.plugin_logs import ProcessingEngineLogs
from tests.extension.conftest import HOT_ROOMS, Notebook
from tests.extension.records import HOSTILE, log


def texts(inspector: Inspector) -> list[str | None]:
    """Return the texts of the lines that are shown."""
    place = inspector.selection.table.column_names.index("text")
    return [row[place] for row in inspector.selection.window(0, 500)]


def tail(logs: ProcessingEngineLogs, **more: Any) -> Inspector:
    """Return an inspector of logs."""
    state = LogState(logs, **more)
    return Inspector(lambda: state)


def act(inspector: Inspector, name: str) -> None:
    """Press a button of an inspector."""
    (action,) = [one for one in inspector.actions if one.name == name]
    inspector.act(action)


def test_tail_reads_only_what_is_new(monkeypatch: pytest.MonkeyPatch) -> None:
    """A look at logs that grow costs the new lines: all of them are read once."""
    logs = ProcessingEngineLogs()
    logs.append(log("one"))
    reads: list[int] = []
    table = logs.counted_table
    monkeypatch.setattr(logs, "counted_table", lambda: reads.append(1) or table())
    inspector = tail(logs)
    for text in ("two", "three"):
        logs.append(log(text))
        inspector.refresh_if_changed()
    assert texts(inspector) == ["one", "two", "three"]
    assert reads == [1]


def test_tail_tells_nobody_of_lines_that_are_not_its_own() -> None:
    """Another trigger's lines are no change, so that nothing is sent."""
    logs = ProcessingEngineLogs()
    inspector = tail(logs, trigger="cold_rooms")
    told: list[int] = []
    inspector.subscribe(lambda: told.append(1))
    logs.append(log("hot"))
    inspector.refresh_if_changed()
    assert (texts(inspector), told) == ([], [])


def test_tail_begins_anew_after_more_lines_than_are_in_memory() -> None:
    """A burst between two looks shows what there still is, and what comes then."""
    logs = ProcessingEngineLogs(capacity=3)
    inspector = tail(logs)
    for number in range(6):
        logs.append(log(str(number)))
    inspector.refresh_if_changed()
    assert texts(inspector) == ["3", "4", "5"]
    logs.append(log("6"))
    inspector.refresh_if_changed()
    assert texts(inspector) == ["3", "4", "5", "6"]


def test_tail_is_bounded_and_keys_stay_with_their_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """The oldest lines go, some at a time, and the chosen one keeps its place among all lines."""
    monkeypatch.setattr(log_state, "MOST_LINES", 4)
    monkeypatch.setattr(log_state, "ROOM", 2)
    logs = ProcessingEngineLogs()
    for number in range(5):
        logs.append(log(str(number)))
    inspector = tail(logs)
    inspector.choose(4)
    for number in range(5, 8):
        logs.append(log(str(number)))
        inspector.refresh_if_changed()
    assert texts(inspector) == ["3", "4", "5", "6", "7"]
    assert inspector.chosen == 1
    assert "<pre>4</pre>" in str(inspector.detail)
    assert "8 lines" in inspector.facts
    assert any(fact.startswith("the newest 5;") for fact in inspector.facts)


def test_levels_are_tabs_with_their_counts() -> None:
    """A reader narrows the lines to warnings and errors, or to errors alone, beside the text filter."""
    logs = ProcessingEngineLogs()
    for text, level in (("a", LogLevel.INFO), ("b", LogLevel.WARN), ("c", LogLevel.ERROR)):
        logs.append(log(text, level))
    inspector = tail(logs)
    assert inspector.tabs == {"All": 3, "Warnings, errors": 2, "Errors": 1}
    inspector.tab = "Warnings, errors"
    assert texts(inspector) == ["b", "c"]
    inspector.text_filter = "c"
    assert texts(inspector) == ["c"]


def test_paused_tail_adds_nothing_and_counts_what_comes() -> None:
    """While it is paused the rows stay; resuming shows what came, and says how much."""
    logs = ProcessingEngineLogs()
    logs.append(log("one"))
    inspector = tail(logs)
    act(inspector, "pause")
    logs.append(log("two"))
    logs.append(log("three"))
    inspector.refresh_if_changed()
    assert texts(inspector) == ["one"]
    assert "paused: 2 lines since" in inspector.facts
    act(inspector, "resume")
    assert texts(inspector) == ["one", "two", "three"]
    assert inspector.done == "2 lines came while it was paused"
    assert [one.name for one in inspector.actions] == ["pause"]


def test_page_follows_the_end() -> None:
    """The table is told that rows come at the end; a snapshot shows the last ones."""
    logs = ProcessingEngineLogs()
    for number in range(30):
        logs.append(log(f"line {number}"))
    inspector = tail(logs)
    assert LiveInspector(inspector).table.tail is True
    assert "line 29" in inspector.text()
    assert "line 9 " not in inspector.text()
    assert "the last 20 are shown" in inspector.text()


def test_line_leads_to_its_run_and_to_the_cell(notebook: Notebook) -> None:
    """A line says which run logged it and where that failed; a button shows the run whole."""
    notebook.run(HOT_ROOMS)
    notebook.run("%%write house\nhome,room=Attic hum=1.0")
    inspector = notebook.run("%inspect logs")
    inspector.tab = "Errors"
    inspector.choose(0)
    (run,) = notebook.engine.triggers.runs
    assert f"run {run.run_id} of house, which failed at Cell In[" in str(inspector.detail)
    assert ", line 5" in str(inspector.detail)
    act(inspector, "show-run")
    assert "input: 1 row of home" in inspector.below.html()


def test_line_of_a_run_that_goes_on_says_so(notebook: Notebook) -> None:
    """A run is looked at when it has ended; until then its lines have a button that says so."""
    logs = ProcessingEngineLogs()
    logs.append(replace(log("going on"), run_id=77))
    inspector = tail(logs, runs=notebook.engine.triggers.runs)
    inspector.choose(0)
    act(inspector, "show-run")
    assert inspector.failed
    assert "still going on, or is not kept any more" in inspector.done


def test_lines_are_shown_as_text() -> None:
    """What a plugin logs cannot become markup."""
    logs = ProcessingEngineLogs()
    logs.append(log(HOSTILE))
    inspector = tail(logs)
    inspector.choose(0)
    assert "<script" not in str(inspector.detail) + inspector.html()


def test_database_is_shown_where_there_are_several() -> None:
    """A column that says the same in each row would take the room of the text."""
    logs = ProcessingEngineLogs()
    logs.append(log("one"))
    inspector = tail(logs)
    assert "database" not in inspector.selection.table.column_names
    logs.append(replace(log("two"), database="other"))
    inspector.refresh_if_changed()
    assert inspector.selection.table.column_names[1] == "database"
