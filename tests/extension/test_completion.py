"""Completion in a magic's line knows options, values and the engine's names."""

from __future__ import annotations

import pytest
from IPython.core.completer import provisionalcompleter

from tests.extension.conftest import HOT_ROOMS, Notebook


@pytest.fixture
def filled(notebook: Notebook) -> Notebook:
    """A notebook with a database, a table, a trigger and a DataFrame."""
    notebook.run(HOT_ROOMS)
    notebook.run("%%write house\nhome,room=Attic temp=21")
    notebook.run("import pandas as pd\nframe = pd.DataFrame({'a': [1]})\nfigure = 1")
    return notebook


def completions(notebook: Notebook, text: str) -> list[str]:
    """Return what the shell offers at the end of a text, most wanted first."""
    with provisionalcompleter():
        return [c.text for c in notebook.shell.Completer.completions(text, len(text))]


WRITES = {"write", "write_to_db", "write_sync", "write_sync_to_db"}

CASES = [
    ("%procengine st", {"start", "stop", "status"}),
    ("%procengine restart --object", {"--object-store"}),
    ("%%plugin new --tr", {"--trigger"}),
    ("%%plugin hot", {"hot_rooms"}),
    ("%%plugin new --trigger ", {"table:", "all_tables", "cron:", "every:", "request:", "table:home"}),
    ("%%plugin new --database ho", {"house"}),
    ("%%plugin new --error-behavior re", {"retry"}),
    ("%%plugin new --limit ", {"wall=", "cpu=", "memory=", "runs="}),
    ("%fire ho", {"hot_rooms"}),
    ("%fire hot_rooms --dr", {"--dry-run"}),
    ("%%fire hot_rooms --precision m", {"ms"}),
    ("%inspect l", {"last", "logs"}),
    ("%inspect cache hot", {"hot_rooms"}),
    ("%inspect runs ", {"hot_rooms", "--database", "--filter"}),
    ("%inspect tables ho", {"house"}),
    ("%inspect last ho", {"home"}),
    ("%replay fr", {"frame"}),
    ("%replay frame --database ho", {"house"}),
    ("%replay frame --trigger hot", {"hot_rooms"}),
    ("%replay frame --plugin hot", {"hot_rooms"}),
    ("%replay frame --ba", {"--background", "--batch"}),
    ("%record st", {"start", "status", "stop"}),
    ("%record start day --database ho", {"house"}),
    ("%%write ho", {"house"}),
    ("%write fr", {"frame"}),
    ("%write frame house --table ho", {"home"}),
    ("%%query house --as ", {"pandas", "arrow", "polars"}),
    ("x = 1\n%fire ho", {"hot_rooms"}),
    ("%influxdb3 cr", {"create"}),
    ("%influxdb3 create ", {"database", "distinct_cache", "last_cache", "table", "token", "trigger"}),
    ("%influxdb3 create trigger --trigger-s", {"--trigger-spec"}),
    ("%influxdb3 create trigger --trigger-spec req", {"request:"}),
    ("%influxdb3 query --database ho", {"house"}),
    ("%influxdb3 q --format j", {"json", "jsonl"}),
    ("%influxdb3 enable trigger -d house ho", {"hot_rooms"}),
    ("%influxdb3 test wal_plugin -d house ho", {"hot_rooms.py"}),
    ("%%influxdb3 create trigger \\\n  --data", {"--database"}),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_completion_offers_what_can_follow(filled: Notebook, text: str, expected: set[str]) -> None:
    """Options, choices, databases, tables, triggers, plugins and variables are offered where they fit."""
    assert set(completions(filled, text)) == expected


BODIES = [
    ("%%query house\nSELECT te", {"temp"}),
    ("%%query house\nSELECT * FROM ho", {"home"}),
    ("%%query house\nSELECT * FROM ", {"home", '"Odd table"'}),
    (
        "%%query house\nSELECT * FROM home\nWHERE ",
        {"room", "temp", "time", "home", '"Odd table"'},
    ),
    ("%%query house\nSELECT Od", {'"Odd table"', '"Odd column"'}),
    ('%%query house\nSELECT "Od', {'Odd table"', 'Odd column"'}),
    ('%%query house\nSELECT "x" AS y, te', {"temp"}),
    ("%%query house --as pandas\n\nSELECT home.te", {"temp"}),
    ("\n%%query house\nSELECT te", {"temp"}),
    ("%%query house\nSELECT * FROM home WHERE room = $chos", {"chosen"}),
    ("%%query nowhere\nSELECT te", set()),
    ("%%plugin new\ndef process_writes(influxdb3_local, b):\n    influxdb3_local.wri", WRITES),
    ("%%plugin new\ninfluxdb3_local.cache.g", {"get"}),
    ("%%plugin new\nLineBuilder('a').ta", {"tag"}),
    ("%%plugin new\nx = (\n    LineBuilder(name(1)).tag('k', f(g(1)))\n    .int", {"int64_field"}),
    ("%%plugin new\nLineBuilder('a').tag('a', 'b')\\\n  .bu", {"build"}),
    ("%%plugin new\nline = LineBuilder('a')\nline.tag('a', 'b').time", {"time_ns"}),
]


@pytest.mark.parametrize(("text", "expected"), BODIES)
def test_completion_in_the_body_of_a_cell(filled: Notebook, text: str, expected: set[str]) -> None:
    """SQL knows the database's tables and columns, a plugin the members of what only plugins have."""
    filled.run("%%write house\nOdd\\ table Odd\\ column=1")
    filled.run("chosen, _chosen, chosen_list = 'Attic', 'x', []")
    assert set(completions(filled, text)) == expected


def test_python_of_a_plugin_is_left_to_the_shell(filled: Notebook) -> None:
    """What is no name of plugins is completed as in any cell."""
    assert "fromkeys" in completions(filled, "%%plugin new\ndict.fromk")
    assert "append" not in completions(filled, "%%plugin new\ninfluxdb3_local.app")


def test_completion_follows_the_cursor_not_the_cells_end(filled: Notebook) -> None:
    """What stands below the cursor does not change which word is completed."""
    text = "%%query house\nSELECT te\nFROM home"
    with provisionalcompleter():
        found = [c.text for c in filled.shell.Completer.completions(text, text.index("te") + 2)]
    assert found == ["temp"]


def test_after_a_colon_only_the_rest_is_inserted(filled: Notebook) -> None:
    """Front ends replace the word after the colon, so that is what is offered."""
    assert completions(filled, "%%plugin new --trigger table:ho") == ["home"]


def test_an_option_is_offered_once(filled: Notebook) -> None:
    """An option that cannot be repeated is not offered again."""
    assert completions(filled, "%fire hot_rooms --dry-run --dr") == []
    assert completions(filled, "%fire hot_rooms --param a=b --par") == ["--param"]


def test_python_is_left_alone(filled: Notebook) -> None:
    """Outside of our magics the shell completes as ever."""
    assert "figure" in completions(filled, "fig")
    assert "frame" in completions(filled, "print(fra")


def test_completion_works_without_an_engine(filled: Notebook) -> None:
    """With a stopped engine options are still offered, and names are not."""
    filled.run("%procengine stop")

    assert completions(filled, "%fire --dr") == ["--dry-run"]
    assert completions(filled, "%%write ho") == []


@pytest.mark.parametrize(
    "text", ["%fire 'ho", '%fire "', "%fire \\", "%influxdb3 'x", "%%query house --out "]
)
def test_unfinished_words_do_no_harm(filled: Notebook, text: str) -> None:
    """An open quote or a trailing backslash raises nothing."""
    completions(filled, text)


@pytest.mark.parametrize("magic", ["procengine", "plugin", "fire", "write", "query", "influxdb3"])
def test_help_has_examples(notebook: Notebook, magic: str) -> None:
    """``?`` shows usage and examples of each magic."""
    manager = notebook.shell.magics_manager.magics
    function = manager["line"].get(magic) or manager["cell"][magic]

    assert "examples:" in function.__doc__
