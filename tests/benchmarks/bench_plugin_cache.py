"""What does it cost that the plugin cache survives?

All figures but the first two are those of whole runs: pickling, comparison, commit and sync of what a run touched are
in them, less what a run that touches nothing costs.
"""

from __future__ import annotations

import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from procengine.clock import SystemClock
from procengine.processing.plugin_cache import PluginCache
from procengine.processing.plugin_classes import PluginClasses
from procengine.processing.plugin_logs import ProcessingEngineLogs
from procengine.processing.plugin_pickle import ValuePickles
from procengine.processing.plugin_registry import PluginRegistry
from procengine.processing.runner import PluginRunner
from procengine.state import Place, PluginState, connect, open_cache_file
from tests.benchmarks.bench_plugin_run import Nowhere, scheduled_event, scheduled_trigger
from tests.benchmarks.measurement import Measurement, alternate, seconds

ROUNDS = 15
KEYS = 1_000
REPEATS = 20_000
MANY = 100_000

HEAD = """
def process_scheduled_call(influxdb3_local, call_time, args=None):
    cache = influxdb3_local.cache
"""
BODIES = {
    "empty": "    pass",
    "puts": f"""
    stamp = call_time.timestamp()
    for n in range({KEYS}):
        cache.put(f"key {{n}}", b"%100.0f" % (stamp + n))
""",
    "one": """
    cache.put("one", call_time)
""",
    "fill": f"""
    for n in range({KEYS}):
        cache.put(f"dict {{n}}", {{"n": n, "text": "x" * 60}})
        cache.put(f"text {{n}}", "x" * 60)
""",
    "changed": f"""
    for n in range({KEYS}):
        cache.get(f"dict {{n}}")["n"] += 1
""",
    "unchanged": f"""
    for n in range({KEYS}):
        cache.get(f"dict {{n}}")
""",
    "read": f"""
    for n in range({KEYS}):
        cache.get(f"text {{n}}")
""",
    "bare": f"""
    import time
    bare = {{}}
    cache.put("key", b"x" * 100)
    marks = [time.perf_counter()]
    for n in range({REPEATS}):
        bare["key"] = n
    marks.append(time.perf_counter())
    for n in range({REPEATS}):
        bare.get("key")
    marks.append(time.perf_counter())
    for n in range({REPEATS}):
        influxdb3_local.cache.get("key")
    marks.append(time.perf_counter())
    cache.put("marks", marks)
""",
}


class Bench:
    """Plugins whose cache is stored in a folder."""

    def __init__(self, folder: Path) -> None:
        clock, nowhere = SystemClock(), Nowhere()
        registry = PluginRegistry(folder)
        self.cache = PluginCache(
            clock, store=PluginState(folder), pickles=ValuePickles(PluginClasses(registry))
        )
        self.cache.open({Place("db", 1)})
        self._runner = PluginRunner(
            registry, self.cache, ProcessingEngineLogs(), nowhere, nowhere, clock
        )
        self._instant_ns = time.time_ns()

    def run(self, name: str) -> None:
        """Run a plugin, each time a second later."""
        self._instant_ns += 1_000_000_000
        event = replace(scheduled_event(), instant_ns=self._instant_ns)
        assert self._runner.run(scheduled_trigger(f"{name}.py"), event).failure is None


@contextlib.contextmanager
def bench() -> Iterator[tuple[Bench, Path]]:
    """Give a bench with all plugins in a new folder."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for plugin, body in BODIES.items():
            (folder / f"{plugin}.py").write_text(HEAD + body)
        made = Bench(folder)
        yield made, folder
        made.cache.close()


def run() -> list[Measurement]:
    """Measure calls, runs, and a start with many keys."""
    with bench() as (made, _):
        return [_get(made), *_runs(made), _commit(made), *_many()]


def _get(made: Bench) -> Measurement:
    taken = []
    for _ in range(ROUNDS):
        made.run("bare")
        marks = made.cache.for_trigger("db", 1).get("marks")
        taken.append(np.diff(marks) / REPEATS * 1e6)
    put, bare, get = np.median(np.array(taken), axis=0).tolist()
    return Measurement(
        name="plugin cache get",
        value=get,
        budget=0.5,
        unit="us",
        baseline="a dictionary's, in details",
        details={"dict_put_us": put, "dict_get_us": bare},
    )


def _runs(made: Bench) -> list[Measurement]:
    made.run("fill")
    names = ["empty", "puts", "changed", "unchanged", "read"]
    calls: list[Callable[[], None]] = [lambda name=name: made.run(name) for name in names]  # type: ignore[misc]
    empty, *taken = alternate(ROUNDS, *calls)
    figures = [
        ("plugin cache put of 100 bytes, persisted", 10.0),
        ("plugin cache key changed in place, persisted", 20.0),
        ("plugin cache key got and not changed, a dictionary", 10.0),
        ("plugin cache key got, a text", 5.0),
    ]
    return [
        Measurement(
            name=name,
            value=(each - empty) / KEYS * 1e6,
            budget=budget,
            unit="us",
            baseline=f"of {KEYS:,} in one run",
            details={"run_ms": each * 1e3},
        )
        for (name, budget), each in zip(figures, taken, strict=True)
    ]


def _commit(made: Bench) -> Measurement:
    with tempfile.TemporaryDirectory() as name:
        bare = open_cache_file(Path(name), connect)
        numbers = iter(range(1 << 30))

        def row() -> None:
            bare.execute(
                "INSERT OR REPLACE INTO plugin_cache VALUES (1, 'db', 1, 'one', ?, 0, 'str', NULL, 1, 1, 0)",
                (b"%60d" % next(numbers),),
            )

        def repeated(call: Callable[[], None]) -> Callable[[], None]:
            return lambda: [call() for _ in range(20)] and None

        bare_seconds, empty, one = alternate(
            ROUNDS, repeated(row), repeated(lambda: made.run("empty")), repeated(lambda: made.run("one"))
        )
        bare.close()
    return Measurement(
        name="commit of a run with one put",
        value=(one - empty) / bare_seconds,
        budget=2.0,
        unit="x",
        baseline="a row and its sync in a bare SQLite file",
        details={"run_ms": (one - empty) / 20 * 1e3, "bare_ms": bare_seconds / 20 * 1e3},
    )


def _many() -> list[Measurement]:
    with bench() as (made, folder):
        view = made.cache.for_trigger("db", 1)
        for number in range(MANY):
            view.put(f"key {number}", {"n": number, "text": "x" * 60})
        made.cache.end_run(view, run_id=1, guard=lambda work: work())
        made.cache.close()
        opened, listed = [], []
        for _ in range(5):
            found: list[Bench] = []
            opened.append(seconds(lambda found=found: found.append(Bench(folder))))  # type: ignore[misc]
            listed.append(seconds(found[0].cache.values))
            found[0].cache.close()
    return [
        Measurement(
            name=name, value=float(np.median(taken)) * 1e3, budget=budget, unit="ms", baseline="none"
        )
        for name, taken, budget in (
            ("start with 100,000 keys in the plugin cache", opened, 1_000),
            ("list 100,000 keys of the plugin cache", listed, 500),
        )
    ]


if __name__ == "__main__":
    for measurement in run():
        print(measurement)
