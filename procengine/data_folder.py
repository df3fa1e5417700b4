"""Who uses a data folder, and in which format is it?

One engine at a time: an advisory lock on ``lock`` is held while the engine lives and vanishes with its process,
however that ends. ``format.json`` says by which layout the folder was written; an unknown one is refused. It is
durable before anything else is in the folder, so that no crash leaves data without it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from procengine.errors import DataFolderLockedError, DataFormatError, StorageError
from procengine.file_lock import pid_in, try_lock, write_holder
from procengine.file_system import LOCAL, FileSystem, error_text, make_folder_durably, write_durably
from procengine.recovery import FOLDER_NAME

FORMAT_NAME = "procengine-data"
FORMAT_VERSION = 1
LOCK_FILE = "lock"
FORMAT_FILE = "format.json"
_FORMAT = json.dumps({"format": FORMAT_NAME, "version": FORMAT_VERSION})
_MEND_FORMAT = f"restore it from a copy, or, if this version of procengine wrote the folder, write {_FORMAT} into it"


class DataFolder:
    """A data folder that this process has locked, from `open` to `close`."""

    def __init__(self, path: Path, *, file_system: FileSystem = LOCAL) -> None:
        self.path = path
        self._files = file_system
        self._lock_file: IO[str] | None = None

    @property
    def catalog(self) -> Path:
        """The catalog's folder."""
        return self.path / "catalog"

    @property
    def wal(self) -> Path:
        """The write-ahead log's folder."""
        return self.path / "wal"

    @property
    def tables(self) -> Path:
        """The folder of the Parquet files."""
        return self.path / "tables"

    @property
    def state(self) -> Path:
        """The folder of what plugins and runs leave behind."""
        return self.path / "state"

    @property
    def damaged(self) -> Path:
        """The folder of what a start cut off."""
        return self.path / FOLDER_NAME

    def open(self) -> None:
        """Make the folder if need be, lock it, and check its format.

        Raises:
            DataFolderLockedError: another engine uses it; the text names its process.
            DataFormatError: it was written by a version with another layout, or is not a data folder.
            StorageError: it cannot be made or written to.
        """
        try:
            make_folder_durably(self._files, self.path, found_too=True)
            self._lock_file = self._locked()
            self._check_format()
            self._make_folders()
        except OSError as error:
            self.close()
            raise StorageError(
                f"cannot use data folder {str(self.path)!r}: {error_text(error, self.path)}; "
                "give a folder that can be written to, or use object_store 'memory'"
            ) from error
        except StorageError:
            self.close()
            raise

    def close(self) -> None:
        """Let the folder go; closing twice is allowed."""
        lock_file, self._lock_file = self._lock_file, None
        if lock_file is not None:
            lock_file.close()

    def _locked(self) -> IO[str]:
        lock_file = (self.path / LOCK_FILE).open("a+", encoding="utf-8")
        if not try_lock(lock_file):
            holder = pid_in(lock_file)
            lock_file.close()
            raise self._locked_error(holder)
        write_holder(lock_file)
        return lock_file

    def _locked_error(self, pid: int | None) -> DataFolderLockedError:
        who = "another process" if pid is None else f"process {pid}"
        if pid == os.getpid():
            who = f"this process ({pid})"
        return DataFolderLockedError(
            f"data folder {str(self.path)!r} is in use by an engine in {who}; "
            "stop that engine, or give another data_dir",
            pid=pid,
        )

    def _check_format(self) -> None:
        path = self.path / FORMAT_FILE
        names = self._files.names(self.path)
        if FORMAT_FILE not in names:
            self._refuse_strange_content(names)
            write_durably(self._files, path, _FORMAT.encode())
            return
        self._files.sync_folder(self.path)  # what is found may be left of a process that was killed
        try:
            found = json.loads(self._files.read(path))
            name, version = found["format"], found["version"]
        except (ValueError, KeyError, TypeError) as error:
            raise DataFormatError(
                f"{str(path)!r} does not name a data format: {error}; {_MEND_FORMAT}"
            ) from error
        if (name, version) != (FORMAT_NAME, FORMAT_VERSION):
            raise DataFormatError(
                f"data folder {str(self.path)!r} has format {name!r} version {version!r}; this version of "
                f"procengine reads {FORMAT_NAME!r} version {FORMAT_VERSION}; give another data_dir, or use the "
                "procengine that wrote it"
            )

    def _make_folders(self) -> None:
        """Make the parts' folders that are missing, durable all at once."""
        names = self._files.names(self.path)
        missing = [
            one for one in (self.catalog, self.wal, self.tables, self.state) if one.name not in names
        ]
        for folder in missing:
            self._files.make_folder(folder)
        if missing:
            self._files.sync_folder(self.path)

    def _refuse_strange_content(self, names: Sequence[str]) -> None:
        if "wal" in names or "catalog" in names:
            raise DataFormatError(
                f"data folder {str(self.path)!r} holds data but no {FORMAT_FILE}; it was not written by procengine, "
                f"or the file was lost; {_MEND_FORMAT}"
            )
