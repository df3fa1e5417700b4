"""When are rows durable, and who hears of it in which order?

Writers append; the flush thread, ``procengine-flush``, takes what has come together and makes it durable as one
record, applies it, offers it to triggers and answers the writers. The first write after a quiet time is flushed at
once; writes that come within the flush interval of the last flush share the next one.

Source: influxdb3_wal/src/object_store.rs, WalObjectStore (the order: persist, apply, notify, answer).
Differs: the original flushes by a timer alone, into a file a flush.
"""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from procengine.clock import Clock
from procengine.errors import (
    InvalidInputError,
    StoppedError,
    StorageError,
    WalContentsGoneError,
)
from procengine.file_system import LOCAL, FileSystem, error_text
from procengine.model.table_rows import TableRows, WalContents
from procengine.recovery import FOLDER_NAME, Recovery
from procengine.wal.contents_codec import decode_contents, encode_contents, encode_rows
from procengine.wal.pending_flush import PendingFlush
from procengine.wal.recent_contents import RecentContents, held_bytes
from procengine.wal.segments import Segments

logger = logging.getLogger(__name__)

MIB = 1024 * 1024
RETAINED_BYTES = 64 * MIB
"""How much of the newest contents is kept in memory beside their files."""
RETAINED_BYTES_ALONE = 256 * MIB
"""How much is kept where there are no files: as far as triggers may lag."""
MAX_APPEND_BYTES = 2048 * MIB
"""The largest write, encoded; a record holds less than 4 GiB."""
MAX_FLUSH_BYTES = 256 * MIB
"""From how many bytes on a flush takes no further write, so that none waits long for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WalStatistics:
    """What the log holds.

    ``last_sequence_number`` is that of the newest durable flush. ``recent_bytes`` are in memory,
    ``segment_bytes`` in ``segment_count`` files. ``failed_flush_count`` counts since the start.
    """

    last_sequence_number: int
    recent_bytes: int
    segment_count: int
    segment_bytes: int
    failed_flush_count: int


class _FlushNow:
    """A request not to wait for the interval; ``done`` is held until what came before it is flushed."""

    def __init__(self) -> None:
        self.done = threading.Event()


class _Close:
    """The last thing in the queue."""


class Wal:
    """The write-ahead log of an engine.

    Without a folder (memory object store) nothing is written: contents are kept in memory up to
    ``retained_bytes``, and the oldest then go. With one, contents beyond these bytes are read from their files, and
    a torn tail is reported to ``recovery``. ``retained_bytes`` None: `RETAINED_BYTES`, or `RETAINED_BYTES_ALONE`.
    Use: `open` and consume what it yields, `start`, then `append` from any thread, `close`.
    """

    def __init__(
        self,
        folder: Path | None,
        *,
        clock: Clock,
        flush_interval_seconds: float = 0.01,
        retained_bytes: int | None = None,
        segment_bytes: int = 64 * MIB,
        file_system: FileSystem = LOCAL,
        recovery: Recovery | None = None,
    ) -> None:
        self._clock = clock
        self._folder = folder
        self._interval_seconds = flush_interval_seconds
        if retained_bytes is None:
            retained_bytes = RETAINED_BYTES if folder is not None else RETAINED_BYTES_ALONE
        self._recent = RecentContents(retained_bytes)
        self._segments = (
            None
            if folder is None
            else Segments(
                folder,
                file_system=file_system,
                segment_bytes=segment_bytes,
                recovery=recovery or Recovery(folder / FOLDER_NAME, file_system=file_system),
            )
        )
        self._last_sequence_number = 0
        self._failed_flush_count = 0
        # What writers hand to the flush thread. A SimpleQueue costs 14 us from thread to thread, less than a lock.
        self._queue: queue.SimpleQueue[PendingFlush | _FlushNow | _Close] = queue.SimpleQueue()
        # Guards `_closed` together with the queue's end: nothing is put after `_Close`.
        self._door = threading.Lock()
        self._closed = False
        self._thread: threading.Thread | None = None
        self._apply: Callable[[WalContents], None] = _ignore
        self._offer: Callable[[WalContents], None] = _ignore
        self._held_back: PendingFlush | None = None
        self._flush_began = float("-inf")

    @property
    def last_sequence_number(self) -> int:
        """The sequence number of the newest durable flush, 0 before the first."""
        return self._last_sequence_number

    @property
    def reach_bytes(self) -> int | None:
        """How many bytes of the newest contents can be read: those kept in memory, or, with a folder, all (None)."""
        return self._recent.retained_bytes if self._segments is None else None

    def statistics(self) -> WalStatistics:
        """Return what the log holds at this moment."""
        return WalStatistics(
            last_sequence_number=self._last_sequence_number,
            recent_bytes=self._recent.size_bytes,
            segment_count=self._segments.count if self._segments else 0,
            segment_bytes=self._segments.size_bytes if self._segments else 0,
            failed_flush_count=self._failed_flush_count,
        )

    def open(self, *, after: int = 0) -> Iterator[WalContents]:
        """Yield what the log holds above a sequence number, in order. To be consumed before `start`.

        ``after`` is the number up to which everything is in Parquet files; numbering goes on above it. A write
        whose flush was cut short by a crash comes back whole or not at all; it was never acknowledged.

        Raises:
            DataFormatError: a file has a format version that is not known.
            CorruptFileError: a record is damaged or missing; file and offset are named.
            StorageError: the folder cannot be read or written.
        """
        self._last_sequence_number = after
        if self._segments is None:
            return
        for payload in self._payloads(after):
            contents = decode_contents(payload)
            self._last_sequence_number = contents.sequence_number
            yield contents

    def _payloads(self, after: int) -> Iterator[memoryview]:
        assert self._segments is not None
        assert self._folder is not None
        try:
            yield from self._segments.load(after)
        except OSError as error:
            raise StorageError(
                f"cannot use WAL folder {str(self._folder)!r}: {error_text(error, self._folder)}; "
                "it must be a folder that can be read and written"
            ) from error

    def start(self, apply: Callable[[WalContents], None], offer: Callable[[WalContents], None]) -> None:
        """Start the flush thread.

        For each durable flush it calls ``apply``, then ``offer``, neither of which may wait, then answers the
        writers. An error in either is logged, and the writers are answered all the same: their rows are durable.
        """
        self._apply, self._offer = apply, offer
        self._thread = threading.Thread(target=self._run, name="procengine-flush", daemon=True)
        self._thread.start()

    def append(self, rows: Sequence[TableRows]) -> PendingFlush:
        """Take rows into the next flush; any thread. They are encoded here, on the caller's time.

        Raises:
            StoppedError: the log is closed.
            InvalidInputError: the rows are more than one record can hold.
        """
        encoded = b"" if self._segments is None else encode_rows(rows)
        size = len(encoded) if encoded else sum(one.batch.nbytes for one in rows)
        if size > MAX_APPEND_BYTES:
            raise InvalidInputError(
                f"cannot write {size} bytes at once; the limit is {MAX_APPEND_BYTES}; split the write"
            )
        pending = PendingFlush(rows, encoded, size)
        with self._door:
            self._check_open()
            self._queue.put(pending)
        return pending

    def flush(self) -> None:
        """Flush what was appended before, without regard to the interval, and return when that is done."""
        request = _FlushNow()
        with self._door:
            self._check_open()
            if self._thread is None:
                return
            self._queue.put(request)
        while not request.done.wait(
            0.25
        ):  # in slices: a wait without end cannot be interrupted everywhere
            pass

    def contents(self, sequence_number: int) -> WalContents:
        """Return the contents of one flush, from memory or else from its file; any thread.

        Raises:
            WalContentsGoneError: it does not exist, or no longer.
            CorruptFileError: its record is damaged.
        """
        recent = self._recent.get(sequence_number)
        if recent is not None:
            return recent
        payload = self._segments.read(sequence_number) if self._segments else None
        if payload is not None:
            return decode_contents(payload)
        if sequence_number > self._last_sequence_number:
            raise WalContentsGoneError(
                sequence_number, f"the last flush is {self._last_sequence_number}"
            )
        raise WalContentsGoneError(sequence_number, "the log has let go of them")

    def retain_from(self, sequence_number: int) -> None:
        """Let files go that hold only numbers below ``sequence_number``; any thread."""
        if self._segments is not None:
            self._segments.retain_from(sequence_number)

    def close(self) -> None:
        """Flush what is pending, end the flush thread, and refuse further writes. Closing twice is allowed."""
        with self._door:
            if not self._closed:
                self._closed = True
                self._queue.put(_Close())
        if self._thread is not None:
            self._thread.join()
        else:
            self._refuse_pending()
        if self._segments is not None:
            self._segments.close()

    def _check_open(self) -> None:
        if self._closed:
            raise StoppedError("the write-ahead log is closed")

    def _refuse_pending(self) -> None:
        while not self._queue.empty():
            item = self._queue.get()
            if isinstance(item, PendingFlush):
                item.fail(StoppedError("the write-ahead log was closed before it was started"))

    def _run(self) -> None:
        closing = False
        while not closing:
            group, requests, closing = self._gather()
            if group:
                self._flush(group)
            for request in requests:
                request.done.set()

    def _gather(self) -> tuple[list[PendingFlush], list[_FlushNow], bool]:
        """Wait for writes; return those of the next flush, the requests they answer, and whether it is the last."""
        group: list[PendingFlush] = []
        requests: list[_FlushNow] = []
        size, at_once = 0, False
        item = self._held_back or self._queue.get()
        self._held_back = None
        while True:
            match item:
                case PendingFlush():
                    if group and size + item.size_bytes > MAX_FLUSH_BYTES:
                        self._held_back = item
                        return group, requests, False
                    group.append(item)
                    size += item.size_bytes
                case _FlushNow():
                    requests.append(item)
                    at_once = True
                case _Close():
                    return group, requests, True
            try:
                item = self._next(at_once or not group)
            except queue.Empty:
                return group, requests, False

    def _next(self, at_once: bool) -> PendingFlush | _FlushNow | _Close:
        rest = 0.0 if at_once else self._flush_began + self._interval_seconds - time.perf_counter()
        return self._queue.get(timeout=rest) if rest > 0 else self._queue.get_nowait()

    def _flush(self, group: list[PendingFlush]) -> None:
        self._flush_began = time.perf_counter()
        rows = (
            group[0].rows if len(group) == 1 else tuple(one for pending in group for one in pending.rows)
        )
        logged = sum(pending.size_bytes for pending in group)
        held = held_bytes(rows, logged)
        contents = WalContents(
            sequence_number=self._last_sequence_number + 1,
            persisted_ns=self._clock.now_ns(),
            rows=rows,
            # Triggers count by it how far back they can read: in the log, or among what is held.
            size_bytes=logged if self._segments is not None else held,
        )
        try:
            self._persist(contents, group)
        except Exception as failure:
            logger.exception("flush failed; %d writes are not acknowledged", len(group))
            self._failed_flush_count += 1
            for pending in group:
                pending.fail(failure)
            return
        self._recent.add(contents, held)
        self._last_sequence_number = contents.sequence_number
        self._pass_on(contents)
        for pending in group:
            pending.succeed(contents.sequence_number)

    def _persist(self, contents: WalContents, group: list[PendingFlush]) -> None:
        if self._segments is not None:
            payload = encode_contents(
                contents.sequence_number,
                contents.persisted_ns,
                len(contents.rows),
                [pending.encoded for pending in group],
            )
            self._segments.append(contents.sequence_number, payload)

    def _pass_on(self, contents: WalContents) -> None:
        for step in (self._apply, self._offer):
            try:
                step(contents)
            except Exception:
                logger.exception(
                    "durable rows were not passed on: WAL contents %d", contents.sequence_number
                )


def _ignore(contents: WalContents) -> None:
    """Take contents that nobody asked for."""
