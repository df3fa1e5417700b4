"""The gate between runs: many together, one alone, and nobody waits for ever."""

from __future__ import annotations

import threading

import pytest

from procengine.processing.cancellation import CancelToken
from procengine.processing.run_gate import RunGate

WAIT_SECONDS = 20.0


def test_runs_go_on_together() -> None:
    """Any number are inside at once."""
    gate, token = RunGate(), CancelToken()
    for _ in range(5):
        gate.enter(token)
    for _ in range(5):
        gate.leave()
    assert gate.enter_alone(token)


def test_one_that_is_alone_keeps_the_others_out() -> None:
    """Those who come meanwhile go in once it has left."""
    gate, token = RunGate(), CancelToken()
    assert gate.enter_alone(token)
    inside = threading.Event()

    def come() -> None:
        gate.enter(token)
        inside.set()
        gate.leave()

    others = [threading.Thread(target=come) for _ in range(3)]
    for other in others:
        other.start()
    assert not inside.is_set()
    gate.leave_alone()
    for other in others:
        other.join(WAIT_SECONDS)
        assert not other.is_alive()


def test_patience_ends_a_wait_that_would_not() -> None:
    """Two that wait for each other, as by a request from one's plugin to the other's trigger, both go on."""
    gate, token = RunGate(patience_seconds=0.01), CancelToken()
    gate.enter(token)
    assert not gate.enter_alone(token)
    gate.enter(token)
    for leave in (gate.leave, gate.leave, gate.leave_alone):
        leave()
    assert gate.enter_alone(token)


def test_a_cancelled_run_does_not_wait() -> None:
    """A trigger that is stopped is not held up by the run that another has to itself."""
    gate, stopped = RunGate(), CancelToken()
    assert gate.enter_alone(CancelToken())
    stopped.cancel()
    gate.enter(stopped)
    assert not gate.enter_alone(stopped)


def test_an_interrupted_wait_leaves_the_gate_as_it_was() -> None:
    """Who gives up waiting to be alone no longer keeps others out."""

    class Interrupted(CancelToken):
        @property
        def cancelled(self) -> bool:
            raise KeyboardInterrupt

    gate, token = RunGate(), CancelToken()
    gate.enter(token)
    with pytest.raises(KeyboardInterrupt):
        gate.enter_alone(Interrupted())
    gate.enter(token)


def test_who_goes_in_alone_is_seen_all_the_time() -> None:
    """Between waiting and being alone nobody slips in: one of the two is counted, then both, then the other."""
    gate, seen = RunGate(), []

    class Condition(threading.Condition):
        def notify_all(self) -> None:
            seen.append((gate._waiting, gate._alone))
            super().notify_all()

    gate._changed = Condition(gate._lock)
    gate.enter_alone(CancelToken())
    assert seen == [(0, 1)]
