"""How does a text become a plan over the rows that it wants?

Functions of InfluxDB are replaced; the tables that the text can mean are looked at; large ones are planned as if they
were empty, to learn what is wanted of them, and then again with that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from procengine.errors import QueryError
from procengine.query.cancellation import QueryCancellation
from procengine.query.error_text import datafusion_errors
from procengine.query.influx_functions import FunctionContext, replace_functions
from procengine.query.live_catalog import SYSTEM_SCHEMA
from procengine.query.query_threads import QueryThreads
from procengine.query.scan_bounds import read_bounds
from procengine.query.session import Session
from procengine.query.statement import Statement
from procengine.query.table_mentions import TableMentions


class StatementPlanner:
    """Plans texts of one statement on one session."""

    def __init__(
        self,
        *,
        session: Session,
        statement: Statement,
        mentions: TableMentions,
        parameters: Mapping[str, pa.Scalar],
        now_ns: int,
        threads: QueryThreads,
        cancellation: QueryCancellation | None,
    ) -> None:
        self.statement = statement
        self.parameters = parameters
        self._session = session
        self._mentions = mentions
        self._threads = threads
        self._cancellation = cancellation
        self._functions = FunctionContext(now_ns=now_ns, parameters=parameters, evaluate=self.evaluate)
        session.begin(statement)

    @property
    def aggregate_names(self) -> frozenset[str]:
        """The names of DataFusion's aggregate functions."""
        return self._session.aggregate_names

    def check_syntax(self, sql: str) -> None:
        """Raise DataFusion's error if a text cannot be parsed, before any of it is replaced."""
        try:
            with datafusion_errors():
                self._session.plan(sql, self.parameters)
        except QueryError as failure:
            if str(failure).startswith("SQL error:"):
                raise

    def add_temporary(self, name: str, rows: pa.Table) -> None:
        """Let later texts of the statement read some rows as a table."""
        self.statement.add_temporary(name, rows)

    def plan(self, sql: str) -> Any:
        """Return a DataFrame that can be run."""
        text = self._prepared(sql)
        frame = self._first_plan(sql, text)
        with datafusion_errors():
            undecided = self.statement.undecided
            bounds = read_bounds(frame.optimized_logical_plan(), undecided) if undecided else {}
        if undecided:
            self.statement.decide(bounds)
            with datafusion_errors():
                frame = self._plan(text)
        return frame

    def look(self, sql: str) -> Any:
        """Return a DataFrame whose plan may be looked at but not run: large tables are empty in it."""
        return self._first_plan(sql, self._prepared(sql))

    def collect(self, sql: str) -> pa.Table:
        """Return the rows of a text."""
        frame = self.plan(sql)
        return self.run(frame)

    def run(self, frame: Any) -> pa.Table:
        """Return a DataFrame's rows; the caller can be interrupted."""
        with datafusion_errors():
            batches = self._threads.call(frame.collect, self._cancellation)
            return pa.Table.from_batches(batches, batches[0].schema if batches else frame.schema())

    def evaluate(self, expression: str) -> pa.Scalar:
        """Return the value of a constant SQL expression."""
        with datafusion_errors():
            return self._session.evaluate(expression, self.parameters)

    def _prepared(self, sql: str) -> str:
        """Make the tables ready that a text can mean, and return it with DataFusion's functions only."""
        self.statement.prepare(self._mentions.find(sql))
        lowered = sql.lower()
        if SYSTEM_SCHEMA in lowered:
            self.statement.prepare_system(TableMentions(self.statement.system_tables).find(sql))
        if "information_schema" in lowered or "show" in lowered:
            self.statement.prepare_columns()
        return replace_functions(sql, self._functions)

    def _first_plan(self, sql: str, text: str) -> Any:
        """Plan a text with large tables empty; a mistake in it is reported at its place in ``sql``."""
        self.statement.undecide()
        try:
            with datafusion_errors():
                return self._plan(text)
        except QueryError:
            if text != sql:
                self.check_syntax(sql)
            raise

    def _plan(self, text: str) -> Any:
        frame = self._session.plan(text, self.parameters)
        while self.statement.missed:
            self.statement.prepare_missed()
            frame = self._session.plan(text, self.parameters)
        return frame
