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
    ("%%write ho", {"house"}),
    ("%write fr", {"frame"}),
    ("%write frame house --table ho", {"home"}),
    ("%%query house --as ", {"pandas", "arrow", "polars"}),
    ("x = 1\n%fire ho", {"hot_rooms"}),
    ("%influxdb3 cr", {"create"}),
    ("%influxdb3 create ", {"database", "table", "trigger"}),
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
