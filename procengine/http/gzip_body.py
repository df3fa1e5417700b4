"""How is a compressed body read without a small one becoming a huge one?

Decompression stops at the first byte over the limit; members that follow each other are one body.

Source: influxdb3_server/src/http.rs, HttpApi::read_body (flate2's MultiGzDecoder, and its texts).
"""

from __future__ import annotations

import zlib
from typing import Final

from procengine.http.failures import HttpError

_GZIP: Final = 31
"""zlib's window bits for gzip with its header."""

_MAGIC: Final = b"\x1f\x8b"


def unzip(data: bytes, limit: int) -> bytes:
    """Return what gzip made of a body.

    Raises:
        HttpError: it is more than ``limit`` bytes (413), or no whole gzip stream (400).
    """
    parts: list[bytes] = []
    size = 0
    while data or not parts:
        if not data.startswith(_MAGIC):
            raise _broken(
                "invalid gzip header" if len(data) >= len(_MAGIC) else "unexpected end of file"
            )
        member = zlib.decompressobj(_GZIP)
        try:
            part = member.decompress(data, limit + 1 - size)
        except zlib.error as error:
            raise _broken(_reason(str(error))) from error
        size += len(part)
        if size > limit:
            raise HttpError(413, f"max request size ({limit} bytes) exceeded")
        if not member.eof:
            raise _broken("unexpected end of file")
        parts.append(part)
        data = member.unused_data
    return b"".join(parts)


def _reason(text: str) -> str:
    if "incorrect data check" in text or "incorrect length check" in text:
        return "corrupt gzip stream does not have a matching checksum"
    return "invalid gzip header" if "header" in text else "corrupt deflate stream"


def _broken(reason: str) -> HttpError:
    return HttpError(400, f"error decoding gzip stream: {reason}")
