"""What does a replay run in?

In an engine of its own, in memory and without threads, on a virtual clock: the same parts as the notebook's engine
has, so that a plugin runs as it does live. It begins with the tables, caches and triggers that a database has, and
with no rows, no plugin cache, no logs: what happens there reaches nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Final

import pyarrow as pa

from procengine.catalog.definitions import Database
from procengine.clock import VirtualClock
from procengine.engine import Engine
from procengine.errors import (
    InvalidInputError,
    LineProtocolError,
    PluginError,
    PluginsDisabledError,
    TriggerNotFoundError,
)
from procengine.model.column import TIME, Column, ColumnType
from procengine.model.line_group import ParsedLines
from procengine.model.names import INTERNAL_DATABASE
from procengine.model.table_rows import TableRows
from procengine.model.trigger import Trigger
from procengine.processing.step_pool import StepPool
from procengine.replay.recorded_steps import RecordedStep
from procengine.write.validator import validate

INHERITED: Final = (
    "plugin_dir",
    "node_id",
    "virtual_env_location",
    "exec_mem_pool_bytes",
    "last_cache_eviction_interval",
    "distinct_cache_eviction_interval",
    "async_trigger_concurrency_limit",
    "shutdown_timeout",
    "request_queue_limit",
    "trigger_depth_limit",
    "trigger_lag_limit",
    "plugin_wall_time_limit",
    "plugin_cpu_time_limit",
    "plugin_memory_limit",
)
"""The options of the engine that hold in its replays, too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """Which triggers of a database a replay has: all enabled ones, or those named, or of plugins named.

    ``swaps`` puts other plugin files in the place of those that triggers name.
    """

    triggers: Collection[str] = ()
    plugins: Collection[str] = ()
    swaps: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    def of(self, database: Database) -> list[Trigger]:
        """Return the triggers, in the order of their creation.

        Raises:
            TriggerNotFoundError: one that is named is not there.
            InvalidInputError: a plugin that is named runs no trigger.
        """
        known = list(database.triggers.values())
        for name in self.triggers:
            if name not in database.triggers:
                raise TriggerNotFoundError(name, database.name)
        files = {one.plugin_filename for one in known}
        for filename in (*self.plugins, *self.swaps):
            if filename not in files:
                raise InvalidInputError(
                    f"no trigger of {database.name} runs plugin {filename!r}; expected one of: "
                    f"{', '.join(sorted(files)) or 'none'}"
                )
        if not self.triggers and not self.plugins:
            return [one for one in known if not one.disabled]
        return [one for one in known if one.name in self.triggers or one.plugin_filename in self.plugins]


