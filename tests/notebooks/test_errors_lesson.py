"""Errors: where they show, what they leave behind, and what keeps them from coming back."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from tests.notebooks.lessons import Lesson, code_cells, read, run_lesson

MISTAKE = r"Cell In\[3\], line 6, in process_writes\n.*\n.*\n *KeyError: 'temp_max'"


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    """The executed notebook."""
    return run_lesson("05_errors_and_debugging", tmp_path_factory.mktemp("errors"))


def test_traceback_is_in_the_cells_lines(lesson: Lesson) -> None:
    """A dry run and a write show the same line of the same cell; the card had a note on it."""
    saved = lesson.shown["%%plugin celsius --trigger table:weather --database errors"]

    assert re.search(r"note \(missing-key\).*also line 6", saved)
    assert re.search(MISTAKE, lesson.shown["%%fire celsius --dry-run"])
    assert re.search(MISTAKE, lesson.shown["%%write errors"])
    assert "1 row into errors.weather" in lesson.shown["%%write errors"]


def test_debugger_opens_where_the_notebook_says(tmp_path: Path) -> None:
    """After the write, ``%debug`` and then ``p row`` shows the row that the plugin could not do with."""
    cells = [cell.source for cell in code_cells(read("05_errors_and_debugging"))]
    first = cells.index(next(source for source in cells if source.startswith("%%plugin celsius")))
    manager, client = start_new_kernel(cwd=str(tmp_path))
    assert isinstance(client, BlockingKernelClient)
    try:
        for source in (cells[0], cells[first], next(one for one in cells if one.startswith("%%write"))):
            client.execute(source, reply=True, timeout=60)
        said = iter(["p row", "q"])
        shown: list[str] = []

        def keep(message: Any) -> None:
            shown.append(str(message["content"].get("text", "")))

        client.execute_interactive(
            "%debug",
            allow_stdin=True,
            stdin_hook=lambda _question: client.input(next(said)),
            output_hook=keep,
            timeout=60,
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)

    assert "{'location': 'Hayward', 'precip': 0.2, 'time': 1672617600000000000}" in "".join(shown)
    assert next(said, None) is None


def test_failed_run_writes_nothing(lesson: Lesson) -> None:
    """The good row's line is dropped with the run; once the plugin is mended it is written."""
    assert "1 queued line was not written: the run failed" in lesson.shown["%%fire celsius"]
    assert "celsius,location=Concord temp_max=25.0" in lesson.shown["%%fire celsius #2"]


def test_refused_line_is_shown(lesson: Lesson) -> None:
    """The answer was given, and the card says that the line was not taken, and why."""
    shown = lesson.shown["%fire whole"]

    assert "lines were rejected" in shown
    assert "invalid column type for column 'temp_max'" in shown
    assert '"written": true' in shown


def test_mistake_in_sql_names_what_comes_near(lesson: Lesson) -> None:
    """The message has the column that was meant."""
    assert "Did you mean 'weather.temp_max'?" in lesson.shown["%fire warmest"]


def test_error_behaviors(lesson: Lesson) -> None:
    """An event is tried again until it works, and a trigger is disabled, and enabled again."""
    attempts = re.findall(r"\| asking +\| (\d) +\| (\w+)", lesson.shown["%%query errors"])

    assert attempts == [("1", "error"), ("2", "error"), ("3", "success")]
    assert re.search(r"careful .* disabled, on error disable", lesson.shown["%procengine triggers"])
    enabled = lesson.shown["%influxdb3 enable trigger --database errors careful"]
    assert "enabled successfully" in enabled


def test_endless_run_is_ended(lesson: Lesson) -> None:
    """The limit is named, and the line where the run stood."""
    shown = lesson.shown["%fire endless"]

    assert "wall time limit of 200ms exceeded" in shown
    assert re.search(r"Cell In\[\d+\], line [45], in process_request", shown)


def test_all_errors_are_in_one_place(lesson: Lesson) -> None:
    """The inspector and the table of runs have the runs that failed."""
    assert "KeyError: 'temp_max'" in lesson.shown["%inspect runs celsius"]
    assert re.search(r"\| celsius +\| 5 +\| 2 ", lesson.shown["%%query errors #2"])


def test_run_becomes_a_test_that_passes(lesson: Lesson) -> None:
    """Nothing of the run is left out, and pytest passes the file; the doctor has looked at all plugins."""
    written = lesson.shown[
        'run = %fire celsius --dry-run --lp "weather,location=Hayward precip=0.2 1672617600000000000"'
    ]

    assert "written to tests/test_broken_thermometer.py" in written
    assert "not as it was" not in written
    assert "1 passed" in lesson.shown["import sys"]
    assert "celsius.py (Cell In[7]): nothing to note" in lesson.shown["%procengine doctor"]


def test_checks_tell_what_is_missing_in_a_blank_cell(lesson: Lesson) -> None:
    """Each blank fails with a message that leads on."""
    assert (
        lesson.blank["check-1"]
        == "for a batch with temp_max of 70 and none it fails: KeyError: 'temp_max'"
    )
    assert "expected iox::column_type::field::float, got" in lesson.blank["check-2"]
    assert lesson.blank["check-3"].startswith("the error behavior is log")


def test_checks_pass_on_the_solutions(lesson: Lesson) -> None:
    """Each solution passes."""
    assert "three batches: right" in lesson.solved["check-1"]
    assert "one rainy day: right" in lesson.solved["check-2"]
    assert "sent at attempt 3: right" in lesson.solved["check-3"]
