"""A server that accepts what InfluxDB 3 Core 3.10 accepts, and nothing else; kept in memory, no plugin runs.

Made from the observed semantics of the original alone: a trigger cannot be updated, all its fields are required, any
query string on its creation stands in for the body, a failed installation answers 200, files cannot be read or
deleted, and what the system tables leave out is not told.
"""

from __future__ import annotations

import json
import re
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.local_server import serving

TOKEN = "apiv3_secret"
PLUGINS = "/plugins"
Json = dict[str, Any]


class Refusal(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, body: str) -> None:
        super().__init__(status, body)
        self.status, self.body = status, body


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: Json | None

    def __str__(self) -> str:
        query = (
            "?" + "&".join(f"{key}={value}" for key, value in self.query.items()) if self.query else ""
        )
        return f"{self.method} {self.path}{query}"


@dataclass
class StrictServer:
    """The state of the server. ``uninstallable`` packages fail to install, which is not said."""

    url: str = ""
    has_plugin_dir: bool = True
    packages_disabled: bool = False
    build: str = "Core"
    uninstallable: frozenset[str] = frozenset()
    nodes: list[Json] = field(default_factory=list)
    databases: dict[str, dict[str, dict[str, str]]] = field(default_factory=dict)
    triggers: dict[tuple[str, str], Json] = field(default_factory=dict)
    caches: dict[tuple[str, str, str, str], Json] = field(default_factory=dict)
    files: dict[str, tuple[str, int]] = field(default_factory=dict)
    installed: list[str] = field(default_factory=list)
    logs: list[Json] = field(default_factory=list)
    log_on_create: str | None = None
    asked: list[Asked] = field(default_factory=list)
    die_at: int | None = None
    """The number of the request that is not answered, counted from 0."""
    dies_for_good: bool = True
    does_before_dying: bool = False
    ticks: int = 0
    version: str = "3.10.0"
    unknown: frozenset[str] = frozenset()
    """Paths that this server does not know."""
    repository: dict[str, str] = field(default_factory=dict)
    """What ``gh:`` plugins are fetched from."""
    plugin_dir_only: bool = False
    hang_at: int | None = None
    """The number of the request from which on none is answered until `released`, counted from 0."""
    hangs_once: bool = False
    released: threading.Event = field(default_factory=threading.Event)

    def snapshot(self) -> Json:
        """Return a copy of all that a client can change."""
        kept = {
            "databases": self.databases,
            "triggers": {"/".join(key): one for key, one in self.triggers.items()},
            "caches": {"/".join(key): one for key, one in self.caches.items()},
            "files": {name: text for name, (text, _) in self.files.items()},
            "installed": self.installed,
        }
        copied: Json = json.loads(json.dumps(kept))
        return copied

    def changes(self) -> list[Asked]:
        """Return the requests that change something or run a plugin."""
        quiet = ("/ping", "/api/v3/query_sql")
        return [
            one
            for one in self.asked
            if one.path not in quiet and one.method != "GET" and (one.body or {}).get("input_lp") != "?"
        ]

    # -- what is asked

    def answer(self, one: Asked) -> tuple[int, bytes]:
        """Return status and body."""
        route: dict[tuple[str, str], Callable[[Asked], object]] = {
            ("GET", "/ping"): self._ping,
            ("POST", "/api/v3/query_sql"): self._query,
            ("GET", "/api/v3/configure/database"): self._list_databases,
            ("POST", "/api/v3/configure/database"): self._create_database,
            ("POST", "/api/v3/configure/table"): self._create_table,
            ("POST", "/api/v3/configure/last_cache"): self._create_last_cache,
            ("POST", "/api/v3/configure/distinct_cache"): self._create_distinct_cache,
            ("DELETE", "/api/v3/configure/last_cache"): lambda asked: self._delete_cache("last", asked),
            ("DELETE", "/api/v3/configure/distinct_cache"): lambda asked: self._delete_cache(
                "distinct", asked
            ),
            ("POST", "/api/v3/configure/processing_engine_trigger"): self._create_trigger,
            ("DELETE", "/api/v3/configure/processing_engine_trigger"): self._delete_trigger,
            ("POST", "/api/v3/configure/processing_engine_trigger/enable"): self._enable,
            ("POST", "/api/v3/configure/processing_engine_trigger/disable"): self._disable,
            ("POST", "/api/v3/configure/plugin_environment/install_packages"): self._install,
            ("POST", "/api/v3/plugins/files"): self._create_file,
            ("PUT", "/api/v3/plugins/directory"): self._replace_folder,
            ("POST", "/api/v3/plugin_test/wal"): self._test,
            ("POST", "/api/v3/plugin_test/schedule"): self._test_schedule,
        }
        found = route.get((one.method, one.path))
        if found is None or one.path in self.unknown:
            return 404, b"Not found"
        try:
            answer = found(one)
        except Refusal as refusal:
            return refusal.status, refusal.body.encode()
        status = 201 if isinstance(answer, dict) and "catalog_batch" in answer else 200
        return status, b"" if answer is None else json.dumps(answer).encode()

    def _ping(self, one: Asked) -> Json:
        name = f"InfluxDB 3 {self.build}"
        return {"product_name": name, "version": self.version, "revision": "x", "process_id": "y"}

    def _list_databases(self, one: Asked) -> list[Json]:
        if "format" not in one.query:
            raise Refusal(400, "serde error: missing field `format`")
        return [{"iox::database": name} for name in ("_internal", *self.databases)]

    def _create_database(self, one: Asked) -> None:
        name = _needed(one, "db")["db"]
        if name in self.databases:
            raise _exists()
        if len(self.databases) == 5:
            raise Refusal(422, '{"error":"Adding a new database would exceed limit of 5 databases"}')
        self.databases[name] = {}

    def _create_table(self, one: Asked) -> None:
        said = _needed(one, "db", "table", "tags", "fields")
        tables = self._database(said["db"])
        if said["table"] in tables:
            raise _exists()
        types = {
            "utf8": "Utf8",
            "int64": "Int64",
            "uint64": "UInt64",
            "float64": "Float64",
            "bool": "Boolean",
        }
        columns = dict.fromkeys(said["tags"], "Dictionary(Int32, Utf8)")
        columns |= {each["name"]: types[each["type"]] for each in said["fields"]}
        tables[said["table"]] = columns | {"time": "Timestamp(ns)"}

    def _database(self, name: str) -> dict[str, dict[str, str]]:
        if name not in self.databases:
            raise Refusal(404, "database not found")
        return self.databases[name]

    def _create_last_cache(self, one: Asked) -> Json:
        said = _needed(one, "db", "table")
        return self._create_cache("last", said, said.get("key_columns") or [])

    def _create_distinct_cache(self, one: Asked) -> Json:
        said = _needed(one, "db", "table", "columns")
        return self._create_cache("distinct", said, said["columns"])

    def _create_cache(self, kind: str, said: Json, columns: list[str]) -> Json:
        table = self._database(said["db"]).get(said["table"])
        if table is None:
            raise Refusal(404, "table not found")
        for name in columns:
            if name not in table:
                raise Refusal(400, f"invalid column provided: {name}")
        key = (kind, said["db"], said["table"], said["name"])
        if key in self.caches:
            raise _exists()
        self.caches[key] = said
        return {"catalog_batch": {"Database": {"ops": []}}, "sequence_number": 1}

    def _delete_cache(self, kind: str, one: Asked) -> None:
        said = one.query or _needed(one, "db", "table", "name")
        if self.caches.pop((kind, said["db"], said["table"], said["name"]), None) is None:
            raise Refusal(404, "not found")

    def _create_trigger(self, one: Asked) -> None:
        if one.query:
            raise Refusal(400, "serde error: missing field `trigger_settings`")
        said = _needed(
            one,
            "db",
            "plugin_filename",
            "trigger_name",
            "trigger_settings",
            "trigger_specification",
            "disabled",
        )
        settings = said["trigger_settings"]
        if set(settings) != {"run_async", "error_behavior"}:
            raise Refusal(400, "serde json error: missing field `run_async`")
        if settings["error_behavior"] not in {"log", "retry", "disable"}:
            raise Refusal(400, "serde json error: unknown variant")
        self._read_plugin(said["plugin_filename"])
        _definition(said["trigger_specification"])
        self._database(said["db"])
        key = (said["db"], said["trigger_name"])
        if key in self.triggers:
            raise _exists()
        self.triggers[key] = said
        if self.log_on_create is not None:
            row = {"event_time": "2026-01-01T00:00:00", "trigger_name": key[1], "log_level": "ERROR"}
            self.logs.append(row | {"log_text": self.log_on_create})

    def _read_plugin(self, name: str) -> str:
        if not self.has_plugin_dir:
            raise Refusal(500, "Plugin error: Node not configured with plugin directory")
        path = name.rstrip("/")
        if path.startswith("gh:"):
            return self._fetch(path.removeprefix("gh:"))
        for each in (path, f"{path}/__init__.py"):
            if each in self.files:
                return self.files[each][0]
        raise Refusal(500, f"Plugin error: reading plugin file: Plugin not found: {PLUGINS}/{path}")

    def _fetch(self, path: str) -> str:
        """Answer as the original does, which fetches a repository's file each time."""
        if self.plugin_dir_only:
            raise Refusal(
                500,
                "Plugin error: plugin installation is disabled; plugins must already exist in the configured "
                "plugin directory",
            )
        if path not in self.repository:
            url = f"https://example.com/{path}"
            raise Refusal(
                500, f"Plugin error: error fetching plugin from repository: 404 Not Found {url}"
            )
        return self.repository[path]

    def _delete_trigger(self, one: Asked) -> None:
        said: Json = dict(one.query) or _needed(one, "db", "trigger_name")
        key = (said["db"], said["trigger_name"])
        if key not in self.triggers:
            raise Refusal(404, "not found")
        if not self.triggers[key]["disabled"] and not said.get("force"):
            name = said["trigger_name"]
            raise Refusal(500, f"Cannot delete running plugin {name}. Disable it first or use --force.")
        del self.triggers[key]

    def _enable(self, one: Asked) -> None:
        self._switch(one, disabled=False)

    def _disable(self, one: Asked) -> None:
        self._switch(one, disabled=True)

    def _switch(self, one: Asked, *, disabled: bool) -> None:
        key = (one.query["db"], one.query["trigger_name"])
        if key not in self.triggers:
            raise Refusal(404, "not found")
        self.triggers[key] = self.triggers[key] | {"disabled": disabled}

    def _install(self, one: Asked) -> None:
        if self.packages_disabled:
            raise Refusal(
                403,
                "Package installation has been disabled. Contact your administrator for more information.",
            )
        for name in _needed(one, "packages")["packages"]:
            if name not in self.uninstallable:
                self.installed.append(name)

    def _create_file(self, one: Asked) -> None:
        said = _needed(one, "plugin_name", "content")
        if not self.has_plugin_dir:
            raise Refusal(500, "Processing engine error: No plugin directory configured")
        self._put(said["plugin_name"], said["content"])

    def _put(self, name: str, text: str) -> None:
        self.ticks += 1
        self.files[name] = (text, self.ticks)

    def _replace_folder(self, one: Asked) -> None:
        said = _needed(one, "plugin_name", "files")
        found = [each for (_, name), each in self.triggers.items() if name == said["plugin_name"]]
        if not found:
            raise Refusal(500, f"Processing engine error: Plugin not found: {said['plugin_name']}")
        folder = found[0]["plugin_filename"].rstrip("/")
        for name in [each for each in self.files if each.startswith(f"{folder}/")]:
            del self.files[name]
        for each in said["files"]:
            self._put(f"{folder}/{each['relative_path']}", each["content"])

    def _test(self, one: Asked) -> Json:
        said = _needed(one, "filename", "database", "input_lp")
        text = self._read_plugin(said["filename"])
        if " " not in said["input_lp"]:
            return _tried("line protocol parse failed: No fields were provided")
        return self._run(text)

    def _test_schedule(self, one: Asked) -> Json:
        said = _needed(one, "filename", "database")
        text = self._read_plugin(said["filename"])
        if said["database"] not in self.databases:
            return {"trigger_time": None} | _tried("couldn't find db")
        return {"trigger_time": "2026-01-01T00:00:00Z"} | self._run(text)

    def _run(self, text: str) -> Json:
        """Fail as a plugin would that says ``raise``, or imports a package that is not there."""
        if "raise " in text:
            return _tried("error executing plugin: ValueError: broken")
        for name in re.findall(r"^import (\w+)", text, re.M):
            if name not in self.installed:
                return _tried(f"error executing plugin: ModuleNotFoundError: No module named '{name}'")
        if "from . import" in text:
            return _tried("error executing plugin: KeyError: \"'__name__' not in globals\"")
        return {"log_lines": [], "database_writes": {}, "errors": []}

    # -- what is queried

    def _query(self, one: Asked) -> list[Json]:
        said = _needed(one, "db", "q", "format")
        database, sql = said["db"], said["q"]
        if database != "_internal" and database not in self.databases:
            raise Refusal(404, '{"error":"query error: database not found"}')
        found = re.search(r"FROM (?:system|information_schema)\.(\w+)", sql)
        assert found is not None, sql
        rows: list[Json] = getattr(self, f"_rows_of_{found[1]}")(database)
        return [{name: value for name, value in row.items() if value is not None} for row in rows]

    def _rows_of_columns(self, database: str) -> list[Json]:
        return [
            {"table_name": table, "column_name": name, "data_type": kind}
            for table, columns in self.databases[database].items()
            for name, kind in columns.items()
        ]

    def _rows_of_processing_engine_triggers(self, database: str) -> list[Json]:
        return [
            {
                "trigger_name": name,
                "plugin_filename": one["plugin_filename"],
                "trigger_specification": json.dumps(_definition(one["trigger_specification"])),
                "disabled": one["disabled"],
                "error_behavior": one["trigger_settings"]["error_behavior"],
            }
            for (db, name), one in self.triggers.items()
            if db == database
        ]

    def _rows_of_processing_engine_trigger_arguments(self, database: str) -> list[Json]:
        return [
            {"trigger_name": name, "argument_key": key, "argument_value": value}
            for (db, name), one in self.triggers.items()
            if db == database
            for key, value in (one.get("trigger_arguments") or {}).items()
        ]

    def _rows_of_processing_engine_logs(self, database: str) -> list[Json]:
        return self.logs

    def _rows_of_last_caches(self, database: str) -> list[Json]:
        return [
            {
                "table": one["table"],
                "name": one["name"],
                "key_column_names": one["key_columns"],
                "value_column_names": one.get("value_columns"),
                "count": one["count"],
                "ttl": one["ttl"],
            }
            for (kind, db, *_), one in self.caches.items()
            if (kind, db) == ("last", database)
        ]

    def _rows_of_distinct_caches(self, database: str) -> list[Json]:
        return [
            {
                "table": one["table"],
                "name": one["name"],
                "column_names": one["columns"],
                "max_cardinality": one["max_cardinality"],
                "max_age_seconds": one["max_age"],
            }
            for (kind, db, *_), one in self.caches.items()
            if (kind, db) == ("distinct", database)
        ]

    def _rows_of_plugin_files(self, database: str) -> list[Json]:
        assert database == "_internal"
        rows = []
        for (_, trigger), one in self.triggers.items():
            base = one["plugin_filename"].rstrip("/")
            for name, (text, tick) in self.files.items():
                if name == base or (name.startswith(f"{base}/") and name.endswith(".py")):
                    row = {"plugin_name": trigger, "file_name": name.removeprefix(f"{base}/")}
                    row |= {"file_path": f"{PLUGINS}/{name}", "size_bytes": len(text.encode())}
                    rows.append(row | {"last_modified": tick})
        return rows

    def _rows_of_nodes(self, database: str) -> list[Json]:
        assert database == "_internal"
        return self.nodes


