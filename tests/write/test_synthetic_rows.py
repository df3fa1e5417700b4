"""Rows that are made up are those that a write would make, and change nothing."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from procengine.engine import Engine
from procengine.errors import InvalidInputError, LineProtocolError
from procengine.model.table_rows import TableRows
from procengine.write.synthetic_rows import synthetic_rows


@pytest.fixture
def engine() -> Iterator[Engine]:
    """An engine in memory with one table."""
    with Engine(object_store="memory", environ={}) as running:
        running.write("house", "home,room=a temp=1.5 1")
        yield running


def rows(engine: Engine, lines: str, database: str = "house") -> tuple[TableRows, ...]:
    """Return the synthetic rows of some lines."""
    return synthetic_rows(lines, catalog=engine.catalog, database=database, default_time_ns=7)


def test_rows_are_grouped_by_table_in_first_seen_order(engine: Engine) -> None:
    """Each table is one entry; lines of one table that differ in columns are joined."""
    found = rows(engine, "b n=1i 1\nhome temp=2 2\nb,t=x n=2i 3\nb n=3i")

    assert [(one.table, one.row_count) for one in found] == [("b", 3), ("home", 1)]
    assert found[0].batch.column("time").cast("int64").to_pylist() == [1, 3, 7]
    assert found[0].batch.column("t").to_pylist() == [None, "x", None]


def test_known_tables_have_their_ids(engine: Engine) -> None:
    """A table that exists has its id, another has 0."""
    known = engine.catalog.database("house")

    home, other = rows(engine, "home temp=2\nother n=1i")

    assert (home.database_id, home.table_id) == (known.id, known.tables["home"].id)
    assert other.table_id == 0
    assert rows(engine, "m f=1", database="nowhere")[0].database_id == 0


def test_nothing_is_created(engine: Engine) -> None:
    """Neither database, table nor column comes into being."""
    before = engine.catalog.sequence_number

    rows(engine, "home,floor=1 temp=2,hum=3\nother n=1i")
    rows(engine, "m f=1", database="nowhere")

    assert engine.catalog.sequence_number == before


@pytest.mark.parametrize(
    "lines", ["home temp=x", 'home temp="text"', "home room=1", "ok f=1\nhome temp=1i"]
)
def test_lines_that_a_write_would_reject_are_rejected(engine: Engine, lines: str) -> None:
    """One bad line, by grammar or by the schema as it stands, rejects all (semantics, section 7)."""
    with pytest.raises(LineProtocolError):
        rows(engine, lines)


def test_no_line_at_all_is_refused(engine: Engine) -> None:
    """A body without a line is an error."""
    with pytest.raises(InvalidInputError, match="incoming write was empty"):
        rows(engine, "# only a comment\n")
