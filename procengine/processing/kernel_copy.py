"""How do the kernel's own packages come back when an installation among them fails half-way?

Their folders are too large, and too much in use, to be copied and swapped. So the files of the packages that are to
be replaced are kept, by hard links, and the names of all files that are there; what has come is removed then, and
what is missing, or another file, put back. Installers replace files, they do not change them.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Collection, Sequence
from importlib.metadata import distributions
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

_KEPT: Final = "kept"


class KernelCopy:
    """What brings some folders back. One thread.

    ``replaced`` are the keys of the packages that will be. ``scratch`` is a folder for what is kept.
    """

    def __init__(self, folders: Sequence[Path], replaced: Collection[str], scratch: Path) -> None:
        self._folders = tuple(dict.fromkeys(folders))
        self._replaced = replaced
        self._scratch = scratch / _KEPT
        self._before: set[str] = set()
        self._kept: list[tuple[Path, Path]] = []

    def make(self) -> None:
        """Keep what may be replaced; raises OSError."""
        self._before = self._names()
        self._scratch.mkdir()
        for one in distributions(path=[str(folder) for folder in self._folders]):
            if canonicalize_name(one.metadata["Name"] or "") in self._replaced:
                for file in one.files or ():
                    self._keep(Path(os.path.normpath(str(one.locate_file(file)))))

    def put_back(self) -> None:
        """Undo what an installer did; raises OSError."""
        for name in sorted(
            self._names() - self._before, reverse=True
        ):  # what is in a folder before the folder
            path = Path(name)
            with contextlib.suppress(FileNotFoundError):
                if path.is_dir() and not path.is_symlink():
                    path.rmdir()
                else:
                    path.unlink()
        for kept, path in self._kept:
            if not _is_same(path, kept):
                path.parent.mkdir(parents=True, exist_ok=True)
                beside = path.with_name(f".{path.name}.restored")
                _link(kept, beside)
                beside.replace(path)

    def _keep(self, path: Path) -> None:
        if path.is_file() and not path.is_symlink():
            kept = self._scratch / str(len(self._kept))
            _link(path, kept)
            self._kept.append((kept, path))

    def _names(self) -> set[str]:
        found: set[str] = set()
        for folder in self._folders:
            for place, folders, files in os.walk(folder):
                found.update(os.path.join(place, name) for name in (*folders, *files))  # noqa: PTH118 - many
        return found


def _is_same(path: Path, kept: Path) -> bool:
    if not path.exists():
        return False
    one, other = path.stat(), kept.stat()
    return path.samefile(kept) or (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk, or a file system without hard links
        shutil.copy2(source, target)
