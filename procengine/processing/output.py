"""Where does what a plugin prints go?

To the log of its trigger, as rows of level INFO (standard output) and WARN (standard error), and never to the
notebook's cell that happens to run. Two ways lead there. `PluginStream` stands in for ``sys.stdout`` and
``sys.stderr`` and asks `current_run` whose text it gets. And plugins have a ``print`` of their own
(`plugin_print`), which holds even while a cell captures its output by exchanging ``sys.stdout``.

Differs: in the original such text goes to the server's output.
"""

from __future__ import annotations

import builtins
import io
import sys
import threading
from collections.abc import Iterable
from typing import Any, TextIO

from procengine.model.run import LogLevel
from procengine.processing.active_run import ActiveRun, current_run


class PluginStream(io.TextIOBase):
    """A standard stream that parts plugins' text from everyone else's, which passes through."""

    def __init__(self, target: TextIO, level: LogLevel) -> None:
        super().__init__()
        self.target = target
        self.level = level

    def write(self, text: str) -> int:
        """Write text to the log of the plugin whose code is calling, else to the stream behind."""
        run = current_run.get()
        if run is None:
            return self.target.write(text)
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        run.printed_to(self.level).write(run, text)
        return len(text)

    def writelines(self, lines: Iterable[Any]) -> None:
        """Write each piece."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream behind; a plugin's unended line waits for its newline, or the run's end."""
        if current_run.get() is None:
            self.target.flush()

    def writable(self) -> bool:
        """Tell that text can be written."""
        return True

    def isatty(self) -> bool:
        """Tell whether a terminal is behind; a log is none."""
        return current_run.get() is None and self.target.isatty()

    def fileno(self) -> int:
        """Return the file descriptor of the stream behind."""
        return self.target.fileno()

    def close(self) -> None:
        """Leave the stream behind open: plugins have no business closing it."""

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """The encoding of the stream behind."""
        return getattr(self.target, "encoding", None) or "utf-8"

    @property
    def errors(self) -> str | None:  # type: ignore[override]
        """The error handling of the stream behind."""
        return getattr(self.target, "errors", None)

    def __getattr__(self, name: str) -> Any:
        if name == "buffer" and current_run.get() is not None:
            raise AttributeError("a plugin's standard streams take text only: they have no 'buffer'")
        return getattr(self.target, name)


def plugin_print(
    *values: object,
    sep: str | None = " ",
    end: str | None = "\n",
    file: Any = None,
    flush: bool = False,
) -> None:
    """Print to the trigger's log, or to ``file``; the ``print`` of plugins.

    On the kernel's main thread a plugin may redirect ``sys.stdout`` as anywhere. On other threads a redirection
    cannot be told from that of a notebook's cell, and is passed over.
    """
    run = current_run.get()
    if file is None and run is not None and not _redirected_itself(run):
        printed = run.printed_to(LogLevel.INFO)
        if sep == " " and end == "\n":
            printed.write_line(run, " ".join([str(value) for value in values]))
            return
        text = io.StringIO()
        builtins.print(*values, sep=sep, end=end, file=text)
        printed.write(run, text.getvalue())
    else:
        builtins.print(*values, sep=sep, end=end, file=file, flush=flush)


def _redirected_itself(run: ActiveRun) -> bool:
    return (
        sys.stdout is not run.stdout_at_start and threading.current_thread() is threading.main_thread()
    )
