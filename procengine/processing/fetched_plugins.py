"""Which plugins come from elsewhere, and what is here of them?

Each has a copy in the hidden folder ``.fetched`` of the plugin directory, and the copy is what runs. It is fetched
when a trigger is created, enabled, or started with the engine, and for each dry run; a ``gh:`` file anew each time, a
git repository's at the commit that its triggers are pinned to. When the repository is away the copy goes on, which
is noted. A copy is replaced whole.

Source: influxdb3_processing_engine/src/lib.rs, read_plugin_code (when a plugin is fetched).
Differs: triggers of one ``gh:`` address share the newest copy; the original fails when the repository is away.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from procengine.clock import NANOSECONDS_PER_SECOND, Clock
from procengine.errors import InvalidInputError, PluginPathError
from procengine.file_lock import file_locked
from procengine.file_system import LOCAL, make_folder, write_durably
from procengine.model.plugin_address import GitAddress, is_fetched, parse_address
from procengine.processing.git_repository import GitRepository
from procengine.processing.plugin_path import INIT
from procengine.processing.repository_file import OFFICIAL, RepositoryAwayError, fetch_file

logger = logging.getLogger(__name__)

FOLDER: Final = ".fetched"
DISABLED: Final = (
    "plugin installation is disabled; plugins must already exist in the configured plugin directory"
)
LOCK: Final = "lock"
_WAIT_SECONDS: Final = 150.0
"""How long another process that fetches is waited for: two commands of git, and more."""
_ASK_AGAIN_NS: Final = 5 * NANOSECONDS_PER_SECOND
"""How long a repository that was away is not asked where there is a copy: a start has many triggers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginUpdate:
    """What a git repository has now of a plugin, beside the commit that is pinned; texts by file name."""

    filename: str
    pinned: str
    commit: str
    before: Mapping[str, str]
    after: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """Where the commits of git plugins are kept. ``get`` knows those that a trigger uses."""

    get: Callable[[str], str | None]
    put: Callable[[str, str], None]


