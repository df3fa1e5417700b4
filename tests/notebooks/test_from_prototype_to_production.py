"""The notebook that goes from a prototype to a server runs from a fresh kernel, its server in another process."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from procengine_jupyter.quickstart import copy_notebook

from tests.notebooks.lessons import Lesson, code_cells, outputs_of, read

NAME = "from_prototype_to_production"
DEPLOY = "%deploy hot_rooms --to $url --token $token"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebook runs."""
    return tmp_path_factory.mktemp("production")


@pytest.fixture(scope="module")
def lesson(folder: Path) -> Lesson:
    """The executed notebook."""
    copy_notebook(folder)
    document = read(NAME)
    client = NotebookClient(
        document,
        timeout=120,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return outputs_of(document)


def test_notebook_is_valid_and_without_outputs() -> None:
    """What is in the repository is the text alone."""
    document = read(NAME)
    nbformat.validate(document)
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(document))


def test_doctor_has_nothing_to_note_after_the_mending(lesson: Lesson) -> None:
    """The first text has two notes, the second none."""
    assert "missing-key" in lesson.shown["%procengine doctor hot_rooms"]
    assert "print" in lesson.shown["%procengine doctor hot_rooms"]
    assert "nothing to note" in lesson.shown["%procengine doctor hot_rooms #2"]


def test_written_test_passes(lesson: Lesson, folder: Path) -> None:
    """The test file that a run became is green."""
    assert (folder / "tests" / "test_hot_rooms.py").exists()
    assert "1 passed" in lesson.shown["import sys"]


def test_plan_then_deployment_then_the_same(lesson: Lesson) -> None:
    """The plan changes nothing, --yes does it, and then all is the same."""
    assert "nothing was changed" in lesson.shown[DEPLOY]
    assert "what is there is what was asked for" in lesson.shown[f"{DEPLOY} --yes"]
    assert "nothing was done" in lesson.shown[f"{DEPLOY} --yes #2"]


def test_the_plugin_runs_there(lesson: Lesson) -> None:
    """The server's log and table have what the plugin did with a row that was written there."""
    assert "hot: Attic" in lesson.shown["logged = []"]
    assert "27.5" in lesson.shown["%%query prod"]


def test_a_broken_change_changes_nothing_that_lives(lesson: Lesson, folder: Path) -> None:
    """The dry run there finds it; the live file is the good one, and the good text is the same again."""
    said = lesson.shown[f"{DEPLOY} --yes #3"]
    assert "ZeroDivisionError" in said
    assert "procengine_staged/hot_rooms.py" in said
    live = folder / "server" / "plugins" / "hot_rooms.py"
    assert live.read_text() == (folder / "plugins" / "hot_rooms.py").read_text()
    assert "nothing was done" in lesson.shown[f"{DEPLOY} --yes #4"]


def test_no_token_is_left_in_the_outputs(lesson: Lesson) -> None:
    """What the notebook shows can be read by others."""
    assert not any("apiv3_" in text for text in lesson.shown.values())


def test_a_pinned_version_is_installed_from_a_registry(lesson: Lesson, folder: Path) -> None:
    """Two versions are published; the one that is named with its hash is installed, and its trigger runs it."""
    validated = lesson.shown["%procengine plugin validate shared/hot-rooms"]
    assert "hot-rooms@0.1.0" in validated
    found = lesson.shown["%procengine plugin search --index shared/registry/index.json"]
    assert "0.1.0" in found
    assert "0.2.0" in found
    place = folder / "plugins" / "hot_rooms"
    record = json.loads((place / ".artifact.json").read_text())
    assert record["version"] == "0.1.0"
    assert record["artifact_hash"] in lesson.shown["import json"]
    live = folder / "plugins" / "hot_rooms.py"
    assert (place / "hot-rooms.py").read_text() == live.read_text()
    fired = lesson.shown['%fire very_hot_rooms --dry-run --lp "home,room=Attic temp=31"']
    assert "hot: Attic" in fired
