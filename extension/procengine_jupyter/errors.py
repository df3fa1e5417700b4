"""How does an error reach the reader of a notebook?"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from types import TracebackType
from typing import Any, ParamSpec, TypeVar

from IPython.core.error import UsageError

from procengine.errors import LineProtocolError, ProcengineError, QueryCancelledError
from procengine.model.run import RunFailure

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")

MOST_LINES = 5


def short_errors(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Turn the engine's errors into one-line usage errors: a traceback through our own code helps nobody."""

    @functools.wraps(function)
    def magic(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except QueryCancelledError as error:
            raise UsageError("interrupted") from error
        except LineProtocolError as error:
            raise UsageError(lines_text(error, "nothing was stored")) from error
        except ProcengineError as error:
            raise UsageError(str(error)) from error

    return magic


def lines_text(error: LineProtocolError, headline: str) -> str:
    """Return the first lines that were rejected, below a headline."""
    shown = [f"  {each}: {each.original_line!r}" for each in error.errors[:MOST_LINES]]
    hidden = len(error.errors) - MOST_LINES
    more = [f"  and {hidden:,} more"] if hidden > 0 else []
    return "\n".join([headline, *shown, *more])


def offer_post_mortem(shell: Any, failure: RunFailure | None, known_files: set[str]) -> None:
    """Make a plugin's failure the one that ``%debug`` opens, at the plugin's innermost frame.

    Only the frames from the plugin's first on are offered; ``known_files`` are the files of plugin cells.
    """
    error = failure.exception if failure is not None else None
    if error is None or error.__traceback__ is None:
        return
    frames = _from_plugin(error.__traceback__, known_files | {failure.filename or "" if failure else ""})
    offer_frames(shell, error, frames)


def offer_frames(shell: Any, error: BaseException, frames: TracebackType | None) -> None:
    """Make frames those that ``%debug`` opens, as if an error had come from there."""
    sys.last_type, sys.last_value, sys.last_traceback = type(error), error, frames
    sys.last_exc = error  # type: ignore[attr-defined]  # since Python 3.12, read by the debugger
    shell.InteractiveTB.tb = frames


def _from_plugin(frames: TracebackType, files: set[str]) -> TracebackType:
    """Return the part of a traceback that begins with the plugin's first frame."""
    part: TracebackType | None = frames
    while part is not None:
        if part.tb_frame.f_code.co_filename in files:
            return part
        part = part.tb_next
    return frames
