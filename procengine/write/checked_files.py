"""Is what a Parquet file holds what was written to it?

Parquet readers take a flipped bit for data, so a file's checksum stands in the file index, and each file is read
against it before its rows are first shown, or written again, by a process.
"""

from __future__ import annotations

import threading
import zlib
from collections.abc import Sequence
from pathlib import Path

from procengine.errors import CorruptFileError
from procengine.file_system import FileSystem
from procengine.write.parquet_file import ParquetFile

READ_BYTES = 4 * 1024 * 1024
"""How much is read at once: the checksum of so much is computed without the interpreter's lock."""


class CheckedFiles:
    """Remembers which files are whole. Any thread may ask; two that ask first at once check the same file twice."""

    def __init__(self, *, file_system: FileSystem) -> None:
        self._files = file_system
        # Guards the set against being changed by two threads.
        self._lock = threading.Lock()
        self._whole: set[str] = set()

    def check(self, files: Sequence[ParquetFile]) -> None:
        """Read the files that were not read before.

        Raises:
            CorruptFileError: one is damaged or missing.
        """
        for file in files:
            if file.path not in self._whole:
                self._check(file)
                self.trust([file])

    def trust(self, files: Sequence[ParquetFile]) -> None:
        """Count files as whole: this process wrote them."""
        with self._lock:
            self._whole.update(file.path for file in files)

    def forget(self, files: Sequence[ParquetFile]) -> None:
        """Forget files that are gone."""
        with self._lock:
            self._whole.difference_update(file.path for file in files)

    def _check(self, file: ParquetFile) -> None:
        size, checksum, path = 0, 0, Path(file.path)
        try:
            while data := self._files.read(path, size, READ_BYTES):
                size += len(data)
                checksum = zlib.crc32(data, checksum)
        except OSError as error:
            raise _damaged(file, f"cannot be read: {error.strerror or error}") from error
        check_content(file, size, checksum)


def check_content(file: ParquetFile, size_bytes: int, checksum: int) -> None:
    """Compare what was read of a file with what was written.

    Raises:
        CorruptFileError: it is not the same.
    """
    if size_bytes != file.size_bytes:
        raise _damaged(
            file, f"is damaged: it has {size_bytes} bytes, and {file.size_bytes} were written"
        )
    if checksum != file.checksum:
        raise _damaged(
            file, f"is damaged: its checksum is {checksum:#010x}, and {file.checksum:#010x} was written"
        )


def _damaged(file: ParquetFile, why: str) -> CorruptFileError:
    return CorruptFileError(
        f"Parquet file {file.path!r} {why}; restore it from a copy, or delete its table to go on without its rows",
        path=file.path,
        offset=0,
    )
