"""How is a plugin called, and what comes of it?

`PluginRunner.run` makes one call of an entry point and returns its `Run`. It holds no state of triggers: when to
call, whether to retry and what a failure means for the trigger is decided elsewhere.

Source: influxdb3_py_api/src/system_py.rs, execute_*_trigger (order of steps, rows of the log);
    influxdb3_processing_engine/src/plugins.rs, handle_return_state and handle_trigger_result (queued writes,
    rows of errors).
Differs: a row that reports a plugin's exception has its traceback below the original's text; failures are
    logged whatever the error behavior.
"""

from __future__ import annotations

import contextvars
import itertools
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from procengine.clock import Clock
from procengine.model.duration import format_duration
from procengine.model.run import CANCELLED_TEXT, LogLevel, Run, RunFailure, RunOutcome, new_run
from procengine.model.trigger import ErrorBehavior, Trigger, TriggerKind
from procengine.processing.active_run import NO_VARIABLES, ActiveRun, current_run
from procengine.processing.cache_commits import NO_CHANGES, CacheChanges
from procengine.processing.cancellation import CancelToken
from procengine.processing.endpoints import QueryEndpoint, WriteEndpoint
from procengine.processing.event import Event, WriteEvent
from procengine.processing.first_looks import FirstLooks
from procengine.processing.instrument import Instrument
from procengine.processing.interpreter_hooks import InterpreterHooks
from procengine.processing.plugin_cache import PluginCache
from procengine.processing.plugin_call import PluginCall
from procengine.processing.plugin_logs import ProcessingEngineLogs
from procengine.processing.plugin_registry import LoadedPlugin, PluginRegistry
from procengine.processing.processor_time import processor_time_at, processor_time_since
from procengine.processing.run_details import KeptRun, RecentRuns
from procengine.processing.run_record import cache_changes, starting_text, tables_of
from procengine.processing.run_writes import check_kept_lines, keep_queued, write_queued

PLUGIN_NAMES = {
    TriggerKind.WRITE: "wal plugin",
    TriggerKind.SCHEDULE: "schedule plugin",
    TriggerKind.REQUEST: "request plugin",
}
"""What the original calls the kinds in its log."""


# What each run asks for: an enum's member costs 70 ns by its class on CPython 3.11.
_INFO: Final = LogLevel.INFO
_SUCCESS: Final = RunOutcome.SUCCESS
_WRITE: Final = TriggerKind.WRITE

NOT_DURABLE = (
    "plugin cache: what this run changed is not durable yet, and is tried again with the next commit: {}"
)
"""Logged for a run whose cache changes a crash would lose."""


