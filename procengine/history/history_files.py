"""Which files hold a history, and how is it bounded?

Rows are appended to a growing file, ``{ordinal}.rows``: framed records as those of the write-ahead log, each an Arrow
record batch. When it has reached its size it is sealed: written anew as one compressed batch, under a name that says
what is in it, ``{ordinal}-{bytes}-{rows}-{first}-{last}.rows`` (times in nanoseconds UTC), so that a reader who asks
for a time opens no other file. When all files together are too large, the oldest go.

A history is told, not relied upon. So records are not synced one by one: they outlive the process, not the machine.
What is damaged is passed over, with a warning, and stays where it is until the bound takes it; a torn tail is cut off
and kept in ``last.cut``.
"""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

import pyarrow as pa
import pyarrow.compute as pc

from procengine.errors import DataFormatError
from procengine.file_system import (
    PART_SUFFIX,
    AppendFile,
    FileSystem,
    create_anew,
    make_folder,
    write_all,
    write_durably,
)
from procengine.model.empty_table import empty_table
from procengine.model.framing import (
    End,
    Ending,
    FileFormat,
    Record,
    decode_records,
    encode_record,
    salvage_records,
)

logger = logging.getLogger(__name__)

FILE_FORMAT = FileFormat(kind="history file", magic=b"procehst")
SEGMENTS = 16
"""Into how many growing files the bytes of a history would go; sealed ones are several times smaller."""

CUT_NAME = "last.cut"
_NAME = re.compile(r"(\d{8})(?:-(\d+)-(\d+)-(-?\d+)-(-?\d+))?\.rows")
_SEALING = pa.ipc.IpcWriteOptions(compression="zstd")


class Totals(Protocol):
    """Counts the rows of files that grow no more, so that what they say outlives them."""

    @property
    def covered(self) -> int:
        """The ordinal of the last file whose rows are counted."""
        ...

    @property
    def saved(self) -> int:
        """The same for what is written down; files up to there may go."""
        ...

    def load(self) -> None:
        """Read what an engine before has counted."""
        ...

    def add(self, ordinal: int, rows: pa.Table) -> None:
        """Count the rows of a file."""
        ...

    def save(self) -> None:
        """Write down what was counted."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One file: ``size_bytes`` of it are good, and hold ``rows`` of times from ``min_ns`` to ``max_ns``.

    An unsealed file of an engine before is not opened to learn that; it then holds all times, and -1 rows.
    """

    path: Path
    ordinal: int
    sealed: bool
    size_bytes: int
    rows: int
    min_ns: int
    max_ns: int


Segments = tuple[Segment, ...]
"""The files of a history, oldest first."""


