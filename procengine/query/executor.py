"""How does a statement become rows?

The executor takes a session from its pool, lets it plan the statement against the database as it is at this instant,
narrows what large tables hand over to what the plan wants, and runs the plan on a query thread while the caller waits
interruptibly. Any thread may query.

Source: influxdb3_query_executor/src/lib.rs, QueryExecutorImpl.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import pyarrow as pa

from procengine.clock import Clock
from procengine.errors import DatabaseNotFoundError, StoppedError
from procengine.model.names import INTERNAL_DATABASE
from procengine.query.cache_functions import CacheFunction
from procengine.query.cached_rows import CacheHolder, NoCaches
from procengine.query.cancellation import QueryCancellation
from procengine.query.parameters import bind
from procengine.query.query_log import LOG_SIZE, LoggedQuery, Queries, QueryLog
from procengine.query.query_tally import QueryStatistics
from procengine.query.query_threads import QueryThreads
from procengine.query.session_options import SessionOptions
from procengine.query.stored_rows import StoredRows
from procengine.query.system_table import SystemTable
from procengine.query.table_scan import CheckFiles

if TYPE_CHECKING:
    from procengine.catalog import Catalog
    from procengine.query.query_run import QueryRun
    from procengine.query.session_pool import SessionPool


class QueryExecutor:
    """Runs SQL over a database's tables, buffers, Parquet files and system tables.

    ``view`` returns the rows of a table, by its id, at one instant. ``system_tables`` are those of the schema
    ``system``; those of ``internal_only`` are seen by queries against ``_internal`` alone; ``queries`` is added.
    ``log_size`` is how many queries that table keeps. ``last_caches`` and ``distinct_caches`` are what the functions
    of these names find. DataFusion is imported by the first query.
    """

    def __init__(
        self,
        catalog: Catalog,
        view: Callable[[int], StoredRows],
        system_tables: Iterable[SystemTable] = (),
        *,
        clock: Clock,
        options: SessionOptions | None = None,
        log_size: int = LOG_SIZE,
        last_caches: CacheHolder | None = None,
        distinct_caches: CacheHolder | None = None,
        check_files: CheckFiles = lambda _: None,
    ) -> None:
        self._check_files = check_files
        self._catalog = catalog
        self._view = view
        self._clock = clock
        self._options = options or SessionOptions()
        self._caches = {
            CacheFunction.LAST: last_caches or NoCaches(),
            CacheFunction.DISTINCT: distinct_caches or NoCaches(),
        }
        self._log = QueryLog(log_size)
        tables = [*system_tables, Queries(self._log)]
        self._internal_tables = {table.name: table for table in tables}
        self._system_tables = {table.name: table for table in tables if not table.internal_only}
        self._threads = QueryThreads()
        # Guards the making of the pool, and its end.
        self._lock = threading.Lock()
        self._pool: SessionPool | None = None
        self._closed = False

    def query(
        self,
        sql: str,
        database: str,
        params: Mapping[str, object] | None = None,
        *,
        cancellation: QueryCancellation | None = None,
    ) -> pa.Table:
        """Return all rows of one read-only statement.

        ``$name`` in the text stands for ``params["name"]``: str, bool, int, float or None. ``SELECT *`` has the
        columns sorted by name. ``time`` is ``timestamp[ns]`` without zone, tags are ``dictionary<int32, utf8>``,
        strings ``utf8``. Without ``ORDER BY`` the rows come in any order.

        Raises:
            QueryError: the text cannot be planned, is more than one statement, would change something, or failed.
            DatabaseNotFoundError: there is no such database.
            QueryCancelledError: ``cancellation`` was cancelled.
            KeyboardInterrupt: on the main thread; the executor stays usable.
            StoppedError: the executor is closed.
        """
        return self._run(sql, database, params, cancellation).collect()

    def stream(
        self,
        sql: str,
        database: str,
        params: Mapping[str, object] | None = None,
        *,
        cancellation: QueryCancellation | None = None,
    ) -> pa.RecordBatchReader:
        """Return the rows of one read-only statement as they are found; see `query`.

        The rows are those of this instant, however late they are read. Errors of the run, and interruptions, are
        raised by the reader. It may be read by one thread at a time.
        """
        return self._run(sql, database, params, cancellation).stream()

    def schema(self, sql: str, database: str, params: Mapping[str, object] | None = None) -> pa.Schema:
        """Return the columns of one read-only statement's result, without running it; see `query`."""
        return self._run(sql, database, params, None).schema()

    def statistics(self) -> QueryStatistics:
        """Return how many queries there were, how they ended, and how long they took."""
        return self._log.tally.read()

    def close(self) -> None:
        """End the query threads and let all tables go. Closing twice is allowed."""
        with self._lock:
            self._closed = True
            pool, self._pool = self._pool, None
        self._threads.stop()
        if pool is not None:
            pool.close()

    def _run(
        self,
        sql: str,
        database: str,
        params: Mapping[str, object] | None,
        cancellation: QueryCancellation | None,
    ) -> QueryRun:
        found = self._catalog.find_database(database)
        if found is None:
            raise DatabaseNotFoundError(database)
        parameters = bind(params)
        pool = self._sessions()
        internal = database == INTERNAL_DATABASE
        statement = pool.statement(found, self._internal_tables if internal else self._system_tables)
        logged = LoggedQuery(database=database, text=sql, issue_time_ns=self._clock.now_ns())
        self._log.add(logged)
        from procengine.query.query_run import QueryRun

        return QueryRun(
            pool=pool,
            threads=self._threads,
            statement=statement,
            parameters=parameters,
            logged=logged,
            cancellation=cancellation,
        )

    def _sessions(self) -> SessionPool:
        """Return the pool; make it, and import DataFusion, at the first query."""
        pool = self._pool
        if pool is not None:
            return pool
        from procengine.query.session_pool import SessionPool

        with self._lock:
            if self._closed:
                raise StoppedError("the query executor is closed")
            if self._pool is None:
                self._pool = SessionPool(self._options, self._view, self._caches, self._check_files)
            return self._pool
