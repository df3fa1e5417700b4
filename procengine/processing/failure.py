"""How is an exception of a plugin shown?

The message is what the original logs. The traceback is the plugin's own: frames of the engine, before and
within, are left out of the text; the exception itself keeps them all, for a debugger.

Source: the PyO3 crate, PyErr's Display (the message).
"""

from __future__ import annotations

import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Final

import procengine
from procengine.errors import PluginError
from procengine.model.run import RunFailure
from procengine.processing.responses import UnsupportedResultError

CALL_FAILED: Final = "Python function call failed: "
"""What the original puts before the message when the function of a request trigger raised."""

ENGINE_FOLDER: Final = f"{Path(procengine.__file__).parent}/"


def failure_message(error: BaseException) -> str:
    """Return ``{Type}: {text}``; for what the engine itself found, the text alone."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001 - a plugin's own __str__
        text = "<exception str() failed>"
    if isinstance(error, PluginError | UnsupportedResultError):
        return text
    return f"{type(error).__qualname__}: {text}"


def run_failure(error: BaseException, owns: Callable[[str], bool], *, prefix: str = "") -> RunFailure:
    """Return the record of a run's exception.

    ``owns`` tells whether a file name is the plugin's own.
    """
    place = _innermost(error, owns)
    return RunFailure(
        type_name=type(error).__qualname__,
        message=prefix + failure_message(error),
        traceback_text=traceback_text(error, owns),
        filename=place[0],
        line_number=place[1],
        exception=error,
    )


def traceback_text(error: BaseException, owns: Callable[[str], bool]) -> str:
    """Return the traceback from the plugin's first frame on, engine frames left out, causes before it.

    Without a frame of the plugin there is no traceback, only what Python says of the exception: for a
    SyntaxError the line and the mark below it. Empty for what the engine itself found.
    """
    if isinstance(error, PluginError | UnsupportedResultError) and error.__cause__ is None:
        return ""
    try:
        shown = traceback.TracebackException.from_exception(error, compact=True)
        _trim(shown, owns, set())
        return "".join(shown.format()).rstrip("\n")
    except Exception:  # noqa: BLE001 - a plugin's own __str__ or source
        return failure_message(error)


def _trim(shown: traceback.TracebackException, owns: Callable[[str], bool], seen: set[int]) -> None:
    """Cut the engine's frames out of an exception's stack, and out of those of its causes."""
    if id(shown) in seen:
        return
    seen.add(id(shown))
    frames = list(shown.stack)
    first = next((i for i, frame in enumerate(frames) if owns(frame.filename)), None)
    start = 0 if first is None else first
    kept = [frame for frame in frames[start:] if not frame.filename.startswith(ENGINE_FOLDER)]
    shown.stack = traceback.StackSummary.from_list(kept)
    for other in (shown.__cause__, shown.__context__):
        if other is not None:
            _trim(other, owns, seen)


def _innermost(error: BaseException, owns: Callable[[str], bool]) -> tuple[str | None, int | None]:
    """Return file name and line of the innermost frame of the plugin, or of its syntax error."""
    found: tuple[str | None, int | None] = (None, None)
    for frame, line in traceback.walk_tb(error.__traceback__):
        if owns(frame.f_code.co_filename):
            found = (frame.f_code.co_filename, line)
    cause = error.__cause__ if isinstance(error, PluginError) else error
    if isinstance(cause, SyntaxError) and cause.filename is not None:
        return cause.filename, cause.lineno
    if found == (None, None) and isinstance(cause, BaseException) and cause is not error:
        return _innermost(cause, owns)
    return found
