"""How does one statement run, from its text to its rows?

Planned on the caller's thread, because planning takes less time than a change of threads; run on a query thread,
so that the caller can be interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from procengine.errors import QueryCancelledError
from procengine.query.cancellation import QueryCancellation
from procengine.query.error_text import datafusion_errors
from procengine.query.live_catalog import SYSTEM_SCHEMA
from procengine.query.query_log import LoggedQuery, QueryPhase
from procengine.query.query_threads import QueryThreads
from procengine.query.scan_bounds import read_bounds
from procengine.query.session import Session
from procengine.query.session_pool import SessionPool
from procengine.query.statement import Statement
from procengine.query.table_mentions import TableMentions


class QueryRun:
    """One statement's run: `collect` or `stream`, once."""

    def __init__(
        self, *, pool: SessionPool, threads: QueryThreads, statement: Statement, logged: LoggedQuery
    ) -> None:
        self._pool = pool
        self._threads = threads
        self._statement = statement
        self._logged = logged

    def collect(
        self, parameters: Mapping[str, pa.Scalar], cancellation: QueryCancellation | None
    ) -> pa.Table:
        """Return all rows."""
        session = self._pool.take()
        try:
            session.begin(self._statement)
            frame = self._plan(session, parameters)
            with datafusion_errors():
                batches = self._threads.call(frame.collect, cancellation)
        except BaseException as failure:
            self._fail(session, failure)
            raise
        self._succeed(session)
        return pa.Table.from_batches(batches, batches[0].schema if batches else frame.schema())

    def stream(
        self, parameters: Mapping[str, pa.Scalar], cancellation: QueryCancellation | None
    ) -> pa.RecordBatchReader:
        """Return the rows as they come."""
        session = self._pool.take()
        try:
            session.begin(self._statement)
            frame = self._plan(session, parameters)
            with datafusion_errors():
                batches = self._threads.call(frame.execute_stream, cancellation)
        except BaseException as failure:
            self._fail(session, failure)
            raise
        return pa.RecordBatchReader.from_batches(
            frame.schema(), self._batches(session, batches, cancellation)
        )

    def _batches(
        self, session: Session, batches: Iterator[Any], cancellation: QueryCancellation | None
    ) -> Iterator[pa.RecordBatch]:
        try:
            while True:
                with datafusion_errors():
                    batch = self._threads.call(lambda: next(batches, None), cancellation)
                if batch is None:
                    break
                yield batch.to_pyarrow()
        except BaseException as failure:
            self._fail(session, failure)
            raise
        self._succeed(session)

    def _plan(self, session: Session, parameters: Mapping[str, pa.Scalar]) -> Any:
        """Return a DataFrame over the rows that the statement wants."""
        statement = self._statement
        text = self._logged.text
        statement.prepare(self._pool.mentions(statement.database).find(text))
        lowered = text.lower()
        if SYSTEM_SCHEMA in lowered:
            statement.prepare_system(TableMentions(statement.system_tables).find(text))
        if "information_schema" in lowered or "show" in lowered:
            statement.prepare_columns()
        with datafusion_errors():
            frame = session.plan(text, parameters)
            while statement.missed:
                statement.prepare_missed()
                frame = session.plan(text, parameters)
            undecided = statement.undecided
            bounds = read_bounds(frame.optimized_logical_plan(), undecided) if undecided else {}
        if undecided:
            statement.decide(bounds)
            with datafusion_errors():
                frame = session.plan(text, parameters)
        self._logged.planned(statement.file_count)
        return frame

    def _succeed(self, session: Session) -> None:
        self._logged.ended(QueryPhase.SUCCESS)
        self._pool.give_back(session)

    def _fail(self, session: Session, failure: BaseException) -> None:
        if isinstance(failure, Exception) and not isinstance(failure, QueryCancelledError):
            self._logged.ended(QueryPhase.FAIL)
            self._pool.give_back(session)
        else:
            # The abandoned plan may still run for a while, and ask the session's catalog.
            self._logged.ended(QueryPhase.CANCEL)
