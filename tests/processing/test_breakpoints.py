"""A plugin's ``breakpoint()``: kept where nobody is at the run, handed to who is."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from types import FrameType
from typing import Any, ClassVar

from procengine.model.run import LogLevel, RunOutcome
from procengine.processing.instrument import Hold
from tests.processing.plugin_doubles import PluginBench, make_trigger, schedule_event, scheduled

LOOP = """
for number in range(3):
    breakpoint()
    number = -number
"""


def test_run_goes_on_past_a_breakpoint(plugin_bench: PluginBench) -> None:
    """The run is a success, and its log has one line of it, though a loop meets it again."""
    run = plugin_bench.run_scheduled(LOOP)

    assert run.outcome is RunOutcome.SUCCESS
    said = [entry.text for entry in run.logs if "breakpoint" in entry.text]
    assert len(said) == 1
    assert said[0].startswith("breakpoint() in process_scheduled_call, line ")
    assert "of plugin.py: a run that no debugger is at goes on" in said[0]


def test_values_are_those_of_the_first_breakpoint(plugin_bench: PluginBench) -> None:
    """The kept frame stands at the line of the call, with the names as they were there and then."""
    run = plugin_bench.run_scheduled(LOOP)

    assert run.breakpoint is not None
    ((frame, line),) = traceback.walk_tb(run.breakpoint.exception.__traceback__)
    assert frame.f_locals["number"] == 0
    assert (frame.f_code.co_name, line) == ("process_scheduled_call", run.breakpoint.line_number)
    assert frame.f_lineno == line
    assert "breakpoint()" in (plugin_bench.folder / "plugin.py").read_text().splitlines()[line - 1]


def test_callers_of_the_breakpoint_are_kept(plugin_bench: PluginBench) -> None:
    """All frames of the plugin are there, the outermost first; functions can still be called."""
    run = plugin_bench.run(
        """
        def inner(given):
            breakpoint()

        def process_scheduled_call(influxdb3_local, call_time, args=None):
            mine = 5
            inner(mine + 1)
        """
    )

    assert run.breakpoint is not None
    frames = [frame for frame, _ in traceback.walk_tb(run.breakpoint.exception.__traceback__)]
    assert [frame.f_code.co_name for frame in frames] == ["process_scheduled_call", "inner"]
    assert [frames[0].f_locals["mine"], frames[1].f_locals["given"]] == [5, 6]
    assert callable(frames[1].f_globals["inner"])


def test_breakpoint_at_the_top_of_a_file_is_kept(plugin_bench: PluginBench) -> None:
    """Code outside functions has its names in the globals."""
    run = plugin_bench.run(
        "top = 3\nbreakpoint()\ndef process_scheduled_call(influxdb3_local, call_time, args=None): ...\n"
    )

    assert run.outcome is RunOutcome.SUCCESS, run.failure
    assert run.breakpoint is not None
    assert run.breakpoint.function == "<module>"
    ((frame, _),) = traceback.walk_tb(run.breakpoint.exception.__traceback__)
    assert frame.f_locals["top"] == 3


class Noted:
    """An instrument that notes what it is asked."""

    pauses: ClassVar[bool] = True

    def __init__(self) -> None:
        self.calls: list[str] = []

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], hold: Hold) -> Any:
        """Note the call, and make it."""
        self.calls.append(function.__name__)
        return function(*arguments)

    def meet(self, frame: FrameType, hold: Hold) -> bool:
        """Note the line's function."""
        with hold():
            self.calls.append(f"breakpoint in {frame.f_code.co_name}")
        return True


def test_instrument_calls_the_entry_point_and_hears_of_breakpoints(plugin_bench: PluginBench) -> None:
    """What somebody stops at is neither kept nor logged."""
    noted = Noted()
    plugin_bench.save(scheduled("breakpoint()"))
    run = plugin_bench.runner.run(make_trigger("plugin.py"), schedule_event(), instrument=noted)

    assert noted.calls == ["process_scheduled_call", "breakpoint in process_scheduled_call"]
    assert run.breakpoint is None
    assert [entry.level for entry in run.logs] == [LogLevel.INFO, LogLevel.INFO]


def test_thread_of_a_plugin_does_not_stop(plugin_bench: PluginBench) -> None:
    """The debugger is at the run's own thread; another one's breakpoint is kept."""
    noted = Noted()
    plugin_bench.runner.start()  # a thread then knows whose it is
    plugin_bench.save(
        scheduled(
            "import threading\none = threading.Thread(target=lambda: breakpoint())\none.start()\none.join()"
        )
    )
    run = plugin_bench.runner.run(make_trigger("plugin.py"), schedule_event(), instrument=noted)

    assert noted.calls == ["process_scheduled_call"]
    assert run.breakpoint is not None
    assert run.breakpoint.function == "<lambda>"
