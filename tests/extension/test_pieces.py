"""A long body is cut where lines end, and nothing is lost."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from procengine_jupyter.pieces import line_pieces, read_source, table_pieces

from procengine.errors import InvalidInputError
from procengine.model.line_protocol import read_lines
from procengine.model.precision import Precision

PLAIN = b"m,t=a f=1 1"
QUOTED_NEWLINE = b'm s="one\ntwo\nthree" 2'
ESCAPED_QUOTE = b'm s="a \\" b\n, x=1" 3'
ODD_TAG = b'm,t=a"b f="x" 4'
COMMENT = b"# it's a \"comment"

LINES = st.sampled_from([PLAIN, QUOTED_NEWLINE, ESCAPED_QUOTE, ODD_TAG, COMMENT, b"", b"m f=bad"])


def times(body: bytes) -> list[int]:
    """Return the times of a body's good lines."""
    parsed = read_lines(body, precision=Precision.NANOSECOND, default_time_ns=0)
    return sorted(int(t) for group in parsed.groups for t in group.times_ns)


@given(lines=st.lists(LINES, max_size=12), size=st.integers(1, 60), ends=st.booleans())
def test_pieces_hold_whole_lines(lines: list[bytes], size: int, ends: bool) -> None:
    """Joined, the pieces are the body; read apart, they hold the same lines."""
    body = b"\n".join(lines) + (b"\n" if ends else b"")

    pieces = list(line_pieces(body, size=size))

    assert b"".join(piece.data for piece in pieces) == body
    assert sorted(time for piece in pieces for time in times(piece.data)) == times(body)


@given(lines=st.lists(LINES, min_size=1, max_size=12), size=st.integers(1, 60))
def test_pieces_know_their_first_line(lines: list[bytes], size: int) -> None:
    """The first line of a piece is counted in the whole body, physical lines, from 1."""
    body = b"\n".join(lines)
    offset = 0
    for piece in line_pieces(body, size=size):
        assert piece.first_line == body.count(b"\n", 0, offset) + 1
        offset += len(piece.data)


def test_pieces_keep_to_their_size() -> None:
    """A piece is as large as allowed, and larger only for one line that is."""
    pieces = list(line_pieces(b"m f=1\n" * 100 + b'm s="' + b"x" * 500 + b'"\n', size=60))

    assert {len(piece.data) for piece in pieces[:-1]} == {60}
    assert len(pieces[-1].data) > 500


def test_table_pieces_cover_all_rows() -> None:
    """A table is cut into slices of rows; one without rows is one slice."""
    table = pa.table({"x": range(25)})

    pieces = list(table_pieces(table, size=10))

    assert [(piece.first_line, piece.line_count) for piece in pieces] == [(1, 10), (11, 10), (21, 5)]
    assert len(list(table_pieces(table.slice(0, 0)))) == 1


def test_files_are_read_by_their_ending(tmp_path: Path) -> None:
    """CSV and Parquet become tables, anything else is line protocol."""
    table = pa.table({"room": ["k"], "temp": [1.5]})
    pq.write_table(table, tmp_path / "a.parquet")
    (tmp_path / "a.csv").write_text("room,temp\nk,1.5\n")
    (tmp_path / "a.lp").write_bytes(PLAIN)

    assert read_source(tmp_path / "a.parquet").equals(table)
    assert read_source(tmp_path / "a.csv").equals(table)
    assert read_source(tmp_path / "a.lp") == PLAIN


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "missing.lp"])
def test_unreadable_files_are_refused_by_name(tmp_path: Path, name: str) -> None:
    """A file that is not what its ending says, or not there, is an error that names it."""
    if name != "missing.lp":
        (tmp_path / name).write_bytes(b"")

    with pytest.raises(InvalidInputError, match=f"cannot read .*{name}"):
        read_source(tmp_path / name)
