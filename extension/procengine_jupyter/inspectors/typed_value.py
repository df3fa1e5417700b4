"""Which value does a text stand for, and which text stands for a value?

What a reader types into a form becomes a value without any code being run: a Python literal, or else JSON.
"""

from __future__ import annotations

import ast
import json
from pprint import pformat
from typing import Any

from procengine.clock import NANOSECONDS_PER_SECOND
from procengine.errors import InvalidInputError
from procengine.model.duration import parse_duration

MOST_PARTS = 2_000
"""A value of more parts is not offered for editing: a form is no place for it."""

LONGEST_TEXT = 50_000

KEEP, NEVER = "keep", "never"

_PLAIN = (str, bytes, int, float, complex, bool, type(None))
_REFUSED = (ValueError, SyntaxError, TypeError, MemoryError, RecursionError)


def typed_value(text: str) -> Any:
    """Return the value that a Python literal or a JSON text stands for.

    Raises: InvalidInputError when it is neither.
    """
    if not text.strip():
        raise InvalidInputError(
            "there is no value; expected a Python literal such as {'rooms': [1, 2]}, or JSON"
        )
    try:
        return ast.literal_eval(text.strip())
    except _REFUSED as error:
        reason = _reason(error)
    try:
        return json.loads(text)
    except _REFUSED:
        raise InvalidInputError(
            f"the value is neither a Python literal nor JSON: {reason}; a text needs quotes"
        ) from None


def literal_text(value: Any) -> str | None:
    """Return a text that `typed_value` makes the very value of; None where there is none, or a very long one.

    It may be called while a plugin changes the value: there is no text then.
    """
    try:
        if not _is_literal(value, [MOST_PARTS], 0):
            return None
        text = pformat(value, width=72, sort_dicts=False)
        if len(text) > LONGEST_TEXT or ast.literal_eval(text) != value:
            return None
    except (RuntimeError, *_REFUSED):  # changed meanwhile, or nan, inf and the like within
        return None
    return text


def typed_time_to_live(text: str) -> float | None:
    """Return the seconds that a text stands for, None for ``never``.

    Raises: InvalidInputError when it is no duration.
    """
    said = text.strip()
    if said == NEVER:
        return None
    try:
        return float(said) if _is_number(said) else parse_duration(said) / NANOSECONDS_PER_SECOND
    except InvalidInputError as error:
        raise InvalidInputError(
            f"cannot parse time to live {text!r}: {error}; expected seconds, a duration such as '1h 30m', or never"
        ) from None


def kind_of(value: Any) -> str:
    """Return the type of a typed value, and how many parts it has: ``dict of 3``."""
    name = type(value).__name__
    return f"{name} of {len(value):,}" if isinstance(value, dict | list | tuple | set) else name


def _is_literal(value: Any, parts: list[int], depth: int) -> bool:
    """Tell whether a value is made of what literals make, counting its parts down."""
    parts[0] -= 1
    if parts[0] < 0 or depth > 50:
        return False
    kind = type(value)
    if kind in {str, bytes}:
        return len(value) <= LONGEST_TEXT
    if kind in _PLAIN:
        return True
    if kind is dict:
        return all(
            _is_literal(key, parts, depth + 1) and _is_literal(one, parts, depth + 1)
            for key, one in value.items()
        )
    return kind in {list, tuple, set} and all(_is_literal(one, parts, depth + 1) for one in value)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _reason(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.lineno is not None:
        return f"{error.msg} (line {error.lineno}, column {error.offset})"
    return (str(error).partition(" on line ")[0] or type(error).__name__).partition(": <ast")[0]
