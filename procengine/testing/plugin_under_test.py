"""How is a plugin called without a server, a database or a trigger of one's own?"""

from __future__ import annotations

import datetime
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from procengine.clock import NANOSECONDS_PER_SECOND, VirtualClock
from procengine.engine import Engine
from procengine.errors import InvalidInputError
from procengine.model.run import Cause, CauseKind, Run, RunOutcome
from procengine.model.trigger import Trigger, TriggerKind
from procengine.processing.endpoints import QueryEndpoint
from procengine.processing.event import Event, RequestEvent, ScheduleEvent, WriteEvent
from procengine.testing.plugin_run import PluginRun, logs_of_plugin, split_lines
from procengine.write.synthetic_rows import synthetic_rows

NOW = "2026-01-01T00:00:00Z"

_SPECS = {
    TriggerKind.WRITE: "all_tables",
    TriggerKind.SCHEDULE: "every:1h",
    TriggerKind.REQUEST: "request:test",
}

Instant = str | int | datetime.datetime
Rows = Sequence[Mapping[str, object]]


class PluginUnderTest:
    """A plugin in an engine of its own, in memory. To be used in a ``with`` block, by one thread.

    ``plugin`` is its file or folder; or ``source`` its text. ``arguments`` are what a trigger would give it as
    ``args``. ``now`` is what the engine's clock shows, until `advance`: ISO 8601 (UTC without a zone) or nanoseconds.
    ``cache`` and ``global_cache`` are what the plugin cache holds at first.

    Each of the three entry points is called as by a trigger of its own, and has a plugin cache of its own. What the
    plugin writes is stored, and found by its queries; nothing calls it again for that.

    Raises:
        PluginPathError: there is no such file or folder.
        InvalidInputError: an argument or an instant cannot be.
    """

    def __init__(
        self,
        plugin: str | Path | None = None,
        *,
        source: str | None = None,
        database: str = "test",
        arguments: Mapping[str, str] | None = None,
        now: Instant = NOW,
        cache: Mapping[str, object] | None = None,
        global_cache: Mapping[str, object] | None = None,
    ) -> None:
        if (plugin is None) == (source is None):
            raise InvalidInputError("give the plugin's file or folder, or its source: one of the two")
        self.database = database
        self._arguments = dict(arguments) if arguments else None
        self._clock = VirtualClock(instant_ns(now))
        self._cache = dict(cache or {})
        self._answers = _Answers()
        self._started = ExitStack()
        with ExitStack() as started:
            path = _written(source, started) if plugin is None else Path(plugin).absolute()
            self._filename = path.name
            self.engine = started.enter_context(
                Engine(
                    environ={},
                    plugin_dir=path.parent,
                    object_store="memory",
                    http_bind="off",
                    clock=self._clock,
                )
            )
            self.engine.catalog.create_database(database)
            self._answers.others = self.engine.query_executor
            self.engine.plugin_runner.queries = self._answers
            shared = self.engine.plugin_cache.for_trigger(database, 0)
            for key, value in (global_cache or {}).items():
                shared.put(key, value, use_global=True)
            self._started = started.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop the engine. Closing twice is allowed."""
        self._started.close()

    def store(self, lines: str, *, database: str | None = None) -> None:
        """Store rows that the plugin's queries will find; it is not called.

        Raises: LineProtocolError.
        """
        self.engine.write(self.database if database is None else database, lines)

    def answer(self, sql: str, rows: Rows, params: Mapping[str, str] | None = None) -> None:
        """Answer a query of the plugin, word for word the same, with rows instead of stored ones."""
        self._answers.known[_key(sql, params)] = pa.Table.from_pylist([dict(row) for row in rows])

    def before_query(self, call: Callable[[str, str, Mapping[str, object] | None], None]) -> None:
        """Have text, database and parameters of each query told before it is answered."""
        self._answers.keep = call

    def advance(self, seconds: float) -> None:
        """Let the engine's clock go on; what was cached with a time to live may expire."""
        self._clock.advance(seconds)

    def write(self, lines: str) -> PluginRun:
        """Store lines of line protocol, and call ``process_writes`` with their rows.

        Rows without a time have the clock's.

        Raises:
            LineProtocolError: a line cannot be stored; nothing was called.
            PluginError: the plugin cannot be loaded, or has no such entry point.
        """
        rows = synthetic_rows(
            lines,
            catalog=self.engine.catalog,
            database=self.database,
            default_time_ns=self._clock.now_ns(),
        )
        self.store(lines)
        return self._call(WriteEvent(rows=rows, cause=Cause(kind=CauseKind.FIRE)))

    def schedule(self, at: Instant | None = None) -> PluginRun:
        """Call ``process_scheduled_call`` for an instant, by default the clock's.

        Raises: PluginError, as `write`; InvalidInputError for what is no instant.
        """
        instant = self._clock.now_ns() if at is None else instant_ns(at)
        cause = Cause(kind=CauseKind.FIRE, instant_ns=instant)
        return self._call(ScheduleEvent(instant_ns=instant, cause=cause))

    def request(
        self,
        body: str | bytes = b"",
        *,
        method: str | None = None,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> PluginRun:
        """Call ``process_request``; the method is POST where there is a body, else GET.

        Raises: PluginError, as `write`.
        """
        content = body.encode() if isinstance(body, str) else body
        event = RequestEvent(
            method=method or ("POST" if content else "GET"),
            query_params=dict(params or {}),
            headers={name.lower(): value for name, value in (headers or {}).items()},
            body=content,
            cause=Cause(kind=CauseKind.REQUEST),
        )
        return self._call(event)

    def rows(self, sql: str, *, database: str | None = None) -> list[dict[str, object]]:
        """Return the rows of a query, as the plugin would see them, its own writes among them."""
        from procengine.processing.query_rows import query_rows

        found = self.engine.query(sql, self.database if database is None else database)
        rows: list[dict[str, object]] = query_rows(found)
        return rows

    def _call(self, event: Event) -> PluginRun:
        trigger = self._trigger(event.kind)
        run = self.engine.triggers.fire(trigger.name, event, database=self.database)
        values = self.engine.plugin_cache.values()
        mine = f"{self.database}/{trigger.name}"
        return PluginRun(
            lines={database: split_lines(texts) for database, texts in run.lines.items()},
            logs=logs_of_plugin(run),
            cache={one.key: one.value for one in values if one.namespace == mine},
            global_cache={one.key: one.value for one in values if one.namespace == "global"},
            error=_error(run),
            response=run.response,
            run=run,
        )

    def _trigger(self, kind: TriggerKind) -> Trigger:
        """Return the trigger of a kind, which events reach by hand alone."""
        known = self.engine.catalog.database(self.database).triggers.get(kind.value)
        if known is not None:
            return known
        trigger = self.engine.triggers.create(
            self.database,
            kind.value,
            self._filename,
            _SPECS[kind],
            arguments=self._arguments,
            disabled=True,
        )
        cache = self.engine.plugin_cache.for_trigger(self.database, trigger.trigger_id)
        for key, value in self._cache.items():
            cache.put(key, value)
        return trigger


class _Answers:
    """Answers the queries that a test knows, and hands over all others."""

    others: QueryEndpoint

    def __init__(self) -> None:
        self.keep: Callable[[str, str, Mapping[str, object] | None], None] | None = None
        self.known: dict[tuple[str, tuple[tuple[str, object], ...]], pa.Table] = {}

    def query(self, sql: str, database: str, params: Mapping[str, object] | None = None) -> pa.Table:
        """Return the rows of a query."""
        if self.keep is not None:
            self.keep(sql, database, params)
        known = self.known.get(_key(sql, params))
        return self.others.query(sql, database, params) if known is None else known


def instant_ns(instant: Instant) -> int:
    """Return an instant as nanoseconds UTC; without a zone it is UTC.

    Raises: InvalidInputError.
    """
    if isinstance(instant, int):
        return instant
    try:
        moment = datetime.datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    except ValueError as error:
        raise InvalidInputError(
            f"instant cannot be {instant!r}: expected ISO 8601, such as {NOW}, or nanoseconds"
        ) from error
    aware = moment if moment.tzinfo is not None else moment.replace(tzinfo=datetime.UTC)
    epoch = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
    return (aware - epoch) // datetime.timedelta(microseconds=1) * (NANOSECONDS_PER_SECOND // 1_000_000)


def _written(source: str | None, started: ExitStack) -> Path:
    """Write a plugin's text to a file, for as long as the engine is up."""
    folder = started.enter_context(tempfile.TemporaryDirectory(prefix="procengine-test-"))
    path = Path(folder) / "plugin.py"
    path.write_text(source or "", encoding="utf-8")
    return path


def _key(sql: str, params: Mapping[str, Any] | None) -> tuple[str, tuple[tuple[str, object], ...]]:
    return sql.strip(), tuple(sorted((params or {}).items()))


def _error(run: Run) -> str | None:
    if run.failure is not None:
        return run.failure.message
    if run.outcome is RunOutcome.SUCCESS:
        return None
    return "; ".join(run.write_errors) or run.outcome.value
