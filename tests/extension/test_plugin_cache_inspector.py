"""What plugins remember is shown with its ages, and what is put by hand is what the next run gets."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from procengine_jupyter.inspectors.inspector import Inspector
from procengine_jupyter.inspectors.plugin_cache_state import PluginCacheState

from procengine.clock import VirtualClock
from procengine.engine import Engine
from tests.extension.conftest import Notebook
from tests.extension.test_inspect import TWO_ROOMS, shown

REMEMBERS = """%%plugin remembers --trigger table:home --database house
def process_writes(influxdb3_local, table_batches, args=None):
    cache = influxdb3_local.cache
    rooms = cache.get("rooms", {})
    for batch in table_batches:
        for row in batch["rows"]:
            rooms[row["room"]] = row["temp"]
    cache.put("rooms", rooms)
    cache.put("<b>mark</b>", "<script>", ttl=3600)
    cache.put("shared", 1, use_global=True)
"""


def act(inspector: Inspector, name: str, /, **said: str) -> str:
    """Do an action as its form would, what is not said being what the form begins with; return what came of it."""
    (action,) = (one for one in inspector.actions if one.name == name)
    filled = {field.name: field.value or (field.choices or ("",))[0] for field in action.fields}
    assert set(said) <= set(filled)
    inspector.act(action, filled | said)
    return inspector.done


def choose(inspector: Inspector, key: str) -> None:
    """Choose the row of a key."""
    inspector.choose([row["key"] for row in shown(inspector)].index(key))


def test_inspect_cache_shows_keys_by_namespace_and_follows_runs(notebook: Notebook) -> None:
    """Keys, types, sizes, time left and the run that changed them; a run's changes show at the next look."""
    notebook.run(REMEMBERS)
    notebook.run(TWO_ROOMS)
    inspector = notebook.run("%inspect cache")
    rows = {row["key"]: row for row in shown(inspector)}
    assert rows["rooms"]["namespace"] == "house/remembers"
    assert rows["rooms"]["type"] == "dict"
    assert rows["rooms"]["value"] == "{'Attic': 24.5, 'Kitchen': 21.0}"
    assert (rows["rooms"]["by"], rows["rooms"]["expires (UTC)"]) == ("run 1", None)
    assert rows["shared"]["namespace"] == "global"
    assert rows["<b>mark</b>"]["expires (UTC)"] > rows["<b>mark</b>"]["changed (UTC)"]
    assert inspector.contents.until == ("expires (UTC)",)
    notebook.run("%%write house\nhome,room=Attic temp=30.0")
    inspector.refresh_if_changed()
    assert "30.0" in str({row["key"]: row for row in shown(inspector)}["rooms"]["value"])


def test_inspect_cache_shows_a_value_whole_escaped_and_deletes_it(notebook: Notebook) -> None:
    """One trigger's namespace; the chosen value in full; a deleted key is gone for the plugin too."""
    notebook.run(REMEMBERS)
    notebook.run(TWO_ROOMS)
    inspector = notebook.run("%inspect cache remembers --filter mark")
    assert "<script>" not in str(inspector.html())
    inspector.choose(0)
    assert "&lt;script&gt;" in inspector.detail
    inspector.delete()
    assert inspector.done == "deleted <b>mark</b>"
    inspector.text_filter = ""
    assert [row["key"] for row in shown(inspector)] == ["rooms"]
    assert [row["key"] for row in shown(notebook.run("%inspect cache global"))] == ["shared"]


