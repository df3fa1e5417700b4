"""What are databases and tables, as the catalog knows them?

Values: a change makes new ones, so whoever holds one sees one instant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from types import MappingProxyType

from procengine.model.cache_definition import DistinctCacheDefinition, LastCacheDefinition
from procengine.model.table_schema import TableSchema
from procengine.model.trigger import Trigger

DEFAULT_HARD_DELETION_DELAY_NS = 72 * 3600 * 1_000_000_000
"""How long deleted data stays when nothing else is asked: 72 hours, as in the original."""


class HardDeletion(Enum):
    """When the data of something deleted goes; an instant (nanoseconds UTC) may stand instead."""

    DEFAULT = "default"
    """72 hours after the deletion."""
    NOW = "now"
    """As soon as possible."""
    NEVER = "never"
    """It stays, deleted but there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDefinition:
    """A table: its name and columns, its caches by name, and whether and when its data must go.

    A deleted table has the name ``{name}-{YYYYmmddTHHMMSS}``, so that the name is free again; ``name_before`` is
    the name that it had. Its caches are gone, and come back when it is restored. ``retention_period_ns`` is None
    where the database's own holds.
    """

    id: int
    name: str
    schema: TableSchema
    last_caches: Mapping[str, LastCacheDefinition] = field(default_factory=lambda: MappingProxyType({}))
    distinct_caches: Mapping[str, DistinctCacheDefinition] = field(
        default_factory=lambda: MappingProxyType({})
    )
    retention_period_ns: int | None = None
    deleted: bool = False
    deleted_ns: int | None = None
    name_before: str | None = None
    hard_deletion_time_ns: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """A database with its tables and triggers, by name, in the order of their creation.

    ``tables`` leaves deleted tables out; ``tables_by_id`` has them as well.
    ``retention_period_ns`` is None when rows are kept for ever.
    A deleted database is renamed as a deleted table is; all its tables are deleted with it, at the same
    ``deleted_ns``.
    """

    id: int
    name: str
    tables: Mapping[str, TableDefinition] = field(default_factory=lambda: MappingProxyType({}))
    triggers: Mapping[str, Trigger] = field(default_factory=lambda: MappingProxyType({}))
    tables_by_id: Mapping[int, TableDefinition] = field(default_factory=lambda: MappingProxyType({}))
    retention_period_ns: int | None = None
    deleted: bool = False
    deleted_ns: int | None = None
    name_before: str | None = None
    hard_deletion_time_ns: int | None = None

    def cutoff_ns(self, table: TableDefinition, now_ns: int) -> int | None:
        """Return the instant before which a table's rows are not kept any more, or None when all are.

        Source: influxdb3_catalog, DatabaseSchema::get_retention_period_cutoff_ts_nanos.
        """
        period_ns = table.retention_period_ns
        if period_ns is None:
            period_ns = self.retention_period_ns
        return None if period_ns is None else now_ns - period_ns
