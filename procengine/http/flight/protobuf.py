"""What stands in a protobuf message?

The wire format of the few small messages that Flight clients send: numbered fields that are varints, bytes, or of
fixed size. Which field means what is the caller's to know.

Source: protobuf.dev/programming-guides/encoding.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_FIXED_SIZES: Final = {_FIXED64: 8, _FIXED32: 4}
_LONGEST_VARINT: Final = 10

Field = tuple[int, int | bytes]


class ProtobufError(ValueError):
    """Bytes are no protobuf message."""


def read_fields(data: bytes) -> list[Field]:
    """Return the fields of a message: number and value, in order; fixed-size values as their bytes.

    Raises: ProtobufError: the bytes are no message.
    """
    fields: list[Field] = []
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, kind = key >> 3, key & 7
        if number == 0:
            raise ProtobufError("a field has the number 0")
        value: int | bytes
        if kind == _VARINT:
            value, at = _varint(data, at)
        else:
            size = _FIXED_SIZES.get(kind)
            if kind == _BYTES:
                size, at = _varint(data, at)
            if size is None or at + size > len(data):
                raise ProtobufError("a field is of an unknown kind, or cut short")
            value, at = data[at : at + size], at + size
        fields.append((number, value))
    return fields


def text_of(value: int | bytes) -> str:
    """Return a field's value as text.

    Raises: ProtobufError: it is none.
    """
    try:
        return value.decode("utf-8") if isinstance(value, bytes) else _refuse()
    except UnicodeDecodeError as error:
        raise ProtobufError("a text is not UTF-8") from error


def write_fields(fields: Iterable[tuple[int, bytes]]) -> bytes:
    """Return a message of fields that are bytes."""
    return b"".join(
        _encoded(number << 3 | _BYTES) + _encoded(len(value)) + value for number, value in fields
    )


def _refuse() -> str:
    raise ProtobufError("a field is a number where text is expected")


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for place, byte in enumerate(data[at : at + _LONGEST_VARINT]):
        value |= (byte & 0x7F) << (7 * place)
        if byte < 0x80:
            return value, at + place + 1
    raise ProtobufError("a number is cut short or too long")


def _encoded(value: int) -> bytes:
    parts = bytearray()
    while value >= 0x80:
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)
