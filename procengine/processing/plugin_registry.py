"""Which plugins are there, and what is their code now?

The registry owns sources and loaded code. A plugin's files are looked at before each run; when they changed, the
run gets the new code. Files that cannot be read any more leave the last good code in place.

A plugin that is fetched from elsewhere is looked at in its copy: `procengine.processing.fetched_plugins`.

Source: influxdb3_processing_engine/src/lib.rs, read_plugin_code and LocalPlugin.
Differs: what changed is loaded although its time is old; directories reload as well; a plugin is compiled and
    its entry point looked for when a trigger is created.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from procengine.errors import PluginError, PluginPathError
from procengine.model.plugin_address import GH, is_fetched
from procengine.model.run import RunFailure
from procengine.model.trigger import TriggerKind
from procengine.processing.fetched_plugins import FetchedPlugins, PluginUpdate
from procengine.processing.plugin_builtins import Namespace
from procengine.processing.plugin_origins import PluginOrigins, show_in_tracebacks
from procengine.processing.plugin_package import PYCACHE, PluginPackage, python_files
from procengine.processing.plugin_path import INIT, is_inside, plugin_path
from procengine.processing.plugin_source import FileStamp, PluginSource, read_text
from procengine.processing.single_file import SingleFilePlugin

logger = logging.getLogger(__name__)


class LoadedPlugin(Protocol):
    """A plugin's code in one state of its files."""

    @property
    def filename(self) -> str:
        """The name by which triggers know the plugin."""
        ...

    @property
    def version(self) -> str:
        """What tells its texts from those of other times."""
        ...

    @property
    def texts(self) -> Mapping[str, str]:
        """Its texts by file name, relative to a directory plugin, its own for a single file."""
        ...

    def entry_point(self, kind: TriggerKind, opened: Callable[[Namespace], None] | None = None) -> Any:
        """Return what is to be called; runs code of the plugin, and raises what it raises.

        ``opened`` is told the globals that a single file's text was executed in.
        """
        ...

    def check(self, kind: TriggerKind) -> None:
        """Accept the code for triggers of a kind, without running it.

        Raises:
            PluginSourceError: it cannot be compiled, or called.
        """
        ...

    def owns(self, filename: str) -> bool:
        """Tell whether code with a file name is the plugin's own."""
        ...

    def close(self) -> None:
        """Let go of what the plugin keeps in the interpreter."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginFile:
    """One Python file of a plugin; ``name`` is relative to the plugin, or the plugin's own for a single file."""

    name: str
    path: Path
    size_bytes: int
    modified_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginInfo:
    """A plugin that could be given to a trigger; size and time over all its files."""

    filename: str
    is_directory: bool
    size_bytes: int
    modified_ns: int


@dataclass(slots=True)
class _File:
    plugin: SingleFilePlugin
    path: str
    stamp: FileStamp
    looked_ns: int = 0

    def still_holds(self, since_ns: int | None) -> bool:
        """Tell whether the file is as it was, now or at a look after ``since_ns`` (``time.perf_counter_ns``)."""
        if since_ns is not None and self.looked_ns >= since_ns:
            return True
        looked_ns = time.perf_counter_ns()
        if not self.stamp.still_holds(self.path):
            return False
        self.looked_ns = looked_ns
        return True


REPLAY_PATIENCE_NS: Final = 10_000_000
"""How long a look at a single file holds in a replay: a look costs 2 us, and each run of a day of seconds would take
one, while the instants that they are meant for lie seconds apart."""


def _tell_nobody(plugin: LoadedPlugin) -> None:
    """Do nothing."""


