"""Which requests does a command make of another server?

Those of the original's own client, so that any InfluxDB 3 server understands them.

Source: influxdb3_client/src/lib.rs, influxdb3_types/src/http.rs; docs-v2, the OpenAPI description of Enterprise, for
    retention periods of tables.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from procengine.errors import InvalidInputError, OperationRefusedError
from procengine.model.cache_definition import DistinctCacheSettings, LastCacheSettings
from procengine.model.column import FIELD_TYPE_NAMES, Column
from procengine.model.duration import format_duration
from procengine.model.installation import InstallWatch
from procengine.model.node_spec import nodes_of
from procengine.model.result_format import ResultFormat
from procengine.model.trigger import Trigger
from procengine.remote.failures import RefusedByServerError, UnreachableServerError
from procengine.remote.transport import Transport

if TYPE_CHECKING:
    # The shapes of what commands ask for; the packages are siblings, and know each other by shape alone.
    from procengine.cli.target import (
        PluginTest,
        TriggerChange,
        WriteOptions,
    )

Json = Mapping[str, Any]

CONFIGURE = "/api/v3/configure"
TRIGGER = f"{CONFIGURE}/processing_engine_trigger"
INSTALL_SECONDS = 900.0
"""How long a server may take to install packages, where requests are bounded."""
TABLE_RETENTION = "/api/v3/enterprise/configure/table/retention_period"

_FORMATS = {form: form.value for form in ResultFormat} | {ResultFormat.JSON_LINES: "json_lines"}


class RemoteServer:
    """A server at a URL, as commands see it. Any thread; every method is one request.

    ``tls_ca`` is the path of a certificate authority that is trusted too; with ``tls_no_verify`` no certificate is
    checked. ``request_seconds`` is how long each request may take, installations apart; without it a server may take
    its time while it does something.

    Raises:
        InvalidInputError: (of the construction) the URL is none of HTTP, or the certificate cannot be read.
        RefusedByServerError: (of each method) the server answered with a failure.
        UnreachableServerError: (of each method) it did not answer, or not to the end.
        OperationRefusedError: (of some) the API has no such request.
    """

    takes_parallel_writes = True

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        tls_ca: str | None = None,
        tls_no_verify: bool = False,
        request_seconds: float | None = None,
    ) -> None:
        self._transport = Transport(
            url,
            token=token,
            tls_ca=tls_ca,
            tls_no_verify=tls_no_verify,
            whole_seconds=request_seconds,
        )

    def ping(self) -> Json:
        """Ask what the server is: its ``product_name`` and its ``version``.

        InfluxDB 1 and 2 tell by headers alone.

        Raises: UnreachableServerError: it is no InfluxDB.
        """
        try:
            answer = self._transport.send("GET", "/ping")
        except RefusedByServerError as error:
            if error.status == 404:
                raise UnreachableServerError(f"what answers is no InfluxDB 3 server: {error}") from error
            raise
        said, version = answer.read(), answer.header("x-influxdb-version")
        try:
            told = json.loads(said)
        except ValueError:
            told = None
        if isinstance(told, dict) and "version" in told:
            return told
        if not version:
            raise UnreachableServerError(
                f"what answers is no InfluxDB 3 server: it says {said[:60]!r} to GET /ping"
            )
        name = f"InfluxDB {answer.header('x-influxdb-build')}".strip()
        return {"product_name": name, "version": version}

    def knows(self, method: str, path: str) -> bool:
        """Ask whether the server knows a request, by one that lacks all that it needs, and so does nothing."""
        try:
            self._transport.send_json(method, path, {}).read()
        except RefusedByServerError as error:
            return not error.is_unknown_route
        return True

    def write(self, database: str, lines: bytes, options: WriteOptions) -> None:
        """Send line protocol, compressed where that is said; what is not said is left to the server."""
        params = {
            "db": database,
            "precision": options.precision,
            "accept_partial": options.accept_partial or None,
            "no_sync": options.no_sync or None,
        }
        headers = {"content-encoding": "gzip"} if options.gzip else None
        body = gzip.compress(lines, compresslevel=6, mtime=0) if options.gzip else lines
        self._transport.send(
            "POST", "/api/v3/write_lp", params=params, body=body, headers=headers
        ).read()

    def query(self, database: str, text: str, form: ResultFormat, language: str) -> Iterator[bytes]:
        """Send a query; return its result as it comes."""
        asked = {"db": database, "q": text, "format": _FORMATS[form], "params": None}
        return self._transport.send_json("POST", f"/api/v3/query_{language}", asked).pieces()

    def show_databases(self, form: ResultFormat, *, deleted_too: bool) -> bytes:
        """Ask for the list of databases."""
        params = {"format": _FORMATS[form], "show_deleted": deleted_too}
        return self._transport.send_json("GET", f"{CONFIGURE}/database", params=params).read()

    def create_database(self, name: str, retention_period_ns: int | None) -> None:
        """Have a database created."""
        self._configure("POST", "database", {"db": name, "retention_period": _span(retention_period_ns)})

    def delete_database(self, name: str, hard_delete: str | None) -> None:
        """Have a database deleted."""
        self._drop("database", {"db": name}, hard_delete)

    def restore_database(self, name: str) -> None:
        """Have a deleted database restored, by a request that procengine alone knows."""
        self._restore("database", {"db": name}, f"database {name!r}")

    def create_table(
        self,
        database: str,
        table: str,
        tags: Sequence[str],
        fields: Sequence[Column],
        retention_period_ns: int | None,
    ) -> None:
        """Have a table created; of its retention period Core knows nothing."""
        typed = [{"name": one.name, "type": FIELD_TYPE_NAMES[one.type]} for one in fields]
        said: dict[str, object] = {"db": database, "table": table, "tags": list(tags), "fields": typed}
        if retention_period_ns is not None:
            said["retention_period"] = _span(retention_period_ns)
        self._configure("POST", "table", said)

    def delete_table(self, database: str, table: str, hard_delete: str | None) -> None:
        """Have a table deleted."""
        self._drop("table", {"db": database, "table": table}, hard_delete)

    def restore_table(self, database: str, table: str) -> None:
        """Have a deleted table restored, by a request that procengine alone knows."""
        params = {"db": database, "table": table}
        self._restore("table", params, f"table {table!r} of database {database!r}")

    def set_retention_period(
        self, database: str, table: str | None, retention_period_ns: int | None
    ) -> None:
        """Have the retention period of a database changed, or (a request of Enterprise) of a table."""
        span = _span(retention_period_ns)
        if table is None:
            self._configure("PUT", "database", {"db": database, "retention_period": span})
            return
        params = {"db": database, "table": table, "duration": span}
        method = "DELETE" if span is None else "POST"
        self._transport.send_json(method, TABLE_RETENTION, params=params).read()

    def create_last_cache(self, database: str, table: str, settings: LastCacheSettings) -> Json | None:
        """Have a last-value cache created."""
        keys, values = settings["key_columns"], settings["value_columns"]
        said: dict[str, object] = {"db": database, "table": table}
        said |= {} if settings["name"] is None else {"name": settings["name"]}
        said |= {} if keys is None else {"key_columns": list(keys)}
        said |= {} if values is None else {"value_columns": list(values)}
        said |= {"count": settings["count"], "ttl": settings["ttl_seconds"]}
        return self._create_cache("last_cache", said | _nodes(settings["node_spec"]))

    def create_distinct_cache(
        self, database: str, table: str, settings: DistinctCacheSettings
    ) -> Json | None:
        """Have a distinct-value cache created."""
        said: dict[str, object] = {"db": database, "table": table}
        said |= {} if settings["name"] is None else {"name": settings["name"]}
        said |= {
            "columns": list(settings["columns"]),
            "max_cardinality": settings["max_cardinality"],
            "max_age": settings["max_age_seconds"],
        }
        return self._create_cache("distinct_cache", said | _nodes(settings["node_spec"]))

    def delete_last_cache(self, database: str, table: str, name: str) -> None:
        """Have a last-value cache deleted."""
        self._configure("DELETE", "last_cache", {"db": database, "table": table, "name": name})

    def delete_distinct_cache(self, database: str, table: str, name: str) -> None:
        """Have a distinct-value cache deleted."""
        self._configure("DELETE", "distinct_cache", {"db": database, "table": table, "name": name})

    def create_trigger(self, trigger: Trigger) -> None:
        """Have a trigger created."""
        said: dict[str, object] = {
            "db": trigger.database,
            "plugin_filename": trigger.plugin_filename,
            "trigger_name": trigger.name,
            "trigger_settings": {
                "run_async": trigger.run_async,
                "error_behavior": trigger.error_behavior.value,
            },
            "trigger_specification": trigger.spec,
            "trigger_arguments": trigger.arguments,
            "disabled": trigger.disabled,
        }
        self._configure("POST", "processing_engine_trigger", said | _nodes(trigger.node_spec))

    def change_trigger(self, database: str, name: str, change: TriggerChange) -> None:  # noqa: ARG002
        """Refuse: there is no such request."""
        raise OperationRefusedError(
            f"the API of InfluxDB 3 cannot change the plugin's name, the arguments or the error behavior of trigger "
            f"{name!r}: delete it and create it again; a --path that is here gives its plugin another text"
        )

    def delete_trigger(self, database: str, name: str, *, force: bool) -> None:
        """Have a trigger deleted."""
        said = {"db": database, "trigger_name": name, "force": force}
        self._configure("DELETE", "processing_engine_trigger", said)

    def enable_trigger(self, database: str, name: str) -> None:
        """Have a trigger enabled."""
        params = {"db": database, "trigger_name": name}
        self._transport.send_json("POST", f"{TRIGGER}/enable", params=params).read()

    def disable_trigger(self, database: str, name: str) -> None:
        """Have a trigger disabled."""
        params = {"db": database, "trigger_name": name}
        self._transport.send_json("POST", f"{TRIGGER}/disable", params=params).read()

    def create_plugin_file(self, database: str, filename: str, text: str) -> None:
        """Send a file for the plugin directory."""
        self._send_plugin("POST", "files", database, {"plugin_name": filename, "content": text})

    def update_plugin_file(self, database: str, trigger: str, text: str) -> None:
        """Send another text for a trigger's plugin."""
        self._send_plugin("PUT", "files", database, {"plugin_name": trigger, "content": text})

    def replace_plugin_folder(self, database: str, trigger: str, files: Mapping[str, str]) -> None:
        """Send other files for a trigger's plugin folder."""
        entries = [{"relative_path": name, "content": text} for name, text in files.items()]
        self._send_plugin("PUT", "directory", database, {"plugin_name": trigger, "files": entries})

    def test_wal_plugin(self, test: PluginTest, lines: bytes) -> Json:
        """Have a plugin tried on rows."""
        said = {
            "filename": test.filename,
            "database": test.database,
            "input_lp": lines.decode("utf-8", "replace"),
            "cache_name": test.cache_name,
            "input_arguments": test.arguments,
        }
        return self._json("POST", "/api/v3/plugin_test/wal", said)

    def test_schedule_plugin(self, test: PluginTest, schedule: str | None) -> Json:
        """Have a plugin tried on a schedule."""
        said = {
            "filename": test.filename,
            "database": test.database,
            "schedule": schedule,
            "cache_name": test.cache_name,
            "input_arguments": test.arguments,
        }
        return self._json("POST", "/api/v3/plugin_test/schedule", said)

    def create_admin_token(self) -> str:
        """Have the operator's token made."""
        return _token(self._transport.send("POST", f"{CONFIGURE}/token/admin").json())

    def regenerate_admin_token(self) -> str:
        """Have the operator's token made anew."""
        return _token(self._transport.send("POST", f"{CONFIGURE}/token/admin/regenerate").json())

    def create_named_token(self, name: str, expiry_seconds: int | None) -> str:
        """Have an admin token made."""
        said = {"token_name": name, "expiry_secs": expiry_seconds}
        return _token(self._json("POST", f"{CONFIGURE}/token/named_admin", said))

    def delete_token(self, name: str) -> None:
        """Have a token deleted."""
        self._transport.send_json("DELETE", f"{CONFIGURE}/token", params={"token_name": name}).read()

    def install_packages(self, packages: Sequence[str], watch: InstallWatch | None = None) -> None:
        """Have packages installed; nothing is told before the end.

        Raises: InvalidInputError: they are asked for in the kernel, which another server is not.
        """
        _check_not_kernel(watch)
        self._install("install_packages", {"packages": list(packages)})

    def install_requirements(self, path: str, watch: InstallWatch | None = None) -> None:
        """Have a requirements file's packages installed; raises as `install_packages`."""
        _check_not_kernel(watch)
        self._install("install_requirements", {"requirements_location": path})

    def _install(self, what: str, said: object) -> None:
        path = f"{CONFIGURE}/plugin_environment/{what}"
        self._transport.send_json("POST", path, said, whole_seconds=INSTALL_SECONDS).read()

    def _configure(self, method: str, what: str, said: object) -> None:
        self._transport.send_json(method, f"{CONFIGURE}/{what}", said).read()

    def _drop(self, what: str, names: Mapping[str, object], hard_delete: str | None) -> None:
        when = None if hard_delete is None else _word_or_instant(hard_delete)
        params = {**names, "hard_delete_at": when}
        self._transport.send_json("DELETE", f"{CONFIGURE}/{what}", params=params).read()

    def _restore(self, what: str, params: Mapping[str, object], shown: str) -> None:
        try:
            self._transport.send_json("POST", f"{CONFIGURE}/{what}/restore", params=params).read()
        except RefusedByServerError as error:
            if error.is_unknown_route:
                raise _no_restoring(shown) from error
            raise

    def _create_cache(self, what: str, said: object) -> Json | None:
        answer = self._transport.send_json("POST", f"{CONFIGURE}/{what}", said)
        if answer.status == 204:
            answer.read()
            return None
        created: Json = answer.json()
        return created

    def _send_plugin(self, method: str, what: str, database: str, said: object) -> None:
        params = {"db": database}
        self._transport.send_json(method, f"/api/v3/plugins/{what}", said, params=params).read()

    def _json(self, method: str, path: str, said: object) -> Json:
        answer: Json = self._transport.send_json(method, path, said).json()
        return answer


def _span(period_ns: int | None) -> str | None:
    return None if period_ns is None else format_duration(period_ns)


def _word_or_instant(text: str) -> str:
    return text.lower() if text.lower() in {"never", "now", "default"} else text


def _nodes(spec: str) -> dict[str, object]:
    """Return the field that names nodes, which is for Enterprise alone."""
    nodes = nodes_of(spec)
    return {} if nodes is None else {"node_spec": {"nodes": list(nodes)}}


def _token(answer: Json) -> str:
    return str(answer["token"])


def _no_restoring(what: str) -> OperationRefusedError:
    return OperationRefusedError(
        f"{what} cannot be restored there: InfluxDB 3 has no such operation, procengine alone has"
    )


def _check_not_kernel(watch: InstallWatch | None) -> None:
    if watch is not None and watch.into_kernel:
        raise InvalidInputError("--kernel installs into this Python; it does not go with --host")