def _tried(error: str) -> Json:
    return {"log_lines": [], "database_writes": {}, "errors": [error]}


def _exists() -> Refusal:
    return Refusal(409, "attempted to create a resource that already exists")


def _needed(one: Asked, *names: str) -> Json:
    for name in names:
        if name not in (one.body or {}):
            raise Refusal(400, f"serde json error: missing field `{name}`")
    assert one.body is not None
    return one.body


def _definition(spec: str) -> object:
    kind, _, rest = spec.partition(":")
    match kind:
        case "all_tables" if not rest:
            return "all_tables_wal_write"
        case "table" if rest:
            return {"single_table_wal_write": {"table_name": rest}}
        case "cron" if len(rest.split()) in {6, 7}:
            return {"schedule": {"schedule": rest}}
        case "every" if re.fullmatch(r"\d+[smh]", rest):
            seconds = int(rest[:-1]) * {"s": 1, "m": 60, "h": 3600}[rest[-1]]
            return {"every": {"duration": {"secs": seconds, "nanos": 0}}}
        case "request" if rest:
            return {"request_path": {"path": rest}}
    raise Refusal(500, f"failed to parse trigger from {spec}")


@contextmanager
def strict_server(state: StrictServer, context: ssl.SSLContext | None = None) -> Iterator[StrictServer]:
    """Serve a state on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            sent = self.rfile.read(int(self.headers.get("content-length", 0)))
            parts = urlsplit(self.path)
            one = Asked(
                self.command,
                parts.path,
                dict(parse_qsl(parts.query)),
                json.loads(sent) if sent else None,
            )
            number = len(state.asked)
            state.asked.append(one)
            if state.hang_at is not None and (
                number == state.hang_at or (number > state.hang_at and not state.hangs_once)
            ):
                state.released.wait()
                return
            dead = state.die_at is not None and (
                number >= state.die_at if state.dies_for_good else number == state.die_at
            )
            if dead and not (state.does_before_dying and number == state.die_at):
                return
            status, body = self._judged(one, sent)
            if dead:
                return
            self.send_response(status)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _judged(self, one: Asked, sent: bytes) -> tuple[int, bytes]:
            if self.headers.get("authorization") != f"Bearer {TOKEN}":
                return 401, b'{"error": "the request was not authenticated"}'
            if sent and self.headers.get("content-type") != "application/json":
                return 415, b"unsupported media type"
            return state.answer(one)

        do_GET = do_POST = do_PUT = do_DELETE = answer

        def log_message(self, *args: object) -> None:
            pass

    with serving(Handler, context) as state.url:
        try:
            yield state
        finally:
            state.released.set()