class Scratch:
    """The engine of one replay, with its clock and its pool. `close` ends it."""

    def __init__(self, engine: Engine, start_ns: int) -> None:
        """Make the engine; ``engine`` is the one whose plugins and options it shares.

        Raises: PluginsDisabledError: that has no plugins.
        """
        if not engine.config.plugins_enabled:
            raise PluginsDisabledError
        self.clock = VirtualClock(start_ns)
        self.pool = StepPool()
        options = {name: getattr(engine.config, name) for name in INHERITED}
        self.engine = Engine(
            environ={},
            clock=self.clock,
            step_pool=self.pool,
            object_store="memory",
            datafusion_num_threads=1,  # so that rows without an order come in the same one each time
            **{name: value for name, value in options.items() if value is not None},
        )
        self.engine.plugins.share_origins(engine.plugins)

    def take_tables(self, database: Database) -> None:
        """Have a database's tables, without rows."""
        self.engine.catalog.create_database(database.name)
        self.engine.catalog.evolve(
            database.name, {one.name: one.schema.columns for one in database.tables.values()}
        )

    def begin(self, database: Database, instant_ns: int) -> None:
        """Let the clock stand at an instant, and have what goes by it: retention periods and caches."""
        self.clock.advance_to(instant_ns)
        catalog = self.engine.catalog
        catalog.set_retention_period(database.name, database.retention_period_ns)
        for table in database.tables.values():
            if table.retention_period_ns is not None:
                catalog.set_retention_period(database.name, table.retention_period_ns, table=table.name)
            for last in table.last_caches.values():
                self.engine.last_caches.create(database.name, table.name, **last.settings)
            for distinct in table.distinct_caches.values():
                self.engine.distinct_caches.create(database.name, table.name, **distinct.settings)

    def take_triggers(
        self, database: str, triggers: Sequence[Trigger], swaps: Mapping[str, str]
    ) -> None:
        """Have triggers, enabled, with the plugins that ``swaps`` puts in the place of theirs.

        Raises: PluginError: a plugin cannot be loaded; the trigger is named.
        """
        for one in triggers:
            filename = swaps.get(one.plugin_filename, one.plugin_filename)
            enabled = replace(one, disabled=False)
            try:
                self.engine.triggers.create(database, one.name, filename, one.spec, **enabled.settings)
            except PluginError as error:
                raise PluginError(f"trigger {one.name} cannot be replayed: {error}") from error

    def validated(self, parsed: ParsedLines, database: str) -> tuple[TableRows, ...]:
        """Return rows as the write path takes them; their tables and columns are made.

        Raises: LineProtocolError: some do not fit the tables that there are.

        Differs: live, a column is made when its first row is written; here all are there from the start.
        """
        found = validate(parsed, catalog=self.engine.catalog, database=database, accept_partial=False)
        if found.errors:
            raise LineProtocolError(found.errors)
        return found.rows

    def recorded(self, steps: Sequence[RecordedStep], database: str) -> tuple[RecordedStep, ...]:
        """Return a recording's steps with the ids that its tables have here."""
        kinds = {kind.arrow_type: kind for kind in ColumnType}
        columns: dict[str, dict[str, Column]] = {}
        for rows in (rows for step in steps for rows in step.rows):
            known = columns.setdefault(rows.table, {})
            for one in rows.batch.schema:
                if one.name != TIME and one.name not in known:
                    known[one.name] = Column(one.name, kinds[one.type])
        held = self.engine.catalog.evolve(
            database, {table: list(named.values()) for table, named in columns.items()}
        )
        return tuple(
            RecordedStep(
                instant_ns=step.instant_ns,
                rows=tuple(_with_ids(rows, held) for rows in step.rows),
                request=step.request,
                tick=step.tick,
            )
            for step in steps
        )

    def tables(self) -> dict[tuple[str, str], pa.Table]:
        """Return the rows of all tables, by database and table, each in the order of time and tags."""
        found = {}
        for database in self.engine.catalog.databases:
            if database.name == INTERNAL_DATABASE:
                continue
            for table in database.tables.values():
                quoted = table.name.replace('"', '""')
                rows = self.engine.query(f'SELECT * FROM "{quoted}"', database.name)
                if rows.num_rows:
                    order = [(name, "ascending") for name in (TIME, *table.schema.series_key)]
                    found[database.name, table.name] = _plain_tags(rows).sort_by(order)
        return found

    def tags(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """Return the tags of all tables, by database and table."""
        return {
            (database.name, table.name): table.schema.series_key
            for database in self.engine.catalog.databases
            for table in database.tables.values()
        }

    def close(self) -> None:
        """Stop the engine."""
        self.engine.stop()


def _with_ids(rows: TableRows, database: Database) -> TableRows:
    return TableRows(
        database_id=database.id,
        table_id=database.tables[rows.table].id,
        database=database.name,
        table=rows.table,
        batch=rows.batch,
        shapes=rows.shapes,
        shape_of_row=rows.shape_of_row,
    )


def _plain_tags(rows: pa.Table) -> pa.Table:
    """Return rows with tags as text, in one chunk a column: what sorting and comparing need."""
    columns = [
        column.cast(pa.utf8()) if pa.types.is_dictionary(column.type) else column
        for column in rows.columns
    ]
    return pa.table(columns, names=rows.column_names).combine_chunks()
