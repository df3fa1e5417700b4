"""How is one file of commits read, appended to and mended?

A record holds one commit. `EventLog.write` makes it durable at an offset that its caller keeps: as long as
the caller does not move on, the next write takes the same place, so a commit that failed or was interrupted
half-way leaves nothing behind.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from procengine.catalog.event_codec import decode_commit
from procengine.errors import CorruptFileError, DataFormatError, StorageError
from procengine.file_system import AppendFile, FileSystem, write_all, write_durably
from procengine.model.catalog_event import CatalogEvent
from procengine.model.framing import Ending, FileFormat, Record, decode_records, encode_record
from procengine.recovery import Recovery

logger = logging.getLogger(__name__)

HOW_TO_GO_ON = (
    "restore the folder 'catalog' from a copy, or give another data_dir to go on without its data"
)
LOG_FORMAT = FileFormat(kind="catalog log", magic=b"PECATLOG")


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """One commit as read: where its record ends (bytes), its sequence number and events."""

    end: int
    sequence_number: int
    events: list[CatalogEvent]


class EventLog:
    """An open log file. Closed by `close`; not locked: the catalog's commit lock is held around it."""

    def __init__(self, path: Path, *, file_system: FileSystem, recovery: Recovery) -> None:
        self.path = path
        self._recovery = recovery
        self._files = file_system
        self._file: AppendFile = file_system.reopen(path)
        self._clean_end: int | None = None
        """Where the file ends (bytes), while nothing but good records stands in it; None when that is not known."""

    @classmethod
    def create(cls, path: Path, *, file_system: FileSystem, recovery: Recovery) -> EventLog:
        """Make an empty log, durably, and open it."""
        write_durably(file_system, path, LOG_FORMAT.header)
        return cls(path, file_system=file_system, recovery=recovery)

    @property
    def first_offset(self) -> int:
        """Where the first record starts (bytes)."""
        return len(LOG_FORMAT.header)

    def read(self) -> Iterator[Commit]:
        """Yield the commits in order; cut a torn tail off, after keeping it aside.

        All that is yielded is durable: a process that was killed may have left a commit that only the system's
        memory holds.

        Raises:
            CorruptFileError: a record is damaged and good ones follow it.
            DataFormatError: the file is of another version, or no log.
        """
        self._file.sync()
        data = self._files.read(self.path)
        first = LOG_FORMAT.check(data, str(self.path))
        if not first:
            raise self._corrupt(0, "it ends within its header")
        for item in decode_records(data, first):
            if isinstance(item, Record):
                yield self._commit(item)
            elif item.ending is Ending.DAMAGED:
                raise self._corrupt(item.offset, "good records follow a bad one")
            elif item.ending is Ending.TORN:
                self._cut_tail(data, item.offset)

    def write(self, offset: int, payload: bytes) -> int:
        """Make a record durable at an offset, in place of whatever was there; return where it ends.

        Raises:
            StorageError: it could not be written; what is at the offset does not count.
        """
        record = encode_record(payload)
        clean_end, self._clean_end = self._clean_end, None
        try:
            if clean_end != offset:
                self._file.truncate(offset)
            write_all(self._file, record)
            self._file.sync()
        except OSError as error:
            self._drop(offset)
            raise StorageError(
                f"cannot write catalog log {str(self.path)!r}: {error.strerror or error}; nothing was changed"
            ) from error
        self._clean_end = offset + len(record)
        return self._clean_end

    def close(self) -> None:
        """Close the file. Closing twice is allowed."""
        self._file.close()

    def _corrupt(self, offset: int, why: str) -> CorruptFileError:
        path = str(self.path)
        return CorruptFileError(
            f"catalog log {path!r} is damaged at byte {offset}: {why}; {HOW_TO_GO_ON}",
            path=path,
            offset=offset,
        )

    def _drop(self, offset: int) -> None:
        """Take back a failed write, as far as the disk lets us; the next write does it again."""
        try:
            self._file.truncate(offset)
            self._file.sync()
        except OSError as error:
            logger.warning("cannot shorten catalog log: path=%s error=%s", self.path, error)

    def _commit(self, record: Record) -> Commit:
        try:
            sequence_number, events = decode_commit(record.payload)
        except DataFormatError as error:
            raise DataFormatError(
                f"cannot read catalog log {str(self.path)!r} at byte {record.offset}: {error}"
            ) from error
        return Commit(end=record.end, sequence_number=sequence_number, events=events)

    def _cut_tail(self, data: bytes, offset: int) -> None:
        """Cut a tail off; the next commit, which takes its place, makes that durable."""
        self._recovery.keep(self.path, offset, data[offset:])
        self._file.truncate(offset)
