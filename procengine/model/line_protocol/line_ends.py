"""Where does a line of line protocol end, and what is the text of the line at a number?

A newline inside a quoted field string, or after a backslash, does not end the line. What counts as
quoted is decided as the original decides it: by counting equals signs and commas since the first
space, before the line is parsed. So ``m a,b="x`` opens no quote here, because of the comma in its key.

A comment ends at its newline, whatever stands in it.

Source: core/influxdb_line_protocol/src/lib.rs, split_lines and trim_leading.
Differs: in the original a quote or a backslash in a comment can swallow the lines that follow.
"""

from __future__ import annotations

import re

import numpy as np

_MARKS = re.compile(r'\\.?|[ =,"\n]', re.DOTALL)
_LEADING = re.compile(r"[ \t]*(#)?")
_FIRST_WINDOW_BYTES = 65_536


def line_end(text: str, start: int) -> int:
    """Return the offset of the newline that ends the line at an offset, or the text's length."""
    leading = _LEADING.match(text, start)
    if leading is not None and leading[1]:
        newline = text.find("\n", start)
        return len(text) if newline < 0 else newline
    quoted = fields = False
    excess = 0  # equals signs less commas, outside quotes, since the first space
    for mark in _MARKS.finditer(text, start):
        match mark.group():
            case " ":
                fields = True
            case "\n":
                if not quoted:
                    return mark.start()
            case '"':
                if fields and excess > 0:
                    quoted = not quoted
            case "=":
                excess += fields and not quoted
            case ",":
                excess -= fields and not quoted
    return len(text)


class OriginalLines:
    """The text of each line of a body, found when asked for; safe to call from any thread.

    Bytes that are not UTF-8 show as U+FFFD.
    """

    __slots__ = ("_data", "_newlines")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._newlines: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None

    def __call__(self, line_number: int) -> str:
        """Return the line that starts at a physical line, counted from 1, without its newline."""
        if self._newlines is None:
            self._newlines = np.flatnonzero(np.frombuffer(self._data, np.uint8) == ord("\n"))
        if not 1 <= line_number <= len(self._newlines) + 1:
            raise IndexError(f"the body has no line {line_number}")
        start = int(self._newlines[line_number - 2]) + 1 if line_number > 1 else 0
        return self._data[start : self._end(start)].decode("utf-8", "replace")

    def _end(self, start: int) -> int:
        """Look for the line's end in windows that double, so that one line never decodes the body."""
        window = _FIRST_WINDOW_BYTES
        while True:
            text = self._data[start : start + window].decode("latin-1")
            end = line_end(text, 0)
            if end < len(text) or start + window >= len(self._data):
                return start + end
            window *= 2
