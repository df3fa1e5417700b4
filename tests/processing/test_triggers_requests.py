"""Request triggers, and events fired by hand (section 4)."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator

import pytest

from procengine.errors import InvalidInputError, NotFoundError, StoppedError, TriggerBusyError
from procengine.model.run import Cause, CauseKind, RunOutcome
from procengine.model.trigger import Trigger
from procengine.processing.cancellation import CancelToken
from procengine.processing.event import Event, RequestEvent, ScheduleEvent, WriteEvent
from procengine.processing.trigger_statistics import TriggerState
from tests.processing.doubles import TIMEOUT, Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Triggers that run."""
    with Bench() as bench:
        yield bench


def a_request(body: bytes = b"") -> RequestEvent:
    """Return a request."""
    return RequestEvent(
        query_params={}, headers={}, body=body, cause=Cause(kind=CauseKind.REQUEST), method="POST"
    )


def a_tick() -> ScheduleEvent:
    """Return a tick made by hand."""
    return ScheduleEvent(instant_ns=5, cause=Cause(kind=CauseKind.FIRE, instant_ns=5))


def echo(trigger: Trigger, event: Event, cancel: CancelToken) -> str:
    """Answer with the body."""
    assert isinstance(event, RequestEvent)
    return event.body.decode()


def wait_for_depth(bench: Bench, depth: int) -> None:
    """Wait until so many events wait for the trigger ``t``."""
    pause = threading.Event()
    for _ in range(1000):
        if bench.triggers.statistics("db", "t").queue_depth == depth:
            return
        pause.wait(0.005)
    raise AssertionError(bench.triggers.statistics("db", "t"))


def test_a_request_is_answered_on_the_calling_thread(bench: Bench) -> None:
    """The plugin runs on the caller's thread; its response is returned, its run kept."""
    threads: list[threading.Thread] = []

    def note(trigger: Trigger, event: Event, cancel: CancelToken) -> str:
        threads.append(threading.current_thread())
        return echo(trigger, event, cancel)

    bench.triggers.create("db", "t", bench.plugin(note), "request:p")
    assert bench.triggers.request("p", a_request(b"hello")).body == b"hello"
    assert threads == [threading.current_thread()]
    assert [run.trigger for run in bench.triggers.runs] == ["t"]


def test_unknown_paths(bench: Bench) -> None:
    """A path that no enabled trigger has is not found, with the original's text."""
    bench.triggers.create("db", "t", bench.plugin(echo), "request:p")
    bench.triggers.disable("db", "t")
    for path in ("p", "q"):
        with pytest.raises(NotFoundError, match=r"^not found$"):
            bench.triggers.request(path, a_request())


