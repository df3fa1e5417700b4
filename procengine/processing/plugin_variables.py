"""What do plugins find in ``os.environ`` that the process does not have?

``VIRTUAL_ENV`` and ``INFLUXDB3_PLUGIN_DIR``: by them plugins look for configuration files and other files beside
them. Only code that a run leads to reads them (`procengine.processing.active_run.current_run`); to the notebook and
to other engines ``os.environ`` is what it was, so that ``uv pip install`` in a cell, or a second engine, does not
take a plugin directory for its own. What a plugin starts as another process inherits the process's own variables.

Source: influxdb3_processing_engine/src/virtualenv.rs, initialize_venv, for ``VIRTUAL_ENV``.
Differs: a server has ``INFLUXDB3_PLUGIN_DIR`` only where its container or package sets it, not with
    ``--plugin-dir`` alone; there the parent of ``VIRTUAL_ENV`` is the plugin directory unless it was moved.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from procengine.processing.active_run import current_run


def plugin_variables(plugin_dir: Path, virtual_environment: Path) -> Mapping[str, str]:
    """Return the variables of one engine's plugins."""
    return {"INFLUXDB3_PLUGIN_DIR": str(plugin_dir), "VIRTUAL_ENV": str(virtual_environment)}


def variable_of(get: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Return a ``__getitem__`` of ``os.environ`` that looks among the run's variables first."""

    @functools.wraps(get)
    def getitem(self: Any, name: Any) -> Any:
        run = current_run.get()
        if run is not None and self is os.environ and name in run.variables:
            return run.variables[name]
        return get(self, name)

    return getitem


def variable_names(names: Callable[[Any], Iterator[Any]]) -> Callable[[Any], Iterator[Any]]:
    """Return an ``__iter__`` of ``os.environ`` that knows the run's variables."""

    @functools.wraps(names)
    def iterate(self: Any) -> Iterator[Any]:
        run = current_run.get()
        if run is None or self is not os.environ:
            return names(self)
        return iter(dict.fromkeys([*names(self), *run.variables]))

    return iterate


def variable_count(count: Callable[[Any], int]) -> Callable[[Any], int]:
    """Return a ``__len__`` of ``os.environ`` that agrees with its names."""

    @functools.wraps(count)
    def length(self: Any) -> int:
        return count(self) if current_run.get() is None else sum(1 for _ in self)

    return length
