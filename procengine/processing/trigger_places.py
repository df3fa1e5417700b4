"""How far was each write trigger when the engine ended?

The file ``places`` tells it to the next engine, which delivers nothing again but says how many rows were passed
over. A record says up to which flush a trigger knew of rows, and how many of those it had still to handle; the last
record of a trigger holds. They are written by the thread of the histories, some 50 ms late and without a sync, so
what a killed engine leaves is of that long ago: rows that were handled since are counted, and rows that came since
are, too, but for those that a snapshot took out of the log in these 50 ms. A file that cannot be read or written
costs the numbers and nothing else. A bad record may have been any trigger's: what older records say is then not
relied upon, the log of Python says so, and the file is kept aside.
"""

from __future__ import annotations

import contextlib
import logging
import struct
import threading
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from procengine.file_system import AppendFile, FileSystem, create_anew, make_folder, write_all
from procengine.history import Written, keep_aside
from procengine.processing.write_cursor import Place

logger = logging.getLogger(__name__)

_RECORD = struct.Struct("<QQQI")
_CLEAN_END: Final = 0
"""Stands for a trigger's id in the record that a stopped engine ends the file with; ids count from 1."""

_MOST_NAMED: Final = 10
"""How many damaged places are named."""

LARGEST_FILE_BYTES: Final = 1 << 16
"""When the file is begun anew, with one record a trigger."""


class TriggerPlaces:
    """The places of all write triggers, read at the start and written as they change.

    `follow`, `leave` and `moved` are any thread's, `write_waiting` is the history thread's, the rest the engine's
    as it starts and stops. Without a folder nothing is kept.
    """

    def __init__(self, folder: Path | None, *, file_system: FileSystem) -> None:
        self._folder = folder
        self._files = file_system
        self._found: dict[int, Place] = {}
        self._ended_clean = False
        self._call: Callable[[], None] = lambda: None
        # Guards the fields below; places are asked for outside it.
        self._lock = threading.Lock()
        self._followed: dict[int, Callable[[], Place]] = {}
        self._moved: dict[int, None] = {}
        # The history thread's.
        self._written: dict[int, Place] = {}
        self._file: AppendFile | None = None
        self._size_bytes = 0

    @property
    def waiting(self) -> int:
        """How many triggers' places are to be written."""
        return len(self._moved) if self._file is not None else 0

    @property
    def found(self) -> Mapping[int, Place]:
        """The places that the engine before has left, by trigger id."""
        return self._found

    @property
    def ended_clean(self) -> bool:
        """Whether that engine was stopped; after any other end the places may be a little behind."""
        return self._ended_clean

    def open(self, call: Callable[[], None]) -> None:
        """Read what was left, and begin the file anew; ``call`` asks for `write_waiting`."""
        if self._folder is None:
            return
        path = self._folder / "places"
        try:
            make_folder(self._files, self._folder)
            with contextlib.suppress(FileNotFoundError):
                self._read(path)
            self._file = create_anew(self._files, path)
        except OSError as error:
            self._give_up(error)
            return
        self._call = call

    def follow(self, trigger_id: int, place: Callable[[], Place]) -> None:
        """Write down a trigger's place from now on; ``place`` tells it, from any thread."""
        with self._lock:
            self._followed[trigger_id] = place
        self.moved(trigger_id)

    def leave(self, trigger_id: int) -> None:
        """Leave a trigger's place as it is now."""
        with self._lock:
            place = self._followed.get(trigger_id)
        if place is not None:
            last = place()
            with self._lock:
                self._followed[trigger_id] = lambda: last
            self.moved(trigger_id)

    def moved(self, trigger_id: int) -> None:
        """Say that a trigger's place has changed; returns at once."""
        if self._file is not None:
            self._moved[trigger_id] = None
            self._call()

    def write_waiting(self) -> Written:
        """Write the places that have changed. On the history thread."""
        with self._lock:
            moved = [self._moved.popitem()[0] for _ in range(len(self._moved))]
            asked = {trigger_id: self._followed[trigger_id] for trigger_id in moved}
        if self._file is None or not asked:
            return Written.NOTHING
        changed = {trigger_id: place() for trigger_id, place in asked.items()}
        self._written |= changed
        self._write(changed)
        return Written.DONE

    def close(self) -> None:
        """Write that the engine was stopped, and let the file go. The history thread must have ended."""
        self._write({_CLEAN_END: Place(0, 0)})
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _write(self, places: Mapping[int, Place]) -> None:
        if self._file is None:
            return
        try:
            if self._size_bytes >= max(LARGEST_FILE_BYTES, 4 * len(self._written) * _RECORD.size):
                self._file.truncate(0)
                self._size_bytes, places = 0, self._written | dict(places)
            data = b"".join(_encode(trigger_id, place) for trigger_id, place in places.items())
            write_all(self._file, data)
            self._size_bytes += len(data)
        except OSError as error:
            self._give_up(error)

    def _read(self, path: Path) -> None:
        data = self._files.read(path)
        whole = len(data) - len(data) % _RECORD.size
        bad = [whole] if whole < len(data) else []
        for start in range(0, whole, _RECORD.size):
            record = data[start : start + _RECORD.size]
            if record[-4:] != _check(record[:-4]):
                bad.append(start)
                self._found.clear()
                continue
            trigger_id, noted, rows, _ = _RECORD.unpack(record)
            self._ended_clean = trigger_id == _CLEAN_END
            self._found[trigger_id] = Place(noted, rows)
        if bad:
            logger.warning(
                "places of triggers are damaged, so the rows that were passed over may not be told or not all: "
                "path=%s, offsets=%s; the file is kept in %s",
                path,
                ", ".join(map(str, sorted(bad)[:_MOST_NAMED])),
                keep_aside(self._files, path, data),
            )

    def _give_up(self, error: OSError) -> None:
        logger.warning("how far triggers are is not kept: %s", error)
        file, self._file = self._file, None
        if file is not None:
            file.close()


def _encode(trigger_id: int, place: Place) -> bytes:
    head = _RECORD.pack(trigger_id, place.noted, place.rows, 0)[:-4]
    return head + _check(head)


def _check(head: bytes) -> bytes:
    return zlib.crc32(head).to_bytes(4, "little")
