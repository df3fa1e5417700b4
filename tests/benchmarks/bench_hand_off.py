"""How long does a flush, or a request, take to reach the plugin's first line?"""

from __future__ import annotations

import statistics
import sys
import threading
import time
from collections.abc import Callable
from queue import SimpleQueue

from procengine.model.run import Cause, CauseKind
from procengine.processing.event import RequestEvent
from tests.benchmarks.measurement import Measurement, percentile
from tests.benchmarks.plugin_triggers import PluginTriggers

HAND_OFFS = 1_500
BUSY_HAND_OFFS = 300
REST_SECONDS = 0.001
"""Between two hand-offs, so that each one finds its threads asleep."""

PLUGIN = """\
import time

def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info(time.perf_counter_ns())

def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
    influxdb3_local.info(time.perf_counter_ns())
    return ""
"""


def run() -> list[Measurement]:
    """Measure hand-offs from the flush thread and from a request, beside a bare queue between two threads."""
    with PluginTriggers() as bench:
        plugin = bench.save("entered.py", PLUGIN)
        bench.triggers.create("db", "written", plugin, "table:home")
        bench.triggers.create("db", "asked", plugin, "request:asked")
        offer, ask, bare = FlushHandOff(bench), request_hand_off(bench), BareHandOff()
        offered, asked, queued = taken_in_turn(HAND_OFFS, offer.once, ask, bare.once)
        busy = while_busy(offer.once)
        bare.stop()
        offer.stop()
    return [*idle_measurements(offered, queued), asked_measurement(asked), busy_measurement(busy)]


def idle_measurements(offered: list[float], queued: list[float]) -> list[Measurement]:
    """Return the figures of an idle kernel."""
    baseline = "a bare SimpleQueue between two threads, in details"
    details = {"bare p50 ms": statistics.median(queued), "bare p99 ms": percentile(queued, 99)}
    return [
        Measurement(
            name="flush to plugin entered, idle, p50",
            value=statistics.median(offered),
            budget=0.1,
            unit="ms",
            baseline=baseline,
            details=details,
        ),
        Measurement(
            name="flush to plugin entered, idle, p99",
            value=percentile(offered, 99),
            budget=1,
            unit="ms",
            baseline=baseline,
            details=details,
        ),
    ]


def asked_measurement(asked: list[float]) -> Measurement:
    """Return the figure of requests."""
    return Measurement(
        name="request to plugin entered, p50",
        value=statistics.median(asked),
        budget=1,
        unit="ms",
        baseline="none",
    )


def busy_measurement(busy: list[float]) -> Measurement:
    """Return the figure of a busy kernel."""
    return Measurement(
        name="flush to plugin entered, a cell runs pure Python, p50",
        value=statistics.median(busy),
        budget=1,
        unit="ms",
        baseline="switch interval 0.5 ms",
        details={"p99 ms": percentile(busy, 99)},
    )


class FlushHandOff:
    """Offers contents on a thread of its own, as the flush thread does, and reads when the plugin was entered."""

    def __init__(self, bench: PluginTriggers) -> None:
        self._bench = bench
        self._rows = bench.rows("home")
        self._requests: SimpleQueue[bool] = SimpleQueue()
        self._results: SimpleQueue[float] = SimpleQueue()
        self._offered_ns = 0
        bench.triggers.subscribe(self._on_run)
        self._thread = threading.Thread(target=self._flush, name="flush", daemon=True)
        self._thread.start()

    def once(self) -> float:
        """Return the milliseconds of one hand-off."""
        self._requests.put(True)
        return self._results.get()

    def stop(self) -> None:
        """End the thread."""
        self._requests.put(False)
        self._thread.join()

    def _flush(self) -> None:
        while self._requests.get():
            contents = self._bench.flush(self._rows)
            self._offered_ns = time.perf_counter_ns()
            self._bench.triggers.offer(contents)

    def _on_run(self, finished: object) -> None:
        logs = getattr(finished, "logs", ())
        if getattr(finished, "trigger", "") == "written":
            self._results.put((int(logs[1].text) - self._offered_ns) / 1e6)


class BareHandOff:
    """The floor: one thread puts, another gets."""

    def __init__(self) -> None:
        self._queue: SimpleQueue[int] = SimpleQueue()
        self._results: SimpleQueue[float] = SimpleQueue()
        self._thread = threading.Thread(target=self._receive, daemon=True)
        self._thread.start()

    def once(self) -> float:
        """Return the milliseconds of one hand-off."""
        self._queue.put(time.perf_counter_ns())
        return self._results.get()

    def stop(self) -> None:
        """End the thread."""
        self._queue.put(0)
        self._thread.join()

    def _receive(self) -> None:
        while sent_ns := self._queue.get():
            self._results.put((time.perf_counter_ns() - sent_ns) / 1e6)


def request_hand_off(bench: PluginTriggers) -> Callable[[], float]:
    """Return a call that makes one request and returns the milliseconds to the plugin's first line."""
    cause = Cause(kind=CauseKind.REQUEST)

    def once() -> float:
        began_ns = time.perf_counter_ns()
        event = RequestEvent(query_params={}, headers={}, body=b"", cause=cause)
        bench.triggers.request("asked", event)
        last = bench.triggers.runs.of_trigger("db", "asked")[-1]
        return (int(last.logs[1].text) - began_ns) / 1e6

    return once


def taken_in_turn(count: int, *calls: Callable[[], float]) -> list[list[float]]:
    """Call each in turn, so many times, with a rest before each; return what each returned."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(count):
        for times, call in zip(taken, calls, strict=True):
            time.sleep(REST_SECONDS)
            times.append(call())
    return taken


def while_busy(hand_off: Callable[[], float]) -> list[float]:
    """Hand off from another thread while this one runs pure Python, as a cell does; return the milliseconds."""
    taken: list[float] = []

    def hand_offs() -> None:
        for _ in range(BUSY_HAND_OFFS):
            time.sleep(REST_SECONDS)
            taken.append(hand_off())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        thread = threading.Thread(target=hand_offs)
        thread.start()
        number = 0
        while thread.is_alive():
            number += 1
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    return taken
