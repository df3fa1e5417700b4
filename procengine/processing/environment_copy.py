"""How does an environment come back when an installation fails half-way?

Before the installer may change anything, the folders it writes to are copied by hard links: it replaces files, it
does not change them. When it fails the copy takes their place; when the process ends before that, the next start
puts it there. A copy counts once it has its name, so a crash while it is made costs nothing. Who touches it holds the
environment's lock.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

COPY: Final = ".before-installation"


class EnvironmentCopy:
    """The copy of some folders of one environment. ``folders`` are relative to it."""

    def __init__(self, environment: Path, folders: Sequence[Path]) -> None:
        self._environment = environment
        self._folders = folders
        self._copy = environment / COPY
        self._unnamed = environment / f"{COPY}.new"
        self._gone = environment / f"{COPY}.gone"

    @property
    def is_there(self) -> bool:
        """Whether an installation has begun that neither succeeded nor was undone."""
        return self._copy.is_dir()

    def make(self) -> None:
        """Copy the folders; raises OSError."""
        shutil.rmtree(self._unnamed, ignore_errors=True)
        for folder in self._folders:
            if (self._environment / folder).is_dir():
                shutil.copytree(
                    self._environment / folder,
                    self._unnamed / folder,
                    symlinks=True,
                    copy_function=_link,
                )
        self._unnamed.mkdir(exist_ok=True)
        self._unnamed.rename(self._copy)

    def forget(self) -> None:
        """Keep what the installer did."""
        shutil.rmtree(self._gone, ignore_errors=True)
        if self.is_there:
            self._copy.rename(self._gone)
        shutil.rmtree(self._gone, ignore_errors=True)

    def put_back(self) -> None:
        """Undo what the installer did; may be repeated where it was cut short. Raises OSError."""
        if not self.is_there:
            return
        for number, folder in enumerate(self._folders):
            if (self._copy / folder).is_dir():
                changed = self._gone / str(number)
                shutil.rmtree(changed, ignore_errors=True)
                self._gone.mkdir(exist_ok=True)
                if (self._environment / folder).is_dir():
                    (self._environment / folder).rename(changed)
                (self._copy / folder).rename(self._environment / folder)
        self.forget()


def _link(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links
        shutil.copy2(source, target)
    return target
