"""How is any body read, line by line?

A line that is spelled plainly (no escape outside strings, no comma inside a field key) is recognised by
one regular expression, which also finds its end: for such a line the original's rule for
quotes and the grammar agree. Every other line is cut out by `line_end` and judged by `parse_line`.
"""

from __future__ import annotations

import re

from procengine.errors import LineError
from procengine.model.line_group import LineGroup, ParsedLines
from procengine.model.line_protocol.grammar import (
    STRING_LIMIT_BYTES,
    FieldValue,
    Line,
    LineSyntaxError,
    parse_line,
    unescape_string,
)
from procengine.model.line_protocol.line_ends import OriginalLines, line_end
from procengine.model.line_protocol.row_groups import FIELD_TYPE_LETTERS, Rows, Shape, line_group
from procengine.model.precision import Precision

_TAG = r"[^ \t\n=\\]++=[^ \t\n,\\]++"
_FIELD = (
    r"[^ \t\n=,\\]++="
    r'(?:-?[0-9]++(?:i|(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?)|"[^"\\]*+(?:\\.[^"\\]*+)*+"'
    r"|[0-9]++u|true|True|TRUE|t|T|false|False|FALSE|f|F)"
)
_PLAIN_LINE = re.compile(
    rf"([^ \t\n\0,\\#][^ \t\n\0,\\]*+(?:,{_TAG})*+) ++({_FIELD}(?:,{_FIELD})*+)(?: ++(-?[0-9]++) *+)?(?:\n|\Z)",
    re.DOTALL,
)
_TAGS = re.compile(r",([^ \t\n=\\]++)=([^ \t\n,\\]++)")
_FIELDS = re.compile(
    r',([^ \t\n=,\\]++)=("[^"\\]*+(?:\\.[^"\\]*+)*+"|[^ ,\n]++)',
    re.DOTALL,
)
_LEADING = re.compile(r"[ \t\n]*")
_NOT_UTF8 = re.compile("[\ud800-\udfff]")
_LONGEST_EXACT_DIGITS = 18
_TRUE = frozenset({"t", "T", "true", "True", "TRUE"})

_Series = tuple[str, tuple[str, ...], tuple[str, ...]]


