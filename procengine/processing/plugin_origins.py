"""Where did the text of a plugin's file come from?

From a notebook's cell, which tracebacks then name, for as long as the file holds just that text.
"""

from __future__ import annotations

import linecache
from pathlib import Path

from procengine.processing.plugin_source import PluginSource, read_text


class PluginOrigins:
    """The origins of the files of one plugin directory. Any thread may ask: each call is one look at one mapping."""

    def __init__(self) -> None:
        self._known: dict[str, PluginSource] = {}

    def put(self, path: Path, source: PluginSource) -> None:
        """Say where a file's text comes from."""
        self._known[str(path)] = source

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


def show_in_tracebacks(source: PluginSource) -> None:
    """Let tracebacks find the lines of a text that is in no file and that nobody else registered."""
    name = source.display_filename
    if linecache.getlines(name):
        return
    lines = ["\n"] * (source.first_line - 1) + source.text.splitlines(keepends=True)
    linecache.cache[name] = (len(source.text), None, lines, name)
