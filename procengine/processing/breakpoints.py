"""What does ``breakpoint()`` do in a plugin?

A run that is made under a debugger stops there. Any other goes on: nobody sits in front of it, and its trigger would
stand still. Where it first met one is kept, with the values that its names had, for a debugger to look at later.

Differs: in the original it opens Python's own debugger on the server's standard input, or fails where there is none.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, Final

from procengine.model.run import Breakpoint, LogLevel
from procengine.processing.active_run import ActiveRun, current_run

GOES_ON: Final = (
    "breakpoint() in {function}, line {line} of {file}: a run that no debugger is at goes on; "
    "what its names had there is kept"
)

_ENGINE: Final = __name__.partition(".")[0]


class BreakpointMet(Exception):  # noqa: N818 - it is no error
    """Leads a debugger to the frames of a kept breakpoint; it is never raised."""


def plugin_breakpoint(*args: Any, **kwargs: Any) -> None:
    """Stop where a debugger is at the run, else keep what it has; the ``breakpoint`` of plugins."""
    run = current_run.get()
    if run is None:
        builtins.breakpoint(*args, **kwargs)
        return
    frame = sys._getframe(1)
    thread = run.thread
    is_runs_own = thread is not None and thread.is_interruptible_here
    if (
        run.instrument is not None
        and is_runs_own
        and run.instrument.meet(frame, lambda: uninterrupted(run))
    ):
        return
    with uninterrupted(run):
        _keep(run, frame)


@contextmanager
def uninterrupted(run: ActiveRun) -> Iterator[None]:
    """Keep a cancellation of a run waiting while the block lasts.

    Raises: KeyboardInterrupt: one came, at the block's end.
    """
    owed = run.thread is not None and run.thread.enter_engine()
    try:
        yield
    finally:
        if owed and run.thread is not None:
            run.thread.leave_engine()


def _keep(run: ActiveRun, frame: FrameType) -> None:
    """Keep the first breakpoint of a run; a loop would meet one again and again."""
    if run.breakpoint is not None:
        return
    filename, line = frame.f_code.co_filename, frame.f_lineno
    if run.in_file is not None:
        filename, line = run.in_file(filename, line)
    run.breakpoint = Breakpoint(
        function=frame.f_code.co_name,
        filename=filename,
        line_number=line,
        exception=BreakpointMet("breakpoint()").with_traceback(_kept_frames(frame)),
    )
    run.log(
        LogLevel.INFO,
        GOES_ON.format(function=frame.f_code.co_name, line=line, file=Path(filename).name),
    )


def _kept_frames(frame: FrameType) -> TracebackType:
    """Return a traceback of a plugin's frames, the outermost first, as they are now."""
    kept: TracebackType | None = None
    outer: FrameType | None = frame
    while outer is not None and not _is_engines(outer):
        copy = _copied(outer)
        kept = TracebackType(kept, copy, copy.f_lasti, outer.f_lineno)
        outer = outer.f_back
    assert kept is not None  # the frame that called us is the plugin's
    return kept


def _is_engines(frame: FrameType) -> bool:
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in {_ENGINE, "threading"}


def _copied(frame: FrameType) -> FrameType:
    """Return a frame that has ended at the line of another one, with a copy of its local names.

    The frame itself would go on: a debugger would find the values that its names have at its end.
    """
    code = frame.f_code
    blank = "\n" * max(frame.f_lineno - code.co_firstlineno, 0)
    ending = compile(f"{blank}raise 0", code.co_filename, "exec").replace(
        co_name=code.co_name, co_firstlineno=code.co_firstlineno
    )
    names = frame.f_locals if frame.f_locals is frame.f_globals else dict(frame.f_locals)
    ended: TracebackType | None = None
    try:
        exec(ending, frame.f_globals, names)
    except (
        TypeError
    ) as error:  # what raising a number raises; a name of the plugin's could mean anything
        ended = error.__traceback__
    assert ended is not None
    assert ended.tb_next is not None
    return ended.tb_next.tb_frame
