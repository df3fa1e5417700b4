"""Where do imports find the packages of plugins?"""

from __future__ import annotations

import site
import sys
import threading
from typing import Final


class SearchPath:
    """What is at the end of ``sys.path`` for engines, each folder as long as one of them uses it."""

    # ``sys.path`` is one for all engines, and so is the lock on changing it.
    _lock = threading.Lock()
    _uses: Final[dict[str, int]] = {}
    _added: Final[dict[str, list[str]]] = {}

    @classmethod
    def without_added(cls) -> list[str]:
        """Return ``sys.path`` without what is there for engines: where the kernel's own packages are."""
        with cls._lock:
            added = {entry for entries in cls._added.values() for entry in entries}
            return [entry for entry in sys.path if entry not in added]

    @classmethod
    def add(cls, folder: str) -> None:
        """Append a folder, and what its ``.pth`` files name; what is there already stays where it is."""
        with cls._lock:
            uses = cls._uses.get(folder, 0)
            if not uses:
                before = set(sys.path)
                if folder not in before:  # the kernel's own needs no second look at its ``.pth`` files
                    site.addsitedir(folder)
                cls._added[folder] = [entry for entry in sys.path if entry not in before]
            cls._uses[folder] = uses + 1

    @classmethod
    def look_again(cls, folder: str) -> None:
        """Take in what new ``.pth`` files of a folder name."""
        with cls._lock:
            if folder in cls._uses and folder in cls._added[folder]:
                before = set(sys.path)
                site.addsitedir(folder)
                cls._added[folder] += [entry for entry in sys.path if entry not in before]

    @classmethod
    def remove(cls, folder: str) -> None:
        """Take back one `add`."""
        with cls._lock:
            cls._uses[folder] -= 1
            if not cls._uses[folder]:
                del cls._uses[folder]
                added = cls._added.pop(folder)
                sys.path[:] = [entry for entry in sys.path if entry not in added]