class PluginRunner:
    """Calls plugins. Any number of threads may call `run` at the same time."""

    def __init__(  # noqa: PLR0917 - the engine's parts, each once
        self,
        registry: PluginRegistry,
        caches: PluginCache,
        logs: ProcessingEngineLogs,
        write: WriteEndpoint,
        query: QueryEndpoint,
        clock: Clock,
        *,
        first_run_id: int = 1,
        variables: Mapping[str, str] = NO_VARIABLES,
        recent: RecentRuns | None = None,
        duration_text: Callable[[int], str] = format_duration,
    ) -> None:
        """``variables`` are what plugins find in ``os.environ`` beside the process's own.

        ``recent`` keeps what the newest runs were called with, and what they wrote and asked. ``duration_text`` says
        in the log how many nanoseconds a run took.
        """
        self._registry = registry
        self._caches = caches
        self._logs = logs
        self._write = write
        self.queries = query
        """Who answers the queries of plugins; tests put another one here."""
        self._clock = clock
        self._variables = variables
        self._recent = recent
        self._duration_text = duration_text
        self._hooks = InterpreterHooks()
        self._run_ids = itertools.count(first_run_id)

    def start(self) -> None:
        """Prepare the interpreter for plugins; see `procengine.processing.interpreter_hooks`."""
        self._hooks.install()

    def close(self) -> None:
        """Give the interpreter back. Runs must have ended; closing twice is allowed."""
        self._hooks.uninstall()

    def run(
        self,
        trigger: Trigger,
        event: Event,
        *,
        dry_run: bool = False,
        cache_name: str | None = None,
        capture_lines: bool = False,
        attempt: int = 1,
        code: LoadedPlugin | None = None,
        cancel: CancelToken | None = None,
        instrument: Instrument | None = None,
    ) -> Run:
        """Call a trigger's plugin once with an event; return what happened.

        What the plugin raises, SystemExit and the like included, is the run's failure and is not raised. A
        KeyboardInterrupt from the notebook's stop button, which reaches the plugin when this is called on the
        kernel's main thread, makes the outcome CANCELLED as well; it is then the failure's exception, for the
        caller to raise again.

        ``code`` is the plugin as loaded before, which a dry run without a trigger brings along; by default it is
        looked up by the trigger's file name, for each attempt anew. ``capture_lines`` keeps what was written
        as text and notes changes of the plugin cache. A dry run does so too; it stores nothing, logs nothing
        outside its record, and sees copies of what the trigger cached; with a ``cache_name``, or without a trigger,
        the cache of tests of that name. ``instrument`` calls the entry point, where one is given.
        """
        self._hooks.keep()
        if not dry_run:
            cache = self._caches.for_trigger(trigger.database, trigger.trigger_id)
        elif cache_name is None and code is None:
            cache = self._caches.for_dry_run(trigger.database, trigger.trigger_id)
        else:
            cache = self._caches.for_test(cache_name)
        if cache.__changes__ is None and (dry_run or capture_lines):
            cache.__changes__ = FirstLooks(cache.__local__.namespace, cache.__store__)
        run = ActiveRun(
            run_id=next(self._run_ids),
            trigger=trigger,
            logs=None if dry_run else self._logs,
            write=None if dry_run else self._write,
            query=self.queries,
            clock=self._clock,
            depth=event.cause.depth + 1,
            capture_lines=capture_lines,
            variables=self._variables,
        )
        run.instrument = instrument
        token = cancel if cancel is not None else CancelToken()
        call = PluginCall(self._registry, run, event, cache, token, code)
        return contextvars.Context().run(self._run, call, attempt)

    def _run(self, call: PluginCall, attempt: int) -> Run:
        run, event, trigger = call.run, call.event, call.run.trigger
        current_run.set(run)
        started_ns = self._clock.now_ns()
        run.log_as_engine(_INFO, starting_text(event))
        began_ns = time.perf_counter_ns()
        cpu_began_ns = processor_time_at(began_ns)
        returned = call.make()
        ended_ns = time.perf_counter_ns()
        duration_ns = ended_ns - began_ns
        cpu_ns = processor_time_since(cpu_began_ns, began_ns, ended_ns)
        queued, dropped = run.end(), 0
        write_errors: tuple[str, ...] = ()
        failure = returned.failure
        if failure is None:
            write_errors = self._finished(call, duration_ns, queued)
            outcome = RunOutcome.WRITE_ERROR if write_errors else _SUCCESS
        else:
            _log_failure(call, failure)
            dropped = _drop_queued(call, failure, queued)
            outcome = _failed_outcome(call, failure)
            failure = _with_reason(call, failure)
        cached = NO_CHANGES if run.is_dry else self._keep_cache(call)
        call.release()
        failed = outcome is not _SUCCESS
        if self._recent is not None:
            left = queued if dropped else None
            self._recent.add(KeptRun(run.run_id, trigger, event, run.trace, cached.traced, left, failed))
        looks = call.cache.__changes__
        return new_run(
            run.run_id,
            trigger.database,
            trigger.name,
            trigger.plugin_filename,
            event.kind,
            event.cause,
            started_ns,
            began_ns - event.offered_ns,  # queue_wait_ns
            duration_ns,
            cpu_ns,
            outcome,
            _row_count(event) if event.kind is _WRITE else 0,
            tables_of(run.lines, started_ns) if run.is_dry else run.written,
            {name: tuple(lines) for name, lines in run.lines.items()} if run.lines else {},
            run.query_count,
            tuple(run.entries),
            run.lines_left_out,
            failure,
            write_errors,
            cache_changes(looks) if looks is not None else (),
            tuple(looks.notes) if looks is not None else (),
            returned.response,
            run.is_dry,
            attempt,
            trigger.trigger_id,
            None,  # peak_memory_bytes, see `procengine.processing.limited_runs`
            cached.keys,
            dropped,  # dropped_lines
            call.plugin_version,
            run.breakpoint,
        )

    def _finished(
        self, call: PluginCall, duration_ns: int, queued: dict[str, list[str]]
    ) -> tuple[str, ...]:
        """Log that a run's entry point returned, and write what it queued; return the faults of that."""
        run = call.run
        run.log_as_engine(_INFO, f"finished execution in {self._duration_text(duration_ns)}")
        if call.cancel.exceeded is not None:
            run.log_as_engine(
                LogLevel.WARN, f"returned before it could be cancelled: {call.cancel.exceeded}"
            )
        return self._write_back(call, queued) if queued or run.is_dry else ()

    def _keep_cache(self, call: PluginCall) -> CacheChanges:
        """Make durable what the run changed in its plugin cache, and log what cannot be kept.

        After what it queued was written: a plugin that notes in its cache how far it has come may do its work
        twice after a crash in between, but never loses any.
        """
        run = call.run
        changes = self._caches.end_run(call.cache, run_id=run.run_id, guard=call.cancel.guard_rest)
        for text in changes.warnings:
            run.log_as_engine(LogLevel.WARN, text)
        if changes.fault is not None:
            run.log_as_engine(LogLevel.ERROR, NOT_DURABLE.format(changes.fault))
        return changes

    def _write_back(self, call: PluginCall, queued: dict[str, list[str]]) -> tuple[str, ...]:
        """Write what was queued, or check it in a dry run; return the faults, which a real run also logs."""
        run = call.run
        if run.is_dry:
            keep_queued(run, queued)
            return check_kept_lines(self._write, run.lines)
        faults = write_queued(run, queued)
        for fault in faults:
            run.log_as_engine(LogLevel.ERROR, f"error running {PLUGIN_NAMES[call.event.kind]}: {fault}")
        return faults


