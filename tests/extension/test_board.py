"""The board says how each trigger is, and does to it what its buttons say."""

from __future__ import annotations

from typing import Any

import pytest
from procengine_jupyter.inspectors.board_state import state_word
from procengine_jupyter.inspectors.inspector import Inspector
from procengine_jupyter.inspectors.live_inspector import LiveInspector

from procengine.processing.trigger_statistics import TriggerStatistics
from tests.extension.conftest import HOT_ROOMS, Notebook

ECHO = """%%plugin echo --trigger request:echo --database house
def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    return {"query": query_parameters, "kind": request_headers.get("x-kind"), "body": request_body.decode()}
"""

HOURLY = """%%plugin hourly --trigger every:1h --database house
def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.info("due", call_time)
    influxdb3_local.write(LineBuilder("ticks").int64_field("n", 1))
"""

PICKY = """%%plugin picky --trigger table:home --database house
def process_writes(influxdb3_local, table_batches, args=None):
    if table_batches[0]["rows"][0]["temp"] > 30:
        raise ValueError("too hot")
"""


@pytest.fixture
def house(notebook: Notebook) -> Notebook:
    """A notebook with a trigger of each kind."""
    for cell in (HOT_ROOMS, ECHO, HOURLY):
        notebook.run(cell)
    return notebook


def rows(inspector: Any) -> dict[str, dict[str, Any]]:
    """Return the shown rows by their triggers' names."""
    part = inspector.selection.part(0, 1_000).to_pylist()
    return {row["trigger"]: row for row in part}


def chosen(board: Inspector, name: str) -> LiveInspector:
    """Return the live form of a board with a row chosen."""
    board.choose([row["trigger"] for row in board.selection.part(0, 1_000).to_pylist()].index(name))
    return LiveInspector(board)


def press(live: LiveInspector, name: str) -> None:
    """Press the button of an action."""
    found = [one for one in live.actions.children if f"pe-action-{name}" in one._dom_classes]
    assert found, [one.description for one in live.actions.children]
    found[0].click()


def say(live: LiveInspector, **said: str) -> None:
    """Fill in the form, and press its button."""
    widgets = [child for row in live.form.widget.children for child in row.children]
    for name, text in said.items():
        (found,) = (one for one in widgets if f"pe-field-{name}" in one._dom_classes)
        found.value = text
    next(one for one in widgets if "pe-form-send" in one._dom_classes).click()


def test_board_is_what_inspect_shows_by_itself(house: Notebook) -> None:
    """Each trigger has a row with its kind, spec, plugin, database and state."""
    board = house.run("%inspect")
    assert rows(board)["hourly"] | {"next run (UTC)": "later"} == {
        "trigger": "hourly",
        "database": "house",
        "state": "idle",
        "recent": "",
        "runs": 0,
        "errors": 0,
        "queue": 0,
        "p50 ms": None,
        "p95 ms": None,
        "last run (UTC)": None,
        "next run (UTC)": "later",
        "kind": "schedule",
        "spec": "every:1h",
        "plugin": "hourly.py",
        "note": None,
    }
    assert rows(board)["hourly"]["next run (UTC)"].year > 2000
    assert (board.contents.since, board.contents.due) == (("last run (UTC)",), ("next run (UTC)",))
    assert rows(board)["hot_rooms"]["state"] == "waiting"
    assert rows(board)["hot_rooms"]["note"] == "waits for table home"
    assert board.tabs == {"All": 3, "Running": 3, "Stopped": 0, "Errors": 0}


def test_board_counts_and_times_runs(house: Notebook) -> None:
    """Runs, percentiles and bars are those of the trigger."""
    board = house.run("%inspect board")
    house.run("%%write house\nhome,room=Attic temp=20")
    house.run("%%write house\nhome,room=Attic temp=24")
    board.refresh_if_changed()
    row = rows(board)["hot_rooms"]
    assert (row["runs"], row["errors"], row["state"], len(row["recent"])) == (2, 0, "idle", 2)
    assert 0 < row["p50 ms"] <= row["p95 ms"]
    assert "█" in board.plain()


