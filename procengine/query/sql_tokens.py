"""What are the words of an SQL text, and where do they stand?

Enough of DataFusion's lexer to change some calls of a statement and leave every other character alone: strings,
quoted names, comments, parameters, numbers, words and symbols. Whoever finds a mistake in the text is DataFusion.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

_LEXER = re.compile(
    r"""
      (?P<space>     \s+ | --[^\n]* | /\*.*?(?:\*/|\Z) )
    | (?P<string>    [eE]'(?:[^'\\]|\\.|'')*(?:'|\Z) | [nNbBxXrRuU]?&?'(?:[^']|'')*(?:'|\Z)
                   | \$(?P<tag>\w*)\$.*?(?:\$(?P=tag)\$|\Z) )
    | (?P<parameter> \$\w+ )
    | (?P<quoted>    "(?:[^"]|"")*(?:"|\Z) | `(?:[^`]|``)*(?:`|\Z) )
    | (?P<number>    (?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)? )
    | (?P<word>      [^\W\d]\w* )
    | (?P<symbol>    ::|<=|>=|<>|!=|\|\||. )
    """,
    re.VERBOSE | re.DOTALL,
)


class TokenKind(Enum):
    """What a token is."""

    WORD = auto()
    """A keyword or an unquoted name."""
    QUOTED = auto()
    """A name in double quotes or backquotes."""
    STRING = auto()
    """A text in single quotes or between dollar signs."""
    NUMBER = auto()
    """A number without sign."""
    PARAMETER = auto()
    """``$name``."""
    SYMBOL = auto()
    """Anything else: one character, or one operator."""


@dataclass(frozen=True, slots=True)
class Token:
    """One word of a text; ``depth`` counts the brackets around it, its own left out."""

    kind: TokenKind
    text: str
    start: int
    end: int
    depth: int

    @property
    def upper(self) -> str:
        """The text in capitals when it is a word, else as it is: what keywords are compared with."""
        return self.text.upper() if self.kind is TokenKind.WORD else self.text

    @property
    def name(self) -> str | None:
        """What a name means: a word in lower case, a quoted name as it is; None for all else."""
        if self.kind is TokenKind.WORD:
            return self.text.lower()
        if self.kind is TokenKind.QUOTED:
            quote = self.text[0]
            return self.text[1:-1].replace(quote * 2, quote)
        return None

    @property
    def normal(self) -> str:
        """What two tokens share that mean the same."""
        name = self.name
        return self.text if name is None else f'"{name}"'


def tokenize(sql: str) -> list[Token]:
    """Return the tokens of a text, space and comments left out."""
    tokens = []
    depth = 0
    for found in _LEXER.finditer(sql):
        group = found.lastgroup if found.lastgroup != "tag" else "string"
        if group == "space" or group is None:
            continue
        text = found[group]
        if text in (")", "]", "}"):
            depth = max(depth - 1, 0)
        tokens.append(Token(TokenKind[group.upper()], text, found.start(), found.end(), depth))
        if text in ("(", "[", "{"):
            depth += 1
    return tokens


def normal_text(tokens: Sequence[Token]) -> tuple[str, ...]:
    """Return a sequence of tokens as what two spellings of one expression share."""
    return tuple(token.normal for token in tokens)


def quote_name(name: str) -> str:
    """Return a name as a quoted identifier."""
    return '"' + name.replace('"', '""') + '"'


def quote_text(text: str) -> str:
    """Return a text as a string literal."""
    return "'" + text.replace("'", "''") + "'"
