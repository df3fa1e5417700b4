"""Where did the text of a plugin's file come from?

From a notebook's cell, which tracebacks then name, for as long as the file holds just that text. A cell is gone with
its kernel: what is kept of a failure names the file, and the line there.
"""

from __future__ import annotations

import linecache
import re
from dataclasses import replace
from pathlib import Path

from procengine.model.run import RunFailure
from procengine.processing.plugin_source import PluginSource, read_text


class PluginOrigins:
    """The origins of the files of one plugin directory. Any thread may ask: each call is one look at one mapping."""

    def __init__(self) -> None:
        self._known: dict[str, PluginSource] = {}
        self._cells: dict[str, tuple[str, int]] = {}

    def put(self, path: Path, source: PluginSource) -> None:
        """Say where a file's text comes from."""
        self._known[str(path)] = source
        if source.display_filename != str(path):
            self._cells[source.display_filename] = (str(path), source.first_line - 1)

    def source(self, path: Path, text: str | None = None) -> PluginSource:
        """Return a file's text with its place: where it came from, or the file itself. ``text`` spares reading it.

        Raises:
            PluginPathError, PluginSourceError: the file cannot be read as text.
        """
        if text is None:
            text = read_text(path)
        origin = self._known.get(str(path))
        if origin is None or origin.text != text:
            return PluginSource(text=text, display_filename=str(path))
        show_in_tracebacks(origin)
        return origin

    def in_file(self, filename: str, line: int) -> tuple[str, int]:
        """Return the file and the line there that a line of a cell was saved as; of anything else what is given."""
        path, lines_before = self._cells.get(filename, (filename, 0))
        return path, line - lines_before

    def by_file(self, failure: RunFailure) -> RunFailure:
        """Return a failure with what it says by the plugin's file and its lines, where cells are named."""
        text, filename, line = failure.traceback_text, failure.filename, failure.line_number
        for cell, (path, lines_before) in tuple(self._cells.items()):
            if cell in text:
                text = _renamed(text, cell, path, lines_before)
            if filename == cell:
                filename, line = path, line if line is None else line - lines_before
        if (text, filename) == (failure.traceback_text, failure.filename):
            return failure
        kept = replace(failure, traceback_text=text, filename=filename, line_number=line, exception=None)
        return replace(failure, in_file=kept)


def _renamed(text: str, cell: str, path: str, lines_before: int) -> str:
    def place(found: re.Match[str]) -> str:
        return f'File "{path}", line {int(found[1]) - lines_before}'

    return re.sub(rf'File "{re.escape(cell)}", line (\d+)', place, text)


def show_in_tracebacks(source: PluginSource) -> None:
    """Let tracebacks find the lines of a text that is in no file and that nobody else registered."""
    name = source.display_filename
    if linecache.getlines(name):
        return
    lines = ["\n"] * (source.first_line - 1) + source.text.splitlines(keepends=True)
    linecache.cache[name] = (len(source.text), None, lines, name)
