"""Plugins are made, installed and taken back from the notebook."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from procengine_jupyter.inspectors.plugin_state import PluginState
from procengine_jupyter.plugins_command import MOST_NAMES
from procengine_jupyter.status import engine_card

from tests.extension.conftest import Notebook
from tests.extension.test_completion import completions
from tests.registry.some_plugins import Registry, make_plugin

CELL = """%%plugin hot_rooms --trigger table:home --database house
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info("{text}")
"""


@pytest.fixture
def registry(notebook: Notebook, tmp_path: Path) -> Registry:
    """A registry with one plugin in two versions, which needs a package."""
    registry = Registry(tmp_path / "registry")
    needs = 'python = ["no-such-package>=1"]\n'
    for version in ("1.0.0", "1.1.0"):
        registry.publish(make_plugin(tmp_path / version, name="warm", version=version, needs=needs))
    return registry


@pytest.fixture
def said(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> Callable[[str], str]:
    """A function that runs a line of ``%procengine plugin`` and returns what it printed."""

    def run(line: str) -> str:
        capsys.readouterr()
        notebook.run(f"%procengine plugin {line}")
        return capsys.readouterr().out

    return run


def runs_of(notebook: Notebook, text: str) -> list[str]:
    """Write a row; return what the run that it caused logged between the engine's own two lines."""
    notebook.engine.write("house", f"home,room={text} temp=1")
    assert notebook.engine.wait_idle(30)
    newest = max(notebook.engine.triggers.runs, key=lambda one: one.run_id)
    return [one.text for one in newest.logs][1:-1]


def test_a_plugin_is_made_beside_the_notebook(notebook: Notebook, said: Callable[[str], str]) -> None:
    """A new plugin stands in the notebook's folder, and is valid."""
    shown = said("new process_request my-plugin")
    assert "tests/test_my_plugin.py" in shown
    shown = said("validate my-plugin")
    assert "my-plugin@0.1.0 is valid: my-plugin.py has process_request" in shown


def test_a_plugin_is_installed_into_the_engine(
    notebook: Notebook, registry: Registry, said: Callable[[str], str]
) -> None:
    """An artifact is installed where triggers find it, and its place and needs are shown."""
    shown = said(f"install warm@1.0.0 --index {registry.url}")
    assert "installed warm@1.0.0 as warm/hot.py" in shown
    assert "needs: %influxdb3 install package 'no-such-package>=1'" in shown
    state = PluginState(notebook.engine)
    state.version()
    contents = state.contents()
    assert contents.keys == ["warm/hot.py"]
    assert contents.table["place"].to_pylist() == ["warm@1.0.0"]
    card = str(state.detail("warm/hot.py"))
    assert f"warm@1.0.0 of {registry.url}" in card
    assert "<code>InfluxDB 3 &gt;=3.0.0</code>, <code>no-such-package&gt;=1</code>" in card


def test_what_comes_next_runs_as_it_is_printed(
    notebook: Notebook, registry: Registry, said: Callable[[str], str]
) -> None:
    """The command that makes a trigger of an installed plugin, in two lines, can be pasted into a cell."""
    command = said(f"install warm@1.0.0 --index {registry.url}").partition("next: ")[2]
    assert len(command.splitlines()) == 2
    notebook.run("%influxdb3 create database house")
    notebook.run(command.replace("DB", "house").replace("NAME", "warm"))
    (made,) = (one.trigger for one in notebook.engine.triggers.statistics())
    assert (made.name, made.plugin_filename) == ("warm", "warm/hot.py")


def test_another_version_runs_at_once(
    notebook: Notebook, registry: Registry, said: Callable[[str], str]
) -> None:
    """A trigger stays when another version is installed, and its next run is of that one."""
    notebook.run(f"%procengine plugin install warm@1.0.0 --index {registry.url}")
    notebook.run("%influxdb3 create database house")
    notebook.run(
        "%influxdb3 create trigger --database house --path warm/hot.py --trigger-spec table:home warm"
    )
    assert runs_of(notebook, "a") == ["1.0.0"]
    shown = said(f"install warm --index {registry.url}")
    assert "installed warm@1.1.0 as warm/hot.py, in place of warm@1.0.0" in shown
    assert runs_of(notebook, "b") == ["1.1.0"]
    shown = said("rollback warm/hot.py")
    assert "+    influxdb3_local.info('1.0.0')" in shown
    assert runs_of(notebook, "c") == ["1.0.0"]


