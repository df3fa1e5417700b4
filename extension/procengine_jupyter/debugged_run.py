"""How does a reader walk through a fired run?

At IPython's debugger, in the cell's own prompt; or, while the front end's visual debugger is on, there. The run is on
the cell's thread, so only the cell waits: the engine goes on.
"""

from __future__ import annotations

import ast
import contextvars
import linecache
import sys
import threading
import traceback
from collections.abc import Callable, Mapping
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar

from IPython.core.debugger import Pdb
from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython

if TYPE_CHECKING:
    from procengine.processing.instrument import Hold, Instrument
    from procengine.processing.plugin_registry import LoadedPlugin

QUIT = "quit in the debugger"

_ENGINE = "procengine"

# debugpy's pydevd_comm_constants.
_NO_STEP = -1
_STEP_INTO = 107


def debugger_for(plugin: LoadedPlugin) -> Instrument:
    """Return the debugger that the reader has at hand, for a plugin.

    Raises: UsageError: there is none, as nobody can be asked.
    """
    if visual_debugger_is_on():
        return VisualDebugger()
    kernel = getattr(get_ipython(), "kernel", None)
    if kernel is not None and not kernel._allow_stdin:
        raise UsageError("--debug asks in the cell's prompt, and this front end has none")
    return PromptDebugger(plugin.owns, stops_at_first_line=not calls_breakpoint(plugin.texts))


def visual_debugger_is_on() -> bool:
    """Tell whether the front end's debugger is attached to the kernel."""
    debugpy = sys.modules.get("debugpy")
    return debugpy is not None and bool(debugpy.is_client_connected())


def calls_breakpoint(texts: Mapping[str, str]) -> bool:
    """Tell whether a plugin says itself where to stop. What cannot be read says nothing."""
    try:
        trees = [ast.parse(text) for text in texts.values()]
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "breakpoint"
        for tree in trees
        for node in ast.walk(tree)
    )


class PromptDebugger:
    """Stops at the entry point's first line, or at each ``breakpoint()``, in the cell's prompt. For one run.

    ``owns`` tells whether a file name is the plugin's.
    """

    pauses: ClassVar[bool] = True

    def __init__(self, owns: Callable[[str], bool], *, stops_at_first_line: bool) -> None:
        self._owns = owns
        self._stops_at_first_line = stops_at_first_line
        self._pdb = _CellPdb(owns)

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], hold: Hold) -> Any:
        """Call the entry point, stopping where asked.

        Raises: KeyboardInterrupt: the reader quit.
        """
        __tracebackhide__ = True  # for the debugger's ``up``
        before = sys.gettrace()
        if self._stops_at_first_line:
            self._pdb.begin(hold)
        try:
            result = function(*arguments)
        except BaseException as error:
            if self._pdb.quitting:
                raise KeyboardInterrupt(QUIT).with_traceback(self._plugins_part(error)) from None
            raise
        finally:
            sys.settrace(before)
        if self._pdb.quitting:  # the plugin swallowed what ends it
            raise KeyboardInterrupt(QUIT)
        return result

    def _plugins_part(self, error: BaseException) -> TracebackType | None:
        """Return the frames of the plugin that an error came through."""
        part: TracebackType | None = None
        for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
            if self._owns(frame.f_code.co_filename):
                part = TracebackType(part, frame, frame.f_lasti, line)
        return part

    def meet(self, frame: FrameType, hold: Hold) -> bool:
        """Stop at the line below ``breakpoint()``."""
        self._pdb.stop_in(frame, hold)
        return True


