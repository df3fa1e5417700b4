"""What would a plugin do that no trigger runs yet?

Source: influxdb3_processing_engine/src/plugins.rs, run_dry_run_wal_plugin and run_dry_run_schedule_plugin;
    influxdb3_types/src/http.rs, WalPluginTestResponse and SchedulePluginTestResponse (the shape of the answer).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from procengine.catalog import Catalog
from procengine.clock import Clock
from procengine.errors import InvalidInputError, TriggerSpecError
from procengine.model.names import check_database_name
from procengine.model.result_values import format_instant
from procengine.model.run import Cause, CauseKind, Run, RunOutcome
from procengine.model.trigger import Trigger, TriggerKind
from procengine.model.trigger_spec import CronSpec, parse_trigger_spec
from procengine.processing.event import Event, ScheduleEvent, WriteEvent
from procengine.processing.plugin_registry import LoadedPlugin, PluginRegistry
from procengine.processing.runner import PluginRunner
from procengine.write.synthetic_rows import synthetic_rows

Answer = dict[str, object]
"""What is told of a dry run, in the original's shape."""

DEFAULT_SCHEDULE = "* * * * * *"

_SPECS = {
    TriggerKind.WRITE: "all_tables",
    TriggerKind.SCHEDULE: f"cron:{DEFAULT_SCHEDULE}",
}


class PluginTests:
    """Dry runs of the plugins of the plugin directory: nothing is stored. Any thread.

    The plugin cache is one of tests by ``cache_name``, ``_shared_test`` without one: it is apart from all triggers',
    and values stay half an hour from test to test, as in the original.
    """

    def __init__(
        self, catalog: Catalog, clock: Clock, registry: PluginRegistry, runner: PluginRunner
    ) -> None:
        self._catalog = catalog
        self._clock = clock
        self._registry = registry
        self._runner = runner

    def write(
        self,
        database: str,
        plugin_filename: str,
        lines: str | bytes,
        *,
        arguments: Mapping[str, str] | None = None,
        cache_name: str | None = None,
    ) -> Answer:
        """Run a plugin on the rows of line protocol; return what the original answers.

        Raises:
            PluginPathError: there is no such plugin.
            PluginSourceError: it cannot be read as text.
            LineProtocolError, InvalidInputError: the lines, or the database's name, cannot be accepted.
        """
        with self._plugin(plugin_filename) as plugin:
            check_database_name(database, from_plugin=True)
            rows = synthetic_rows(
                lines,
                catalog=self._catalog,
                database=database,
                default_time_ns=self._clock.now_ns(),
            )
            event = WriteEvent(rows=rows, cause=Cause(kind=CauseKind.FIRE))
            return write_test_answer(self._run(plugin, database, event, arguments, cache_name))

    def schedule(
        self,
        database: str,
        plugin_filename: str,
        schedule: str | None = None,
        *,
        arguments: Mapping[str, str] | None = None,
        cache_name: str | None = None,
    ) -> Answer:
        """Run a plugin on the next time of a cron expression; return what the original answers.

        Raises:
            PluginPathError: there is no such plugin.
            PluginSourceError: it cannot be read as text.
            DatabaseNotFoundError: there is no such database.
            InvalidInputError: see `dry_run_instant`.
        """
        with self._plugin(plugin_filename) as plugin:
            self._catalog.database(database)
            instant_ns = dry_run_instant(schedule, self._clock.now_ns())
            cause = Cause(kind=CauseKind.FIRE, instant_ns=instant_ns)
            event = ScheduleEvent(instant_ns=instant_ns, cause=cause)
            run = self._run(plugin, database, event, arguments, cache_name)
            return schedule_test_answer(run, instant_ns)

    @contextmanager
    def _plugin(self, filename: str) -> Iterator[LoadedPlugin]:
        plugin = self._registry.load_private(filename)
        try:
            yield plugin
        finally:
            plugin.close()

    def _run(
        self,
        plugin: LoadedPlugin,
        database: str,
        event: Event,
        arguments: Mapping[str, str] | None,
        cache_name: str | None,
    ) -> Run:
        trigger = Trigger(
            database=database,
            name=plugin.filename,
            plugin_filename=plugin.filename,
            spec=_SPECS[event.kind],
            arguments=dict(arguments) if arguments else None,
        )
        return self._runner.run(trigger, event, dry_run=True, cache_name=cache_name, code=plugin)


def dry_run_instant(schedule: str | None, now_ns: int) -> int:
    """Return the time that a schedule plugin is tested with: the next one of a cron expression, UTC.

    Raises: InvalidInputError for an expression that cannot be parsed or matches no time to come.
    """
    text = schedule or DEFAULT_SCHEDULE
    try:
        spec = parse_trigger_spec(f"cron:{text}")
    except TriggerSpecError as error:
        raise InvalidInputError(f"invalid cron syntax: {text!r}: {error}") from error
    assert isinstance(spec, CronSpec)
    instant_ns = spec.next_after(now_ns)
    if instant_ns is None:
        raise InvalidInputError(f"cron schedule never triggers: {text}")
    return instant_ns


def write_test_answer(run: Run) -> Answer:
    """Return what the original answers to a dry run on rows."""
    if run.failure is not None:
        errors = [f"error executing plugin: {run.failure.message}"]
        return {"log_lines": [], "database_writes": {}, "errors": errors}
    return {
        "log_lines": [f"{entry.level.value}: {entry.text}" for entry in run.logs],
        "database_writes": {database: list(lines) for database, lines in run.lines.items()},
        "errors": list(run.write_errors),
    }


def schedule_test_answer(run: Run, instant_ns: int) -> Answer:
    """Return what the original answers to a dry run on a schedule; without a time when the plugin raised."""
    failed = run.outcome.is_failure or run.outcome is RunOutcome.CANCELLED
    return {
        "trigger_time": None if failed else f"{format_instant(instant_ns, 'ns')}Z",
        **write_test_answer(run),
    }
