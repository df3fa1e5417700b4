"""What was a plugin's text before, and before that?

Every text that was loaded is kept, by a hash of it: a run's record has the hash, so that it can be said with which
text it ran, what has changed since, and how to go back. Each is a file of its own, ``{ordinal}-{version}-{bytes}``,
written once by the thread of the histories; when all together are too large, the oldest go. A file that cannot be
read or written costs what is in it and nothing else.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from procengine.clock import Clock
from procengine.errors import DataFormatError
from procengine.file_system import FileSystem, make_folder_durably, write_durably
from procengine.history import Written
from procengine.model.framing import FileFormat, Record, decode_record, encode_record

logger = logging.getLogger(__name__)

FILE_FORMAT = FileFormat(kind="plugin version", magic=b"procepvr")
VERSION_DIGITS: Final = 12
TOTAL_BYTES: Final = 16 << 20
"""What all versions together may take."""

MOST_VERSIONS: Final = 1_000
_NAME = re.compile(r"(\d{8})-([0-9a-f]{12})-(\d+)")


def version_of(texts: Mapping[str, str]) -> str:
    """Return what tells texts, by file name, from any others: 12 digits of a hash."""
    found = hashlib.sha256()
    for name in sorted(texts):
        for part in (name, texts[name]):
            data = part.encode("utf-8", "surrogatepass")
            found.update(b"%d:" % len(data) + data)
    return found.hexdigest()[:VERSION_DIGITS]


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginVersion:
    """The texts of a plugin, by file name relative to it, a single file's by its own.

    ``first_loaded_ns`` is when they were loaded for the first time, nanoseconds UTC.
    """

    filename: str
    version: str
    first_loaded_ns: int
    texts: Mapping[str, str] = field(repr=False)

    @property
    def size_bytes(self) -> int:
        """How long the texts are together."""
        return sum(len(text.encode("utf-8", "surrogatepass")) for text in self.texts.values())


@dataclass(slots=True, kw_only=True)
class _Kept:
    """A version that is on disk, in memory, or both; ``ordinal`` counts from 1, ``size_bytes`` is the file's."""

    ordinal: int
    version: str
    size_bytes: int
    read: PluginVersion | None = None


class PluginVersions:
    """The versions of all plugins. Any thread, but for `write_waiting`, which is the history thread's.

    Without a folder they end with the engine.
    """

    def __init__(
        self, clock: Clock, folder: Path | None = None, *, file_system: FileSystem | None = None
    ) -> None:
        self._clock = clock
        self._folder = folder if file_system is not None else None
        self._files = file_system
        self._call: Callable[[], None] = lambda: None
        # Guards the fields below; files are read and written outside it.
        self._lock = threading.Lock()
        self._kept: dict[str, _Kept] = {}
        self._unwritten: dict[int, _Kept] = {}
        self._last_ordinal = 0

    def open(self, call: Callable[[], None]) -> None:
        """Find what engines before have kept; ``call`` asks for `write_waiting`."""
        if self._folder is None or self._files is None:
            return
        try:
            make_folder_durably(self._files, self._folder)
            names = sorted(self._files.names(self._folder))
        except OSError as error:
            logger.warning("versions of plugins are kept in memory alone: %s", error)
            self._folder = None
            return
        for found in filter(None, map(_NAME.fullmatch, names)):
            kept = _Kept(ordinal=int(found[1]), version=found[2], size_bytes=int(found[3]))
            self._kept[kept.version] = kept
            self._last_ordinal = kept.ordinal
        self._call = call

    def note(self, filename: str, version: str, texts: Mapping[str, str]) -> None:
        """Keep a text that was loaded, unless it is kept already; returns at once."""
        if version in self._kept:
            return
        loaded = PluginVersion(
            filename=filename,
            version=version,
            first_loaded_ns=self._clock.now_ns(),
            texts=dict(texts),
        )
        with self._lock:
            self._last_ordinal += 1
            kept = _Kept(
                ordinal=self._last_ordinal, version=version, size_bytes=loaded.size_bytes, read=loaded
            )
            self._kept[version] = kept
            if self._folder is not None:
                self._unwritten[kept.ordinal] = kept
            gone = self._past_bounds()
        self._remove(gone)
        self._call()

    def of(self, filename: str) -> tuple[PluginVersion, ...]:
        """Return the versions of a plugin, in the order in which they were first loaded."""
        with self._lock:
            kept = list(self._kept.values())
        found = filter(None, map(self._read, kept))
        return tuple(one for one in found if one.filename == filename)

    @property
    def noted(self) -> int:
        """How many versions were kept so far, those included that went again."""
        return self._last_ordinal

    def find(self, version: str) -> PluginVersion | None:
        """Return a version, or None when it is not kept."""
        kept = self._kept.get(version)
        return None if kept is None else self._read(kept)

    @property
    def waiting(self) -> int:
        """How many versions are to be written."""
        return len(self._unwritten)

    def write_waiting(self) -> Written:
        """Write the versions that are not on disk. On the history thread."""
        with self._lock:
            waiting = list(self._unwritten.values())
        if not waiting or self._files is None:
            return Written.NOTHING
        for kept in waiting:
            try:
                assert kept.read is not None
                write_durably(self._files, self._path(kept), _encode(kept.read))
            except OSError as error:
                logger.warning("a version of a plugin is kept in memory alone: %s", error)
            with self._lock:
                self._unwritten.pop(kept.ordinal, None)
        return Written.DONE

    def _past_bounds(self) -> list[_Kept]:
        """Forget the oldest versions where all are too many or too large; the newest stays. Holds the lock."""
        gone = []
        total = sum(one.size_bytes for one in self._kept.values())
        for kept in list(self._kept.values())[:-1]:
            if total <= TOTAL_BYTES and len(self._kept) <= MOST_VERSIONS:
                break
            total -= kept.size_bytes
            del self._kept[kept.version]
            self._unwritten.pop(kept.ordinal, None)
            gone.append(kept)
        return gone

    def _remove(self, gone: list[_Kept]) -> None:
        for kept in gone if self._folder is not None and self._files is not None else ():
            try:
                self._files.remove(self._path(kept))  # type: ignore[union-attr]
            except OSError as error:
                logger.debug("a version of a plugin was not removed: %s", error)

    def _read(self, kept: _Kept) -> PluginVersion | None:
        if kept.read is None and self._files is not None:
            path = self._path(kept)
            try:
                kept.read = _decode(self._files.read(path), kept.version, str(path))
            except (OSError, DataFormatError, ValueError, KeyError, TypeError) as error:
                logger.warning("a version of a plugin cannot be read: path=%s, error=%s", path, error)
        return kept.read

    def _path(self, kept: _Kept) -> Path:
        assert self._folder is not None
        return self._folder / f"{kept.ordinal:08d}-{kept.version}-{kept.size_bytes}"


def _encode(one: PluginVersion) -> bytes:
    said = {
        "filename": one.filename,
        "first_loaded_ns": one.first_loaded_ns,
        "texts": dict(one.texts),
    }
    return FILE_FORMAT.header + encode_record(json.dumps(said).encode())


def _decode(data: bytes, version: str, path: str) -> PluginVersion:
    record = decode_record(data, FILE_FORMAT.check(data, path))
    if not isinstance(record, Record):
        raise DataFormatError(f"cannot read plugin version {path!r}: it is damaged")
    said = json.loads(bytes(record.payload))
    return PluginVersion(
        filename=said["filename"],
        version=version,
        first_loaded_ns=said["first_loaded_ns"],
        texts=said["texts"],
    )
