"""Which runs did a write cause, and which did those cause by what they wrote?

A flush may have rows of several writers, so a run can be named that another writer of the same moment, in the same
database, has caused.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from procengine.model.run import Run

if TYPE_CHECKING:
    from procengine.engine import Engine

Flush = tuple[str, int]
"""A database and a number of a flush of the write-ahead log: where the rows of a write are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChain:
    """The runs that have ended: each one is followed by those that it caused.

    ``behind`` has for each of these the names of the triggers whose writes led to it, outermost first; none for what
    the first write caused. ``flushes`` are those of the first write and of all the runs.
    """

    runs: tuple[Run, ...] = ()
    behind: Mapping[int, tuple[str, ...]] = field(default_factory=dict)
    flushes: frozenset[Flush] = frozenset()


def run_chain(engine: Engine, flushes: Iterable[Flush]) -> RunChain:
    """Return the chain of runs that some flushes caused, as far as it is in memory."""
    first = frozenset(flushes)
    if not first or not engine.config.plugins_enabled:
        return RunChain(flushes=first)
    history = engine.triggers.runs
    caused: dict[Flush, list[Run]] = {}
    for run in history:
        if run.cause.wal_sequence_number is not None:
            caused.setdefault((run.database, run.cause.wal_sequence_number), []).append(run)
    runs: list[Run] = []
    behind: dict[int, tuple[str, ...]] = {}
    seen = set(first)

    def follow(some: frozenset[Flush], names: tuple[str, ...], depth: int) -> None:
        for flush in sorted(some, key=lambda flush: flush[1]):
            for run in caused.get(flush, ()):
                if run.run_id in behind or run.cause.depth < depth:
                    continue
                runs.append(run)
                behind[run.run_id] = names
                own = history.flushes_of(run) if run.writes else frozenset()
                seen.update(own)
                follow(own, (*names, run.trigger), run.cause.depth + 1)

    follow(first, (), 0)
    return RunChain(runs=tuple(runs), behind=behind, flushes=frozenset(seen))


def wait_for_chain(engine: Engine, flushes: Iterable[Flush], seconds: float) -> bool:
    """Wait until the synchronous runs of a chain have ended, at most so long in all; tell whether they have.

    KeyboardInterrupt ends the wait.
    """
    deadline = time.monotonic() + seconds
    first = frozenset(flushes)
    waited: frozenset[Flush] = frozenset()
    while left := first - waited:
        if not _caught_up(engine, left, deadline):
            return False
        waited |= left
        first = run_chain(engine, first).flushes
    return True


def _caught_up(engine: Engine, flushes: frozenset[Flush], deadline: float) -> bool:
    """Wait until the synchronous triggers have handled some flushes, one database after the other."""
    newest = {
        database: max(number for one, number in flushes if one == database) for database, _ in flushes
    }
    return all(
        engine.triggers.wait_caught_up(number, max(0.0, deadline - time.monotonic()), database)
        for database, number in newest.items()
    )
