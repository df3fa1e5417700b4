"""Which reader takes which part of a body, and how do the parts become one result?

A small body goes to the general reader. A larger one is cut at newlines into pieces, each of
which the uniform reader tries first; what that leaves goes to the general reader. Where a cut
falls into a line (a quoted newline), the piece before it reads that line to its end, and the next piece
is read anew from there.

Pieces of a large body are read by two threads, which end before the call does: numpy and
pyarrow let go of the interpreter while they work.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from procengine.errors import LineError
from procengine.model.line_group import LineGroup, ParsedLines
from procengine.model.line_protocol.general_reader import GeneralReader, decode, encode
from procengine.model.line_protocol.group_merge import merge_groups
from procengine.model.line_protocol.line_ends import OriginalLines
from procengine.model.line_protocol.piece import index_piece
from procengine.model.line_protocol.uniform_reader import FEWEST_LINES, read_uniform
from procengine.model.precision import Precision

_THREADS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadingSizes:
    """From which size on which reader is worth its fixed cost; the result never depends on them.

    ``small_body_bytes`` go to the general reader; ``piece_bytes`` is a piece's length; a shape of fewer
    than ``fewest_lines`` in a piece is read line by line; from ``pieces_for_threads`` on there are two threads.
    """

    small_body_bytes: int = 16_384
    piece_bytes: int = 2_000_000
    fewest_lines: int = FEWEST_LINES
    pieces_for_threads: int = 3


DEFAULT_SIZES = ReadingSizes()


def read_lines(
    data: bytes | str,
    *,
    precision: Precision = Precision.AUTO,
    default_time_ns: int,
    sizes: ReadingSizes = DEFAULT_SIZES,
) -> ParsedLines:
    """Read a body of line protocol.

    ``default_time_ns`` (nanoseconds UTC) is the time of lines without a timestamp, truncated to an
    explicit precision. Bad lines become errors and never an exception.
    Callable from any thread; the arrays share no memory with ``data``.

    Source: influxdb3_write/src/write_buffer/validator.rs, v1_parse_lines_and_catalog_updates.
    Differs: a line's number is that of its first physical line; an error has a column; bytes that are
    not UTF-8 spoil their line and not the body.
    """
    body = encode(data)
    if len(body) <= sizes.small_body_bytes:
        reader = GeneralReader(precision=precision, default_time_ns=default_time_ns)
        reader.read(data if isinstance(data, str) and data.isascii() else decode(body))
        groups, errors = tuple(reader.groups()), tuple(reader.errors)
    else:
        reads = list(_Body(body, precision, default_time_ns, sizes).read())
        groups = merge_groups(group for read in reads for group in read.groups)
        errors = tuple(error for read in reads for error in read.errors)
    return ParsedLines(groups=groups, errors=errors, original_line=OriginalLines(body))


@dataclass(frozen=True, slots=True)
class _PieceRead:
    """What a piece held, up to where it was read; line numbers count from its start."""

    end: int
    newlines: int
    groups: tuple[LineGroup, ...]
    errors: tuple[LineError, ...]

    def numbered_from(self, lines_before: int) -> _PieceRead:
        """Return the same with line numbers that count from the body's start."""
        if not lines_before:
            return self
        groups = [
            dataclasses.replace(group, line_numbers=group.line_numbers + lines_before)
            for group in self.groups
        ]
        errors = [
            dataclasses.replace(error, line_number=error.line_number + lines_before)
            for error in self.errors
        ]
        return _PieceRead(self.end, self.newlines, tuple(groups), tuple(errors))


class _Body:
    """Reads one body piece by piece."""

    def __init__(
        self, body: bytes, precision: Precision, default_time_ns: int, sizes: ReadingSizes
    ) -> None:
        self._body = body
        self._view = memoryview(body)
        self._precision = precision
        self._default_time_ns = precision.truncate(default_time_ns)
        self._sizes = sizes

    def read(self) -> Iterator[_PieceRead]:
        """Read all pieces, in order, numbered from the body's start."""
        cuts = self._cuts()
        threads = min(_THREADS, os.cpu_count() or 1)
        if len(cuts) < self._sizes.pieces_for_threads or threads == 1:
            yield from self._join([(start, end, None) for start, end in cuts])
            return
        pool = ThreadPoolExecutor(threads, thread_name_prefix="procengine-line-protocol")
        try:
            tasks = [(start, end, pool.submit(self._read_piece, start, end)) for start, end in cuts]
            yield from self._join(tasks)
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

    def _cuts(self) -> list[tuple[int, int]]:
        cuts, start = [], 0
        while start < len(self._body):
            end = self._cut_after(start, self._sizes.piece_bytes)
            cuts.append((start, end))
            start = end
        return cuts

    def _cut_after(self, start: int, size: int) -> int:
        """Return the end of the last physical line that fits into a size, or else of the first."""
        if start + size >= len(self._body):
            return len(self._body)
        end = self._body.rfind(b"\n", start, start + size)
        if end < 0:
            end = self._body.find(b"\n", start + size)
        return len(self._body) if end < 0 else end + 1

    def _join(self, tasks: Sequence[tuple[int, int, Future[_PieceRead] | None]]) -> Iterator[_PieceRead]:
        """Take the pieces' results, and read anew those that started inside a line."""
        position = lines = 0
        for start, end, future in tasks:
            if end <= position:
                continue
            is_read = future is not None and start == position
            read = future.result() if future and is_read else self._read_piece(position, end)
            yield read.numbered_from(lines)
            position = read.end
            lines += read.newlines

    def _read_piece(self, start: int, end: int) -> _PieceRead:
        piece = (
            index_piece(self._view[start:end]) if end - start <= 2 * self._sizes.piece_bytes else None
        )
        if piece is None:
            return self._read_generally(start, end)
        uniform = read_uniform(
            piece,
            precision=self._precision,
            default_time_ns=self._default_time_ns,
            fewest_lines=self._sizes.fewest_lines,
        )
        if uniform is None:
            return self._read_generally(start, end)
        if not uniform.left_over:
            return _PieceRead(end, piece.newline_count, uniform.groups, ())
        reader = GeneralReader(precision=self._precision, default_time_ns=self._default_time_ns)
        for text, line_number in uniform.left_over:
            reader.read(text, line_number=line_number)
        groups = merge_groups((*uniform.groups, *reader.groups()))
        return _PieceRead(end, piece.newline_count, groups, tuple(reader.errors))

    def _read_generally(self, start: int, end: int) -> _PieceRead:
        """Read a piece line by line, on past its end until its last line is complete."""
        reader = GeneralReader(precision=self._precision, default_time_ns=self._default_time_ns)
        position, line_number = start, 1
        while True:
            is_last = end == len(self._body)
            text = decode(self._view[position:end])
            read = reader.read(text, line_number=line_number, is_last=is_last)
            position += (
                len(text[:read].encode("utf-8", "surrogateescape"))
                if read < len(text)
                else end - position
            )
            line_number = reader.line_number
            if position == end:
                return _PieceRead(end, line_number - 1, tuple(reader.groups()), tuple(reader.errors))
            end = self._cut_after(position, 2 * (end - position) + self._sizes.piece_bytes)
