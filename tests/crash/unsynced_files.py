"""The machine's files, without waiting for its disk: for engines whose folder is thrown away."""

from __future__ import annotations

from pathlib import Path

from procengine.file_system import LOCAL, AppendFile, LocalFileSystem


class UnsyncedFiles(LocalFileSystem):
    """Syncs nothing."""

    def create(self, path: Path) -> AppendFile:
        return _UnsyncedFile(LOCAL.create(path))

    def reopen(self, path: Path) -> AppendFile:
        return _UnsyncedFile(LOCAL.reopen(path))

    def sync_folder(self, folder: Path) -> None:
        pass


class _UnsyncedFile:
    def __init__(self, file: AppendFile) -> None:
        self.write, self.truncate, self.close = file.write, file.truncate, file.close

    def sync(self) -> None:
        pass
