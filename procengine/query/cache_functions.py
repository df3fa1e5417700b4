"""How do last_cache and distinct_cache read their arguments, and what do they say when they cannot?

Source: influxdb3_cache/src/{last_cache,distinct_cache}/table_function.rs, TableFunctionImpl::call.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

import pyarrow as pa

from procengine.errors import QueryError
from procengine.query.error_text import planning_error


class CacheFunction(Enum):
    """The table functions that read caches; the value is the name, which SQL must write in lower case."""

    LAST = "last_cache"
    """Rows of a last-value cache."""
    DISTINCT = "distinct_cache"
    """Rows of a distinct-value cache."""

    def invalid_table(self, table: str) -> QueryError:
        """Return the error for a table that does not exist."""
        if self is CacheFunction.LAST:
            return planning_error("provided table name is invalid")
        return planning_error(f"provided table name ({table}) is invalid")

    def cache_not_found(self) -> QueryError:
        """Return the error for a cache that does not exist, or is not the only one and was not named."""
        what = "cache" if self is CacheFunction.LAST else "distinct value cache"
        return planning_error(f"could not find {what} for the given arguments")


_MENTION = re.compile(rf"\b(?:{'|'.join(function.value for function in CacheFunction)})\b")


@dataclass(frozen=True, slots=True)
class CacheCall:
    """One call of a cache function; ``name`` is None where only the table was given."""

    function: CacheFunction
    table: str
    name: str | None


def mentions_caches(sql: str) -> bool:
    """Tell whether a text can call a cache function."""
    return _MENTION.search(sql) is not None


def read_call(function: CacheFunction, arguments: Sequence[Any]) -> CacheCall:
    """Return what a call asks for; arguments are DataFusion's, parameters not yet replaced, a third one ignored.

    Raises:
        QueryError: an argument is no text literal.
    """
    table = _text(arguments[0]) if arguments else None
    if table is None:
        raise planning_error("first argument must be the table name as a string")
    name = _text(arguments[1]) if len(arguments) > 1 else None
    if name is None and len(arguments) > 1:
        raise planning_error("second argument, if passed, must be the cache name as a string")
    return CacheCall(function, table, name)


def _text(argument: Any) -> str | None:
    if argument.variant_name() != "Literal":
        return None
    value = argument.python_value()
    return value.as_py() if pa.types.is_string(value.type) else None
