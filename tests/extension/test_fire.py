"""A fired event that finds its trigger busy."""

from __future__ import annotations

import io
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from procengine_jupyter import fire_command

from procengine.model.run import Cause, CauseKind, Run, RunOutcome
from procengine.processing.event import ScheduleEvent
from tests.extension.conftest import Notebook

GATED = """%%plugin gated --trigger every:1h --database house
def process_scheduled_call(influxdb3_local, call_time, args=None):
    import pathlib, time
    pathlib.Path("entered").touch()
    while not pathlib.Path("go").exists():
        time.sleep(0.005)
"""


def wait_for(condition: Callable[[], object]) -> None:
    """Wait until a condition holds; fail after 20 seconds."""
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_wait_for_a_busy_trigger_is_said_and_can_be_interrupted(
    notebook: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fire behind a run in flight says that it waits; an interrupt is one line, and nothing was fired."""
    notebook.run(GATED)
    engine, said = notebook.engine, io.StringIO()
    event = ScheduleEvent(instant_ns=0, cause=Cause(kind=CauseKind.FIRE, instant_ns=0))

    def interrupted_fire(*args: object, **kwargs: object) -> Run:
        wait_for(said.getvalue)
        raise KeyboardInterrupt

    first = threading.Thread(target=lambda: engine.triggers.fire("gated", event), daemon=True)
    first.start()
    wait_for(Path("entered").exists)
    with monkeypatch.context() as patched:
        patched.setattr(fire_command, "NOTE_SECONDS", 0.0)
        patched.setattr(sys, "stderr", said)
        patched.setattr(engine.triggers, "fire", interrupted_fire)
        text = notebook.fails("%fire gated")
    Path("go").touch()
    first.join()

    assert text == (
        "interrupted while waiting for the run in flight of trigger gated; nothing was fired"
    )
    assert said.getvalue().startswith("waiting for the run in flight of trigger gated")
    assert len(engine.triggers.runs.of_trigger("house", "gated")) == 1
    assert notebook.run("%fire gated").run.outcome is RunOutcome.SUCCESS


def test_profile_and_debug_exclude_each_other(notebook: Notebook) -> None:
    """One of them, and one run."""
    notebook.run(GATED)
    both = "a run is debugged or profiled: say --debug or --profile"
    assert notebook.fails("%fire gated --debug --profile") == both
    assert (
        notebook.fails("%fire gated --profile --repeat 2")
        == "--profile is for one run; leave --repeat out"
    )


def test_debugged_fire_is_for_one_run(notebook: Notebook) -> None:
    """Several runs in the debugger are refused before any begins."""
    notebook.run(GATED)
    assert (
        notebook.fails("%fire gated --debug --repeat 2") == "--debug is for one run; leave --repeat out"
    )
    assert notebook.engine.triggers.statistics("house", "gated").runs == 0


ECHO = """%%plugin echo --trigger request:echo --database house
def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    return request_body.decode()
"""

TALLY = """%%plugin tally --trigger table:home --database house
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info([row["temp"] for row in table_batches[0]["rows"]])
"""


@pytest.mark.parametrize("said", ["$rows", '"$rows"', '"{rows}"', "'${rows}'", "$packed"])
def test_rows_of_a_variable_are_fired(notebook: Notebook, said: str) -> None:
    """A variable of several lines is taken as it is, text or bytes."""
    notebook.run(TALLY)
    notebook.run("rows = 'home,room=A temp=1\\nhome,room=\"B\" temp=2'\npacked = rows.encode()")
    assert "[1.0, 2.0]" in notebook.run(f"%fire tally --lp {said}").plain()


def test_body_of_a_variable_is_sent(notebook: Notebook) -> None:
    """JSON that is written out stays what it is."""
    notebook.run(ECHO)
    notebook.run("question = '{\"a\": 1}'")
    assert notebook.run("%fire echo --body $question").run.response.body == b'{"a": 1}'
    assert notebook.run("%fire echo --body '{}'").run.response.body == b"{}"
    assert notebook.run("%fire echo --body 'costs $5'").run.response.body == b"costs $5"


def test_variable_that_is_none_is_refused_by_name(notebook: Notebook) -> None:
    """So is one that is no text."""
    notebook.run(TALLY)
    notebook.run("number = 3")
    assert "there is none called rowz" in notebook.fails("%fire tally --lp $rowz")
    assert "number is of type int" in notebook.fails("%fire tally --lp {number}")
