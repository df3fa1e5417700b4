"""Which builtin names does a plugin have?

Those of the interpreter, and: ``LineBuilder``; a ``print`` that goes to the trigger's log; an ``input`` that finds
no terminal, as on a server; a ``breakpoint`` that stops where a debugger is at the run; an ``exit`` that leaves the
standard input open; and, for plugins that name it, a ``__main__`` that holds what the original puts there instead of
the notebook's variables.

Source: influxdb3_py_api/src/line_builder/mod.rs, setup_line_builder.
Differs: a plugin that adds to the ``builtins`` module sees what it added from its next run on.
"""

from __future__ import annotations

import builtins
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any, NoReturn, Self

from procengine.model.line_builder import ERRORS, LineBuilder, fresh_line_builder
from procengine.processing.breakpoints import plugin_breakpoint
from procengine.processing.output import plugin_print

Namespace = dict[str, Any]

_MAIN = "__main__"


@dataclass(frozen=True, slots=True)
class Mentions:
    """Which names a plugin's text holds; asked once a text, because each run of a single file needs the answer."""

    line_builder: bool
    main: bool

    @classmethod
    def of(cls, texts: Sequence[str]) -> Self:
        """Look through the texts of a plugin."""
        return cls(mentions_line_builder(texts), any(_MAIN in text for text in texts))


def plugin_builtins(mentions: Mentions, *, aliases: Mapping[str, str] | None = None) -> Namespace:
    """Return a new dictionary of builtins for a plugin's code.

    `LineBuilder` is a class of its own where the text names it. ``aliases`` maps top-level module names to those
    under which the plugin finds them.
    """
    names = dict(vars(builtins))
    names["print"] = plugin_print
    names["input"] = no_input
    names["breakpoint"] = plugin_breakpoint
    names["exit"] = names["quit"] = leave
    if mentions.line_builder:
        names[LineBuilder.__name__] = fresh_line_builder()
    renamed = {name: other for name, other in aliases.items() if name != other} if aliases else None
    if renamed or mentions.main:
        names["__import__"] = _importer(renamed or {}, names)
    return names


def mentions_line_builder(texts: Sequence[str]) -> bool:
    """Tell whether a plugin's text names the class, and so needs one of its own."""
    return any(LineBuilder.__name__ in text for text in texts)


def no_input(prompt: object = "", /) -> NoReturn:  # noqa: ARG001
    """Refuse to ask: nobody sits in front of a plugin.

    Raises:
        EOFError: always, as when the standard input is closed.
    """
    raise EOFError("EOF when reading a line")


def leave(code: object = None) -> NoReturn:
    """End the run; the interpreter's own ``exit`` would close the kernel's standard input first.

    Raises:
        SystemExit: always; the run has failed then.
    """
    raise SystemExit(code)


def _importer(aliases: Mapping[str, str], names: Namespace) -> Callable[..., ModuleType]:
    """Return an ``__import__`` that finds aliased modules, and the plugin's ``__main__``."""

    def plugin_import(
        name: str,
        globals: Mapping[str, object] | None = None,  # noqa: A002
        locals: Mapping[str, object] | None = None,  # noqa: A002
        fromlist: Sequence[str] | None = (),
        level: int = 0,
    ) -> ModuleType:
        if level == 0:
            if name == _MAIN:
                return plugin_main(names)
            top, dot, rest = name.partition(".")
            name = aliases.get(top, top) + dot + rest
        return builtins.__import__(name, globals, locals, fromlist or (), level)

    return plugin_import


def plugin_main(names: Namespace) -> ModuleType:
    """Return a module ``__main__`` with the classes that the original defines there."""
    module = ModuleType(_MAIN)
    for error in ERRORS:
        setattr(module, error.__name__, error)
    setattr(module, LineBuilder.__name__, names.get(LineBuilder.__name__, LineBuilder))
    return module
