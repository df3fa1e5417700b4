"""How does one statement run, from its text to its rows?

A statement that only chooses rows, as an earlier plan of its text told, is answered by the rows' own index.
Any other is planned on the caller's thread, because planning takes less time than a change of threads, and run on a
query thread, so that the caller can be interrupted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from procengine.errors import QueryCancelledError
from procengine.query.cancellation import QueryCancellation
from procengine.query.clock_functions import with_clock
from procengine.query.error_text import datafusion_errors
from procengine.query.gapfill_query import fill_gaps
from procengine.query.influx_functions import mentions_clock
from procengine.query.plan_cache import Choice
from procengine.query.query_log import LoggedQuery, QueryPhase
from procengine.query.query_threads import QueryThreads
from procengine.query.row_choice import ChosenRows
from procengine.query.server_types import cast_columns, cast_under, may_differ
from procengine.query.session import Session
from procengine.query.session_pool import SessionPool
from procengine.query.statement import Statement
from procengine.query.statement_planner import StatementPlanner


class QueryRun:
    """One statement's run: `collect`, `stream` or `schema`, once."""

    def __init__(
        self,
        *,
        pool: SessionPool,
        threads: QueryThreads,
        statement: Statement,
        parameters: Mapping[str, pa.Scalar],
        logged: LoggedQuery,
        cancellation: QueryCancellation | None,
    ) -> None:
        self._pool = pool
        self._threads = threads
        self._statement = statement
        self._parameters = parameters
        self._logged = logged
        self._cancellation = cancellation

    def collect(self) -> pa.Table:
        """Return all rows."""
        found = self._known_choice()
        if found is not None:
            return found.table()
        session = self._pool.take()
        try:
            planner = self._planner(session)
            text = fill_gaps(self._logged.text, planner)
            found = self._found(planner.choice(text), planner.parameters)
            if found is None:
                frame = self._plan(planner, text)
                result = planner.run(frame, self._logged.text)
                if may_differ(text, result.schema):
                    result = cast_under(planner.server_schema(frame, text), result)
            else:
                result = found.table()
        except BaseException as failure:
            self._fail(session, failure)
            raise
        self._succeed(session)
        return result

    def schema(self) -> pa.Schema:
        """Return the columns of the rows; nothing is run."""
        session = self._pool.take()
        try:
            planner = self._planner(session)
            text = fill_gaps(self._logged.text, planner)
            schema = planner.server_schema(self._plan(planner, text), text)
        except BaseException as failure:
            self._fail(session, failure)
            raise
        self._succeed(session)
        return schema

    def stream(self) -> pa.RecordBatchReader:
        """Return the rows as they come."""
        found = self._known_choice()
        if found is not None:
            return pa.RecordBatchReader.from_batches(found.schema, found.pieces())
        session = self._pool.take()
        try:
            planner = self._planner(session)
            text = fill_gaps(self._logged.text, planner)
            frame = self._plan(planner, text)
            schema = planner.server_schema(frame, text)
            with datafusion_errors():
                batches = self._threads.call(frame.execute_stream, self._cancellation)
        except BaseException as failure:
            self._fail(session, failure)
            raise
        return pa.RecordBatchReader.from_batches(schema, self._batches(session, batches, schema))

    def _known_choice(self) -> ChosenRows | None:
        """Return the result of a text that is known to only choose rows."""
        known = self._pool.cache.get(self._statement.database, self._logged.text)
        if known is None or known.choice is None:
            return None
        parameters = with_clock(self._parameters, self._logged.issue_time_ns, known.replaced)
        try:
            found = self._found(known.choice, parameters)
        except BaseException as failure:
            self._logged.ended(QueryPhase.FAIL if isinstance(failure, Exception) else QueryPhase.CANCEL)
            raise
        if found is not None:
            self._logged.ended(QueryPhase.SUCCESS)
        return found

    def _found(self, choice: Choice | None, parameters: Mapping[str, pa.Scalar]) -> ChosenRows | None:
        """Return the rows that a statement chooses, None where a plan has to be run."""
        if choice is None or self._is_cancelled:
            return None
        found = choice.of(self._statement, parameters)
        if found is None or self._is_cancelled:
            return None
        self._logged.planned(parquet_files=0)
        return found

    @property
    def _is_cancelled(self) -> bool:
        """Whether the run was cancelled, which is told where plans are run."""
        return self._cancellation is not None and self._cancellation.cancelled

    def _batches(
        self, session: Session, batches: Iterator[Any], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        try:
            while True:
                with datafusion_errors():
                    batch = self._threads.call(lambda: next(batches, None), self._cancellation)
                if batch is None:
                    break
                yield _under(schema, batch.to_pyarrow())
        except BaseException as failure:
            self._fail(session, failure)
            raise
        self._succeed(session)

    def _planner(self, session: Session) -> StatementPlanner:
        return StatementPlanner(
            session=session,
            statement=self._statement,
            mentions=self._pool.mentions(self._statement.database),
            parameters=self._parameters,
            now_ns=self._logged.issue_time_ns if mentions_clock(self._logged.text) else None,
            threads=self._threads,
            cancellation=self._cancellation,
            cache=self._pool.cache,
        )

    def _plan(self, planner: StatementPlanner, text: str) -> Any:
        frame = planner.plan(text)
        self._logged.planned(self._statement.file_count)
        return frame

    def _succeed(self, session: Session) -> None:
        self._logged.ended(QueryPhase.SUCCESS)
        self._pool.give_back(session)

    def _fail(self, session: Session, failure: BaseException) -> None:
        """Note the end; what a function of ours raised within DataFusion is raised as itself."""
        if not isinstance(failure, Exception) or isinstance(failure, QueryCancelledError):
            # The abandoned plan may still run for a while, and ask the session's catalog.
            self._logged.ended(QueryPhase.CANCEL)
            return
        self._logged.ended(QueryPhase.FAIL)
        own = session.failure
        self._pool.give_back(session)
        if own is not None:
            raise own from failure


def _under(schema: pa.Schema, batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return rows under the schema that was announced.

    DataFusion's plan and its rows may differ in what may be null, as for constants; readers hold a stream to its
    word.
    """
    if batch.schema.equals(schema):
        return batch
    return pa.RecordBatch.from_arrays(cast_columns(schema, batch.columns), schema=schema)