def test_a_synchronous_trigger_takes_one_request_at_a_time_in_order(bench: Bench) -> None:
    """Requests queue up first in, first out, each caller waiting for its own answer."""
    gate = threading.Event()
    order: list[bytes] = []

    def slow(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        assert isinstance(event, RequestEvent)
        order.append(event.body)
        gate.wait(TIMEOUT)

    bench.triggers.create("db", "t", bench.plugin(slow), "request:p")
    threads = []
    for number in range(4):
        body = str(number).encode()
        threads.append(threading.Thread(target=bench.triggers.request, args=("p", a_request(body))))
        threads[-1].start()
        if number == 0:
            while not order:
                threads[-1].join(0.001)
        wait_for_depth(bench, number)
    gate.set()
    for thread in threads:
        thread.join(TIMEOUT)
    assert order == [b"0", b"1", b"2", b"3"]


def test_an_asynchronous_trigger_takes_requests_side_by_side(bench: Bench) -> None:
    """Requests do not wait for each other."""
    together = threading.Barrier(3)

    def meet(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        together.wait(TIMEOUT)

    bench.triggers.create("db", "t", bench.plugin(meet), "request:p", run_async=True)
    threads = [
        threading.Thread(target=bench.triggers.request, args=("p", a_request())) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert [run.outcome for run in bench.triggers.runs] == [RunOutcome.SUCCESS] * 3


@pytest.mark.parametrize("behavior", ["retry", "disable"])
def test_requests_ignore_the_error_behavior(bench: Bench, behavior: str) -> None:
    """A failing request answers 500; it is neither repeated, nor is the trigger disabled."""

    def fail(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        raise ValueError("no")

    bench.triggers.create("db", "t", bench.plugin(fail), "request:p", error_behavior=behavior)
    assert bench.triggers.request("p", a_request()).status == 500
    assert bench.triggers.request("p", a_request()).status == 500
    statistics = bench.triggers.statistics("db", "t")
    assert (statistics.state, statistics.errors) == (TriggerState.ENABLED, 2)


def test_stopping_a_trigger_answers_those_who_wait(bench: Bench) -> None:
    """Disable cancels the request in progress; callers in line are told that the trigger was stopped."""
    inside = threading.Event()
    errors: list[str] = []

    def slow(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        inside.set()
        cancel.wait(TIMEOUT)
        cancel.check()

    def call() -> None:
        try:
            bench.triggers.request("p", a_request())
        except StoppedError as error:
            errors.append(str(error))

    bench.triggers.create("db", "t", bench.plugin(slow), "request:p")
    threads = [threading.Thread(target=call) for _ in range(2)]
    threads[0].start()
    assert inside.wait(TIMEOUT)
    threads[1].start()
    wait_for_depth(bench, 1)
    bench.triggers.disable("db", "t")
    for thread in threads:
        thread.join(TIMEOUT)
    assert sorted(errors) == [
        "the trigger was stopped before its turn came",
        "trigger t was stopped before it answered",
    ]


def test_fire_runs_any_kind_on_the_calling_thread(bench: Bench) -> None:
    """A synthetic event of the trigger's kind goes through the same run, and into its statistics."""
    threads: list[threading.Thread] = []

    def note(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        threads.append(threading.current_thread())

    plugin = bench.plugin(note)
    write = WriteEvent(rows=(bench.rows("a"),), cause=Cause(kind=CauseKind.FIRE))
    for name, spec, event in (
        ("w", "table:a", write),
        ("s", "every:1h", a_tick()),
        ("r", "request:p", a_request()),
    ):
        bench.triggers.create("db", name, plugin, spec)
        run = bench.triggers.fire(name, event)
        assert (run.trigger, run.outcome, run.kind) == (name, RunOutcome.SUCCESS, event.kind)
        assert bench.triggers.statistics("db", name).runs == 1
    assert threads == [threading.current_thread()] * 3


def test_fire_refuses_an_event_of_another_kind(bench: Bench) -> None:
    """A tick for a write trigger is a mistake that is told."""
    bench.triggers.create("db", "t", bench.plugin(echo), "table:a")
    with pytest.raises(InvalidInputError) as caught:
        bench.triggers.fire("t", a_tick())
    assert str(caught.value) == "trigger 't' takes write events (table:a), got a schedule event"


def test_a_disabled_trigger_can_be_fired(bench: Bench) -> None:
    """Firing is for trying out, whatever the state; it does not enable the trigger."""
    calls: list[Event] = []
    plugin = bench.plugin(lambda trigger, event, cancel: calls.append(event), "p")
    bench.triggers.create("db", "t", plugin, "every:1h", disabled=True)
    bench.triggers.fire("t", a_tick())
    assert (len(calls), bench.triggers.statistics("db", "t").state) == (1, TriggerState.DISABLED)


def test_a_dry_run_does_not_count(bench: Bench) -> None:
    """A dry run is kept among the runs and left out of the statistics."""
    plugin = bench.plugin(lambda trigger, event, cancel: None, "p")
    bench.triggers.create("db", "t", plugin, "every:1h")
    run = bench.triggers.fire("t", a_tick(), dry_run=True)
    assert run.dry_run
    assert bench.triggers.runs.of_trigger("db", "t") == (run,)
    assert bench.triggers.statistics("db", "t").runs == 0


def test_fire_waits_for_the_run_that_is_going_on(bench: Bench) -> None:
    """A synchronous trigger never runs twice at a time, fired or not."""
    inside, gate = threading.Event(), threading.Event()
    order: list[str] = []

    def slow(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        order.append(event.cause.kind.value)
        inside.set()
        gate.wait(TIMEOUT)
        order.append("end")

    bench.triggers.create("db", "t", bench.plugin(slow), "table:a")
    bench.write(bench.rows("a"))
    assert inside.wait(TIMEOUT)
    event = WriteEvent(rows=(bench.rows("a"),), cause=Cause(kind=CauseKind.FIRE))
    thread = threading.Thread(target=bench.triggers.fire, args=("t", event))
    thread.start()
    wait_for_depth(bench, 2)
    gate.set()
    thread.join(TIMEOUT)
    bench.wait_idle()
    assert order == ["write", "end", "fire", "end"]


def test_a_plugin_that_fires_itself_is_refused(bench: Bench) -> None:
    """A synchronous trigger cannot wait for its own run to end."""
    errors: list[str] = []

    def nest(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        try:
            bench.triggers.fire("t", a_tick())
        except TriggerBusyError as error:
            errors.append(str(error))

    bench.triggers.create("db", "t", bench.plugin(nest), "every:1h")
    bench.triggers.fire("t", a_tick())
    assert errors == ["trigger t is synchronous and this thread is inside a run of it"]


def test_a_fired_failure_changes_nothing_else(bench: Bench) -> None:
    """Neither retry nor disable follows a run by hand."""

    def fail(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        raise ValueError("no")

    for behavior in ("retry", "disable"):
        bench.triggers.create("db", behavior, bench.plugin(fail), "every:1h", error_behavior=behavior)
        assert bench.triggers.fire(behavior, a_tick()).outcome is RunOutcome.ERROR
        assert bench.triggers.statistics("db", behavior).state is TriggerState.ENABLED
    assert bench.triggers.wait_idle(0)


def test_waiting_can_be_interrupted(bench: Bench) -> None:
    """KeyboardInterrupt on the main thread ends `wait_idle` while a run goes on."""
    inside, gate = threading.Event(), threading.Event()

    def slow(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        inside.set()
        gate.wait(TIMEOUT)

    bench.triggers.create("db", "t", bench.plugin(slow), "all_tables")
    bench.write(bench.rows("a"))
    assert inside.wait(TIMEOUT)
    main = threading.main_thread().ident
    assert main is not None
    interrupter = threading.Thread(target=signal.pthread_kill, args=(main, signal.SIGINT))

    def wait() -> None:
        interrupter.start()
        bench.triggers.wait_idle(TIMEOUT)

    with pytest.raises(KeyboardInterrupt):
        wait()
    gate.set()
    interrupter.join(TIMEOUT)
    bench.wait_idle()
