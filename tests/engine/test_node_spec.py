"""Triggers and caches that are meant for some nodes of a cluster."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from procengine import Engine
from procengine.errors import InvalidInputError
from procengine.model.node_spec import is_for_node, nodes_of, parse_node_spec
from procengine.processing.trigger_statistics import TriggerState
from tests.engine.looks import rows, settle, texts

Plugin = Callable[[str, str], str]

ALL_KINDS = """
    def process_writes(influxdb3_local, table_batches, args=None):
        influxdb3_local.info("wrote")
    def process_scheduled_call(influxdb3_local, call_time, args=None):
        influxdb3_local.info("ticked")
    def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
        return {"asked": True}
"""


@pytest.mark.parametrize(
    ("text", "kept", "nodes"),
    [
        ("all", "all", None),
        ("nodes:a", "nodes:a", ("a",)),
        ("nodes:b, a,b", "nodes:b,a", ("b", "a")),
    ],
)
def test_node_spec_is_read(text: str, kept: str, nodes: tuple[str, ...] | None) -> None:
    """All nodes, or some by name; blanks and repetitions are dropped."""
    assert parse_node_spec(text) == kept
    assert nodes_of(kept) == nodes
    assert is_for_node(kept, "a")
    assert is_for_node(kept, "elsewhere") == (nodes is None)


@pytest.mark.parametrize("text", ["", "nodes", "nodes:", "nodes:a,,b", "node:a", "a", "All", None, 5])
def test_node_spec_that_is_none_is_refused(text: object) -> None:
    """Anything else is refused with what is accepted."""
    with pytest.raises(InvalidInputError, match=r"accepted: all, or nodes:<NODE>\[,<NODE>\]"):
        parse_node_spec(text)


@pytest.mark.parametrize("spec", ["table:home", "every:1s", "request:hello"])
def test_trigger_of_another_node_is_kept_and_does_not_run(
    engine: Engine, plugin: Plugin, spec: str
) -> None:
    """It takes no event and holds no request path, its state and the log say why, and firing it by hand works."""
    engine.catalog.create_database("house")
    filename = plugin("t", ALL_KINDS)
    engine.triggers.create("house", "t", filename, spec, node_spec="nodes:ingest-1,ingest-2")
    engine.write("house", "home n=1i")
    settle(engine)
    reason = "meant for nodes:ingest-1,ingest-2; this is node procengine"
    assert texts(engine) == [f"trigger does not run here: it is {reason}"]
    statistics = engine.triggers.statistics()[0]
    assert (statistics.state, statistics.reason) == (TriggerState.ELSEWHERE, reason)
    assert statistics.next_fire_ns is None
    if spec == "request:hello":  # the path is free for a trigger that does run here
        engine.triggers.create("house", "here", filename, spec, node_spec="nodes:procengine")
        assert engine.triggers.statistics()[1].state is TriggerState.ENABLED


def test_trigger_goes_to_another_node_and_comes_back(engine: Engine, plugin: Plugin) -> None:
    """A changed node specification stops and starts the trigger; one that is not mentioned stays."""
    engine.catalog.create_database("house")
    filename = plugin("t", ALL_KINDS)
    engine.triggers.create("house", "t", filename, "table:home")
    engine.triggers.replace("house", "t", filename, "table:home", node_spec="nodes:a")
    engine.triggers.replace("house", "t", filename, "table:home")
    assert engine.triggers.statistics()[0].state is TriggerState.ELSEWHERE
    engine.write("house", "home n=1i")
    settle(engine)
    assert "wrote" not in texts(engine)
    engine.triggers.replace("house", "t", filename, "table:home", node_spec="all")
    engine.write("house", "home n=2i")
    settle(engine)
    assert texts(engine)[-1] == "wrote"


def test_node_specs_are_honoured_by_each_node(tmp_path: Path) -> None:
    """What is kept in a data folder runs on the node that it names, whichever node made it."""
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    (plugins / "t.py").write_text(
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    influxdb3_local.info('wrote')\n"
    )
    folders = {"data_dir": tmp_path / "data", "plugin_dir": plugins}
    with Engine(**folders, node_id="first", http_bind="off") as engine:
        engine.catalog.create_database("house")
        engine.triggers.create("house", "t", "t.py", "all_tables", node_spec="nodes:second")
        engine.write("house", "home n=1i")
        settle(engine)
        assert "wrote" not in texts(engine)
    with Engine(**folders, node_id="second", http_bind="off") as engine:
        engine.write("house", "home n=2i")
        settle(engine)
        assert texts(engine)[-1] == "wrote"


def test_cache_is_filled_from_history_where_its_node_spec_says(engine: Engine) -> None:
    """Other nodes begin with what is written from then on, as the documentation has it."""
    engine.write("house", "home,room=den n=1i")
    for name, spec in (("here", "nodes:procengine"), ("there", "nodes:other")):
        engine.last_caches.create("house", "home", name=name, node_spec=spec)
        engine.distinct_caches.create("house", "home", name=name, columns=["room"], node_spec=spec)
    held = {
        f"{kind}-{name}": len(rows(engine, f"SELECT * FROM {kind}_cache('home', '{name}')", "house"))
        for kind in ("last", "distinct")
        for name in ("here", "there")
    }
    assert held == {"last-here": 1, "last-there": 0, "distinct-here": 1, "distinct-there": 0}
    engine.write("house", "home,room=hall n=2i")
    assert rows(engine, "SELECT room FROM last_cache('home', 'there')", "house") == [{"room": "hall"}]
