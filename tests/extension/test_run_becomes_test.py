"""Runs in the notebook become tests in files."""

from __future__ import annotations

from pathlib import Path

import pytest
from procengine_jupyter.inspectors.actions import attempt

from procengine.errors import InvalidInputError
from tests.extension.conftest import HOT_ROOMS, Notebook
from tests.testing.test_written_test import passes


def test_a_fired_run_becomes_a_test(notebook: Notebook, tmp_path: Path) -> None:
    """`to_pytest` of what `%fire` returns writes a file that passes; its card says how to run it."""
    notebook.run(HOT_ROOMS)
    run = notebook.run("run = %fire hot_rooms --lp 'home,room=Attic temp=30 1'\nrun")
    path = tmp_path / "kept" / "test_hot.py"
    card = run.to_pytest(path)
    assert "!python -m pytest" in card.plain()
    assert "test_hot_rooms_run_" in card.html()
    assert "assert run.lines == {'house': ['alert,room=Attic temp=30.0']}" in path.read_text()
    passes(path)
    with pytest.raises(InvalidInputError, match="is there"):
        run.to_pytest(path)
    run.to_pytest(path, replace=True)


def test_a_dry_run_becomes_a_test(notebook: Notebook, tmp_path: Path) -> None:
    """Though nothing of it is in the history."""
    notebook.run(HOT_ROOMS)
    run = notebook.run("run = %fire hot_rooms --dry-run --lp 'home,room=Attic temp=30 1'\nrun")
    path = tmp_path / "test_hot.py"
    assert "not as it was" not in run.to_pytest(path).plain()
    passes(path)


def test_a_run_of_the_history_becomes_a_test_by_a_button(notebook: Notebook) -> None:
    """The inspector of runs offers it for the chosen run, and shows what was written."""
    notebook.run(HOT_ROOMS)
    notebook.run("%%write house\nhome,room=Attic temp=30 1")
    inspector = notebook.run("%inspect runs")
    inspector.choose(0)
    (action,) = [one for one in inspector.actions if one.name == "test"]
    assert [one.value for one in action.fields] == ["tests/test_hot_rooms_1.py"]
    done = attempt(action, {"path": "tests/test_hot_rooms_1.py"})
    assert done.view is not None
    assert "tests/test_hot_rooms_1.py" in done.view.plain()
    passes(Path("tests/test_hot_rooms_1.py").absolute())
    again = attempt(action, {"path": "tests/test_hot_rooms_1.py"})
    assert again.failed
    assert "is there" in again.text


def test_a_dry_run_s_queries_are_answered_in_its_test(notebook: Notebook, tmp_path: Path) -> None:
    """Of a dry run no query is kept: the test asks the engine what the plugin asks."""
    notebook.run(
        "%%plugin counts --trigger table:home --database house\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    rows = influxdb3_local.query('SELECT count(*) AS n FROM home WHERE room = $r', {'r': 'Attic'})\n"
        "    influxdb3_local.info(rows)\n"
        "    influxdb3_local.query('SELECT n FROM nowhere')\n"
    )
    notebook.run("%%write house\nhome,room=Attic temp=30\nhome,room=Attic temp=30 1")
    run = notebook.run("run = %fire counts --dry-run --lp 'home,room=Attic temp=31 2'\nrun")
    path = tmp_path / "test_counts.py"
    run.to_pytest(path)
    assert "[('INFO', \"[{'n': 2}]\")]" in path.read_text()
    passes(path)