class GeneralReader:
    """Reads texts of one body into rows by shape; used by one thread.

    The texts come in the order of their lines.
    """

    def __init__(self, *, precision: Precision, default_time_ns: int) -> None:
        self.errors: list[LineError] = []
        self._precision = precision
        self._to_ns = precision.to_ns
        self._default_time_ns = precision.truncate(default_time_ns)
        self._rows: dict[Shape, Rows] = {}
        self._series: dict[str, _Series] = {}
        self._text = ""
        self._position = 0
        self._line_number = 1
        self._plain = True

    def groups(self) -> list[LineGroup]:
        """Return what was read so far, ordered by first line."""
        return [line_group(shape, rows) for shape, rows in self._rows.items()]

    def read(self, text: str, *, line_number: int = 1, is_last: bool = True) -> int:
        """Read the lines of a text that starts at a physical line, and return how much was read.

        A byte that is not UTF-8 is a lone surrogate. When the text is not the body's last,
        it ends with a newline, and an unfinished line at its end is not read.
        """
        self._text, self._position, self._line_number = text, 0, line_number
        self._plain = text.isascii() or _NOT_UTF8.search(text) is None
        end = len(text)
        while self._position < end and self._read_line(is_last):
            pass
        return min(self._position, end)

    @property
    def line_number(self) -> int:
        """The physical line after those that were read."""
        return self._line_number

    def _read_line(self, is_last: bool) -> bool:
        text, start = self._text, self._position
        if self._plain:
            found = _PLAIN_LINE.match(text, start)
            if found is not None and self._add_plain(found):
                self._position = found.end()
                self._line_number += text.count("\n", start, self._position) if '"' in found[2] else 1
                return True
        end = line_end(text, start)
        if end == len(text) and not is_last:
            return False
        self._add_exact(text[start:end])
        self._line_number += 1 + text.count("\n", start, end)
        self._position = end + 1
        return True

    def _add_plain(self, found: re.Match[str]) -> bool:
        """Add a plainly spelled line; false when it has to be looked at exactly."""
        series_text, fields_text, timestamp = found.groups()
        series = self._series.get(series_text) or self._split_series(series_text)
        fields = _read_fields(fields_text) if len(fields_text) * 4 <= STRING_LIMIT_BYTES else None
        if series is None or fields is None:
            return False
        time_ns = self._default_time_ns if timestamp is None else self._time_ns(timestamp)
        if time_ns is None:
            return False
        names, letters, values = fields
        table, tags, tag_values = series
        shape = Shape(table, tags, names, letters)
        rows = self._rows.get(shape)
        if rows is None:
            if len(set(names)) < len(names):
                return False
            rows = self._rows[shape] = Rows([], [], [])
        rows.values.append((*tag_values, *values))
        rows.times_ns.append(time_ns)
        rows.line_numbers.append(self._line_number)
        return True

    def _split_series(self, text: str) -> _Series | None:
        """Return table, tag names and tag values; None when a name repeats or may be too long."""
        table, comma, _ = text.partition(",")
        pairs = _TAGS.findall(text, len(table)) if comma else []
        names = tuple([name for name, _ in pairs])
        if len(set(names)) < len(names) or len(text) * 4 > STRING_LIMIT_BYTES:
            return None
        series = (table, names, tuple([value for _, value in pairs]))
        self._series[text] = series
        return series

    def _time_ns(self, timestamp: str) -> int | None:
        return self._to_ns(int(timestamp)) if len(timestamp) <= _LONGEST_EXACT_DIGITS + 1 else None

    def _add_exact(self, original: str) -> None:
        """Judge one logical line by the grammar, and add it as a row or as an error."""
        leading = _LEADING.match(original)
        indent = leading.end() if leading is not None else 0
        if indent == len(original) or original[indent] == "#":
            return
        if not self._plain and (found := _NOT_UTF8.search(original)) is not None:
            self._refuse(original, _not_utf8(found), found.start())
            return
        try:
            line = parse_line(original[indent:])
            self._add_line(line, original)
        except LineSyntaxError as error:
            self._refuse(original, str(error), indent + error.offset)

    def _add_line(self, line: Line, original: str) -> None:
        time_ns = self._default_time_ns
        if line.timestamp is not None:
            exact_ns = self._to_ns(line.timestamp)
            if exact_ns is None:
                offset = original.rstrip(" ").rfind(" ") + 1
                self._refuse(original, self._precision.out_of_range(line.timestamp), offset)
                return
            time_ns = exact_ns
        shape = Shape(
            line.table,
            tuple([name for name, _ in line.tags]),
            tuple([name for name, _, _ in line.fields]),
            "".join([FIELD_TYPE_LETTERS[kind] for _, kind, _ in line.fields]),
        )
        rows = self._rows.setdefault(shape, Rows([], [], []))
        rows.values.append((*[value for _, value in line.tags], *[value for _, _, value in line.fields]))
        rows.times_ns.append(time_ns)
        rows.line_numbers.append(self._line_number)

    def _refuse(self, original: str, message: str, offset: int) -> None:
        if not self._plain:
            original = original.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        self.errors.append(
            LineError(
                message=message,
                line_number=self._line_number,
                original_line=original,
                column=offset + 1,
            )
        )


def _read_fields(text: str) -> tuple[tuple[str, ...], str, list[FieldValue]] | None:
    """Return names, type letters and values of plainly spelled fields; None at a long integer."""
    names = []
    values: list[FieldValue] = []
    letters = ""
    for name, raw in _FIELDS.findall("," + text):
        names.append(name)
        last = raw[-1]
        if last in "0123456789":
            letters += "f"
            values.append(float(raw))
        elif last == '"':
            letters += "s"
            values.append(unescape_string(raw[1:-1]))
        elif last in "iu":
            if len(raw) > _LONGEST_EXACT_DIGITS:
                return None
            letters += last
            values.append(int(raw[:-1]))
        else:
            letters += "b"
            values.append(raw in _TRUE)
    return tuple(names), letters, values


def _not_utf8(found: re.Match[str]) -> str:
    byte = found.group().encode("utf-8", "surrogateescape")[0]
    return f"invalid UTF-8: found byte 0x{byte:02x}; line protocol is UTF-8 text"


def decode(data: bytes | memoryview) -> str:
    """Return a body as text in which a byte that is not UTF-8 is one lone surrogate."""
    return str(data, "utf-8", "surrogateescape")


def encode(data: bytes | str) -> bytes:
    """Return a body as bytes; a lone surrogate becomes bytes that are not UTF-8."""
    return data.encode("utf-8", "surrogatepass") if isinstance(data, str) else bytes(data)


def read_general(
    data: bytes | str, *, precision: Precision = Precision.AUTO, default_time_ns: int
) -> ParsedLines:
    """Read a body line by line; `read_lines` means the same and is faster on large bodies."""
    body = encode(data)
    reader = GeneralReader(precision=precision, default_time_ns=default_time_ns)
    reader.read(decode(body))
    return ParsedLines(
        groups=tuple(reader.groups()), errors=tuple(reader.errors), original_line=OriginalLines(body)
    )
