"""How are files made durable?

The few calls on which everything acknowledged depends (log, catalog, Parquet files and their index, the folder's
format), behind a protocol, so that a test can refuse a write, forget what was not synced, or record the order of
the calls. Errors are `OSError`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

PART_SUFFIX = ".part"
"""What ends the name of a file that is not whole yet."""


class AppendFile(Protocol):
    """A file open for appending. One thread's."""

    def write(self, data: bytes | bytearray | memoryview) -> int:
        """Append bytes; return how many were taken, perhaps fewer than given."""
        ...

    def sync(self) -> None:
        """Return when the bytes and the file's size are on the disk."""
        ...

    def truncate(self, size_bytes: int) -> None:
        """Cut the file's end off."""
        ...

    def close(self) -> None:
        """Let the file go, without a sync. Closing twice is allowed."""
        ...


class FileSystem(Protocol):
    """Folders and files."""

    def make_folder(self, folder: Path) -> None:
        """Make one folder, in one that is there; it is an error that something of its name is there."""
        ...

    def names(self, folder: Path) -> Sequence[str]:
        """Return the names in a folder, in any order."""
        ...

    def create(self, path: Path) -> AppendFile:
        """Make a new file; it is an error that one is there."""
        ...

    def reopen(self, path: Path) -> AppendFile:
        """Open a file that is there."""
        ...

    def read(self, path: Path, offset: int = 0, size_bytes: int = -1) -> bytes:
        """Return the bytes of a file from an offset, all of them when no size is given."""
        ...

    def replace(self, source: Path, target: Path) -> None:
        """Give a file another name, in place of the file that has it."""
        ...

    def remove(self, path: Path) -> None:
        """Remove a file."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Return when the names in a folder are on the disk."""
        ...


class _LocalFile:
    """A file of this machine."""

    def __init__(self, path: Path, flags: int) -> None:
        flags |= os.O_WRONLY | os.O_APPEND | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
        self._descriptor = os.open(path, flags, 0o666)
        self._sync = getattr(os, "fdatasync", os.fsync)

    def write(self, data: bytes | bytearray | memoryview) -> int:
        return os.write(self._descriptor, data)

    def sync(self) -> None:
        self._sync(self._descriptor)

    def truncate(self, size_bytes: int) -> None:
        os.ftruncate(self._descriptor, size_bytes)

    def close(self) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)


class LocalFileSystem:
    """The files of this machine."""

    def make_folder(self, folder: Path) -> None:
        """Make one folder."""
        folder.mkdir()

    def names(self, folder: Path) -> Sequence[str]:
        """Return the names in a folder."""
        return os.listdir(folder)  # noqa: PTH208  (a missing folder raises at once)

    def create(self, path: Path) -> AppendFile:
        """Make a new file."""
        return _LocalFile(path, os.O_CREAT | os.O_EXCL)

    def reopen(self, path: Path) -> AppendFile:
        """Open a file that is there."""
        return _LocalFile(path, 0)

    def read(self, path: Path, offset: int = 0, size_bytes: int = -1) -> bytes:
        """Return bytes of a file."""
        with path.open("rb", buffering=0) as file:
            file.seek(offset)
            if size_bytes < 0:
                return file.readall()
            return file.read(size_bytes) or b""

    def replace(self, source: Path, target: Path) -> None:
        """Give a file another name."""
        source.replace(target)

    def remove(self, path: Path) -> None:
        """Remove a file."""
        path.unlink()

    def sync_folder(self, folder: Path) -> None:
        """Make the names in a folder durable; on Windows, where a folder cannot be opened, nothing."""
        if os.name == "nt":  # pragma: no cover
            return
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


LOCAL: FileSystem = LocalFileSystem()
"""The files of this machine; it has no state."""


def error_text(error: OSError, folder: Path) -> str:
    """Return why the disk refused a call, with the name of the file, where that is told and is not the folder's."""
    if error.strerror is None:
        return str(error)
    if error.filename in {None, str(folder)}:
        return error.strerror
    return f"{error.strerror}: {str(error.filename)!r}"


def write_all(file: AppendFile, data: bytes | bytearray | memoryview) -> None:
    """Append all bytes, however few are taken at a time."""
    rest = memoryview(data)
    while rest:
        taken = file.write(rest)
        if taken <= 0:
            raise OSError("the file takes no more bytes")
        rest = rest[taken:]


def create_anew(file_system: FileSystem, path: Path) -> AppendFile:
    """Make a new file in place of one that was left behind, if any."""
    with contextlib.suppress(FileNotFoundError):
        file_system.remove(path)
    return file_system.create(path)


def put_in_place(file_system: FileSystem, path: Path, data: bytes) -> None:
    """Make a file hold exactly these bytes: whoever looks, at whatever moment, finds the old file or the new one.

    Which of the two a crash leaves is open until the folder is synced. Meanwhile ``{name}.part`` is there, and
    after an error or a crash perhaps still.
    """
    part = path.with_name(path.name + PART_SUFFIX)
    file = create_anew(file_system, part)
    try:
        write_all(file, data)
        file.sync()
    finally:
        file.close()
    file_system.replace(part, path)


def write_durably(file_system: FileSystem, path: Path, data: bytes) -> None:
    """Make a file hold exactly these bytes from now on, whatever happens; until then, the old ones."""
    put_in_place(file_system, path, data)
    file_system.sync_folder(path.parent)


def make_folder(file_system: FileSystem, folder: Path) -> None:
    """Make a folder and those above it, where they are missing; nothing is synced."""
    try:
        file_system.make_folder(folder)
    except FileExistsError:
        file_system.names(folder)  # something else may have the name
    except FileNotFoundError:
        make_folder(file_system, folder.parent)
        make_folder(file_system, folder)  # another process may have made it meanwhile


def make_folder_durably(file_system: FileSystem, folder: Path, *, found_too: bool = False) -> None:
    """Make a folder and those above it, where they are missing, and their names durable.

    With ``found_too`` also the name of a folder that is there: its maker may have ended before it did so.

    Raises:
        NotADirectoryError: something else has the name.
    """
    try:
        file_system.make_folder(folder)
    except FileExistsError:
        file_system.names(folder)
        if not found_too:
            return
    except FileNotFoundError:
        make_folder_durably(file_system, folder.parent)
        make_folder(file_system, folder)
    file_system.sync_folder(folder.parent)
