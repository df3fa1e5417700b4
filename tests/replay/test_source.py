"""A replay reads line protocol, CSV, Parquet, tables and queries, and says what is wrong with them."""

from __future__ import annotations

import gzip
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from procengine.engine import Engine
from procengine.errors import DatabaseNotFoundError, InvalidInputError, LineProtocolError
from procengine.replay import Source, SourceFormat, read_data, read_file, read_query
from tests.replay.conftest import NOON_NS, SECOND, lines

TABLE = pa.table(
    {
        "room": ["Attic", "Kitchen", None],
        "temp": [1.5, None, 2.5],
        "time": pa.array([NOON_NS, NOON_NS + SECOND, NOON_NS + 2 * SECOND], pa.timestamp("ns")),
    }
)
ROOMS = SourceFormat(tags=["room"])


def shape(source: Source) -> list[tuple[str, tuple[str, ...], int]]:
    """Return table, columns and number of rows of each group."""
    assert source.rows is not None
    return [
        (one.table, tuple(column.name for column in one.columns), one.row_count)
        for one in source.rows.groups
    ]


GROUPS = [("home", ("room", "temp"), 1), ("home", ("temp",), 1)]


def _written(folder: Path, name: str) -> Path:
    """Write the table, without the row that has no field, under a name whose ending says how."""
    path = folder / name
    rows = TABLE.filter(pa.array([True, False, True]))
    if name.startswith("home.parquet"):
        pq.write_table(rows, path)
        return path
    text = rows.to_pandas().assign(time=lambda frame: frame["time"].astype("int64"))
    data = text.to_csv(index=False, sep="\t" if ".tsv" in name else ",").encode()
    path.write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    return path


@pytest.mark.parametrize("name", ["home.csv", "home.tsv", "home.csv.gz", "home.parquet"])
def test_source_tables_in_files(tmp_path: Path, name: str) -> None:
    """The ending says what a file is; its name is the table's."""
    assert shape(read_file(_written(tmp_path, name), ROOMS)) == GROUPS


@pytest.mark.parametrize("name", ["day.lp", "day.txt", "day", "day.lp.gz", "day.gz"])
def test_source_line_protocol_in_files(tmp_path: Path, name: str) -> None:
    """Everything else is line protocol."""
    data = lines(3).encode()
    (tmp_path / name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    assert shape(read_file(tmp_path / name)) == [("home", ("room", "temp"), 3)]


def test_source_parquet_reads_the_range_alone(tmp_path: Path) -> None:
    """Of a long file only what is replayed is in memory."""
    path = _written(tmp_path, "home.parquet")
    source = read_file(path, ROOMS, from_ns=NOON_NS + 1, to_ns=NOON_NS + 9 * SECOND)
    assert shape(source) == [("home", ("temp",), 1)]


def test_source_dataframes_and_tables() -> None:
    """Categories are tags unless tags are said."""
    rows = TABLE.filter(pa.array([True, False, True]))
    frame = rows.to_pandas().astype({"room": "category"})
    assert shape(read_data(frame, SourceFormat(table="home"), name="frame")) == GROUPS
    encoded = rows.set_column(0, "room", rows["room"].combine_chunks().dictionary_encode())
    assert shape(read_data(encoded, SourceFormat(table="home"), name="table")) == GROUPS


def test_source_tags_of_a_table_that_exists() -> None:
    """A table's tags are tags, also where the source has them as text."""
    rows = TABLE.filter(pa.array([True, False, True]))
    how = SourceFormat(table="home", known_tags={"home": ["room", "floor"]})
    assert shape(read_data(rows, how, name="table")) == GROUPS


def test_source_query_of_a_database(engine: Engine) -> None:
    """Its rows are of the table after FROM."""
    engine.write("old", lines(4))
    assert shape(read_query(engine, "SELECT * FROM home LIMIT 3", "old")) == [
        ("home", ("room", "temp"), 3)
    ]
    with pytest.raises(DatabaseNotFoundError):
        read_query(engine, "SELECT * FROM home", "nowhere")


def test_source_query_without_times(engine: Engine) -> None:
    """What has no times cannot be put in their order."""
    engine.write("old", lines(4))
    with pytest.raises(InvalidInputError, match="no column 'time'"):
        read_query(engine, "SELECT temp FROM home", "old")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("x.lp", b"home temp=1 1\nhome temp=x 2", "line 2, column 11"),
        ("x.lp", b"home temp=1 1\nhome temp=2", "line 2: it has no timestamp"),
        ("x.lp", b"", "there is nothing to replay"),
        ("x.lp.gz", b"no gzip", r"cannot read '.*x.lp.gz': Not a gzipped file"),
        ("x.lp.gz", gzip.compress(b"home temp=1 1", mtime=0)[:-6], r"cannot read '.*x.lp.gz'"),
        (
            "x.csv",
            b"time,temp\n1,2\n3\n",
            r"cannot read '.*x.csv': CSV parse error.*Expected 2 columns, got 1: 3",
        ),
        ("x.csv", b"at,temp\n1,2\n3,4\n", "no column 'time'"),
        ("x.parquet", b"no Parquet", r"cannot read '.*x.parquet'"),
    ],
)
def test_source_says_what_is_wrong(tmp_path: Path, name: str, data: bytes, reason: str) -> None:
    """With line and column where there are lines."""
    (tmp_path / name).write_bytes(data)
    with pytest.raises((InvalidInputError, LineProtocolError), match=reason):
        read_file(tmp_path / name)


def test_source_file_that_is_missing(tmp_path: Path) -> None:
    """It is named."""
    with pytest.raises(InvalidInputError, match=r"cannot read '.*nothing.lp'"):
        read_file(tmp_path / "nothing.lp")


def test_source_too_long_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that memory may not hold is refused with the way out, packed or not."""
    monkeypatch.setattr("procengine.replay.source.MOST_BYTES", 10)
    for name, data in (("x.lp", lines(3).encode()), ("x.lp.gz", gzip.compress(lines(3).encode()))):
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InvalidInputError, match="split it, or make it a Parquet file"):
            read_file(tmp_path / name)


def test_source_table_without_a_name() -> None:
    """Rows without a table cannot be written."""
    with pytest.raises(InvalidInputError, match="need the name of their table"):
        read_data(pd.DataFrame({"time": [1], "temp": [1.0]}), name="frame")
