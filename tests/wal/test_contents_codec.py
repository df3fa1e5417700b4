"""What is stored of a write is all of it."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from procengine.wal.contents_codec import (
    decode_contents,
    encode_contents,
    encode_rows,
    sequence_number_of,
)
from tests.some_rows import some_rows, sparse_rows


def test_codec_round_trip_keeps_everything() -> None:
    """Names, ids, shapes, depth and the batch come back as they were, nulls and types included."""
    rows = (some_rows(("a", 1, 2.0)), sparse_rows())
    payload = encode_contents(12, 34, 2, [encode_rows(rows[:1]), encode_rows(rows[1:])])
    contents = decode_contents(payload)
    assert (contents.sequence_number, contents.persisted_ns, len(contents.rows)) == (12, 34, 2)
    for stored, given in zip(contents.rows, rows, strict=True):
        assert stored.batch.schema == given.batch.schema
        assert stored.batch.to_pylist() == given.batch.to_pylist()
        for name in ("database_id", "table_id", "database", "table", "shapes", "depth"):
            assert getattr(stored, name) == getattr(given, name)
    assert contents.rows[0].shape_of_row is None
    assert np.array_equal(contents.rows[1].shape_of_row, [0, 1, 2])


def test_codec_sequence_number_is_read_alone() -> None:
    """The sequence number is found without decoding the rows."""
    payload = encode_contents(99, 0, 1, [encode_rows([some_rows(("a", 1, 2.0))])])
    assert sequence_number_of(memoryview(payload)) == 99


def test_codec_slices_store_their_rows_only() -> None:
    """A batch that is a slice of a larger one is stored without the rest."""
    whole = some_rows(*((f"r{i}", i, float(i)) for i in range(1000)))
    part = some_rows(("a", 1, 2.0))
    sliced = type(whole)(
        **{
            name: getattr(whole, name)
            for name in ("database_id", "table_id", "database", "table", "shapes")
        },
        batch=whole.batch.slice(500, 2),
    )
    contents = decode_contents(encode_contents(1, 0, 1, [encode_rows([sliced])]))
    assert contents.rows[0].batch.to_pylist() == whole.batch.slice(500, 2).to_pylist()
    assert part.row_count == 1
    assert contents.rows[0].batch.column("temp").nbytes == 16


def test_codec_decoded_buffers_are_aligned() -> None:
    """Decoded arrays start at multiples of eight bytes, as Arrow consumers demand."""
    contents = decode_contents(encode_contents(1, 0, 1, [encode_rows([sparse_rows()])]))
    addresses = [
        buffer.address
        for column in contents.rows[0].batch.columns
        for buffer in (column.indices if pa.types.is_dictionary(column.type) else column).buffers()
        if buffer is not None
    ]
    assert addresses
    assert all(address % 8 == 0 for address in addresses)
