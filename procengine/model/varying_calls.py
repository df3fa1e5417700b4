"""Which calls of a plugin give something else each time, whatever they are called with?

Found in the syntax, with the names that imports gave: ``from datetime import datetime as dt`` makes ``dt.now()`` one
of them. What a plugin reaches in other ways is not seen.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from typing import Final, NamedTuple

CLOCK_CALLS: Final = frozenset(
    {
        "time.time",
        "time.time_ns",
        "time.monotonic",
        "time.monotonic_ns",
        "time.perf_counter",
        "time.perf_counter_ns",
        "time.process_time",
        "time.process_time_ns",
        "time.thread_time",
        "time.thread_time_ns",
        "time.clock_gettime",
        "time.clock_gettime_ns",
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

CLOCK_CALLS_WITHOUT_ARGUMENTS: Final = frozenset(
    {"time.localtime", "time.gmtime", "time.ctime", "time.asctime"}
)
"""Calls that read the machine's clock unless they are told an instant."""

RANDOM_CALLS: Final = frozenset({"uuid.uuid1", "uuid.uuid4", "os.urandom", "random.SystemRandom"})
"""Calls that no seed can repeat."""

UNSEEDED_CALLS: Final = frozenset(
    {"random.Random", "numpy.random.default_rng", "numpy.random.RandomState"}
)
"""Calls that make a generator, which repeats itself only where they are given a seed."""


HASHES: Final = frozenset({"hash", "id"})
"""What is otherwise in each process, of texts among others."""

THREAD_CALLS: Final = frozenset(
    {
        "threading.Thread",
        "threading.Timer",
        "_thread.start_new_thread",
        "concurrent.futures.ThreadPoolExecutor",
        "concurrent.futures.ProcessPoolExecutor",
        "multiprocessing.Process",
        "multiprocessing.Pool",
        "multiprocessing.pool.ThreadPool",
    }
)
"""Calls by which things go on at the same time."""

_SQL_CHANCE: Final = re.compile(r"(?i)\b(random|uuid)\s*\(\s*\)")
_SQL_ORDER: Final = re.compile(r"(?i)\border\s+by\b")
_SQL_CHOICE: Final = re.compile(r"(?i)\b(limit\s+\d|union\b)")
_SQL_NAMES: Final = re.compile(r"(?i)\binformation_schema\s*\.|^\s*show\s+tables\b")
_SQL_ONE_SCHEMA: Final = re.compile(r"(?i)\btable_schema\s*=")


class VaryingCall(NamedTuple):
    """A call by its full name, and the line of the source that it begins in, from 1."""

    name: str
    line_number: int


def clock_calls(module: ast.Module) -> Iterator[VaryingCall]:
    """Return the calls that read the machine's clocks."""
    for name, call in _named_calls(module):
        bare = not call.args and not call.keywords
        is_now = name == "time.strftime" and len(call.args) == 1
        if name in CLOCK_CALLS or is_now or (bare and name in CLOCK_CALLS_WITHOUT_ARGUMENTS):
            yield VaryingCall(name, call.lineno)
    yield from _mentioned(module, CLOCK_CALLS)


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
    yield from _mentioned(module, RANDOM_CALLS)
    yield from _hashes(module)


def sql_chance(text: str) -> str | None:
    """Return the call in SQL that gives something else each time, None where there is none."""
    found = _SQL_CHANCE.search(text)
    return None if found is None else f"{found[1].lower()}()"


def leaves_order_open(text: str) -> bool:
    """Tell whether SQL takes some rows, or those of several queries or schemas, without saying in which order."""
    names = _SQL_NAMES.search(text) is not None and _SQL_ONE_SCHEMA.search(text) is None
    return (names or _SQL_CHOICE.search(text) is not None) and _SQL_ORDER.search(text) is None


def thread_calls(module: ast.Module) -> Iterator[VaryingCall]:
    """Return the calls that begin threads or processes."""
    for name, call in _named_calls(module):
        if name in THREAD_CALLS:
            yield VaryingCall(name, call.lineno)


def set_walks(module: ast.Module) -> Iterator[int]:
    """Return the lines on which a set is gone through where it is made, in an order that goes by the hash seed.

    A ``for`` or a comprehension over it, or a call that puts it in order as it comes. Of sets of numbers the order is
    the same each time; a set, a generator and what ``sorted`` makes of one have none that matters.
    """
    for node in ast.walk(module):
        if isinstance(node, ast.For):
            walked = [node.iter]
        elif isinstance(node, ast.ListComp | ast.DictComp):
            walked = [one.iter for one in node.generators]
        elif isinstance(node, ast.Call) and _keeps_order(node.func):
            walked = node.args[:1]
        else:
            continue
        yield from (one.lineno for one in walked if _is_set(one))


def _keeps_order(function: ast.expr) -> bool:
    if isinstance(function, ast.Attribute):
        return function.attr == "join"
    return isinstance(function, ast.Name) and function.id in {"list", "tuple", "enumerate", "iter"}


def _is_set(node: ast.expr) -> bool:
    """Tell whether an expression is sure to be a set of more than numbers."""
    if isinstance(node, ast.Set):
        return not all(
            isinstance(one, ast.Constant) and isinstance(one.value, int | float) for one in node.elts
        )
    if isinstance(node, ast.BinOp):
        return _is_set(node.left) or _is_set(node.right)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Name) and node.func.id in {"set", "frozenset"}
    return isinstance(node, ast.SetComp)


def _mentioned(module: ast.Module, names: Collection[str]) -> Iterator[VaryingCall]:
    """Return where functions are handed on, to be called elsewhere: ``default_factory=uuid.uuid4``."""
    imported = _imported_names(module)
    called = {id(node.func) for node in ast.walk(module) if isinstance(node, ast.Call)}
    for node in ast.walk(module):
        if isinstance(node, ast.Name | ast.Attribute) and id(node) not in called:
            name = _full_name(node, imported)
            if name in names and isinstance(node.ctx, ast.Load):
                yield VaryingCall(str(name), node.lineno)


def _hashes(module: ast.Module) -> Iterator[VaryingCall]:
    """Return the calls of the built-in functions among `HASHES`, those aside by which a class has its own hash."""
    own = {node.name for node in ast.walk(module) if isinstance(node, ast.FunctionDef)}
    own |= {
        node.id
        for node in ast.walk(module)
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
    own |= set(_imported_names(module))
    inside = {
        id(node)
        for function in ast.walk(module)
        if isinstance(function, ast.FunctionDef) and function.name == "__hash__"
        for node in ast.walk(function)
    }
    for node in ast.walk(module):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and id(node) not in inside:
            name = node.func.id
            if name in HASHES and name not in own:
                yield VaryingCall(name, node.lineno)


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
