"""Which files make up the write-ahead log, and what may stand in them?

A segment is a file of framed records, one record a flush, named ``{ordinal}-{first sequence number}.wal``. Sequence
numbers rise by one from record to record. A segment's name overrules the segments before it: a record there whose
number is not below the next segment's first was never acknowledged, and is passed over.

So a failed flush leaves nothing behind. Its bytes are cut off; where even that fails, the next flush takes the same
number in a new segment, whose name is durable before the record is. Only when the process ends between the two can
rows come back whose writer was told that they failed or was told nothing; rows that were acknowledged always do.
"""

from __future__ import annotations

import contextlib
import logging
import re
import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path

from procengine.errors import CorruptFileError, StorageError
from procengine.file_system import (
    AppendFile,
    FileSystem,
    make_folder_durably,
    write_all,
)
from procengine.model.framing import (
    End,
    Ending,
    FileFormat,
    Record,
    decode_record,
    decode_records,
    encode_record,
)
from procengine.recovery import Recovery
from procengine.wal.contents_codec import sequence_number_of

logger = logging.getLogger(__name__)

SEGMENT_FORMAT = FileFormat(kind="WAL file", magic=b"procewal")
_NAME = re.compile(r"(\d{8})-(\d{20})\.wal")


@dataclass(slots=True, kw_only=True, eq=False)
class Segment:
    """One file. ``offsets`` holds where the records start, from ``first``, and ``end`` where the last one ends.

    A segment that was not read has no offsets. Only the flush thread adds to them.
    """

    path: Path
    ordinal: int
    first: int
    offsets: array[int] = field(default_factory=lambda: array("Q"))
    end: int = 0

    @property
    def next(self) -> int:
        """The sequence number after the last record's."""
        return self.first + len(self.offsets)


