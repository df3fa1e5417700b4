"""How is a query's result written down?

The original's five formats. Times have no ``Z`` unless the column has a zone; JSON leaves out NULLs.

Source: influxdb3_server/src/http.rs and influxdb3_types/src/http.rs, QueryFormat; arrow-rs `util::pretty`,
`arrow-json` and `arrow-csv`, with which they write.
"""

from __future__ import annotations

import csv
import io
import json
import sys
import unicodedata
from collections.abc import Iterator, Sequence
from enum import Enum
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from procengine.errors import InvalidInputError, QueryError
from procengine.model.arrow_names import display_name
from procengine.model.result_values import json_writer, plain_type, text_writer

_NOTHING = "++\n++"
"""A drawn table without columns."""


class ResultFormat(Enum):
    """The formats of a query's result."""

    PRETTY = "pretty"
    """A table drawn with ``+``, ``-`` and ``|``; no line end after the last line."""
    JSON = "json"
    """An array of objects."""
    JSON_LINES = "jsonl"
    """An object a line."""
    CSV = "csv"
    """A header line, then a line a row; NULL is empty."""
    PARQUET = "parquet"
    """A Parquet file; nothing at all for a result without rows."""

    @classmethod
    def parse(cls, text: str) -> ResultFormat:
        """Return the format with a name.

        Raises: InvalidInputError, with the names that are accepted.
        """
        try:
            return cls("jsonl" if text == "json_lines" else text)
        except ValueError as error:
            accepted = ", ".join(member.value for member in cls)
            raise InvalidInputError(f"unknown format {text!r}; accepted: {accepted}") from error


def format_result(table: pa.Table, format: ResultFormat) -> bytes:  # noqa: A002
    """Return a result in a format, text as UTF-8."""
    if format is ResultFormat.PARQUET:
        return _parquet(table)
    writer = {
        ResultFormat.PRETTY: _pretty_result,
        ResultFormat.JSON: _json,
        ResultFormat.JSON_LINES: _json_lines,
        ResultFormat.CSV: _csv,
    }[format]
    return writer(table).encode()


def result_chunks(
    schema: pa.Schema,
    batches: Iterator[pa.RecordBatch],
    format: ResultFormat,  # noqa: A002
) -> Iterator[bytes]:
    """Yield a result in a format, a piece for each batch that has rows; joined they are what `format_result` returns.

    A drawn table is one piece: its widths depend on all rows.
    """
    filled = (batch for batch in batches if batch.num_rows)
    match format:
        case ResultFormat.PRETTY:
            yield _pretty_result(pa.Table.from_batches(list(filled), schema)).encode()
        case ResultFormat.PARQUET:
            yield from _parquet_chunks(schema, filled)
        case ResultFormat.JSON:
            before = "["
            for batch in filled:
                yield (before + ",".join(_objects(pa.Table.from_batches([batch])))).encode()
                before = ","
            yield b"[]" if before == "[" else b"]"
        case ResultFormat.JSON_LINES:
            for batch in filled:
                yield _json_lines(pa.Table.from_batches([batch])).encode()
        case ResultFormat.CSV:
            for number, batch in enumerate(filled):
                yield _csv(pa.Table.from_batches([batch]), header=number == 0).encode()


class _Outlet(io.RawIOBase):
    """A file that is taken away as it is written; positions in it go on."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._position = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def write(self, data: Any) -> int:
        part = bytes(data)
        self._parts.append(part)
        self._position += len(part)
        return len(part)

    def take(self) -> bytes:
        """Return what was written since last time."""
        data = b"".join(self._parts)
        self._parts.clear()
        return data


def _parquet_chunks(schema: pa.Schema, batches: Iterator[pa.RecordBatch]) -> Iterator[bytes]:
    out = _Outlet()
    writer: pq.ParquetWriter | None = None
    for batch in batches:
        writer = writer or pq.ParquetWriter(out, schema)
        writer.write_batch(batch)
        yield out.take()
    if writer is not None:
        writer.close()
        yield out.take()


def _pretty_result(table: pa.Table) -> str:
    """Return a result as the original answers it, whose queries without rows yield no batch that names columns."""
    return format_pretty(table) if table.num_rows else _NOTHING


def format_pretty(table: pa.Table) -> str:
    """Return a result as a drawn table."""
    columns = [_texts(column) for column in table.columns]
    heads = [field.name for field in table.schema]
    widths = [
        max([_width(head), *(_width(line) for text in texts for line in text.split("\n"))])
        for head, texts in zip(heads, columns, strict=True)
    ]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    if not heads:
        return _NOTHING
    body = [line for row in zip(*columns, strict=True) for line in _pretty_row(row, widths)]
    return "\n".join([rule, *_pretty_row(heads, widths), rule, *body, *([rule] if body else [])])


def _pretty_row(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Draw one row; a cell of several lines makes a row of several lines."""
    parts = [cell.split("\n") for cell in cells]
    height = max(len(part) for part in parts)
    padded = [part + [""] * (height - len(part)) for part in parts]
    return [
        "|"
        + "|".join(
            f" {part[i]}{' ' * (width - _width(part[i]))} "
            for part, width in zip(padded, widths, strict=True)
        )
        + "|"
        for i in range(height)
    ]


def _width(text: str) -> int:
    """Return how many columns of a terminal a text takes."""
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1
        for c in text
    )


def _csv(table: pa.Table, *, header: bool = True) -> str:
    if table.num_rows == 0:
        return ""
    for field in table.schema:
        if pa.types.is_nested(field.type):
            raise QueryError(
                f"Arrow error: Csv error: Nested type {display_name(field.type)} is not supported in CSV"
            )
    rows: list[Sequence[str]] = [table.column_names] if header else []
    rows += zip(*(_texts(column) for column in table.columns), strict=True)
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    text = out.getvalue()
    if "\r" in text and sys.version_info < (3, 13):
        # Python's writer quotes a carriage return only where it is part of the line end.
        return "".join(",".join(map(_quoted, row)) + "\n" for row in rows)
    return text


def _quoted(text: str) -> str:
    if not any(c in text for c in ',"\r\n'):
        return text
    return '"' + text.replace('"', '""') + '"'


def _json(table: pa.Table) -> str:
    return "[" + ",".join(_objects(table)) + "]"


def _json_lines(table: pa.Table) -> str:
    return "".join(f"{line}\n" for line in _objects(table))


def _objects(table: pa.Table) -> list[str]:
    columns = [_json_values(column) for column in table.columns]
    names = [json.dumps(name, ensure_ascii=False) for name in table.column_names]
    return [
        "{" + ",".join(f"{n}:{v}" for n, v in zip(names, row, strict=True) if v is not None) + "}"
        for row in zip(*columns, strict=True)
    ]


def _parquet(table: pa.Table) -> bytes:
    if table.num_rows == 0:
        return b""
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def _texts(column: pa.ChunkedArray) -> list[str]:
    """Return a column's values as text, NULL as empty."""
    write = text_writer(column.type)
    return ["" if value is None else write(value) for value in _python_values(column)]


def _json_values(column: pa.ChunkedArray) -> list[str | None]:
    """Return a column's values as JSON, None for NULL."""
    write = json_writer(column.type)
    return [None if value is None else write(value) for value in _python_values(column)]


def _python_values(column: pa.ChunkedArray) -> list[Any]:
    """Return a column's values: instants as an integer in the column's unit, tags as text, inside others as well."""
    plain = plain_type(column.type)
    return list((column if plain.equals(column.type) else column.cast(plain)).to_pylist())
