"""What do commands need of a server, be it in this process or across the network?

Each method is one request of the original's client; errors are the engine's own or tell of the server's answer.

Source: influxdb3_client/src/lib.rs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from procengine.model.cache_definition import DistinctCacheSettings, LastCacheSettings
from procengine.model.column import Column
from procengine.model.installation import Installation, InstallWatch
from procengine.model.result_format import ResultFormat
from procengine.model.trigger import Trigger

Json = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """Where a command is to run, as its line and the environment say.

    ``option`` is the one that named the URL. ``tls_ca`` is the path of a further certificate authority.
    """

    url: str
    option: str
    token: str | None
    tls_ca: str | None
    tls_no_verify: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteOptions:
    """How lines are to be stored, and sent."""

    precision: str | None
    accept_partial: bool
    no_sync: bool
    gzip: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerChange:
    """What is to become of a trigger; None leaves it as it is."""

    plugin_filename: str | None = None
    arguments: Mapping[str, str] | None = None
    error_behavior: str | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is to change."""
        return self == TriggerChange()


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginTest:
    """A plugin that is to be tried."""

    database: str
    filename: str
    arguments: Mapping[str, str] | None
    cache_name: str | None


class Target(Protocol):
    """A server that commands are run against."""

    @property
    def takes_parallel_writes(self) -> bool:
        """Whether `write` gains from several threads."""
        ...

    def write(self, database: str, lines: bytes, options: WriteOptions) -> None:
        """Store line protocol. Any thread."""
        ...

    def query(self, database: str, text: str, form: ResultFormat, language: str) -> Iterator[bytes]:
        """Run a query; return its result in pieces. What is wrong with the query is raised before the first."""
        ...

    def show_databases(self, form: ResultFormat, *, deleted_too: bool) -> bytes:
        """Return the list of databases."""
        ...

    def create_database(self, name: str, retention_period_ns: int | None) -> None:
        """Create a database."""
        ...

    def delete_database(self, name: str, hard_delete: str | None) -> None:
        """Delete a database; ``hard_delete`` is a word or an instant."""
        ...

    def restore_database(self, name: str) -> None:
        """Let a deleted database be there again."""
        ...

    def create_table(
        self,
        database: str,
        table: str,
        tags: Sequence[str],
        fields: Sequence[Column],
        retention_period_ns: int | None,
    ) -> None:
        """Create a table."""
        ...

    def delete_table(self, database: str, table: str, hard_delete: str | None) -> None:
        """Delete a table."""
        ...

    def restore_table(self, database: str, table: str) -> None:
        """Let a deleted table be there again."""
        ...

    def set_retention_period(
        self, database: str, table: str | None, retention_period_ns: int | None
    ) -> None:
        """Say how long a database's rows are kept, or those of one of its tables; None: for ever."""
        ...

    def create_last_cache(self, database: str, table: str, settings: LastCacheSettings) -> Json | None:
        """Create a last-value cache; return what is told of it, None when it was there.

        A setting that is None is left to the server.
        """
        ...

    def create_distinct_cache(
        self, database: str, table: str, settings: DistinctCacheSettings
    ) -> Json | None:
        """Create a distinct-value cache; return what is told of it, None when it was there."""
        ...

    def delete_last_cache(self, database: str, table: str, name: str) -> None:
        """Delete a last-value cache."""
        ...

    def delete_distinct_cache(self, database: str, table: str, name: str) -> None:
        """Delete a distinct-value cache."""
        ...

    def create_trigger(self, trigger: Trigger) -> None:
        """Create a trigger."""
        ...

    def change_trigger(self, database: str, name: str, change: TriggerChange) -> None:
        """Change a trigger in place."""
        ...

    def delete_trigger(self, database: str, name: str, *, force: bool) -> None:
        """Delete a trigger."""
        ...

    def enable_trigger(self, database: str, name: str) -> None:
        """Enable a trigger."""
        ...

    def disable_trigger(self, database: str, name: str) -> None:
        """Disable a trigger."""
        ...

    def create_plugin_file(self, database: str, filename: str, text: str) -> None:
        """Put a file into the plugin directory."""
        ...

    def update_plugin_file(self, database: str, trigger: str, text: str) -> None:
        """Give the plugin of a trigger another text."""
        ...

    def replace_plugin_folder(self, database: str, trigger: str, files: Mapping[str, str]) -> None:
        """Make a trigger's plugin folder hold these files alone, texts by relative path."""
        ...

    def test_wal_plugin(self, test: PluginTest, lines: bytes) -> Json:
        """Dry-run a plugin on rows; return logs, writes and errors."""
        ...

    def test_schedule_plugin(self, test: PluginTest, schedule: str | None) -> Json:
        """Dry-run a plugin on a schedule; return time, logs, writes and errors."""
        ...

    def create_admin_token(self) -> str:
        """Make the operator's token; return its text."""
        ...

    def regenerate_admin_token(self) -> str:
        """Make the operator's token anew; return its text."""
        ...

    def create_named_token(self, name: str, expiry_seconds: int | None) -> str:
        """Make an admin token with a name; return its text."""
        ...

    def delete_token(self, name: str) -> None:
        """Delete a token."""
        ...

    def install_packages(
        self, packages: Sequence[str], watch: InstallWatch | None = None
    ) -> Installation | None:
        """Install packages for plugins; None where nothing is told of what was done."""
        ...

    def install_requirements(self, path: str, watch: InstallWatch | None = None) -> Installation | None:
        """Install what a requirements file lists, which lies where the server is."""
        ...


Connect = Callable[[Connection], Target]
"""Return the target that a connection leads to.

Raises: InvalidInputError: it cannot be made.
"""
