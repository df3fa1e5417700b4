"""How does a text become a plan over the rows that it wants?

Functions of InfluxDB are replaced; the tables that the text can mean are looked at; what a text wants of large ones
is read off a plan in which they are empty, once for each text. That plan also tells whether the text does no more
than choose rows (`row_choice`); for the sake of that alone a plan is looked at when a text is run again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pyarrow as pa

from procengine.errors import QueryError
from procengine.query.brief_queries import is_brief, may_only_choose
from procengine.query.cache_choice import read_cache_choice
from procengine.query.cache_functions import mentions_caches
from procengine.query.cancellation import QueryCancellation
from procengine.query.clock_functions import clock_parameters
from procengine.query.error_text import datafusion_errors
from procengine.query.influx_functions import FunctionContext, is_replaced_alike, replace_functions
from procengine.query.live_catalog import SYSTEM_SCHEMA
from procengine.query.parameters import check_named
from procengine.query.plan_cache import Choice, KnownText, PlanCache
from procengine.query.plan_conditions import read_wanted, unread
from procengine.query.query_threads import QueryThreads
from procengine.query.row_choice import read_choice, read_plain_scan
from procengine.query.server_types import server_schema
from procengine.query.session import Session
from procengine.query.statement import Statement
from procengine.query.table_mentions import TableMentions

_SHOW_TABLES = re.compile(r"\s*SHOW\s+TABLES\s*;?\s*", re.IGNORECASE)
_TABLES_IN_ORDER = """\
SELECT * FROM information_schema.tables ORDER BY
CASE table_schema WHEN 'iox' THEN 0 WHEN 'system' THEN 1 ELSE 2 END,
CASE table_schema WHEN 'information_schema'
THEN strpos('tables views columns df_settings schemata routines parameters', table_name) ELSE 0 END,
table_name"""
"""The order in which a server shows tables; schemas here come to DataFusion as a set.

