"""How is a query's result written down?

The original's five formats. Times have no ``Z`` unless the column has a zone; JSON leaves out NULLs.

Source: influxdb3_server/src/http.rs and influxdb3_types/src/http.rs, QueryFormat; arrow-rs `util::pretty`,
`arrow-json` and `arrow-csv`, with which they write.
"""

from __future__ import annotations

import base64
import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from procengine.errors import InvalidInputError


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
        ResultFormat.PRETTY: format_pretty,
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
            yield format_pretty(pa.Table.from_batches(list(filled), schema)).encode()
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


def format_pretty(table: pa.Table) -> str:
    """Return a result as a drawn table."""
    columns = [_texts(column) for column in table.columns]
    heads = [field.name for field in table.schema]
    widths = [
        max([len(head), *(len(line) for text in texts for line in text.split("\n"))])
        for head, texts in zip(heads, columns, strict=True)
    ]
    rule = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    if not heads:
        return "++\n++"
    body = [line for row in zip(*columns, strict=True) for line in _pretty_row(row, widths)]
    return "\n".join([rule, *_pretty_row(heads, widths), rule, *body, *([rule] if body else [])])


def _pretty_row(cells: Sequence[str], widths: Sequence[int]) -> list[str]:
    """Draw one row; a cell of several lines makes a row of several lines."""
    parts = [cell.split("\n") for cell in cells]
    height = max(len(part) for part in parts)
    padded = [part + [""] * (height - len(part)) for part in parts]
    return [
        "|" + "|".join(f" {part[i]:<{width}} " for part, width in zip(padded, widths, strict=True)) + "|"
        for i in range(height)
    ]


def _csv(table: pa.Table, *, header: bool = True) -> str:
    if table.num_rows == 0:
        return ""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    if header:
        writer.writerow(table.column_names)
    writer.writerows(zip(*(_texts(column) for column in table.columns), strict=True))
    return out.getvalue()


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
    write = _text_writer(column.type)
    return ["" if value is None else write(value) for value in _python_values(column)]


def _json_values(column: pa.ChunkedArray) -> list[str | None]:
    """Return a column's values as JSON, None for NULL."""
    write = _json_writer(column.type)
    return [None if value is None else write(value) for value in _python_values(column)]


def _python_values(column: pa.ChunkedArray) -> list[Any]:
    """Return a column's values: instants as an integer in the column's unit, tags as text, inside others as well."""
    plain = _plain(column.type)
    return list((column if plain.equals(column.type) else column.cast(plain)).to_pylist())


def _plain(kind: pa.DataType) -> pa.DataType:
    """Return the type whose values are written: Python's own instants have fewer digits."""
    if pa.types.is_timestamp(kind) or pa.types.is_duration(kind):
        return pa.int64()
    if pa.types.is_dictionary(kind):
        return _plain(kind.value_type)
    if pa.types.is_struct(kind):
        return pa.struct([field.with_type(_plain(field.type)) for field in kind])
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_plain(kind.value_type)))
    if pa.types.is_large_list(kind):
        return pa.large_list(kind.value_field.with_type(_plain(kind.value_type)))
    return kind


def _text_writer(kind: pa.DataType) -> Callable[[Any], str]:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_timestamp(kind):
        return lambda value: format_instant(value, kind.unit, zone=kind.tz)
    if pa.types.is_duration(kind):
        return lambda value: f"PT{format_float(value / _PER_SECOND[kind.unit]).removesuffix('.0')}S"
    if pa.types.is_floating(kind):
        return format_float
    if pa.types.is_boolean(kind):
        return lambda value: "true" if value else "false"
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return lambda value: bytes(value).hex()
    if pa.types.is_interval(kind):
        return _interval_text
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        item = _text_writer(kind.value_type)
        return lambda value: "[" + ", ".join("" if v is None else item(v) for v in value) + "]"
    if pa.types.is_struct(kind):
        fields = [(field.name, _text_writer(field.type)) for field in kind]
        return lambda value: (
            "{" + ", ".join(f"{n}: {'' if value[n] is None else w(value[n])}" for n, w in fields) + "}"
        )
    return str