class PluginRegistry:
    """The plugins of one plugin directory. Any thread may ask.

    ``loaded`` is told of each plugin that was looked at because its files may have changed; it must be quick.
    """

    def __init__(
        self,
        folder: Path,
        *,
        loaded: Callable[[LoadedPlugin], None] = _tell_nobody,
        fetched: FetchedPlugins | None = None,
    ) -> None:
        self.folder = Path(folder).absolute()
        self._fetched = fetched
        self._fetches = fetched is not None
        self._loaded = loaded
        self._files: dict[str, _File] = {}
        self._packages: dict[str, PluginPackage] = {}
        # Packages whose copy is another one by now.
        self._outdated: set[str] = set()
        self._origins = PluginOrigins()
        self._patience_ns = 0
        # Guards both mappings, and is held while a changed plugin is read, so that two runs do not load
        # one change twice; plugin code never runs under it.
        self._lock = threading.Lock()

    def load(self, filename: str, *, since_ns: int | None = None) -> LoadedPlugin:
        """Return a plugin's code as its files are now, or its last good code when they cannot be read.

        Text that cannot be compiled is loaded too: the run that calls it fails.
        With ``since_ns`` (``time.perf_counter_ns``) a single file need not be looked at again when it was
        looked at after that: ten thousand runs that fall due together cost one look at the disk.

        Raises:
            PluginPathError: there is no such plugin and never was, or it is outside the plugin directory.
            PluginSourceError: its file is not UTF-8.
        """
        filename = filename.rstrip("/")
        known = self._files.get(filename)
        if known is not None and known.still_holds(
            since_ns - self._patience_ns if since_ns is not None else None
        ):
            return known.plugin
        package = self._packages.get(filename)
        if package is not None and filename not in self._outdated and package.still_holds():
            return package
        with self._lock:
            plugin = self._read(filename)
        self._loaded(plugin)
        return plugin

    def check(self, filename: str, kind: TriggerKind) -> LoadedPlugin:
        """Return a plugin's code if it can serve triggers of a kind, as far as that shows without running it.

        Raises:
            PluginPathError: there is no such plugin, or it is outside the plugin directory.
            PluginSourceError: it cannot be compiled, has no entry point, or one that cannot be called.
        """
        self._refreshed(filename, pin=True)
        plugin = self.load(filename)
        plugin.check(kind)
        return plugin

    def note(self, filename: str) -> str:
        """Return what is to be known of a fetched plugin's copy; empty for nothing."""
        return "" if self._fetched is None else self._fetched.note(filename)

    def find_update(self, filename: str) -> PluginUpdate:
        """Return what a git repository has now of a plugin; raises as `FetchedPlugins.find_update`."""
        return self._where(filename).find_update(filename)

    def take_update(self, filename: str, commit: str) -> None:
        """Have the next run take a plugin's code from another commit; raises as `FetchedPlugins.take_update`."""
        fetched = self._where(filename)
        before = fetched.path(filename)
        fetched.take_update(filename, commit)
        self._moved(filename, before, fetched.path(filename))

    def package_filename(self, top_name: str) -> str | None:
        """Return the file name of the directory plugin whose package has a name in ``sys.modules``, or None."""
        for filename, package in tuple(self._packages.items()):
            if package.has_name(top_name):
                return filename
        return None

    def load_private(self, filename: str) -> LoadedPlugin:
        """Return a plugin's code apart from what triggers use, module state included; close it after use.

        Raises:
            PluginPathError, PluginSourceError: as `load`.
        """
        path = self._refreshed(filename)
        if path.is_dir():
            return PluginPackage(filename, path, self._origins, private=True)
        return self.load(filename)

    def register_origin(
        self, filename: str, text: str, *, display_filename: str, first_line: int = 1
    ) -> None:
        """Say where a file's text came from, so that tracebacks name that place: a notebook's cell.

        ``filename`` is relative to the plugin directory; the file may be one of a directory plugin, and the place is
        named from the package's next import on. It holds while the file has exactly this text. ``first_line`` is the
        number that the text's first line has in ``display_filename``. Where ``linecache`` knows no such file, it is
        told the text.
        """
        source = PluginSource(text=text, display_filename=display_filename, first_line=first_line)
        with self._lock:
            self._origins.put(self.folder / filename, source)
            self._files.pop(filename, None)

    def share_origins(self, other: PluginRegistry) -> None:
        """Know from now on what another registry of the same directory knows of where texts came from.

        For replays: single files are looked at every `REPLAY_PATIENCE_NS` at most.
        What is fetched is taken as the other has it, and nothing is fetched by this one.
        """
        self._origins = other._origins
        self._patience_ns = REPLAY_PATIENCE_NS
        self._fetched, self._fetches = other._fetched, False

    def origin(self, filename: str) -> str:
        """Return the place that tracebacks name for a single file as it is now: a cell, or its path.

        Raises: PluginPathError, PluginSourceError: it cannot be read.
        """
        return self._origins.source(self._path(filename)).display_filename

    def in_file(self, filename: str, line: int) -> tuple[str, int]:
        """Return the file and the line there of a place that may be a cell's."""
        return self._origins.in_file(filename, line)

    def by_file(self, failure: RunFailure) -> RunFailure:
        """Return a failure with what it says by the plugin's file, where cells are named."""
        return self._origins.by_file(failure)

    def plugins(self) -> tuple[PluginInfo, ...]:
        """Return the plugins in the directory, by name; hidden and unreadable ones are left out."""
        found = [_info(name, path) for name, path in _walk(self.folder, self.folder)]
        return tuple(info for info in found if info is not None)

    def fetched(self, filename: str) -> PluginInfo | None:
        """Return the copy that is here of a plugin that is fetched; None where there is none. Nothing is fetched."""
        path = self._copy(filename)
        return None if path is None else _info(filename, path)

    def fetched_files(self, filename: str) -> tuple[PluginFile, ...]:
        """Return the Python files of the copy of a plugin that is fetched; none where there is none."""
        path = self._copy(filename)
        try:
            if path is None or path.is_file():
                return () if path is None else (_file(path.name, path),)
            return tuple(_file(str(file.relative_to(path)), file) for file in python_files(path))
        except OSError:
            return ()

    def _copy(self, filename: str) -> Path | None:
        is_known = self._fetched is not None and is_fetched(filename)
        return self._fetched.known(filename) if is_known and self._fetched is not None else None

    def files(self, filename: str) -> tuple[PluginFile, ...]:
        """Return the Python files of a plugin; none when it does not exist.

        Source: influxdb3_processing_engine/src/lib.rs, list_plugin_files.
        """
        try:
            path = self._path(filename)
            if filename.startswith(GH):
                return ()
            if path.is_file():
                return (_file(filename, path),)
            return tuple(_file(str(file.relative_to(path)), file) for file in python_files(path))
        except (PluginError, OSError):
            return ()

    def close(self) -> None:
        """Let go of all code; packages leave ``sys.modules``."""
        with self._lock:
            packages = tuple(self._packages.values())
            self._packages.clear()
            self._files.clear()
        for package in packages:
            package.close()

    def _path(self, filename: str) -> Path:
        """Return where a plugin's file or folder is; of what is fetched, its copy."""
        if self._fetched is not None and is_fetched(filename):
            return self._fetched.path(filename)
        return plugin_path(self.folder, filename)

    def _refreshed(self, filename: str, *, pin: bool = False) -> Path:
        """Return where a plugin is, after fetching it, if it is one that is fetched."""
        filename = filename.rstrip("/")
        if self._fetched is None or not self._fetches or not is_fetched(filename):
            return self._path(filename)
        before = self._fetched.known(filename)
        path = self._fetched.fetch(filename, pin=pin)
        self._moved(filename, before, path)
        return path

    def _moved(self, filename: str, before: Path | None, path: Path) -> None:
        """Have the next look go to another copy, when there is one."""
        if before == path:
            return
        with self._lock:
            self._files.pop(filename, None)
            if filename in self._packages:
                self._outdated.add(filename)

    def _where(self, filename: str) -> FetchedPlugins:
        if self._fetched is None:
            plugin_path(self.folder, filename)
            raise PluginPathError(f"plugin {filename!r} is not fetched from a repository")
        return self._fetched

    def _read(self, filename: str) -> LoadedPlugin:
        """Look at a plugin's files and load what changed. The caller holds the lock."""
        package = self._packages.get(filename)
        if package is not None and filename not in self._outdated and package.still_holds():
            return package
        known = self._files.get(filename)
        try:
            path = self._path(filename)
            if path.is_dir():
                self._packages[filename] = PluginPackage(filename, path, self._origins, replaces=package)
                self._outdated.discard(filename)
                return self._packages[filename]
            return self._read_file(filename, path, known)
        except (PluginError, OSError):
            last_good = package if known is None else known.plugin
            if last_good is None:
                raise
            logger.warning("plugin cannot be read, its last code stays: %s", filename, exc_info=True)
            return last_good

    def _read_file(self, filename: str, path: Path, known: _File | None) -> SingleFilePlugin:
        stamp = FileStamp.of(path)
        text = read_text(path)
        if known is not None and known.plugin.source.text == text:
            known.stamp = stamp
            return known.plugin
        plugin = SingleFilePlugin(filename, self._origins.source(path, text))
        self._files[filename] = _File(plugin, str(path), stamp)
        return plugin


