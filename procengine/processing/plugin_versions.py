"""What was a plugin's text before, and before that?

Every text that was loaded is kept, by a hash of it: a run's record has the hash, so that it can be said with which
text it ran, what has changed since, and how to go back. None goes unless somebody asks for that, by
`PluginVersions.forget`.

Each is a file of its own, listed by its name (`procengine.processing.plugin_version_files`). Texts are read where
somebody looks at them, and few stay in memory. The thread of the histories writes, and sees that what an
earlier engine has written of a text that is loaded again is whole: if it is not, it is written anew. A file that
cannot be read costs what is in it and nothing else.

Without a folder the newest texts are in memory, as many as there is room for.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from procengine.clock import Clock
from procengine.errors import CorruptFileError, DataFormatError, NotFoundError
from procengine.file_system import PART_SUFFIX, FileSystem, make_folder_durably, write_durably
from procengine.history import Written
from procengine.history.kept_aside import keep_aside
from procengine.processing.plugin_version_files import (
    KeptText,
    VersionFile,
    decode,
    encode,
    parse_name,
)

logger = logging.getLogger(__name__)

VERSION_DIGITS: Final = 12
MEMORY_BYTES: Final = 16 << 20
"""How long the texts together may be that are in memory."""


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
    """One text that a plugin had; ``first_loaded_ns`` is when it was loaded for the first time, nanoseconds UTC."""

    filename: str
    version: str
    first_loaded_ns: int
    _texts: Callable[[], Mapping[str, str]] = field(repr=False, compare=False)

    @property
    def texts(self) -> Mapping[str, str]:
        """The texts by file name relative to the plugin, a single file's by its own; read when asked for.

        Raises:
            CorruptFileError: their file is damaged.
            NotFoundError: they were let go meanwhile.
        """
        return self._texts()


@dataclass(frozen=True, slots=True, kw_only=True)
class VersionStatistics:
    """How many versions there are, what their files take, and how many wait to be written or looked at."""

    versions: int
    file_bytes: int
    waiting: int


@dataclass(slots=True, kw_only=True, eq=False)
class _Kept:
    """A version that is on disk as ``file``, in memory, or both; ``ordinal`` counts from 1.

    ``is_whole`` says that what is on disk was read or written, and is good.
    """

    ordinal: int
    version: str
    place: str
    first_loaded_ns: int
    filename: str | None = None
    texts: Mapping[str, str] | None = None
    file: VersionFile | None = None
    is_whole: bool = False

    @property
    def file_bytes(self) -> int:
        """What it takes on disk."""
        return 0 if self.file is None else self.file.size_bytes


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
        self._places: dict[str, dict[str, _Kept]] = {}
        self._waiting: dict[int, _Kept] = {}
        self._in_memory: OrderedDict[int, _Kept] = OrderedDict()  # the last one asked for at the end
        self._memory_bytes = 0
        self._last_ordinal = 0
        self._changes = 0
        self._last_error: str | None = None  # why the disk refuses versions

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
        files = sorted(filter(None, map(parse_name, names)), key=lambda one: one.ordinal)
        for one in files:
            self._last_ordinal = one.ordinal
            if one.place:
                kept = _Kept(
                    ordinal=one.ordinal,
                    version=one.version,
                    place=one.place,
                    first_loaded_ns=one.first_loaded_ns,
                    file=one,
                )
                self._places.setdefault(kept.place, {}).setdefault(kept.version, kept)
        for one in files:
            if not one.place:
                self._take_over(one)
        for name in names:
            if name.endswith(PART_SUFFIX):  # a crash has left it
                with contextlib.suppress(OSError):
                    self._files.remove(self._folder / name)
        self._call = call

    def note(self, filename: str, version: str, texts: Mapping[str, str]) -> None:
        """Keep a text that was loaded, unless that is done; returns at once."""
        place = _place_of(filename)
        with self._lock:
            versions = self._places.setdefault(place, {})
            kept = versions.get(version)
            if kept is None:
                self._last_ordinal += 1
                self._changes += 1
                kept = versions[version] = _Kept(
                    ordinal=self._last_ordinal,
                    version=version,
                    place=place,
                    first_loaded_ns=self._clock.now_ns(),
                )
            if kept.is_whole:
                return
            kept.filename = filename
            self._hold(kept, dict(texts))
            if self._folder is None:
                kept.is_whole = True
            else:
                self._waiting[kept.ordinal] = kept
            self._make_room(kept)
        self._call()

    def of(self, filename: str) -> tuple[PluginVersion, ...]:
        """Return the versions of a plugin, in the order in which they were first loaded."""
        with self._lock:
            found = self._of(_place_of(filename))
        return tuple(self._told(one, filename) for one in found)

    def find(self, version: str) -> PluginVersion | None:
        """Return a version, or None when it is not kept, or its file is damaged."""
        with self._lock:
            found = (versions.get(version) for versions in self._places.values())
            kept = next(filter(None, found), None)
        if kept is None:
            return None
        try:
            self._texts(kept)
        except (CorruptFileError, NotFoundError):
            return None
        assert kept.filename is not None
        return self._told(kept, kept.filename)

    def forget(
        self, filename: str | None = None, *, keep: int, spare: Collection[str] = ()
    ) -> VersionStatistics:
        """Let the oldest versions of a plugin go, of each when none is named; return what went.

        The newest ``keep`` stay, and those in ``spare``. Their files are gone when this returns.

        Raises:
            ValueError: ``keep`` is less than 0.
            OSError: a file cannot be removed; those before it are.
        """
        if keep < 0:
            raise ValueError(f"cannot keep {keep} versions; expected 0 or more")
        with self._lock:
            gone = [
                one
                for place in (self._places if filename is None else [_place_of(filename)])
                for number, one in enumerate(reversed(self._of(place)))
                if number >= keep and one.version not in spare
            ]
        for number, kept in enumerate(gone):
            try:
                self._remove(kept)
            except OSError:
                self._let_go(gone[:number])
                raise
        self._let_go(gone)
        return VersionStatistics(
            versions=len(gone), file_bytes=sum(one.file_bytes for one in gone), waiting=0
        )

    @property
    def changes(self) -> int:
        """Another number whenever a version has come or gone."""
        return self._changes

    @property
    def waiting(self) -> int:
        """How many versions are to be written, or looked at."""
        return len(self._waiting)

    def statistics(self) -> VersionStatistics:
        """Return how many versions there are and what their files take."""
        with self._lock:
            kept = [one for versions in self._places.values() for one in versions.values()]
            return VersionStatistics(
                versions=len(kept),
                file_bytes=sum(one.file_bytes for one in kept),
                waiting=len(self._waiting),
            )

    def write_waiting(self) -> Written:
        """Write what is not on disk, or not whole there. On the history thread."""
        with self._lock:
            waiting = [(kept, kept.texts) for kept in self._waiting.values()]
        if not waiting or self._files is None or self._folder is None:
            return Written.NOTHING
        for kept, texts in waiting:
            assert texts is not None
            try:
                if not self._is_good(kept, texts):
                    self._write(self._files, self._folder, kept, texts)
            except OSError as error:
                if self._last_error is None:
                    logger.warning(
                        "versions of plugins wait in memory: the disk refuses them: %s", error
                    )
                self._last_error = str(error)
                return Written.REFUSED
            with self._lock:
                self._last_error = None
                kept.is_whole = True
                let_go = self._waiting.pop(kept.ordinal, None) is None
                self._make_room(kept)
            if let_go:  # while it was being written
                with contextlib.suppress(OSError):
                    self._remove(kept)
        return Written.DONE

    def _is_good(self, kept: _Kept, texts: Mapping[str, str]) -> bool:
        """Tell whether a text is on disk already; what is there in its place is kept aside."""
        if kept.file is None or self._files is None:
            return False
        path = self._path(kept.file)
        try:
            data = self._files.read(path)
        except FileNotFoundError:
            return False
        try:
            return bool(kept.file.place) and _checked(data, kept.version, path).texts == texts
        except DataFormatError as error:
            aside = keep_aside(self._files, path, data)
            logger.warning("%s; it is written again, and what it was is kept in %s", error, aside)
            return False

    def _write(self, files: FileSystem, folder: Path, kept: _Kept, texts: Mapping[str, str]) -> None:
        assert kept.filename is not None
        data = encode(KeptText(kept.filename, kept.first_loaded_ns, texts))
        file = VersionFile(kept.ordinal, kept.version, len(data), kept.place, kept.first_loaded_ns)
        write_durably(files, folder / file.name, data)
        before, kept.file = kept.file, file
        if before is not None and before != file:
            files.remove(self._path(before))

    def _take_over(self, former: VersionFile) -> None:
        """Take a file of an engine before whose name says less, to be written under its new one."""
        assert self._files is not None
        path = self._path(former)
        try:
            said = _checked(self._files.read(path), former.version, path)
        except (OSError, DataFormatError) as error:
            logger.warning("a version of a plugin cannot be read: path=%s, error=%s", path, error)
            return
        place = _place_of(said.filename)
        kept = _Kept(
            ordinal=former.ordinal,
            version=former.version,
            place=place,
            first_loaded_ns=said.first_loaded_ns,
            filename=said.filename,
            file=former,
        )
        if self._places.setdefault(place, {}).setdefault(kept.version, kept) is kept:
            self._waiting[kept.ordinal] = kept
            self._hold(kept, said.texts)

    def _told(self, kept: _Kept, filename: str) -> PluginVersion:
        return PluginVersion(
            filename=filename,
            version=kept.version,
            first_loaded_ns=kept.first_loaded_ns,
            _texts=lambda: self._texts(kept),
        )

    def _texts(self, kept: _Kept) -> Mapping[str, str]:
        """Return the texts of a version, from memory or from its file."""
        with self._lock:
            texts, file = kept.texts, kept.file
            if texts is not None and kept.ordinal in self._in_memory:
                self._in_memory.move_to_end(kept.ordinal)
            is_kept = self._places[kept.place].get(kept.version) is kept
        if texts is not None:
            return texts
        if file is None or self._files is None or not is_kept:
            raise NotFoundError(f"version {kept.version} of {kept.filename or 'a plugin'} was let go")
        path = self._path(file)
        try:
            said = _checked(self._files.read(path), kept.version, path)
        except (OSError, DataFormatError) as error:
            kept.is_whole = False  # it is written again when it is loaded again
            logger.warning("a version of a plugin cannot be read: path=%s, error=%s", path, error)
            raise CorruptFileError(
                f"version {kept.version} of a plugin cannot be read: {error}; load that text again to mend it",
                path=str(path),
                offset=0,
            ) from error
        with self._lock:
            kept.filename = said.filename
            self._hold(kept, said.texts)
            self._make_room(kept)
        return said.texts

    def _hold(self, kept: _Kept, texts: Mapping[str, str]) -> None:
        """Have the texts of a version in memory. The lock is held, as by those below."""
        if kept.texts is None:
            self._memory_bytes += _size_of(texts)
            kept.texts = texts
        self._in_memory[kept.ordinal] = kept
        self._in_memory.move_to_end(kept.ordinal)

    def _make_room(self, newest: _Kept) -> None:
        """Let go of texts that were not asked for lately; of versions where they have nowhere else to be."""
        for kept in list(self._in_memory.values()):
            if self._memory_bytes <= MEMORY_BYTES:
                return
            if kept is newest or (kept.ordinal in self._waiting and self._last_error is None):
                continue
            if kept.file is None:
                self._changes += 1
                self._places[kept.place].pop(kept.version, None)
                if self._folder is not None:
                    logger.warning(
                        "version %s of %s is lost: %s", kept.version, kept.filename, self._last_error
                    )
            self._waiting.pop(kept.ordinal, None)
            self._drop_texts(kept)

    def _drop_texts(self, kept: _Kept) -> None:
        self._in_memory.pop(kept.ordinal, None)
        if kept.texts is not None:
            self._memory_bytes -= _size_of(kept.texts)
            kept.texts = None

    def _of(self, place: str) -> list[_Kept]:
        return sorted(self._places.get(place, {}).values(), key=lambda one: one.ordinal)

    def _let_go(self, gone: Iterable[_Kept]) -> None:
        with self._lock:
            for kept in gone:
                self._changes += 1
                self._places[kept.place].pop(kept.version, None)
                self._waiting.pop(kept.ordinal, None)
                self._drop_texts(kept)

    def _remove(self, kept: _Kept) -> None:
        if kept.file is None or self._files is None:
            return
        try:
            self._files.remove(self._path(kept.file))
        except FileNotFoundError:
            logger.debug("a version of a plugin was gone already: %s", kept.file.name)

    def _path(self, file: VersionFile) -> Path:
        assert self._folder is not None
        return self._folder / file.name


def _place_of(filename: str) -> str:
    data = filename.encode("utf-8", "surrogatepass")
    return hashlib.sha256(data).hexdigest()[:VERSION_DIGITS]


def _size_of(texts: Mapping[str, str]) -> int:
    return sum(map(len, texts.values()))


def _checked(data: bytes, version: str, path: Path) -> KeptText:
    """Return what the file of a version says. Raises: DataFormatError: it is damaged, or another's."""
    found = decode(data, str(path))
    if version_of(found.texts) != version:
        raise DataFormatError(f"cannot read plugin version {str(path)!r}: it is of another version")
    return found
