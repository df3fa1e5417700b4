"""%inspect shows the engine's state: what is there, what was deleted, and what cannot be looked at."""

from __future__ import annotations

from typing import Any

import pytest
from procengine_jupyter.render.run_card import RunCard

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
    assert (row["outcome"], row["cause"], row["in"], row["written"]) == (
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


def test_inspect_runs_leaves_dry_runs_out(house: Notebook) -> None:
    """What nothing was stored of is no run of the trigger."""
    house.run('%fire hot_rooms --dry-run --lp "home,room=Attic temp=30"')
    (row,) = shown(house.run("%inspect runs hot_rooms"))
    assert row["cause"] == "write"


NOISY = """%%plugin noisy --trigger table:noise --database house
def process_writes(influxdb3_local, table_batches, args=None):
    for number in range(20_000):
        print("line", number)
"""


def test_a_noisy_trigger_hides_no_other_triggers_lines(plain_notebook: Notebook) -> None:
    """A trigger's lines are read from disk where they are in memory no more; counts are of all, on cards too."""
    plain_notebook.run("%load_ext procengine")
    plain_notebook.run(HOT_ROOMS)
    plain_notebook.run(NOISY)
    plain_notebook.run(TWO_ROOMS)
    plain_notebook.run("%%write house\nnoise n=1i")
    plain_notebook.engine.wait_idle(30)
    assert any(
        row["text"] == "hot: Attic" for row in shown(plain_notebook.run("%inspect logs hot_rooms"))
    )
    noisy = plain_notebook.run("%inspect logs noisy")
    assert noisy.facts[0] == "20,002 lines"
    assert "the newest 10,000" in noisy.text()
    (row,) = shown(plain_notebook.run("%inspect runs noisy"))
    assert row["logs"] == "20002"
    (run,) = plain_notebook.engine.triggers.runs.of_trigger("house", "noisy")
    assert "19,980 more in system.processing_engine_logs" in RunCard(run).text()


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
    house.run("%%write house --precision s\nroad cars=1 1700000000\nroad cars=2 1700000060")
    inspector = house.run("%inspect tables house")
    (road,) = (row for row in shown(inspector) if row["table"] == "road")
    assert [road["first time (UTC)"], road["last time (UTC)"]] == [
        "2023-11-14 22:13:20",
        "2023-11-14 22:14:20",
    ], "rows in memory count, too"
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


@pytest.fixture
def cached(house: Notebook) -> Notebook:
    """A notebook whose table has a cache of each kind."""
    house.engine.last_caches.create("house", "home")
    house.engine.distinct_caches.create("house", "home", columns=["room"])
    return house


def test_inspect_last_follows_writes(cached: Notebook) -> None:
    """The rows of the only cache of a table; a write changes them, an idle second does not read them again."""
    inspector = cached.run("%inspect last home")
    assert {row["room"]: row["temp"] for row in shown(inspector)} == {"Kitchen": "21.0", "Attic": "24.5"}
    assert "last-value cache home_room_last_cache" in inspector.text()
    before = inspector.contents
    inspector.refresh_if_changed()
    assert inspector.contents is before
    cached.run("%%write house\nhome,room=Attic temp=26.0")
    inspector.refresh_if_changed()
    assert {row["room"]: row["temp"] for row in shown(inspector)} == {"Kitchen": "21.0", "Attic": "26.0"}


def test_inspect_last_shows_a_keys_history_and_deletes_a_key(cached: Notebook) -> None:
    """The chosen key with when its rows came and go; deleted, it is gone from the cache, not from the table."""
    inspector = cached.run("%inspect last home_room_last_cache")
    inspector.text_filter = "attic"
    inspector.choose(0)
    assert "expires" in inspector.detail
    inspector.delete()
    assert inspector.done == "deleted 1 row of room=Attic"
    inspector.text_filter = ""
    assert [row["room"] for row in shown(inspector)] == ["Kitchen"]
    assert len(cached.engine.query("SELECT * FROM home", "house")) == 2


@pytest.mark.parametrize("kind", ["last", "distinct"])
def test_inspect_lists_caches_and_deletes_one(cached: Notebook, kind: str) -> None:
    """Without a name all caches of a kind are shown, the chosen one with its query and first rows."""
    inspector = cached.run(f"%inspect {kind}")
    (row,) = shown(inspector)
    assert (row["table"], row["rows"]) == ("home", "2")
    inspector.choose(0)
    assert f"FROM {kind}_cache(&#x27;home&#x27;, " in inspector.detail
    rows = cached.run(f"%inspect {kind} home")
    inspector.delete()
    assert shown(inspector) == []
    assert "%influxdb3 create" in inspector.hint
    rows.refresh_if_changed()
    assert "this is what was there last" in rows.text()
    assert len(shown(rows)) == 2


def test_inspect_says_which_caches_there_are(cached: Notebook) -> None:
    """An unknown name, and one that is not enough, are answered with what is accepted."""
    assert "there are: home_room_last_cache (of house.home)" in cached.fails("%inspect last nothing")
    cached.engine.last_caches.create("house", "home", name="second", count=5)
    said = cached.fails("%inspect last home")
    assert "home_room_last_cache (of house.home), second (of house.home)" in said