class _CellPdb(Pdb):
    """IPython's debugger, with the prompt and the output of the cell that fired the run.

    The run has a context of its own, by which what is printed goes to the trigger's log.
    """

    def __init__(self, owns: Callable[[str], bool]) -> None:
        self._cell = contextvars.copy_context()
        self._owns = owns
        self._hold: Hold | None = None
        super().__init__()
        self.quitting = False

    def begin(self, hold: Hold) -> None:
        """Stop at the first line that runs from here on."""
        self._hold = hold
        self.reset()
        sys.settrace(self.trace_dispatch)

    def stop_in(self, frame: FrameType, hold: Hold) -> None:
        """Stop at the next line of a frame; its callers are stepped into up to the plugin's outermost."""
        self._hold = hold
        self.reset()
        self.initial_frame = outermost = frame
        outermost.f_trace = self.trace_dispatch
        while outermost.f_back is not None and self._is_plugins(outermost.f_back):
            outermost = outermost.f_back
            outermost.f_trace = self.trace_dispatch
        self.botframe = outermost
        self.set_step()
        sys.settrace(self.trace_dispatch)

    def trace_dispatch(self, frame: FrameType, event: str, arg: Any) -> Any:
        """Look at what runs, unless it is the engine's: that holds locks, and is not the plugin's matter."""
        if not self._is_plugins(frame):
            return None
        return self._in_cell(super().trace_dispatch, frame, event, arg)

    def interaction(self, *args: Any, **kwargs: Any) -> None:
        """Ask the reader, who may take time: a cancellation waits."""
        assert self._hold is not None  # it stops only after it began
        with self._hold():
            self._in_cell(super().interaction, *args, **kwargs)

    def cmdloop(self, intro: Any = None) -> None:
        """Take commands; the notebook's stop button is ``q``."""
        try:
            super().cmdloop(intro)
        except KeyboardInterrupt:
            self.set_quit()

    def _is_plugins(self, frame: FrameType | None) -> bool:
        """Tell whether a frame is the plugin's, or what it called, the engine aside."""
        while frame is not None and not self._owns(frame.f_code.co_filename):
            if str(frame.f_globals.get("__name__")).partition(".")[0] == _ENGINE:
                return False
            frame = frame.f_back
        return frame is not None

    def _in_cell(self, function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        # A copy: a context cannot be entered twice, and the reader may debug what an expression calls.
        return self._cell.copy().run(function, *args, **kwargs)


class VisualDebugger:
    """Leaves the run to the front end's debugger, which stops at its own breakpoints, and at ``breakpoint()``."""

    pauses: ClassVar[bool] = True

    def __init__(self) -> None:
        self._is_stepping = False

    def call(self, function: Callable[..., Any], arguments: tuple[Any, ...], hold: Hold) -> Any:  # noqa: ARG002
        """Call the entry point. A step that leaves it is kept for `step_on`: else it would go through libraries.

        Source: debugpy, pydevd's PyDBAdditionalThreadInfo.
        """
        try:
            return function(*arguments)
        finally:
            step = getattr(threading.current_thread(), "additional_info", None)
            if step is not None and step.pydev_step_cmd != _NO_STEP:
                self._is_stepping = True
                _set_step(step, _NO_STEP)

    def step_on(self) -> None:
        """Let a step that left the entry point end at the cell's next line, if it has one."""
        if not self._is_stepping:
            return
        self._is_stepping = False
        frame: FrameType | None = sys._getframe()
        while frame is not None and frame.f_code.co_name != "<module>":
            frame = frame.f_back
        if frame is not None and _has_more(frame.f_code.co_filename, frame.f_lineno):
            _set_step(threading.current_thread().additional_info, _STEP_INTO)  # type: ignore[attr-defined]

    def meet(self, frame: FrameType, hold: Hold) -> bool:
        """Stop in the frame."""
        import pydevd  # type: ignore[import-not-found]  # debugpy's, which is attached

        with hold():
            pydevd.settrace(
                suspend=True,
                trace_only_current_thread=True,
                patch_multiprocessing=False,
                stop_at_frame=frame,
            )
        return True


def _set_step(info: Any, command: int) -> None:
    """Have pydevd take a step on the calling thread, or none."""
    info.pydev_original_step_cmd = info.pydev_step_cmd = command
    info.pydev_step_stop = None
    if hasattr(info, "update_stepping_info"):
        info.update_stepping_info()


def _has_more(filename: str, line_number: int) -> bool:
    """Tell whether code stands below a line of a cell."""
    below = (line.strip() for line in linecache.getlines(filename)[line_number:])
    return any(line and not line.startswith("#") for line in below)