class Segments:
    """The log's files. The flush thread appends; any thread may read, or drop what is no longer needed."""

    def __init__(
        self, folder: Path, *, file_system: FileSystem, segment_bytes: int, recovery: Recovery
    ) -> None:
        self._folder = folder
        self._files = file_system
        self._recovery = recovery
        self._segment_bytes = segment_bytes
        # Guards the replacement of the tuples, which are read without it.
        self._lock = threading.Lock()
        self._segments: tuple[Segment, ...] = ()
        self._to_remove: tuple[Segment, ...] = ()
        self._current: AppendFile | None = None
        self._last_ordinal = 0

    @property
    def count(self) -> int:
        """The number of files."""
        return len(self._segments)

    @property
    def size_bytes(self) -> int:
        """The bytes of all records that were read or written."""
        return sum(segment.end for segment in self._segments)

    def load(self, after: int) -> Iterator[memoryview]:
        """Yield the payloads with numbers above ``after``, in order. Segments wholly below it are not read.

        A torn tail, which a crash leaves, is cut off the last segment and kept aside. What is yielded is durable:
        a process that was killed may have left a record that only the system's memory holds.

        Raises:
            DataFormatError: a file has another format version, or is no segment.
            CorruptFileError: a record is damaged or missing.
        """
        make_folder_durably(self._files, self._folder)
        found = self._find()
        self._segments = tuple(found)
        self._last_ordinal = max((one.ordinal for one in found), default=0)
        if found:
            self._make_durable(found[-1])
        for segment, following in zip_longest(found, found[1:]):
            if following is not None and following.first < segment.first:
                raise self._out_of_order(following, segment)
            if following is None or following.first > after + 1:
                if segment.first > after + 1:
                    raise self._gap(segment, after + 1)
                yield from self._load_one(segment, following, after)
                after = max(after, segment.next - 1)

    def append(self, sequence_number: int, payload: bytes) -> int:
        """Make a payload durable as the next record; return the record's size in bytes. The flush thread's.

        Raises:
            StorageError: it is not durable, and the next call starts a new segment with the same number.
        """
        try:
            return self._append(sequence_number, encode_record(payload))
        except OSError as error:
            raise StorageError(
                f"cannot write to {str(self._folder)!r}: {error.strerror or error}; "
                "once the folder takes data again, so does the next write"
            ) from error

    def _append(self, sequence_number: int, record: bytes) -> int:
        file = self._writable(sequence_number)
        segment = self._segments[-1]
        try:
            write_all(file, record)
            file.sync()
        except BaseException:
            self._abandon(file, segment)
            raise
        segment.offsets.append(segment.end)
        segment.end += len(record)
        return len(record)

    def read(self, sequence_number: int) -> memoryview | None:
        """Return a payload from its file, or None when no file has it."""
        segments = self._segments
        position = bisect_right(segments, sequence_number, key=lambda one: one.first) - 1
        if position < 0 or sequence_number >= segments[position].next:
            return None
        segment = segments[position]
        index = sequence_number - segment.first
        start = segment.offsets[index]
        end = segment.offsets[index + 1] if index + 1 < len(segment.offsets) else segment.end
        try:
            data = self._files.read(segment.path, start, end - start)
        except FileNotFoundError:
            return None
        record = next(decode_records(data))
        if isinstance(record, End):
            raise self._damaged(segment, start)
        return record.payload

    def retain_from(self, sequence_number: int) -> None:
        """Remove the segments whose records are all below a number; the one being written stays.

        A file that the disk does not let go is tried again by the next call.
        """
        with self._lock:
            segments = self._segments
            kept = len(segments) - 1
            while kept > 0 and segments[kept].first > sequence_number:
                kept -= 1
            self._segments = segments[max(kept, 0) :]
            gone, self._to_remove = (*self._to_remove, *segments[: max(kept, 0)]), ()
        for segment in gone:
            self._remove(segment)

    def _remove(self, segment: Segment) -> None:
        try:
            with contextlib.suppress(FileNotFoundError):
                self._files.remove(segment.path)
        except OSError as error:
            logger.warning("cannot remove %s, which is not needed any more: %s", segment.path, error)
            with self._lock:
                self._to_remove = (*self._to_remove, segment)

    def close(self) -> None:
        """Let the file being written go."""
        file, self._current = self._current, None
        if file is not None:
            file.close()

    def _find(self) -> list[Segment]:
        found = []
        for name in self._files.names(self._folder):
            match = _NAME.fullmatch(name)
            if match:
                ordinal, first = int(match[1]), int(match[2])
                found.append(Segment(path=self._folder / name, ordinal=ordinal, first=first))
        return sorted(found, key=lambda one: one.ordinal)

    def _make_durable(self, last: Segment) -> None:
        """Sync the last segment: each one before it was synced before the next was made.

        Its name needs no sync, for it was durable before a record was written.
        """
        file = self._files.reopen(last.path)
        try:
            file.sync()
        finally:
            file.close()

    def _load_one(self, segment: Segment, following: Segment | None, after: int) -> Iterator[memoryview]:
        data = memoryview(self._files.read(segment.path))
        header = data[: len(SEGMENT_FORMAT.header)]
        if not any(header):  # made, and not durable before a crash
            self._check_empty(segment, data)
            return
        segment.end = SEGMENT_FORMAT.check(header, str(segment.path))
        for item in decode_records(data, segment.end) if segment.end else ():
            if following is not None and segment.next >= following.first:
                return  # what stands here failed, and was written again in the next segment
            if isinstance(item, End):
                self._judge(item, segment, following, data)
                return
            self._check_number(item, segment)
            segment.offsets.append(item.offset)
            segment.end = item.end
            if segment.next - 1 > after:
                yield item.payload

    def _check_empty(self, segment: Segment, data: memoryview) -> None:
        """Refuse a segment that lost its header and has records all the same."""
        if isinstance(decode_record(data, len(SEGMENT_FORMAT.header)), Record):
            raise self._damaged(segment, 0)

    def _check_number(self, record: Record, segment: Segment) -> None:
        number = sequence_number_of(record.payload)
        if number != segment.next:
            raise CorruptFileError(
                f"cannot read WAL file {str(segment.path)!r}: the record at offset {record.offset} has number "
                f"{number} where {segment.next} belongs; {_HOW_TO_GO_ON}",
                path=str(segment.path),
                offset=record.offset,
            )

    def _judge(self, end: End, segment: Segment, following: Segment | None, data: memoryview) -> None:
        """Accept the end of a segment, cut a torn tail off the last one, or raise."""
        if end.ending is Ending.DAMAGED:
            raise self._damaged(segment, end.offset)
        if end.ending is Ending.TORN and following is None:
            self._cut(segment, end.offset, bytes(data[end.offset :]))
        elif end.ending is Ending.TORN and following is not None and segment.next < following.first:
            raise self._damaged(segment, end.offset)

    def _cut(self, segment: Segment, offset: int, tail: bytes) -> None:
        """Cut a tail off. The next segment's name will overrule it, should a crash bring it back."""
        self._recovery.keep(segment.path, offset, tail)
        file = self._files.reopen(segment.path)
        try:
            file.truncate(offset)
        finally:
            file.close()

    def _writable(self, sequence_number: int) -> AppendFile:
        """Return the file to append to: the current one, or a new one when that is full or gone."""
        if self._current is not None and self._segments[-1].end < self._segment_bytes:
            return self._current
        self.close()
        self._last_ordinal += 1  # never used again, even if what follows fails
        path = self._folder / f"{self._last_ordinal:08}-{sequence_number:020}.wal"
        file = self._files.create(path)
        try:
            write_all(file, SEGMENT_FORMAT.header)
            self._files.sync_folder(self._folder)
        except OSError:
            file.close()
            with contextlib.suppress(OSError):
                self._files.remove(path)
            raise
        segment = Segment(
            path=path, ordinal=self._last_ordinal, first=sequence_number, end=len(SEGMENT_FORMAT.header)
        )
        with self._lock:
            self._segments = (*self._segments, segment)
        self._current = file
        return file

    def _abandon(self, file: AppendFile, segment: Segment) -> None:
        """Take back what a failed append left; where the disk refuses, the next segment's name does it."""
        self._current = None
        try:
            file.truncate(segment.end)
            file.sync()
        except OSError as error:
            logger.warning("cannot cut a failed record off %s: %s", segment.path, error)
        with contextlib.suppress(OSError):
            file.close()
        if not segment.offsets:  # a full disk would else gather empty segments
            with self._lock:
                self._segments = tuple(one for one in self._segments if one is not segment)
            with contextlib.suppress(OSError):
                self._files.remove(segment.path)

    def _gap(self, segment: Segment, expected: int) -> CorruptFileError:
        return CorruptFileError(
            f"cannot read WAL file {str(segment.path)!r}: it begins with record {segment.first}, and those from "
            f"{expected} on are missing; {_HOW_TO_GO_ON}",
            path=str(segment.path),
            offset=0,
        )

    def _out_of_order(self, segment: Segment, before: Segment) -> CorruptFileError:
        return CorruptFileError(
            f"cannot read WAL file {str(segment.path)!r}: it begins with record {segment.first}, and the file before "
            f"it, {before.path.name!r}, with {before.first}; move the one that does not belong out of the folder",
            path=str(segment.path),
            offset=0,
        )

    def _damaged(self, segment: Segment, offset: int) -> CorruptFileError:
        return CorruptFileError(
            f"cannot read WAL file {str(segment.path)!r}: the record at offset {offset} is damaged, though good "
            f"ones follow it, here or in the next file; {_HOW_TO_GO_ON}",
            path=str(segment.path),
            offset=offset,
        )


_HOW_TO_GO_ON = (
    "restore the file from a copy, or move it and the WAL files after it out of the folder to go on "
    "without their rows"
)
