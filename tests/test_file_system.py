"""Folders that are made, also by two processes at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from procengine.file_system import LocalFileSystem, make_folder, make_folder_durably


class SharedFolder(LocalFileSystem):
    """A file system on which another process makes the same folders, a moment earlier."""

    def make_folder(self, folder: Path) -> None:
        """Make a folder that somebody has just made, unless the one above is missing."""
        if folder.parent.is_dir() and not folder.exists():
            folder.mkdir()
        super().make_folder(folder)


@pytest.mark.parametrize("make", [make_folder, make_folder_durably])
def test_folders_that_another_process_makes_are_there(
    tmp_path: Path, make: Callable[[LocalFileSystem, Path], None]
) -> None:
    """Who comes second finds the folder, and those above it, as if it had made them."""
    make(SharedFolder(), tmp_path / "plugins" / ".fetched" / "one")
    assert (tmp_path / "plugins" / ".fetched" / "one").is_dir()


@pytest.mark.parametrize("make", [make_folder, make_folder_durably])
def test_a_file_of_a_folders_name_is_an_error(
    tmp_path: Path, make: Callable[[LocalFileSystem, Path], None]
) -> None:
    """What has the name and is no folder is not passed over."""
    (tmp_path / "plugins").write_text("")
    with pytest.raises(NotADirectoryError):
        make(LocalFileSystem(), tmp_path / "plugins")