Source: influxdb3/tests/server/query.rs, api_v3_query_show_tables_ordering.
"""


class StatementPlanner:
    """Plans texts of one statement on one session; ``now_ns`` is None where none of them asks for the present."""

    def __init__(
        self,
        *,
        session: Session,
        statement: Statement,
        mentions: TableMentions,
        parameters: Mapping[str, pa.Scalar],
        now_ns: int | None,
        threads: QueryThreads,
        cancellation: QueryCancellation | None,
        cache: PlanCache,
    ) -> None:
        self.statement = statement
        self.parameters = parameters
        if now_ns is not None:
            self.parameters = {**parameters, **clock_parameters(now_ns)}
        self._session = session
        self._cache = cache
        self._mentions = mentions
        self._threads = threads
        self._cancellation = cancellation
        self._functions = FunctionContext(parameters=parameters, evaluate=self.evaluate)
        self._looked: dict[str, KnownText] = {}
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

    def choice(self, sql: str) -> Choice | None:
        """Return what a text chooses, None where it does more or was not worth a look.

        Looking takes a plan: that of a large table has to be made in any case.
        """
        if not may_only_choose(sql):
            return None
        text = self._replaced(sql)
        known = self._known(sql, text)
        self._prepare(sql, known)
        if known is None and not (self.statement.is_undecided or mentions_caches(text)):
            self._remember(sql, KnownText(replaced=text))
            return None
        if known is None or not known.looked:
            known = self._look(sql, text)
        return known.choice

    def plan(self, sql: str) -> Any:
        """Return a DataFrame that can be run."""
        text = self._replaced(sql)
        known = self._known(sql, text)
        self._prepare(sql, known)
        self.statement.undecide()
        if self.statement.is_undecided or mentions_caches(text):
            if known is None or known.conditions is None:
                known = self._look(sql, text)
            while not self._decide(known):
                known = self._look(sql, text)
        return self._plan_of(sql, text)

    def look(self, sql: str) -> Any:
        """Return a DataFrame whose plan may be looked at but not run: large tables are empty in it."""
        text = self._replaced(sql)
        self._prepare(sql, None)
        self.statement.undecide()
        return self._plan_of(sql, text)

    def collect(self, sql: str) -> pa.Table:
        """Return the rows of a text."""
        return self.run(self.plan(sql), sql)

    def run(self, frame: Any, sql: str) -> pa.Table:
        """Return the rows of a text that was planned; the caller can be interrupted.

        What must end soon is run on the caller's own thread: changing threads can take as long as the query.
        """
        with datafusion_errors():
            if self.statement.has_few_rows and is_brief(sql) and not self._cancelled:
                batches = frame.collect()
            else:
                batches = self._threads.call(frame.collect, self._cancellation)
            return pa.Table.from_batches(batches, batches[0].schema if batches else frame.schema())

    def server_schema(self, frame: Any, sql: str) -> pa.Schema:
        """Return the columns of a text that was planned, with the types that they have on a server."""
        tables = {name: one.arrow_schema for name, one in self.statement.schemas.items()}
        return server_schema(frame, sql, tables)

    @property
    def _cancelled(self) -> bool:
        return self._cancellation is not None and self._cancellation.cancelled

    def evaluate(self, expression: str) -> pa.Scalar:
        """Return the value of a constant SQL expression."""
        with datafusion_errors():
            return self._session.evaluate(expression, self.parameters)

    def _replaced(self, sql: str) -> str:
        """Return a text with DataFusion's functions only."""
        if "$" in sql:
            check_named(sql, self.parameters)
        if _SHOW_TABLES.fullmatch(sql) is not None:
            return _TABLES_IN_ORDER
        try:
            return replace_functions(sql, self._functions)
        except QueryError:
            self.check_syntax(sql)
            raise

    def _prepare(self, sql: str, known: KnownText | None) -> None:
        """Make the tables ready that a text can mean, but for those that it is known not to read."""
        unread = known.unread if known is not None else frozenset()
        self.statement.prepare(name for name in self._mentions.find(sql) if name not in unread)
        lowered = sql.lower()
        if SYSTEM_SCHEMA in lowered:
            self.statement.prepare_system(TableMentions(self.statement.system_tables).find(sql))
        if "information_schema" in lowered or "show" in lowered:
            self.statement.prepare_columns()

    def _decide(self, known: KnownText) -> bool:
        """Make the undecided tables and the called caches ready; False if the text must be looked at again."""
        if not self.statement.calls.decide(known.calls, self.parameters):
            return False
        self.statement.let_go(known.unread)
        conditions = known.conditions or {}
        self.statement.decide({name: one.bounds(self.parameters) for name, one in conditions.items()})
        return True

    def _known(self, sql: str, text: str) -> KnownText | None:
        return self._looked.get(sql) or self._cache.get(self.statement.database, self._key(sql, text))

    def _remember(self, sql: str, known: KnownText) -> None:
        self._cache.put(self.statement.database, self._key(sql, known.replaced), known)

    @staticmethod
    def _key(sql: str, text: str) -> str:
        return sql if text == sql or is_replaced_alike(sql) else text

    def _look(self, sql: str, text: str) -> KnownText:
        """Return what a plan of a text tells, in which undecided tables are empty.

        It is planned without values for its parameters, and the answer remembered; where that cannot be planned,
        with them.
        """
        self.statement.undecide()
        try:
            frame = self._plan(text, {})
            plan = frame.optimized_logical_plan()
        except Exception:  # noqa: BLE001 - DataFusion raises nothing more special
            self._remember(sql, KnownText(replaced=text, looked=True))
            with datafusion_errors():
                plan = self._plan_of(sql, text).optimized_logical_plan()
            known = self._read(text, plan)
        else:
            known = self._read(text, plan)
            if may_only_choose(sql):
                known = self._with_choice(known, frame, plan)
            self._remember(sql, known)
        self._looked[sql] = known
        return known

    def _read(self, text: str, plan: Any) -> KnownText:
        """Read off a plan what it wants of tables and of caches, and of which tables it wants nothing."""
        calls, schemas = self.statement.calls, self.statement.schemas
        tags = {name: dict.fromkeys(schema.series_key, str) for name, schema in schemas.items()}
        found = read_wanted(plan, {**tags, **calls.keys})
        return KnownText(
            replaced=text,
            looked=True,
            conditions={name: found[name].condition for name in schemas if name in found},
            unread=unread(plan, schemas),
            calls=calls.wanted(found),
        )

    def _with_choice(self, known: KnownText, frame: Any, plan: Any) -> KnownText:
        """Add what a text chooses, if it does no more."""
        scan = read_plain_scan(frame, plan)
        if scan is None:
            return known
        conditions, schemas = known.conditions or {}, self.statement.schemas
        choice = read_choice(known.replaced, scan, conditions=conditions, schemas=schemas)
        return replace(known, choice=choice or read_cache_choice(known.replaced, scan, known.calls))

    def _plan_of(self, sql: str, text: str) -> Any:
        """Plan a text; a mistake in it is reported at its place in ``sql``."""
        try:
            with datafusion_errors():
                return self._plan(text, self.parameters)
        except QueryError:
            if text != sql:
                self.check_syntax(sql)
            raise

    def _plan(self, text: str, parameters: Mapping[str, pa.Scalar]) -> Any:
        frame = self._session.plan(text, parameters, one_thread=self.statement.wants_one_thread)
        while self.statement.prepare_missed():
            frame = self._session.plan(text, parameters)
        return frame
