"""Which events does a change of databases, tables or triggers make, and what forbids it?

Pure functions over states, one for each operation; what adds columns is in `procengine.catalog.evolution`, what
concerns caches in `procengine.catalog.cache_changes`.
The texts are the original's.

Source: influxdb3_catalog/src/catalog/versions/v3/ops/.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

from procengine.catalog.definitions import (
    DEFAULT_HARD_DELETION_DELAY_NS,
    Database,
    HardDeletion,
    TableDefinition,
)
from procengine.catalog.limits import Limits
from procengine.catalog.state import CatalogState
from procengine.errors import (
    AlreadyDeletedError,
    AlreadyExistsError,
    DatabaseNotFoundError,
    InvalidInputError,
    TableNotFoundError,
    TriggerBusyError,
    TriggerNotFoundError,
)
from procengine.model.catalog_event import (
    CatalogEvent,
    DatabaseDeleted,
    DatabasePurged,
    DatabaseRestored,
    RetentionPeriodChanged,
    TableDeleted,
    TablePurged,
    TableRestored,
    TriggerCreated,
    TriggerDeleted,
    TriggerDisabledChanged,
    TriggerPaused,
    TriggerReplaced,
)
from procengine.model.names import INTERNAL_DATABASE, check_trigger_name
from procengine.model.trigger import Trigger

D = TypeVar("D", Database, TableDefinition)


def delete_database(
    state: CatalogState, name: str, hard_deletion: HardDeletion | int, now_ns: int
) -> DatabaseDeleted:
    """Return the deletion of a database; of a deleted one, the change of its time."""
    if name == INTERNAL_DATABASE:
        raise InvalidInputError("cannot delete internal db")
    database = state.databases.get(name) or state.deleted_database(name)
    if database is None:
        raise DatabaseNotFoundError(name)
    when_ns = _hard_deletion_time_ns(hard_deletion, database.hard_deletion_time_ns, now_ns)
    if database.deleted and database.hard_deletion_time_ns == when_ns:
        raise already_deleted(name)
    return DatabaseDeleted(
        database_id=database.id, database=name, deleted_ns=now_ns, hard_deletion_time_ns=when_ns
    )


def delete_table(
    state: CatalogState, database: str, table: str, hard_deletion: HardDeletion | int, now_ns: int
) -> TableDeleted:
    """Return the deletion of a table."""
    active = active_database(state, database)
    definition = active.tables.get(table)
    if definition is None:
        raise TableNotFoundError(database, table)
    return TableDeleted(
        database_id=active.id,
        database=database,
        table_id=definition.id,
        table=table,
        deleted_ns=now_ns,
        hard_deletion_time_ns=_hard_deletion_time_ns(hard_deletion, None, now_ns),
    )


def restore_database(state: CatalogState, name: str, limits: Limits, now_ns: int) -> DatabaseRestored:
    """Return the restoration of a deleted database, named as it was before or as it is now."""
    database = _deleted_one(
        [
            one
            for one in state.databases_by_id.values()
            if one.deleted and name in (one.name, one.name_before)
        ],
        f"deleted database {name!r}",
    )
    if database is None and name in state.databases:
        raise InvalidInputError(f"database {name!r} is not deleted")
    if database is None:
        raise DatabaseNotFoundError(name)
    _check_not_due(database, f"database {name!r}", now_ns)
    restored = database.name_before or database.name
    if restored in state.databases:
        raise _name_taken(f"database {name!r}", f"database {restored!r}")
    if state.database_count >= limits.databases:
        raise limits.too_many_databases()
    tables = sum(one.deleted_ns == database.deleted_ns for one in database.tables_by_id.values())
    if state.table_count + tables > limits.tables:
        raise limits.too_many_tables(state.table_count)
    return DatabaseRestored(database_id=database.id, database=restored)


def restore_table(
    state: CatalogState, database: str, table: str, limits: Limits, now_ns: int
) -> TableRestored:
    """Return the restoration of a deleted table, named as it was before or as it is now."""
    active = active_database(state, database)
    definition = _deleted_one(
        [
            one
            for one in active.tables_by_id.values()
            if one.deleted and table in (one.name, one.name_before)
        ],
        f"deleted table {table!r}",
    )
    if definition is None and table in active.tables:
        raise InvalidInputError(f"table {table!r} of database {database!r} is not deleted")
    if definition is None:
        raise TableNotFoundError(database, table)
    _check_not_due(definition, f"table {table!r}", now_ns)
    restored = definition.name_before or definition.name
    if restored in active.tables:
        raise _name_taken(f"table {table!r}", f"table {restored!r}")
    if state.table_count >= limits.tables:
        raise limits.too_many_tables(state.table_count)
    return TableRestored(
        database_id=active.id, database=database, table_id=definition.id, table=restored
    )


def purge_due(state: CatalogState, now_ns: int) -> list[CatalogEvent]:
    """Return what is to be forgotten for good by now: deleted databases and tables whose time has come."""
    events: list[CatalogEvent] = []
    for database in state.databases_by_id.values():
        events += [
            TablePurged(
                database_id=database.id, database=database.name, table_id=table.id, table=table.name
            )
            for table in database.tables_by_id.values()
            if _is_due(table, now_ns)
        ]
        if _is_due(database, now_ns) and all(
            _is_due(one, now_ns) for one in database.tables_by_id.values()
        ):
            events.append(DatabasePurged(database_id=database.id, database=database.name))
    return events


def set_retention_period(
    state: CatalogState, database: str, table: str | None, retention_period_ns: int | None
) -> RetentionPeriodChanged | None:
    """Return the change of how long rows are kept, or None when it is so."""
    active = active_database(state, database)
    definition = None if table is None else active.tables.get(table)
    if table is not None and definition is None:
        raise TableNotFoundError(database, table)
    if (definition or active).retention_period_ns == retention_period_ns:
        return None
    return RetentionPeriodChanged(
        database_id=active.id,
        database=database,
        retention_period_ns=retention_period_ns,
        table_id=None if definition is None else definition.id,
        table=table,
    )


def create_trigger(state: CatalogState, trigger: Trigger) -> TriggerCreated:
    """Return the creation of a trigger, under the next id."""
    check_trigger_name(trigger.name)
    database = active_database(state, trigger.database)
    if trigger.name in database.triggers:
        raise already_exists()
    created = replace(trigger, trigger_id=state.next_trigger_id)
    return TriggerCreated(database_id=database.id, trigger=created)


def replace_trigger(state: CatalogState, trigger: Trigger) -> TriggerReplaced | None:
    """Return the change of a trigger's definition, its id kept, or None when it is so."""
    database = active_database(state, trigger.database)
    present = _trigger(database, trigger.name)
    if trigger == present:
        return None
    replaced = replace(trigger, trigger_id=present.trigger_id)
    return TriggerReplaced(database_id=database.id, trigger=replaced)


