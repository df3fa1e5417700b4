"""A run's processor time is read seldom, and is never told to be less than it was."""

from __future__ import annotations

import time

import pytest

from procengine.processing import processor_time
from procengine.processing.processor_time import (
    MOMENT_NS,
    SHORT_NS,
    processor_time_at,
    processor_time_since,
)


class Thread:
    """A thread's processor time as a test has it, and how often it was read."""

    def __init__(self) -> None:
        self.cpu_ns = 10**12
        self.reads = 0

    def read(self) -> int:
        self.reads += 1
        return self.cpu_ns


@pytest.fixture
def thread(monkeypatch: pytest.MonkeyPatch) -> Thread:
    made = Thread()
    monkeypatch.setattr(processor_time, "_reading", processor_time._Reading())
    monkeypatch.setattr(time, "thread_time_ns", made.read)
    return made


def run(thread: Thread, at_ns: int, duration_ns: int, cpu_ns: int) -> int:
    """Return what is told of a run that begins then, takes so long, and computes so much of that."""
    began = processor_time_at(at_ns)
    thread.cpu_ns += cpu_ns
    return processor_time_since(began, at_ns, at_ns + duration_ns)


def test_processor_time_of_a_run_that_stands_alone(thread: Thread) -> None:
    """A long run on a thread that did nothing before is told to the nanosecond."""
    assert run(thread, 0, 5_000_000, 1_234) == 1_234
    assert run(thread, 10**9, 5_000_000, 5_000_000) == 5_000_000


def test_processor_time_of_a_short_run(thread: Thread) -> None:
    """A short run has computed throughout; many in a row are read for once a moment."""
    length = 20_000
    told = [run(thread, number * length, length, length) for number in range(100)]
    assert told == [length] * 100
    assert thread.reads <= 1 + 100 * length // MOMENT_NS


@pytest.mark.parametrize("idle_ns", [0, MOMENT_NS // 2, MOMENT_NS, MOMENT_NS + 1, 10**9])
def test_processor_time_of_a_run_behind_another(thread: Thread, idle_ns: int) -> None:
    """What another run before it, or nothing, did in the moment before is told of a run at most."""
    at_ns = 0
    for length in (SHORT_NS - 1, SHORT_NS, 5_000_000):
        for cpu_ns in (0, 1_000, length):
            run(thread, at_ns, 10_000, 10_000)
            told = run(thread, at_ns + 10_000 + idle_ns, length, cpu_ns)
            assert cpu_ns <= told <= length
            assert length < SHORT_NS or told <= cpu_ns + MOMENT_NS
            at_ns += 10_000 + idle_ns + length + 10**9


def test_processor_time_of_this_thread() -> None:
    """What is told of a thread that computes is no less than what the system says of it."""
    began_ns = time.perf_counter_ns()
    began = processor_time_at(began_ns)
    read = time.thread_time_ns()
    sum(range(100_000))
    spent = time.thread_time_ns() - read
    assert processor_time_since(began, began_ns, time.perf_counter_ns()) >= spent
