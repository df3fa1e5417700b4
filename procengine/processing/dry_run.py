"""What would a plugin do that no trigger runs yet?

Source: influxdb3_processing_engine/src/plugins.rs, run_dry_run_wal_plugin and run_dry_run_schedule_plugin;
    influxdb3_types/src/http.rs, WalPluginTestResponse and SchedulePluginTestResponse (the shape of the answer).
"""

from __future__ import annotations

from collections.abc import Mapping

from procengine.errors import InvalidInputError, TriggerSpecError
from procengine.model.result_format import format_instant
from procengine.model.run import Run, RunOutcome
from procengine.model.trigger import Trigger, TriggerKind
from procengine.model.trigger_spec import CronSpec, parse_trigger_spec
from procengine.processing.event import Event
from procengine.processing.plugin_registry import PluginRegistry
from procengine.processing.runner import PluginRunner

DEFAULT_SCHEDULE = "* * * * * *"

_SPECS = {
    TriggerKind.WRITE: "all_tables",
    TriggerKind.SCHEDULE: f"cron:{DEFAULT_SCHEDULE}",
    TriggerKind.REQUEST: "request:test",
}


def dry_run(
    runner: PluginRunner,
    registry: PluginRegistry,
    *,
    database: str,
    plugin_filename: str,
    event: Event,
    arguments: Mapping[str, str] | None = None,
    cache_name: str | None = None,
) -> Run:
    """Run a plugin of the plugin directory with an event, store nothing, and return what happened.

    The plugin cache is one of its own by ``cache_name``, shared by runs without a name.

    Raises:
        PluginPathError: there is no such plugin.
        PluginSourceError: it cannot be read as text.
    """
    trigger = Trigger(
        database=database,
        name=plugin_filename,
        plugin_filename=plugin_filename,
        spec=_SPECS[event.kind],
        arguments=dict(arguments) if arguments else None,
    )
    plugin = registry.load_private(plugin_filename)
    try:
        return runner.run(trigger, event, dry_run=True, cache_name=cache_name, code=plugin)
    finally:
        plugin.close()


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


def write_test_answer(run: Run) -> dict[str, object]:
    """Return what the original answers to a dry run on rows."""
    if run.failure is not None:
        errors = [f"error executing plugin: {run.failure.message}"]
        return {"log_lines": [], "database_writes": {}, "errors": errors}
    return {
        "log_lines": [f"{entry.level.value}: {entry.text}" for entry in run.logs],
        "database_writes": {database: list(lines) for database, lines in run.lines.items()},
        "errors": list(run.write_errors),
    }


def schedule_test_answer(run: Run, instant_ns: int) -> dict[str, object]:
    """Return what the original answers to a dry run on a schedule; without a time when the plugin raised."""
    failed = run.outcome.is_failure or run.outcome is RunOutcome.CANCELLED
    return {
        "trigger_time": None if failed else f"{format_instant(instant_ns, 'ns')}Z",
        **write_test_answer(run),
    }
