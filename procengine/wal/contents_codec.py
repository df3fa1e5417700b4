"""How do WAL contents lie in a record?

Little-endian, each part padded to 8 bytes. First sequence number (uint64), time of the flush (int64, ns) and
number of row sets (uint32, then 4 bytes unused). Then each `TableRows`: the sizes of three parts (uint32, uint32,
uint64) and the parts: names, ids, shapes and depth as JSON; ``shape_of_row`` as int32, size 0 when it is None;
the batch as an Arrow IPC stream. Row sets are encoded before the sequence number is known, by whoever writes.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from procengine.model.table_rows import TableRows, WalContents

_CONTENTS = struct.Struct("<QqI4x")
_ROWS = struct.Struct("<IIQ")
_ALIGNMENT = 8


def encode_rows(rows: Sequence[TableRows]) -> bytes:
    """Return row sets as bytes, for `encode_contents`."""
    parts: list[bytes | pa.Buffer] = []
    for one in rows:
        meta = _encode_meta(one)
        shapes = (
            b"" if one.shape_of_row is None else one.shape_of_row.astype("<i4", copy=False).tobytes()
        )
        batch = _encode_batch(one.batch)
        parts.append(_ROWS.pack(len(meta), len(shapes), batch.size))
        for part, size in ((meta, len(meta)), (shapes, len(shapes)), (batch, batch.size)):
            parts += (part, bytes(-size % _ALIGNMENT))
    return b"".join(parts)


def encode_contents(
    sequence_number: int, persisted_ns: int, count: int, encoded_rows: Sequence[bytes]
) -> bytes:
    """Return a record's payload: ``count`` row sets, encoded by `encode_rows` in one piece or several."""
    return b"".join((_CONTENTS.pack(sequence_number, persisted_ns, count), *encoded_rows))


def sequence_number_of(payload: bytes | memoryview) -> int:
    """Return the sequence number of a payload, and read no more of it."""
    return int(_CONTENTS.unpack_from(payload)[0])


def decode_contents(payload: bytes | memoryview) -> WalContents:
    """Return the contents of a payload, of which they keep a copy."""
    buffer = pa.py_buffer(bytes(payload))
    data = memoryview(buffer)
    sequence_number, persisted_ns, count = _CONTENTS.unpack_from(data)
    offset = _CONTENTS.size
    rows = []
    for _ in range(count):
        sizes = _ROWS.unpack_from(data, offset)
        offset += _ROWS.size
        starts = []
        for size in sizes:
            starts.append(offset)
            offset += size + -size % _ALIGNMENT
        rows.append(_decode_rows(buffer, data, starts, sizes))
    return WalContents(
        sequence_number=sequence_number,
        persisted_ns=persisted_ns,
        rows=tuple(rows),
        size_bytes=len(data) - _CONTENTS.size,
    )


def _encode_meta(rows: TableRows) -> bytes:
    meta = (rows.database_id, rows.table_id, rows.database, rows.table, rows.depth, rows.shapes)
    return json.dumps(meta, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def _encode_batch(batch: pa.RecordBatch) -> pa.Buffer:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return sink.getvalue()


def _decode_rows(
    buffer: pa.Buffer, data: memoryview, starts: Sequence[int], sizes: Sequence[int]
) -> TableRows:
    meta = bytes(data[starts[0] : starts[0] + sizes[0]]).decode("utf-8", "surrogatepass")
    database_id, table_id, database, table, depth, shapes = json.loads(meta)
    shape_of_row = None
    if sizes[1]:
        stored = np.frombuffer(data, "<i4", sizes[1] // 4, starts[1])
        shape_of_row = stored.astype(np.int32, copy=False)
    with pa.ipc.open_stream(buffer.slice(starts[2], sizes[2])) as stream:
        batch = stream.read_next_batch()
    return TableRows(
        database_id=database_id,
        table_id=table_id,
        database=database,
        table=table,
        batch=batch,
        shapes=tuple(tuple(shape) for shape in shapes),
        shape_of_row=shape_of_row,
        depth=depth,
    )
