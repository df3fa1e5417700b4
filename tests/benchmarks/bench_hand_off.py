"""How long does a durable write, or a request, take to reach the plugin's first line?

Writes go through a whole engine with its data on disk, and are counted from the return of their fdatasync. The
budgets of 0.1 ms and 1 ms were set beside a bare hand-off between two threads of 14 and 43 microseconds on an idle
machine. That hand-off is measured in turn in the same run: where it takes longer, the machine is busy, and the figure
is scaled down by as much.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Self

from procengine import Engine
from procengine.model.run import Cause, CauseKind, Run
from procengine.processing.event import RequestEvent
from tests.benchmarks.measurement import Measurement, percentile
from tests.benchmarks.plugin_triggers import PluginTriggers

HAND_OFFS = 1_500
BUSY_HAND_OFFS = 300
REST_SECONDS = 0.001
"""Between two hand-offs beside a busy cell."""

PLUGIN = """\
import time

def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info(time.perf_counter_ns())

def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
    influxdb3_local.info(time.perf_counter_ns())
    return ""
"""


BARE_P50_MS, BARE_P99_MS = 0.014, 0.043
"""The bare hand-off beside which the budgets were set."""


def run() -> list[Measurement]:
    """Measure hand-offs from the flush thread and from a request, beside a bare queue between two threads."""
    with PluginTriggers() as bench, EngineHandOff() as written:
        bench.triggers.create("db", "asked", bench.save("entered.py", PLUGIN), "request:asked")
        ask, bare = request_hand_off(bench), BareHandOff()
        synced, asked, queued = taken_in_turn(HAND_OFFS, written.once, ask, bare.once)
        (busy,) = while_busy(written.once)
        bare.stop()
    return [
        *idle_measurements(synced, queued),
        asked_measurement(asked),
        busy_measurement(busy),
    ]


def idle_measurements(synced: list[float], queued: list[float]) -> list[Measurement]:
    """Return the figures of an idle kernel."""
    return [
        Measurement(
            name=f"fdatasync to the plugin's first line, idle, p{percent}",
            value=percentile(synced, percent) / max(1.0, percentile(queued, percent) / bare_ms),
            budget=budget_ms,
            unit="ms",
            baseline="scaled down where a bare SimpleQueue hand-off is slower than it should be",
            details={"ms": percentile(synced, percent), "bare ms": percentile(queued, percent)},
        )
        for percent, budget_ms, bare_ms in ((50, 0.1, BARE_P50_MS), (99, 1.0, BARE_P99_MS))
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
    """Return the figure of a kernel whose cell runs pure Python: two switches of threads at the most."""
    return Measurement(
        name="fdatasync to the plugin's first line, a cell runs pure Python, p50",
        value=statistics.median(busy),
        budget=1,
        unit="ms",
        baseline="a switch interval of 0.5 ms",
        details={"p99 ms": percentile(busy, 99)},
    )


class EngineHandOff:
    """An engine with its data on disk and one write trigger; a write tells when it was durable and when seen."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._synced_ns = 0
        self._results: SimpleQueue[float] = SimpleQueue()
        self._sync = os.fdatasync

    def __enter__(self) -> Self:
        plugins = Path(self._folder.name) / "plugins"
        plugins.mkdir()
        (plugins / "entered.py").write_text(PLUGIN, encoding="utf-8")
        os.fdatasync = self._noting_sync
        data = Path(self._folder.name) / "data"
        self._engine = Engine(plugin_dir=plugins, data_dir=data, wal_flush_interval=0, environ={})
        self._engine.write("db", "home temp=1")
        self._engine.triggers.create("db", "written", "entered.py", "table:home")
        self._engine.triggers.subscribe(self._on_run)
        return self

    def __exit__(self, *error: object) -> None:
        self._engine.stop()
        os.fdatasync = self._sync
        self._folder.cleanup()

    def once(self) -> float:
        """Return the milliseconds of one hand-off; all threads wait again when it returns."""
        self._engine.write("db", "home temp=2")
        milliseconds = self._results.get()
        self._engine.wait_idle()
        return milliseconds

    def _noting_sync(self, descriptor: int) -> None:
        self._sync(descriptor)
        self._synced_ns = time.perf_counter_ns()

    def _on_run(self, finished: Run) -> None:
        self._results.put((int(finished.logs[1].text) - self._synced_ns) / 1e6)


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
    """Call each in turn, so many times; return what each returned."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(count):
        for times, call in zip(taken, calls, strict=True):
            times.append(call())
    return taken


def while_busy(*hand_offs: Callable[[], float]) -> list[list[float]]:
    """Hand off from another thread while this one runs pure Python, as a cell does; return the milliseconds."""
    taken: list[list[float]] = [[] for _ in hand_offs]

    def take_turns() -> None:
        for _ in range(BUSY_HAND_OFFS):
            for times, hand_off in zip(taken, hand_offs, strict=True):
                time.sleep(REST_SECONDS)
                times.append(hand_off())

    interval = sys.getswitchinterval()
    sys.setswitchinterval(0.0005)
    try:
        thread = threading.Thread(target=take_turns)
        thread.start()
        number = 0
        while thread.is_alive():
            number += 1
        thread.join()
    finally:
        sys.setswitchinterval(interval)
    return taken
