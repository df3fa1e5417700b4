"""The machine's files under one folder, with each call remembered, where it came from, and refused on request."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from procengine import file_system
from procengine.file_system import LOCAL, AppendFile
from tests.crash.disk import Call, Crash, Disk, Image

Fault = Callable[[Call], "int | None"]
"""Given a call that is about to be made: None lets it pass, an errno refuses it, -n lets n bytes of a write pass."""

_PACKAGE = str(Path(file_system.__file__).parent) + os.sep
_SEAM = file_system.__file__


@dataclass(frozen=True)
class Mark:
    """Something that a test did between two calls."""

    what: object


class RecordingDisk:
    """Implements `procengine.file_system.FileSystem`; the paths that it remembers begin at ``root``.

    ``entries`` is what was done since the beginning, calls and marks, and ``beginning`` the disk before that;
    ``before`` are the marks of former lifetimes.
    """

    def __init__(self, root: Path, beginning: Disk | None = None, before: Sequence[Mark] = ()) -> None:
        self.root = root
        self.beginning = beginning or Disk()
        self.before = tuple(before)
        self.entries: list[Call | Mark] = []
        self.fault: Fault | None = None
        self._disk = self.beginning.copy()
        # Held over each call, so that calls of several threads are remembered in the order of their effects.
        self._lock = threading.RLock()

    def mark(self, what: object) -> None:
        with self._lock:
            self.entries.append(Mark(what))

    @property
    def calls(self) -> list[Call]:
        return [one for one in self.entries if isinstance(one, Call)]

    def do(self, call: Call, action: Callable[[bytes], object]) -> int:
        """Make a call, unless the fault refuses it; return how many bytes it took."""
        call = replace(call, site=_site(call.name))
        with self._lock:
            verdict = self.fault(call) if self.fault is not None else None
            if verdict is not None and verdict > 0:
                raise OSError(verdict, os.strerror(verdict), str(call.path))
            if verdict is not None:
                call = replace(call, data=call.data[:-verdict])
            action(call.data)
            self._disk.play(call)
            self.entries.append(call)
        return len(call.data)

    def make_folder(self, folder: Path) -> None:
        self.do(Call("make_folder", self.short(folder)), lambda _: LOCAL.make_folder(folder))

    def names(self, folder: Path) -> Sequence[str]:
        return LOCAL.names(folder)

    def create(self, path: Path) -> AppendFile:
        made: list[AppendFile] = []
        self.do(Call("create", self.short(path)), lambda _: made.append(LOCAL.create(path)))
        return _File(self, self.short(path), made[0])

    def reopen(self, path: Path) -> AppendFile:
        return _File(self, self.short(path), LOCAL.reopen(path))

    def read(self, path: Path, offset: int = 0, size_bytes: int = -1) -> bytes:
        return LOCAL.read(path, offset, size_bytes)

    def replace(self, source: Path, target: Path) -> None:
        call = Call("replace", self.short(source), target=self.short(target))
        self.do(call, lambda _: LOCAL.replace(source, target))

    def remove(self, path: Path) -> None:
        self.do(Call("remove", self.short(path)), lambda _: LOCAL.remove(path))

    def sync_folder(self, folder: Path) -> None:
        self.do(Call("sync_folder", self.short(folder)), lambda _: None)

    def short(self, path: Path) -> Path:
        """Return a path from the root on."""
        return path.relative_to(self.root)


class _File:
    def __init__(self, disk: RecordingDisk, path: Path, file: AppendFile) -> None:
        self._disk = disk
        self._path = path
        self._file = file

    def write(self, data: bytes | bytearray | memoryview) -> int:
        return self._disk.do(Call("write", self._path, bytes(data)), self._file.write)

    def sync(self) -> None:
        self._disk.do(Call("sync", self._path), lambda _: None)

    def truncate(self, size_bytes: int) -> None:
        call = Call("truncate", self._path, size=size_bytes)
        self._disk.do(call, lambda _: self._file.truncate(size_bytes))

    def close(self) -> None:
        self._file.close()


def _site(name: str) -> str:
    """Return which call this is: its name, the function of the seam that makes it, and the two that called that."""
    frame = sys._getframe(2)
    seam, callers = "", []
    while frame is not None and len(callers) < 2:
        code = frame.f_code
        if code.co_filename == _SEAM:
            seam = f" in {code.co_qualname}"
        elif code.co_filename.startswith(_PACKAGE) and code.co_qualname not in callers:
            callers.append(code.co_qualname)
        frame = frame.f_back
    return f"{name}{seam} < {' < '.join(callers)}"


def write_image(image: Image, root: Path) -> None:
    """Make files of an image, in a folder that does not exist yet."""
    root.mkdir()
    for path, data in sorted(image.items()):
        if data is None:
            (root / path).mkdir()
        else:
            (root / path).write_bytes(data)


def moved(disk: RecordingDisk, entries: int, crash: Crash, root: Path) -> RecordingDisk:
    """Return the disk that a restart finds after so many entries, its files under another root.

    After a crash of the machine all that is found is durable; where only the process ended, what was not durable is
    not so yet.
    """
    state = disk.beginning.copy()
    for one in disk.entries[:entries]:
        if isinstance(one, Call):
            state.play(one)
    image = state.after(crash)
    write_image(image, root)
    marks = [one for one in disk.entries[:entries] if isinstance(one, Mark)]
    return RecordingDisk(root, state if crash is Crash.KEPT else Disk.of(image), [*disk.before, *marks])
