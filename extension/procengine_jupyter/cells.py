"""From which cell, and which of its lines, does a plugin's code come?

A plugin cell is saved to a file, but compiled under the cell's own name with the cell's own line numbers, so
that tracebacks, ``%debug`` and the debugger's break points are at home in the cell.
"""

from __future__ import annotations

import linecache
import sys
from dataclasses import dataclass
from types import FrameType
from typing import Any

_CELL_MAGIC_CALL = "get_ipython().run_cell_magic("


@dataclass(frozen=True, slots=True, kw_only=True)
class CellSource:
    """The code of one plugin cell.

    ``filename`` is the name that tracebacks carry, ``label`` what a reader knows it by (``Cell In[3]``),
    ``line_offset`` the lines of the cell before the code's first.
    """

    filename: str
    label: str
    line_offset: int
    code: str


class Cells:
    """The plugin cells of one kernel, by file name. For the kernel's main thread."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._labels: dict[str, str] = {}

    @property
    def labels(self) -> dict[str, str]:
        """What each cell's file name stands for, as of now."""
        return dict(self._labels)

    def remember(self, line: str, body: str) -> CellSource:
        """Register the running cell as the home of its code, under the name that IPython gave the cell.

        ``line`` is the line of ``%%plugin`` without its name, ``body`` the cell below it.
        """
        text = f"%%plugin {line}\n{body}"
        running = self._running_cell()
        number = self._number(running) if running is not None else self._shell.execution_count
        if running is None or not linecache.getline(running, 1).startswith(_CELL_MAGIC_CALL):
            running = self._shell.compile.cache(text, number)
        blank_lines = self._blank_lines_before(line)
        text = "\n" * blank_lines + text
        linecache.cache[running] = (len(text), None, text.splitlines(keepends=True), running)
        label = f"Cell In[{number}]"
        self._labels[running] = label
        return CellSource(filename=running, label=label, line_offset=blank_lines + 1, code=body)

    def _number(self, filename: str) -> int:
        """Return the number that IPython gave a cell."""
        return int(self._shell.compile._filename_map[filename])

    def _running_cell(self) -> str | None:
        """Return the file name of the cell whose code is calling."""
        frame: FrameType | None = sys._getframe()
        while frame is not None and frame.f_code.co_filename not in self._shell.compile._filename_map:
            frame = frame.f_back
        return frame.f_code.co_filename if frame is not None else None

    def _blank_lines_before(self, line: str) -> int:
        """Return how many blank lines stand above the magic: IPython drops them before it runs the cell."""
        history = getattr(self._shell.history_manager, "input_hist_raw", [""])
        before, found, _ = str(history[-1]).partition("%%plugin")
        is_this_cell = found and not before.strip() and line.strip() in history[-1]
        return before.count("\n") if is_this_cell else 0
