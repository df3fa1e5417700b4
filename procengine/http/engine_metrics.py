"""How is the engine doing, in numbers for Prometheus?

What each part counts for itself, whoever asked it: HTTP, Flight, the notebook or a plugin.

Source: influxdb3_write/src/write_buffer/metrics.rs, core/iox_query/src/query_log.rs (names). The original has no
    numbers of triggers; their names are ours.
"""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING

from procengine.http.exposition import counter, gauge, histogram
from procengine.model.histogram import Histogram
from procengine.model.names import INTERNAL_DATABASE
from procengine.model.run import Run, RunOutcome
from procengine.processing.trigger_statistics import TriggerState

if TYPE_CHECKING:
    from procengine.engine import Engine
    from procengine.http.exposition import Labels
    from procengine.model.trigger import Trigger
    from procengine.processing.trigger_statistics import TriggerStatistics


class _Runs:
    """The runs of one trigger. Those that succeeded are the ones in ``seconds`` that are not in ``failed``."""

    __slots__ = ("failed", "seconds")

    def __init__(self) -> None:
        self.failed: Counter[RunOutcome] = Counter()
        self.seconds = Histogram()


class RunMetrics:
    """Counts runs of triggers by their outcome, and their durations, while a server listens. Any thread."""

    def __init__(self) -> None:
        # Guards what is counted of failures, and who is counted; a success takes its histogram's lock alone.
        self._lock = threading.Lock()
        self._runs: dict[tuple[str, str], _Runs] = {}

    def run_finished(self, run: Run) -> None:
        """Count a run."""
        runs = self._runs.get((run.database, run.trigger)) or self._runs_of(run)
        if run.outcome is RunOutcome.SUCCESS:
            runs.seconds.add(run.duration_ns / 1e9)
            return
        with self._lock:
            runs.failed[run.outcome] += 1
            runs.seconds.add(run.duration_ns / 1e9)

    def _runs_of(self, run: Run) -> _Runs:
        with self._lock:
            return self._runs.setdefault((run.database, run.trigger), _Runs())

    def exposition(self) -> str:
        """Return the counts in Prometheus' text format."""
        with self._lock:
            by_trigger = [
                ({"db": database, "trigger": trigger}, dict(runs.failed), runs.seconds.read())
                for (database, trigger), runs in self._runs.items()
            ]
        outcomes = [
            ({**labels, "outcome": outcome.value}, count)
            for labels, failed, seconds in by_trigger
            for outcome, count in (
                (RunOutcome.SUCCESS, seconds.count - sum(failed.values())),
                *failed.items(),
            )
            if count
        ]
        return counter(
            "influxdb3_processing_engine_runs", "runs of triggers by how they ended", outcomes
        ) + histogram(
            "influxdb3_processing_engine_run_duration_seconds",
            "distribution of run durations",
            [(labels, seconds) for labels, _, seconds in by_trigger],
        )


def engine_exposition(engine: Engine) -> str:
    """Return what the engine's parts count, in Prometheus' text format."""
    triggers = engine.triggers.statistics() if engine.config.plugins_enabled else ()
    return _writes(engine) + _queries(engine) + _triggers(triggers) + _caches(engine)


def _writes(engine: Engine) -> str:
    written = engine.writer.statistics()
    by_database = [({"db": name}, counts) for name, counts in written.by_database.items()]
    return (
        counter(
            "influxdb3_write_lines",
            "lines that were stored",
            [(labels, counts.lines) for labels, counts in by_database],
        )
        + counter(
            "influxdb3_write_lines_rejected",
            "lines that were rejected",
            [(labels, counts.rejected_lines) for labels, counts in by_database],
        )
        + counter(
            "influxdb3_write_bytes",
            "bytes of line protocol",
            [(labels, counts.size_bytes) for labels, counts in by_database],
        )
        + histogram(
            "influxdb3_write_duration_seconds",
            "distribution of how long writes take",
            [({}, written.seconds)],
        )
    )


def _queries(engine: Engine) -> str:
    asked = engine.query_executor.statistics()
    phases: list[tuple[Labels, float]] = [({"phase": "received"}, asked.received)]
    phases += [({"phase": phase}, count) for phase, count in asked.ended.items()]
    return (
        counter(
            "influxdb_iox_query_log_phase_entered",
            "Number of queries that entered the given phase",
            phases,
        )
        + gauge("influxdb_iox_query_log_running", "queries that have not ended", [({}, asked.running)])
        + histogram(
            "influxdb_iox_query_log_plan_duration_seconds",
            "Duration it took to plan the query",
            [({}, asked.plan_seconds)],
        )
        + histogram(
            "influxdb_iox_query_log_end2end_duration_seconds",
            "Duration from its receipt until the query ended somehow",
            [({}, asked.seconds)],
        )
    )


def _triggers(triggers: tuple[TriggerStatistics, ...]) -> str:
    labelled = [(_trigger_labels(one.trigger), one) for one in triggers]
    states = [
        ({**labels, "state": state.value}, float(one.state is state))
        for labels, one in labelled
        for state in TriggerState
    ]
    return (
        gauge(
            "influxdb3_processing_engine_trigger_state", "1 for the state that a trigger is in", states
        )
        + gauge(
            "influxdb3_processing_engine_in_flight",
            "runs that go on",
            [(labels, one.in_flight) for labels, one in labelled],
        )
        + gauge(
            "influxdb3_processing_engine_queue_depth",
            "events that wait for a run",
            [(labels, one.queue_depth) for labels, one in labelled],
        )
        + gauge(
            "influxdb3_processing_engine_lag_rows",
            "rows of the log that a write trigger has yet to handle",
            [(labels, one.lag.rows) for labels, one in labelled],
        )
        + counter(
            "influxdb3_processing_engine_trigger_runs",
            "runs since the trigger was made",
            [(labels, one.runs) for labels, one in labelled],
        )
        + counter(
            "influxdb3_processing_engine_trigger_errors",
            "failed runs since the trigger was made",
            [(labels, one.errors) for labels, one in labelled],
        )
    )


def _trigger_labels(trigger: Trigger) -> Labels:
    return {"db": trigger.database, "trigger": trigger.name}


def _caches(engine: Engine) -> str:
    rows: list[tuple[Labels, float]] = []
    sizes: list[tuple[Labels, float]] = []
    for kind, holder in (("last", engine.last_caches), ("distinct", engine.distinct_caches)):
        for database in engine.catalog.databases:
            if database.name == INTERNAL_DATABASE:
                continue
            for cache in holder.of_database(database.name):
                held = cache.statistics()
                labels = {"kind": kind, "db": database.name, "cache": cache.definition.name}
                rows.append((labels, held.row_count))
                sizes.append((labels, held.size_bytes))
    return gauge("influxdb3_cache_rows", "rows that a cache holds", rows) + gauge(
        "influxdb3_cache_size_bytes", "memory that a cache takes", sizes
    )
