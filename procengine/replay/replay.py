"""How does a replay go on from step to step?

One thread, ``procengine-replay``, does everything in turn: it moves the virtual clock to the next instant at which a
schedule ticks or rows come, and runs what that wakes, until nothing waits; then it goes on. So the same input,
plugins and seed give the same rows, state and logs. The plugins run by the same code as live: error behaviors,
retries (after pauses of virtual time), limits, the chain of writes that runs cause.

Whoever started it may pause it, let it take single steps, stop it and wait for it, from any thread.

Differs: asynchronous triggers run one after the other, in the order of their events. What a run takes on the
    machine's clock moves the virtual one by nothing, as does a plugin's ``time.sleep``.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from procengine.errors import NotFoundError, StoppedError
from procengine.model.counted import counted
from procengine.model.run import Cause, CauseKind
from procengine.processing.event import RequestEvent
from procengine.replay.batching import Batching
from procengine.replay.pace import Pace, ReplayState
from procengine.replay.replay_journal import ReplayJournal
from procengine.replay.result import ReplayResult, cached_state
from procengine.replay.scratch import Scratch, Selection
from procengine.replay.seeded_random import seeded_random
from procengine.replay.timeline import Range, RecordedTimeline, Step, Timeline

if TYPE_CHECKING:
    from procengine.engine import Engine
    from procengine.replay.source import Source

logger = logging.getLogger(__name__)

SECONDS_UNTIL_CANCELLED: Final = 1.0
"""How long `Replay.end` lets the run in flight go on before it is cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """How a replay goes. ``speed`` is virtual seconds a real one, None for as fast as it goes.

    Schedules tick until ``between.to_ns``, also past the last row. A replay that begins ``paused`` is there to be
    stepped.
    """

    between: Range = Range()
    batching: Batching = Batching()
    speed: float | None = None
    seed: int = 0
    selection: Selection = field(default_factory=Selection)
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayProgress:
    """How far a replay is; instants are of the virtual clock, ``elapsed_ns`` is real time, pauses included."""

    state: ReplayState
    rows_done: int
    rows_total: int
    start_ns: int
    now_ns: int
    end_ns: int
    runs: int
    errors: int
    elapsed_ns: int

    @property
    def share(self) -> float:
        """How much of the rows is done, or, once all are, of the time; at most 1."""
        return min(1.0, self.rows_done / self.rows_total) if self.rows_total else 1.0

    @property
    def rows_per_second(self) -> float:
        """Rows a second of real time."""
        return self.rows_done / (self.elapsed_ns / 1e9) if self.elapsed_ns else 0.0


