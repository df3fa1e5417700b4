"""How do a caller's parameters reach a statement?

As values beside the text, never pasted into it. Names are without the ``$``.

Source: core/iox_query_params/src/params.rs, StatementParam: integers from 0 up are unsigned.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from procengine.errors import QueryError
from procengine.query.error_text import missing_parameter
from procengine.query.sql_tokens import TokenKind, tokenize

_BEFORE_TABLES = frozenset({"from", "join"})


def bind(parameters: Mapping[str, object] | None) -> dict[str, pa.Scalar]:
    """Return each parameter as an Arrow scalar: utf8, bool, uint64, int64, float64 or null.

    Arrow scalars are taken as they are.

    Raises:
        QueryError: a value is of another type, or an integer needs more than 64 bits.
    """
    return {name: _scalar(name, value) for name, value in (parameters or {}).items()}


def check_named(sql: str, parameters: Mapping[str, object]) -> None:
    """Raise `QueryError` if a text names a parameter that has no value.

    DataFusion says so in several ways, depending on where the parameter stands. One in a table's place is left to
    the parser, which refuses it whatever its value.
    """
    previous = ""
    for token in tokenize(sql):
        if token.kind is TokenKind.PARAMETER:
            if previous in _BEFORE_TABLES:
                return
            if token.text[1:] not in parameters:
                raise QueryError(missing_parameter(token.text))
        previous = token.text.lower()


def _scalar(name: str, value: object) -> pa.Scalar:
    match value:
        case pa.Scalar():
            return value
        case None:
            return _NULL
        case bool():
            return _single(pa.bool_(), b"\x01" if value else b"\x00")
        case int():
            return _integer(name, value)
        case float():
            return _single(pa.float64(), struct.pack("<d", value))
        case str():
            return _text(value)
    raise QueryError(
        f"cannot bind parameter {name!r}: a value of type {type(value).__name__} is not accepted; "
        "expected str, bool, int, float or None"
    )


def _integer(name: str, value: int) -> pa.Scalar:
    if 0 <= value < 1 << 64:
        return _single(pa.uint64(), struct.pack("<Q", value))
    if -(1 << 63) <= value < 0:
        return _single(pa.int64(), struct.pack("<q", value))
    raise QueryError(f"cannot bind parameter {name!r}: {value} does not fit into 64 bits")


# `pa.scalar` and `pa.array` import pandas when they first see a value; arrays made of buffers do not.


def _single(kind: pa.DataType, data: bytes) -> Any:
    return pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(data)])[0]


def _text(value: str) -> Any:
    data = value.encode()
    offsets = struct.pack("<ii", 0, len(data))
    return pa.Array.from_buffers(pa.utf8(), 1, [None, pa.py_buffer(offsets), pa.py_buffer(data)])[0]


_NULL: pa.Scalar = pa.nulls(1)[0]
