"""When rows reach the disk."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from procengine.history.history_writer import (
    BUSY_INTERVAL_SECONDS,
    MANY_ROWS,
    HistoryWriter,
    Written,
)

WAIT_SECONDS = 20.0
NEVER_SECONDS = 3_600.0


class Rows:
    """Rows that wait; each attempt to write takes them all, and is told to the test."""

    def __init__(self) -> None:
        self.waiting = 0
        self.refuse = False
        self.writes: queue.SimpleQueue[int] = queue.SimpleQueue()

    def write_waiting(self) -> Written:
        if not self.waiting:
            return Written.NOTHING
        if self.refuse:
            self.writes.put(0)
            return Written.REFUSED
        rows, self.waiting = self.waiting, 0
        self.writes.put(rows)
        return Written.DONE

    def written(self) -> int:
        return self.writes.get(timeout=WAIT_SECONDS)


@contextmanager
def writing(
    rows: Rows, *, interval: float = NEVER_SECONDS, retry: float = NEVER_SECONDS
) -> Iterator[HistoryWriter]:
    writer = HistoryWriter(interval_seconds=interval, retry_seconds=retry)
    writer.start([rows])
    try:
        yield writer
    finally:
        writer.stop()


def test_the_first_row_after_a_quiet_time_is_written_at_once() -> None:
    """It waits for no interval."""
    rows = Rows()
    with writing(rows) as writer:
        rows.waiting = 1
        writer.call()
        assert rows.written() == 1


def test_rows_within_the_interval_share_a_write() -> None:
    """After a write others wait for the interval's end, or for the stop, and go together."""
    rows = Rows()
    with writing(rows) as writer:
        rows.waiting = 1
        writer.call()
        assert rows.written() == 1
        for _ in range(5):
            rows.waiting += 1
            writer.call()
        assert rows.writes.empty()
    assert rows.written() == 5


def test_a_quiet_time_begins_when_nothing_came() -> None:
    """An interval in which nothing came ends with the thread asleep, so that the next row is the first again."""
    rows = Rows()
    with writing(rows, interval=0.001) as writer:
        for _ in range(50):
            rows.waiting = 1
            writer.call()
            assert rows.written() == 1


def test_a_row_that_may_wait_waits_for_the_next() -> None:
    """A line of the log goes with the end of its run when that comes within the interval."""
    rows = Rows()
    with writing(rows) as writer:
        rows.waiting = 1
        writer.call_soon()
        assert rows.writes.empty()
        rows.waiting = 2
        writer.call()
        assert rows.written() == 2


def test_a_row_that_may_wait_is_written_alone_when_none_follows() -> None:
    """It waits for the interval at most."""
    rows = Rows()
    with writing(rows, interval=0.001) as writer:
        rows.waiting = 1
        writer.call_soon()
        assert rows.written() == 1


def test_a_disk_that_refuses_is_asked_again() -> None:
    """Rows that were refused are tried again without a call, and at the stop."""
    rows = Rows()
    rows.refuse = True
    with writing(rows, retry=0.001) as writer:
        rows.waiting = 3
        writer.call()
        assert [rows.written(), rows.written()] == [0, 0]
        rows.refuse = False
    while (count := rows.written()) == 0:
        pass
    assert count == 3


def test_no_row_is_left_behind_by_a_thread_that_falls_asleep() -> None:
    """Threads that add rows while the writer goes to sleep and wakes lose none."""
    rows = Rows()
    lock = threading.Lock()
    added = 0

    def add(writer: HistoryWriter) -> None:
        nonlocal added
        for _ in range(2_000):
            with lock:
                rows.waiting += 1
                added += 1
            writer.call()

    take = rows.write_waiting

    def locked() -> Written:
        with lock:
            return take()

    rows.write_waiting = locked  # type: ignore[method-assign]
    with writing(rows, interval=0.0) as writer:
        threads = [threading.Thread(target=add, args=(writer,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        total = 0
        while total < 8_000:
            total += rows.written()
        for thread in threads:
            thread.join()
    assert total == added == 8_000


def test_stopping_writes_what_waits_and_ends_the_thread() -> None:
    """What was added without a call is written by the stop; stopping twice is allowed."""
    rows = Rows()
    with writing(rows) as writer:
        rows.waiting = 2
        writer.stop()
        assert rows.written() == 2
    assert not [one for one in threading.enumerate() if one.name == "procengine-history"]


def test_rows_by_the_thousand_share_longer_intervals() -> None:
    """A write of many rows is followed by a longer pause than one of few."""
    rows = Rows()
    writer = HistoryWriter(interval_seconds=0.05)
    writer._journals = [rows]
    rows.waiting = MANY_ROWS - 1
    assert writer._write() == 0.05
    rows.waiting = MANY_ROWS
    assert writer._write() == BUSY_INTERVAL_SECONDS
