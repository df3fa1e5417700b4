"""Which floats may have a text such as ``12.5`` in them, told without writing out any?

Where ``12.5`` stands in a number, the last digits before its point are 12, and the first after it 5: what remains of
the number when it is divided by 100 lies from 12.5 up to 12.6. That is arithmetic on all at once; only what passes it
is written out and looked at.
"""

from __future__ import annotations

import re

import numpy as np
import numpy.typing as npt

_DECIMAL = re.compile(r"[+-]?(?P<whole>\d{0,12})\.(?P<part>\d{0,12})")
_LEAST, _MOST = 1e-3, 1e15
"""Others may be written with an exponent."""

_SLACK = 2.0**-50
"""A float is the nearest to its text, not the same."""


def may_have_decimal(values: npt.NDArray[np.float64], text: str) -> npt.NDArray[np.int64] | None:
    """Return the places of values that may have a text in them, others cannot; None: that cannot be told.

    NaN has none.
    """
    said = _DECIMAL.fullmatch(text)
    if said is None:
        return None
    whole, part = said["whole"], said["part"]
    low = float(f"{whole or 0}.{part or 0}")
    high = low + 10.0 ** -len(part)
    size = np.abs(values)
    slack = size * _SLACK
    with np.errstate(invalid="ignore"):
        rest = np.fmod(size, 10.0 ** len(whole))
        fits = (rest >= low - slack) & (rest < high + slack)
    return np.flatnonzero(fits | (size < _LEAST) | (size >= _MOST))
