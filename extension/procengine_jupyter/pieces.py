"""How is a large body cut into writes, so that it can show progress and be stopped?

A piece of line protocol ends where a line ends: a newline within a quoted string or after a backslash
is no end. A piece of a table is a slice of its rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from procengine.errors import InvalidInputError
from procengine.model.line_protocol.line_ends import line_end

PIECE_BYTES = 4 * 1024 * 1024
PIECE_ROWS = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One write's worth. ``first_line`` counts lines (of a table: rows) from 1 in the whole body."""

    data: bytes | pa.Table
    first_line: int
    line_count: int


def line_pieces(body: bytes, *, size: int = PIECE_BYTES) -> Iterator[Piece]:
    """Return the pieces of a body of line protocol, each at least one line long."""
    start, first_line = 0, 1
    while start < len(body):
        end = _piece_end(body, start, size)
        line_count = body.count(b"\n", start, end) + (end == len(body) and not body.endswith(b"\n"))
        yield Piece(data=body[start:end], first_line=first_line, line_count=line_count)
        start, first_line = end, first_line + line_count


def _piece_end(body: bytes, start: int, size: int) -> int:
    """Return where the last line that ends within a size ends; a longer first line makes a longer piece."""
    if len(body) - start <= size:
        return len(body)
    end = start
    while end < len(body):
        following = _line_end(body, end) + 1
        if following - start > size and end > start:
            break
        end = min(following, len(body))
    return end


def _line_end(body: bytes, start: int) -> int:
    """Return the offset of the newline that ends a line, or the body's length.

    Most lines show by a glance that the first newline ends them; the others are read by the grammar.
    """
    newline = body.find(b"\n", start)
    if newline < 0:
        return len(body)
    line = body[start:newline]
    if not line.endswith(b"\\"):
        head, _, rest = line.partition(b" ")
        quotes = rest.count(b'"')
        if not quotes and b'"' not in head:
            return newline
        plain = b'"' not in head and not head.endswith(b"\\") and b"\\" not in rest
        if plain and quotes % 2 == 0:
            return newline
    return _exact_line_end(body, start)


def _exact_line_end(body: bytes, start: int) -> int:
    window = 65_536
    while True:
        text = body[start : start + window].decode("latin-1")
        end = line_end(text, 0)
        if end < len(text) or start + window >= len(body):
            return start + end
        window *= 2


def table_pieces(table: pa.Table, *, size: int = PIECE_ROWS) -> Iterator[Piece]:
    """Return the slices of a table; one empty piece for a table without rows."""
    for start in range(0, max(table.num_rows, 1), size):
        part = table.slice(start, size)
        yield Piece(data=part, first_line=start + 1, line_count=part.num_rows)


def read_source(path: Path) -> bytes | pa.Table:
    """Return a file's content: CSV and Parquet, told by their endings, as a table, else line protocol.

    Raises: InvalidInputError for a file that cannot be read as what its ending says.
    """
    ending = path.suffix.lower()
    try:
        if ending == ".parquet":
            import pyarrow.parquet as pq

            return pq.read_table(path)
        if ending in {".csv", ".tsv"}:
            from pyarrow import csv

            options = csv.ParseOptions(delimiter="\t" if ending == ".tsv" else ",")
            return csv.read_csv(path, parse_options=options)
        return path.read_bytes()
    except (OSError, pa.ArrowInvalid) as error:
        raise InvalidInputError(f"cannot read {str(path)!r}: {error}") from error