def test_an_error_does_not_outlast_a_success(house: Notebook) -> None:
    """A trigger fails until its next run ends well; what happened stays to be read."""
    house.run(PICKY)
    board = house.run("%inspect board picky")
    house.run("%%write house\nhome,room=Attic temp=31")
    board.refresh_if_changed()
    row = rows(board)["picky"]
    assert (row["state"], row["note"], row["recent"]) == ("failing", "ValueError: too hot", "✗")
    assert board.tabs["Errors"] == 1

    house.run("%%write house\nhome,room=Attic temp=21")
    board.refresh_if_changed()
    row = rows(board)["picky"]
    assert (row["state"], row["note"], row["errors"]) == ("idle", None, 1)
    assert board.tabs["Errors"] == 0
    board.choose(0)
    assert board.detail is not None
    assert "a run has ended well since" in board.detail


def test_each_trigger_shows_its_own_plugin(house: Notebook) -> None:
    """Not that of a trigger of the same name: elsewhere, or from before it was deleted."""
    house.run(ECHO.replace("%%plugin echo", "%%plugin other").replace("request:echo", "request:o"))
    house.run("%influxdb3 create database shed")
    line = "%influxdb3 create trigger --database {} --path {} --trigger-spec request:{} twin"
    house.run(line.format("house", "echo.py", "one"))
    house.run(line.format("shed", "other.py", "two"))
    board = house.run("%inspect")

    def plugins() -> dict[str, str]:
        part = board.selection.part(0, 100).to_pylist()
        return {row["database"]: row["plugin"] for row in part if row["trigger"] == "twin"}

    assert plugins() == {"house": "echo.py", "shed": "other.py"}
    house.run("%fire twin -d house")
    house.run("%influxdb3 delete trigger --database house --force twin")
    house.run(line.format("house", "other.py", "one"))
    board.refresh_if_changed()
    assert plugins() == {"house": "other.py", "shed": "other.py"}
    (row,) = (
        one
        for one in board.selection.part(0, 100).to_pylist()
        if (one["trigger"], one["database"]) == ("twin", "house")
    )
    assert row["runs"] == 0


def test_board_fires_a_write_trigger_with_rows(house: Notebook) -> None:
    """The run's card is shown beneath, and the board has the run."""
    live = chosen(house.run("%inspect"), "hot_rooms")
    press(live, "fire")
    say(live, lp="home,room=Attic temp=24.5")
    assert "1 row into alert" in live.below.children[1].value
    assert rows(live._inspector)["hot_rooms"]["runs"] == 1
    assert house.engine.query("SELECT count(*) AS n FROM alert", "house")["n"].to_pylist() == [1]


def test_board_tries_a_trigger_without_storing_anything(house: Notebook) -> None:
    """A dry run shows what would be written, and counts as no run."""
    live = chosen(house.run("%inspect"), "hot_rooms")
    press(live, "dry-run")
    say(live, lp="home,room=Attic temp=24.5")
    assert "would write" in live.below.children[1].value
    assert rows(live._inspector)["hot_rooms"]["runs"] == 0
    assert "alert" not in house.engine.catalog.database("house").tables


def test_board_fires_a_schedule_at_a_time(house: Notebook) -> None:
    """The form asks for the time that the call is for."""
    live = chosen(house.run("%inspect"), "hourly")
    press(live, "fire")
    say(live, at="2022-12-31T10:00:00Z")
    assert "due 2022-12-31 10:00:00" in live.below.children[1].value


def test_board_sends_a_request(house: Notebook) -> None:
    """Method, query, headers and body reach the plugin as a client's would."""
    live = chosen(house.run("%inspect"), "echo")
    press(live, "fire")
    say(live, method="POST", param="room=Attic&limit=3", header="X-Kind: test", body="hello")
    answer = live.below.children[1].value
    for part in ("Attic", "limit", "test", "hello", "200"):
        assert part in answer


@pytest.mark.parametrize(
    ("trigger", "said", "told"),
    [
        ("hot_rooms", {"lp": "home,room=Attic"}, "fire: line protocol parsing error: line 1"),
        ("hot_rooms", {"lp": ""}, "takes rows"),
        ("hot_rooms", {"lp": "other a=1"}, "receives rows of table home alone"),
        ("hourly", {"at": "tomorrow"}, "expected now, a time such as"),
        ("echo", {"header": "nonsense"}, "is not of the form"),
    ],
)
def test_what_cannot_be_fired_is_told_in_place(
    house: Notebook, trigger: str, said: dict[str, str], told: str
) -> None:
    """A form that says nothing sensible is answered beside it; the form stays as it was filled in."""
    live = chosen(house.run("%inspect"), trigger)
    press(live, "fire")
    say(live, **said)
    assert told in live.done.value
    assert "pe-text-bad" in live.done.value
    assert live.form.action is not None


