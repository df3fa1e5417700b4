"""What happened to the catalog?

An event is one change that was made durable. The catalog's log holds events, its state is what they add up
to, and subscribers receive them. ``database`` and ``table`` are the names before the change; ids are unique
in the engine and never used again.
"""

from __future__ import annotations

from dataclasses import dataclass

from procengine.model.cache_definition import DistinctCacheDefinition, LastCacheDefinition
from procengine.model.column import Column
from procengine.model.token import Token
from procengine.model.trigger import Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class CatalogCreated:
    """A catalog was started for the first time, under these identities."""

    instance_id: str
    node_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseCreated:
    """A database was created; its rows are kept for ``retention_period_ns`` (None: for ever)."""

    database_id: int
    database: str
    retention_period_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseDeleted:
    """A database was marked as deleted with all its tables, and its triggers were disabled.

    ``deleted_ns`` names the deletion; its data goes at ``hard_deletion_time_ns`` (None: never).
    For a database that was deleted before, only that time was changed.
    """

    database_id: int
    database: str
    deleted_ns: int
    hard_deletion_time_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableCreated:
    """A table was created with its first columns, the time left out."""

    database_id: int
    database: str
    table_id: int
    table: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDeleted:
    """A table was marked as deleted; its data goes at ``hard_deletion_time_ns`` (None: never)."""

    database_id: int
    database: str
    table_id: int
    table: str
    deleted_ns: int
    hard_deletion_time_ns: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseRestored:
    """A deleted database is there again as ``database``, with the tables that were deleted with it.

    Its triggers stay disabled.
    """

    database_id: int
    database: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRestored:
    """A deleted table is there again as ``table``."""

    database_id: int
    database: str
    table_id: int
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabasePurged:
    """A deleted database is gone for good; its data goes now. ``database`` is the name it bore last."""

    database_id: int
    database: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TablePurged:
    """A deleted table is gone for good; its data goes now. ``table`` is the name it bore last."""

    database_id: int
    database: str
    table_id: int
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetentionPeriodChanged:
    """Rows of a database, or of one table of it, are kept for another time (None: for ever).

    ``table_id`` and ``table`` are None when it is the database's; a table's own period goes before it.
    """

    database_id: int
    database: str
    retention_period_ns: int | None
    table_id: int | None = None
    table: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnsAdded:
    """Columns were appended to a table."""

    database_id: int
    database: str
    table_id: int
    table: str
    columns: tuple[Column, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerCreated:
    """A trigger was created."""

    database_id: int
    trigger: Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerReplaced:
    """A trigger got another definition under its name and id; ``trigger`` is what it is now."""

    database_id: int
    trigger: Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerDisabledChanged:
    """A trigger was enabled or disabled; ``trigger`` is what it is now."""

    database_id: int
    trigger: Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerPaused:
    """The engine paused a trigger to protect itself; ``trigger`` is what it is now, with the reason."""

    database_id: int
    trigger: Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class TriggerDeleted:
    """A trigger was deleted; ``trigger`` is what it was."""

    database_id: int
    trigger: Trigger


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCacheCreated:
    """A last-value cache was created."""

    database_id: int
    last_cache: LastCacheDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class LastCacheDeleted:
    """A last-value cache was deleted; ``last_cache`` is what it was."""

    database_id: int
    last_cache: LastCacheDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class DistinctCacheCreated:
    """A distinct-value cache was created."""

    database_id: int
    distinct_cache: DistinctCacheDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class DistinctCacheDeleted:
    """A distinct-value cache was deleted; ``distinct_cache`` is what it was."""

    database_id: int
    distinct_cache: DistinctCacheDefinition


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCreated:
    """A token was created."""

    token: Token


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenRegenerated:
    """A token got another text, at an instant (milliseconds UTC); the text before admits no more."""

    name: str
    hash: str
    updated_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenDeleted:
    """A token was deleted."""

    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginPinned:
    """A plugin of a git repository, by its address, is taken from a commit, of 40 digits, from now on."""

    plugin_filename: str
    commit: str


CatalogEvent = (
    CatalogCreated
    | DatabaseCreated
    | DatabaseDeleted
    | TableCreated
    | TableDeleted
    | DatabaseRestored
    | TableRestored
    | DatabasePurged
    | TablePurged
    | RetentionPeriodChanged
    | ColumnsAdded
    | TriggerCreated
    | TriggerReplaced
    | TriggerDisabledChanged
    | TriggerPaused
    | TriggerDeleted
    | LastCacheCreated
    | LastCacheDeleted
    | DistinctCacheCreated
    | DistinctCacheDeleted
    | TokenCreated
    | TokenRegenerated
    | TokenDeleted
    | PluginPinned
)
