"""When may a Parquet file go that no index names any longer?

When no view refers to it, and some time after it was replaced: a query may have been planned over its path and open
it later. What is not removed by then is removed at the next start.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Sequence

from procengine.file_system import FileSystem
from procengine.write.parquet_file import ParquetFile
from procengine.write.snapshot import remove_quietly


class RetiredFiles:
    """Files that wait for their removal, at least ``grace_seconds``. Any thread may call."""

    def __init__(self, *, file_system: FileSystem, grace_seconds: float) -> None:
        self._file_system = file_system
        self._grace_seconds = grace_seconds
        # Guards the list; not held while files are removed.
        self._lock = threading.Lock()
        self._waiting: list[tuple[float, weakref.ref[ParquetFile], str]] = []

    def retire(self, files: Sequence[ParquetFile]) -> None:
        """Have files removed by a later `sweep`. Their records live on in the views that have them."""
        due = time.monotonic() + self._grace_seconds
        with self._lock:
            self._waiting += [(due, weakref.ref(file), file.path) for file in files]

    @property
    def next_seconds(self) -> float | None:
        """How long it is until a file's time comes, or None when none waits."""
        with self._lock:
            due = min((one[0] for one in self._waiting), default=None)
        return None if due is None else max(0.0, due - time.monotonic())

    def sweep(self) -> None:
        """Remove the files whose time has come and that no view refers to."""
        now = time.monotonic()
        with self._lock:
            ready = [path for due, file, path in self._waiting if due <= now and file() is None]
            gone = set(ready)
            self._waiting = [one for one in self._waiting if one[2] not in gone]
        for path in ready:
            remove_quietly(self._file_system, path)
