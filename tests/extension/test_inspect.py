"""%inspect shows the engine's state: what is there, what was deleted, and what cannot be looked at."""

from __future__ import annotations

from typing import Any

import pytest

from tests.extension.conftest import HOT_ROOMS, Notebook

TWO_ROOMS = "%%write house\nhome,room=Kitchen temp=21.0\nhome,room=Attic temp=24.5"


@pytest.fixture
def house(notebook: Notebook) -> Notebook:
    """A notebook whose trigger has run once."""
    notebook.run(HOT_ROOMS)
    notebook.run(TWO_ROOMS)
    return notebook


def shown(inspector: Any) -> list[dict[str, str | None]]:
    """Return the rows that an inspector shows, by column."""
    names = inspector.selection.table.column_names
    return [dict(zip(names, row, strict=True)) for row in inspector.selection.window(0, 500)]


def test_inspect_runs_shows_each_run_and_the_chosen_one_whole(house: Notebook) -> None:
    """Newest first; a new run is there at the next look; a click shows the run's card."""
    inspector = house.run("%inspect runs hot_rooms")
    (row,) = shown(inspector)
    assert (row["outcome"], row["cause"], row["rows in"], row["rows written"]) == (
        "success",
        "write",
        "2",
        "1",
    )
    house.run("%%write house\nhome,room=Attic hum=1.0")
    inspector.refresh_if_changed()
    newest, _ = shown(inspector)
    assert newest["outcome"] == "error"
    inspector.choose(0)
    assert "KeyError" in inspector.detail


def test_inspect_logs_filters_from_the_start(house: Notebook) -> None:
    """--filter shows the lines that have a text; the chosen one is shown whole."""
    inspector = house.run("%inspect logs --filter attic")
    (row,) = shown(inspector)
    assert (row["level"], row["text"]) == ("WARN", "hot: Attic")
    inspector.choose(0)
    assert "<pre>hot: Attic</pre>" in inspector.detail


def test_inspect_tables_shows_rows_and_columns(house: Notebook) -> None:
    """Every table of the databases, or of one; the chosen one with its columns."""
    rows = shown(house.run("%inspect tables"))
    assert [(row["table"], row["rows in memory"]) for row in rows] == [("home", "2"), ("alert", "1")]
    inspector = house.run("%inspect tables house")
    inspector.choose(0)
    assert "room" in inspector.detail
    assert "tag" in inspector.detail


def test_inspector_follows_the_engine_over_a_restart(house: Notebook) -> None:
    """While the engine is down what was there last stays; then the new engine's state is shown."""
    inspector = house.run("%inspect tables")
    house.run("%procengine stop")
    inspector.refresh_if_changed()
    assert "the engine is down" in inspector.text()
    assert len(shown(inspector)) == 2
    house.run("%procengine start --object-store memory")
    inspector.refresh_if_changed()
    assert "the engine is down" not in inspector.text()
    assert shown(inspector) == []


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "the following arguments are required: WHAT"),
        ("nothing", "invalid choice: 'nothing'"),
        ("runs nobody", "no trigger 'nobody'; there are: hot_rooms"),
        ("tables nowhere", "no database 'nowhere'; there are:"),
    ],
)
def test_inspect_says_what_it_accepts(house: Notebook, line: str, said: str) -> None:
    """What cannot be looked at is refused with what can."""
    assert said in house.fails(f"%inspect {line}")


def test_inspect_needs_an_engine(house: Notebook) -> None:
    """Without an engine there is nothing to look at, and the error says how to start one."""
    house.run("%procengine stop")
    assert "%procengine start" in house.fails("%inspect runs")
