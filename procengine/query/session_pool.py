"""Which sessions are there, and what do they share?

As many as there were queries at a time. They share one more context, which makes their tables.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from procengine.query.called_caches import CacheHolders
from procengine.query.parquet_sets import ParquetSets
from procengine.query.plan_cache import PlanCache
from procengine.query.session import Session, new_context
from procengine.query.session_options import SessionOptions
from procengine.query.statement import Statement
from procengine.query.stored_rows import StoredRows
from procengine.query.system_table import SystemTable
from procengine.query.table_mentions import TableMentions
from procengine.query.table_scan import CheckFiles, TableScans

if TYPE_CHECKING:
    from procengine.catalog import Database, TableDefinition


class SessionPool:
    """Hands out sessions. Any thread may take one."""

    def __init__(
        self,
        options: SessionOptions,
        view: Callable[[int], StoredRows],
        caches: CacheHolders,
        check_files: CheckFiles,
    ) -> None:
        self._options = options
        self._view = view
        self._caches = caches
        maker = new_context(options, catalog=True)
        self._parquet = ParquetSets(maker, options.places)
        self._scans = TableScans(
            maker, self._parquet, check_files, options.places, threads=options.threads
        )
        self.cache = PlanCache()
        # Guards the list of idle sessions.
        self._lock = threading.Lock()
        self._idle: list[Session] = []
        # By database id, with the tables they were made of; a lost update is made again.
        self._mentions: dict[int, tuple[Mapping[str, TableDefinition], TableMentions]] = {}

    def statement(self, database: Database, system_tables: Mapping[str, SystemTable]) -> Statement:
        """Return a statement that has looked at nothing yet."""
        return Statement(
            database,
            view=self._view,
            system_tables=system_tables,
            scans=self._scans,
            caches=self._caches,
        )

    def mentions(self, database: Database) -> TableMentions:
        """Return what finds the database's tables in texts."""
        known = self._mentions.get(database.id)
        if known is None or known[0] is not database.tables:
            known = (database.tables, TableMentions(database.tables))
            self._mentions[database.id] = known
        return known[1]

    def take(self) -> Session:
        """Return a session for one statement; give it back when its plan has run."""
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return Session(self._options)

    def give_back(self, session: Session) -> None:
        """Let another statement have a session. One whose plan was abandoned is not given back."""
        session.end()
        with self._lock:
            self._idle.append(session)

    def close(self) -> None:
        """Let the sessions and the Parquet sets go."""
        with self._lock:
            self._idle.clear()
        self._parquet.close()
