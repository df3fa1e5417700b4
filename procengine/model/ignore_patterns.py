"""Which files do patterns of `.gitignore` leave out?

A file's own matches count before those of the folders above it, and the last pattern that matches decides: ``!`` in
front of one takes a file in again.

Source: ignore 0.4 (crate), gitignore.rs, Gitignore::matched_path_or_any_parents; globset 0.4, glob.rs; which
influxdb3-plugin-sdk/src/plugin_source_files.rs chooses files by.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath

from procengine.errors import InvalidInputError

_ANY_FOLDERS = "(?:/?|.*/)"


class PatternError(InvalidInputError):
    """A pattern cannot be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pattern:
    """One pattern; ``takes_in``: what it matches is not left out."""

    regex: re.Pattern[str]
    takes_in: bool
    folders_only: bool


class IgnorePatterns:
    """Some patterns, relative to one folder, in their order.

    Raises: PatternError: one cannot be read.
    """

    def __init__(self, patterns: Iterable[str]) -> None:
        found = (_parse(one) for one in patterns)
        self._patterns = tuple(one for one in found if one is not None)[::-1]

    def leave_out(self, path: str) -> bool:
        """Tell whether a file, by its path with slashes, is left out."""
        steps = [path, *("" if str(one) == "." else str(one) for one in PurePosixPath(path).parents)]
        for number, step in enumerate(steps):
            for pattern in self._patterns:
                if (number > 0 or not pattern.folders_only) and pattern.regex.fullmatch(step):
                    return not pattern.takes_in
        return False


def _parse(line: str) -> _Pattern | None:
    """Return the pattern that a line is; None for a comment and for an empty line."""
    text = line if line.endswith("\\ ") else line.rstrip()
    if not text or line.startswith("#"):
        return None
    takes_in = text.startswith("!")
    is_anchored = False
    if text.startswith(("\\!", "\\#")):
        text = text[1:]
        is_anchored = text.startswith("/")
    else:
        text = text[1:] if takes_in else text
        is_anchored = text.startswith("/")
        text = text[1:] if is_anchored else text
    folders_only = text.endswith("/")
    if folders_only:
        text = text[:-1]
        text = text[:-1] if text.endswith("\\") else text
    if not is_anchored and "/" not in text and not text.startswith("**/"):
        text = f"**/{text}"
    if text.endswith("/**"):
        text += "/*"
    regex = re.compile(_Glob(text, line).regex(), re.DOTALL)
    return _Pattern(regex=regex, takes_in=takes_in, folders_only=folders_only)


class _Glob:
    """Translates one glob: ``*`` and ``?`` stay within a name, ``**`` as a whole name does not."""

    def __init__(self, text: str, said: str) -> None:
        self._text = text
        self._said = said
        self._at = 0
        self._pieces: list[str] = []
        self._depth = 0

    def regex(self) -> str:
        while self._at < len(self._text):
            self._piece()
        if self._depth:
            raise self._wrong("unclosed alternate group; missing '}' (maybe escape '{' with '[{]'?)")
        return ".*" if self._pieces == [_ANY_FOLDERS] else "".join(self._pieces)

    def _piece(self) -> None:
        sign = self._text[self._at]
        self._at += 1
        match sign:
            case "*":
                self._star()
            case "?":
                self._pieces.append("[^/]")
            case "[":
                self._class()
            case "{":
                self._depth += 1
                self._pieces.append("(?:")
            case "}":
                if not self._depth:
                    raise self._wrong(
                        "unopened alternate group; missing '{' (maybe escape '}' with '[}]'?)"
                    )
                self._depth -= 1
                self._pieces.append(")")
            case "," if self._depth:
                self._pieces.append("|")
            case "\\":
                if self._at == len(self._text):
                    raise self._wrong("dangling '\\'")
                self._pieces.append(re.escape(self._text[self._at]))
                self._at += 1
            case _:
                self._pieces.append(re.escape(sign))

    def _star(self) -> None:
        """Translate ``*``, or ``**`` where it is a whole name."""
        start = self._at - 1
        if self._text[self._at : self._at + 1] != "*":
            self._pieces.append("[^/]*")
            return
        self._at += 1
        before, after = self._text[max(start - 1, 0) : start], self._text[self._at : self._at + 1]
        begins = not before or before == "/" or (self._depth > 0 and before in ",{")
        ends = not after or after == "/" or (self._depth > 0 and after in ",}")
        if not begins or not ends:
            self._pieces.append("[^/]*")
        elif not before:
            self._at += len(after)
            self._pieces.append(_ANY_FOLDERS)
        elif self._pieces[-1] == _ANY_FOLDERS:
            self._at += len(after)
        elif before == "/":
            self._pieces.pop()
            self._at += len(after) if after == "/" else 0
            self._pieces.append("(?:/|/.*/)" if after == "/" else "/.*")
        else:
            self._at += after == "/"
            self._pieces.append(_ANY_FOLDERS if after == "/" else ".*")

    def _class(self) -> None:
        """Translate ``[a-z]`` or ``[!a-z]``; a ``]`` that comes first is a character.

        A class without an end is no class.
        """
        start = self._at
        negated = self._text[self._at : self._at + 1] in ("!", "^") and self._at < len(self._text)
        self._at += negated
        end = self._text.find("]", self._at + 1)
        if end < 0:
            self._at = start
            self._pieces.append(re.escape("["))
            return
        inner, self._at = self._text[self._at : end], end + 1
        parts, at = [], 0
        while at < len(inner):
            if inner[at + 1 : at + 2] == "-" and at + 2 < len(inner):
                low, high = inner[at], inner[at + 2]
                if low > high:
                    raise self._wrong(f"invalid range; '{low}' > '{high}'")
                parts.append(f"{re.escape(low)}-{re.escape(high)}")
                at += 3
            else:
                parts.append(re.escape(inner[at]))
                at += 1
        self._pieces.append(f"[{'^' if negated else ''}{''.join(parts)}]")

    def _wrong(self, why: str) -> PatternError:
        return PatternError(f"invalid exclude pattern {self._said!r}: {why}")
