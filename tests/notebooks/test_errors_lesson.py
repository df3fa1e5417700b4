"""Errors: where they show, what they leave behind, and what keeps them from coming back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import start_new_kernel

from tests.notebooks.lessons import Lesson, code_cells, read, run_lesson

CELLS = [cell.source for cell in code_cells(read("05_errors_and_debugging"))]
MISTAKE = r"Cell In\[3\], line 6, in process_writes\n.*\n.*\n *KeyError: 'temp_max'"


class Prompt:
    """A kernel whose questions are answered."""

    def __init__(self, client: BlockingKernelClient) -> None:
        self._client = client

    def run(self, source: str) -> None:
        """Run a cell."""
        self._client.execute(source, reply=True, timeout=60)

    def answer(self, source: str, *answers: str) -> str:
        """Run a cell, give each answer to a question, and return what was shown. All answers must be asked for."""
        left = iter(answers)
        shown: list[str] = []

        def keep(message: Any) -> None:
            content = message["content"]
            shown.append(content.get("text") or content.get("data", {}).get("text/plain", ""))

        self._client.execute_interactive(
            source,
            allow_stdin=True,
            stdin_hook=lambda _question: self._client.input(next(left)),
            output_hook=keep,
            timeout=60,
        )
        assert next(left, None) is None, "\n".join(shown)
        return "\n".join(shown)


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


@pytest.fixture(scope="module")
def prompt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prompt]:
    """A kernel in which prompts are answered."""
    manager, client = start_new_kernel(cwd=str(tmp_path_factory.mktemp("prompt")))
    assert isinstance(client, BlockingKernelClient)
    try:
        yield Prompt(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def test_debugger_opens_where_the_notebook_says(prompt: Prompt) -> None:
    """After the write, ``%debug`` and then ``p row`` shows the row that the plugin could not do with."""
    for first in (
        "%load_ext",
        "%%plugin celsius",
        "%%write errors\nweather,location=Hayward precip=0.2",
    ):
        prompt.run(next(source for source in CELLS if source.startswith(first)))

    shown = prompt.answer("%debug", "p row", "q")

    assert "{'location': 'Hayward', 'precip': 0.2, 'time': 1672617600000000000}" in shown


def test_run_stops_where_the_notebook_says(prompt: Prompt) -> None:
    """The line of the text stops at the first line of the mended plugin, and ``p temperature`` shows its value."""
    text = "\n".join(cell.source for cell in read("05_errors_and_debugging").cells)
    fire = re.search(r"^%fire celsius --debug .*$", text, re.M)
    assert fire is not None
    prompt.run("%load_ext procengine")
    prompt.run("%%write errors\nweather,location=Concord temp_max=60 1")
    prompt.run([source for source in CELLS if source.startswith("%%plugin celsius")][1])

    shown = prompt.answer(fire.group(), "n", "n", "n", "p temperature", "c")

    assert "77.0" in shown
    assert "would write 1 row into celsius" in shown


def test_forgotten_breakpoint_is_passed(lesson: Lesson) -> None:
    """The run goes on, and the card has the line of the cell."""
    shown = lesson.shown["%%write errors #2"]

    assert "doubtful: success" in shown
    assert re.search(
        r"breakpoint passed in process_writes, Cell In\[\d+\], line 6; %debug looks at it", shown
    )


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
    assert re.search(r"\| careful +\| true", lesson.shown["%%query errors #2"])
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
    assert re.search(r"\| celsius +\| 6 +\| 2 ", lesson.shown["%%query errors #3"])


def test_run_becomes_a_test_that_passes(lesson: Lesson) -> None:
    """Nothing of the run is left out, and pytest passes the file; the doctor has looked at all plugins."""
    written = lesson.shown[
        'run = %fire celsius --dry-run --lp "weather,location=Hayward precip=0.2 1672617600000000000"'
    ]

    assert "written to tests/test_broken_thermometer.py" in written
    assert "not as it was" not in written
    assert "1 passed" in lesson.shown["import sys"]
    assert re.search(
        r"celsius\.py \(Cell In\[7\]\).*: nothing to note", lesson.shown["%procengine doctor"]
    )


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
