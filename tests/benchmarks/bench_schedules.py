"""What do many schedules cost, and are they on time?"""

from __future__ import annotations

import statistics
import threading
import time

from procengine.model.duration import SECOND
from procengine.model.run import Run
from tests.benchmarks.measurement import Measurement, percentile, seconds
from tests.benchmarks.plugin_triggers import PluginTriggers

MANY = 10_000
PLUGIN = "def process_scheduled_call(influxdb3_local, call_time, args=None):\n    pass\n"


def run() -> list[Measurement]:
    """Measure ten thousand schedules waiting and ticking at once, and a thousand with distinct due times."""
    return [waiting(), *at_one_instant(3), distinct(5.0)]


def waiting() -> Measurement:
    """Ten thousand ``every:1h`` that wait."""
    with PluginTriggers() as bench:
        create(bench, MANY, lambda number: "every:1h")
        began, cpu_began = time.perf_counter(), time.process_time()
        time.sleep(3)
        percent = (time.process_time() - cpu_began) / (time.perf_counter() - began) * 100
    return Measurement(
        name="10,000 every:1h waiting, of one core", value=percent, budget=1, unit="%", baseline="none"
    )


def at_one_instant(ticks: int) -> list[Measurement]:
    """Ten thousand ``every:1s``: when the last one of a tick is entered, and the CPU time of a run."""
    with PluginTriggers() as bench:
        create(bench, MANY, lambda number: "every:1s")
        arrivals = Arrivals(bench, after_ns=bench.clock.now_ns() + 2 * SECOND, full_ticks=ticks)
        arrivals.begun.wait()
        cpu_began = time.process_time()
        arrivals.done.wait(ticks + 10)
        cpu_us = (time.process_time() - cpu_began) * 1e6 / max(1, len(arrivals.late_ms))
        late_ms, lost = list(arrivals.late_ms), arrivals.lost
    bare_us = seconds(lambda: [empty_plugin() for _ in range(MANY)]) * 1e6 / MANY
    return [
        Measurement(
            name="10,000 every:1s, runs lost over 3 ticks",
            value=float(lost),
            budget=0,
            unit="runs",
            baseline="none",
        ),
        Measurement(
            name="10,000 every:1s, last of a tick entered",
            value=max(late_ms),
            budget=1_000,
            unit="ms",
            baseline="the next tick",
            details={"p50 ms": statistics.median(late_ms)},
        ),
        Measurement(
            name="10,000 every:1s, CPU of the engine a run",
            value=cpu_us - bare_us,
            budget=50,
            unit="us",
            baseline="the bare call",
            details={"bare call us": bare_us},
        ),
    ]


def distinct(for_seconds: float) -> Measurement:
    """A thousand schedules of distinct periods: how late their runs start."""
    with PluginTriggers() as bench:
        create(bench, 1_000, lambda number: f"every:{1_000 + number}ms")
        arrivals = Arrivals(bench, after_ns=bench.clock.now_ns() + SECOND, full_ticks=None)
        wakes = BareWakes()
        arrivals.done.wait(for_seconds)
        bare_ms = wakes.stop()
        late_ms = list(arrivals.late_ms)
    return Measurement(
        name="1,000 distinct due times, lateness p99",
        value=percentile(late_ms, 99),
        budget=5,
        unit="ms",
        baseline="a bare timed wait beside it, in details",
        details={"p50 ms": statistics.median(late_ms), "bare p99 ms": percentile(bare_ms, 99)},
    )


def create(bench: PluginTriggers, count: int, spec: object) -> None:
    """Create triggers over one empty plugin."""
    plugin = bench.save("empty.py", PLUGIN)
    for number in range(count):
        bench.triggers.create("db", f"t{number}", plugin, spec(number))  # type: ignore[operator]


def empty_plugin() -> None:
    """Stand for a plugin that does nothing."""


class Arrivals:
    """How late runs start, of ticks after an instant; of all of them, or until so many ticks had all their runs."""

    def __init__(self, bench: PluginTriggers, *, after_ns: int, full_ticks: int | None) -> None:
        self.late_ms: list[float] = []
        self.begun, self.done = threading.Event(), threading.Event()
        self._after_ns = after_ns
        self._missing: dict[int, int] = {}
        self._full_ticks = full_ticks
        bench.triggers.subscribe(self._count)

    @property
    def lost(self) -> int:
        """How many runs of the ticks that were waited for did not come."""
        ticks = sorted(self._missing)[: self._full_ticks]
        return sum(self._missing[tick] for tick in ticks)

    def _count(self, finished: Run) -> None:
        tick_ns = finished.cause.instant_ns
        if tick_ns is None or tick_ns < self._after_ns or self.done.is_set():
            return
        self.begun.set()
        self.late_ms.append((finished.started_ns - tick_ns) / 1e6)
        if self._full_ticks is None:
            return
        self._missing[tick_ns] = self._missing.get(tick_ns, MANY) - 1
        if len(self._missing) >= self._full_ticks and self.lost == 0:
            self.done.set()


class BareWakes:
    """The floor: a thread that waits for due times 2 ms apart and notes how late it wakes."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._late_ms: list[float] = []
        self._thread = threading.Thread(target=self._wake, daemon=True)
        self._thread.start()

    def stop(self) -> list[float]:
        """End the thread; return how late it woke, in milliseconds."""
        self._stopped.set()
        self._thread.join()
        return self._late_ms

    def _wake(self) -> None:
        due = time.perf_counter()
        while True:
            due += 0.002
            if self._stopped.wait(max(0.0, due - time.perf_counter())):
                return
            self._late_ms.append((time.perf_counter() - due) * 1e3)
