# ruff: noqa: D102 - what the methods are for is said by `Target`
"""How do commands run against an engine in this process?

Differs: texts of errors are the engine's own, without what a server's answer has around them.
"""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pyarrow as pa

from procengine.catalog import HardDeletion
from procengine.cli.target import (
    Connect,
    Connection,
    Json,
    PluginTest,
    Target,
    TriggerChange,
    WriteOptions,
)
from procengine.errors import InvalidInputError
from procengine.model.cache_definition import DistinctCacheSettings, LastCacheSettings
from procengine.model.column import Column
from procengine.model.created_cache import created_cache
from procengine.model.installation import Installation, InstallWatch
from procengine.model.result_format import ResultFormat, format_result, result_chunks
from procengine.model.token import ADMIN_TOKEN_NAME, new_token_text, token_hash
from procengine.model.trigger import Trigger

if TYPE_CHECKING:
    from procengine.engine import Engine
    from procengine.model.cache_definition import CacheDefinition

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
DEFAULT_PORT = 8181


def in_process(
    engine: Engine,
    *,
    elsewhere: Connect | None = None,
    port: int | None = None,
    check: Callable[[], None] | None = None,
) -> Connect:
    """Return what takes commands to an engine in this process, and those for other servers ``elsewhere``.

    Here is this machine at the original's port, which documentation names, or at the one that serves the engine.
    ``check`` is called now and then while a command creates a cache, and may raise KeyboardInterrupt to end that.

    Raises (what is returned): InvalidInputError: another server is named, and there is no ``elsewhere``.
    """

    def connect(connection: Connection) -> Target:
        if is_here(connection.url, port):
            return EngineTarget(engine, check)
        if elsewhere is not None:
            return elsewhere(connection)
        raise InvalidInputError(
            f"{connection.option} {connection.url!r} is another server, but this command runs in this process; "
            f"leave the option out, or use http://127.0.0.1:{DEFAULT_PORT}"
        )

    return connect


def is_here(url: str, port: int | None) -> bool:
    """Tell whether a URL names this process, whose own port may be given."""
    try:
        parts = urlsplit(url)
        return parts.hostname in LOOPBACK and parts.port in {DEFAULT_PORT, port}
    except ValueError:
        return False


