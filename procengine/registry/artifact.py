"""Which bytes is a packaged plugin?

The same files give the same bytes everywhere, and the hash that influxdb3-plugin gives them: a ``ustar`` archive of
``{name}-{version}/``, sorted, without times and owners, then gzip as by ``miniz_oxide`` at level 6.

Source: influxdb3-plugin-sdk/src/archive.rs, canonical_tar_gz; tar 0.4 (crate), header.rs.
"""

from __future__ import annotations

import hashlib
from typing import Final

import cramjam

from procengine.errors import InvalidInputError
from procengine.registry.plugin_folder import PluginFolder
from procengine.registry.source_files import SourceFile

PATH_BYTES: Final = 255
NAME_BYTES, PREFIX_BYTES = 100, 155
BLOCK_BYTES: Final = 512
LEVEL: Final = 6


def packaged(plugin: PluginFolder) -> bytes:
    """Return the artifact of a plugin.

    Raises: InvalidInputError: a path is too long for an archive, or a file cannot be read.
    """
    root = f"{plugin.manifest.name}-{plugin.manifest.version}"
    pieces = []
    for file in plugin.files:
        data = _read(file)
        pieces += [
            _header(f"{root}/{file.name}", file, len(data)),
            data,
            bytes(-len(data) % BLOCK_BYTES),
        ]
    pieces.append(bytes(2 * BLOCK_BYTES))
    return bytes(cramjam.gzip.compress(b"".join(pieces), level=LEVEL))


def hash_of(artifact: bytes) -> str:
    """Return the hash of an artifact, as an index has it."""
    return f"sha256:{hashlib.sha256(artifact).hexdigest()}"


def _read(file: SourceFile) -> bytes:
    try:
        return file.path.read_bytes()
    except OSError as error:
        raise InvalidInputError(f"cannot read {str(file.path)!r}: {error.strerror}") from error


def _header(path: str, file: SourceFile, size: int) -> bytes:
    name, prefix = _split(path)
    header = bytearray(BLOCK_BYTES)
    _put(header, 0, name)
    _put(header, 100, b"%07o\0" % (0o755 if file.is_executable else 0o644))
    _put(header, 108, b"%07o\0%07o\0" % (0, 0))
    _put(header, 124, b"%011o\0%011o\0" % (size, 0))
    _put(header, 148, b" " * 8)
    _put(header, 156, b"0")
    _put(header, 257, b"ustar\x0000")
    _put(header, 345, prefix)
    _put(header, 148, b"%07o\0" % sum(header))
    return bytes(header)


def _put(header: bytearray, at: int, data: bytes) -> None:
    header[at : at + len(data)] = data


def _split(path: str) -> tuple[bytes, bytes]:
    """Return a path as a header holds it: its end, and what stands before the slash between."""
    data = path.encode("utf-8", "surrogateescape")
    if len(data) <= NAME_BYTES:
        return data, b""
    slash = data.rfind(b"/", 0, PREFIX_BYTES + 1)
    name = data[slash + 1 :]
    if len(data) > PATH_BYTES or slash <= 0 or len(name) > NAME_BYTES:
        raise InvalidInputError(
            f"cannot package {path!r}: an archive holds paths of {PATH_BYTES} bytes, of which a slash parts at most "
            f"{PREFIX_BYTES} from the last {NAME_BYTES}"
        )
    return name, data[:slash]
