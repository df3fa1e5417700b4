"""Which words does a command line consist of?

The rules are those of a POSIX shell: quotes, backslashes, line continuations and comments mean what they mean there.
Of its expansions there is that of variables, outside single quotes and where a variable is set: ``$room`` of SQL
parameters stays as it is, as do ``*`` and ``~``. A variable's value is never split.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from procengine.errors import InvalidInputError

_ESCAPED_IN_DOUBLE_QUOTES = '"\\$`\n'
_VARIABLE = re.compile(r"\$(?:([A-Za-z_][A-Za-z0-9_]*)|\{([A-Za-z_][A-Za-z0-9_]*)\})")


def split_words(text: str, variables: Mapping[str, str] | None = None) -> list[str]:
    """Return the words of a command line, quotes removed, ``$NAME`` and ``${NAME}`` replaced where they are set.

    A backslash before a line's end joins it with the next line; a plain line end separates words.

    Raises: InvalidInputError for a quote that is not closed, naming where it was opened.
    """
    known = variables or {}
    words: list[str] = []
    word: list[str] | None = None
    position = 0
    while position < len(text):
        character = text[position]
        if character in " \t\r\n":
            if word is not None:
                words.append("".join(word))
                word = None
            position += 1
        elif character == "#" and word is None:
            position = _line_end(text, position)
        else:
            begun = word is not None or character in "'\""
            word = [] if word is None else word
            position = _read_piece(text, position, word, known)
            word = (
                word if word or begun else None
            )  # quotes make an empty word, a joined line end makes none
    if word is not None:
        words.append("".join(word))
    return words


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _read_piece(text: str, position: int, word: list[str], variables: Mapping[str, str]) -> int:
    """Add one character, escape or quoted stretch to a word; return where the next begins."""
    character = text[position]
    if character == "'":
        return _read_single_quoted(text, position, word)
    if character == '"':
        return _read_double_quoted(text, position, word, variables)
    if character == "$":
        return _read_variable(text, position, word, variables)
    if character == "\\":
        if text[position + 1 : position + 2] not in {"", "\n"}:
            word.append(text[position + 1])
        return position + 2
    word.append(character)
    return position + 1


def _read_single_quoted(text: str, start: int, word: list[str]) -> int:
    end = text.find("'", start + 1)
    if end < 0:
        raise _unclosed(text, start)
    word.append(text[start + 1 : end])
    return end + 1


def _read_variable(text: str, start: int, word: list[str], variables: Mapping[str, str]) -> int:
    """Add a variable's value to a word, or the ``$`` alone where none that is set follows."""
    found = _VARIABLE.match(text, start)
    value = None if found is None else variables.get(found[1] or found[2])
    if found is None or value is None:
        word.append("$")
        return start + 1
    word.append(value)
    return found.end()


def _read_double_quoted(text: str, start: int, word: list[str], variables: Mapping[str, str]) -> int:
    position = start + 1
    while position < len(text) and text[position] != '"':
        following = text[position + 1 : position + 2]
        if text[position] == "\\" and following and following in _ESCAPED_IN_DOUBLE_QUOTES:
            if following != "\n":
                word.append(following)
            position += 2
        elif text[position] == "$":
            position = _read_variable(text, position, word, variables)
        else:
            word.append(text[position])
            position += 1
    if position >= len(text):
        raise _unclosed(text, start)
    return position + 1


def _unclosed(text: str, start: int) -> InvalidInputError:
    line = text.count("\n", 0, start) + 1
    column = start - text.rfind("\n", 0, start)
    return InvalidInputError(
        f"cannot split the command line: the quote {text[start]} opened at line {line}, "
        f"column {column} is not closed"
    )