class EngineTarget:
    """An engine as commands see it. Any thread."""

    takes_parallel_writes = False

    def __init__(self, engine: Engine, check: Callable[[], None] | None = None) -> None:
        """``check`` is called now and then while a cache is filled."""
        self._engine = engine
        self._check = check
        self._catalog = engine.catalog

    def write(self, database: str, lines: bytes, options: WriteOptions) -> None:
        self._engine.write(
            database,
            lines,
            precision=options.precision or "auto",
            accept_partial=options.accept_partial,
            no_sync=options.no_sync,
        )

    def query(self, database: str, text: str, form: ResultFormat, language: str) -> Iterator[bytes]:
        if language != "sql":
            raise InvalidInputError("InfluxQL is not offered here; write the query in SQL")
        if self._engine.attachments.find(database) is None:
            reader = self._engine.query_executor.stream(text, database)
        else:
            reader = self._engine.query(text, database).to_reader()
        return result_chunks(reader.schema, iter(reader), form)

    def show_databases(self, form: ResultFormat, *, deleted_too: bool) -> bytes:
        shown = sorted(
            (one for one in self._catalog.all_databases() if deleted_too or not one.deleted),
            key=lambda one: (one.deleted, one.name),
        )
        columns = {"iox::database": pa.array([one.name for one in shown], pa.utf8())}
        if deleted_too:
            columns["deleted"] = pa.array([one.deleted for one in shown], pa.bool_())
        return format_result(pa.table(columns), form)

    def create_database(self, name: str, retention_period_ns: int | None) -> None:
        self._catalog.create_database(name, retention_period_ns=retention_period_ns)

    def delete_database(self, name: str, hard_delete: str | None) -> None:
        self._catalog.delete_database(name, hard_deletion(hard_delete))

    def restore_database(self, name: str) -> None:
        self._catalog.restore_database(name)

    def create_table(
        self,
        database: str,
        table: str,
        tags: Sequence[str],
        fields: Sequence[Column],
        retention_period_ns: int | None,
    ) -> None:
        self._catalog.create_table(database, table, tags=tags, fields=fields)
        if retention_period_ns is not None:
            self._catalog.set_retention_period(database, retention_period_ns, table=table)

    def delete_table(self, database: str, table: str, hard_delete: str | None) -> None:
        self._catalog.delete_table(database, table, hard_deletion(hard_delete))

    def restore_table(self, database: str, table: str) -> None:
        self._catalog.restore_table(database, table)

    def set_retention_period(
        self, database: str, table: str | None, retention_period_ns: int | None
    ) -> None:
        self._catalog.set_retention_period(database, retention_period_ns, table=table)

    def create_last_cache(self, database: str, table: str, settings: LastCacheSettings) -> Json:
        made = self._engine.last_caches.create(database, table, **settings, check=self._check)
        return self._told_of(made.definition)

    def create_distinct_cache(self, database: str, table: str, settings: DistinctCacheSettings) -> Json:
        made = self._engine.distinct_caches.create(database, table, **settings, check=self._check)
        return self._told_of(made.definition)

    def delete_last_cache(self, database: str, table: str, name: str) -> None:
        self._engine.last_caches.delete(database, table, name)

    def delete_distinct_cache(self, database: str, table: str, name: str) -> None:
        self._engine.distinct_caches.delete(database, table, name)

    def create_trigger(self, trigger: Trigger) -> None:
        place = (trigger.database, trigger.name, trigger.plugin_filename, trigger.spec)
        self._engine.triggers.create(*place, **trigger.settings)

    def change_trigger(self, database: str, name: str, change: TriggerChange) -> None:
        triggers = self._engine.triggers
        present = triggers.get(database, name)
        settings = present.settings
        if change.arguments is not None:
            settings["arguments"] = change.arguments
        if change.error_behavior is not None:
            settings["error_behavior"] = change.error_behavior
        filename = change.plugin_filename or present.plugin_filename
        triggers.replace(database, name, filename, present.spec, **settings)

    def delete_trigger(self, database: str, name: str, *, force: bool) -> None:
        self._engine.triggers.delete(database, name, force=force)

    def enable_trigger(self, database: str, name: str) -> None:
        self._engine.triggers.enable(database, name)

    def disable_trigger(self, database: str, name: str) -> None:
        self._engine.triggers.disable(database, name)

    def create_plugin_file(self, database: str, filename: str, text: str) -> None:  # noqa: ARG002
        self._engine.plugin_uploads.write(filename, text)

    def update_plugin_file(self, database: str, trigger: str, text: str) -> None:
        self._engine.triggers.get(database, trigger)
        self._engine.plugin_uploads.update(trigger, text)

    def replace_plugin_folder(self, database: str, trigger: str, files: Mapping[str, str]) -> None:
        self._engine.triggers.get(database, trigger)
        self._engine.plugin_uploads.replace(trigger, files)

    def test_wal_plugin(self, test: PluginTest, lines: bytes) -> Json:
        return self._engine.plugin_tests.write(
            test.database,
            test.filename,
            lines,
            arguments=test.arguments,
            cache_name=test.cache_name,
        )

    def test_schedule_plugin(self, test: PluginTest, schedule: str | None) -> Json:
        return self._engine.plugin_tests.schedule(
            test.database,
            test.filename,
            schedule,
            arguments=test.arguments,
            cache_name=test.cache_name,
        )

    def create_admin_token(self) -> str:
        return _new_token(lambda hash_: self._catalog.create_token(ADMIN_TOKEN_NAME, hash_))

    def regenerate_admin_token(self) -> str:
        return _new_token(self._catalog.regenerate_admin_token)

    def create_named_token(self, name: str, expiry_seconds: int | None) -> str:
        return _new_token(
            lambda hash_: self._catalog.create_token(name, hash_, expiry_seconds=expiry_seconds)
        )

    def delete_token(self, name: str) -> None:
        self._catalog.delete_token(name)

    def install_packages(
        self, packages: Sequence[str], watch: InstallWatch | None = None
    ) -> Installation | None:
        return self._engine.install_packages(packages, watch)

    def install_requirements(self, path: str, watch: InstallWatch | None = None) -> Installation | None:
        return self._engine.install_requirements(path, watch)

    def _told_of(self, cache: CacheDefinition) -> Json:
        database = self._catalog.database(cache.database)
        return created_cache(
            cache,
            database.tables[cache.table].schema,
            database_id=database.id,
            sequence_number=self._catalog.sequence_number,
        )


def _new_token(keep: Callable[[str], object]) -> str:
    """Make a token's text, have its hash kept, and return it."""
    text = new_token_text()
    keep(token_hash(text.encode()))
    return text


def hard_deletion(text: str | None) -> HardDeletion | int:
    """Return when the data goes: one of the words, or an instant, nanoseconds UTC.

    Raises: InvalidInputError, with what is accepted.

    Source: influxdb3/src/commands/delete.rs, parse_hard_delete_time.
    """
    words = {member.value: member for member in HardDeletion}
    if text is None:
        return HardDeletion.DEFAULT
    if text.lower() in words:
        return words[text.lower()]
    try:
        instant = datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise InvalidInputError(
            f"--hard-delete cannot be {text!r}; accepted: {', '.join(words)}, or a time such as "
            "2024-06-18T10:30:00Z"
        ) from error
    aware = instant if instant.tzinfo is not None else instant.replace(tzinfo=datetime.UTC)
    return int(aware.timestamp()) * 1_000_000_000
