"""What is on a server now, of what a plugin needs?

Read by requests that change nothing and run no plugin. Whether a plugin's file is there is asked by a dry run on
lines that no server can read: it looks for the file first, and gets no further.

Source: influxdb3_system_tables (columns), influxdb3_processing_engine/src/lib.rs,
    dry_run_wal_plugin and read_plugin_code (order, texts).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from procengine.cli.target import PluginTest
from procengine.deploy.bundle import Bundle, Place
from procengine.deploy.server_version import check_product
from procengine.model.cache_definition import (
    CacheDefinition,
    DistinctCacheDefinition,
    LastCacheDefinition,
)
from procengine.model.duration import format_duration
from procengine.model.names import INTERNAL_DATABASE
from procengine.model.result_format import ResultFormat
from procengine.model.trigger import ErrorBehavior, Trigger
from procengine.remote import RefusedByServerError, RemoteServer, UnreachableServerError

UNREADABLE_LINE = "?"
_NOT_FETCHED = ("error fetching plugin from repository", "plugin installation is disabled")
CachePlace = tuple[str, str, str, str]
"""What a cache is (``last`` or ``distinct``), its database, table and name."""
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenFile:
    """A file of a plugin that a trigger uses, as the server tells of it."""

    trigger_name: str
    size_bytes: int
    modified_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node of a cluster that runs."""

    name: str
    modes: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerState:
    """A server at one moment, of one bundle's databases and plugin.

    ``triggers`` and ``caches`` hold what the server tells; what it does not tell has its default. ``columns`` are the
    Arrow types of each table's columns, in the server's words. ``files`` are by path below the plugin directory.
    ``has_plugin`` says that the plugin's file is there, ``refusal`` why it can run none, or not this one.
    ``errors`` are what triggers of the bundle logged as errors: time, trigger and text.
    """

    product: str
    version: str
    databases: frozenset[str]
    columns: Mapping[Place, Mapping[str, str]]
    triggers: Mapping[Place, Trigger]
    caches: Mapping[CachePlace, CacheDefinition]
    files: Mapping[str, SeenFile]
    nodes: tuple[Node, ...]
    has_plugin: bool
    refusal: str | None
    errors: frozenset[tuple[str, str, str]]


def cache_place(cache: CacheDefinition) -> CachePlace:
    """Return what tells a cache from all others."""
    what = "last" if isinstance(cache, LastCacheDefinition) else "distinct"
    return what, cache.database, cache.table, cache.name


def read_state(server: RemoteServer, bundle: Bundle) -> ServerState:
    """Return what is on a server of a bundle's.

    Raises:
        InvalidInputError: the server is of another major version.
        RefusedByServerError: the token is not accepted, or may not see it.
        UnreachableServerError: the server cannot be reached, or is none.
    """
    ping = server.ping()
    product, version = str(ping.get("product_name", "InfluxDB 3")), str(ping.get("version", ""))
    check_product(product, version)
    databases = _databases(server)
    known = [name for name in bundle.databases if name in databases]
    has_plugin, refusal = _look_for_plugin(server, bundle)
    triggers = {(one.database, one.name): one for name in known for one in _triggers(server, name)}
    return ServerState(
        product=product,
        version=version,
        databases=databases,
        columns={place: each for name in known for place, each in _columns(server, name).items()},
        triggers=triggers,
        caches={cache_place(one): one for name in known for one in _caches(server, name)},
        files=_files(server, bundle, triggers.values()),
        nodes=_nodes(server),
        has_plugin=has_plugin,
        refusal=refusal,
        errors=frozenset(each for name in known for each in _errors(server, name, bundle)),
    )


def _rows(server: RemoteServer, database: str, sql: str) -> list[dict[str, Any]]:
    body = b"".join(server.query(database, sql, ResultFormat.JSON, "sql"))
    try:
        rows: list[dict[str, Any]] = json.loads(body)
    except ValueError as error:
        raise UnreachableServerError(
            f"what the server answers to a query is not JSON: {error}"
        ) from error
    return rows


def _rows_if_known(server: RemoteServer, database: str, sql: str) -> list[dict[str, Any]]:
    """Return a system table's rows; none where the server has no such table."""
    try:
        return _rows(server, database, sql)
    except RefusedByServerError as error:
        if error.status in {400, 404}:
            return []
        raise


def _databases(server: RemoteServer) -> frozenset[str]:
    body = server.show_databases(ResultFormat.JSON, deleted_too=False)
    try:
        return frozenset(row["iox::database"] for row in json.loads(body))
    except (ValueError, TypeError, KeyError) as error:
        raise UnreachableServerError(f"what the server lists is no databases: {body[:200]!r}") from error


def _columns(server: RemoteServer, database: str) -> dict[Place, dict[str, str]]:
    found: dict[Place, dict[str, str]] = {}
    sql = (
        "SELECT table_name, column_name, data_type FROM information_schema.columns "
        "WHERE table_schema = 'iox'"
    )
    for row in _rows(server, database, sql):
        found.setdefault((database, row["table_name"]), {})[row["column_name"]] = row["data_type"]
    return found


def _triggers(server: RemoteServer, database: str) -> list[Trigger]:
    arguments: dict[str, dict[str, str]] = {}
    for row in _rows(server, database, "SELECT * FROM system.processing_engine_trigger_arguments"):
        arguments.setdefault(row["trigger_name"], {})[row["argument_key"]] = row["argument_value"]
    rows = _rows(server, database, "SELECT * FROM system.processing_engine_triggers")
    return [_trigger(database, row, arguments.get(row["trigger_name"])) for row in rows]


