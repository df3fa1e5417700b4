"""The data folder: one engine at a time, one known format."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from procengine.data_folder import FORMAT_FILE, DataFolder
from procengine.errors import DataFolderLockedError, DataFormatError, StorageError


def test_data_folder_second_engine_is_refused_with_the_first_ones_process(tmp_path: Path) -> None:
    """A folder in use is refused, and the error names the process that uses it."""
    first = DataFolder(tmp_path)
    first.open()
    with pytest.raises(DataFolderLockedError) as caught:
        DataFolder(tmp_path).open()
    first.close()
    assert caught.value.pid == os.getpid()
    assert str(os.getpid()) in str(caught.value)


def test_data_folder_lock_of_another_process(tmp_path: Path) -> None:
    """The lock holds across processes and goes with its process, however that ends."""
    script = (
        "import sys; from pathlib import Path; from procengine.data_folder import DataFolder\n"
        "folder = DataFolder(Path(sys.argv[1])); folder.open(); print('locked', flush=True); sys.stdin.read()"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"locked\n"
    with pytest.raises(DataFolderLockedError) as caught:
        DataFolder(tmp_path).open()
    assert caught.value.pid == child.pid
    child.kill()
    child.communicate()
    folder = DataFolder(tmp_path)
    folder.open()
    folder.close()


def test_data_folder_of_another_version_is_refused(tmp_path: Path) -> None:
    """A folder of an unknown version is refused, unchanged, with both versions named."""
    (tmp_path / FORMAT_FILE).write_text(json.dumps({"format": "procengine-data", "version": 99}))
    with pytest.raises(
        DataFormatError, match=r"version 99; this version of procengine reads .* version 1"
    ):
        DataFolder(tmp_path).open()
    assert json.loads((tmp_path / FORMAT_FILE).read_text())["version"] == 99


@pytest.mark.parametrize("text", ["", "[]", "{}", "not json"])
def test_data_folder_with_a_damaged_format_file_is_refused(tmp_path: Path, text: str) -> None:
    """A format file that says nothing is an error, not an empty folder."""
    (tmp_path / FORMAT_FILE).write_text(text)
    with pytest.raises(DataFormatError, match="does not name a data format"):
        DataFolder(tmp_path).open()


def test_data_folder_with_data_but_no_format_is_refused(tmp_path: Path) -> None:
    """Data without its format file is not taken for a new folder."""
    (tmp_path / "wal").mkdir()
    with pytest.raises(DataFormatError, match="holds data but no"):
        DataFolder(tmp_path).open()


def test_data_folder_that_cannot_be_made(tmp_path: Path) -> None:
    """A path under a file is a storage error that says what to do."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="give a folder that can be written to"):
        DataFolder(tmp_path / "file" / "data").open()


def test_data_folder_can_be_opened_again(tmp_path: Path) -> None:
    """A closed folder opens again, after a refusal as well."""
    folder = DataFolder(tmp_path)
    folder.open()
    folder.close()
    folder.close()
    again = DataFolder(tmp_path)
    again.open()
    again.close()
