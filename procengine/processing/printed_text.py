"""When does printed text become a row of the log?"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

from procengine.model.run import LogLevel

if TYPE_CHECKING:
    from procengine.processing.active_run import ActiveRun

LONGEST_UNENDED_LINE: Final = 65_536
"""Text without a newline becomes a row when it is this long (characters), or when the run ends."""


class PrintedText:
    """Gathers what a run prints to one stream into rows: up to and without the last newline of a piece."""

    def __init__(self, level: LogLevel) -> None:
        self._level = level
        self._unended: list[str] = []
        self._length = 0
        # Guards the unended line: threads of one plugin may print at the same time.
        self._lock = threading.Lock()

    def write(self, run: ActiveRun, text: str) -> None:
        """Take a piece of text, and log what is complete."""
        with self._lock:
            row = self._complete(text)
        if row is not None:
            _log_printed(run, self._level, row)

    def write_line(self, run: ActiveRun, text: str) -> None:
        """Take a piece of text that ends its line."""
        if self._unended:
            self.write(run, f"{text}\n")
        else:
            _log_printed(run, self._level, text)

    def flush(self, run: ActiveRun) -> None:
        """Log what has no newline yet."""
        with self._lock:
            row = self._take() if self._unended else None
        if row is not None:
            _log_printed(run, self._level, row)

    def _complete(self, text: str) -> str | None:
        ended, newline, rest = text.rpartition("\n")
        if not newline:
            self._keep(text)
            return self._take() if self._length > LONGEST_UNENDED_LINE else None
        row = self._take() + ended
        self._keep(rest)
        return row

    def _keep(self, text: str) -> None:
        if text:
            self._unended.append(text)
            self._length += len(text)

    def _take(self) -> str:
        text = "".join(self._unended)
        self._unended.clear()
        self._length = 0
        return text


def _log_printed(run: ActiveRun, level: LogLevel, text: str) -> None:
    if not text.isascii():
        text = text.encode("utf-8", "backslashreplace").decode()
    thread = run.thread
    owed = thread is not None and thread.enter_engine()
    try:
        run.log(level, text, printed=True)
    finally:
        if owed and thread is not None:
            thread.leave_engine()
