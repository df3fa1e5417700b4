"""On which line and in which column does each value of a JSON text stand?

Python's reader does not tell. The text is one that it has read, so that nothing is checked here again.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from json.decoder import scanstring  # type: ignore[attr-defined]

from procengine.model.schema_fault import Place

_SPACE = re.compile(r"[ \t\r\n]*")
_OTHER = re.compile(r"[^,\]} \t\r\n]+")


def json_places(text: str) -> dict[str, Place]:
    """Return the place of each value by its path, as ``plugins[0].name``; that of the whole is under ````."""
    scan = _Scan(text)
    scan.value("")
    return scan.places


class _Scan:
    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._at = 0
        self.places: dict[str, Place] = {}

    def value(self, path: str) -> None:
        start = self._next()
        line = bisect_right(self._starts, start)
        self.places[path] = line, start - self._starts[line - 1] + 1
        match self._text[start]:
            case "{":
                self._members(path)
            case "[":
                self._items(path)
            case '"':
                self._at = scanstring(self._text, start + 1)[1]
            case _:
                self._at = _OTHER.match(self._text, start).end()  # type: ignore[union-attr]

    def _members(self, path: str) -> None:
        self._at += 1
        while self._text[self._next()] != "}":
            key, self._at = scanstring(self._text, self._at + 1)
            self._next()
            self._at += 1
            self.value(f"{path}.{key}" if path else key)
            self._pass_comma()
        self._at += 1

    def _items(self, path: str) -> None:
        self._at += 1
        number = 0
        while self._text[self._next()] != "]":
            self.value(f"{path}[{number}]")
            number += 1
            self._pass_comma()
        self._at += 1

    def _pass_comma(self) -> None:
        if self._text[self._next()] == ",":
            self._at += 1

    def _next(self) -> int:
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
        return self._at
