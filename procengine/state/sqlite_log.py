"""Is the log beside an SQLite file whole?

SQLite reads its log (``-wal``) up to the first frame that does not fit and says nothing: after a crash that is right,
a frame that was being written may be torn. But a bit that turned in an older frame would drop every commit behind it
in silence. So the log is looked through before SQLite sees it.

Each frame has the salts of the log's header and a checksum over all before it. Frames that an earlier use of the file
left behind have other salts, both of them.

Source: sqlite.org/fileformat2.html, section 4, The Write-Ahead Log.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import numpy as np

_MAGIC: Final = {0x377F0682: "<u4", 0x377F0683: ">u4"}
_HEADER, _FRAME_HEADER = 32, 24
_USUAL_PAGE_SIZE: Final = 4096
_PAGE_SIZES: Final = {1 << power for power in range(9, 17)}


@dataclass(frozen=True, slots=True)
class LogDamage:
    """Where a log does not go on as it should; ``in_the_middle`` when frames of the same use follow."""

    offset: int
    in_the_middle: bool


def find_damage(data: bytes, file: bytes) -> LogDamage | None:
    """Return the first damage of a log, None when all of it fits, or there is nothing; ``file`` is what it is of."""
    if not any(data[:_HEADER]):
        return LogDamage(0, in_the_middle=False) if any(data) else None
    if len(data) < _HEADER:
        return None
    magic, _, page_size = struct.unpack_from(">III", data)
    kind = _MAGIC.get(magic)
    first, second = _checksum(data[:24], kind or "<u4", 0, 0)
    if kind is None or (first, second) != struct.unpack_from(">II", data, 24):
        return None if _is_in_file(data, file) else LogDamage(0, in_the_middle=True)
    salts = data[16:24]
    step = _FRAME_HEADER + page_size
    for start in range(_HEADER, len(data), step):
        frame = data[start : start + step]
        if len(frame) == step and frame[8:16] == salts:
            checked = _checksum(frame[:8], kind, first, second)
            first, second = _checksum(frame[_FRAME_HEADER:], kind, *checked)
            if (first, second) == struct.unpack_from(">II", frame, 16):
                continue
        return _judged(data, start, step, salts)
    return None


def _is_in_file(data: bytes, file: bytes) -> bool:
    """Tell whether the file itself has all that a log holds whose header does not fit.

    Then the header was being written, for a new use of a log that had been moved into the file; else one of its bits
    has turned, and what the log holds is nowhere else.
    """
    page_size = struct.unpack_from(">I", data, 8)[0]
    size = page_size if page_size in _PAGE_SIZES else _USUAL_PAGE_SIZE
    step, pages = _FRAME_HEADER + size, dict[int, bytes]()
    for start in range(_HEADER, len(data) - step + 1, step):
        if data[start + 8 : start + 16] != data[_HEADER + 8 : _HEADER + 16]:
            break
        (number,) = struct.unpack_from(">I", data, start)
        pages[number] = data[start + _FRAME_HEADER : start + step]
    return all(file[(number - 1) * size : number * size] == page for number, page in pages.items())


def _judged(data: bytes, start: int, step: int, salts: bytes) -> LogDamage | None:
    """Return what is wrong at a frame that does not fit; None when it was left behind by an earlier use."""
    later = any(data[at + 8 : at + 16] == salts for at in range(start + step, len(data) - 15, step))
    own = data[start + 8 : start + 16]
    half_own = own[:4] == salts[:4] or own[4:] == salts[4:]
    return LogDamage(start, later) if later or half_own else None


def _checksum(data: bytes, kind: str, first: int, second: int) -> tuple[int, int]:
    """Return SQLite's running checksum after more bytes, whose number is a multiple of eight."""
    words = np.frombuffer(data, kind).astype(np.uint64).tolist()
    for place in range(0, len(words), 2):
        first = (first + words[place] + second) & 0xFFFFFFFF
        second = (second + words[place + 1] + first) & 0xFFFFFFFF
    return first, second