def text_plugin(
    text: str, *, display_filename: str = "<plugin>", first_line: int = 1
) -> SingleFilePlugin:
    """Return the code of a text that is in no file, for a dry run of what is not saved yet."""
    source = PluginSource(text=text, display_filename=display_filename, first_line=first_line)
    show_in_tracebacks(source)
    return SingleFilePlugin(display_filename, source)


def _walk(folder: Path, root: Path) -> Iterator[tuple[str, Path]]:
    """Return file name and path of each plugin below a folder."""
    if not folder.is_dir():
        return
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name == PYCACHE or not is_inside(root, path):
            continue
        name = path.relative_to(root).as_posix()
        if path.is_dir():
            if (path / INIT).is_file():
                yield name, path
            elif not (path / "pyvenv.cfg").exists():
                yield from _walk(path, root)
        elif path.suffix == ".py":
            yield name, path


def _info(name: str, path: Path) -> PluginInfo | None:
    try:
        is_directory = path.is_dir()
        stats = [file.stat() for file in (python_files(path) if is_directory else (path,))]
    except OSError:
        return None
    return PluginInfo(
        filename=name,
        is_directory=is_directory,
        size_bytes=sum(stat.st_size for stat in stats),
        modified_ns=max(stat.st_mtime_ns for stat in stats),
    )


def _file(name: str, path: Path) -> PluginFile:
    stat = path.stat()
    return PluginFile(name=name, path=path, size_bytes=stat.st_size, modified_ns=stat.st_mtime_ns)
