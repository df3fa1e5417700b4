"""What is known of a server that the server itself does not tell?

InfluxDB 3 has no request that reads a plugin's text, and its system tables say neither how a trigger overlaps nor on
which nodes it runs. What was deployed is therefore kept here, by server: a file whose size and time are still those
that the server told after the deployment still has the text that was sent.

Arguments are not kept: the server tells them, and they may be secret.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from procengine.errors import StorageError
from procengine.file_system import LOCAL, make_folder, write_durably

FOLDER = "deployments"
_FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class SentFile:
    """A text that was sent, with the size and the time that the server then told of the file.

    ``modified_ms`` is None where it tells nothing: of what is no Python in a folder.
    """

    text: str
    size_bytes: int
    modified_ms: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """What a server does not tell of a trigger or a cache; the defaults where nothing is known."""

    node_spec: str = "all"
    run_async: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What was deployed to one server: files by path, settings by what they are of, and packages."""

    files: Mapping[str, SentFile] = field(default_factory=dict)
    unseen: Mapping[str, Unseen] = field(default_factory=dict)
    packages: frozenset[str] = frozenset()


class Records:
    """The records of all servers; in a folder where there is one, else gone with the process.

    One thread at a time.
    """

    def __init__(self, folder: Path | None) -> None:
        self._path = None if folder is None else folder / FOLDER / "servers.json"
        self._by_url: dict[str, Record] = {}
        if self._path is not None and self._path.exists():
            self._by_url = _read(self._path)

    def of(self, url: str) -> Record:
        """Return what is known of a server."""
        return self._by_url.get(url, Record())

    def keep(self, url: str, record: Record) -> None:
        """Keep what is known of a server from now on.

        Raises: StorageError: it cannot be written.
        """
        self._by_url[url] = record
        if self._path is None:
            return
        text = json.dumps(
            {"format": _FORMAT, "servers": {url: _encoded(one) for url, one in self._by_url.items()}},
            indent=1,
        )
        try:
            make_folder(LOCAL, self._path.parent)
            write_durably(LOCAL, self._path, text.encode())
        except OSError as error:
            raise StorageError(f"what was deployed cannot be kept in {self._path}: {error}") from error


def _encoded(record: Record) -> dict[str, Any]:
    return {
        "files": {
            name: {"text": one.text, "size_bytes": one.size_bytes, "modified_ms": one.modified_ms}
            for name, one in record.files.items()
        },
        "unseen": {
            name: {"node_spec": one.node_spec, "run_async": one.run_async}
            for name, one in record.unseen.items()
        },
        "packages": sorted(record.packages),
    }


def _read(path: Path) -> dict[str, Record]:
    """Return the records of a file.

    Raises: StorageError: it cannot be read, or is none.
    """
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        if said["format"] != _FORMAT:
            raise ValueError(f"format {said['format']!r}")
        return {url: _decoded(one) for url, one in said["servers"].items()}
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise StorageError(
            f"{path} does not hold what was deployed in format {_FORMAT} ({error}); move it away, and texts on "
            "servers count as unknown"
        ) from error


def _decoded(said: Mapping[str, Any]) -> Record:
    return Record(
        files={name: SentFile(**one) for name, one in said["files"].items()},
        unseen={name: Unseen(**one) for name, one in said["unseen"].items()},
        packages=frozenset(said["packages"]),
    )
