"""What did a start find damaged, and where are the bytes that it cut off?

A crash may leave the end of a log half-written. Such a tail was never acknowledged, so the start cuts it off and
goes on. But whether a crash or a bad disk did it no program can tell, so the bytes are kept aside, within bounds,
and the cut is reported: in the log, and by ``engine.recovery``.

Files that somebody removed leave no tail. Where what is left tells of them, that is reported, too.
"""

from __future__ import annotations

import contextlib
import logging
import re
from dataclasses import dataclass
from pathlib import Path

from procengine.file_system import FileSystem, make_folder_durably, write_durably

logger = logging.getLogger(__name__)

FOLDER_NAME = "damaged"

KEPT_BYTES = 16 * 1024 * 1024
"""How much of one tail is kept at most: its beginning."""

KEPT_FILES = 16
"""How many tails are kept at most; the oldest goes first."""

_NUMBERED = re.compile(r"(\d{6})-(.+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """A tail of ``cut_bytes`` that was cut off the file ``path`` at ``offset``, and the file that keeps it."""

    path: str
    offset: int
    cut_bytes: int
    kept: str

    def __str__(self) -> str:
        return (
            f"cut {self.cut_bytes} bytes of an unfinished or damaged record off {self.path!r} at offset "
            f"{self.offset}; they are kept in {self.kept!r}"
        )


class Recovery:
    """What one start mended. The starting thread adds; any thread may read."""

    def __init__(self, folder: Path, *, file_system: FileSystem) -> None:
        self._folder = folder
        self._files = file_system
        self.cuts: tuple[Cut, ...] = ()
        self.losses: tuple[str, ...] = ()
        """What must have been there and is not, in sentences."""

    def miss(self, text: str) -> None:
        """Report something that was acknowledged and is gone."""
        self.losses = (*self.losses, text)
        logger.warning("%s", text)

    def keep(self, path: Path, offset: int, tail: bytes) -> None:
        """Keep a tail aside, durably, before it is cut off a file, and report that.

        Raises:
            OSError: it could not be kept, and must not be cut off.
        """
        make_folder_durably(self._files, self._folder)
        kept = self._folder / self._make_room(f"{path.parent.name}-{path.name}.at-{offset}")
        write_durably(self._files, kept, tail[:KEPT_BYTES])
        cut = Cut(path=str(path), offset=offset, cut_bytes=len(tail), kept=str(kept))
        self.cuts = (*self.cuts, cut)
        logger.warning("%s", cut)

    def _make_room(self, what: str) -> str:
        """Return a file name above all others, or the one that a start had for the same before it was cut short."""
        found = sorted(
            (int(match[1]), match[2], name)
            for name in self._files.names(self._folder)
            if (match := _NUMBERED.fullmatch(name))
        )
        if found and found[-1][1] == what:
            return found[-1][2]
        for _, _, name in found[: max(0, len(found) - KEPT_FILES + 1)]:
            with contextlib.suppress(FileNotFoundError):
                self._files.remove(self._folder / name)
        number = found[-1][0] + 1 if found else 1
        return f"{number:06}-{what}"
