"""How fast do lines become rows that can be queried?

Against the PyPI package line-protocol-parser (C), which gives a dictionary a line, from which the
same Arrow table is built; it gets fewer lines, and rates are compared. Engines start before the clock does.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pyarrow as pa
from line_protocol_parser import parse_line

from procengine.engine import Engine
from procengine.model.line_protocol import read_lines
from tests.benchmarks.measurement import Measurement, alternate

LINES = 1_000_000
BASELINE_LINES = 60_000
SMALL_BODIES = 2_000
ROUNDS = 3
START_NS = 1_700_000_000_000_000_000
REGIONS = ["us-west-1", "us-east-1", "eu-west-1", "eu-north-1", "ap-south-1", "sa-east-1"]
STATES = ["running", "sleeping", "stopped", "zombie"]


def uniform_lines(count: int) -> list[str]:
    """Return lines of some 137 bytes: 3 tags, 4 floats, 1 integer, 1 string and the time."""
    random = np.random.default_rng(1)
    columns = (
        random.integers(0, 1000, count).tolist(),
        random.integers(0, len(REGIONS), count).tolist(),
        random.integers(0, 40, count).tolist(),
        *[np.round(random.random(count) * 10**size, 4 - size).tolist() for size in range(4)],
        random.integers(0, 100_000, count).tolist(),
        random.integers(0, len(STATES), count).tolist(),
        range(START_NS, START_NS + count * 1_000_000, 1_000_000),
    )
    return [
        f"cpu,host=host_{host:04d},region={REGIONS[region]},rack=r{rack} "
        f'user={a},system={b},load={c},free={d},procs={procs}i,state="{STATES[state]}" {time}\n'
        for host, region, rack, a, b, c, d, procs, state, time in zip(*columns, strict=True)
    ]


def interleaved_lines(count: int) -> list[str]:
    """Return lines of two measurements in turn."""
    random = np.random.default_rng(2)
    half = count // 2
    numbers = zip(
        random.integers(0, 1000, half).tolist(), random.random(half).round(3).tolist(), strict=True
    )
    other = [
        f"mem,host=host_{host:04d} used={host * 1024}i,free={free},swap={free},full=false {START_NS + host}\n"
        for host, free in numbers
    ]
    return [line for pair in zip(uniform_lines(half), other, strict=True) for line in pair]


def parser_table(lines: list[str]) -> list[pa.Table]:
    """Build Arrow tables, one a measurement, with line-protocol-parser."""
    columns: dict[str, dict[str, list[object]]] = {}
    tags: dict[str, list[str]] = {}
    for line in lines:
        point = parse_line(line)
        table = columns.get(point["measurement"])
        if table is None:
            names = [*point["tags"], *point["fields"], "time"]
            table = columns[point["measurement"]] = {name: [] for name in names}
            tags[point["measurement"]] = list(point["tags"])
        for name, value in point["tags"].items():
            table[name].append(value)
        for name, value in point["fields"].items():
            table[name].append(value)
        table["time"].append(point["time"])
    types = {"time": pa.timestamp("ns")}
    return [
        pa.table(
            {
                name: pa.array(values, type=types.get(name)).dictionary_encode()
                if name in tags[measurement]
                else pa.array(values, type=types.get(name))
                for name, values in table.items()
            }
        )
        for measurement, table in columns.items()
    ]


def run() -> list[Measurement]:
    """Measure uniform and interleaved bodies, and bodies of one line."""
    measurements = []
    for name, make, budget in (
        ("uniform", uniform_lines, 7.0),
        ("two measurements", interleaved_lines, 4.0),
    ):
        lines = make(LINES)
        measurements.append(_ratio(name, "".join(lines).encode(), lines[:BASELINE_LINES], budget))
    measurements.append(_single_line())
    return measurements


def _ratio(name: str, body: bytes, baseline: list[str], budget: float) -> Measurement:
    parser, readers, engine = alternate(
        ROUNDS, lambda: parser_table(baseline), lambda: _read(body), _EngineWrites(body, ROUNDS)
    )
    rates = {
        "parser, million lines/s": len(baseline) / parser / 1e6,
        "read_lines, million lines/s": LINES / readers / 1e6,
        "engine, million lines/s": LINES / engine / 1e6,
    }
    return Measurement(
        name=f"line protocol to queryable rows, {name}",
        value=rates["engine, million lines/s"] / rates["parser, million lines/s"],
        budget=budget,
        unit="x",
        baseline="line-protocol-parser building the same Arrow table",
        at_least=True,
        details=rates,
    )


def _read(body: bytes) -> None:
    read_lines(body, default_time_ns=START_NS)


class _EngineWrites:
    """Writes a body into one fresh engine a call; a stopped engine gives its memory back."""

    def __init__(self, body: bytes, rounds: int) -> None:
        self._body = body
        self._engines = [Engine(object_store="memory") for _ in range(rounds)]

    def __call__(self) -> None:
        self._engines.pop().write("bench", self._body)


def _single_line() -> Measurement:
    line = uniform_lines(1)[0]

    def times(call: Callable[[], object]) -> Callable[[], None]:
        def repeat() -> None:
            for _ in range(SMALL_BODIES):
                call()

        return repeat

    ours, parser = alternate(
        5, times(lambda: read_lines(line, default_time_ns=START_NS)), times(lambda: parser_table([line]))
    )
    return Measurement(
        name="line protocol, a body of one line",
        value=ours / parser,
        budget=1.0,
        unit="x",
        baseline="line-protocol-parser building the same Arrow table",
        details={"read_lines, us": ours / SMALL_BODIES * 1e6, "parser, us": parser / SMALL_BODIES * 1e6},
    )
