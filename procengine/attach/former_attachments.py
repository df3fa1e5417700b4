"""Which databases were attached when the last engine of a data folder ended?

Their names and servers are kept in the folder, their tokens are not: so it can be said that a name means the local
database again, and how the server is attached anew.
"""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from procengine.file_system import LOCAL, make_folder, write_durably

logger = logging.getLogger(__name__)

FILE: Final = "attached.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class FormerAttachment:
    """A database that was attached: its name here, its server, and its name there."""

    name: str
    url: str
    database: str


class FormerAttachments:
    """The record in one folder, or, without one, in memory. Any thread.

    What cannot be read or written is logged, and nothing fails by it: it is for people.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / FILE
        # Guards the mapping and the file.
        self._lock = threading.Lock()
        self._by_name = _read(self._path)

    def all(self) -> tuple[FormerAttachment, ...]:
        """Return what was attached and not let go."""
        with self._lock:
            return tuple(self._by_name.values())

    def put(self, one: FormerAttachment) -> None:
        """Record that a database is attached."""
        with self._lock:
            if self._by_name.get(one.name) != one:
                self._by_name[one.name] = one
                self._write()

    def remove(self, name: str) -> None:
        """Record that a database was let go."""
        with self._lock:
            if self._by_name.pop(name, None) is not None:
                self._write()

    def _write(self) -> None:
        if self._path is None:
            return
        said = {one.name: {"url": one.url, "database": one.database} for one in self._by_name.values()}
        try:
            make_folder(LOCAL, self._path.parent)
            write_durably(LOCAL, self._path, json.dumps(said, indent=1).encode())
        except OSError:
            logger.warning("what is attached cannot be recorded: %s", self._path, exc_info=True)


def _read(path: Path | None) -> dict[str, FormerAttachment]:
    if path is None or not path.exists():
        return {}
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        return {
            name: FormerAttachment(name=name, url=str(one["url"]), database=str(one["database"]))
            for name, one in said.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        logger.warning("what was attached cannot be read: %s", path, exc_info=True)
        return {}
