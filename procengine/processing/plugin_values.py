"""Is what a plugin passed of the type that the original takes?

The original's binding converts strictly: text must be ``str`` and Unicode, a flag must be ``bool``. The texts of
the TypeErrors are the binding's.

Source: the PyO3 crate, CastError and argument extraction.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def checked_text(argument: str | None, value: object) -> str:
    """Return a value that is text.

    Raises:
        TypeError: it is not a ``str``.
        UnicodeEncodeError: it holds half of a surrogate pair.
    """
    if not isinstance(value, str):
        raise _wrong_type(argument, value, "str")
    if not value.isascii():
        value.encode()
    return value


def checked_bool(argument: str, value: object) -> bool:
    """Return a value that is a ``bool``, Python's or numpy's.

    Raises:
        TypeError: it is not.
    """
    if isinstance(value, bool):
        return value
    if isinstance(value, np.bool_):
        return bool(value)
    raise _wrong_type(argument, value, "bool")


def checked_text_mapping(argument: str | None, value: object) -> Mapping[str, str]:
    """Return a copy of a dictionary from text to text.

    Raises:
        TypeError: it is not a ``dict``, or a key or value is not a ``str``.
    """
    if not isinstance(value, dict):
        raise _wrong_type(argument, value, "dict")
    return {checked_text(argument, key): checked_text(argument, item) for key, item in value.items()}


def _wrong_type(argument: str | None, value: object, wanted: str) -> TypeError:
    where = "" if argument is None else f"argument '{argument}': "
    return TypeError(f"{where}'{type(value).__qualname__}' object cannot be cast as '{wanted}'")