def test_the_next_run_gets_what_was_edited(notebook: Notebook) -> None:
    """A typed value takes the place of the plugin's; the sentence says of which type it is, and was."""
    notebook.run(REMEMBERS)
    notebook.run(TWO_ROOMS)
    inspector = notebook.run("%inspect cache remembers")
    choose(inspector, "rooms")
    (edit, _) = inspector.actions
    assert edit.fields[0].value == "{'Kitchen': 21.0, 'Attic': 24.5}"
    assert act(inspector, "edit", value='{"Cellar": 12.5}') == "put rooms: dict of 1, was dict"
    assert {row["key"]: row["by"] for row in shown(inspector)}["rooms"] == "hand"
    notebook.run("%%write house\nhome,room=Attic temp=30.0")
    inspector.refresh_if_changed()
    value = {row["key"]: row["value"] for row in shown(inspector)}["rooms"]
    assert value == "{'Attic': 30.0, 'Cellar': 12.5}"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ({"value": ""}, "there is no value"),
        ({"value": "kitchen"}, "neither a Python literal nor JSON"),
        ({"value": "[1,"}, "line 1, column 1"),
        ({"value": "__import__('os')"}, "neither a Python literal nor JSON"),
        ({"value": "1", "ttl": "soon"}, "cannot parse time to live 'soon'"),
        ({"value": "1", "ttl": "-1"}, "the time to live: cannot convert float seconds to Duration"),
        ({"value": "1", "ttl": "nan"}, "the time to live: cannot convert float seconds to Duration"),
    ],
)
def test_what_cannot_be_put_is_told_in_place(
    notebook: Notebook, said: dict[str, str], told: str
) -> None:
    """No code is run, and the value stays as it is."""
    notebook.run(REMEMBERS)
    notebook.run(TWO_ROOMS)
    inspector = notebook.run("%inspect cache remembers")
    choose(inspector, "rooms")
    assert told in act(inspector, "edit", **said)
    assert inspector.failed
    assert {row["key"]: row["value"] for row in shown(inspector)}["rooms"].startswith("{'Attic'")


def test_a_key_is_added_and_none_is_replaced_by_adding(notebook: Notebook) -> None:
    """Into any trigger's namespace or the global one, once."""
    notebook.run(REMEMBERS)
    inspector = notebook.run("%inspect cache")
    (add,) = inspector.actions
    assert add.fields[0].choices == ["global", "house/remembers"]
    assert "there is no key" in act(inspector, "add", new_value="1")
    said = {"namespace": "house/remembers", "key": "rooms", "new_value": "{'Attic': 1.0}"}
    assert act(inspector, "add", **said) == "put rooms into house/remembers: dict of 1"
    assert "has a key 'rooms' already" in act(inspector, "add", **said)
    notebook.run("%%write house\nhome,room=Hall temp=2.0")
    inspector.refresh_if_changed()
    value = {row["key"]: row["value"] for row in shown(inspector)}["rooms"]
    assert value == "{'Attic': 1.0, 'Hall': 2.0}"


def test_a_tests_values_are_not_the_global_ones(notebook: Notebook) -> None:
    """They cannot be edited or deleted, and the global key of the same name stays."""
    notebook.engine.plugin_cache.put("n", 1)
    notebook.engine.plugin_cache.for_test("mine").put("n", 2)
    inspector = notebook.run("%inspect cache --filter test/mine")
    inspector.choose(0)
    assert [action.name for action in inspector.actions] == ["add"]
    inspector.delete()
    assert "belongs to tests of plugins" in inspector.done
    assert {row["value"] for row in shown(notebook.run("%inspect cache"))} == {"1", "2"}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[tuple[Engine, VirtualClock]]:
    """An engine on disk whose time is moved by hand."""
    clock = VirtualClock(1_700_000_000_000_000_000)
    with Engine(clock=clock, data_dir=tmp_path / "data", plugin_dir=tmp_path) as one:
        yield one, clock


def inspect(engine: Engine) -> Inspector:
    """Return an inspector of all that an engine's plugins remember."""
    state = PluginCacheState(engine)
    return Inspector(lambda: state)


