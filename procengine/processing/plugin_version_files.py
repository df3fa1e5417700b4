"""How does one text that a plugin had stand on disk?

As a framed record of its own file, compressed. The file's name says all that a list needs, so that thousands of
versions are listed without one being read: ``{ordinal}-{version}-{bytes}-{place}-{first loaded}``, where ``place`` is
a hash of the plugin's file name. Files of engines before, ``{ordinal}-{version}-{bytes}``, are not compressed.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from procengine.errors import DataFormatError
from procengine.model.framing import FileFormat, Record, decode_record, encode_record

FILE_FORMAT = FileFormat(kind="plugin version", magic=b"procepvr")
_NAME = re.compile(r"(\d{8,})-([0-9a-f]{12})-(\d+)(?:-([0-9a-f]{12})-(\d+))?")


@dataclass(frozen=True, slots=True)
class VersionFile:
    """A file by its name; of one of an engine before ``place`` is empty and ``first_loaded_ns`` 0."""

    ordinal: int
    version: str
    size_bytes: int
    place: str
    first_loaded_ns: int

    @property
    def name(self) -> str:
        """The name."""
        head = f"{self.ordinal:08d}-{self.version}-{self.size_bytes}"
        return f"{head}-{self.place}-{self.first_loaded_ns}" if self.place else head


def parse_name(name: str) -> VersionFile | None:
    """Return the file that has a name, None for a file of another kind."""
    found = _NAME.fullmatch(name)
    if found is None:
        return None
    return VersionFile(int(found[1]), found[2], int(found[3]), found[4] or "", int(found[5] or 0))


@dataclass(frozen=True, slots=True)
class KeptText:
    """What is in a file: the plugin's name, when these texts were first loaded, and they by file name."""

    filename: str
    first_loaded_ns: int
    texts: Mapping[str, str]


def encode(kept: KeptText) -> bytes:
    """Return the bytes of a file."""
    said = {
        "filename": kept.filename,
        "first_loaded_ns": kept.first_loaded_ns,
        "texts": dict(kept.texts),
    }
    return FILE_FORMAT.header + encode_record(zlib.compress(json.dumps(said).encode()))


def decode(data: bytes, path: str) -> KeptText:
    """Return what a file says; ``path`` is for the error.

    Raises: DataFormatError: it is damaged, or another kind of file.
    """
    record = decode_record(data, FILE_FORMAT.check(data, path))
    if not isinstance(record, Record) or record.end != len(data):
        raise DataFormatError(f"cannot read plugin version {path!r}: it is damaged")
    payload = bytes(record.payload)
    try:
        said = json.loads(payload if payload.startswith(b"{") else zlib.decompress(payload))
        return KeptText(said["filename"], said["first_loaded_ns"], dict(said["texts"]))
    except (ValueError, KeyError, TypeError, zlib.error) as error:
        raise DataFormatError(f"cannot read plugin version {path!r}: {error}") from error