def test_rollback_goes_back_one_version_at_a_time(
    notebook: Notebook, said: Callable[[str], str]
) -> None:
    """Without a version the one before is put back, with its digits any; the next run takes it."""
    seen = []
    for text in ("one", "two", "three"):
        notebook.run(CELL.format(text=text))
        seen += runs_of(notebook, text)
    assert seen == ["one", "two", "three"]
    versions = notebook.engine.plugin_versions.of("hot_rooms.py")
    shown = said("rollback hot_rooms")
    assert (
        f"version {versions[1].version[:6]} in place of {versions[2].version[:6]}; the next run" in shown
    )
    assert '-    influxdb3_local.info("three")' in shown
    assert runs_of(notebook, "x") == ["two"]
    notebook.run("%procengine plugin rollback hot_rooms.py")
    assert runs_of(notebook, "y") == ["one"]
    notebook.run(f"%procengine plugin rollback hot_rooms {versions[2].version[:8]}")
    assert runs_of(notebook, "z") == ["three"]


def test_versions_are_forgotten_on_request(notebook: Notebook, said: Callable[[str], str]) -> None:
    """Old ones alone: the newest that are asked for stay, and the present one; the status tells what they take."""
    for text in ("one", "two", "three", "four"):
        notebook.run(CELL.format(text=text))
        runs_of(notebook, text)
    notebook.run("%procengine plugin rollback hot_rooms")
    assert runs_of(notebook, "x") == ["three"]
    assert "4 versions of plugins" in engine_card(notebook.engine).plain()
    shown = said("forget hot_rooms --keep 1")
    assert "forgot 2 versions of hot_rooms.py (" in shown
    assert "; 2 versions of all plugins (" in shown
    found = notebook.engine.plugin_versions.of("hot_rooms.py")
    assert ["three" in one.texts["hot_rooms.py"] for one in found] == [True, False]
    assert "forgot 1 version of all plugins (" in said("forget --keep 0")
    assert runs_of(notebook, "y") == ["three"]
    assert "1 version of plugins" in engine_card(notebook.engine).plain()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("forget hot_rooms", "'%procengine plugin forget' requires --keep"),
        ("forget hot_room --keep 3", "there is no plugin 'hot_room'; did you mean hot_rooms?"),
        ("forget hot_rooms --keep -3", "'-3'"),
        ("rollback", "accepted: %procengine plugin rollback PLUGIN [VERSION]"),
        ("rollback hot_room", "there is no plugin 'hot_room'; did you mean hot_rooms?"),
        ("rollback nope", "there is no plugin 'nope'; there are: hot_rooms.py"),
        ("forget nope --keep 3", "there is no plugin 'nope'; there are: hot_rooms.py"),
        ("rollback hot_rooms", "hot_rooms.py has no version before"),
        ("rollback hot_rooms zz", "hot_rooms.py has no version 'zz'; there is"),
        ("instal", "unrecognized subcommand 'instal' of '%procengine plugin'; accepted: new, validate"),
        ("install warm", "'%procengine plugin install' requires --index"),
    ],
)
def test_misuse_says_what_is_accepted(notebook: Notebook, line: str, why: str) -> None:
    """A line that cannot be read is answered by what can be, without a traceback."""
    notebook.run(CELL.format(text="one"))
    runs_of(notebook, "a")
    assert why in notebook.fails(f"%procengine plugin {line}")


def test_misuse_lists_some_of_many_plugins(notebook: Notebook) -> None:
    """Where no name is near, the first of those that there are, and how many more."""
    for number in range(MOST_NAMES + 2):
        (notebook.engine.plugins.folder / f"p{number:02}.py").write_text("")
    said = notebook.fails("%procengine plugin rollback nope")
    shown = ", ".join(f"p{number:02}.py" for number in range(MOST_NAMES))
    assert f"there are: {shown} and 2 more" in said


def test_help_and_completion(notebook: Notebook, said: Callable[[str], str]) -> None:
    """Help lists the commands; completion knows commands, options and plugins."""
    notebook.run(CELL.format(text="one"))
    shown = said("--help")
    assert "%procengine plugin rollback" in shown
    assert "plugin" in completions(notebook, "%procengine pl")
    assert set(completions(notebook, "%procengine plugin ")) >= {
        "new",
        "validate",
        "install",
        "rollback",
    }
    assert "--index" in completions(notebook, "%procengine plugin install warm --i")
    assert completions(notebook, "%procengine plugin rollback h") == ["hot_rooms"]
    assert completions(notebook, "%procengine plugin forget h") == ["hot_rooms"]
    assert completions(notebook, "%procengine plugin forget hot_rooms --k") == ["--keep"]


def test_a_word_is_a_variables_text(notebook: Notebook, said: Callable[[str], str]) -> None:
    """``$NAME`` stands for a text of the notebook or the environment; what is none is told."""
    notebook.shell.user_ns["here"] = "made"
    said("new index $here")
    assert Path("made/index.json").is_file()
    why = notebook.fails("%procengine plugin new index $nowhere")
    assert why == "$nowhere: neither the notebook nor the environment has a text 'nowhere'"
