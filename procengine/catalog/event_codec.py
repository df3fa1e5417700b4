"""How do events and states look on disk?

As JSON, compact, UTF-8. An event is ``{"event": name, ...}`` with the fields of its record; a commit is
``{"sequence_number": n, "events": [...]}``; a state is its counters and its databases.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any, TypeVar

from procengine.catalog.definitions import Database, TableDefinition
from procengine.catalog.state import CatalogState
from procengine.errors import DataFormatError
from procengine.model.cache_definition import (
    CacheDefinition,
    DistinctCacheDefinition,
    LastCacheDefinition,
)
from procengine.model.catalog_event import (
    CatalogCreated,
    CatalogEvent,
    ColumnsAdded,
    DatabaseCreated,
    DatabaseDeleted,
    DatabasePurged,
    DatabaseRestored,
    DistinctCacheCreated,
    DistinctCacheDeleted,
    LastCacheCreated,
    LastCacheDeleted,
    PluginPinned,
    RetentionPeriodChanged,
    TableCreated,
    TableDeleted,
    TablePurged,
    TableRestored,
    TokenCreated,
    TokenDeleted,
    TokenRegenerated,
    TriggerCreated,
    TriggerDeleted,
    TriggerDisabledChanged,
    TriggerPaused,
    TriggerReplaced,
)
from procengine.model.column import Column, ColumnType
from procengine.model.run_limits import RunLimits
from procengine.model.table_schema import TableSchema
from procengine.model.token import Token
from procengine.model.trigger import ErrorBehavior, Trigger

Json = dict[str, Any]
T = TypeVar("T")

_EVENTS: dict[str, type[CatalogEvent]] = {
    "catalog_created": CatalogCreated,
    "database_created": DatabaseCreated,
    "database_deleted": DatabaseDeleted,
    "table_created": TableCreated,
    "table_deleted": TableDeleted,
    "database_restored": DatabaseRestored,
    "table_restored": TableRestored,
    "database_purged": DatabasePurged,
    "table_purged": TablePurged,
    "retention_period_changed": RetentionPeriodChanged,
    "columns_added": ColumnsAdded,
    "trigger_created": TriggerCreated,
    "trigger_replaced": TriggerReplaced,
    "trigger_disabled_changed": TriggerDisabledChanged,
    "trigger_paused": TriggerPaused,
    "trigger_deleted": TriggerDeleted,
    "last_cache_created": LastCacheCreated,
    "last_cache_deleted": LastCacheDeleted,
    "distinct_cache_created": DistinctCacheCreated,
    "distinct_cache_deleted": DistinctCacheDeleted,
    "token_created": TokenCreated,
    "token_regenerated": TokenRegenerated,
    "token_deleted": TokenDeleted,
    "plugin_pinned": PluginPinned,
}
_NAMES = {kind: name for name, kind in _EVENTS.items()}

_COUNTERS = (
    "sequence_number",
    "instance_id",
    "node_id",
    "next_database_id",
    "next_table_id",
    "next_trigger_id",
    "next_cache_id",
    "next_token_id",
)


def encode_commit(sequence_number: int, events: Iterable[CatalogEvent]) -> bytes:
    """Return one commit as bytes."""
    return _dump({"sequence_number": sequence_number, "events": [_event_json(one) for one in events]})


def decode_commit(data: bytes | memoryview) -> tuple[int, list[CatalogEvent]]:
    """Return a commit's sequence number and events.

    Raises:
        DataFormatError: this version does not know what it says.
    """
    return _decoded(data, lambda commit: (commit["sequence_number"], [*map(_event, commit["events"])]))


def encode_state(state: CatalogState) -> bytes:
    """Return a whole state as bytes."""
    databases = [_database_json(one) for one in state.databases_by_id.values()]
    tokens = [asdict(token) for token in state.tokens.values()]
    counters = {name: getattr(state, name) for name in _COUNTERS}
    pins = {"pins": dict(state.pins)} if state.pins else {}
    return _dump(counters | {"tokens": tokens, "databases": databases} | pins)


def decode_state(data: bytes | memoryview) -> CatalogState:
    """Return the state that `encode_state` was given.

    Raises:
        DataFormatError: this version does not know what it says.
    """
    return _decoded(data, _state)


def _decoded(data: bytes | memoryview, build: Callable[[Json], T]) -> T:
    try:
        return build(json.loads(bytes(data)))
    except (KeyError, TypeError, ValueError) as error:
        raise DataFormatError(f"a catalog record is not understood: {error!r}") from error


def _dump(value: Json) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _event_json(event: CatalogEvent) -> Json:
    fields: Json = {"event": _NAMES[type(event)]}
    for name in event.__dataclass_fields__:
        value = getattr(event, name)
        if isinstance(value, Trigger):
            value = _trigger_json(value)
        elif isinstance(value, LastCacheDefinition | DistinctCacheDefinition):
            value = _cache_json(value)
        elif isinstance(value, Token):
            value = asdict(value)
        elif name == "columns":
            value = _columns_json(value)
        fields[name] = value
    return fields


def _event(fields: Json) -> CatalogEvent:
    kind = _EVENTS[fields.pop("event")]
    if "trigger" in fields:
        fields["trigger"] = _trigger(fields["trigger"])
    if "token" in fields:
        fields["token"] = Token(**fields["token"])
    if "columns" in fields:
        fields["columns"] = _columns(fields["columns"])
    if "last_cache" in fields:
        fields["last_cache"] = _last_cache(fields["last_cache"])
    if "distinct_cache" in fields:
        fields["distinct_cache"] = _distinct_cache(fields["distinct_cache"])
    return kind(**fields)


def _columns_json(columns: Sequence[Column]) -> list[list[str]]:
    return [[column.name, column.type.value] for column in columns]


def _columns(pairs: Iterable[Sequence[str]]) -> tuple[Column, ...]:
    return tuple(Column(name, ColumnType(kind)) for name, kind in pairs)


def _trigger_json(trigger: Trigger) -> Json:
    """Return a trigger's fields; limits and a pause, which came later, only where there are any."""
    arguments = trigger.arguments
    later: Json = {}
    if trigger.limits != RunLimits():
        later["limits"] = dataclasses.asdict(trigger.limits)
    if trigger.pause_reason is not None:
        later["pause_reason"] = trigger.pause_reason
    return later | {
        "database": trigger.database,
        "name": trigger.name,
        "plugin_filename": trigger.plugin_filename,
        "spec": trigger.spec,
        "arguments": None if arguments is None else dict(arguments),
        "run_async": trigger.run_async,
        "error_behavior": trigger.error_behavior.value,
        "disabled": trigger.disabled,
        "node_spec": trigger.node_spec,
        "trigger_id": trigger.trigger_id,
    }


