"""Where a run's time went: whose each row is, what it is called, and how it is shown."""

from __future__ import annotations

import ctypes
import threading

import pytest
from procengine_jupyter.render.run_profile import (
    ProfileRow,
    RunProfile,
    Whose,
    profile_html,
    profile_lines,
)

from tests.extension.conftest import Notebook

COSTLY = """%%plugin costly --trigger every:1h --database house
import json, time
def squares(number):
    return [one * one for one in range(number)]

def process_scheduled_call(influxdb3_local, call_time, args=None):
    for number in range(3):
        influxdb3_local.query("SELECT 1 AS one")
    influxdb3_local.cache.put("squares", sum(squares(100)))
    influxdb3_local.write(LineBuilder("out").int64_field("x", 1))
    print(json.dumps([1]))
    time.sleep(0.001)
    if args:
        raise ValueError("told to")
"""


@pytest.fixture
def profile(notebook: Notebook) -> RunProfile:
    """The profile of one run."""
    notebook.run(COSTLY)
    found: RunProfile | None = notebook.run("%fire costly --profile").profile
    assert found is not None
    return found


def row(profile: RunProfile, name: str) -> ProfileRow:
    """Return the only row of a name."""
    (found,) = [one for one in profile.rows if one.name == name]
    return found


@pytest.mark.parametrize(
    ("name", "calls"),
    [
        ("influxdb3_local.query", 3),
        ("influxdb3_local.write", 1),
        ("influxdb3_local.cache.put", 1),
        ("LineBuilder.int64_field", 1),
        ("print", 1),
        ("time.sleep", 1),
    ],
)
def test_calls_of_the_engine_have_rows_of_their_own(profile: RunProfile, name: str, calls: int) -> None:
    """By the name that the plugin knows them by."""
    found = row(profile, name)
    assert (found.whose, found.calls) == (Whose.ENGINE, calls)


def test_functions_of_the_plugin_have_the_cells_lines(profile: RunProfile) -> None:
    """Where they begin; what they called is not in their time."""
    found = row(profile, "squares")
    assert (found.whose, found.calls, found.line_number) == (Whose.PLUGIN, 1, 3)
    entry = row(profile, "process_scheduled_call")
    assert entry.time_ns < profile.total_ns - row(profile, "influxdb3_local.query").time_ns


def test_what_libraries_did_is_one_row(profile: RunProfile) -> None:
    """By module and function; what it called inside has none."""
    assert row(profile, "json.dumps").whose is Whose.OTHER
    assert not [one.name for one in profile.rows if "encode" in one.name]


def test_rows_are_the_whole_time(profile: RunProfile) -> None:
    """Without functions that call back, the rows' times add up to the total; the dearest is first."""
    assert sum(one.time_ns for one in profile.rows) == pytest.approx(profile.total_ns, rel=0.01)
    assert [one.time_ns for one in profile.rows] == sorted(
        (one.time_ns for one in profile.rows), reverse=True
    )


def test_failed_run_has_a_profile(notebook: Notebook) -> None:
    """Until where it came."""
    notebook.run(COSTLY.replace("house\n", "house --args fail=yes\n", 1))
    card = notebook.run("%fire costly --profile")
    assert "ValueError: told to" in card.plain()
    assert row(card.profile, "influxdb3_local.query").calls == 3


SHOWN = RunProfile(
    total_ns=4_000_000,
    rows=(
        ProfileRow(name="influxdb3_local.query", whose=Whose.ENGINE, calls=1_200, time_ns=3_000_000),
        ProfileRow(
            name="<module>.f",
            whose=Whose.PLUGIN,
            calls=1,
            time_ns=1_000_000,
            filename="/x/y.py",
            line_number=7,
        ),
    ),
)


def test_profile_as_text() -> None:
    """A line a function, with its share as a bar."""
    assert profile_lines(SHOWN, {"/x/y.py": "Cell In[3]"}) == [
        "profile: 4.00 ms in the entry point, the profiler's own cost included",
        "  influxdb3_local.query  1,200×  3.00 ms  75% ███████████████      engine",
        "  <module>.f                 1×  1.00 ms  25% █████                Cell In[3], line 7",
    ]


def test_profile_as_html() -> None:
    """A bar a row, wide as its share; names are escaped."""
    shown = profile_html(SHOWN, {})
    assert "&lt;module&gt;.f" in shown
    assert "y.py, line 7" in shown
    assert "width:120px" in shown


def test_long_profile_says_what_it_leaves_out() -> None:
    """The dearest are shown; the others are counted."""
    rows = tuple(ProfileRow(name=f"f{n}", whose=Whose.OTHER, calls=1, time_ns=1_000) for n in range(20))
    assert profile_lines(RunProfile(total_ns=20_000, rows=rows), {})[-1] == "  5 more took 5.00 µs"


def test_empty_profile_is_shown() -> None:
    """A plugin that could not be entered has no rows."""
    assert profile_lines(RunProfile(total_ns=0, rows=()), {}) == [
        "profile: 0 ns in the entry point, the profiler's own cost included"
    ]


def test_a_run_is_profiled_while_another_thread_has_an_interrupt_to_come(notebook: Notebook) -> None:
    """One that waits in C does not meet it, and nothing else may wait for that."""
    gate = threading.Lock()
    gate.acquire()
    waiting = threading.Thread(target=_wait_for, args=(gate,))
    waiting.start()
    assert waiting.ident is not None
    ctypes.pythonapi.PyThreadState_SetAsyncExc(
        ctypes.c_ulong(waiting.ident), ctypes.py_object(TimeoutError)
    )
    try:
        notebook.run(COSTLY)
        assert notebook.run("%fire costly --profile").profile is not None
    finally:
        gate.release()
        waiting.join()


def _wait_for(gate: threading.Lock) -> None:
    try:
        gate.acquire()
        while True:
            pass
    except TimeoutError:
        pass
