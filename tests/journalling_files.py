"""A file system in memory that remembers each call, fails on request, and shows what a crash would leave."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path


class Crash(Enum):
    """What is left of bytes and names that were not synced."""

    LOST = "all of it is gone"
    TORN = "names stay, and half of the bytes"
    KEPT = "all of it stays: only the process ended"


@dataclass(frozen=True)
class Call:
    """One call that changed something."""

    name: str
    path: Path
    data: bytes = b""
    size: int = 0
    target: Path | None = None


@dataclass
class _Content:
    now: bytes = b""
    synced: bytes = b""


@dataclass
class _Disk:
    """The state that a sequence of calls leads to."""

    names: dict[Path, _Content] = field(default_factory=dict)
    synced_names: dict[Path, _Content] = field(default_factory=dict)
    open: dict[int, _Content] = field(default_factory=dict)

    def play(self, call: Call) -> None:
        match call.name:
            case "create":
                self.names[call.path] = _Content()
            case "write":
                self.names[call.path].now += call.data
            case "sync":
                self.names[call.path].synced = self.names[call.path].now
            case "truncate":
                self.names[call.path].now = self.names[call.path].now[: call.size]
            case "replace":
                assert call.target is not None
                self.names[call.target] = self.names.pop(call.path)
            case "remove":
                del self.names[call.path]
            case "sync_folder":
                kept = {path: one for path, one in self.synced_names.items() if path.parent != call.path}
                self.synced_names = kept | {
                    path: one for path, one in self.names.items() if path.parent == call.path
                }

    def after(self, crash: Crash) -> dict[Path, bytes]:
        if crash is Crash.KEPT:
            return {path: one.now for path, one in self.names.items()}
        if crash is Crash.LOST:
            return {path: one.synced for path, one in self.synced_names.items()}
        return {path: _torn(one) for path, one in self.names.items()}


def _torn(content: _Content) -> bytes:
    synced = len(content.synced)
    if not content.now.startswith(content.synced):  # a cut that was not synced
        return content.synced
    return content.now[: synced + (len(content.now) - synced) // 2]


Fault = Callable[[Call], "int | None"]
"""Given a call that is about to be made: None lets it pass, an errno refuses it, -n lets n bytes of a write pass."""


class JournallingFiles:
    """Implements `procengine.wal.FileSystem`. ``calls`` is what was done; ``fault`` may refuse the next call."""

    def __init__(self, files: dict[Path, bytes] | None = None) -> None:
        self.calls: list[Call] = []
        self.fault: Fault | None = None
        self._start = dict(files or {})
        self._disk = self._fresh()

    def _fresh(self) -> _Disk:
        contents = {path: _Content(data, data) for path, data in self._start.items()}
        return _Disk(dict(contents), dict(contents))

    def crashed(self, crash: Crash, *, calls: int | None = None) -> JournallingFiles:
        """Return the file system that a restart finds after the first so many calls."""
        disk = self._fresh()
        for call in self.calls[:calls]:
            disk.play(call)
        return JournallingFiles(disk.after(crash))

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
        pass

    def names(self, folder: Path) -> Sequence[str]:
        inside = (path.relative_to(folder) for path in self._disk.names if path.is_relative_to(folder))
        return sorted({path.parts[0] for path in inside})

    def create(self, path: Path) -> _File:
        if path in self._disk.names:
            raise FileExistsError(errno.EEXIST, "exists", str(path))
        self.do(Call("create", path))
        return _File(self, path)

    def reopen(self, path: Path) -> _File:
        self._content(path)
        return _File(self, path)

    def read(self, path: Path, offset: int = 0, size_bytes: int = -1) -> bytes:
        data = self._content(path).now
        return data[offset:] if size_bytes < 0 else data[offset : offset + size_bytes]

    def replace(self, source: Path, target: Path) -> None:
        self._content(source)
        self.do(Call("replace", source, target=target))

    def remove(self, path: Path) -> None:
        self._content(path)
        self.do(Call("remove", path))

    def sync_folder(self, folder: Path) -> None:
        self.do(Call("sync_folder", folder))

    def _content(self, path: Path) -> _Content:
        if path not in self._disk.names:
            raise FileNotFoundError(errno.ENOENT, "not there", str(path))
        return self._disk.names[path]


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
