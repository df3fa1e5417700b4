"""Which frames does the front end's debugger pass over?

The kernel tells debugpy to pass over what was imported when it began: its own machinery. The engine comes later, and
is machinery, too: stepping on from a plugin's last line leads back to the cell, and not through the engine.

Source: ipykernel/debugger.py, Debugger.attach; debugpy, pydevd's exclude filters.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any, Final

PACKAGES: Final = ("procengine", "procengine_jupyter")


class SkippedFrames:
    """The engine's folders among what a kernel's debugger passes over. For the kernel's main thread."""

    def __init__(self) -> None:
        self._folders = tuple(
            str(Path(importlib.import_module(name).__file__ or "").resolve().parent) for name in PACKAGES
        )

    def attach(self, shell: Any) -> None:
        """Add the folders, for a debugger that is on and for those to come; without a debugger nothing happens."""
        modules = _passed_over(shell)
        if modules is None:
            return
        modules += [folder for folder in self._folders if folder not in modules]
        _tell_running(modules)

    def detach(self, shell: Any) -> None:
        """Take the folders out; a debugger that is on keeps them until it is turned off."""
        modules = _passed_over(shell)
        if modules is not None:
            modules[:] = [path for path in modules if path not in self._folders]


def _passed_over(shell: Any) -> list[str] | None:
    """Return what the kernel's debugger passes over; None where there is none that does."""
    debugger = getattr(getattr(shell, "kernel", None), "debugger", None)
    if not getattr(debugger, "filter_internal_frames", False):
        return None
    modules = getattr(debugger, "kernel_modules", None)
    return modules if isinstance(modules, list) else None


def _tell_running(modules: list[str]) -> None:
    """Give a debugger that is on the new list: it asks for that only when it is turned on."""
    pydevd = sys.modules.get("pydevd")
    running = pydevd.get_global_debugger() if pydevd is not None else None
    if running is None:
        return
    filters = importlib.import_module("_pydevd_bundle.pydevd_filtering")
    running.set_exclude_filters(
        [
            filters.ExcludeFilter(f"{path}/**" if Path(path).is_dir() else path, True, True)
            for path in reversed(modules)
        ]
    )
