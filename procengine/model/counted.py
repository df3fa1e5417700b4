"""How is a number of things said?"""

from __future__ import annotations


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """Return ``1 row`` or ``3,288 rows``."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"
