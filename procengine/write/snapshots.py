"""Who makes snapshots, and what happens when one fails?"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from procengine.write.snapshot import Snapshot
from procengine.write.write_buffer import WriteBuffer

logger = logging.getLogger(__name__)


class Snapshots:
    """Makes snapshots and compactions when the write buffer says that they are due.

    The thread is ``procengine-snapshot``. ``persisted`` is told, after each snapshot, the sequence number up to
    which everything is in Parquet files: `Wal.retain_from` for the engine. While it returns true, for a trigger has
    still to read a part of that, it is told again every ``recheck_seconds``. ``expire`` removes what is kept no
    longer. A snapshot that failed is made again after ``retry_seconds``; meanwhile the log keeps everything.
    """

    def __init__(
        self,
        write_buffer: WriteBuffer,
        *,
        persisted: Callable[[int], bool | None],
        expire: Callable[[], None],
        retry_seconds: float = 10.0,
        recheck_seconds: float = 1.0,
    ) -> None:
        self._write_buffer = write_buffer
        self._persisted = persisted
        self._expire = expire
        self._retry_seconds = retry_seconds
        self._recheck_seconds = recheck_seconds
        self._persisted_number = 0
        self._held_back = False
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread = threading.Thread(target=self._run, name="procengine-snapshot", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, after the snapshot that it is making. Stopping twice is allowed."""
        self._stopped.set()
        self._write_buffer.due.set()
        if self._thread is not None:
            self._thread.join()

    def snapshot(self) -> Snapshot | None:
        """Make a snapshot now, on the calling thread, and let the log go; None when there was nothing to do.

        What is kept no longer is removed, too.

        Raises:
            StorageError: the disk refused; nothing is lost.
        """
        made = self._snapshot()
        self._expire()
        return made

    def _snapshot(self) -> Snapshot | None:
        made = self._write_buffer.snapshot()
        if made is not None:
            self._persisted_number = made.wal_sequence_number
            self._let_log_go()
            logger.info(
                "snapshot up to WAL contents %d: %d rows in %d Parquet files",
                made.wal_sequence_number,
                made.row_count,
                len(made.files),
            )
        return made

    def _let_log_go(self) -> None:
        """Let the log go as far as a trigger does not need it; what is held back is looked at again."""
        if self._persisted(self._persisted_number):
            if not self._held_back:
                self._held_back = True
                self._write_buffer.due.set()
        else:
            self._held_back = False

    def _run(self) -> None:
        due = self._write_buffer.due
        while True:
            came = due.wait(self._recheck_seconds if self._held_back else None)
            if self._stopped.is_set():
                return
            if self._held_back:
                self._let_log_go()
            if not came:
                continue
            try:
                self.tidy()
            except Exception:
                logger.exception("snapshot failed; next attempt in %s s", self._retry_seconds)
                self._stopped.wait(self._retry_seconds)
                due.set()

    def tidy(self) -> None:
        """Do what is due, on the calling thread: snapshot, compaction, removal of what is kept no longer."""
        self._write_buffer.due.clear()
        if self._write_buffer.snapshot_due:
            self._snapshot()
        else:
            self._write_buffer.compact()
        self._expire()
