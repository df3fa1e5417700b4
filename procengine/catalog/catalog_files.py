"""Which files make up a catalog on disk, and how does a checkpoint take the place of a log?

``{n}.checkpoint`` holds the state after commit ``n``, ``{n}.log`` the commits after it; ``0.log`` has no
checkpoint. A checkpoint is made in this order: its file, then the empty log that follows it; when both are
durable, the files before go. A crash between any two steps, or a step that fails, leaves a set that reads as the
same state, whichever of the two names is there: all logs there are are read in turn, and commits that the
checkpoint has are passed over.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from procengine.catalog.event_codec import decode_state, encode_state
from procengine.catalog.event_log import HOW_TO_GO_ON, EventLog
from procengine.catalog.state import CatalogState, Draft
from procengine.errors import CorruptFileError, DataFormatError, StorageError
from procengine.file_system import PART_SUFFIX, FileSystem, error_text, make_folder_durably, put_in_place
from procengine.model.framing import FileFormat, Record, decode_record, encode_record
from procengine.recovery import Recovery

logger = logging.getLogger(__name__)

CHECKPOINT_FORMAT = FileFormat(kind="catalog checkpoint", magic=b"PECATCHK")
LOG_SUFFIX = ".log"
CHECKPOINT_SUFFIX = ".checkpoint"

SMALLEST_LOG_BYTES = 256 * 1024
"""A log shorter than this is not worth a checkpoint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenLog:
    """The log that takes the next commit: where it goes (bytes), and past which size a checkpoint is due."""

    log: EventLog
    end: int
    checkpoint_due_bytes: int

    @property
    def checkpoint_due(self) -> bool:
        """Whether the log has outgrown the state that its commits lead to."""
        return self.end > self.checkpoint_due_bytes


