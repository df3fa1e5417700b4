"""Which of the names that there are was meant?"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


def near_name(name: str, names: Iterable[str]) -> str | None:
    """Return the name that is near to a mistyped one, or None."""
    near = get_close_matches(name, list(names), n=1)
    return near[0] if near else None


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Return the question in words, or nothing when no name is near."""
    near = near_name(name, names)
    return f"did you mean {near}?" if near is not None else ""
