"""Which files of a folder are the plugin?

All regular files but those that the manifest excludes; links are none, as an archive has what they lead to or
nothing.

Source: influxdb3-plugin-sdk/src/plugin_source_files.rs, select.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from procengine.model.ignore_patterns import IgnorePatterns


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceFile:
    """One file; ``name`` is its path below the folder, with slashes."""

    name: str
    path: Path
    is_executable: bool


def source_files(folder: Path, exclude: Iterable[str]) -> tuple[SourceFile, ...]:
    """Return the files of a plugin, sorted by the bytes of their names.

    Raises:
        PatternError: one of the patterns cannot be read.
        OSError: a folder cannot be listed.
    """
    patterns = IgnorePatterns(exclude)
    found = [one for one in _walk(folder, "") if not patterns.leave_out(one.name)]
    return tuple(sorted(found, key=lambda one: os.fsencode(one.name)))


def _walk(folder: Path, above: str) -> Iterable[SourceFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            name = f"{above}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(folder / entry.name, f"{name}/")
            elif entry.is_file(follow_symlinks=False):
                mode = entry.stat(follow_symlinks=False).st_mode
                executable = bool(mode & (stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH))
                yield SourceFile(name=name, path=folder / entry.name, is_executable=executable)
