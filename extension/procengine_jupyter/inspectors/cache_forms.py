"""What is asked for to create a cache, and which command line does the same?"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from procengine.errors import AlreadyExistsError, InvalidInputError
from procengine.model.cache_definition import (
    DEFAULT_COUNT,
    DEFAULT_MAX_AGE_SECONDS,
    DEFAULT_MAX_CARDINALITY,
    DEFAULT_TTL_SECONDS,
    CacheDefinition,
    LastCacheDefinition,
)
from procengine.model.duration import DAY, SECOND, format_duration, parse_duration
from procengine.model.names import INTERNAL_DATABASE
from procengine_jupyter.inspectors.actions import Action, Field, Said
from procengine_jupyter.render.copied_text import CopiedText

if TYPE_CHECKING:
    from procengine.engine import Engine

_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def last_cache_actions(engine: Engine, database: str | None) -> list[Action]:
    """Return the actions that create a last-value cache, or show the command line that would."""
    fields = [
        Field(name="keys", label="key columns", example="room, host; empty: the table's tags"),
        Field(name="values", label="value columns", example="temp, hum; empty: all others"),
        Field(name="count", label="rows of a key", value=str(DEFAULT_COUNT)),
        Field(name="ttl", label="time to live", value=span_text(DEFAULT_TTL_SECONDS)),
    ]
    return _create_actions(
        engine, database, fields, _last_request, lambda asked: engine.last_caches.create(**asked)
    )


def distinct_cache_actions(engine: Engine, database: str | None) -> list[Action]:
    """Return the actions that create a distinct-value cache, or show the command line that would."""
    fields = [
        Field(name="columns", label="columns", example="building, room: the levels of the tree"),
        Field(name="cardinality", label="max cardinality", value=str(DEFAULT_MAX_CARDINALITY)),
        Field(name="age", label="max age", value=span_text(DEFAULT_MAX_AGE_SECONDS)),
    ]
    return _create_actions(
        engine, database, fields, _distinct_request, lambda asked: engine.distinct_caches.create(**asked)
    )


def query_action(definition: CacheDefinition, function: str) -> Action:
    """Return the action that shows the cell which asks a cache in SQL."""
    return Action(
        name="query",
        label="query cell",
        act=lambda _said: CopiedText(
            title=definition.name, kind="cell", lines=query_cell(definition, function)
        ),
        about="shows the %%query cell that reads this cache",
    )


def query_cell(definition: CacheDefinition, function: str) -> str:
    """Return the cell which asks a cache in SQL, its columns named."""
    if isinstance(definition, LastCacheDefinition):
        columns, order = "*", "\nORDER BY time DESC"
    else:
        columns, order = ", ".join(map(_identifier, definition.columns)), ""
    called = f"{function}({_text(definition.table)}, {_text(definition.name)})"
    return f"%%query {shlex.quote(definition.database)}\nSELECT {columns}\nFROM {called}{order}"


def command_line(kind: str, asked: dict[str, Any]) -> str:
    """Return the command line that creates a cache; what is as it is by default is left out."""
    words = ["influxdb3", "create", kind, "--database", asked["database"], "--table", asked["table"]]
    for name, option in _LISTS.items():
        if asked.get(name):
            words += [option, ",".join(asked[name])]
    for name, (option, default) in _NUMBERS.items():
        if name in asked and asked[name] != default:
            number = asked[name]
            words += [option, span_text(number) if name.endswith("seconds") else str(number)]
    return shlex.join([*words, *([asked["name"]] if asked["name"] else [])])


def span_text(seconds: int) -> str:
    """Return a span as forms and command lines take it; whole days stay days where years and months do not add up."""
    text = format_duration(seconds * SECOND)
    days, rest = divmod(seconds * SECOND, DAY)
    return f"{days}days" if " " in text and not rest else text


_LISTS = {
    "key_columns": "--key-columns",
    "value_columns": "--value-columns",
    "columns": "--columns",
}
_NUMBERS = {
    "count": ("--count", DEFAULT_COUNT),
    "ttl_seconds": ("--ttl", DEFAULT_TTL_SECONDS),
    "max_cardinality": ("--max-cardinality", DEFAULT_MAX_CARDINALITY),
    "max_age_seconds": ("--max-age", DEFAULT_MAX_AGE_SECONDS),
}

Request = Callable[[Said], dict[str, Any]]


def _create_actions(
    engine: Engine,
    database: str | None,
    fields: Sequence[Field],
    request: Request,
    create: Callable[[dict[str, Any]], Any],
) -> list[Action]:
    tables = _tables(engine, database)
    if not tables:
        return []
    asked_for = [
        Field(name="table", label="table", choices=[*tables]),
        *fields,
        Field(name="name", label="name", example="empty: made of table and columns"),
    ]
    kind = "last_cache" if request is _last_request else "distinct_cache"

    def asked(said: Said) -> dict[str, Any]:
        if said["table"] not in tables:
            raise InvalidInputError(f"there is no table {said['table']!r} any more")
        in_database, table = tables[said["table"]]
        name = said["name"].strip() or None
        return {"database": in_database, "table": table, "name": name, **request(said)}

    def created(said: Said) -> str:
        try:
            return f"created cache {create(asked(said)).definition.name}"
        except AlreadyExistsError:
            raise InvalidInputError(f"{said['table']} has a cache of that name already") from None

    def told(said: Said) -> CopiedText:
        line = command_line(kind, asked(said))
        return CopiedText(title=said["table"], kind="command line", lines=line)

    return [
        Action(name="create", label="create cache…", act=created, fields=asked_for, waits=True),
        Action(name="command", label="command line…", act=told, fields=asked_for),
    ]


def _last_request(said: Said) -> dict[str, Any]:
    return {
        "key_columns": _names(said["keys"]) or None,
        "value_columns": _names(said["values"]) or None,
        "count": _number("rows of a key", said["count"]),
        "ttl_seconds": _seconds("time to live", said["ttl"]),
    }


def _distinct_request(said: Said) -> dict[str, Any]:
    return {
        "columns": _names(said["columns"]),
        "max_cardinality": _number("max cardinality", said["cardinality"]),
        "max_age_seconds": _seconds("max age", said["age"]),
    }


def _tables(engine: Engine, database: str | None) -> dict[str, tuple[str, str]]:
    """Return the tables that a cache can be of, by what they are called in a form."""
    return {
        f"{one.name}.{table.name}": (one.name, table.name)
        for one in engine.catalog.databases
        if one.name != INTERNAL_DATABASE and database in (None, one.name)
        for table in one.tables.values()
    }


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _number(what: str, text: str) -> int:
    try:
        return int(text.replace(",", "").replace("_", ""))
    except ValueError:
        raise InvalidInputError(f"{what}: {text!r} is no whole number; expected 1 or more") from None


def _seconds(what: str, text: str) -> int:
    try:
        return parse_duration(text) // SECOND
    except InvalidInputError as error:
        raise InvalidInputError(
            f"{what}: cannot parse {text!r}: {error}; expected a duration such as 1h 30m"
        ) from None


def _identifier(name: str) -> str:
    plain = _PLAIN_NAME.fullmatch(name) and name.lower() == name
    return name if plain else '"' + name.replace('"', '""') + '"'


def _text(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