class FetchedPlugins:
    """The copies below one plugin directory. Any thread."""

    def __init__(
        self,
        plugin_dir: Path,
        clock: Clock,
        pins: Pins,
        *,
        repository: str | None = None,
        plugin_dir_only: bool = False,
    ) -> None:
        """``repository`` is an address or a folder; None is the official one. ``plugin_dir_only`` refuses all."""
        self._folder = plugin_dir / FOLDER
        self._clock = clock
        self._pins = pins
        self._repository = repository or OFFICIAL
        self._refuses = plugin_dir_only
        # Held while something is fetched: two would write the same copy. With it a lock file, since several processes
        # may have the same plugin directory. Runs do not take it.
        self._fetching = threading.Lock()
        # Each a single look at a mapping: which copy is a plugin's, what is to be said of it, when to ask again.
        self._paths: dict[str, Path] = {}
        self._notes: dict[str, str] = {}
        self._away_until_ns = 0

    def path(self, filename: str) -> Path:
        """Return where the copy of a plugin is, as it was fetched last; fetch it where it never was.

        Raises: PluginPathError: as `fetch`.
        """
        found = self._paths.get(filename)
        return found if found is not None and found.exists() else self.fetch(filename)

    def known(self, filename: str) -> Path | None:
        """Return where the copy of a plugin was at the last look; None when it was never looked for."""
        return self._paths.get(filename)

    def note(self, filename: str) -> str:
        """Return what is to be known of the copy that runs; empty for nothing."""
        return self._notes.get(filename, "")

    def fetch(self, filename: str, *, pin: bool = False) -> Path:
        """Bring a plugin's copy up to date; return where it is. ``pin``: its commit is kept, for triggers.

        Raises: PluginPathError: it cannot be fetched and there is no copy, or the address is none.
        """
        if self._refuses:
            raise PluginPathError(DISABLED)
        address = parse_address(filename)
        with self._alone(filename):
            if isinstance(address, GitAddress):
                path = self._fetch_commit(filename, address, pin=pin)
            else:
                path = self._fetch_file(filename, address.path)
            self._paths[filename] = path
            return path

    def find_update(self, filename: str) -> PluginUpdate:
        """Ask a git repository what the revision is now; nothing is changed.

        Raises:
            InvalidInputError: the plugin is of no git repository, or no trigger uses it.
            PluginPathError: the repository cannot be reached.
        """
        if self._refuses:
            raise PluginPathError(DISABLED)
        address = parse_address(filename) if is_fetched(filename) else None
        pinned = self._pins.get(filename)
        if not isinstance(address, GitAddress) or pinned is None:
            raise InvalidInputError(
                f"plugin {filename!r} is not pinned to a commit; only plugins of git repositories that triggers "
                "use are updated"
            )
        with self._alone(filename):
            repository = GitRepository(self._folder, address)
            commit = repository.resolve()
            before, after = repository.texts(pinned), repository.texts(commit)
        return PluginUpdate(
            filename=filename,
            pinned=pinned,
            commit=commit,
            before=_shown(before),
            after=_shown(after),
        )

    def take_update(self, filename: str, commit: str) -> None:
        """Pin a plugin to a commit that `find_update` has told; its triggers are yet to be reloaded.

        Raises: PluginPathError, InvalidInputError: as `find_update`.
        """
        address = parse_address(filename)
        if not isinstance(address, GitAddress) or self._pins.get(filename) is None:
            raise InvalidInputError(f"plugin {filename!r} is not pinned to a commit")
        with self._alone(filename):
            path = self._copied(address, commit)
            self._pins.put(filename, commit)
            self._paths[filename] = path

    @contextmanager
    def _alone(self, filename: str) -> Iterator[None]:
        """Let no other thread or process fetch into the plugin directory meanwhile.

        Where no lock can be written, no other process writes either.
        """
        with self._fetching, ExitStack() as held:
            try:
                make_folder(LOCAL, self._folder)
                held.enter_context(file_locked(self._folder / LOCK, seconds=_WAIT_SECONDS))
            except TimeoutError as error:
                raise PluginPathError(
                    f"error fetching plugin from repository: {filename}: {error.strerror}"
                ) from error
            except OSError:
                logger.debug("fetches without a lock: %s", self._folder, exc_info=True)
            yield

    def _fetch_file(self, filename: str, path: str) -> Path:
        key = hashlib.sha256(f"{self._repository}\n{path}".encode()).hexdigest()[:12]
        copy = self._folder / f"gh-{key}" / (Path(path).name or "plugin.py")
        if copy.is_file() and self._clock.now_ns() < self._away_until_ns:
            return copy
        try:
            data = fetch_file(self._repository, path)
        except RepositoryAwayError as error:
            if not copy.is_file():
                raise
            self._away_until_ns = self._clock.now_ns() + _ASK_AGAIN_NS
            when = datetime.fromtimestamp(copy.stat().st_mtime, UTC)
            self._notes[filename] = f"runs the plugin's copy of {when:%Y-%m-%d %H:%M:%S} UTC: {error}"
            return copy
        self._notes.pop(filename, None)
        if not copy.is_file() or copy.read_bytes() != data:
            make_folder(LOCAL, copy.parent)
            write_durably(LOCAL, copy, data)
        else:
            copy.touch()
        return copy

    def _fetch_commit(self, filename: str, address: GitAddress, *, pin: bool) -> Path:
        commit = self._pins.get(filename)
        if commit is None:
            commit = GitRepository(self._folder, address).resolve()
        path = self._copied(address, commit)
        if pin:
            self._pins.put(filename, commit)
        return path

    def _copied(self, address: GitAddress, commit: str) -> Path:
        """Return the copy of a commit's plugin, made where it is missing."""
        key = hashlib.sha256(f"{address.url}\n{address.path}".encode()).hexdigest()[:12]
        copy = self._folder / f"git-{key}-{commit[:12]}"
        if not copy.is_dir():
            texts = GitRepository(self._folder, address).texts(commit)
            with tempfile.TemporaryDirectory(dir=self._folder, prefix=".new-") as fresh:
                whole = Path(fresh) / "copy"
                for name, data in texts.items():
                    make_folder(LOCAL, (whole / name).parent)
                    write_durably(LOCAL, whole / name, data)
                _check(whole / address.path, address)
                shutil.rmtree(copy, ignore_errors=True)
                whole.rename(copy)
            LOCAL.sync_folder(self._folder)
        return copy / address.path


def _check(path: Path, address: GitAddress) -> None:
    if path.is_dir() and not (path / INIT).is_file():
        raise PluginPathError(
            f"reading plugin file: Multi-file plugin directory must contain {INIT}: {address.path}"
        )


def _shown(texts: Mapping[str, bytes]) -> dict[str, str]:
    return {name: data.decode("utf-8", "replace") for name, data in texts.items()}