class HistoryFiles:
    """The files of one history in a folder. One thread changes them; any may `read` those it is told of.

    ``schema`` is that of the rows, ``time_column`` names the one that files are told apart by. The last
    ``added_columns`` of it may be missing in files of engines before; they are NULL there.
    """

    def __init__(
        self,
        folder: Path,
        *,
        schema: pa.Schema,
        time_column: str,
        total_bytes: int,
        file_system: FileSystem,
        totals: Totals | None = None,
        added_columns: int = 0,
    ) -> None:
        self._folder = folder
        self._added_columns = added_columns
        self._schema = schema
        self._time_column = time_column
        self._total_bytes = total_bytes
        self._segment_bytes = max(1, total_bytes // SEGMENTS)
        self._files = file_system
        self._totals = totals
        self._growing: AppendFile | None = None
        self._last_ordinal = 0
        self._forgotten: list[Path] = []
        self._passed_over: set[tuple[Path, str]] = set()

    def open(self) -> Segments:
        """Find the files, cut a torn tail off the one that was growing, and go on with it.

        Raises: OSError.
        """
        make_folder(self._files, self._folder)
        segments = self._find()
        self._last_ordinal = max((one.ordinal for one in segments), default=0)
        if segments and not segments[-1].sealed:
            segments = (*segments[:-1], *self._reopened(segments[-1]))
        if self._totals is not None:
            self._count(segments, self._totals)
            self._last_ordinal = max(self._last_ordinal, self._totals.covered)
        return segments

    def append(self, segments: Segments, batch: pa.RecordBatch) -> Segments:
        """Append rows; return the files as they are then, of which readers may be told.

        `tidy` is to be called once no reader begins with the files as they were.

        Raises: OSError: nothing was appended.
        """
        record = encode_record(batch.serialize())
        segments, file = self._writable(segments)
        growing = segments[-1]
        try:
            write_all(file, record)
        except BaseException:
            self._take_back(file, growing)
            raise
        first, last = _time_range(batch.column(self._time_column))
        grown = replace(
            growing,
            size_bytes=growing.size_bytes + len(record),
            rows=growing.rows + batch.num_rows,
            min_ns=min(growing.min_ns, first) if growing.rows else first,
            max_ns=max(growing.max_ns, last) if growing.rows else last,
        )
        segments = (*segments[:-1], grown)
        if grown.size_bytes >= self._segment_bytes:
            segments = (*segments[:-1], self._sealed(grown))
        return self._bounded(segments)

    def tidy(self) -> None:
        """Remove the files that `append` replaced or let go."""
        forgotten, self._forgotten = self._forgotten, []
        for path in forgotten:
            with contextlib.suppress(OSError):
                self._files.remove(path)

    def read(self, segment: Segment) -> pa.Table:
        """Return the rows of a file, from any thread; without those that are damaged, of which a warning tells.

        Raises: OSError.
        """
        payloads = self._payloads(segment)
        try:
            read = self._read_sealed if segment.sealed else self._read_batch
            return pa.concat_tables([empty_table(self._schema), *map(read, payloads)])
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            self._pass_over(segment, str(error))
            return empty_table(self._schema)

    def _read_sealed(self, payload: bytes | memoryview) -> pa.Table:
        return self._completed(decode_stream(payload))

    def _read_batch(self, payload: bytes | memoryview) -> pa.Table:
        """Return the rows of a record, which does not tell its columns: the newer ones may not be in it."""
        columns = len(self._schema)
        for count in range(columns, columns - self._added_columns, -1):
            with contextlib.suppress(pa.ArrowInvalid):
                schema = pa.schema([*self._schema][:count])
                return self._completed(
                    pa.Table.from_batches([pa.ipc.read_record_batch(payload, schema)])
                )
        schema = pa.schema([*self._schema][: columns - self._added_columns])
        return self._completed(pa.Table.from_batches([pa.ipc.read_record_batch(payload, schema)]))

    def _completed(self, rows: pa.Table) -> pa.Table:
        """Return rows with NULL in the columns that came later."""
        for field in [*self._schema][rows.num_columns :]:
            rows = rows.append_column(field, pa.nulls(rows.num_rows, field.type))
        return rows

    def close(self) -> None:
        """Let the growing file go."""
        file, self._growing = self._growing, None
        if file is not None:
            with contextlib.suppress(OSError):
                file.close()

    def _find(self) -> Segments:
        """Return the files by their names; what a crash left beside them is forgotten."""
        found: dict[int, Segment] = {}
        names = sorted(
            self._files.names(self._folder), key=len
        )  # a sealed file after the one it replaces
        for name in names:
            path = self._folder / name
            if name.endswith(PART_SUFFIX):
                self._forgotten.append(path)
            match = _NAME.fullmatch(name)
            if match is None:
                continue
            ordinal = int(match[1])
            if ordinal in found:
                self._forgotten.append(found[ordinal].path)
            found[ordinal] = self._found_sealed(path, match) if match[2] else self._found_growing(path)
        self.tidy()
        return tuple(found[ordinal] for ordinal in sorted(found))

    @staticmethod
    def _found_sealed(path: Path, match: re.Match[str]) -> Segment:
        ordinal, size, rows, first, last = (int(group) for group in match.groups())
        return Segment(
            path=path,
            ordinal=ordinal,
            sealed=True,
            size_bytes=size,
            rows=rows,
            min_ns=first,
            max_ns=last,
        )

    def _found_growing(self, path: Path) -> Segment:
        size = len(self._files.read(path))
        ordinal = int(path.name.partition(".")[0])
        return Segment(
            path=path,
            ordinal=ordinal,
            sealed=False,
            size_bytes=size,
            rows=-1,
            min_ns=-(1 << 63),
            max_ns=(1 << 63) - 1,
        )

    def _count(self, segments: Segments, totals: Totals) -> None:
        """Count the rows that were not counted before the engine ended, but for those of the growing file."""
        totals.load()
        for segment in segments:
            grows = segment is segments[-1] and self._growing is not None
            if segment.ordinal > totals.covered and not grows:
                totals.add(segment.ordinal, self.read(segment))

    def _payloads(self, segment: Segment) -> list[memoryview]:
        """Return the good records of a file, whatever is between them."""
        data = memoryview(self._files.read(segment.path, 0, segment.size_bytes))
        try:
            start = FILE_FORMAT.check(data, str(segment.path))
        except DataFormatError as error:
            self._pass_over(segment, str(error))
            return []
        if not start:
            self._pass_over(segment, "it ends within its header")
            return []
        payloads = []
        for item in salvage_records(data, start):
            match item:
                case Record():
                    payloads.append(item.payload)
                case End(ending=Ending.DAMAGED):
                    self._pass_over(segment, f"damaged at offset {item.offset}, good again after that")
                case End(ending=Ending.TORN):
                    self._pass_over(segment, f"damaged from offset {item.offset} on")
                case End() if segment.sealed and not payloads:
                    self._pass_over(segment, "it ends after its header")
        return payloads

    def _pass_over(self, segment: Segment, reason: str) -> None:
        """Say once that a file, or a part of it, cannot be read."""
        if (segment.path, reason) not in self._passed_over:
            self._passed_over.add((segment.path, reason))
            logger.warning("history file passed over: path=%s, reason=%s", segment.path, reason)

    def _reopened(self, segment: Segment) -> Segments:
        """Return the file that was growing, without a torn tail.

        One of another format, and one that is damaged before its end, stays as it is and grows no more.
        """
        data = memoryview(self._files.read(segment.path))
        try:
            end = FILE_FORMAT.check(data, str(segment.path))
        except DataFormatError as error:
            self._pass_over(segment, str(error))
            return (segment,)
        for item in decode_records(data, end) if end else ():
            if isinstance(item, Record):
                end = item.end
            elif item.ending is Ending.DAMAGED:
                return (segment,)
        if end < len(data):
            self._cut(segment.path, end, bytes(data[end:]))
        if not end:  # made, and not written to before the process ended
            self._files.remove(segment.path)
            return ()
        self._growing = self._files.reopen(segment.path)
        whole = replace(segment, size_bytes=end)
        rows = self.read(whole)
        first, last = _time_range(rows[self._time_column]) if rows.num_rows else (0, 0)
        return (replace(whole, rows=rows.num_rows, min_ns=first, max_ns=last),)

    def _cut(self, path: Path, offset: int, tail: bytes) -> None:
        kept = self._folder / CUT_NAME
        copy = create_anew(self._files, kept)
        try:
            write_all(copy, tail)
        finally:
            copy.close()
        file = self._files.reopen(path)
        try:
            file.truncate(offset)
        finally:
            file.close()
        logger.warning(
            "cut %d bytes of an unfinished or damaged record off %s at offset %d; they are kept in %s",
            len(tail),
            path,
            offset,
            kept,
        )

    def _writable(self, segments: Segments) -> tuple[Segments, AppendFile]:
        if self._growing is not None:
            return segments, self._growing
        if segments and self._totals is not None and segments[-1].ordinal > self._totals.covered:
            self._totals.add(segments[-1].ordinal, self.read(segments[-1]))
        self._last_ordinal += 1  # never used again, even if what follows fails
        path = self._folder / f"{self._last_ordinal:08}.rows"
        file = self._files.create(path)
        try:
            write_all(file, FILE_FORMAT.header)
        except BaseException:
            file.close()
            with contextlib.suppress(OSError):
                self._files.remove(path)
            raise
        self._growing = file
        new = Segment(
            path=path,
            ordinal=self._last_ordinal,
            sealed=False,
            size_bytes=len(FILE_FORMAT.header),
            rows=0,
            min_ns=0,
            max_ns=0,
        )
        return (*segments, new), file

    def _take_back(self, file: AppendFile, segment: Segment) -> None:
        """Take back what a failed append left; where the disk refuses even that, go on in another file."""
        try:
            file.truncate(segment.size_bytes)
        except OSError:
            self.close()
        if not segment.rows:  # a full disk would else gather files without rows
            self.close()
            with contextlib.suppress(OSError):
                self._files.remove(segment.path)

    def _sealed(self, segment: Segment) -> Segment:
        """Write a full file anew; where that fails it stays, and reads the same."""
        self.close()
        try:
            rows = self.read(segment)
            if self._totals is not None:
                self._totals.add(segment.ordinal, rows)
            if rows.num_rows != segment.rows:  # damaged meanwhile: what is left of it is kept
                return segment
            data = FILE_FORMAT.header + encode_record(encode_stream(rows))
            path = self._folder / (
                f"{segment.ordinal:08}-{len(data)}-{rows.num_rows}-{segment.min_ns}-{segment.max_ns}.rows"
            )
            write_durably(self._files, path, data)
        except OSError as error:
            logger.warning("history file stays as it is: path=%s, error=%s", segment.path, error)
            return segment
        self._forgotten.append(segment.path)
        return replace(segment, path=path, sealed=True, size_bytes=len(data))

    def _bounded(self, segments: Segments) -> Segments:
        """Let the oldest files go until the others are small enough; the newest always stays."""
        total = sum(one.size_bytes for one in segments)
        kept = 0
        while total > self._total_bytes and kept < len(segments) - 1:
            total -= segments[kept].size_bytes
            self._forgotten.append(segments[kept].path)
            kept += 1
        if kept and self._totals is not None and segments[kept - 1].ordinal > self._totals.saved:
            self._totals.save()
        return segments[kept:]


def within(segments: Iterable[Segment], since_ns: int | None) -> Iterator[Segment]:
    """Yield the files that can hold rows from an instant on."""
    return (one for one in segments if since_ns is None or one.max_ns >= since_ns)


def _time_range(times: pa.Array | pa.ChunkedArray) -> tuple[int, int]:
    ends = pc.min_max(times.cast(pa.int64()))
    return ends["min"].as_py(), ends["max"].as_py()


def encode_stream(rows: pa.Table) -> bytes:
    """Return rows as one compressed batch with its schema."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=_SEALING) as writer:
        writer.write_table(rows.combine_chunks())
    data: bytes = sink.getvalue().to_pybytes()
    return data


def decode_stream(data: bytes | memoryview) -> pa.Table:
    """Return the rows that `encode_stream` wrote."""
    return pa.ipc.open_stream(data).read_all()
