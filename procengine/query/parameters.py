"""How do a caller's parameters reach a statement?

As values beside the text, never pasted into it. Names are without the ``$``.

Source: core/iox_query_params/src/params.rs, StatementParam: integers from 0 up are unsigned.
"""

from __future__ import annotations

from collections.abc import Mapping

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
            return pa.scalar(None)
        case bool():
            return pa.scalar(value, pa.bool_())
        case int():
            return _integer(name, value)
        case float():
            return pa.scalar(value, pa.float64())
        case str():
            return _text(name, value)
    raise QueryError(
        f"cannot bind parameter {name!r}: a value of type {type(value).__name__} is not accepted; "
        "expected str, bool, int, float or None"
    )


def _integer(name: str, value: int) -> pa.Scalar:
    if 0 <= value < 1 << 64:
        return pa.scalar(value, pa.uint64())
    if -(1 << 63) <= value < 0:
        return pa.scalar(value, pa.int64())
    raise QueryError(f"cannot bind parameter {name!r}: {value} does not fit into 64 bits")


def _text(name: str, value: str) -> pa.Scalar:
    try:
        return pa.scalar(value, pa.utf8())
    except UnicodeEncodeError as failure:
        raise QueryError(f"cannot bind parameter {name!r}: {value!r} is not Unicode text") from failure
