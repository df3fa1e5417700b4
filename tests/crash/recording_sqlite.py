"""SQLite files whose calls to the disk are remembered beside those of an engine's own files."""

from __future__ import annotations

import itertools
from pathlib import Path

import apsw

from tests.crash.disk import Call
from tests.crash.recording_disk import RecordingDisk

_NAMES = itertools.count()


class RecordingSqlite(apsw.VFS):  # type: ignore[misc]
    """Opens files on a disk that remembers; `connect` is for `procengine.Engine`.

    SQLite makes the name of a new file durable when it first syncs it, and so does this.
    """

    def __init__(self, disk: RecordingDisk) -> None:
        self.disk = disk
        self.name = f"recording-{next(_NAMES)}"
        super().__init__(self.name, "")

    def connect(self, path: Path) -> apsw.Connection:
        return apsw.Connection(str(path), vfs=self.name)

    def xOpen(self, name: object, flags: list[int]) -> _File:
        return _File(self.disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        path = self.disk.short(Path(filename))
        self.disk.do(
            Call("remove", path), lambda _: super(RecordingSqlite, self).xDelete(filename, syncdir)
        )
        if syncdir:
            self.disk.do(Call("sync_folder", path.parent), lambda _: None)


class _File(apsw.VFSFile):  # type: ignore[misc]
    def __init__(self, disk: RecordingDisk, name: object, flags: list[int]) -> None:
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._disk = disk
        self._path = disk.short(Path(str(text)))
        self._is_new = not Path(str(text)).exists()
        super().__init__("", name, flags)
        if self._is_new:
            disk.do(Call("create", self._path), lambda _: None)

    def xWrite(self, data: bytes, offset: int) -> None:
        call = Call("write_at", self._path, bytes(data), size=offset)
        self._disk.do(call, lambda _: super(_File, self).xWrite(data, offset))

    def xTruncate(self, size: int) -> None:
        call = Call("truncate", self._path, size=size)
        self._disk.do(call, lambda _: super(_File, self).xTruncate(size))

    def xSync(self, flags: int) -> None:
        self._disk.do(Call("sync", self._path), lambda _: None)
        if self._is_new:
            self._is_new = False
            self._disk.do(Call("sync_folder", self._path.parent), lambda _: None)
