"""What can follow at the cursor in the body of a cell?

In SQL: the database's tables and columns, and behind ``$`` the notebook's variables. In a plugin: the members of
what only plugins have, `influxdb3_local` and `LineBuilder`; all other Python is left to the shell.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from procengine.model.line_builder import LineBuilder
from procengine.model.table_schema import TIME_COLUMN
from procengine_jupyter import grammar

if TYPE_CHECKING:
    from procengine.catalog import Database, TableDefinition
    from procengine_jupyter.session import Session

_PLAIN_NAME = re.compile(r"[a-z_][a-z0-9_]*")
_WORD_AT_END = re.compile(r"(\$|\"|)(\w*)$")
_TABLE_EXPECTED = re.compile(r"\b(?:FROM|JOIN|TABLE|COLUMNS\s+IN)\s+\"?\w*$", re.IGNORECASE)
_BRACKETS = r"\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\)"
_LINE_BUILDER_AT_END = re.compile(
    rf"\bLineBuilder{_BRACKETS}(?:[\s\\]*\.\w+{_BRACKETS})*[\s\\]*\.(\w*)$"
)
_LOCAL_AT_END = re.compile(r"\binfluxdb3_local\.(cache\.)?(\w*)$")
_VARIABLE_AT_END = re.compile(rf"\b(\w+)(?:\.\w+{_BRACKETS})*\.(\w*)$")
_BUILT = re.compile(r"^\s*(\w+)\s*=\s*LineBuilder\(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Candidate:
    """One thing that can follow; ``kind`` labels it in the front end's list."""

    text: str
    kind: str


def complete_body(head: str, body: str, session: Session) -> tuple[str, list[Candidate]]:
    """Return the word at the end of a cell's body, as far as it is typed, and what it can become.

    ``head`` is the line of the cell's magic, ``body`` what stands below it up to the cursor.
    """
    magic, _, rest = head.strip().partition(" ")
    if not session.is_running:
        return "", []
    if magic == "%%query":
        database = _database(rest, session)
        return ("", []) if database is None else _complete_sql(body, database, session.shell.user_ns)
    if magic == "%%plugin" and session.engine.config.plugins_enabled:
        return _complete_plugin(body)
    return "", []


def _database(rest: str, session: Session) -> Database | None:
    try:
        name = grammar.query_parser().read(rest).database
    except Exception:  # noqa: BLE001 - a line that cannot be read is told about when the cell runs
        return None
    return session.engine.catalog.find_database(name)


def _complete_sql(
    body: str, database: Database, variables: Mapping[str, object]
) -> tuple[str, list[Candidate]]:
    found = _WORD_AT_END.search(body)
    before, word = (found[1], found[2]) if found is not None else ("", "")
    if before == "$":
        names = (name for name, value in variables.items() if isinstance(value, str | int | float))
        return word, [
            Candidate(one, "variable") for one in names if _follows(one, word) and one[0] != "_"
        ]
    is_open = before == '"' and body[: len(body) - len(word)].count('"') % 2 == 1
    known = _tables(database) if _TABLE_EXPECTED.search(body) else _all_names(body, database)
    return word, [
        Candidate(_completed(one.text, is_open=is_open), one.kind)
        for one in known
        if _follows(one.text, word)
    ]


def _follows(name: str, word: str) -> bool:
    return name.startswith(word) and name != word


def _completed(name: str, *, is_open: bool) -> str:
    """Return a name as SQL writes it; ``is_open`` tells that its opening quote is there."""
    inner = name.replace('"', '""')
    if is_open:
        return f'{inner}"'
    return name if _PLAIN_NAME.fullmatch(name) else f'"{inner}"'


def _tables(database: Database) -> Iterator[Candidate]:
    return (Candidate(name, "table") for name in database.tables)


def _all_names(body: str, database: Database) -> Iterator[Candidate]:
    """Yield the columns of the tables that a statement names, of all tables where it names none; then the tables."""
    words = set(re.findall(r"\w+", body))
    named = [table for name, table in database.tables.items() if name in words]
    columns = dict.fromkeys(
        name for table in named or database.tables.values() for name in _columns(table)
    )
    yield from (Candidate(name, "column") for name in columns)
    yield from _tables(database)


def _columns(table: TableDefinition) -> Iterator[str]:
    return (column.name for column in (*table.schema.columns, TIME_COLUMN))


def _complete_plugin(body: str) -> tuple[str, list[Candidate]]:
    from procengine.processing.local_api import PyPluginCallApi
    from procengine.processing.py_cache import PyCache

    local = _LOCAL_AT_END.search(body)
    if local is not None:
        return local[2], _members(PyCache if local[1] else PyPluginCallApi, local[2])
    built = _LINE_BUILDER_AT_END.search(body)
    if built is not None:
        return built[1], _members(LineBuilder, built[1])
    variable = _VARIABLE_AT_END.search(body)
    if variable is not None and variable[1] in _BUILT.findall(body):
        return variable[2], _members(LineBuilder, variable[2])
    return "", []


def _members(kind: type, word: str) -> list[Candidate]:
    names = (name for name in dir(kind) if not name.startswith("_"))
    return [
        Candidate(name, "function" if callable(getattr(kind, name)) else "instance")
        for name in names
        if _follows(name, word)
    ]
