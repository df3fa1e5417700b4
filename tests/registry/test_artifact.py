"""A packaged plugin is the same bytes wherever it is packaged, and those of the original's tool."""

from __future__ import annotations

import io
import os
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from procengine.errors import InvalidInputError
from procengine.registry.artifact import hash_of, packaged
from procengine.registry.plugin_folder import read_plugin_folder
from tests.registry.some_plugins import make_plugin


def artifact_of(folder: Path) -> bytes:
    """Return the artifact of a folder."""
    return packaged(read_plugin_folder(folder))


def larger_plugin(folder: Path) -> Path:
    """Write a plugin with data that packs well and badly, an executable, and long and foreign names."""
    numbers = random.Random(7)
    long_name = f"{'d' * 60}/{'e' * 60}/{'f' * 90}"
    words = [numbers.choice(["alpha", "beta", "gamma", "delta", "x" * 30]) for _ in range(10_000)]
    make_plugin(
        folder, files={long_name: "x", "é" * 40: "y", "run.sh": "#!/bin/sh\n", "words": " ".join(words)}
    )
    (folder / "noise").write_bytes(numbers.randbytes(50_000))
    (folder / "run.sh").chmod(0o700)
    return folder


# Printed by influxdb3-plugin 0.7.0, `package`, of the same folders.
HASH = "sha256:71063f5f6ac6d373e8af2a92ab34327aada5942317c5bc7cde036ecdeebd3f09"
LARGER_HASH = "sha256:24627cdacbebfd7a8a613e62e860f6a09514cfb9cc2984711cd6bb086b09bcdf"


def test_the_hash_is_that_of_the_original(tmp_path: Path) -> None:
    """The hash of an artifact is what the original's tool gives the same folder."""
    assert hash_of(artifact_of(make_plugin(tmp_path / "p"))) == HASH
    assert hash_of(artifact_of(larger_plugin(tmp_path / "q"))) == LARGER_HASH


def _times(folder: Path) -> None:
    for one in folder.rglob("*"):
        os.utime(one, ns=(10**18, 10**18))


def _modes(folder: Path) -> None:
    for one in folder.rglob("*"):
        one.chmod(0o777 if one.is_dir() or one.name == "run.sh" else 0o600)


def _excluded(folder: Path) -> None:
    (folder / "tests").mkdir()
    (folder / "tests" / "more").write_text("x")


@pytest.mark.parametrize("change", [_times, _modes, _excluded])
def test_the_bytes_do_not_depend_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Callable[[Path], None]
) -> None:
    """Times, modes but for being executable, excluded files, the path and the environment change no byte."""
    first = artifact_of(larger_plugin(tmp_path / "a"))
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1000000000")
    umask = os.umask(0o077)
    try:
        folder = larger_plugin(tmp_path / "elsewhere" / "b")
    finally:
        os.umask(umask)
    change(folder)
    assert artifact_of(folder) == first


def test_the_bytes_do_not_depend_on_the_order_of_the_files(tmp_path: Path) -> None:
    """Files that were written in another order are packaged in the same."""
    names = [f"f{number}" for number in range(20)]
    forward = make_plugin(tmp_path / "a", files=dict.fromkeys(names, "x"))
    backward = make_plugin(tmp_path / "b", files=dict.fromkeys(reversed(names), "x"))
    assert artifact_of(forward) == artifact_of(backward)


def test_a_changed_file_changes_the_hash(tmp_path: Path) -> None:
    """Content and being executable count."""
    folder = make_plugin(tmp_path / "p")
    first = artifact_of(folder)
    (folder / "hot.py").chmod(0o755)
    second = artifact_of(folder)
    (folder / "hot.py").write_text("def process_writes(a, b, c): pass")
    assert len({first, second, artifact_of(folder)}) == 3


def test_the_archive_says_nothing_of_the_machine(tmp_path: Path) -> None:
    """All is below name and version, in the order of names, without owner, time or folder."""
    data = artifact_of(larger_plugin(tmp_path / "p"))
    assert data[:10] == bytes.fromhex("1f8b08000000000000ff")
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        members = archive.getmembers()
    assert all(one.name.startswith("hot-rooms-1.2.0/") and one.isreg() for one in members)
    assert [one.name for one in members] == sorted(one.name for one in members)
    assert {(one.mtime, one.uid, one.gid, one.uname, one.gname) for one in members} == {
        (0, 0, 0, "", "")
    }
    assert {one.name.split("/")[1]: one.mode for one in members}["run.sh"] == 0o755


@pytest.mark.parametrize("name", ["f" * 101, "/".join(["d" * 50] * 5), f"{'d' * 100}/{'e' * 100}/f"])
def test_paths_that_no_archive_holds(tmp_path: Path, name: str) -> None:
    """A path that is too long for an archive is named."""
    folder = make_plugin(tmp_path / "p", files={name: "x"})
    with pytest.raises(InvalidInputError, match="an archive holds paths of 255 bytes"):
        artifact_of(folder)
