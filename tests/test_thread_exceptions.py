"""Exceptions from other threads arrive, and hold up nobody else."""

from __future__ import annotations

import signal
import sys
import threading

import pytest

from procengine.thread_exceptions import raise_in_thread, take_back_own
from tests.tracing import traced_call_returns


class Stop(BaseException):
    """What is sent."""


class Waiting:
    """A thread that waits in C until its gate is opened, and then for what was sent to it."""

    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.gate.acquire()
        self.met: list[BaseException] = []
        self.thread = threading.Thread(target=self._wait)
        self.thread.start()
        assert self.thread.ident is not None
        self.ident = self.thread.ident

    def _wait(self) -> None:
        try:
            self.gate.acquire()
            while True:
                pass
        except BaseException as error:
            self.met.append(error)

    def let_go(self) -> None:
        """Let the thread meet its exception, and end."""
        self.gate.release()
        self.thread.join(10)
        assert not self.thread.is_alive()


def test_traced_functions_run_while_a_thread_in_c_has_an_exception_to_come() -> None:
    """The note of it is gone; the exception is not."""
    waiting = Waiting()
    raise_in_thread(waiting.ident, Stop)
    returned = traced_call_returns()
    waiting.let_go()

    assert returned
    assert [type(error) for error in waiting.met] == [Stop]


def test_a_traced_thread_can_send() -> None:
    """The sender itself enters functions afterwards."""
    waiting = Waiting()
    sent = threading.Event()

    def send() -> None:
        sys.settrace(lambda _frame, _event, _argument: None)
        raise_in_thread(waiting.ident, Stop)
        sent.set()
        sys.settrace(None)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    assert sent.wait(10)
    sender.join()
    waiting.let_go()


def test_what_was_taken_back_does_not_arrive() -> None:
    """Nor is it noted any longer."""
    take_back_own()
    for _ in range(1000):
        pass
    assert traced_call_returns()


def test_an_exception_for_the_calling_thread_is_raised_there() -> None:
    """In the call, and nothing comes after it."""
    with pytest.raises(Stop):
        raise_in_thread(threading.get_ident(), Stop)
    for _ in range(1000):
        pass
    assert traced_call_returns()


def test_a_signal_in_the_middle_is_raised_and_nothing_comes_after_it() -> None:
    """Ctrl-C while something is sent is Ctrl-C, and what the thread sent to itself is gone."""
    before = signal.signal(signal.SIGALRM, signal.default_int_handler)
    pressed = 0
    try:
        for number in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, 0.0002 + number * 1e-7)
                while True:
                    take_back_own()
            except KeyboardInterrupt:
                pressed += 1
    finally:
        signal.signal(signal.SIGALRM, before)
    assert pressed == 300
    assert traced_call_returns()


def test_nothing_is_sent_to_a_thread_that_has_ended() -> None:
    """Its number is nobody's."""
    thread = threading.Thread(target=int)
    thread.start()
    thread.join()
    assert thread.ident is not None
    raise_in_thread(thread.ident, Stop)
