"""A cell's traceback has the cell's frames, and none of those that stand in for the standard library's waits."""

from __future__ import annotations

import pytest

from tests.extension.conftest import Notebook

INTERRUPTED = """
import signal, sys, threading, time

main, here, over = threading.get_ident(), [], []

def once(number, frame):
    if not over:
        over.append(True)
        raise KeyboardInterrupt

def waits():
    here.append(True)
    {wait}

def interrupt():
    waiting = {{"threading", "procengine.processing.interpreter_hooks"}}
    while not here or sys._current_frames()[main].f_globals.get("__name__") not in waiting:
        pass
    while not over:  # a signal that comes just before a wait does not end it
        signal.pthread_kill(main, signal.SIGUSR1)

signal.signal(signal.SIGUSR1, once)
threading.Thread(target=interrupt).start()
waits()
"""
"""A signal of its own: others would see SIGINT's handler exchanged."""


@pytest.mark.parametrize("wait", ["time.sleep(60)", "threading.Event().wait(60)"])
def test_interrupted_cell_shows_no_frame_of_ours(
    notebook: Notebook, capsys: pytest.CaptureFixture[str], wait: str
) -> None:
    """The traceback ends where the cell, or the standard library, waits."""
    capsys.readouterr()
    result = notebook.shell.run_cell(INTERRUPTED.format(wait=wait))
    assert isinstance(result.error_in_exec, KeyboardInterrupt)
    shown = capsys.readouterr().out
    assert f"    {wait}" in shown
    assert "procengine" not in shown


def test_other_errors_are_shown_as_ever(notebook: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    """What the cell raises has all its frames."""
    capsys.readouterr()
    notebook.shell.run_cell("def inner():\n    return 1 / 0\n\ninner()")
    shown = capsys.readouterr().out
    assert "return 1 / 0" in shown
    assert "inner()" in shown


def test_unloading_gives_the_shell_its_own_back(notebook: Notebook) -> None:
    """Nothing of ours stands before it any more."""
    assert "showtraceback" in vars(notebook.shell)
    notebook.run("%unload_ext procengine")
    assert "showtraceback" not in vars(notebook.shell)
