"""What exists: databases, tables, columns, triggers, caches and tokens, kept durably.

Reading takes no lock: `Catalog.state` is an immutable value that a commit replaces. Commits take their turn
under one lock; each is a list of events that is durable in the log before it is visible. Subscribers are
called after that, outside the lock, on the thread that committed; events of two threads may cross, so a
subscriber that needs the present reads it from the catalog.
"""

from __future__ import annotations

import logging
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from procengine.catalog import cache_changes, changes, token_changes
from procengine.catalog.catalog_files import CatalogFiles, OpenLog
from procengine.catalog.definitions import Database, HardDeletion, TableDefinition
from procengine.catalog.event_codec import encode_commit
from procengine.catalog.evolution import evolution_events, new_database_event
from procengine.catalog.limits import Limits
from procengine.catalog.state import CatalogState, Draft
from procengine.clock import Clock
from procengine.errors import DatabaseNotFoundError, StoppedError
from procengine.file_system import LOCAL, FileSystem
from procengine.model.cache_definition import (
    DEFAULT_COUNT,
    DEFAULT_MAX_AGE_SECONDS,
    DEFAULT_MAX_CARDINALITY,
    DEFAULT_TTL_SECONDS,
    DistinctCacheDefinition,
    LastCacheDefinition,
)
from procengine.model.catalog_event import (
    CatalogCreated,
    CatalogEvent,
    DatabaseCreated,
    TablePurged,
)
from procengine.model.column import Column, ColumnType
from procengine.model.names import INTERNAL_DATABASE
from procengine.model.token import Token
from procengine.model.trigger import Trigger
from procengine.recovery import FOLDER_NAME, Recovery

logger = logging.getLogger(__name__)

NANOSECONDS_PER_MILLISECOND = 1_000_000
LATEST_EXPIRY_MS = 253_402_300_799_000  # 9999-12-31T23:59:59Z
INTERNAL_RETENTION_NS = 7 * 24 * 3600 * 1_000_000_000

Subscriber = Callable[[CatalogEvent], None]
E = TypeVar("E", bound=CatalogEvent)


@dataclass(frozen=True, slots=True)
class _Head:
    """A state and the log that led to it: replaced together, so that an interrupt cannot part them."""

    state: CatalogState
    log: OpenLog | None


