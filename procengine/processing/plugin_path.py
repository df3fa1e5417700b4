"""Where is a plugin, and may it be there?

A plugin's file name is relative to the plugin directory and cannot lead out of it, by name or by link.

Source: influxdb3_processing_engine/src/lib.rs, validate_path_within_plugin_dir and read_plugin_code.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

from procengine.errors import PluginPathError
from procengine.model.plugin_address import is_fetched

INIT: Final = "__init__.py"


def plugin_path(folder: Path, filename: str) -> Path:
    """Return the path of a plugin's file, or of the directory that holds its ``__init__.py``.

    Raises:
        PluginPathError: with the original's text; one of its own when the plugin directory itself is gone.
    """
    if is_fetched(filename):
        raise PluginPathError(
            f"cannot load plugin {filename!r}: plugins are not fetched from a repository here; "
            f"save it in the plugin directory {folder} and give its file name"
        )
    name = filename.rstrip("/")
    relative = _relative(name)
    if not folder.is_dir():
        raise PluginPathError(
            f"cannot load plugin {name!r}: the plugin directory {folder} does not exist"
        )
    path = folder / relative
    if not is_inside(folder, path):
        raise _traversal(name)
    if not os.path.exists(path):  # noqa: PTH110 - also not where the system does not take the name, as the original
        raise PluginPathError(f"reading plugin file: Plugin not found: {path}")
    if path.is_dir():
        _check_directory(folder, path, name)
    return path


def target_path(folder: Path, filename: str) -> Path:
    """Return where a file or folder of a name is to be, links followed; it need not be there.

    Raises: PluginPathError, with the original's text; one of its own for what is fetched.
    """
    if is_fetched(filename):
        raise PluginPathError(
            f"cannot write plugin {filename!r}: it is fetched from a repository; change it there"
        )
    path = folder / _relative(filename)
    if not is_inside(folder, path):
        raise _traversal(filename)
    return path.resolve()


def is_inside(folder: Path, path: Path) -> bool:
    """Tell whether a path, links followed, lies in a folder."""
    return path.resolve().is_relative_to(folder.resolve())


def _relative(name: str) -> Path:
    if "\0" in name:
        raise PluginPathError(f"reading plugin file: file name contains a null byte: {name!r}")
    relative = Path(name)
    if relative.is_absolute() or relative.drive or ".." in relative.parts:
        raise _traversal(name)
    return relative


def _check_directory(folder: Path, path: Path, name: str) -> None:
    if not (path / INIT).is_file():
        raise PluginPathError(
            f"reading plugin file: Multi-file plugin directory must contain {INIT}: {path}"
        )
    if not is_inside(folder, path / INIT):
        raise _traversal(name)


def _traversal(name: str) -> PluginPathError:
    return PluginPathError(
        f"Path traversal detected: plugin filename '{name}' attempts to access files "
        "outside the plugin directory"
    )
