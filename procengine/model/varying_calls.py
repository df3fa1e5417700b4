"""Which calls of a plugin give something else each time, whatever they are called with?

Found in the syntax, with the names that imports gave: ``from datetime import datetime as dt`` makes ``dt.now()`` one
of them. What a plugin reaches in other ways is not seen.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import Final, NamedTuple

CLOCK_CALLS: Final = frozenset(
    {
        "time.time",
        "time.time_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.perf_counter_ns",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "pandas.Timestamp.now",
        "pandas.Timestamp.utcnow",
        "pandas.Timestamp.today",
    }
)
"""Calls that read a clock of the machine."""

CLOCK_CALLS_WITHOUT_ARGUMENTS: Final = frozenset({"time.localtime", "time.gmtime", "time.ctime"})
"""Calls that read the machine's clock unless they are told an instant."""

RANDOM_CALLS: Final = frozenset({"uuid.uuid1", "uuid.uuid4", "os.urandom", "random.SystemRandom"})
"""Calls that no seed can repeat."""

UNSEEDED_CALLS: Final = frozenset(
    {"random.Random", "numpy.random.default_rng", "numpy.random.RandomState"}
)
"""Calls that make a generator, which repeats itself only where they are given a seed."""


class VaryingCall(NamedTuple):
    """A call by its full name, and the line of the source that it begins in, from 1."""

    name: str
    line_number: int


def clock_calls(module: ast.Module) -> Iterator[VaryingCall]:
    """Return the calls that read the machine's clocks."""
    for name, call in _named_calls(module):
        bare = not call.args and not call.keywords
        if name in CLOCK_CALLS or (bare and name in CLOCK_CALLS_WITHOUT_ARGUMENTS):
            yield VaryingCall(name, call.lineno)


def draws_from_shared(name: str) -> bool:
    """Tell whether a call goes to the generator that all users of a module share, and that a replay seeds."""
    owner, _, last = name.rpartition(".")
    return owner in {"random", "numpy.random"} and name not in UNSEEDED_CALLS and last[:1].islower()


def random_calls(module: ast.Module) -> Iterator[VaryingCall]:
    """Return the calls that draw numbers without a seed.

    A module's shared generator counts as seeded when the source calls its ``seed``.
    """
    calls = list(_named_calls(module))
    seeded = {
        name.removesuffix(".seed")
        for name, call in calls
        if name in {"random.seed", "numpy.random.seed"} and (call.args or call.keywords)
    }
    for name, call in calls:
        if name in UNSEEDED_CALLS:
            is_random = not call.args and not call.keywords
        else:
            owner, _, last = name.rpartition(".")
            shared = draws_from_shared(name) and last != "seed"
            is_random = name in RANDOM_CALLS or owner == "secrets" or (shared and owner not in seeded)
        if is_random:
            yield VaryingCall(name, call.lineno)


def _named_calls(module: ast.Module) -> Iterator[tuple[str, ast.Call]]:
    """Return the calls of what was imported, each with its full name."""
    imported = _imported_names(module)
    for node in ast.walk(module):
        if isinstance(node, ast.Call):
            name = _full_name(node.func, imported)
            if name is not None:
                yield name, node


def _imported_names(module: ast.Module) -> dict[str, str]:
    """Return what each imported name stands for; imports inside functions count for the whole file."""
    names: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            for alias in node.names:
                top = alias.name.partition(".")[0]
                names[alias.asname or top] = alias.name if alias.asname else top
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module is not None:
            names.update(
                {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
            )
    return names


def _full_name(node: ast.expr, imported: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return imported.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = _full_name(node.value, imported)
        return None if owner is None else f"{owner}.{node.attr}"
    return None
