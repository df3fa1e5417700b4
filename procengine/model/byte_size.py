"""How is an amount of memory or disk written?

A number of bytes, or a number with a unit: ``200MB`` (powers of 1,000), ``200MiB`` (powers of 1,024).
"""

from __future__ import annotations

import re
from decimal import Decimal

from procengine.errors import InvalidInputError

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30

_UNITS = {
    "": 1,
    "b": 1,
    "kb": 10**3,
    "mb": 10**6,
    "gb": 10**9,
    "tb": 10**12,
    "kib": KIB,
    "mib": MIB,
    "gib": GIB,
    "tib": 1 << 40,
}
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([A-Za-z]*)")


def parse_bytes(text: str) -> int:
    """Return the bytes that a text such as ``200MB`` stands for; the unit's case does not matter.

    Raises: InvalidInputError.
    """
    match = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(match[2].lower()) if match else None
    if match is None or unit is None:
        raise InvalidInputError(
            f"cannot read {text!r} as a size; expected bytes, or a number with kB, MB, GB, TB, KiB, MiB, GiB or TiB"
        )
    return int(Decimal(match[1]) * unit)


def format_bytes(size_bytes: int) -> str:
    """Return a size as a reader wants it: ``200 MB``, ``1.5 GB``; below 1,000 bytes ``12 bytes``."""
    for power, unit in ((4, "TB"), (3, "GB"), (2, "MB"), (1, "kB")):
        if size_bytes >= 1000**power:
            amount = size_bytes / 1000**power
            return f"{amount:.0f} {unit}" if amount >= 100 else f"{amount:.3g} {unit}"
    return f"{size_bytes} bytes"
