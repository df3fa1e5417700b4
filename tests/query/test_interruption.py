"""A query can be interrupted, and the executor stays usable."""

from __future__ import annotations

import ctypes
import signal
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from procengine.errors import QueryCancelledError, StoppedError
from procengine.query import QueryCancellation, QueryExecutor
from procengine.query.brief_queries import is_brief
from procengine.query.query_threads import QueryThreads
from tests.query.doubles import MemoryDatabases, executor_of, home_rows
from tests.tracing import traced_call_returns

ENDLESS = "SELECT sum(sqrt(value)) FROM range(1, 1000000000000)"


@pytest.fixture
def executor() -> Iterator[QueryExecutor]:
    databases = MemoryDatabases()
    databases.put("d", "home", home_rows())
    made = executor_of(databases)
    made.query("SELECT 1", "d")
    yield made
    made.close()


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait for a condition, ten seconds at most."""
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        threading.Event().wait(0.01)


def running(executor: QueryExecutor) -> bool:
    """Tell whether the endless query runs."""
    queries = executor._log.of("d")
    return bool(queries) and queries[-1].text == ENDLESS and queries[-1].phase.value == "permit"


def test_ctrl_c_stops_a_query_at_once(executor: QueryExecutor) -> None:
    """KeyboardInterrupt reaches the main thread while it waits for a query."""

    def press() -> None:
        wait_until(lambda: running(executor))
        pressed.append(time.monotonic())
        signal.raise_signal(signal.SIGINT)

    pressed: list[float] = []
    previous = signal.signal(signal.SIGINT, signal.default_int_handler)
    thread = threading.Thread(target=press)
    thread.start()
    try:
        with pytest.raises(KeyboardInterrupt):
            executor.query(ENDLESS, "d")
    finally:
        signal.signal(signal.SIGINT, previous)
        thread.join()
    assert time.monotonic() - pressed[0] < 1
    assert executor.query("SELECT count(*) AS n FROM home", "d")["n"].to_pylist() == [6]
    assert executor._log.of("d")[-2].phase.value == "cancel"


def test_a_cancellation_stops_a_query_from_another_thread(executor: QueryExecutor) -> None:
    """`cancel` lets the caller go with QueryCancelledError."""
    cancellation = QueryCancellation()
    thread = threading.Thread(
        target=lambda: (wait_until(lambda: running(executor)), cancellation.cancel())
    )
    thread.start()
    with pytest.raises(QueryCancelledError):
        executor.query(ENDLESS, "d", cancellation=cancellation)
    thread.join()
    assert executor.query("SELECT 1 AS one", "d")["one"].to_pylist() == [1]


def test_traced_functions_run_while_an_abandoned_call_has_not_returned() -> None:
    """A plan that does not look whether it was dropped holds up no debugger."""
    threads = QueryThreads()
    cancellation = QueryCancellation()
    gate = threading.Lock()
    gate.acquire()
    inside = threading.Event()

    def wait() -> None:
        inside.set()
        gate.acquire()

    canceller = threading.Thread(target=lambda: (inside.wait(10), cancellation.cancel()))
    canceller.start()
    with pytest.raises(QueryCancelledError):
        threads.call(wait, cancellation)
    returned = traced_call_returns()
    gate.release()
    canceller.join()
    threads.stop()
    assert returned


def test_a_cancelled_cancellation_lets_nothing_run(executor: QueryExecutor) -> None:
    """Queries that begin after `cancel` are cancelled as well."""
    cancellation = QueryCancellation()
    cancellation.cancel()
    with pytest.raises(QueryCancelledError):
        executor.query(ENDLESS, "d", cancellation=cancellation)


def test_a_cancellation_that_is_not_used_changes_nothing(executor: QueryExecutor) -> None:
    """A query that ends before is what it is, and cancelling later harms nobody."""
    cancellation = QueryCancellation()
    result = executor.query("SELECT 1 AS one", "d", cancellation=cancellation)
    cancellation.cancel()
    assert result["one"].to_pylist() == [1]


def test_an_exception_set_on_the_calling_thread_arrives(executor: QueryExecutor) -> None:
    """Whoever stops a thread from outside also stops its query."""

    class Stop(BaseException):
        pass

    caught: list[BaseException] = []

    def query() -> None:
        try:
            executor.query(ENDLESS, "d")
        except BaseException as error:
            caught.append(error)

    thread = threading.Thread(target=query)
    thread.start()
    # Not before the query's thread has begun: one that is being born would be hit in its maker's place.
    wait_until(lambda: running(executor) and bool(executor._threads._all))
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident or 0), ctypes.py_object(Stop))
    thread.join(5)
    assert [type(error) for error in caught] == [Stop]


def test_a_stream_can_be_cancelled_between_batches(executor: QueryExecutor) -> None:
    """A reader raises where it is when its stream is cancelled."""
    cancellation = QueryCancellation()
    reader = executor.stream(
        "SELECT a.value FROM range(1, 3000000) a, range(1, 300) b", "d", cancellation=cancellation
    )
    reader.read_next_batch()
    cancellation.cancel()
    with pytest.raises(QueryCancelledError):
        reader.read_all()


def test_threads_are_used_again_and_end_with_the_executor(executor: QueryExecutor) -> None:
    """One query at a time needs one thread; close ends it."""
    for _ in range(20):
        executor.query("SELECT * FROM range(0, 5)", "d")
    assert len(executor._threads._all) == 1
    (worker,) = executor._threads._all
    executor.close()
    assert not worker.thread.is_alive()


def test_abandoned_threads_end_when_their_call_does() -> None:
    """A thread whose caller has gone is not used again, and ends."""
    threads = QueryThreads()
    entered, release = threading.Event(), threading.Event()
    cancellation = QueryCancellation()

    def call() -> None:
        entered.set()
        release.wait(10)

    canceller = threading.Thread(target=lambda: (entered.wait(10), cancellation.cancel()))
    canceller.start()
    with pytest.raises(QueryCancelledError):
        threads.call(call, cancellation)
    canceller.join()
    (worker,) = threads._all
    assert threads.call(threading.current_thread) is not worker.thread
    release.set()
    worker.thread.join(10)
    assert not worker.thread.is_alive()
    threads.stop()
    with pytest.raises(StoppedError):
        threads.call(lambda: 1)


def test_queries_run_side_by_side(executor: QueryExecutor) -> None:
    """Several threads query at a time, each with its own session."""
    barrier = threading.Barrier(4)
    results: list[int] = []

    def query() -> None:
        barrier.wait(10)
        for _ in range(10):
            results.extend(executor.query("SELECT count(*) AS n FROM home", "d")["n"].to_pylist())

    threads = [threading.Thread(target=query) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [6] * 40


@pytest.mark.parametrize(
    ("sql", "brief"),
    [
        ("SELECT 1", True),
        ("select * from home", True),
        (
            "SELECT room, max(temp) FROM \"home\" WHERE room = 'a, b' GROUP BY room ORDER BY 1 LIMIT 5;",
            True,
        ),
        ("SELECT count(*) FROM public.iox.home WHERE time > now() - INTERVAL '5 minutes'", True),
        ("SELECT * FROM home, home b", False),
        ("SELECT * FROM home a", True),
        ("SELECT * FROM home JOIN home b ON true", False),
        ("SELECT * FROM home WHERE temp > (SELECT max(temp) FROM home)", False),
        ("SELECT * FROM (SELECT * FROM home)", False),
        ("SELECT * FROM range(1, 100000000)", False),
        ("SELECT unnest(range(1, 100000000))", False),
        ("SELECT * FROM home UNION ALL SELECT * FROM home", False),
        ("SELECT * FROM home WHERE true -- x\n UNION SELECT 1", False),
        ("SELECT * FROM home CROSS JOIN home", False),
        ("WITH RECURSIVE r AS (SELECT 1 UNION ALL SELECT * FROM r) SELECT * FROM r", False),
        ("SELECT * FROM home; DROP TABLE home", False),
        (ENDLESS, False),
    ],
)
def test_only_plain_texts_are_run_on_the_callers_thread(sql: str, brief: bool) -> None:
    """A text is brief only if it reads one table once: then few rows cannot become many."""
    assert is_brief(sql) is brief