class Catalog:
    """The definitions of one engine. ``folder`` None keeps them in memory only.

    All methods may be called from any thread. Those that change something commit once, raise
    `StorageError` when the disk refuses (nothing is changed then), and `StoppedError` when the catalog is
    not started. ``node_id`` None takes the one of the first start.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        clock: Clock,
        limits: Limits | None = None,
        node_id: str | None = None,
        file_system: FileSystem = LOCAL,
        recovery: Recovery | None = None,
    ) -> None:
        self._files: CatalogFiles | None = None
        if folder is not None:
            recovery = recovery or Recovery(folder / FOLDER_NAME, file_system=file_system)
            self._files = CatalogFiles(folder, file_system=file_system, recovery=recovery)
        self._clock = clock
        self._node_id = node_id
        self._head = _Head(CatalogState(), None)
        self._started = False
        # Held while a commit decides, writes and becomes visible: commits are rare and must not cross.
        self._commits = threading.Lock()
        # Guards the replacement of the tuple of subscribers.
        self._subscribing = threading.Lock()
        self._subscribers: tuple[Subscriber, ...] = ()
        self.limits = limits or Limits()

    def start(self) -> None:
        """Load what the folder holds; on the very first start, create the identities and ``_internal``.

        Raises:
            CorruptFileError: a file is damaged; the text names it and the byte.
            DataFormatError: a file is of another version.
            StorageError: the folder cannot be read or written.
        """
        with self._commits:
            if self._started:
                return
            if self._files is not None:
                self._head = _Head(*self._files.load())
            self._started = True
        try:
            self._commit(self._first_events)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Close the log. Reading goes on, changes raise `StoppedError`. Closing twice is allowed."""
        with self._commits:
            self._started = False
            if self._head.log is not None:
                self._head.log.log.close()

    @property
    def state(self) -> CatalogState:
        """Everything at one instant."""
        return self._head.state

    @property
    def sequence_number(self) -> int:
        """The number of commits that led here."""
        return self.state.sequence_number

    @property
    def instance_id(self) -> str:
        """The catalog's own id, made at its first start."""
        return self.state.instance_id

    @property
    def node_id(self) -> str:
        """The node's id: as configured, else as at the first start."""
        return self._node_id or self.state.node_id

    @property
    def databases(self) -> tuple[Database, ...]:
        """The databases that are not deleted, ``_internal`` among them, in the order of creation."""
        return tuple(self.state.databases.values())

    def all_databases(self) -> tuple[Database, ...]:
        """Return all databases, deleted ones too, in the order of creation."""
        return tuple(self.state.databases_by_id.values())

    def find_database(self, name: str) -> Database | None:
        """Return a database that is not deleted, or None."""
        return self._head.state.databases.get(name)

    def database(self, name: str) -> Database:
        """Return a database that is not deleted.

        Raises:
            DatabaseNotFoundError: there is none of this name.
        """
        database = self.find_database(name)
        if database is None:
            raise DatabaseNotFoundError(name)
        return database

    def find_writable_database(self, name: str) -> Database | None:
        """Return a database to write to, or None when a write would create it.

        Raises:
            InvalidInputError: a deleted database bears the name.

        Source: influxdb3_write, WriteValidator::initialize.
        """
        database = self._head.state.databases.get(name)
        if database is None:
            changes.refuse_deleted(self.state, name)
        return database

    def table_by_id(self, table_id: int) -> tuple[Database, TableDefinition] | None:
        """Return a table and its database, deleted ones too, or None when the id was never given."""
        for database in self.state.databases_by_id.values():
            table = database.tables_by_id.get(table_id)
            if table is not None:
                return database, table
        return None

    def create_database(self, name: str, *, retention_period_ns: int | None = None) -> Database:
        """Create a database.

        Raises:
            AlreadyExistsError: there is one of this name, deleted or not.
            InvalidNameError: the name is not allowed.
            LimitExceededError: there are as many as may be.
        """

        def decide(state: CatalogState) -> list[CatalogEvent]:
            if name in state.databases or state.deleted_database(name) is not None:
                raise changes.already_exists()
            return [
                new_database_event(
                    state, name, limits=self.limits, retention_period_ns=retention_period_ns
                )
            ]

        return self._commit(decide).databases[name]

    def delete_database(
        self, name: str, hard_deletion: HardDeletion | int = HardDeletion.DEFAULT
    ) -> Database:
        """Mark a database as deleted and return it; its tables go with it, its triggers are disabled.

        The data goes later, at ``hard_deletion_time_ns``. Called with the name that a deleted database
        bears, another time is set.

        Raises:
            DatabaseNotFoundError: there is none of this name.
            AlreadyDeletedError: it is deleted, to go at the same time.
            InvalidInputError: it is ``_internal``.

        Source: influxdb3_catalog, Catalog::soft_delete_database.
        """
        event, state = self._commit_one(
            lambda state: changes.delete_database(state, name, hard_deletion, self._clock.now_ns())
        )
        return state.databases_by_id[event.database_id]

    def create_table(
        self, database: str, table: str, *, tags: Sequence[str] = (), fields: Iterable[Column] = ()
    ) -> TableDefinition:
        """Create a table, and its database where there is none.

        Raises:
            AlreadyExistsError: there is one of this name.
            InvalidInputError: a name is not allowed, or two columns share one.
            LimitExceededError: a limit would be exceeded.

        Source: influxdb3_catalog, Catalog::create_table_opts.
        """
        columns = [*(Column(tag, ColumnType.TAG) for tag in tags), *fields]

        def decide(state: CatalogState) -> list[CatalogEvent]:
            known = state.databases.get(database)
            if known is None:
                changes.refuse_deleted(state, database)
            elif table in known.tables:
                raise changes.already_exists()
            return evolution_events(
                state, database, {table: columns}, limits=self.limits, from_plugin=False
            )

        return self._commit(decide).databases[database].tables[table]

    def delete_table(
        self, database: str, table: str, hard_deletion: HardDeletion | int = HardDeletion.DEFAULT
    ) -> TableDefinition:
        """Mark a table as deleted and return it; its data goes later, at ``hard_deletion_time_ns``.

        Raises:
            DatabaseNotFoundError, TableNotFoundError: there is none of this name.
            InvalidInputError: the database is ``_internal``.

        Source: influxdb3_catalog, Catalog::soft_delete_table.
        """
        event, state = self._commit_one(
            lambda state: changes.delete_table(
                state, database, table, hard_deletion, self._clock.now_ns()
            )
        )
        return state.databases_by_id[event.database_id].tables_by_id[event.table_id]

    def restore_database(self, name: str) -> Database:
        """Let a deleted database be there again, with the tables that were deleted with it; return it.

        ``name`` is the one it had, or the one it bears since its deletion. Its triggers stay disabled.

        Raises:
            DatabaseNotFoundError: no deleted database has the name, or its data is gone.
            AlreadyExistsError: another database has taken the name.
            InvalidInputError: several deleted databases had the name.
            LimitExceededError: a limit would be exceeded.

        Differs: the original has no such operation.
        """
        event, state = self._commit_one(
            lambda state: changes.restore_database(state, name, self.limits, self._clock.now_ns())
        )
        return state.databases_by_id[event.database_id]

    def restore_table(self, database: str, table: str) -> TableDefinition:
        """Let a deleted table be there again and return it.

        ``table`` is the name it had, or the one it bears since its deletion.

        Raises:
            DatabaseNotFoundError, TableNotFoundError: there is none of this name, or its data is gone.
            AlreadyExistsError: another table has taken the name.
            InvalidInputError: several deleted tables had the name, or the database is ``_internal``.
            LimitExceededError: a limit would be exceeded.

        Differs: the original has no such operation.
        """
        event, state = self._commit_one(
            lambda state: changes.restore_table(
                state, database, table, self.limits, self._clock.now_ns()
            )
        )
        return state.databases_by_id[event.database_id].tables_by_id[event.table_id]

    def purge_due(self) -> tuple[int, ...]:
        """Forget the deleted databases and tables whose time has come; return the ids of the tables.

        From then on they cannot be restored; their rows are the caller's to remove.
        """
        purged: list[int] = []

        def decide(state: CatalogState) -> list[CatalogEvent]:
            events = changes.purge_due(state, self._clock.now_ns())
            purged[:] = [one.table_id for one in events if isinstance(one, TablePurged)]
            return events

        self._commit(decide)
        return tuple(purged)

    def set_retention_period(
        self, database: str, retention_period_ns: int | None, *, table: str | None = None
    ) -> None:
        """Keep a database's rows, or those of one table, for some time; None: for ever, or as the database says.

        Rows whose time is older are not seen by queries, and go.

        Raises:
            DatabaseNotFoundError, TableNotFoundError: there is none of this name.
            InvalidInputError: the database is ``_internal``.
        """

        def decide(state: CatalogState) -> list[CatalogEvent]:
            event = changes.set_retention_period(state, database, table, retention_period_ns)
            return [] if event is None else [event]

        self._commit(decide)

    def evolve(
        self, database: str, additions: Mapping[str, Sequence[Column]], *, from_plugin: bool = False
    ) -> Database:
        """Make a database have these tables and columns, in one commit; none when it has them.

        Columns that exist with the same type are passed over. ``from_plugin`` applies the looser rule to
        the name of a database that is created.

        Raises:
            InvalidInputError: a name is not allowed, a column exists with another type, or a deleted
                database bears the name.
            LimitExceededError: a limit would be exceeded.
        """

        def decide(state: CatalogState) -> list[CatalogEvent]:
            if database not in state.databases:
                changes.refuse_deleted(state, database)
            return evolution_events(
                state, database, additions, limits=self.limits, from_plugin=from_plugin
            )

        return self._commit(decide).databases[database]

    def create_trigger(self, trigger: Trigger) -> Trigger:
        """Add a trigger and return it with its id. Its specification is stored as it is given.

        Raises:
            AlreadyExistsError: the database has one of this name.
            DatabaseNotFoundError: there is no such database.
            InvalidInputError: the name is empty, or the database is ``_internal``.
        """
        event, _ = self._commit_one(lambda state: changes.create_trigger(state, trigger))
        return event.trigger

    def replace_trigger(self, trigger: Trigger) -> Trigger:
        """Give a trigger another definition and return it; its id stays, and all that hangs on it.

        Nothing is committed where it is so.

        Raises:
            DatabaseNotFoundError, TriggerNotFoundError: there is none of this name.
            InvalidInputError: the database is ``_internal``.

        Differs: the original has no such operation; a trigger is deleted and created.
        """

        def decide(state: CatalogState) -> list[CatalogEvent]:
            event = changes.replace_trigger(state, trigger)
            return [] if event is None else [event]

        return self._commit(decide).databases[trigger.database].triggers[trigger.name]

    def set_trigger_disabled(self, database: str, name: str, disabled: bool) -> Trigger:
        """Enable or disable a trigger, for good, and return it; nothing is committed where it is so.

        Raises:
            DatabaseNotFoundError, TriggerNotFoundError: there is none of this name.
            InvalidInputError: the database is ``_internal``.
        """

        def decide(state: CatalogState) -> list[CatalogEvent]:
            event = changes.set_trigger_disabled(state, database, name, disabled=disabled)
            return [] if event is None else [event]

        return self._commit(decide).databases[database].triggers[name]

    def pause_trigger(self, database: str, name: str, reason: str) -> Trigger:
        """Note for good why the engine paused a trigger, and return it; a disabled one is left alone.

        `set_trigger_disabled` and `replace_trigger` end the pause.

        Raises:
            DatabaseNotFoundError, TriggerNotFoundError: there is none of this name.
        """

        def decide(state: CatalogState) -> list[CatalogEvent]:
            event = changes.pause_trigger(state, database, name, reason)
            return [] if event is None else [event]

        return self._commit(decide).databases[database].triggers[name]

    def delete_trigger(self, database: str, name: str, *, force: bool = False) -> Trigger:
        """Remove a trigger and return what it was.

        Raises:
            DatabaseNotFoundError, TriggerNotFoundError: there is none of this name.
            TriggerBusyError: it is enabled and ``force`` is not given.
            InvalidInputError: the database is ``_internal``.
        """
        event, _ = self._commit_one(
            lambda state: changes.delete_trigger(state, database, name, force=force)
        )
        return event.trigger

    def last_cache_definitions(self) -> list[tuple[LastCacheDefinition, TableDefinition]]:
        """Return the last-value caches of all tables that are not deleted, each with its table."""
        return [(cache, table) for table in self._tables() for cache in table.last_caches.values()]

    def distinct_cache_definitions(self) -> list[tuple[DistinctCacheDefinition, TableDefinition]]:
        """Return the distinct-value caches of all tables that are not deleted, each with its table."""
        return [(cache, table) for table in self._tables() for cache in table.distinct_caches.values()]

    def create_last_cache(
        self,
        database: str,
        table: str,
        *,
        name: str | None = None,
        key_columns: Sequence[str] | None = None,
        value_columns: Sequence[str] | None = None,
        count: int = DEFAULT_COUNT,
        ttl_seconds: int = DEFAULT_TTL_SECONDS,
    ) -> LastCacheDefinition:
        """Define a last-value cache of a table and return it; see `procengine.model.cache_definition.last_cache`.

        Raises:
            AlreadyExistsError: the table has one of this name.
            DatabaseNotFoundError, TableNotFoundError: there is no such table.
            InvalidInputError: the definition is not allowed, or the database is ``_internal``.
        """
        event, _ = self._commit_one(
            lambda state: cache_changes.create_last_cache(
                state,
                database,
                table,
                name=name,
                key_columns=key_columns,
                value_columns=value_columns,
                count=count,
                ttl_seconds=ttl_seconds,
                now_ns=self._clock.now_ns(),
            )
        )
        return event.last_cache

    def delete_last_cache(self, database: str, table: str, name: str) -> LastCacheDefinition:
        """Remove a last-value cache and return what it was.

        Raises:
            DatabaseNotFoundError, TableNotFoundError, CacheNotFoundError: there is none of this name.
            InvalidInputError: the database is ``_internal``.
        """
        event, _ = self._commit_one(
            lambda state: cache_changes.delete_last_cache(state, database, table, name)
        )
        return event.last_cache

    def create_distinct_cache(
        self,
        database: str,
        table: str,
        *,
        columns: Sequence[str],
        name: str | None = None,
        max_cardinality: int = DEFAULT_MAX_CARDINALITY,
        max_age_seconds: int = DEFAULT_MAX_AGE_SECONDS,
    ) -> DistinctCacheDefinition:
        """Define a distinct-value cache and return it; see `procengine.model.cache_definition.distinct_cache`.

        Raises:
            AlreadyExistsError: the table has one of this name.
            DatabaseNotFoundError, TableNotFoundError: there is no such table.
            InvalidInputError: the definition is not allowed, or the database is ``_internal``.
        """
        event, _ = self._commit_one(
            lambda state: cache_changes.create_distinct_cache(
                state,
                database,
                table,
                columns=columns,
                name=name,
                max_cardinality=max_cardinality,
                max_age_seconds=max_age_seconds,
                now_ns=self._clock.now_ns(),
            )
        )
        return event.distinct_cache

    def delete_distinct_cache(self, database: str, table: str, name: str) -> DistinctCacheDefinition:
        """Remove a distinct-value cache and return what it was.

        Raises:
            DatabaseNotFoundError, TableNotFoundError, CacheNotFoundError: there is none of this name.
            InvalidInputError: the database is ``_internal``.
        """
        event, _ = self._commit_one(
            lambda state: cache_changes.delete_distinct_cache(state, database, table, name)
        )
        return event.distinct_cache

    def create_token(self, name: str, hash_: str, *, expiry_seconds: int | None = None) -> Token:
        """Add a token by its text's SHA-512, from now until ``expiry_seconds`` have passed (None: for ever).

        A token that would expire after the year 9999 never does.

        Raises:
            AlreadyExistsError: there is one of this name.
            InvalidInputError: the name is not Unicode text.

        Source: influxdb3_catalog, Catalog::create_named_admin_token.
        """
        now_ms = self._clock.now_ns() // NANOSECONDS_PER_MILLISECOND
        expiry_ms = None if expiry_seconds is None else now_ms + expiry_seconds * 1000
        if expiry_ms is not None and expiry_ms > LATEST_EXPIRY_MS:
            expiry_ms = None
        event, _ = self._commit_one(
            lambda state: token_changes.create_token(
                state, name, hash_=hash_, now_ms=now_ms, expiry_ms=expiry_ms
            )
        )
        return event.token

    def regenerate_admin_token(self, hash_: str) -> Token:
        """Give the operator's token another text, by its SHA-512; the one before admits no more.

        Raises:
            NotFoundError: there is no such token.
        """
        now_ms = self._clock.now_ns() // NANOSECONDS_PER_MILLISECOND
        event, state = self._commit_one(
            lambda state: token_changes.regenerate_admin_token(state, hash_=hash_, now_ms=now_ms)
        )
        return state.tokens[event.name]

    def delete_token(self, name: str) -> None:
        """Remove a token: it admits no more.

        Raises:
            NotFoundError: there is none of this name.
            OperationRefusedError: it is the operator's.
        """
        self._commit_one(lambda state: token_changes.delete_token(state, name))

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Call ``subscriber`` with each event from now on; return the call that ends this.

        An error that it raises is logged: the commit has happened.
        """
        with self._subscribing:
            self._subscribers = (*self._subscribers, subscriber)

        def unsubscribe() -> None:
            with self._subscribing:
                self._subscribers = tuple(one for one in self._subscribers if one is not subscriber)

        return unsubscribe

    def _tables(self) -> Iterator[TableDefinition]:
        for database in self.state.databases.values():
            yield from database.tables.values()

    def _commit_one(self, decide: Callable[[CatalogState], E]) -> tuple[E, CatalogState]:
        """Commit the one event that is decided on; return it and the state it led to."""
        decided: list[E] = []

        def decide_one(state: CatalogState) -> list[E]:
            decided.append(decide(state))
            return decided

        state = self._commit(decide_one)
        return decided[0], state

    def _commit(self, decide: Callable[[CatalogState], Sequence[CatalogEvent]]) -> CatalogState:
        """Decide on the present state, make the events durable, then visible; return the state they led to.

        No event, no commit. What ``decide`` raises leaves everything as it was.
        """
        with self._commits:
            if not self._started:
                raise StoppedError("the catalog is not started")
            head = self._head
            events = decide(head.state)
            if not events:
                return head.state
            draft = Draft(head.state)
            for event in events:
                draft.apply(event)
            state = draft.freeze(head.state.sequence_number + 1)
            self._head = _Head(state, self._durable(head.log, state, events))
            self._checkpoint_if_due()
        self._publish(events)
        return state

    def _durable(
        self, log: OpenLog | None, state: CatalogState, events: Sequence[CatalogEvent]
    ) -> OpenLog | None:
        if self._files is None or log is None:
            return None
        return self._files.append(log, encode_commit(state.sequence_number, events))

    def _checkpoint_if_due(self) -> None:
        """Done after the commit is visible, so that an interrupt leaves no more on disk than in memory."""
        state, log = self._head.state, self._head.log
        if self._files is None or log is None or not log.checkpoint_due:
            return
        self._head = _Head(state, self._files.checkpoint(state, log))
        if self._head.log is not None and self._head.log.log is not log.log:
            log.log.close()

    def _publish(self, events: Sequence[CatalogEvent]) -> None:
        for event in events:
            for subscriber in self._subscribers:
                try:
                    subscriber(event)
                except Exception:
                    logger.exception("catalog subscriber failed: event=%s", type(event).__name__)

    def _first_events(self, state: CatalogState) -> list[CatalogEvent]:
        if state.instance_id:
            return []
        instance_id = str(uuid.uuid4())
        return [
            CatalogCreated(instance_id=instance_id, node_id=self._node_id or f"node-{instance_id[:8]}"),
            DatabaseCreated(
                database_id=state.next_database_id,
                database=INTERNAL_DATABASE,
                retention_period_ns=INTERNAL_RETENTION_NS,
            ),
        ]
