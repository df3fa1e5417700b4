"""Which runs are going on, without a lock."""

from __future__ import annotations

import threading

import pytest

from procengine.errors import StoppedError
from procengine.processing.flights import Flights
from procengine.processing.progress import Progress
from tests.processing.doubles import TIMEOUT


def test_nobody_takes_off_after_the_close() -> None:
    """A run that comes too late is refused, and nobody waits for it."""
    flights = Flights(Progress())
    flights.close()
    with pytest.raises(StoppedError):
        flights.take_off()
    assert len(flights) == 0


def test_a_run_is_counted_before_it_asks_whether_all_was_closed() -> None:
    """Whoever closes and then waits sees each run that was not refused."""
    seen: list[int] = []

    class Watched(Flights):
        @property
        def _closed(self) -> bool:
            seen.append(len(self))
            return False

        @_closed.setter
        def _closed(self, value: bool) -> None:
            """Ignore it."""

    flights = Watched(Progress())
    flights.land(flights.take_off())
    assert (seen, len(flights)) == ([1], 0)


def test_runs_of_many_threads_come_and_go() -> None:
    """Threads that take off and land at the same time lose no run and leave none behind."""
    flights, together = Flights(Progress()), threading.Barrier(8)

    def fly() -> None:
        together.wait(TIMEOUT)
        for _ in range(200):
            number = flights.take_off()
            assert flights.includes_this_thread
            flights.land(number)

    threads = [threading.Thread(target=fly) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT)
    assert len(flights) == 0
