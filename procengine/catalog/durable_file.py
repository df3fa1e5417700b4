"""How does a file, or the name of one, get onto the disk for good?"""

from __future__ import annotations

import os
from pathlib import Path

TEMPORARY_SUFFIX = ".tmp"

sync_data = getattr(os, "fdatasync", os.fsync)
"""Make a file's contents durable, by its descriptor; where the system has no ``fdatasync``, ``fsync``."""


def replace_file(path: Path, data: bytes) -> None:
    """Make a file hold exactly these bytes, durably: whoever looks finds the old file or the new one."""
    temporary = path.with_name(path.name + TEMPORARY_SUFFIX)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    try:
        write_all(descriptor, data, 0)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    temporary.replace(path)
    sync_folder(path.parent)


def write_all(descriptor: int, data: bytes, offset: int) -> None:
    """Write all bytes at an offset; a file system may take them in several pieces."""
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, offset)
        view, offset = view[written:], offset + written


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
