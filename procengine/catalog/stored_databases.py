"""Which databases and tables exist, what are their columns, and how are they deleted and restored?"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from procengine.catalog import changes
from procengine.catalog.committed_state import CommittedState
from procengine.catalog.definitions import Database, HardDeletion, TableDefinition
from procengine.catalog.evolution import evolution_events, new_database_event
from procengine.catalog.state import CatalogState
from procengine.errors import DatabaseNotFoundError
from procengine.model.catalog_event import CatalogEvent, TablePurged
from procengine.model.column import Column, ColumnType


class StoredDatabases(CommittedState):
    """The databases of a catalog, with their tables and columns."""

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
        self._commit_if_changed(
            lambda state: changes.set_retention_period(state, database, table, retention_period_ns)
        )

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
