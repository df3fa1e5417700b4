"""What may have been meant by SQL that names what there is not?

The engine's texts are the original's, also over HTTP. In a notebook a second line tells what there is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final

from procengine.errors import DatabaseNotFoundError, ProcengineError
from procengine.model.names import INTERNAL_DATABASE
from procengine.model.near_names import did_you_mean
from procengine_jupyter.render.phrases import listed

if TYPE_CHECKING:
    from procengine.engine import Engine

MOST_NAMES: Final = 12
"""How many names a hint lists."""

_NO_TABLE = re.compile(r"table '(?:[^'.]+\.)?(?P<schema>[^'.]+)\.(?P<table>[^']+)' not found")
_NO_FIELD = re.compile(r"No field named (?:\w+\.)?\"?(?P<name>[^\".]+)\"?")
_CACHE_CALL = re.compile(
    r"(?P<kind>last|distinct)_cache\s*\(\s*'(?P<table>[^']*)'(?:\s*,\s*'(?P<cache>[^']*)')?",
    re.IGNORECASE,
)
_BAD_CACHE_CALL = re.compile(
    r"provided table name is invalid|could not find (?:\w+ )*cache for the given arguments"
)
_OTHER_FUNCTIONS: Final = {
    "first": "first_value(column ORDER BY time), or selector_first(column, time)",
    "last": "last_value(column ORDER BY time), or selector_last(column, time)",
    "mean": "avg(column)",
}
"""What functions of InfluxQL are called in SQL."""
_NO_FUNCTION = re.compile(r"Invalid function '(?P<name>\w+)'")


def query_hint(engine: Engine, database: str, sql: str, error: ProcengineError) -> str:
    """Return what an error of a query may come from, and which names there are; empty when that is not known."""
    text = str(error)
    if isinstance(error, DatabaseNotFoundError):
        known = [each.name for each in engine.catalog.databases if each.name != INTERNAL_DATABASE]
        return names_hint(error.database, known, "databases")
    if (found := _NO_TABLE.search(text)) is not None:
        return _table_hint(engine, database, found["schema"], found["table"])
    if _BAD_CACHE_CALL.search(text) is not None:
        return _cache_hint(engine, database, sql)
    if (found := _NO_FIELD.search(text)) is not None:
        return _quotes_hint(sql, found["name"])
    if (found := _NO_FUNCTION.search(text)) is not None and found["name"] in _OTHER_FUNCTIONS:
        return f"in SQL: {_OTHER_FUNCTIONS[found['name']]}"
    return ""


def names_hint(name: str, known: Iterable[str], what: str) -> str:
    """Return a question for the near name, if there is one, and the names that there are."""
    names = sorted(known)
    told = f"{what}: {listed(names, most=MOST_NAMES)}" if names else f"there are no {what}"
    question = did_you_mean(name, names)
    return f"{question} {told}" if question else told


def _table_hint(engine: Engine, database: str, schema: str, table: str) -> str:
    if schema == "system":
        rows = engine.query(
            "SELECT table_name FROM information_schema.tables WHERE table_schema = 'system'", database
        )
        return names_hint(table, rows.column(0).to_pylist(), "tables of system")
    return names_hint(table, engine.catalog.database(database).tables, f"tables of {database}")


def _cache_hint(engine: Engine, database: str, sql: str) -> str:
    tables = engine.catalog.database(database).tables
    for call in _CACHE_CALL.finditer(sql):
        if call["table"] not in tables:
            return names_hint(call["table"], tables, f"tables of {database}")
        kind = call["kind"].lower()
        table = tables[call["table"]]
        names = table.last_caches if kind == "last" else table.distinct_caches
        return names_hint(call["cache"] or "", names, f"{kind} caches of {call['table']}")
    return ""


def _quotes_hint(sql: str, name: str) -> str:
    """Return the cure for text in double quotes, where a value stands: behind a comparison."""
    compared = rf"""(?:=|<>|!=|<|>|\bLIKE|\bIN\s*\(|,)\s*"{re.escape(name)}\""""
    if re.search(compared, sql, re.IGNORECASE) is None:
        return ""
    return f"text stands in single quotes: '{name}'; double quotes are for names of columns and tables"
