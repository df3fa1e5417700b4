"""What can a plugin do through ``influxdb3_local``?

Names, positions, types and error texts are the original's, to what ``dir`` shows: nine public attributes, and
no other that does not begin with two underscores.

Source: influxdb3_py_api/src/system_py.rs, PyPluginCallApi.
Differs: a query result with timestamps that are not nanoseconds, or dictionaries that are not tags, raises
    ValueError where the original aborts.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol, TypeVar

from procengine.errors import InvalidNameError, LimitExceededError, LineProtocolError, ProcengineError
from procengine.errors import QueryError as SqlError
from procengine.model.names import check_database_name
from procengine.model.run import PLUGIN_API, LogLevel
from procengine.processing.active_run import ActiveRun
from procengine.processing.plugin_values import checked_bool, checked_text, checked_text_mapping
from procengine.processing.py_cache import PyCache
from procengine.processing.query_rows import query_rows

T = TypeVar("T")


class QueryError(Exception):
    """A plugin's query failed. Plugins cannot import it; they look at ``type(error).__name__``."""


QueryError.__module__ = "influxdb3_py_api"


class Line(Protocol):
    """What can be written: anything that builds line protocol."""

    def build(self) -> str:
        """Return one line, or several joined by newlines."""
        ...


class PyPluginCallApi:
    """The object that entry points receive first. Its class has the original's name: TypeErrors show it."""

    # Names with two underscores at both ends, as the original's only private attributes are special methods.
    __slots__ = ("__cache__", "__run__")
    __run__: ActiveRun
    __cache__: PyCache

    def __init__(self, run: ActiveRun, cache: PyCache) -> None:
        self.__run__ = run
        self.__cache__ = cache

    def info(self, *args: object) -> None:
        """Log the arguments at level INFO, as text, joined by spaces."""
        _log(self.__run__, LogLevel.INFO, args)

    def warn(self, *args: object) -> None:
        """Log the arguments at level WARN, as text, joined by spaces."""
        _log(self.__run__, LogLevel.WARN, args)

    def error(self, *args: object) -> None:
        """Log the arguments at level ERROR, as text, joined by spaces."""
        _log(self.__run__, LogLevel.ERROR, args)

    def write(self, line_builder: Line) -> None:
        """Queue what the line builds for the trigger's database, to be written after the run succeeded."""
        run = self.__run__
        _queue(run, run.trigger.database, line_builder)

    def write_to_db(self, db_name: str, line_builder: Line) -> None:
        """Queue what the line builds for a database, to be written after the run succeeded."""
        _queue(self.__run__, checked_text("db_name", db_name), line_builder)

    def write_sync(self, line_builder: Line, no_sync: bool) -> None:
        """Write what the line builds to the trigger's database now; wait until it is durable, or ``no_sync``."""
        run = self.__run__
        _write_sync(run, run.trigger.database, line_builder, no_sync)

    def write_sync_to_db(self, db_name: str, line_builder: Line, no_sync: bool) -> None:
        """Write what the line builds to a database now; wait until it is durable, or ``no_sync``."""
        _write_sync(self.__run__, checked_text("db_name", db_name), line_builder, no_sync)

    def query(
        self, query: str, args: Mapping[str, str] | None = None, database: str | None = None
    ) -> list[dict[str, Any]]:
        """Return all rows of an SQL query, each a dictionary with every column, NULL as None.

        ``args`` are bound to ``$name``; they are text, to be cast in SQL where a number is wanted.

        Raises:
            QueryError: the query cannot be planned or failed while it ran.
            ValueError: a column has a type that plugins cannot receive; cast it in SQL.
        """
        run = self.__run__
        sql = checked_text("query", query)
        params = None if args is None else checked_text_mapping("args", args)
        name = run.trigger.database if database is None else checked_text("database", database)
        return _in_engine(run, lambda: _query(run, sql, name, params))

    @property
    def cache(self) -> PyCache:
        """The plugin cache; it works even while a run is being cancelled."""
        cache = self.__cache__
        cache.__store__.sweep()
        return cache


def _in_engine(run: ActiveRun, call: Callable[[], T]) -> T:
    """Call engine code for the plugin: refused once the run is cancelled, and not interrupted inside.

    Raises:
        KeyboardInterrupt: the run is cancelled.
    """
    thread = run.thread
    if thread is None:
        return call()
    thread.check()
    owed = thread.enter_engine()
    try:
        return call()
    finally:
        if owed:
            thread.leave_engine()


def _log(run: ActiveRun, level: LogLevel, args: tuple[object, ...]) -> None:
    text = " ".join([str(arg) for arg in args])
    if not text.isascii():
        text.encode()
    _in_engine(run, lambda: run.log(level, text))


def _build(line_builder: Line) -> str:
    return checked_text(None, line_builder.build())


def _queue(run: ActiveRun, database: str, line_builder: Line) -> None:
    line = _build(line_builder)
    _in_engine(run, lambda: run.queue(database, line))


def _write_sync(run: ActiveRun, database: str, line_builder: Line, no_sync: bool) -> None:
    flag = checked_bool("no_sync", no_sync)
    lines = _build(line_builder)
    fault = _in_engine(run, lambda: _try_write(run, database, lines, no_sync=flag))
    if fault is not None:
        # A plain Exception is what plugins written for the original catch.
        raise Exception(f"error writing line protocol to {database}: {fault}")


def _try_write(run: ActiveRun, database: str, lines: str, *, no_sync: bool) -> str | None:
    try:
        check_database_name(database, from_plugin=True)
    except InvalidNameError as error:
        return f"invalid database name: {error}"
    try:
        run.write(database, lines, no_sync=no_sync)
    except ProcengineError as error:
        return cannot_write_text(error)
    return None


def cannot_write_text(error: ProcengineError) -> str:
    """Return the original's words for a write that was refused.

    Source: influxdb3_py_api/src/write.rs, WriteError; influxdb3_write, write_buffer::Error.
    """
    if isinstance(error, LineProtocolError):
        return f"Cannot write: line protocol parse failed: {error.errors[0].message}"
    if isinstance(error, LimitExceededError):
        return f"Cannot write: catalog update error: {error}"
    return f"Cannot write: {error}"


def _query(
    run: ActiveRun, sql: str, database: str, params: Mapping[str, str] | None
) -> list[dict[str, Any]]:
    try:
        check_database_name(database, from_plugin=True)
    except InvalidNameError as error:
        raise QueryError(f"invalid database name provided: {error}") from None
    try:
        table = run.query(sql, database, params)
    except ProcengineError as error:
        stage = (
            "error while planning query: " if isinstance(error, SqlError) and error.while_planned else ""
        )
        raise QueryError(f"error: {stage}{error} executing query on {database}: {sql}") from None
    return query_rows(table)


PUBLIC_ATTRIBUTES: Final = frozenset(PLUGIN_API)
"""What plugins may use."""
