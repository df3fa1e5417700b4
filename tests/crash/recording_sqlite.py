"""SQLite files whose calls to the disk are remembered beside those of an engine's own files."""

from __future__ import annotations

import errno
import itertools
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw

from tests.crash.disk import Call
from tests.crash.recording_disk import RecordingDisk

_NAMES = itertools.count()


_LOGS = apsw.SQLITE_OPEN_MAIN_JOURNAL | apsw.SQLITE_OPEN_WAL


class RecordingSqlite(apsw.VFS):  # type: ignore[misc]
    """Opens files on a disk that remembers, and refuses what it is told to; `connect` is for `procengine.Engine`.

    SQLite makes the names of its logs durable when it first syncs them after they were opened, and so does
    this. A log goes into the file
    once it has ``checkpoint_pages``.
    """

    def __init__(self, disk: RecordingDisk, *, checkpoint_pages: int = 1000) -> None:
        self.disk = disk
        self.name = f"recording-{next(_NAMES)}"
        self._checkpoint_pages = checkpoint_pages
        super().__init__(self.name, "")

    def connect(self, path: Path) -> apsw.Connection:
        connection = apsw.Connection(str(path), vfs=self.name)
        connection.wal_autocheckpoint(self._checkpoint_pages)
        return connection

    def xOpen(self, name: object, flags: list[int]) -> _File:
        return _File(self.disk, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:
        path = self.disk.short(Path(filename))
        call = Call("remove", path)
        with _sqlites_errors():
            self.disk.do(call, lambda _: super(RecordingSqlite, self).xDelete(filename, syncdir))
            if syncdir:
                self.disk.do(Call("sync_folder", path.parent), lambda _: None)


class _File(apsw.VFSFile):  # type: ignore[misc]
    def __init__(self, disk: RecordingDisk, name: object, flags: list[int]) -> None:
        text = name.filename() if isinstance(name, apsw.URIFilename) else name
        self._disk = disk
        self._path = disk.short(Path(str(text)))
        self._syncs_name = bool(flags[0] & _LOGS)
        with _sqlites_errors():
            if Path(str(text)).exists():
                super().__init__("", name, flags)
            else:
                init = super().__init__
                disk.do(Call("create", self._path), lambda _: init("", name, flags))

    def xRead(self, amount: int, offset: int) -> bytes:
        call = Call("read", self._path, size=offset)
        with _sqlites_errors():
            if self._disk.fault is not None and (code := self._disk.fault(call)) is not None:
                raise OSError(code, os.strerror(code))
        return super().xRead(amount, offset)

    def xWrite(self, data: bytes, offset: int) -> None:
        call = Call("write_at", self._path, bytes(data), size=offset)
        with _sqlites_errors():
            taken = self._disk.do(call, lambda part: super(_File, self).xWrite(part, offset))
            if taken < len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def xTruncate(self, size: int) -> None:
        call = Call("truncate", self._path, size=size)
        with _sqlites_errors():
            self._disk.do(call, lambda _: super(_File, self).xTruncate(size))

    def xSync(self, flags: int) -> None:
        with _sqlites_errors():
            self._disk.do(Call("sync", self._path), lambda _: None)
            if self._syncs_name:
                self._disk.do(Call("sync_folder", self._path.parent), lambda _: None)
                self._syncs_name = False


@contextmanager
def _sqlites_errors() -> Iterator[None]:
    """Let SQLite see a refusal as it sees those of the system."""
    try:
        yield
    except OSError as refusal:
        kind = apsw.FullError if refusal.errno == errno.ENOSPC else apsw.IOError
        raise kind(str(refusal)) from refusal
