"""A data folder that is foreign, in use, read-only or full: it is named, and nothing acknowledged is lost."""

from __future__ import annotations

import errno
import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from procengine import Engine
from procengine.errors import (
    CorruptFileError,
    DataFolderLockedError,
    DataFormatError,
    StorageError,
    WriteFailedError,
)
from procengine.file_system import LOCAL, AppendFile
from tests.engine.looks import rows


def numbers(engine: Engine) -> list[object]:
    """Return the stored numbers, in order."""
    return [row["n"] for row in rows(engine, "SELECT n FROM home ORDER BY n")]


class FaultyDisk:
    """The machine's files, whose writes, syncs, new files or all of these fail on request."""

    def __init__(self) -> None:
        self.fault: int | None = None
        self.faulty = frozenset({"write", "sync", "create", "truncate"})

    def check(self, operation: str) -> None:
        """Fail as a disk would."""
        if self.fault is not None and operation in self.faulty:
            raise OSError(self.fault, os.strerror(self.fault))

    def make_folder(self, folder: Path) -> None:
        self.check("make_folder")
        LOCAL.make_folder(folder)

    def names(self, folder: Path) -> Sequence[str]:
        return LOCAL.names(folder)

    def create(self, path: Path) -> AppendFile:
        self.check("create")
        return _FaultyFile(self, LOCAL.create(path))

    def reopen(self, path: Path) -> AppendFile:
        self.check("reopen")
        return _FaultyFile(self, LOCAL.reopen(path))

    def read(self, path: Path, offset: int = 0, size_bytes: int = -1) -> bytes:
        return LOCAL.read(path, offset, size_bytes)

    def replace(self, source: Path, target: Path) -> None:
        self.check("replace")
        LOCAL.replace(source, target)

    def remove(self, path: Path) -> None:
        self.check("remove")
        LOCAL.remove(path)

    def sync_folder(self, folder: Path) -> None:
        self.check("sync")
        LOCAL.sync_folder(folder)


class _FaultyFile:
    def __init__(self, disk: FaultyDisk, file: AppendFile) -> None:
        self._disk = disk
        self._file = file

    def write(self, data: bytes | bytearray | memoryview) -> int:
        if self._disk.fault is not None and "write" in self._disk.faulty:
            self._file.write(memoryview(data)[: len(data) // 2])
        self._disk.check("write")
        return self._file.write(data)

    def sync(self) -> None:
        self._disk.check("sync")
        self._file.sync()

    def truncate(self, size_bytes: int) -> None:
        self._disk.check("truncate")
        self._file.truncate(size_bytes)

    def close(self) -> None:
        self._file.close()


@pytest.fixture
def disk() -> FaultyDisk:
    """A disk for an engine."""
    return FaultyDisk()


def test_folder_of_another_version(tmp_path: Path) -> None:
    """Another version is refused with both versions and what to do; nothing in it is touched."""
    with Engine(data_dir=tmp_path, environ={}) as engine:
        engine.write("house", "home n=1i 1")
    file = tmp_path / "format.json"
    known = file.read_text()
    file.write_text(json.dumps({"format": "procengine-data", "version": 99}))
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(DataFormatError) as caught:
        Engine(data_dir=tmp_path, environ={})
    assert str(caught.value) == (
        f"data folder {str(tmp_path)!r} has format 'procengine-data' version 99; this version of procengine reads "
        "'procengine-data' version 1; give another data_dir, or use the procengine that wrote it"
    )
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {k: v for k, v in after.items() if k.name != "lock"} == {
        k: v for k, v in before.items() if k.name != "lock"
    }
    file.write_text(known)
    with Engine(data_dir=tmp_path, environ={}) as engine:
        engine.write("house", "home n=2i 2")
        assert numbers(engine) == [1, 2]


def test_folder_in_use(tmp_path: Path) -> None:
    """A folder in use is refused with the process that uses it, which goes on; afterwards it is free."""
    with Engine(data_dir=tmp_path, environ={}) as first:
        first.write("house", "home n=1i 1")
        with pytest.raises(DataFolderLockedError) as caught:
            Engine(data_dir=tmp_path, environ={})
        assert caught.value.pid == os.getpid()
        assert str(caught.value) == (
            f"data folder {str(tmp_path)!r} is in use by an engine in this process ({os.getpid()}); "
            "stop that engine, or give another data_dir"
        )
        first.write("house", "home n=2i 2")
    with Engine(data_dir=tmp_path, environ={}) as second:
        assert numbers(second) == [1, 2]


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_is_read_only(tmp_path: Path) -> None:
    """A folder that cannot be written to is named, with what is accepted."""
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="give a folder that can be written to"):
            Engine(data_dir=tmp_path, environ={})
    finally:
        tmp_path.chmod(0o700)
    with Engine(data_dir=tmp_path, environ={}) as engine:
        engine.write("house", "home n=1i")


READ_ONLY = frozenset({"write", "create", "reopen", "truncate", "make_folder", "replace", "remove"})


@pytest.mark.parametrize("used_before", [False, True])
def test_folder_on_a_read_only_disk(tmp_path: Path, disk: FaultyDisk, used_before: bool) -> None:
    """A folder whose disk takes nothing is named, with what is accepted, used before or not; nothing is changed."""
    if used_before:
        with Engine(data_dir=tmp_path, environ={}) as engine:
            engine.write("house", "home n=1i 1")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    disk.fault, disk.faulty = errno.EROFS, READ_ONLY
    threads = threading.active_count()
    with pytest.raises(
        StorageError, match=r"cannot use .*: Read-only file system; .*folder that can be"
    ):
        Engine(data_dir=tmp_path, environ={}, file_system=disk)
    assert threading.active_count() == threads
    after = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    lock = tmp_path / "lock"
    assert {**after, lock: b""} == {**before, lock: b""}
    disk.fault = None
    with Engine(data_dir=tmp_path, environ={}, file_system=disk) as engine:
        engine.write("house", "home n=2i 2")
        assert numbers(engine) == ([1, 2] if used_before else [2])


def test_folder_that_is_a_file(tmp_path: Path) -> None:
    """A file in the folder's place is named, with what is accepted, and no thread is left."""
    place = tmp_path / "data"
    place.write_text("")
    before = threading.active_count()
    with pytest.raises(StorageError) as caught:
        Engine(data_dir=place, environ={})
    assert str(caught.value) == (
        f"cannot use data folder {str(place)!r}: Not a directory; give a folder that can be written to, "
        "or use object_store 'memory'"
    )
    assert threading.active_count() == before


def test_damaged_log(tmp_path: Path) -> None:
    """A log that was damaged in its middle stops the start with file and offset; nothing is dropped in silence."""
    with Engine(data_dir=tmp_path, environ={}) as engine:
        for number in (1, 2, 3):
            engine.write("house", f"home n={number}i {number}")
    [segment] = (tmp_path / "wal").glob("*.wal")
    good = segment.read_bytes()
    segment.write_bytes(good[:40] + bytes([good[40] ^ 1]) + good[41:])
    before = threading.active_count()
    with pytest.raises(CorruptFileError) as caught:
        Engine(data_dir=tmp_path, environ={})
    assert (caught.value.path, caught.value.offset) == (str(segment), 12)
    assert threading.active_count() == before
    segment.write_bytes(good)
    with Engine(data_dir=tmp_path, environ={}) as engine:
        assert numbers(engine) == [1, 2, 3]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EIO])