class Replay:
    """One replay, under way or done. Any thread."""

    def __init__(
        self,
        source: Source,
        database: str,
        options: ReplayOptions,
        *,
        scratch: Scratch,
        timeline: Timeline | RecordedTimeline,
        triggers: Sequence[str],
    ) -> None:
        self._source = source
        self._database = database
        self._options = options
        self._scratch = scratch
        self._timeline = timeline
        self._triggers = tuple(triggers)
        self._journal = ReplayJournal(scratch.engine)
        self._pace = Pace(options.speed, paused=options.paused)
        self._rows_done = 0
        self._unanswered: dict[str, int] = {}
        self._began_ns = time.perf_counter_ns()
        self._ended_ns: int | None = None
        self._ended = threading.Event()
        self._result: ReplayResult | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="procengine-replay", daemon=True)
        self._leave: Callable[[], None] = lambda: None

    def start(self, engine: Engine) -> None:
        """Begin; ``engine`` ends it when it stops itself. To be called once.

        Raises: StoppedError: it has stopped.
        """
        attached = _Attached(self)
        engine.add_service(attached)
        self._leave = lambda: engine.remove_service(attached)
        self._thread.start()

    def pause(self) -> None:
        """Wait before the next step, that is the next batch, request or tick."""
        self._pace.pause()

    def resume(self) -> None:
        """Go on."""
        self._pace.resume()

    def step(self) -> None:
        """Take one step, and wait again."""
        self._pace.step()

    def stop(self) -> None:
        """End after the step under way; `wait` then returns what was done until then."""
        self._pace.stop()

    def end(self) -> ReplayResult:
        """Stop, cancel the run in flight if it does not end by itself soon, and return what was done until then.

        Raises: what `wait` raises.
        """
        self.stop()
        if not self._ended.wait(SECONDS_UNTIL_CANCELLED):
            self._scratch.engine.triggers.stop()
        return self.wait()

    def wait(self, timeout_seconds: float | None = None) -> ReplayResult:
        """Return the result once the replay has ended. KeyboardInterrupt ends the wait, not the replay.

        Raises:
            TimeoutError: it has not ended in that time.
            Exception: the engine failed; what a plugin raises is in the result.
        """
        if not self._ended.wait(timeout_seconds):
            raise TimeoutError("the replay goes on")
        if self._failure is not None:
            raise self._failure
        assert self._result is not None
        return self._result

    @property
    def is_running(self) -> bool:
        """Whether it has not ended, paused or not."""
        return not self._ended.is_set()

    @property
    def progress(self) -> ReplayProgress:
        """How far it is."""
        ended_ns = self._ended_ns
        return ReplayProgress(
            state=self._state,
            rows_done=self._rows_done,
            rows_total=self._timeline.row_count,
            start_ns=self._timeline.start_ns,
            now_ns=self._scratch.clock.now_ns(),
            end_ns=self._timeline.end_ns,
            runs=self._journal.run_count,
            errors=self._journal.error_count,
            elapsed_ns=(time.perf_counter_ns() if ended_ns is None else ended_ns) - self._began_ns,
        )

    @property
    def _state(self) -> ReplayState:
        if self._failure is not None:
            return ReplayState.FAILED
        if self._result is not None:
            return ReplayState.STOPPED if self._result.stopped else ReplayState.DONE
        return ReplayState.PAUSED if self._pace.paused else ReplayState.RUNNING

    def _run(self) -> None:
        """Replay, and leave the result. On the replay's thread."""
        try:
            with seeded_random(self._options.seed):
                finished = self._take_steps(self._timeline)
            self._result = self._collected(finished=finished)
        except BaseException as error:
            logger.exception("replay failed: source=%s", self._source.name)
            self._failure = error
        finally:
            self._journal.close()
            self._scratch.close()
            self._leave()
            self._ended_ns = time.perf_counter_ns()
            self._ended.set()

    def _take_steps(self, steps: Iterable[Step]) -> bool:
        """Take all steps; tell whether none was left out."""
        go_on, wal = self._pace.go_on, self._scratch.engine.wal
        run_all = self._scratch.pool.run_all
        try:
            for step in steps:
                if not self._advance_to(step.instant_ns) or not go_on(step.instant_ns):
                    return False
                if step.rows:
                    wal.append(step.rows)
                    self._rows_done += sum([rows.batch.num_rows for rows in step.rows])
                if step.request is not None:
                    self._request(step)
                run_all()
            return self._advance_to(self._timeline.end_ns) and not self._pace.stopped
        except StoppedError:  # `end` has stopped the triggers
            if self._pace.stopped:
                return False
            raise

    def _advance_to(self, instant_ns: int) -> bool:
        """Move the clock, and run what falls due on the way, each at its instant; False when it was stopped."""
        clock = self._scratch.clock
        while True:
            due_ns = clock.next_due_ns
            if due_ns is None or due_ns > instant_ns:
                break
            if not self._pace.go_on(due_ns):
                return False
            clock.advance_to(due_ns)
            self._scratch.pool.run_all()
        clock.advance_to(instant_ns)
        return not self._pace.stopped

    def _request(self, step: Step) -> None:
        """Send a recorded request to the trigger on its path; without one it goes nowhere, and is counted."""
        assert step.request is not None
        said = step.request
        event = RequestEvent(
            query_params=said.query_params,
            headers=said.headers,
            body=said.body,
            method=said.method,
            cause=Cause(kind=CauseKind.REQUEST),
        )
        try:
            self._scratch.engine.triggers.request(said.path, event)
        except NotFoundError:
            self._unanswered[said.path] = self._unanswered.get(said.path, 0) + 1

    def _collected(self, *, finished: bool) -> ReplayResult:
        engine, timeline = self._scratch.engine, self._timeline
        return ReplayResult(
            name=self._source.name,
            database=self._database,
            seed=self._options.seed,
            batching=str(self._options.batching) if self._source.rows is not None else "as recorded",
            started_ns=timeline.start_ns,
            ended_ns=self._scratch.clock.now_ns(),
            elapsed_ns=time.perf_counter_ns() - self._began_ns,
            row_count=self._rows_done,
            rows_total=timeline.row_count,
            tables=self._scratch.tables(),
            tags=self._scratch.tags(),
            runs=self._journal.runs.table(),
            logs=self._journal.logs.table(),
            state=cached_state(engine.plugin_cache.values()),
            triggers=self._triggers,
            failed_runs=tuple(self._journal.failed_runs),
            swaps=dict(self._options.selection.swaps),
            stopped=not finished,
            notes=tuple(self._notes()),
        )

    def _notes(self) -> Iterable[str]:
        late = self._timeline.unsorted_rows
        if late:
            verb = "was" if late == 1 else "were"
            yield (
                f"{counted(late, 'row')} stood behind later ones in {self._source.name} and {verb} put in the order "
                "of time"
            )
        for path, number in self._unanswered.items():
            verb = "was" if number == 1 else "were"
            yield (
                f"{counted(number, 'request')} to {path!r} {verb} passed over: no trigger of the replay answers there"
            )
        for one in self._scratch.engine.triggers.statistics():
            if one.reason is not None:
                yield f"trigger {one.trigger.name} is {one.state.value}: {one.reason}"
            elif one.trigger.disabled:
                yield f"trigger {one.trigger.name} was disabled by an error"


