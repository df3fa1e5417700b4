"""When do the globals of a run go?

A function refers to the globals that hold it, so the globals of a single file are a ring, which only the garbage
collector would take apart: with their builtins ten kilobytes a run, a millisecond of everybody's time every few
hundred runs. Where nothing else refers to the ring, it is opened as soon as its run has ended.

What a plugin left behind goes on as it was: a thread, a callback, a traceback, a class or an object of the file.
"""

from __future__ import annotations

from sys import getrefcount
from types import FunctionType

from procengine.processing.plugin_builtins import Namespace


class RunGlobals:
    """The globals that one run's text was executed in. For the run's thread."""

    __slots__ = ("_names",)

    def __init__(self, names: Namespace) -> None:
        self._names = names

    def release(self) -> bool:
        """Empty the globals if nothing but this object and their own functions refer to them; tell whether.

        To be called once nobody is to use them.
        """
        if self._references() != _ALONE:
            return False
        self._names.clear()
        return True

    def _references(self) -> tuple[int, int]:
        """Return the references to the globals from outside, and the most that one of their functions has."""
        names = self._names
        inside, most = 0, 0
        for value in list(names.values()):
            if type(value) is FunctionType and value.__globals__ is names:
                inside += 1
                most = max(most, getrefcount(value))
        return getrefcount(names) - inside, most


def _sample() -> RunGlobals:
    """Return globals with a function, to which nothing else refers."""
    names: Namespace = {}
    exec("def function(): ...", names)
    return RunGlobals(names)


# Counted and not reckoned: how many references a call itself holds differs between interpreters.
_ALONE = _sample()._references()