class CatalogFiles:
    """The catalog's folder. Not locked: the catalog's commit lock is held around it."""

    def __init__(self, folder: Path, *, file_system: FileSystem, recovery: Recovery) -> None:
        self._folder = folder
        self._recovery = recovery
        self._files = file_system

    def load(self) -> tuple[CatalogState, OpenLog]:
        """Return the state that the files hold, and the log open for the next commit.

        Raises:
            CorruptFileError: a file is damaged.
            DataFormatError: a file is of another version.
            StorageError: the folder cannot be read or written.
        """
        try:
            make_folder_durably(self._files, self._folder)
            self._files.sync_folder(self._folder)  # its names may be those of a process that was killed
            return self._load()
        except OSError as error:
            raise StorageError(
                f"cannot use catalog folder {str(self._folder)!r}: {error_text(error, self._folder)}; "
                "it must be a folder that can be read and written"
            ) from error

    def append(self, open_log: OpenLog, payload: bytes) -> OpenLog:
        """Make one commit durable and return the log as it is then.

        Raises:
            StorageError: it could not be written; the log given stays good.
        """
        end = open_log.log.write(open_log.end, payload)
        return OpenLog(log=open_log.log, end=end, checkpoint_due_bytes=open_log.checkpoint_due_bytes)

    def checkpoint(self, state: CatalogState, open_log: OpenLog) -> OpenLog:
        """Write the whole state and return the empty log behind it.

        The log given stays open, for its owner to close. When a checkpoint fails, a warning is logged and
        the old log goes on, until it is twice as long.
        """
        try:
            size = self._write_checkpoint(state)
            log = self._new_log(state.sequence_number)
        except OSError as error:
            logger.warning("cannot write a catalog checkpoint: folder=%s error=%s", self._folder, error)
            return OpenLog(log=open_log.log, end=open_log.end, checkpoint_due_bytes=2 * open_log.end)
        self._remove_before(state.sequence_number)
        return _open_log(log, log.first_offset, size)

    def _load(self) -> tuple[CatalogState, OpenLog]:
        checkpoint = max(self._numbers(CHECKPOINT_SUFFIX), default=0)
        state, size = self._read_checkpoint(checkpoint) if checkpoint else (CatalogState(), 0)
        numbers = sorted(self._numbers(LOG_SUFFIX))
        if not numbers and checkpoint:
            log_path = self._path(checkpoint, LOG_SUFFIX)
            raise _corrupt(log_path, 0, "missing, though its checkpoint is there")
        if not numbers:
            log = self._new_log(checkpoint)
            return state, _open_log(log, log.first_offset, size)
        for number in numbers[:-1]:
            state, older = self._replay(state, self._path(number, LOG_SUFFIX))
            older.log.close()
        state, last = self._replay(state, self._path(numbers[-1], LOG_SUFFIX), size)
        return state, last if len(numbers) == 1 else self._joined(state, last)

    def _joined(self, state: CatalogState, last: OpenLog) -> OpenLog:
        """Put one checkpoint in the place of several logs, which an interrupted checkpoint left."""
        joined = self.checkpoint(state, last)
        if joined.log is not last.log:
            last.log.close()
        return joined

    def _replay(
        self, state: CatalogState, path: Path, checkpoint_bytes: int = 0
    ) -> tuple[CatalogState, OpenLog]:
        """Apply a log's commits; those that the checkpoint has already are passed over."""
        if int(path.stem) > state.sequence_number:
            raise _corrupt(path.with_suffix(CHECKPOINT_SUFFIX), 0, "missing, though its log is there")
        log = EventLog(path, file_system=self._files, recovery=self._recovery)
        try:
            state, end = _replayed(state, log)
        except BaseException:
            log.close()
            raise
        return state, _open_log(log, end, checkpoint_bytes)

    def _read_checkpoint(self, number: int) -> tuple[CatalogState, int]:
        path = self._path(number, CHECKPOINT_SUFFIX)
        data = self._files.read(path)
        offset = CHECKPOINT_FORMAT.check(data, str(path))
        record = decode_record(data, offset)
        if not offset or not isinstance(record, Record) or record.end != len(data):
            raise _corrupt(path, offset, f"damaged at byte {offset}")
        try:
            return decode_state(record.payload), len(data)
        except DataFormatError as error:
            raise DataFormatError(f"cannot read catalog checkpoint {str(path)!r}: {error}") from error

    def _write_checkpoint(self, state: CatalogState) -> int:
        data = CHECKPOINT_FORMAT.header + encode_record(encode_state(state))
        put_in_place(self._files, self._path(state.sequence_number, CHECKPOINT_SUFFIX), data)
        return len(data)

    def _new_log(self, number: int) -> EventLog:
        return EventLog.create(
            self._path(number, LOG_SUFFIX), file_system=self._files, recovery=self._recovery
        )

    def _remove_before(self, checkpoint: int) -> None:
        """Remove what a checkpoint has replaced, and what a crash left unfinished."""
        stale = [
            self._path(number, suffix)
            for suffix in (CHECKPOINT_SUFFIX, LOG_SUFFIX)
            for number in self._numbers(suffix)
            if number < checkpoint
        ]
        parts = [self._folder / name for name in self._names() if name.endswith(PART_SUFFIX)]
        for path in (*stale, *parts):
            try:
                with contextlib.suppress(FileNotFoundError):
                    self._files.remove(path)
            except OSError as error:
                logger.warning("cannot remove a replaced catalog file: path=%s error=%s", path, error)

    def _numbers(self, suffix: str) -> list[int]:
        stems = [name.removesuffix(suffix) for name in self._names() if name.endswith(suffix)]
        return [int(stem) for stem in stems if stem.isdecimal()]

    def _names(self) -> Sequence[str]:
        return self._files.names(self._folder)

    def _path(self, number: int, suffix: str) -> Path:
        return self._folder / f"{number}{suffix}"


def _open_log(log: EventLog, end: int, checkpoint_bytes: int) -> OpenLog:
    """A checkpoint is due when the log outgrows the last one: n commits then cost O(n) altogether."""
    due = max(SMALLEST_LOG_BYTES, checkpoint_bytes)
    return OpenLog(log=log, end=end, checkpoint_due_bytes=due)


def _replayed(state: CatalogState, log: EventLog) -> tuple[CatalogState, int]:
    draft = Draft(state)
    number, end = state.sequence_number, log.first_offset
    for commit in log.read():
        if commit.sequence_number > number + 1:
            why = f"commit {commit.sequence_number} stands where {number + 1} belongs"
            raise _corrupt(log.path, end, f"damaged at byte {end}: {why}")
        if commit.sequence_number == number + 1:
            number += 1
            for event in commit.events:
                draft.apply(event)
        end = commit.end
    return draft.freeze(number), end


def _corrupt(path: Path, offset: int, what: str) -> CorruptFileError:
    return CorruptFileError(
        f"catalog file {str(path)!r} is {what}; {HOW_TO_GO_ON}", path=str(path), offset=offset
    )
