"""How is a whole folder replaced, so that the old one or the new one is there, and never half of each?

Beside ``NAME`` stand, while it is done, ``.NAME.new`` and ``.NAME.old``; what a crash leaves of them is mended by
`mend_folder`. Who replaces or mends holds the lock `WRITING` of the folder above that other processes write to, too.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from procengine.file_system import LOCAL, make_folder

WRITING: Final = ".lock"
"""The lock file of a plugin directory: several processes may have the same one."""
WRITING_SECONDS: Final = 60.0
"""How long another process that writes there is waited for."""


@contextmanager
def folder_replaced(folder: Path) -> Iterator[Path]:
    """Give a fresh folder to fill; when the block ends without an error, it takes the place of the other.

    After an error everything is as it was.

    Raises: OSError.
    """
    fresh, former = folder.with_name(f".{folder.name}.new"), _former(folder)
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        make_folder(LOCAL, fresh)
        yield fresh
        if folder.exists():
            shutil.rmtree(former, ignore_errors=True)
            folder.rename(former)
        try:
            fresh.rename(folder)
        except BaseException:
            if former.exists():
                former.rename(folder)
            raise
        LOCAL.sync_folder(folder.parent)
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    shutil.rmtree(former, ignore_errors=True)


def mend_folder(folder: Path) -> None:
    """Give a folder its name back where a crash has left it without.

    Raises: OSError.
    """
    former = _former(folder)
    if not former.is_dir():
        return
    if folder.exists():
        shutil.rmtree(former)
    else:
        former.rename(folder)


def needs_mending(folder: Path) -> bool:
    """Tell whether a crash has left something, or another process replaces the folder at this moment."""
    return _former(folder).is_dir()


def _former(folder: Path) -> Path:
    return folder.with_name(f".{folder.name}.old")