def test_time_to_live_is_kept_set_or_ended(engine: tuple[Engine, VirtualClock]) -> None:
    """An edit leaves the instant of expiry as it is, unless another time to live is said."""
    one, clock = engine
    one.plugin_cache.put("k", 1, ttl_seconds=100)
    inspector = inspect(one)
    clock.advance(40)
    inspector.choose(0)
    act(inspector, "edit", value="2")
    (value,) = one.plugin_cache.values()
    assert (value.value, value.seconds_left) == (2, 60)
    act(inspector, "edit", value="3", ttl="1h 30m")
    assert next(iter(one.plugin_cache.values())).seconds_left == 5400
    act(inspector, "edit", value="4", ttl="never")
    assert next(iter(one.plugin_cache.values())).seconds_left is None


def test_what_expires_is_gone_at_the_next_look_and_until_then_nothing_is_read(
    engine: tuple[Engine, VirtualClock],
) -> None:
    """Counting down is the page's: the kernel looks when something has expired."""
    one, clock = engine
    one.plugin_cache.put("k", 1, ttl_seconds=100)
    inspector = inspect(one)
    clock.advance(99)
    before = inspector.contents
    inspector.refresh_if_changed()
    assert inspector.contents is before
    clock.advance(1)
    inspector.refresh_if_changed()
    assert shown(inspector) == []
    inspector.refresh_if_changed()
    before = inspector.contents
    inspector.refresh_if_changed()
    assert inspector.contents is before


def test_an_edit_of_a_key_that_expired_meanwhile_is_refused(
    engine: tuple[Engine, VirtualClock],
) -> None:
    """To keep the time to live of what is gone would make it eternal."""
    one, clock = engine
    one.plugin_cache.put("k", 1, ttl_seconds=100)
    inspector = inspect(one)
    inspector.choose(0)
    (edit, _) = inspector.actions
    clock.advance(100)
    inspector.act(edit, {"value": "2", "ttl": "keep"})
    assert "the key 'k' is gone" in inspector.done


def test_edits_are_durable_at_once(tmp_path: Path) -> None:
    """They take the way of a plugin's put: what the folder holds then is what an engine on a copy of it finds."""
    with Engine(data_dir=tmp_path / "data", plugin_dir=tmp_path) as one:
        one.plugin_cache.put("k", 1)
        inspector = inspect(one)
        inspector.choose(0)
        act(inspector, "edit", value="{'a': (1, 2)}")
        act(inspector, "add", key="new", new_value="[None]")
        shutil.copytree(tmp_path / "data", tmp_path / "copy")
    with Engine(data_dir=tmp_path / "copy", plugin_dir=tmp_path) as two:
        found = {value.key: value.value for value in two.plugin_cache.values()}
    assert found == {"k": {"a": (1, 2)}, "new": [None]}


def test_an_edit_while_a_run_holds_the_object_wins_over_changes_in_place(
    engine: tuple[Engine, VirtualClock],
) -> None:
    """The run goes on with its own object; what is live afterwards is the edit, and what is stored as well."""
    one, _ = engine
    one.plugin_cache.put("k", [1])
    view = one.plugin_cache.for_trigger("house", 1)
    held: Any = view.get("k", use_global=True)
    inspector = inspect(one)
    inspector.choose(0)
    editing = threading.Thread(target=act, args=(inspector, "edit"), kwargs={"value": "[7]"})
    editing.start()
    editing.join(30)
    held.append(2)
    one.plugin_cache.end_run(view, run_id=1, guard=lambda work: work())
    (value,) = one.plugin_cache.values()
    assert (held, value.value, value.persisted) == ([1, 2], [7], True)


def test_a_put_of_the_run_after_an_edit_is_what_stays(
    engine: tuple[Engine, VirtualClock],
) -> None:
    """As between two runs: the last put counts."""
    one, _ = engine
    one.plugin_cache.put("k", [1])
    view = one.plugin_cache.for_trigger("house", 1)
    inspector = inspect(one)
    inspector.choose(0)
    act(inspector, "edit", value="[7]")
    view.put("k", [1, 2], use_global=True)
    one.plugin_cache.end_run(view, run_id=1, guard=lambda work: work())
    (value,) = one.plugin_cache.values()
    assert (value.value, value.persisted, value.run_id) == ([1, 2], True, 1)
