"""How do records lie in an append-only file, and what does its end tell?

A file is a header (magic, format version) and records. A record is a header of 12 bytes, little-endian
(marker, payload length, CRC-32 of length and payload), and the payload. Pure functions over bytes.

The rule that lets an end be judged: a writer makes each record durable before it writes the next one.
So when a record is bad and a good one follows, no crash did that: the file is damaged. When nothing good
follows, the record was being written when the process or the machine stopped, and was never acknowledged:
the tail is torn, and may be cut. The marker begins with a byte that no UTF-8 text contains, so text inside
a payload cannot pass for a record.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Any

from procengine.errors import DataFormatError

Buffer = bytes | bytearray | memoryview
"""Bytes to read; an ``mmap`` goes in as a ``memoryview``."""

MARKER = b"\xffPE\xfe"
HEADER_BYTES = 12
MAX_PAYLOAD_BYTES = 0xFFFF_FFFF

_HEADER = struct.Struct("<4sII")
_LENGTH = struct.Struct("<I")
_VERSION = struct.Struct("<I")
_MARKER_PATTERN = re.compile(re.escape(MARKER))


class Ending(Enum):
    """Why no record starts at an offset."""

    CLEAN = "clean"
    """The bytes end exactly here."""
    TORN = "torn"
    """The last record is incomplete: it was being written. Nothing good follows."""
    DAMAGED = "damaged"
    """A record is bad although a good one follows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One good record: where it starts and ends (bytes), and its payload, which shares the buffer."""

    offset: int
    end: int
    payload: memoryview


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """The end of the good records, at ``offset`` (bytes)."""

    ending: Ending
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFormat:
    """What a file's first bytes must be: ``magic`` (8 bytes), then ``version`` as uint32.

    ``kind`` names the file in error texts.
    """

    kind: str
    magic: bytes
    version: int = 1

    @property
    def header(self) -> bytes:
        """The bytes that open a file of this format."""
        return self.magic + _VERSION.pack(self.version)

    def check(self, data: Buffer, path: str) -> int:
        """Return the offset (bytes) of the first record, or 0 when the file ends within its header.

        Raises:
            DataFormatError: it is another kind of file, or of a version that is not known.
        """
        head = bytes(data[: len(self.magic) + _VERSION.size])
        if head == self.header:
            return len(head)
        if len(head) < len(self.header) and self.header.startswith(head):
            return 0
        if head.startswith(self.magic) and len(head) == len(self.header):
            found = _VERSION.unpack(head[len(self.magic) :])[0]
            raise DataFormatError(
                f"cannot read {self.kind} {path!r}: it has format version {found}; "
                f"this procengine reads version {self.version}"
            )
        raise DataFormatError(
            f"cannot read {self.kind} {path!r}: it does not begin as one; restore it from a copy"
        )


def encode_header(payload: Buffer) -> bytes:
    """Return the 12 bytes that go before a payload.

    Raises:
        ValueError: the payload is longer than 4 GiB less one byte.
    """
    size = memoryview(payload).nbytes
    if size > MAX_PAYLOAD_BYTES:
        raise ValueError(f"a record of {size} bytes is longer than {MAX_PAYLOAD_BYTES}")
    return _HEADER.pack(MARKER, size, _checksum(size, payload))


def encode_record(payload: Buffer) -> bytes:
    """Return a payload as a record, header and all; the payload is copied."""
    return b"".join((encode_header(payload), payload))


def decode_record(data: Buffer, offset: int = 0) -> Record | End:
    """Return the record that starts at an offset (bytes), or the reason why there is none."""
    view = memoryview(data)
    record = _good_record(view, offset)
    if record is not None:
        return record
    if offset >= len(view):
        return End(ending=Ending.CLEAN, offset=offset)
    ending = Ending.DAMAGED if _next_good_record(view, offset + 1) is not None else Ending.TORN
    return End(ending=ending, offset=offset)


def decode_records(data: Buffer, offset: int = 0) -> Iterator[Record | End]:
    """Yield the records from an offset (bytes) on, in order, and last of all their `End`."""
    while True:
        item = decode_record(data, offset)
        yield item
        if isinstance(item, End):
            return
        offset = item.end


def salvage_records(data: Buffer, offset: int = 0) -> Iterator[Record | End]:
    """Yield all good records from an offset (bytes) on, and an `End` where there is something bad, or the bytes end.

    For files that may lose a part, and tell of it: the records after a damaged one are yielded, too.
    """
    view = memoryview(data)
    while True:
        item = decode_record(view, offset)
        yield item
        following = item if isinstance(item, Record) else _next_good_record(view, offset + 1)
        if following is None:
            return
        offset = following.end if following is item else following.offset


def _checksum(size: int, payload: Any) -> int:
    """The CRC-32 of length and payload: with the length in it, a run of zeros is no empty record."""
    return zlib.crc32(payload, zlib.crc32(_LENGTH.pack(size)))


def _good_record(view: memoryview, offset: int) -> Record | None:
    start = offset + HEADER_BYTES
    if start > len(view):
        return None
    marker, size, checksum = _HEADER.unpack_from(view, offset)
    if marker != MARKER or start + size > len(view):
        return None
    payload = view[start : start + size]
    if _checksum(size, payload) != checksum:
        return None
    return Record(offset=offset, end=start + size, payload=payload)


def _next_good_record(view: memoryview, offset: int) -> Record | None:
    records = (_good_record(view, match.start()) for match in _MARKER_PATTERN.finditer(view, offset))
    return next((record for record in records if record is not None), None)
