"""What does one line of line protocol say, and where exactly is it wrong?

`parse_line` is the grammar itself: exact, and the judge of whatever a faster reader does not take.
It accepts what the original's parser accepts, oddities included: a comma that ends a single field
(``m f=1,``), a comma inside a field key, text after an escape that is not one.
A message is the original's text; where that does not say what is accepted, a hint follows it after
``"; "``.

Source: core/influxdb_line_protocol/src/lib.rs, parse_line.
Differs: a tag that occurs twice is refused, as from 3.10.3; `ExpectedSpace` cuts long context.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from procengine.model.column import ColumnType

STRING_LIMIT_BYTES = 1_048_576
"""The longest measurement, tag key, tag value, field key or string, in bytes of UTF-8."""

FieldValue = int | float | str | bool

_CONTEXT_CHARACTERS = 10
_SPACE_CONTEXT_CHARACTERS = 100
_MEASUREMENT = re.compile(r"(?:[^ \t\n\0,\\]++|\\.|\\\Z)++", re.DOTALL)
_KEY = re.compile(r"(?:[^ \t\n=\\]++|\\.|\\\Z)++", re.DOTALL)
_TAG_VALUE = re.compile(r"(?:[^ \t\n,\\]++|\\.|\\\Z)++", re.DOTALL)
_SPACES = re.compile(" +")
_FIELD_VALUE = re.compile(
    r"(?P<integer>-?[0-9]+)i|(?P<uinteger>[0-9]+)u"
    r"|(?P<float>-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)"
    r'|"(?P<string>[^"\\]*+(?:\\.[^"\\]*+)*+)"'
    r"|(?P<true>true|True|TRUE|t|T)|(?P<false>false|False|FALSE|f|F)",
    re.DOTALL,
)
_TIMESTAMP = re.compile(r" +(-?[0-9]+) *")
_MEASUREMENT_ESCAPE = re.compile(r"\\([\\, ])")
_KEY_ESCAPE = re.compile(r"\\([\\,= ])")
_STRING_ESCAPE = re.compile(r'\\([\\"])')

_KEY_HINT = "expected key=value"
_VALUE_HINT = 'a value is 1.5, 1e-3, 1i, 1u, true, false or "text"'
_RANGES = {
    ColumnType.INTEGER: (-(2**63), 2**63 - 1, "integer"),
    ColumnType.UINTEGER: (0, 2**64 - 1, "unsigned integer"),
}


class LineSyntaxError(Exception):
    """One line is not line protocol; ``offset`` counts characters from 0 in the text that was parsed."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset


@dataclass(frozen=True, slots=True)
class Line:
    """One parsed line, names and values unescaped; the timestamp is in the body's unit."""

    table: str
    tags: tuple[tuple[str, str], ...]
    fields: tuple[tuple[str, ColumnType, FieldValue], ...]
    timestamp: int | None


def parse_line(text: str) -> Line:
    """Return what one logical line says; leading whitespace and comments are already gone.

    Raises: LineSyntaxError.
    """
    table, end = _component(_MEASUREMENT, _MEASUREMENT_ESCAPE, text, 0)
    if table is None:
        raise LineSyntaxError(
            f"Invalid measurement was provided; found {_context(text)}, expected a table name", 0
        )
    tags, end = _parse_tags(text, end)
    spaces = _SPACES.match(text, end)
    if spaces is None:
        raise LineSyntaxError(
            f"Expected at least one space character, got {_space_context(text[end:])}; "
            "after the table and its tags come a space and the fields",
            end,
        )
    fields, end = _parse_fields(text, spaces.end())
    timestamp, end = _parse_timestamp(text, end)
    if end < len(text):
        _refuse_trailing(text, end)
    return Line(table, tags, fields, timestamp)


def _component(
    pattern: re.Pattern[str], escape: re.Pattern[str], text: str, start: int
) -> tuple[str | None, int]:
    """Return an unescaped name or tag value with its end, or None when there is no character of it."""
    found = pattern.match(text, start)
    if found is None:
        return None, start
    raw = found.group()
    if "\\" in raw:
        raw = escape.sub(r"\1", raw)
        if raw.endswith("\\"):
            raise LineSyntaxError(
                "Measurements, tag keys and values, and field keys may not end with a backslash",
                found.end() - 1,
            )
    _check_length(raw, start)
    return raw, found.end()


def _check_length(value: str, offset: int) -> None:
    if (
        len(value) * 4 > STRING_LIMIT_BYTES
        and len(value.encode("utf-8", "replace")) > STRING_LIMIT_BYTES
    ):
        raise LineSyntaxError("String is greater than 1MB", offset)


def _parse_tags(text: str, end: int) -> tuple[tuple[tuple[str, str], ...], int]:
    tags: dict[str, str] = {}
    first = end + 1
    while text.startswith(",", end):
        start = end + 1
        key, end = _component(_KEY, _KEY_ESCAPE, text, start)
        if key is None:
            raise LineSyntaxError(f"Expected tag key, got {_context(text[end:])}", end)
        if not text.startswith("=", end):
            raise LineSyntaxError(
                f"Tag set malformed: could not find equals sign in `{_cut(text[first:])}`", end
            )
        value, end = _component(_TAG_VALUE, _KEY_ESCAPE, text, end + 1)
        if value is None:
            raise LineSyntaxError(f"Expected tag value, got {_context(text[end:])}", end)
        if key in tags:
            raise LineSyntaxError(f"Must not contain duplicate tags, but `{key}` was repeated", start)
        tags[key] = value
    return tuple(tags.items()), end


