"""A file system in memory that remembers each call, fails on request, and shows what a crash would leave."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.crash.disk import Call, Crash, Disk

__all__ = ["Call", "Crash", "Fault", "JournallingFiles"]

Fault = Callable[[Call], "int | None"]
"""Given a call that is about to be made: None lets it pass, an errno refuses it, -n lets n bytes of a write pass."""


class JournallingFiles:
    """Implements `procengine.file_system.FileSystem`, every folder there.

    ``calls`` is what was done; ``fault`` may refuse the next call.
    """

    def __init__(self, files: dict[Path, bytes] | None = None) -> None:
        self.calls: list[Call] = []
        self.fault: Fault | None = None
        self._start = dict(files or {})
        self._disk = Disk.of(self._start)

    def crashed(self, crash: Crash, *, calls: int | None = None) -> JournallingFiles:
        """Return the file system that a restart finds after the first so many calls."""
        disk = Disk.of(self._start)
        for call in self.calls[:calls]:
            disk.play(call)
        return JournallingFiles(
            {path: data for path, data in disk.after(crash).items() if data is not None}
        )

    def files(self) -> dict[Path, bytes]:
        return {path: one.now for path, one in self._disk.names.items()}

    def do(self, call: Call) -> int:
        """Make a call, unless the fault refuses it; return how many bytes it took."""
        verdict = self.fault(call) if self.fault is not None else None
        if verdict is not None and verdict > 0:
            raise OSError(verdict, os.strerror(verdict), str(call.path))
        if verdict is not None:
            call = Call(call.name, call.path, call.data[:-verdict])
        self._disk.play(call)
        self.calls.append(call)
        return len(call.data)

    def make_folder(self, folder: Path) -> None:
        raise FileExistsError(errno.EEXIST, "exists", str(folder))

    def names(self, folder: Path) -> Sequence[str]:
        inside = (path.relative_to(folder) for path in self._disk.names if path.is_relative_to(folder))
        return sorted({path.parts[0] for path in inside})

    def create(self, path: Path) -> _File:
        if path in self._disk.names:
            raise FileExistsError(errno.EEXIST, "exists", str(path))
        self.do(Call("create", path))
        return _File(self, path)

    def reopen(self, path: Path) -> _File:
        self._check(path)
        return _File(self, path)

    def read(self, path: Path, offset: int = 0, size_bytes: int = -1) -> bytes:
        self._check(path)
        data = self._disk.names[path].now
        return data[offset:] if size_bytes < 0 else data[offset : offset + size_bytes]

    def replace(self, source: Path, target: Path) -> None:
        self._check(source)
        self.do(Call("replace", source, target=target))

    def remove(self, path: Path) -> None:
        self._check(path)
        self.do(Call("remove", path))

    def sync_folder(self, folder: Path) -> None:
        self.do(Call("sync_folder", folder))

    def _check(self, path: Path) -> None:
        if path not in self._disk.names:
            raise FileNotFoundError(errno.ENOENT, "not there", str(path))


class _File:
    def __init__(self, files: JournallingFiles, path: Path) -> None:
        self._files = files
        self._path = path

    def write(self, data: bytes | bytearray | memoryview) -> int:
        return self._files.do(Call("write", self._path, bytes(data)))

    def sync(self) -> None:
        self._files.do(Call("sync", self._path))

    def truncate(self, size_bytes: int) -> None:
        self._files.do(Call("truncate", self._path, size=size_bytes))

    def close(self) -> None:
        pass
