"""On which line and in which column does each value of a TOML text stand?

Python's reader does not tell. The text is one that it has read, so that nothing is checked here again.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from procengine.model.schema_fault import Place

_SPACE = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRING = re.compile(
    r'"""(?:\\.|(?!""").)*""""{0,2}|'
    r"'''(?:(?!''').)*''''{0,2}|"
    r'"(?:\\.|[^"\\\n])*"|' + r"'[^'\n]*'",
    re.DOTALL,
)
_OTHER = re.compile(r"[^,\]}#\n]+")
_DOT = re.compile(r"[ \t]*\.[ \t]*")


def toml_places(text: str) -> dict[str, Place]:
    """Return the place of each value by its path, as ``plugin.triggers[0]``; of a table, that of its head."""
    return _Scan(text).places


class _Scan:
    def __init__(self, text: str) -> None:
        self._text = text
        self._starts = [0, *(found.end() for found in re.finditer("\n", text))]
        self._at = 0
        self._lengths: dict[str, int] = {}
        self.places: dict[str, Place] = {"": (1, 1)}
        table = ""
        while self._skip() < len(text):
            if text[self._at] == "[":
                table = self._head()
            else:
                self._pair(table)

    def _head(self) -> str:
        """Read ``[a.b]`` or ``[[a.b]]``; return the path of the table that it begins."""
        start, is_array = self._at, self._text.startswith("[[", self._at)
        self._at += 2 if is_array else 1
        self._skip()
        path, keys = "", self._keys()
        for number, key in enumerate(keys):
            path = _join(path, key)
            if is_array and number == len(keys) - 1:
                self._lengths[path] = self._lengths.get(path, 0) + 1
                self._note(path, start)
            if path in self._lengths:
                path = f"{path}[{self._lengths[path] - 1}]"
            self._note(path, start)
        self._skip()
        self._at += 2 if is_array else 1
        return path

    def _pair(self, table: str) -> None:
        start = self._at
        path = table
        for key in self._keys():
            path = _join(path, key)
            self._note(path, start)
        self._at = self._text.index("=", self._at) + 1
        self._skip()
        self.places[path] = self._place(self._at)
        self._value(path)

    def _keys(self) -> list[str]:
        """Read a key, dotted or not."""
        keys = []
        while True:
            found = _BARE_KEY.match(self._text, self._at) or _STRING.match(self._text, self._at)
            assert found is not None
            keys.append(found[0].strip("\"'"))
            dot = _DOT.match(self._text, found.end())
            self._at = found.end() if dot is None else dot.end()
            if dot is None:
                return keys

    def _value(self, path: str) -> None:
        self._note(path, self._at)
        match self._text[self._at]:
            case "[":
                self._items(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                self._at = _STRING.match(self._text, self._at).end()  # type: ignore[union-attr]
            case _:
                self._at = _OTHER.match(self._text, self._at).end()  # type: ignore[union-attr]

    def _items(self, path: str) -> None:
        number = 0
        while not self._ends("]"):
            self._value(f"{path}[{number}]")
            number += 1

    def _inline_table(self, path: str) -> None:
        while not self._ends("}"):
            self._pair(path)

    def _ends(self, bracket: str) -> bool:
        """Pass a bracket or comma; tell whether what it is the end of has ended."""
        if self._text[self._at] in "[{":
            self._at += 1
        while self._text[self._skip()] == ",":
            self._at += 1
        if self._text[self._at] != bracket:
            return False
        self._at += 1
        return True

    def _skip(self) -> int:
        self._at = _SPACE.match(self._text, self._at).end()  # type: ignore[union-attr]
        return self._at

    def _note(self, path: str, at: int) -> None:
        self.places.setdefault(path, self._place(at))

    def _place(self, at: int) -> Place:
        line = bisect_right(self._starts, at)
        return line, at - self._starts[line - 1] + 1


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key