def _trigger(fields: Json) -> Trigger:
    values = {
        "error_behavior": ErrorBehavior(fields["error_behavior"]),
        "limits": RunLimits(**fields.get("limits", {})),
    }
    return Trigger(**(fields | values))


def _cache_json(cache: CacheDefinition) -> Json:
    return {name: getattr(cache, name) for name in cache.__dataclass_fields__}


def _last_cache(fields: Json) -> LastCacheDefinition:
    values = fields["value_columns"]
    columns = {
        "key_columns": tuple(fields["key_columns"]),
        "value_columns": None if values is None else tuple(values),
    }
    return LastCacheDefinition(**(fields | columns))


def _distinct_cache(fields: Json) -> DistinctCacheDefinition:
    return DistinctCacheDefinition(**(fields | {"columns": tuple(fields["columns"])}))


def _table_json(table: TableDefinition) -> Json:
    return {
        "id": table.id,
        "name": table.name,
        "columns": _columns_json(table.schema.columns),
        "last_caches": [_cache_json(one) for one in table.last_caches.values()],
        "distinct_caches": [_cache_json(one) for one in table.distinct_caches.values()],
        "retention_period_ns": table.retention_period_ns,
        "deleted": table.deleted,
        "deleted_ns": table.deleted_ns,
        "name_before": table.name_before,
        "hard_deletion_time_ns": table.hard_deletion_time_ns,
    }


def _table(fields: Json) -> TableDefinition:
    schema = TableSchema(_columns(fields.pop("columns")))
    last = [_last_cache(one) for one in fields.pop("last_caches", ())]
    distinct = [_distinct_cache(one) for one in fields.pop("distinct_caches", ())]
    return TableDefinition(
        schema=schema,
        last_caches=MappingProxyType({one.name: one for one in last}),
        distinct_caches=MappingProxyType({one.name: one for one in distinct}),
        **fields,
    )


def _database_json(database: Database) -> Json:
    return {
        "id": database.id,
        "name": database.name,
        "retention_period_ns": database.retention_period_ns,
        "deleted": database.deleted,
        "deleted_ns": database.deleted_ns,
        "name_before": database.name_before,
        "hard_deletion_time_ns": database.hard_deletion_time_ns,
        "tables": [_table_json(table) for table in database.tables_by_id.values()],
        "triggers": [_trigger_json(trigger) for trigger in database.triggers.values()],
    }


def _database(fields: Json) -> Database:
    tables = [_table(one) for one in fields.pop("tables")]
    triggers = [_trigger(one) for one in fields.pop("triggers")]
    return Database(
        tables=MappingProxyType({one.name: one for one in tables if not one.deleted}),
        tables_by_id=MappingProxyType({one.id: one for one in tables}),
        triggers=MappingProxyType({one.name: one for one in triggers}),
        **fields,
    )


def _state(fields: Json) -> CatalogState:
    databases = [_database(one) for one in fields.pop("databases")]
    # A state of before there were tokens has none.
    tokens = [Token(**one) for one in fields.pop("tokens", ())]
    return CatalogState(
        databases=MappingProxyType({one.name: one for one in databases if not one.deleted}),
        databases_by_id=MappingProxyType({one.id: one for one in databases}),
        tokens=MappingProxyType({one.name: one for one in tokens}),
        pins=MappingProxyType(fields.pop("pins", {})),
        **fields,
    )
