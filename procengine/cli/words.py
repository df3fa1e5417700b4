"""Which words does a command line consist of?

The rules are those of a POSIX shell without expansion: quotes, backslashes, line continuations and
comments mean what they mean there, and ``$``, ``*`` and ``~`` are ordinary characters.
"""

from __future__ import annotations

from procengine.errors import InvalidInputError

_ESCAPED_IN_DOUBLE_QUOTES = '"\\$`\n'


def split_words(text: str) -> list[str]:
    """Return the words of a command line, quotes removed.

    A backslash before a line's end joins it with the next line; a plain line end separates words.

    Raises: InvalidInputError for a quote that is not closed, naming where it was opened.
    """
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
            word = [] if word is None else word
            position = _read_piece(text, position, word)
            word = word or None
    if word is not None:
        words.append("".join(word))
    return words


def _line_end(text: str, position: int) -> int:
    end = text.find("\n", position)
    return len(text) if end < 0 else end


def _read_piece(text: str, position: int, word: list[str]) -> int:
    """Add one character, escape or quoted stretch to a word; return where the next begins."""
    character = text[position]
    if character == "'":
        return _read_single_quoted(text, position, word)
    if character == '"':
        return _read_double_quoted(text, position, word)
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


def _read_double_quoted(text: str, start: int, word: list[str]) -> int:
    position = start + 1
    while position < len(text) and text[position] != '"':
        following = text[position + 1 : position + 2]
        if text[position] == "\\" and following and following in _ESCAPED_IN_DOUBLE_QUOTES:
            if following != "\n":
                word.append(following)
            position += 2
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
