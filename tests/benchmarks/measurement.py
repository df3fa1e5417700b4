"""What is one measured figure, and is it within its budget?"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """One figure of a benchmark.

    ``value`` and ``budget`` share ``unit``: ``"x"`` for a ratio to a baseline of the same run, or ``"ms"``,
    ``"us"``, ``"%"`` for the few budgets that are absolute. ``at_least`` turns the budget round.
    ``baseline`` says what the value was compared with; ``details`` holds the raw medians by name.
    """

    name: str
    value: float
    budget: float
    unit: str
    baseline: str
    at_least: bool = False
    details: dict[str, float] = field(default_factory=dict)

    @property
    def within_budget(self) -> bool:
        """Whether the figure keeps its budget."""
        return self.value >= self.budget if self.at_least else self.value <= self.budget


def seconds(call: Callable[[], object]) -> float:
    """Return how long one call takes, garbage collection held off."""
    gc.collect()
    gc.disable()
    try:
        began = time.perf_counter()
        call()
        return time.perf_counter() - began
    finally:
        gc.enable()


def alternate(rounds: int, *calls: Callable[[], object]) -> tuple[float, ...]:
    """Time several calls in turn, A B A B, and return each one's median seconds.

    Taking turns lets a change of the machine's speed fall on all of them alike.
    """
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(rounds):
        for times, call in zip(taken, calls, strict=True):
            times.append(seconds(call))
    return tuple(statistics.median(times) for times in taken)


def percentile(values: list[float], percent: float) -> float:
    """Return a percentile by the nearest rank."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, round(percent / 100 * (len(ordered) - 1)))]