def _json_writer(kind: pa.DataType) -> Callable[[Any], str]:
    kind = kind.value_type if pa.types.is_dictionary(kind) else kind
    if pa.types.is_integer(kind):
        return str
    if pa.types.is_boolean(kind):
        return lambda value: "true" if value else "false"
    if pa.types.is_floating(kind):
        return lambda value: format_float(value) if math.isfinite(value) else "null"
    if pa.types.is_list(kind) or pa.types.is_large_list(kind):
        item = _json_writer(kind.value_type)
        return lambda value: "[" + ",".join("null" if v is None else item(v) for v in value) + "]"
    if pa.types.is_struct(kind):
        fields = [(field.name, _json_writer(field.type)) for field in kind]
        return lambda value: (
            "{"
            + ",".join(f"{json.dumps(n)}:{w(value[n])}" for n, w in fields if value[n] is not None)
            + "}"
        )
    if pa.types.is_binary(kind):
        return lambda value: json.dumps(base64.b16encode(value).decode().lower())
    text = _text_writer(kind)
    return lambda value: json.dumps(text(value), ensure_ascii=False)


def _interval_text(value: pa.MonthDayNano) -> str:
    """Return an interval as arrow-rs draws it: ``1 mons 2 days 3 hours 4 mins 5.000000000 secs``, without zeros."""
    sign = "-" if value.nanoseconds < 0 else ""
    seconds, fraction = divmod(abs(value.nanoseconds), 10**9)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(f"{value.months}", "mons"), (f"{value.days}", "days")]
    parts += [(f"{sign}{hours}", "hours"), (f"{sign}{minutes}", "mins")]
    if seconds or fraction:
        parts.append((f"{sign}{seconds}.{fraction:09d}", "secs"))
    return " ".join(f"{number} {unit}" for number, unit in parts if number not in ("0", "-0"))


_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}


def format_instant(value: int, unit: str, *, zone: str | None = None) -> str:
    """Return an instant as ISO 8601, with as many digits after the second as it needs: none, 3, 6 or 9.

    ``value`` counts units since the epoch, UTC. Without a zone nothing follows; UTC is written ``Z``.
    """
    import datetime
    import zoneinfo

    per_second = _PER_SECOND[unit]
    seconds, fraction = divmod(value, per_second)
    moment = datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=seconds)
    suffix = ""
    if zone is not None:
        aware = moment.replace(tzinfo=datetime.UTC)
        local = aware.astimezone(_fixed_zone(zone) or zoneinfo.ZoneInfo(zone))
        offset = local.strftime("%z")
        suffix = "Z" if zone.upper() in {"UTC", "Z"} else f"{offset[:3]}:{offset[3:5]}"
        moment = local.replace(tzinfo=None)
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + _fraction(fraction * (10**9 // per_second)) + suffix


def _fixed_zone(zone: str) -> Any:
    import datetime

    if zone[:1] not in "+-" or len(zone) != 6:
        return None
    minutes = int(zone[1:3]) * 60 + int(zone[4:6])
    return datetime.timezone(datetime.timedelta(minutes=-minutes if zone[0] == "-" else minutes))


def _fraction(nanoseconds: int) -> str:
    if nanoseconds == 0:
        return ""
    for digits, divisor in ((3, 1_000_000), (6, 1_000)):
        if nanoseconds % divisor == 0:
            return f".{nanoseconds // divisor:0{digits}d}"
    return f".{nanoseconds:09d}"


def format_float(value: float) -> str:
    """Return the shortest text that reads back as the same number, in the original's form.

    Exponents have neither a plus sign nor leading zeros: ``1e22``, ``1e-7``.
    """
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "inf" if value > 0 else "-inf"
    mantissa, e, exponent = repr(value).partition("e")
    return f"{mantissa}e{int(exponent)}" if e else mantissa