def _trigger(database: str, row: Row, arguments: dict[str, str] | None) -> Trigger:
    return Trigger(
        database=database,
        name=row["trigger_name"],
        plugin_filename=row["plugin_filename"],
        spec=spec_text(json.loads(row["trigger_specification"])),
        arguments=arguments,
        error_behavior=ErrorBehavior(str(row["error_behavior"]).lower()),
        disabled=row["disabled"],
    )


def spec_text(definition: Any) -> str:
    """Return the specification that a definition in a system table came from."""
    match definition:
        case "all_tables_wal_write":
            return "all_tables"
        case {"single_table_wal_write": {"table_name": str(table)}}:
            return f"table:{table}"
        case {"schedule": {"schedule": str(cron)}}:
            return f"cron:{cron}"
        case {"every": {"duration": {"secs": int(seconds), "nanos": int(nanoseconds)}}}:
            return f"every:{format_duration(seconds * 1_000_000_000 + nanoseconds)}"
        case {"request_path": {"path": str(path)}}:
            return f"request:{path}"
    raise UnreachableServerError(
        f"the server tells of a trigger specification of no known kind: {definition!r}"
    )


def _caches(server: RemoteServer, database: str) -> Iterable[CacheDefinition]:
    for row in _rows(server, database, "SELECT * FROM system.last_caches"):
        values = row.get("value_column_names")
        yield LastCacheDefinition(
            database=database,
            table=row["table"],
            table_id=0,
            name=row["name"],
            key_columns=tuple(row["key_column_names"]),
            value_columns=None if values is None else tuple(values),
            count=row["count"],
            ttl_seconds=row["ttl"],
        )
    for row in _rows(server, database, "SELECT * FROM system.distinct_caches"):
        yield DistinctCacheDefinition(
            database=database,
            table=row["table"],
            table_id=0,
            name=row["name"],
            columns=tuple(row["column_names"]),
            max_cardinality=row["max_cardinality"],
            max_age_seconds=row["max_age_seconds"],
        )


def _files(server: RemoteServer, bundle: Bundle, triggers: Iterable[Trigger]) -> dict[str, SeenFile]:
    """Return the files that the server tells of: the bundle's, and others in its folder.

    It tells them by trigger and whole path: of a trigger that is known, its plugin's name decides, as ``a/b.py`` ends
    like ``b.py`` too. Of a folder it tells the Python files alone.
    """
    plugins: dict[str, set[str]] = {}
    for one in triggers:
        plugins.setdefault(one.name, set()).add(one.plugin_filename.rstrip("/"))
    found = {}
    for row in _rows_if_known(server, INTERNAL_DATABASE, "SELECT * FROM system.plugin_files"):
        if bundle.filename not in plugins.get(row["plugin_name"], {bundle.filename}):
            continue
        own = f"{bundle.filename}/{row['file_name']}" if bundle.is_directory else bundle.filename
        for name in dict.fromkeys((own, *bundle.files)):
            if _path(row) == name or _path(row).endswith(f"/{name}"):
                found[name] = SeenFile(
                    trigger_name=row["plugin_name"],
                    size_bytes=row["size_bytes"],
                    modified_ms=row["last_modified"],
                )
    return found


def _path(row: Row) -> str:
    return str(row["file_path"]).replace("\\", "/")


def _nodes(server: RemoteServer) -> tuple[Node, ...]:
    rows = _rows_if_known(server, INTERNAL_DATABASE, "SELECT * FROM system.nodes")
    return tuple(
        Node(name=row["node_id"], modes=frozenset(row["mode"]))
        for row in rows
        if str(row.get("state", "running")).lower() == "running"
    )


def _look_for_plugin(server: RemoteServer, bundle: Bundle) -> tuple[bool, str | None]:
    """Return whether a plugin's file is there, and why it cannot be, or not run."""
    test = PluginTest(
        database=bundle.databases[0], filename=bundle.filename, arguments=None, cache_name=None
    )
    try:
        server.test_wal_plugin(test, UNREADABLE_LINE.encode())
    except RefusedByServerError as error:
        said = error.message
        if "Plugin not found" in said or "must contain __init__.py" in said:
            return False, None
        if error.status in {401, 403}:
            raise
        if bundle.is_fetched_there and any(each in said for each in _NOT_FETCHED):
            return False, f"the server cannot fetch {bundle.filename}: {said.strip()}"
        if error.is_unknown_route or error.status == 405:
            return False, f"the server has no dry run of plugins ({error})"
        if "plugin directory" in said.lower():
            return False, (
                f"the server runs no plugins ({said.strip()}); start it with --plugin-dir, or set "
                "INFLUXDB3_PLUGIN_DIR"
            )
        if error.status >= 500:
            raise
    return True, None


def _errors(server: RemoteServer, database: str, bundle: Bundle) -> set[tuple[str, str, str]]:
    """Return what the bundle's triggers logged as errors; the time's column has two names, by version."""
    names = ", ".join("'" + one.name.replace("'", "''") + "'" for one in bundle.triggers)
    sql = (
        "SELECT * FROM system.processing_engine_logs "
        f"WHERE log_level = 'ERROR' AND trigger_name IN ({names})"
    )
    return {
        (str(row.get("time", row.get("event_time"))), row["trigger_name"], row["log_text"])
        for row in _rows_if_known(server, database, sql)
    }
