"""What does an artifact hold, and may it be written to a disk?

Nothing is written before all of it was looked at: only plain files below ``{name}-{version}/``, by names that
mean the same everywhere and lead nowhere else, within bounds of count, size and compression.
"""

from __future__ import annotations

import io
import re
import tarfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from procengine.errors import RegistryError

ARTIFACT_BYTES: Final = 32 << 20
"""The largest artifact that is taken."""

UNPACKED_BYTES: Final = 128 << 20
MOST_FILES: Final = 2_000
LARGEST_RATIO: Final = 200
"""How many times its packed size an artifact may have; those below `SMALL_BYTES` are let be."""

SMALL_BYTES: Final = 4 << 20
PIECE_BYTES: Final = 1 << 16
_NAME = re.compile(r'[^\x00-\x1f\x7f\\:*?"<>|/]+')


@dataclass(frozen=True, slots=True, kw_only=True)
class UnpackedFile:
    """One file of an artifact; ``name`` is its path below the artifact's folder, with slashes."""

    name: str
    data: bytes
    is_executable: bool


def unpacked(artifact: bytes, *, root: str, subject: str) -> tuple[UnpackedFile, ...]:
    """Return the files of an artifact, all below its folder ``root``; ``subject`` is what errors name.

    Raises: RegistryError: it is damaged, too large, or holds what is not taken.
    """
    try:
        with tarfile.open(fileobj=io.BytesIO(_decompressed(artifact)), mode="r:") as archive:
            return tuple(_files(archive, root))
    except _RefusedError as error:
        raise RegistryError(f"cannot unpack {subject}: {error}") from error
    except (tarfile.TarError, zlib.error, EOFError, ValueError, OSError) as error:
        raise RegistryError(f"cannot unpack {subject}: it is damaged: {error}") from error


class _RefusedError(Exception):
    """Why an artifact is not taken."""


def _decompressed(artifact: bytes) -> bytes:
    """Return what one gzip member holds, never more than is taken."""
    reader = zlib.decompressobj(wbits=31)
    most = min(UNPACKED_BYTES, max(SMALL_BYTES, LARGEST_RATIO * len(artifact)))
    found, rest = bytearray(), artifact
    while not reader.eof:
        piece = reader.decompress(rest, PIECE_BYTES)
        rest = reader.unconsumed_tail
        if not piece and not rest:
            break
        found += piece
        if len(found) > most:
            raise _RefusedError(
                f"it would have more than {most} bytes; accepted are {UNPACKED_BYTES}, and {LARGEST_RATIO} times "
                f"the packed size beyond {SMALL_BYTES}"
            )
    if not reader.eof:
        raise EOFError("it ends in the middle")
    if reader.unused_data:
        raise _RefusedError("something follows the archive")
    return bytes(found)


def _files(archive: tarfile.TarFile, root: str) -> Iterator[UnpackedFile]:
    taken: set[str] = set()
    folders: set[str] = set()
    for count, member in enumerate(archive, 1):
        if count > MOST_FILES:
            raise _RefusedError(f"it has more than {MOST_FILES} files")
        if member.isdir():
            continue
        if not member.isreg() or member.issparse():
            raise _RefusedError(f"{member.name!r} is {_kind(member)}; accepted are regular files")
        name = _checked_name(member.name, root)
        # Two names that differ by case alone are one file on some machines.
        folded = name.casefold()
        above = {folded.rsplit("/", depth)[0] for depth in range(1, folded.count("/") + 1)}
        if folded in taken or folded in folders or above & taken:
            raise _RefusedError(f"{member.name!r} is there twice")
        taken.add(folded)
        folders |= above
        content = archive.extractfile(member)
        assert content is not None
        data = content.read()
        if len(data) != member.size:
            raise EOFError("it ends in the middle")
        yield UnpackedFile(name=name, data=data, is_executable=bool(member.mode & 0o111))


def _checked_name(path: str, root: str) -> str:
    first, *parts = path.split("/")
    if first != root or not parts:
        raise _RefusedError(f"{path!r} is not below {root}/")
    for part in parts:
        if part in (".", "..") or not _NAME.fullmatch(part) or part[-1] in ". ":
            raise _RefusedError(f"{path!r} is no path that is taken: {part!r} in it")
    return "/".join(parts)


def _kind(member: tarfile.TarInfo) -> str:
    if member.issym():
        return f"a link to {member.linkname!r}"
    if member.islnk():
        return f"a hard link to {member.linkname!r}"
    return "a device, a pipe or of an unknown kind"