@pytest.mark.parametrize("faulty", ["write", "sync", "write sync create truncate"])
def test_disk_that_fails_under_the_log(tmp_path: Path, disk: FaultyDisk, faulty: str, code: int) -> None:
    """A write that the disk refuses is not acknowledged, nor there; the next is, and so it is after a restart."""
    disk.faulty = frozenset(faulty.split())
    with Engine(data_dir=tmp_path, environ={}, file_system=disk) as engine:
        engine.write("house", "home n=1i 1")
        for number in (2, 3):
            disk.fault = code
            with pytest.raises(WriteFailedError) as caught:
                engine.write("house", f"home n={number}i {number}")
            disk.fault = None
        text = str(caught.value)
        assert text.startswith(
            f"the write was not acknowledged: cannot write to {str(tmp_path / 'wal')!r}: {os.strerror(code)}; "
        )
        assert "\n" not in text
        assert numbers(engine) == [1]
        engine.write("house", "home n=4i 4")
        assert numbers(engine) == [1, 4]
    with Engine(data_dir=tmp_path, environ={}, file_system=disk) as engine:
        assert numbers(engine) == [1, 4]


def test_no_sync_rows_of_a_full_disk(tmp_path: Path, disk: FaultyDisk) -> None:
    """Rows that nobody waited for and that the disk refused are not shown either: what is seen is durable."""
    with Engine(data_dir=tmp_path, environ={}, file_system=disk) as engine:
        engine.write("house", "home n=1i 1")
        disk.fault = errno.ENOSPC
        engine.write("house", "home n=2i 2", no_sync=True)
        engine.flush()
        disk.fault = None
        assert numbers(engine) == [1]
        assert engine.wal.statistics().failed_flush_count == 1
        engine.write("house", "home n=3i 3")
        assert numbers(engine) == [1, 3]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_disk_that_fails_under_a_snapshot(tmp_path: Path, disk: FaultyDisk, code: int) -> None:
    """A snapshot that the disk refuses is an error with its place; no row is lost or doubled, then or later."""
    with Engine(data_dir=tmp_path, environ={}, file_system=disk) as engine:
        engine.write("house", "home n=1i 1\nhome n=2i 2")
        disk.fault = code
        with pytest.raises(StorageError) as caught:
            engine.snapshot()
        assert str(tmp_path / "tables") in str(caught.value)
        assert os.strerror(code) in str(caught.value)
        disk.fault = None
        assert numbers(engine) == [1, 2]
        engine.write("house", "home n=3i 3")
        engine.snapshot()
        assert numbers(engine) == [1, 2, 3]
    with Engine(data_dir=tmp_path, environ={}, file_system=disk) as engine:
        engine.write("house", "home n=4i 4")
        assert numbers(engine) == [1, 2, 3, 4]


def test_full_disk_under_the_catalog(tmp_path: Path, disk: FaultyDisk) -> None:
    """A write whose new columns cannot be committed is refused whole, with the file; the next one succeeds."""
    with Engine(data_dir=tmp_path, environ={}, file_system=disk) as engine:
        engine.write("house", "home n=1i 1")
        disk.fault = errno.ENOSPC
        with pytest.raises(StorageError, match=r"cannot write catalog log .*No space left on device"):
            engine.write("house", "home n=2i,fresh=1i 2")
        disk.fault = None
        engine.write("house", "home n=3i 3")
        assert [c.name for c in engine.catalog.database("house").tables["home"].schema.columns] == ["n"]
        engine.write("house", "home n=4i,fresh=1i 4")
        assert numbers(engine) == [1, 3, 4]
    with Engine(data_dir=tmp_path, environ={}) as engine:
        assert numbers(engine) == [1, 3, 4]
