"""What does a statement take for the present?

The engine's clock, once for the whole statement: its plannings must agree, and a replay has a time of its own.
The functions of the present become parameters, so that a text stays the same from run to run.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

CLOCK_FUNCTIONS = {
    "now": "CAST($procengine_now AS TIMESTAMP)",
    "current_timestamp": "CAST($procengine_now AS TIMESTAMP)",
    "today": "CAST($procengine_today AS DATE)",
    "current_date": "CAST($procengine_today AS DATE)",
    "current_time": "CAST($procengine_time AS TIME)",
}
"""Functions of the present, and the SQL that stands for them."""

CLOCK_WORDS = frozenset({"current_timestamp", "current_date", "current_time"})
"""Those that are written without brackets as well."""

_DAY_NS = 24 * 3600 * 1_000_000_000


def with_clock(
    parameters: Mapping[str, pa.Scalar], now_ns: int, replaced: str
) -> Mapping[str, pa.Scalar]:
    """Return a statement's parameters with those of the present, where its text wants them.

    ``replaced`` is the text in which `CLOCK_FUNCTIONS` are replaced.
    """
    if "$procengine_" not in replaced:
        return parameters
    return {**parameters, **clock_parameters(now_ns)}


def clock_parameters(now_ns: int) -> dict[str, pa.Scalar]:
    """Return the parameters of the present: ``timestamp[ns]``, ``date32`` and ``time64[ns]``."""
    return {
        "procengine_now": _scalar(pa.timestamp("ns"), "<q", now_ns),
        "procengine_today": _scalar(pa.date32(), "<i", now_ns // _DAY_NS),
        "procengine_time": _scalar(pa.time64("ns"), "<q", now_ns % _DAY_NS),
    }


def _scalar(kind: pa.DataType, layout: str, value: int) -> Any:
    # `pa.scalar` would import pandas; these are made for every statement, and few want them.
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(struct.pack(layout, value))])[0]
