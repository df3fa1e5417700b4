"""What does a plugin consist of, when it goes to a server?

Its files, the triggers that run it, the caches that it reads, the tables of both with their columns, and the packages
that it imports; and a few rows to try it with. Taken from an engine at one moment; values from then on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

from procengine.errors import InvalidInputError, NotFoundError, PluginSourceError, ProcengineError
from procengine.model.cache_definition import CacheDefinition
from procengine.model.column import TIME, ColumnType
from procengine.model.line_builder import LineBuilder
from procengine.model.manifest import MANIFEST
from procengine.model.near_names import did_you_mean
from procengine.model.portability import Note, portability_notes
from procengine.model.table_schema import TableSchema
from procengine.model.trigger import ErrorBehavior, Trigger
from procengine.model.trigger_spec import parse_trigger_spec
from procengine.processing.declared_packages import declared_packages

if TYPE_CHECKING:
    import pyarrow as pa

    from procengine.catalog import Catalog
    from procengine.catalog.definitions import Database
    from procengine.processing.plugin_registry import PluginInfo, PluginRegistry

Place = tuple[str, str]
"""A database's name, and that of a table or trigger in it."""

SAMPLE_ROWS = 5
"""How many of a table's newest rows a write plugin is tried with."""
REQUIREMENTS = "requirements.txt"

_CACHE_CALL = re.compile(r"""(?:last|distinct)_cache\(\s*\\?['"](?P<table>[^'"\\]+)\\?['"]""")


class Local(Protocol):
    """What a bundle is taken from: an `Engine`, or a data folder whose engine is stopped."""

    @property
    def plugins(self) -> PluginRegistry:
        """The plugin directory."""
        ...

    @property
    def catalog(self) -> Catalog:
        """The databases, with their triggers, tables and caches."""
        ...

    def query(self, sql: str, database: str) -> pa.Table:
        """Return the rows of a statement; a `ProcengineError` where there are none to be had."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """A plugin with all that goes to a server with it.

    ``filename`` is what triggers call it; ``files`` are texts by path relative to the plugin directory.
    ``samples`` are lines of line protocol for the
    dry run of a write trigger, where there are rows. ``notes`` are the doctor's, by file. ``unsent`` names files of
    the plugin's folder that are no Python and stay here.
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
    """Return what belongs to a plugin of an engine; ``name`` is its file's, with or without ``.py``.

    A cache belongs to it when its table is one that a trigger of the plugin watches, or that the text names in
    ``last_cache('...')`` or ``distinct_cache('...')``, in the database of a trigger.

    Raises:
        NotFoundError: there is no such plugin.
        InvalidInputError: no trigger uses it.
        PluginSourceError: a file cannot be read as text.
    """
    info = _plugin(local, name)
    users = (
        one
        for database in local.catalog.databases
        for one in database.triggers.values()
        if _used(one) == info.filename
    )
    triggers = tuple(sorted(users, key=lambda one: (one.database, one.name)))
    if not triggers:
        raise InvalidInputError(
            f"no trigger uses {info.filename!r}, so a server would never run it; make one here first, with the "
            "specification, arguments and error behavior that it is to have there"
        )
    files = _files(local, info)
    names = dict.fromkeys(one.database for one in triggers)
    databases = {name: local.catalog.database(name) for name in names}
    caches = tuple(_caches(databases, triggers, files))
    tables = {(one.database, one.table) for one in caches}
    tables |= {place for one in triggers for place in _watched(one)}
    return Bundle(
        filename=info.filename,
        is_directory=info.is_directory,
        files=files,
        triggers=triggers,
        caches=caches,
        tables={
            (database, table): databases[database].tables[table].schema
            for database, table in sorted(tables)
            if table in databases[database].tables
        },
        packages=tuple(dict.fromkeys((*packages, *_packages(local, info, files)))),
        samples=dict(_samples(local, databases, triggers)),
        notes={
            name: _notes(text, triggers, is_file=not info.is_directory) for name, text in files.items()
        },
        unsent=_unsent(local, info),
    )


def _plugin(local: Local, name: str) -> PluginInfo:
    known = local.plugins.plugins()
    for one in known:
        if name.rstrip("/") in {one.filename, one.filename.removesuffix(".py")}:
            return one
    names = [one.filename.removesuffix(".py") for one in known]
    meant = did_you_mean(name, names) or "there are: " + (", ".join(names) or "none")
    raise NotFoundError(f"no plugin {name!r}; {meant}")


def _used(trigger: Trigger) -> str:
    return trigger.plugin_filename.rstrip("/")


def _files(local: Local, info: PluginInfo) -> dict[str, str]:
    texts = {}
    for file in local.plugins.files(info.filename):
        name = f"{info.filename}/{file.name}" if info.is_directory else file.name
        try:
            texts[name] = file.path.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            raise PluginSourceError(f"{name!r} cannot be sent: {error}") from error
    return texts


def _unsent(local: Local, info: PluginInfo) -> tuple[str, ...]:
    """Return the files of a folder that are no Python, but for what is a note to people."""
    if not info.is_directory:
        return ()
    folder = local.plugins.folder / info.filename
    found = (path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file())
    return tuple(
        path.as_posix()
        for path in found
        if path.suffix not in {".py", ".pyc", ".md"}
        and path.as_posix() not in {REQUIREMENTS, MANIFEST}
        and not any(each.startswith(".") for each in path.parts)
    )


def _packages(local: Local, info: PluginInfo, files: Mapping[str, str]) -> Iterator[str]:
    """Yield the packages that a plugin declares: in its text, its manifest, or its folder's requirements."""
    yield from declared_packages(local.plugins.folder, info.filename, files)
    path = local.plugins.folder / info.filename / REQUIREMENTS
    if not info.is_directory or not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        said = line.partition("#")[0].strip()
        if said and not said.startswith("-"):
            yield said


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