class _Attached:
    """A replay as its engine sees it: what ends with it."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay

    def close_door(self) -> None:
        """Take no further step. Returns at once."""
        self._replay.stop()

    def stop(self) -> None:
        """End, and wait for that."""
        with contextlib.suppress(Exception):  # the replay's own failure is for who waits for its result
            self._replay.end()


def start_replay(
    engine: Engine, source: Source, database: str, options: ReplayOptions = ReplayOptions()
) -> Replay:
    """Begin to replay a source through the triggers of a database; return at once.

    Nothing of ``engine`` is changed: the replay has one of its own.

    Raises:
        DatabaseNotFoundError, TriggerNotFoundError: there is none of this name.
        PluginsDisabledError, PluginError: a plugin cannot run.
        InvalidInputError: the range has no rows, or they do not fit the database's tables (`LineProtocolError`).
    """
    options.between.check()
    definition = engine.catalog.database(database)
    triggers = options.selection.of(definition)
    scratch = Scratch(engine, 0)
    try:
        scratch.take_tables(definition)
        timeline = _timeline(source, scratch, database, options)
        scratch.begin(definition, timeline.start_ns)
        scratch.take_triggers(database, triggers, options.selection.swaps)
        replay = Replay(
            source,
            database,
            options,
            scratch=scratch,
            timeline=timeline,
            triggers=[one.name for one in triggers],
        )
        replay.start(engine)
    except BaseException:
        scratch.close()
        raise
    return replay


def _timeline(
    source: Source, scratch: Scratch, database: str, options: ReplayOptions
) -> Timeline | RecordedTimeline:
    if source.rows is None:
        steps = scratch.recorded(source.steps, database)
        return RecordedTimeline(steps, options.between, source.started_ns)
    rows = scratch.validated(source.rows, database)
    return Timeline(rows, options.batching, options.between)
