"""What does a plugin consist of, when it goes to a server?

Its files, the triggers that run it, the caches that it reads, the tables of both with their columns, and the packages
that it imports; and a few rows to try it with. Taken from an engine at one moment; values from then on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from procengine.deploy.plugin_files import Local as Plugins
from procengine.deploy.plugin_files import PluginFiles, plugin_files
from procengine.errors import InvalidInputError, ProcengineError
from procengine.model.cache_definition import CacheDefinition
from procengine.model.column import TIME, ColumnType
from procengine.model.line_builder import LineBuilder
from procengine.model.manifest import Manifest
from procengine.model.plugin_address import GH
from procengine.model.portability import Note, portability_notes
from procengine.model.table_schema import TableSchema
from procengine.model.trigger import ErrorBehavior, Trigger
from procengine.model.trigger_spec import parse_trigger_spec

if TYPE_CHECKING:
    import pyarrow as pa

    from procengine.catalog.definitions import Database

Place = tuple[str, str]
"""A database's name, and that of a table or trigger in it."""

SAMPLE_ROWS = 5
"""How many of a table's newest rows a write plugin is tried with."""

_CACHE_CALL = re.compile(r"""(?:last|distinct)_cache\(\s*\\?['"](?P<table>[^'"\\]+)\\?['"]""")


class Local(Plugins, Protocol):
    """What a bundle is taken from: an `Engine`, or a data folder whose engine is stopped."""

    def query(self, sql: str, database: str) -> pa.Table:
        """Return the rows of a statement; a `ProcengineError` where there are none to be had."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A plugin with all that goes to a server with it.

    ``filename`` is what triggers there call it; ``files`` are texts by path relative to the plugin directory.
    ``samples`` are lines of line protocol for the dry run of a write trigger, where there are rows. ``notes`` are the
    doctor's, by file. ``unsent``, ``manifest`` and ``remarks`` are as in `PluginFiles`.
    """

    filename: str
    is_directory: bool
    files: Mapping[str, str]
    triggers: tuple[Trigger, ...]
    caches: tuple[CacheDefinition, ...]
    tables: Mapping[Place, TableSchema]
    packages: tuple[str, ...]
    samples: Mapping[Place, str]
    notes: Mapping[str, tuple[Note, ...]]
    unsent: tuple[str, ...] = ()
    manifest: Manifest | None = None
    remarks: tuple[str, ...] = ()

    @property
    def is_fetched_there(self) -> bool:
        """Whether the server takes the plugin from a repository by itself."""
        return self.filename.startswith(GH)

    @property
    def databases(self) -> tuple[str, ...]:
        """The databases of its triggers and tables, each once."""
        return tuple(dict.fromkeys(one.database for one in self.triggers))

    def on_nodes(self, spec: str) -> Bundle:
        """Return the bundle with all triggers and caches on other nodes."""
        return replace(
            self,
            triggers=tuple(replace(one, node_spec=spec) for one in self.triggers),
            caches=tuple(replace(one, node_spec=spec) for one in self.caches),
        )


def bundle_of(local: Local, name: str, *, packages: Sequence[str] = ()) -> Bundle:
    """Return what belongs to a plugin of an engine; ``name`` is as for `plugin_files`.

    A cache belongs to it when its table is one that a trigger of the plugin watches, or that the text names in
    ``last_cache('...')`` or ``distinct_cache('...')``, in the database of a trigger.

    Raises:
        NotFoundError: there is no such plugin.
        InvalidInputError: no trigger uses it.
        PluginSourceError: a file cannot be read as text.
    """
    plugin = plugin_files(local, name)
    triggers = _users(local, plugin)
    names = dict.fromkeys(one.database for one in triggers)
    databases = {name: local.catalog.database(name) for name in names}
    caches = tuple(_caches(databases, triggers, plugin.texts))
    tables = {(one.database, one.table) for one in caches}
    tables |= {place for one in triggers for place in _watched(one)}
    return Bundle(
        filename=plugin.filename,
        is_directory=plugin.is_directory,
        files=plugin.sent,
        triggers=triggers,
        caches=caches,
        tables={
            (database, table): databases[database].tables[table].schema
            for database, table in sorted(tables)
            if table in databases[database].tables
        },
        packages=tuple(dict.fromkeys((*packages, *plugin.packages))),
        samples=dict(_samples(local, databases, triggers)),
        notes={
            name: _notes(text, triggers, is_file=not plugin.is_directory)
            for name, text in plugin.texts.items()
        },
        unsent=plugin.unsent,
        manifest=plugin.manifest,
        remarks=plugin.remarks,
    )


