"""Records in append-only files: round trips, and an honest judgement of every kind of end."""

from __future__ import annotations

import mmap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procengine.errors import DataFormatError
from procengine.model.framing import (
    HEADER_BYTES,
    MARKER,
    End,
    Ending,
    FileFormat,
    Record,
    decode_record,
    decode_records,
    encode_header,
    encode_record,
    salvage_records,
)

PAYLOADS = st.lists(st.binary(max_size=40), max_size=6)


def read(data: bytes) -> tuple[list[bytes], End]:
    *records, end = decode_records(data)
    assert isinstance(end, End)
    return [bytes(record.payload) for record in records if isinstance(record, Record)], end


@given(PAYLOADS)
def test_records_round_trip(payloads: list[bytes]) -> None:
    """What was encoded is decoded, in order, and the end is clean at the last byte."""
    data = b"".join(encode_record(payload) for payload in payloads)
    assert read(data) == (payloads, End(ending=Ending.CLEAN, offset=len(data)))


def test_records_truncated_at_every_byte_are_torn_at_the_last_good_record() -> None:
    """A file cut anywhere yields exactly the records that are whole, and is torn unless cut between two."""
    records = [encode_record(payload) for payload in (b"", b"one", b"two words", MARKER * 3)]
    data = b"".join(records)
    ends = [sum(map(len, records[:count])) for count in range(len(records) + 1)]
    for cut in range(len(data) + 1):
        payloads, end = read(data[:cut])
        whole = sum(1 for one in ends[1:] if one <= cut)
        assert len(payloads) == whole
        assert end.offset == ends[whole]
        assert end.ending is (Ending.CLEAN if cut in ends else Ending.TORN)


@given(payloads=PAYLOADS, place=st.integers(min_value=0, max_value=10_000))
def test_salvaged_records_are_all_but_the_damaged_one(payloads: list[bytes], place: int) -> None:
    """With one byte turned, all records but its own are yielded, and an end for the gap and for the bytes."""
    data = bytearray(b"".join(encode_record(payload) for payload in payloads))
    sizes = [HEADER_BYTES + len(payload) for payload in payloads]
    hit = len(payloads)
    if data:
        data[place % len(data)] ^= 1
        hit = next(n for n in range(len(sizes)) if place % len(data) < sum(sizes[: n + 1]))
    items = [*salvage_records(bytes(data))]
    found = [bytes(item.payload) for item in items if isinstance(item, Record)]
    assert found == payloads[:hit] + payloads[hit + 1 :]
    last = hit >= len(payloads) - 1
    assert [item.ending for item in items if isinstance(item, End)] == (
        [Ending.TORN if data else Ending.CLEAN] if last else [Ending.DAMAGED, Ending.CLEAN]
    )


@given(payloads=PAYLOADS, tail=st.binary(min_size=1, max_size=60))
def test_records_with_any_tail_keep_their_good_prefix(payloads: list[bytes], tail: bytes) -> None:
    """Whatever follows them, whole records are decoded and the end lies at or after them."""
    data = b"".join(encode_record(payload) for payload in payloads)
    found, end = read(data + tail)
    assert found[: len(payloads)] == payloads
    assert end.offset >= len(data)


def test_record_with_any_flipped_byte_in_the_middle_is_damage() -> None:
    """A bad record before a good one is damage at its offset, whichever byte of it was changed."""
    first, second, third = (encode_record(payload) for payload in (b"first", b"second", b"third"))
    for position in range(len(second)):
        bad = bytearray(second)
        bad[position] ^= 0x5A
        payloads, end = read(first + bytes(bad) + third)
        assert payloads == [b"first"]
        assert end == End(ending=Ending.DAMAGED, offset=len(first))


def test_record_with_any_flipped_byte_at_the_end_is_torn() -> None:
    """A bad record with nothing good behind it is a torn tail, whichever byte of it was changed."""
    first, last = encode_record(b"first"), encode_record(b"last")
    for position in range(len(last)):
        bad = bytearray(last)
        bad[position] ^= 0x5A
        assert read(first + bytes(bad)) == ([b"first"], End(ending=Ending.TORN, offset=len(first)))


@pytest.mark.parametrize("count", [1, 7, 12, 4096])
def test_zeros_after_the_records_are_a_torn_tail(count: int) -> None:
    """A file that the system lengthened before the data came ends in zeros, which are no record."""
    data = encode_record(b"first")
    assert read(data + bytes(count)) == ([b"first"], End(ending=Ending.TORN, offset=len(data)))


def test_marker_inside_a_torn_payload_is_no_record() -> None:
    """The marker's bytes alone, within a payload cut short, do not make the tail look damaged."""
    record = encode_record(b"x" + MARKER + bytes(40))
    assert read(record[:-1])[1].ending is Ending.TORN


def test_payload_shares_the_buffer() -> None:
    """Decoding copies nothing: the payload is a view of the bytes that were given."""
    data = bytearray(encode_record(b"abc"))
    record = decode_record(data)
    assert isinstance(record, Record)
    data[HEADER_BYTES] = ord("z")
    assert bytes(record.payload) == b"zbc"


def test_records_decode_from_a_memory_map() -> None:
    """A memory map can be read through a memoryview."""
    data = encode_record(b"mapped")
    with mmap.mmap(-1, len(data)) as mapped:
        mapped.write(data)
        with memoryview(mapped) as view:
            record = decode_record(view)
            assert isinstance(record, Record)
            assert bytes(record.payload) == b"mapped"
            record.payload.release()
            del record


def test_header_and_payload_written_apart_make_a_record() -> None:
    """A long payload can be written behind its header without a copy."""
    payload = memoryview(b"long payload")
    assert encode_header(payload) + bytes(payload) == encode_record(payload)


FORMAT = FileFormat(kind="catalog log", magic=b"PECATLOG", version=3)


def test_file_format_finds_the_first_record() -> None:
    """Behind a header of the right kind and version, records start at its length."""
    assert FORMAT.check(FORMAT.header + b"rest", "a/b") == len(FORMAT.header)


def test_file_format_takes_a_file_cut_within_its_header_as_empty() -> None:
    """A file whose creation was cut short holds no record; 0 is returned."""
    for cut in range(len(FORMAT.header)):
        assert FORMAT.check(FORMAT.header[:cut], "a/b") == 0


def test_file_format_refuses_another_version() -> None:
    """The text names the file, the version found and the version that can be read."""
    newer = FileFormat(kind="catalog log", magic=b"PECATLOG", version=4)
    with pytest.raises(DataFormatError) as raised:
        FORMAT.check(newer.header, "a/b")
    assert str(raised.value) == (
        "cannot read catalog log 'a/b': it has format version 4; this procengine reads version 3"
    )


def test_file_format_refuses_another_kind() -> None:
    """A file that begins otherwise is refused by name."""
    with pytest.raises(DataFormatError, match="cannot read catalog log 'a/b': it does not begin as one"):
        FORMAT.check(b"something else", "a/b")
