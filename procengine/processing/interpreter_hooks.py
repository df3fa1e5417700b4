"""What of the interpreter is changed while plugins can run?

Plugins share the kernel's process with the notebook. Some things are exchanged so that they do not disturb it, and
put back when the last engine stops:

- ``sys.stdout`` and ``sys.stderr``: what a plugin prints goes to its trigger's log (`PluginStream`).
- ``threading.Thread.start``: a thread that a plugin starts belongs to its run (before Python 3.14 a new thread has
  an empty context). One of the engine's own is left alone by a debugger that stops all others: the engine goes on.
- ``time.sleep``: a plugin's sleep ends when its run is cancelled.
- Waits of the standard library: so does what `procengine.processing.sliced_waits` lists.
- ``os.environ``: plugins read `procengine.processing.plugin_variables` in it.
- ``builtins.LineBuilder``: added, for code that plugins import. Single-file plugins have their own.

Outside of plugins each of them does what it did before. Several engines of one process share the changes.
"""

from __future__ import annotations

import builtins
import contextvars
import functools
import os
import selectors
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, TextIO

from procengine.model.line_builder import LineBuilder
from procengine.model.run import LogLevel
from procengine.processing.active_run import current_run
from procengine.processing.output import PluginStream
from procengine.processing.plugin_variables import variable_count, variable_names, variable_of
from procengine.processing.sliced_waits import (
    sliced_condition_wait,
    sliced_join,
    sliced_process_wait,
    sliced_receive,
    sliced_select,
)

_RECEIVING = ("recv", "recv_into", "recvfrom", "recvfrom_into", "accept")


def _selector_kinds() -> list[type]:
    """Return the selectors that bring a ``select`` of their own."""
    kinds: list[type] = [selectors.BaseSelector]
    for kind in kinds:
        kinds += kind.__subclasses__()
    return [kind for kind in kinds[1:] if "select" in vars(kind)]


class InterpreterHooks:
    """The changes of one engine, made by `install` and taken back by `uninstall`; twice is once."""

    # The interpreter is one for all engines, and so is the lock on changing it.
    _lock = threading.Lock()

    def __init__(self) -> None:
        self._installed = False
        self._hooks = (
            _Hook(threading.Thread, "start", _start_in_context),
            _Hook(time, "sleep", _cancellable_sleep),
            _Hook(threading.Condition, "wait", sliced_condition_wait),
            _Hook(threading.Thread, "join", sliced_join),
            *(_Hook(kind, "select", sliced_select) for kind in _selector_kinds()),
            *(_Hook(socket.socket, name, sliced_receive) for name in _RECEIVING),
            _Hook(ssl.SSLSocket, "read", sliced_receive),
            _Hook(subprocess.Popen, "wait", sliced_process_wait),
            _Hook(type(os.environ), "__getitem__", variable_of),
            _Hook(type(os.environ), "__iter__", variable_names),
            _Hook(type(os.environ), "__len__", variable_count),
            _Hook(builtins, LineBuilder.__name__, lambda _: LineBuilder),
        )

    def install(self) -> None:
        """Change the interpreter."""
        with self._lock:
            if self._installed:
                return
            self._installed = True
            for hook in self._hooks:
                hook.install()
        for thread in threading.enumerate():
            leave_undebugged(thread)
        self.keep()

    def keep(self) -> None:
        """Put the streams back in front if they were exchanged since, as a cell that captures its output does.

        Asked before each run: such a cell ends by restoring what it found, which may be older than the hooks.
        """
        if not self._installed:
            return
        if type(sys.stdout) is not PluginStream and sys.stdout is not None:
            sys.stdout = PluginStream(sys.stdout, LogLevel.INFO)
        if type(sys.stderr) is not PluginStream and sys.stderr is not None:
            sys.stderr = PluginStream(sys.stderr, LogLevel.WARN)

    def uninstall(self) -> None:
        """Put everything back that no other engine needs and nobody else has exchanged since."""
        with self._lock:
            if not self._installed:
                return
            self._installed = False
            was_last = [hook.uninstall() for hook in self._hooks]
            if all(was_last):
                sys.stdout = _behind(sys.stdout)
                sys.stderr = _behind(sys.stderr)


def _behind(stream: TextIO) -> TextIO:
    while isinstance(stream, PluginStream):
        stream = stream.target
    return stream


class _Mark:
    """What a hook replaced, and how many engines use it."""

    def __init__(self, ours: Any, replaced: Any, was_inherited: bool) -> None:
        self.ours = ours
        self.replaced = replaced
        # What a class inherits is hidden, and not replaced.
        self.was_inherited = was_inherited
        self.users = 1


class _Hook:
    """One exchanged attribute, with its mark beside it in the same owner, where other engines find it."""

    def __init__(self, owner: Any, name: str, make: Callable[[Any], Any]) -> None:
        self._owner = owner
        self._name = name
        self._mark = f"__procengine_{name}__"
        self._make = make

    def install(self) -> None:
        """Exchange the attribute, or count one more user."""
        mark: _Mark | None = vars(self._owner).get(self._mark)  # not a base class's
        if mark is not None:
            mark.users += 1
            return
        replaced = getattr(self._owner, self._name, None)
        was_inherited = isinstance(self._owner, type) and self._name not in vars(self._owner)
        mark = _Mark(self._make(replaced), replaced, was_inherited)
        setattr(self._owner, self._mark, mark)
        setattr(self._owner, self._name, mark.ours)

    def uninstall(self) -> bool:
        """Count one user less; put the attribute back after the last, and tell whether it was that."""
        mark: _Mark = vars(self._owner)[self._mark]
        mark.users -= 1
        if mark.users:
            return False
        delattr(self._owner, self._mark)
        if vars(self._owner).get(self._name) is mark.ours:
            if mark.replaced is None or mark.was_inherited:
                delattr(self._owner, self._name)
            else:
                setattr(self._owner, self._name, mark.replaced)
        return True


def leave_undebugged(thread: threading.Thread) -> None:
    """Have debugpy neither trace nor stop a thread, if it is one of the engine's own.

    Source: debugpy, pydevd's set_trace_to_threads and get_non_pydevd_threads.
    """
    if thread.name.startswith("procengine-"):
        thread.pydev_do_not_trace = True  # type: ignore[attr-defined]
        thread.is_pydev_daemon_thread = True  # type: ignore[attr-defined]


def _start_in_context(start: Callable[[threading.Thread], None]) -> Callable[[threading.Thread], None]:
    @functools.wraps(start)
    def start_in_context(self: threading.Thread) -> None:
        leave_undebugged(self)
        run = current_run.get()
        if run is None:
            start(self)
            return
        context = contextvars.copy_context()
        self.run = functools.partial(context.run, self.run)  # type: ignore[method-assign]
        # No interrupt meanwhile: until Python 3.12 a thread that is being born goes by its maker's number, and
        # would be hit in its place; the maker then waits for ever.
        owed = run.thread is not None and run.thread.enter_engine()
        try:
            start(self)
        finally:
            if owed and run.thread is not None:
                run.thread.leave_engine()

    return start_in_context


def _cancellable_sleep(sleep: Callable[[float], None]) -> Callable[[float], None]:
    @functools.wraps(sleep)
    def cancellable_sleep(seconds: float, /) -> None:
        run = current_run.get()
        if run is None or run.thread is None or not 0 < seconds <= threading.TIMEOUT_MAX:
            sleep(seconds)
        else:
            run.thread.sleep(seconds)

    return cancellable_sleep