def _users(local: Local, plugin: PluginFiles) -> tuple[Trigger, ...]:
    """Return the triggers that run a plugin, as the server is to have them.

    Raises: InvalidInputError: there are none.
    """
    users = (
        replace(one, plugin_filename=plugin.filename)
        for database in local.catalog.databases
        for one in database.triggers.values()
        if one.plugin_filename.rstrip("/") == plugin.name
    )
    found = tuple(sorted(users, key=lambda one: (one.database, one.name)))
    if not found:
        raise InvalidInputError(
            f"no trigger uses {plugin.name!r}, so a server would never run it; make one here first, with the "
            "specification, arguments and error behavior that it is to have there"
        )
    return found


def _caches(
    databases: Mapping[str, Database], triggers: Sequence[Trigger], files: Mapping[str, str]
) -> Iterator[CacheDefinition]:
    named = {found["table"] for text in files.values() for found in _CACHE_CALL.finditer(text)}
    watched = {place for one in triggers for place in _watched(one)}
    for database in databases.values():
        for table in database.tables.values():
            if table.name in named or (database.name, table.name) in watched:
                yield from table.last_caches.values()
                yield from table.distinct_caches.values()


def _watched(trigger: Trigger) -> list[Place]:
    table = getattr(parse_trigger_spec(trigger.spec), "table", None)
    return [] if table is None else [(trigger.database, table)]


def _samples(
    local: Local, databases: Mapping[str, Database], triggers: Sequence[Trigger]
) -> Iterator[tuple[Place, str]]:
    for trigger in triggers:
        tables = [table for _, table in _watched(trigger)]
        if trigger.spec.strip() == "all_tables":
            tables = list(databases[trigger.database].tables)
        for table in tables:
            found = databases[trigger.database].tables.get(table)
            lines = "" if found is None else _newest(local, trigger.database, table, found.schema)
            if lines:
                yield (trigger.database, trigger.name), lines
                break


def _newest(local: Local, database: str, table: str, schema: TableSchema) -> str:
    quoted = table.replace('"', '""')
    try:
        found = local.query(f'SELECT * FROM "{quoted}" ORDER BY time DESC LIMIT {SAMPLE_ROWS}', database)
    except ProcengineError:
        return ""
    times = [None if each is None else each.value for each in found[TIME]] if found.num_rows else []
    rows = found.drop_columns([TIME]).to_pylist()
    return "\n".join(
        _line(table, row, time_ns, schema) for row, time_ns in zip(rows, times, strict=True) if time_ns
    )


def _line(table: str, row: Mapping[str, Any], time_ns: int, schema: TableSchema) -> str:
    line = LineBuilder(table)
    for column in schema.columns:
        value = row[column.name]
        if value is None or (column.type is ColumnType.TAG and not value):
            continue
        match column.type:
            case ColumnType.TAG:
                line.tag(column.name, value)
            case ColumnType.STRING:
                line.string_field(column.name, value)
            case ColumnType.INTEGER:
                line.int64_field(column.name, value)
            case ColumnType.UINTEGER:
                line.uint64_field(column.name, value)
            case ColumnType.FLOAT:
                line.float64_field(column.name, value)
            case ColumnType.BOOLEAN:
                line.bool_field(column.name, value)
    return line.time_ns(time_ns).build()


def _notes(text: str, triggers: Sequence[Trigger], *, is_file: bool) -> tuple[Note, ...]:
    return portability_notes(
        text,
        specs=[one.spec for one in triggers],
        arguments={key: value for one in triggers for key, value in (one.arguments or {}).items()},
        retries=any(one.error_behavior is ErrorBehavior.RETRY for one in triggers),
        limited=any(str(one.limits) for one in triggers),
        is_single_file=is_file,
    )