def _parse_fields(text: str, start: int) -> tuple[tuple[tuple[str, ColumnType, FieldValue], ...], int]:
    """Return the fields and where they end.

    A comma after the first field belongs to it whether or not a second field follows, while one
    after a later field does not: the original's list parser takes its first separator on its own.
    """
    fields: dict[str, tuple[str, ColumnType, FieldValue]] = {}
    repeated: tuple[str, int] | None = None
    end = start
    while True:
        field_start = end + 1 if fields else start
        parsed = _parse_field(text, field_start)
        if parsed is None:
            if not fields:
                _refuse_first_field(text, start)
            end = field_start if len(fields) == 1 and repeated is None else end
            break
        field, end = parsed
        if field[0] in fields:
            repeated = repeated or (field[0], field_start)
        fields[field[0]] = field
        if not text.startswith(",", end):
            break
    if repeated is not None and _parse_timestamp(text, end)[1] == len(text):
        raise LineSyntaxError(
            f"invalid line protocol - multiple instances of '{repeated[0]}' field found", repeated[1]
        )
    return tuple(fields.values()), end


def _parse_field(text: str, start: int) -> tuple[tuple[str, ColumnType, FieldValue], int] | None:
    key, end = _component(_KEY, _KEY_ESCAPE, text, start)
    if key is None or not text.startswith("=", end):
        return None
    found = _FIELD_VALUE.match(text, end + 1)
    if found is None:
        return None
    kind, value = _field_value(found)
    return (key, kind, value), found.end()


def _field_value(found: re.Match[str]) -> tuple[ColumnType, FieldValue]:
    raw = found[found.lastgroup or 0]
    match found.lastgroup:
        case "float":
            return ColumnType.FLOAT, float(raw)
        case "integer":
            return ColumnType.INTEGER, _ranged_integer(raw, ColumnType.INTEGER, found.start())
        case "uinteger":
            return ColumnType.UINTEGER, _ranged_integer(raw, ColumnType.UINTEGER, found.start())
        case "string":
            value = unescape_string(raw)
            _check_length(value, found.start())
            return ColumnType.STRING, value
        case _:
            return ColumnType.BOOLEAN, found.lastgroup == "true"


def unescape_string(raw: str) -> str:
    r"""Return the text between a string's quotes with ``\"`` and ``\\`` resolved."""
    return _STRING_ESCAPE.sub(r"\1", raw) if "\\" in raw else raw


def _ranged_integer(raw: str, kind: ColumnType, offset: int) -> int:
    smallest, largest, name = _RANGES[kind]
    value = _bounded_integer(raw)
    if value is None or not smallest <= value <= largest:
        raise LineSyntaxError(
            f"Unable to parse {name} value `{raw}`; expected {smallest} to {largest}", offset
        )
    return value


def _bounded_integer(raw: str) -> int | None:
    """Return the integer, or None when it has more digits than any 64-bit number.

    Python refuses to convert thousands of digits, of which all may be zeros.
    """
    digits = raw.lstrip("-").lstrip("0")
    if len(digits) > 20:
        return None
    return -int(digits or "0") if raw.startswith("-") else int(digits or "0")


def _parse_timestamp(text: str, start: int) -> tuple[int | None, int]:
    found = _TIMESTAMP.match(text, start)
    if found is None:
        return None, start
    value = _bounded_integer(found[1])
    if value is None or not -(2**63) <= value < 2**63:
        raise LineSyntaxError(
            f"Unable to parse timestamp value `{found[1]}`; expected a 64-bit integer", found.start(1)
        )
    return value, found.end()


def _refuse_first_field(text: str, start: int) -> NoReturn:
    """Name the place in the first field where it stops being one."""
    key = _KEY.match(text, start)
    if key is None or not text.startswith("=", key.end()):
        where = start if key is None else key.end()
        hint = f"found {_context(text[start:])}, {_KEY_HINT}"
    else:
        where = key.end() + 1
        hint = (
            f"found {_context(text[where:])} as the value of {key.group()!r}; {_value_hint(text, where)}"
        )
    raise LineSyntaxError(f"No fields were provided; {hint}", where)


def _value_hint(text: str, where: int) -> str:
    if text.startswith('"', where):
        return "the string has no closing double quote"
    return _VALUE_HINT


def _refuse_trailing(text: str, end: int) -> NoReturn:
    message = f"Could not parse entire line. Found trailing content: `{_cut(text[end:])}`"
    raise LineSyntaxError(f"{message}; {_trailing_hint(text, end)}", end)


def _trailing_hint(text: str, end: int) -> str:
    rest = text[end:]
    if rest == "\r":
        return "lines end with a newline alone, not with a carriage return before it"
    if rest.isspace():
        return "whitespace may follow a timestamp, not a field"
    if rest.startswith("\n"):
        return "a quoted string or an escape took in the newline"
    if rest.startswith(" "):
        return "after the fields only one timestamp is accepted, an integer"
    if rest.startswith(","):
        return f"{_KEY_HINT} after the comma; {_VALUE_HINT}"
    return f"expected a comma, a space or the end of the line; {_VALUE_HINT}"


def _cut(text: str) -> str:
    if len(text) > _CONTEXT_CHARACTERS or len(text.encode("utf-8", "replace")) > _CONTEXT_CHARACTERS:
        return f"{text[:_CONTEXT_CHARACTERS]}..."
    return text


def _context(rest: str) -> str:
    return f"`{_cut(rest)}`" if rest else "end of input"


def _space_context(rest: str) -> str:
    if not rest:
        return "end of input"
    return (
        f"`{rest}`"
        if len(rest) <= _SPACE_CONTEXT_CHARACTERS
        else f"`{rest[:_SPACE_CONTEXT_CHARACTERS]}...`"
    )
