"""The graph says which way rows go, from what triggers are made for and from what they have done."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from procengine_jupyter.inspectors.graph_state import GraphState
from procengine_jupyter.render.graph_layout import layout
from procengine_jupyter.render.graph_picture import Node, graph_picture

from procengine import Engine
from procengine.clock import VirtualClock
from tests.extension.conftest import HOT_ROOMS, Notebook

NOTIFY = """%%plugin notify --trigger table:alert --database house
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.write(LineBuilder("sent").int64_field("n", 1))
"""


@pytest.mark.parametrize(
    ("nodes", "edges", "places"),
    [
        ("a", [], {"a": (0, 0)}),
        ("abc", [("a", "b"), ("b", "c")], {"a": (0, 0), "b": (1, 0), "c": (2, 0)}),
        ("abc", [("a", "c"), ("b", "c")], {"a": (0, 0), "b": (0, 1), "c": (1, 0)}),
        ("abc", [("a", "b"), ("a", "c"), ("b", "c")], {"a": (0, 0), "b": (1, 0), "c": (2, 0)}),
        ("ab", [("a", "b"), ("b", "a")], {"a": (0, 0), "b": (1, 0)}),
        ("a", [("a", "a")], {"a": (0, 0)}),
        ("bca", [("a", "b"), ("b", "c"), ("c", "b")], {"a": (0, 0), "b": (1, 0), "c": (2, 0)}),
        ("abcd", [("a", "d"), ("b", "c")], {"a": (0, 0), "b": (0, 1), "d": (1, 0), "c": (1, 1)}),
    ],
)
def test_nodes_stand_right_of_what_leads_to_them(
    nodes: str, edges: list[tuple[str, str]], places: dict[str, tuple[int, int]]
) -> None:
    """A circle is cut where it closes, and lines cross as little as one pass can tell."""
    assert layout(nodes, edges) == places


def test_picture_is_well_formed_and_escapes_names() -> None:
    """Names are text in it, and long ones are cut with the whole in the title."""
    name = "<script>alert('x')</script>" * 2
    nodes = {"t": Node(name=name, kind="table"), "p": Node(name="p", kind="trigger", tone="bad")}
    picture = graph_picture(nodes, {("t", "p"): 12.5})
    svg = ElementTree.fromstring(picture.partition("</style>")[2])
    assert [one.text for one in svg.iter("title")] == [name, "p"]
    assert "12/s" in [one.text for one in svg.iter("text")]


def test_graph_joins_what_one_trigger_writes_to_what_another_reads(notebook: Notebook) -> None:
    """Reads are known before the first run, writes after it."""
    notebook.run(HOT_ROOMS)
    notebook.run(NOTIFY)
    graph = notebook.run("%inspect graph")
    assert graph.plain().splitlines()[1:] == [
        "house.home → hot_rooms → nothing yet",
        "house.alert → notify → nothing yet",
    ]
    notebook.run("%%write house\nhome,room=Attic temp=24.5")
    assert notebook.engine.wait_idle(30)
    graph.refresh_if_changed()
    rows = graph.selection.part(0, 10).to_pylist()
    assert [(row["from"], row["trigger"], row["to"], row["rows written"]) for row in rows] == [
        ("house.home", "hot_rooms", "house.alert", 1),
        ("house.alert", "notify", "house.sent", 1),
    ]
    assert graph.html().count("pe-node-trigger") == 2 + graph.html().count(".pe-node-trigger")


def test_rates_are_those_of_the_last_ten_seconds(tmp_path: Path) -> None:
    """Rows a second in and out fall to nothing when nothing flows, and then nothing is looked at again."""
    plugin = (
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    for row in table_batches[0]['rows']:\n"
        "        for n in range(2):\n"
        "            influxdb3_local.write(LineBuilder('out').int64_field('n', n).time_ns(row['time'] + n))\n"
    )
    (tmp_path / "double.py").write_text(plugin)
    clock = VirtualClock()
    with Engine(
        plugin_dir=tmp_path, object_store="memory", wal_flush_interval=0, environ={}, clock=clock
    ) as engine:
        engine.catalog.create_database("db")
        engine.triggers.create("db", "double", "double.py", "table:home")
        state = GraphState(engine)
        engine.write("db", "\n".join(f"home v=1 {n}" for n in range(10, 60)))
        assert engine.wait_idle(30)
        state.version()
        (row,) = state.contents().table.to_pylist()
        assert (row["from"], row["to"]) == ("db.home", "db.out")
        assert (row["rows in/s"], row["rows out/s"]) == (5.0, 10.0)
        flowing = state.version()
        clock.advance(11)
        assert state.version() != flowing
        (row,) = state.contents().table.to_pylist()
        assert (row["rows in/s"], row["rows out/s"], row["rows written"]) == (0.0, 0.0, 100)
        quiet = state.version()
        clock.advance(11)
        assert state.version() == quiet


def test_graph_names_schedules_and_requests(notebook: Notebook) -> None:
    """What is not a table that makes a trigger run is named as such."""
    notebook.run("%%plugin s --trigger every:1h --database house\n" + _entry("process_scheduled_call"))
    notebook.run("%%plugin r --trigger request:ask --database house\n" + _entry("process_request"))
    notebook.run("%%plugin w --trigger all_tables --database house\n" + _entry("process_writes"))
    lines = notebook.run("%inspect graph house").plain().splitlines()[1:]
    assert lines == [
        "every:1h → s → nothing yet",
        "request ask → r → nothing yet",
        "house.* → w → nothing yet",
    ]
    assert "no database 'shed'" in notebook.fails("%inspect graph shed")


def _entry(name: str) -> str:
    arguments = {
        "process_scheduled_call": "call_time",
        "process_request": "query_parameters, request_headers, request_body",
        "process_writes": "table_batches",
    }[name]
    return f"def {name}(influxdb3_local, {arguments}, args=None):\n    pass\n"