def _log_failure(call: PluginCall, failure: RunFailure) -> None:
    """Log that a run failed, as often as the original does; in a dry run nothing."""
    run, kind = call.run, call.event.kind
    if run.is_dry:
        return
    verb = "running" if kind is TriggerKind.REQUEST else "executing"
    text = f"error {verb} {PLUGIN_NAMES[kind]}: {failure.message}"
    if _is_cancelled(call, failure):
        run.log_as_engine(LogLevel.ERROR, text)
        return
    traceback = f"\n{failure.kept.traceback_text}" if failure.traceback_text else ""
    run.log_as_engine(LogLevel.ERROR, text + traceback)
    if kind is TriggerKind.SCHEDULE and run.trigger.error_behavior is ErrorBehavior.LOG:
        mode = "async " if run.trigger.run_async else ""
        run.log_as_engine(LogLevel.ERROR, f"error running {mode}scheduled plugin: {failure.message}")


def _with_reason(call: PluginCall, failure: RunFailure) -> RunFailure:
    """Return the failure of a run with what it was cancelled for, where the original says that it shuts down.

    Differs: plugin, log and response have the original's text in any case.
    """
    because = call.cancel.because
    if because is None or not _is_cancelled(call, failure):
        return failure
    told = replace(failure, message=failure.message.replace(CANCELLED_TEXT, because))
    kept = failure.in_file
    return told if kept is None else replace(told, in_file=replace(kept, message=told.message))


def _drop_queued(call: PluginCall, failure: RunFailure, queued: Mapping[str, list[str]]) -> int:
    """Log how many lines a failed run had queued, which are not written; return their number. In a dry run no log.

    Differs: the original drops them without a word.
    """
    number = sum(map(len, queued.values()))
    if number and not call.run.is_dry:
        lines = "1 queued line was" if number == 1 else f"{number:,} queued lines were"
        why = "was cancelled" if _is_cancelled(call, failure) else "failed"
        call.run.log_as_engine(LogLevel.WARN, f"{lines} not written: the run {why}")
    return number


def _is_cancelled(call: PluginCall, failure: RunFailure) -> bool:
    """Tell whether a run was ended from outside: by its token, or by the stop button on the main thread."""
    if call.cancel.exceeded is not None:
        return False
    return isinstance(failure.exception, KeyboardInterrupt) and (
        call.cancel.cancelled or threading.current_thread() is threading.main_thread()
    )


def _failed_outcome(call: PluginCall, failure: RunFailure) -> RunOutcome:
    if call.cancel.exceeded is not None:
        return RunOutcome.LIMIT_EXCEEDED
    return RunOutcome.CANCELLED if _is_cancelled(call, failure) else RunOutcome.ERROR


def _row_count(event: Event) -> int:
    return sum([rows.row_count for rows in event.rows]) if isinstance(event, WriteEvent) else 0