def test_board_disables_enables_and_deletes(house: Notebook) -> None:
    """The buttons follow the state; deleting takes a second press."""
    live = chosen(house.run("%inspect"), "hourly")
    press(live, "disable")
    assert rows(live._inspector)["hourly"]["state"] == "disabled"
    assert live._inspector.tabs["Stopped"] == 1
    press(live, "enable")
    assert rows(live._inspector)["hourly"]["state"] == "idle"
    press(live, "delete")
    assert "hourly" in rows(live._inspector)
    press(live, "delete")
    assert "hourly" not in rows(live._inspector)
    assert "deleted hourly" in live.done.value


def test_a_failure_to_change_a_trigger_is_told(house: Notebook) -> None:
    """What was deleted meanwhile cannot be disabled, and that is said."""
    live = chosen(house.run("%inspect"), "hourly")
    house.engine.triggers.delete("house", "hourly", force=True)
    press(live, "disable")
    assert "hourly" in live.done.value
    assert "pe-text-bad" in live.done.value


@pytest.mark.parametrize("what", ["logs", "runs"])
def test_board_opens_a_triggers_logs_and_runs(house: Notebook, what: str) -> None:
    """They are live beneath the board."""
    house.run("%fire hourly")
    live = chosen(house.run("%inspect"), "hourly")
    press(live, what)
    assert live._live_below is not None
    assert f"{what} of hourly" in live._live_below.head.value
    assert live._live_below.table.row_count >= 1


def test_board_shows_the_command_line_that_makes_a_trigger(house: Notebook) -> None:
    """The line that is shown makes the trigger in another database."""
    live = chosen(house.run("%inspect"), "hot_rooms")
    press(live, "command")
    line = live._inspector.below.plain()  # type: ignore[union-attr]
    house.run("%influxdb3 create database shed")
    house.run("%" + line.replace("--database house", "--database shed"))
    made = house.engine.triggers.get("shed", "hot_rooms")
    assert (made.spec, made.arguments, made.plugin_filename) == (
        "table:home",
        {"limit": "22.5"},
        "hot_rooms.py",
    )


def test_form_suggests_a_line_that_the_table_takes(house: Notebook) -> None:
    """What stands in the empty form has the table's own columns, and can be sent as it is."""
    house.run('%%write house\nhome,room=Attic,floor=2 temp=1.5,on=true,n=1i,u=2u,name="a"')
    live = chosen(house.run("%inspect"), "hot_rooms")
    press(live, "dry-run")
    widgets = [child for row in live.form.widget.children for child in row.children]
    (lines,) = (one for one in widgets if "pe-field-lp" in one._dom_classes)
    assert lines.placeholder == 'home,room=x,floor=x temp=1.5,on=t,n=1i,u=1u,name="text"'
    say(live, lp=lines.placeholder)
    assert "success" in live.below.children[1].value


def test_board_of_one_database_or_trigger(house: Notebook) -> None:
    """A name or a database narrows it, and one that is not there is said."""
    assert [*rows(house.run("%inspect board echo"))] == ["echo"]
    assert len(rows(house.run("%inspect board -d house"))) == 3
    assert "no trigger 'nobody'" in house.fails("%inspect board nobody")
    assert "shed" in house.fails("%inspect board -d shed")


def test_board_text_is_escaped(house: Notebook) -> None:
    """A trigger's arguments and failures are text, whatever is in them."""
    house.run(PICKY.replace("too hot", "<img src=x onerror=alert(1)>"))
    house.run("%%write house\nhome,room=Attic temp=31")
    live = chosen(house.run("%inspect"), "picky")
    assert "<img" not in live.detail.value
    assert "&lt;img" in live.detail.value


def test_a_look_at_idle_triggers_makes_no_row_anew(
    house: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of many triggers only those are formatted that have changed."""
    house.run("%fire hourly")  # the first one makes a table, which another trigger might wait for
    board = house.run("%inspect")
    made: list[str] = []

    def counting(one: TriggerStatistics, missing: str | None) -> str:
        made.append(one.trigger.name)
        return state_word(one, missing)

    monkeypatch.setattr("procengine_jupyter.inspectors.board_state.state_word", counting)
    house.run("%fire hourly")
    board.refresh_if_changed()
    board.refresh_if_changed()
    assert made == ["hourly"]
    assert rows(board)["hourly"]["runs"] == 2
