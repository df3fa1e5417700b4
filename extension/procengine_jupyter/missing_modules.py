"""Which modules does a plugin import that are not installed?

Found without running anything: import statements at the top of the file, not those inside functions or ``try`` and
``if``, which may be meant to fail, and for each the finders of this Python.
"""

from __future__ import annotations

import ast
import contextlib
import importlib.util
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import packages_distributions

from procengine.model.declared_packages import install_command, packages_with
from procengine.model.near_names import did_you_mean
from procengine_jupyter.cells import CellSource


def missing_modules(cell: CellSource, *, own: str, declared: Sequence[str] = ()) -> tuple[str, ...]:
    """Return a line for each module that a cell's code imports and that cannot be found, by the cell's lines.

    ``own`` is the file, or the folder, that the code is part of: a folder plugin may import itself. ``declared`` are
    the packages that the plugin says it needs.
    """
    missing: dict[str, int] = {}
    for name, line in _imported(ast.parse(cell.code)):
        if name != own and name not in missing and not _is_there(name):
            missing[name] = line + cell.line_offset
    return tuple(_text(name, line, cell.label, declared) for name, line in missing.items())


@dataclass(frozen=True, slots=True)
class Module:
    """A top module that is imported, and whether it can be found."""

    name: str
    is_there: bool


def modules_of(texts: Iterable[str], *, own: str) -> tuple[Module, ...]:
    """Return the modules that texts import at their tops, by name; those of the standard library are left out.

    A text that is no Python imports nothing. ``own`` is as for `missing_modules`.
    """
    names: set[str] = set()
    for text in texts:
        with contextlib.suppress(SyntaxError, ValueError, RecursionError):
            names |= {name for name, _ in _imported(ast.parse(text))}
    named = sorted(names - sys.stdlib_module_names - {own})
    return tuple(Module(name, _is_there(name)) for name in named)


def _imported(module: ast.Module) -> Iterator[tuple[str, int]]:
    for node in module.body:
        if isinstance(node, ast.Import):
            yield from ((alias.name.partition(".")[0], node.lineno) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module is not None:
            yield node.module.partition(".")[0], node.lineno


def _is_there(name: str) -> bool:
    """Tell whether a top module can be found; looking for one imports nothing, as it would for a part of one."""
    if name in sys.modules:
        return True
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # a finder that fails, so that the import will say more
        return True


def _text(name: str, line: int, label: str, declared: Sequence[str]) -> str:
    known = {*sys.stdlib_module_names, *packages_distributions()}
    meant = "" if declared else did_you_mean(name, sorted(known))
    cure = meant or f"install what has it: %{install_command(packages_with(name, declared))}"
    return f"{label}, line {line}: module {name} is not installed; {cure}"
