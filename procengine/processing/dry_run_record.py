"""What would a run have done?

A dry run calls the plugin for real: queries, files and the network are real, writes and log rows are only
collected, and the plugin cache is a copy, or one for tests. `DryRun` shows its record in the terms of the
original's test endpoints.

Source: influxdb3_types/src/http.rs, WalPluginTestResponse and SchedulePluginTestResponse.
Differs: request triggers can be tried as well; a failed run keeps its log lines and writes; printed text stands
    among the log lines; cache changes are shown.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from procengine.model.run import CacheChange, Response, Run
from procengine.model.trigger import TriggerKind
from procengine.processing.run_record import rfc3339_text


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """What a plugin would have logged, written, cached and answered.

    ``log_lines`` have their level in front: ``INFO: text``. ``database_writes`` maps each database to its lines,
    synchronous writes first. ``errors`` are the plugin's failure, or what the live schema would refuse.
    ``trigger_time`` is the scheduled time in RFC 3339, None for the other kinds and after a failure.
    """

    log_lines: tuple[str, ...] = ()
    database_writes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    errors: tuple[str, ...] = ()
    trigger_time: str | None = None
    cache_changes: tuple[CacheChange, ...] = ()
    response: Response | None = None
    run: Run

    @classmethod
    def of(cls, run: Run, *, instant_ns: int | None = None) -> DryRun:
        """Return the record of a run that was made with ``dry_run``.

        ``instant_ns`` is the scheduled time; by default the one that the run's cause names.
        """
        errors = run.write_errors
        if run.failure is not None:
            errors = (f"error executing plugin: {run.failure.message}",)
        return cls(
            log_lines=tuple(f"{entry.level.value}: {entry.text}" for entry in run.logs),
            database_writes=run.lines,
            errors=errors,
            trigger_time=_trigger_time(run, run.cause.instant_ns if instant_ns is None else instant_ns),
            cache_changes=run.cache_changes,
            response=run.response,
            run=run,
        )


def _trigger_time(run: Run, instant_ns: int | None) -> str | None:
    if run.kind is not TriggerKind.SCHEDULE or run.failure is not None or instant_ns is None:
        return None
    return rfc3339_text(instant_ns)