def set_trigger_disabled(
    state: CatalogState, database: str, name: str, *, disabled: bool
) -> TriggerDisabledChanged | None:
    """Return the change of a trigger, which ends a pause, or None when it is so."""
    active = active_database(state, database)
    trigger = _trigger(active, name)
    changed = replace(trigger, disabled=disabled, pause_reason=None)
    if trigger == changed:
        return None
    return TriggerDisabledChanged(database_id=active.id, trigger=changed)


def pause_trigger(state: CatalogState, database: str, name: str, reason: str) -> TriggerPaused | None:
    """Return the pause of a trigger, or None when it is paused or disabled."""
    active = active_database(state, database)
    trigger = _trigger(active, name)
    if trigger.disabled or trigger.pause_reason is not None:
        return None
    return TriggerPaused(database_id=active.id, trigger=replace(trigger, pause_reason=reason))


def delete_trigger(state: CatalogState, database: str, name: str, *, force: bool) -> TriggerDeleted:
    """Return the deletion of a trigger."""
    active = active_database(state, database)
    trigger = _trigger(active, name)
    if not trigger.disabled and not force:
        raise TriggerBusyError(f"Cannot delete running plugin {name}. Disable it first or use --force.")
    return TriggerDeleted(database_id=active.id, trigger=trigger)


def active_database(state: CatalogState, name: str) -> Database:
    """Return a database that may be changed: neither deleted nor the engine's own."""
    if name == INTERNAL_DATABASE:
        raise InvalidInputError("cannot modify internal db")
    database = state.databases.get(name)
    if database is not None:
        return database
    if state.deleted_database(name) is not None:
        raise already_deleted(name)
    raise DatabaseNotFoundError(name)


def refuse_deleted(state: CatalogState, name: str) -> None:
    """Refuse to write to a name that a deleted database bears.

    Source: influxdb3_write/src/write_buffer/mod.rs, Error::DatabaseDeleted.
    """
    if state.deleted_database(name) is not None:
        raise InvalidInputError(
            f"cannot write to soft-deleted database '{name}' - it is marked for deletion"
        )


def already_exists() -> AlreadyExistsError:
    """Return the error for a name that is taken."""
    return AlreadyExistsError("attempted to create a resource that already exists")


def already_deleted(name: str) -> AlreadyDeletedError:
    """Return the error for a name that something deleted bears."""
    return AlreadyDeletedError(f"attempted to modify resource that was already deleted: {name}")


def _is_due(definition: Database | TableDefinition, now_ns: int) -> bool:
    due_ns = definition.hard_deletion_time_ns
    return definition.deleted and due_ns is not None and due_ns <= now_ns


def _deleted_one(found: list[D], what: str) -> D | None:
    """Return the one thing that is meant, None when there is none.

    Raises: InvalidInputError when there are several, saying how each is named now.
    """
    if len(found) > 1:
        names = ", ".join(repr(one.name) for one in found)
        raise InvalidInputError(f"cannot restore {what}: there are several; expected one of {names}")
    return found[0] if found else None


def _check_not_due(definition: Database | TableDefinition, what: str, now_ns: int) -> None:
    if _is_due(definition, now_ns):
        raise InvalidInputError(f"cannot restore {what}: the time has come at which its data goes")


def _name_taken(what: str, holder: str) -> AlreadyExistsError:
    return AlreadyExistsError(
        f"cannot restore deleted {what}: there is a {holder} again; delete that first"
    )


def _trigger(database: Database, name: str) -> Trigger:
    trigger = database.triggers.get(name)
    if trigger is None:
        raise TriggerNotFoundError(name, database.name)
    return trigger


def _hard_deletion_time_ns(
    hard_deletion: HardDeletion | int, present_ns: int | None, now_ns: int
) -> int | None:
    match hard_deletion:
        case HardDeletion.NEVER:
            return None
        case HardDeletion.NOW:
            return now_ns
        case HardDeletion.DEFAULT:
            return now_ns + DEFAULT_HARD_DELETION_DELAY_NS if present_ns is None else present_ns
    return hard_deletion
