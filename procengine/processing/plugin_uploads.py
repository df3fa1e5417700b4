"""How do plugins come into the plugin directory, other than by an editor?

A file is replaced whole, a folder as one: a run finds all of the old or all of the new, and takes the new from the
next look on. What a crash left between the two renames of a folder is put back at the next start.

Source: influxdb3_processing_engine/src/lib.rs, create_plugin_file, update_plugin_file, replace_plugin_directory.
Differs: a folder without ``__init__.py`` is refused, as is a folder in place of a single file.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from procengine.catalog import Catalog
from procengine.errors import PluginError, PluginPathError
from procengine.file_lock import file_locked
from procengine.file_system import LOCAL, make_folder, write_durably
from procengine.model.trigger import Trigger
from procengine.processing.plugin_package import PYCACHE
from procengine.processing.plugin_path import INIT, target_path
from procengine.replaced_folder import (
    WRITING,
    WRITING_SECONDS,
    folder_replaced,
    mend_folder,
    needs_mending,
)

logger = logging.getLogger(__name__)


class PluginUploads:
    """Writes into one plugin directory. Any thread."""

    def __init__(self, folder: Path, catalog: Catalog) -> None:
        self._folder = folder
        self._catalog = catalog
        # Held while files are written and put in place: two uploads of one name would share a file under way. With
        # it the directory's lock file, for other processes.
        self._writing = threading.Lock()

    def write(self, filename: str, text: str) -> None:
        """Make a file of the plugin directory hold a text; folders above it are made.

        Raises: PluginPathError: the name leads out of the plugin directory, or the file cannot be written.
        """
        path = target_path(self._folder, filename)
        with _told_as_plugin_error(), self._alone():
            self._write(path, text)

    def update(self, trigger_name: str, text: str) -> str:
        """Give the plugin of a trigger another text, a folder's ``__init__.py``; return the trigger's database.

        The first trigger of the name is taken, whatever its database.

        Raises:
            PluginError: there is no such trigger.
            PluginPathError: as `write`.
        """
        trigger = self._trigger(trigger_name)
        path = target_path(self._folder, trigger.plugin_filename)
        with _told_as_plugin_error(), self._alone():
            self._write(path / INIT if path.is_dir() else path, text)
        return trigger.database

    def replace(self, trigger_name: str, files: Mapping[str, str]) -> str:
        """Make a trigger's folder hold these files alone, texts by relative path; return the trigger's database.

        Raises:
            PluginError: there is no such trigger.
            PluginPathError: its plugin is a single file, ``__init__.py`` is not among the files, a path leads out
                of the folder, or the files cannot be written; the folder is as it was then.
        """
        trigger = self._trigger(trigger_name)
        folder = target_path(self._folder, trigger.plugin_filename)
        with _told_as_plugin_error(), self._alone():
            if folder.is_file():
                raise PluginPathError(
                    f"plugin {trigger.plugin_filename!r} is a single file, not a folder; replace its text"
                )
            if INIT not in {Path(name).as_posix() for name in files}:
                raise PluginPathError(
                    f"reading plugin file: Multi-file plugin directory must contain {INIT}: {folder}"
                )
            self._replace(folder, files)
        return trigger.database

    def put_back(self, filename: str, texts: Mapping[str, str]) -> None:
        """Make a plugin hold the texts that it had, by file name: `procengine.processing.plugin_versions`.

        What else is in a folder stays.

        Raises: PluginPathError: as `write`; a folder is as it was then.
        """
        path = target_path(self._folder, filename)
        with _told_as_plugin_error(), self._alone():
            if [*texts] == [filename]:
                self._write(path, texts[filename])
            else:
                self._replace(path, texts, keep=_other_files(path))

    def mend(self) -> None:
        """Put back the folders that a crash left without their name. Before plugins are loaded."""
        for folder in self._folders():
            if needs_mending(folder):
                try:
                    with self._alone():
                        mend_folder(folder)
                except OSError:
                    logger.warning("cannot be put back: %s", folder, exc_info=True)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other thread or process write into the plugin directory meanwhile; raises OSError."""
        with self._writing, file_locked(self._folder / WRITING, seconds=WRITING_SECONDS):
            yield

    def _trigger(self, name: str) -> Trigger:
        for database in self._catalog.databases:
            if name in database.triggers:
                return database.triggers[name]
        raise PluginError(f"Plugin not found: {name}")

    def _folders(self) -> Iterable[Path]:
        """Return where the triggers' plugins are, and the folders that those of registries are in."""
        names = {
            one.plugin_filename for each in self._catalog.databases for one in each.triggers.values()
        }
        homes = {Path(name).parts[0] for name in names if name}
        for name in names | homes:
            try:
                yield target_path(self._folder, name)
            except PluginPathError:
                continue

    def _write(self, path: Path, text: str) -> None:
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory")
        make_folder(LOCAL, path.parent)
        write_durably(LOCAL, path, text.encode())

    def _replace(self, folder: Path, files: Mapping[str, str], *, keep: Iterable[Path] = ()) -> None:
        """Make a folder hold some texts, and copies of the files of its own that are to be kept."""
        with folder_replaced(folder) as fresh:
            for file in keep:
                target = fresh / file.relative_to(folder)
                make_folder(LOCAL, target.parent)
                shutil.copy2(file, target)
            for name, text in files.items():
                self._write(target_path(fresh, name), text)


def _other_files(folder: Path) -> list[Path]:
    """Return the files of a plugin's folder that are no texts of it: data, a manifest."""
    if not folder.is_dir():
        return []
    found = [one for one in folder.rglob("*") if one.suffix != ".py" and PYCACHE not in one.parts]
    return [one for one in found if one.is_file() and not one.is_symlink()]


@contextmanager
def _told_as_plugin_error() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise PluginPathError(
            f"reading plugin file: {error.strerror} (os error {error.errno})"
        ) from error
