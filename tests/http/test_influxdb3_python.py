"""InfluxData's own client, influxdb3-python, writes in all its ways, and gets the errors that it knows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pandas as pd
import polars as pl
import pytest
from influxdb_client_3 import InfluxDBClient3, InfluxDBError, Point, WriteOptions, write_client_options
from influxdb_client_3.exceptions.exceptions import InfluxDB3ClientQueryError
from influxdb_client_3.write_client.client.write_api import SYNCHRONOUS, WriteType

from procengine import Engine
from procengine.http import Server

Connect = Callable[..., InfluxDBClient3]


@pytest.fixture
def connect(server: Server) -> Iterator[Connect]:
    """Make clients of the server, with options."""
    with ExitStack() as opened:

        def make(**options: Any) -> InfluxDBClient3:
            settings = {"host": server.url, "token": server.token(), "database": "house"} | options
            return opened.enter_context(InfluxDBClient3(**settings))

        yield make


def rows(
    engine: Engine, query: str = "SELECT room, temp FROM home ORDER BY time"
) -> list[dict[str, object]]:
    return engine.query(query, "house").to_pylist()


API = pytest.mark.parametrize("use_v2", [True, False], ids=["v2", "v3"])


@API
def test_client_writes_line_protocol(connect: Connect, engine: Engine, use_v2: bool) -> None:
    """Text, and lists of it, by the route of version 2 and of version 3."""
    client = connect(write_use_v2_api=use_v2)
    client.write("home,room=Attic temp=24.5 1")
    client.write(["home,room=Kitchen temp=21.0 2", "home,room=Hall temp=18.0 3"])
    assert [row["room"] for row in rows(engine)] == ["Attic", "Kitchen", "Hall"]


@API
def test_client_writes_points(connect: Connect, engine: Engine, use_v2: bool) -> None:
    """Points with every type of field, and dictionaries."""
    client = connect(write_use_v2_api=use_v2)
    point = (
        Point("home")
        .tag("room", 'Attic, "west"')
        .field("temp", 24.5)
        .field("count", 3)
        .field("open", True)
        .field("note", 'says "ü" \\ back')
        .time(1)
    )
    client.write(point)
    client.write({"measurement": "home", "tags": {"room": "Hall"}, "fields": {"temp": 18.0}, "time": 2})
    found = rows(engine, "SELECT room, temp, count, open, note FROM home ORDER BY time")
    assert found[0] == {
        "room": 'Attic, "west"',
        "temp": 24.5,
        "count": 3,
        "open": True,
        "note": 'says "ü" \\ back',
    }
    assert found[1]["room"] == "Hall"


@API
def test_client_writes_precision(connect: Connect, engine: Engine, use_v2: bool) -> None:
    """Timestamps count the unit that the client names."""
    client = connect(write_use_v2_api=use_v2)
    for unit in ("s", "ms", "us", "ns"):
        client.write(f"home,room={unit} temp=1 1700000000", write_precision=unit)
    times = [
        value.value for value in engine.query("SELECT time FROM home ORDER BY time", "house")["time"]
    ]
    assert times == [1_700_000_000 * unit for unit in (1, 1_000, 1_000_000, 1_000_000_000)]


@API
@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_client_writes_data_frames(connect: Connect, engine: Engine, use_v2: bool, kind: str) -> None:
    """Frames of pandas and polars, with their tags."""
    client = connect(write_use_v2_api=use_v2)
    columns = {"room": ["Attic", "Hall"], "temp": [24.5, 18.0]}
    times = pd.to_datetime([1, 2], unit="s", utc=True)
    options = {"data_frame_measurement_name": "home", "data_frame_tag_columns": ["room"]}
    if kind == "pandas":
        client.write(pd.DataFrame(columns, index=times), **options)
    else:
        frame = pl.DataFrame(columns | {"time": times.tz_localize(None).to_list()})
        client.write(frame, data_frame_timestamp_column="time", **options)
    assert rows(engine) == [{"room": "Attic", "temp": 24.5}, {"room": "Hall", "temp": 18.0}]


def test_client_compresses(connect: Connect, engine: Engine) -> None:
    """With gzip the body arrives whole."""
    client = connect(enable_gzip=True)
    client.write([f"home,room=r{number} temp={number} {number}" for number in range(1000)])
    assert rows(engine, "SELECT count(*) AS n FROM home") == [{"n": 1000}]


def test_client_writes_in_batches(connect: Connect, engine: Engine) -> None:
    """The client's own batching sends all, and calls back for each batch."""
    sent: list[str] = []
    options = write_client_options(
        success_callback=lambda _, data: sent.append(data),
        write_options=WriteOptions(write_type=WriteType.batching, batch_size=100, flush_interval=10_000),
    )
    client = connect(write_client_options=options)
    for number in range(250):
        client.write(f"home,room=Attic temp={number} {number}")
    client.close()
    assert rows(engine, "SELECT count(*) AS n FROM home") == [{"n": 250}]
    assert len(sent) == 3


def test_client_writes_without_sync(connect: Connect, engine: Engine) -> None:
    """``no_sync`` goes by the route of version 3."""
    client = connect(write_no_sync=True, write_use_v2_api=False)
    client.write("home,room=Attic temp=24.5 1")
    engine.flush()
    assert len(rows(engine)) == 1


@API
def test_client_learns_which_line_is_bad(connect: Connect, engine: Engine, use_v2: bool) -> None:
    """A line that is rejected raises the client's error with the status and the reason."""
    client = connect(
        write_use_v2_api=use_v2,
        write_client_options=write_client_options(write_options=SYNCHRONOUS) if use_v2 else None,
    )
    with pytest.raises(InfluxDBError) as raised:
        client.write("home,room=Attic temp=24.5 1\nhome,room=Hall temp=oops 2")
    assert raised.value.response.status == 400
    if use_v2:
        assert "line protocol parse failed" in str(raised.value)
        assert engine.catalog.find_database("house") is None
    else:
        assert "partial write of line protocol occurred" in str(raised.value)
        assert rows(engine) == [{"room": "Attic", "temp": 24.5}]


@API
def test_client_with_a_bad_token(connect: Connect, use_v2: bool) -> None:
    """Without a token that admits the client raises 401."""
    client = connect(token="apiv3_wrong", write_use_v2_api=use_v2)
    with pytest.raises(InfluxDBError) as raised:
        client.write("home,room=Attic temp=24.5")
    assert raised.value.response.status == 401


def test_client_asks_for_the_version(connect: Connect) -> None:
    """The client reads the server's version from ping."""
    assert connect().get_server_version() == "3.10.0"


def test_client_reads_what_it_wrote(connect: Connect) -> None:
    """Written over HTTP, read over Flight, with a parameter, as Arrow and as pandas."""
    client = connect()
    client.write("home,room=Attic temp=24.5 1\nhome,room=Hall temp=18.0 2")
    query = "SELECT room, temp FROM home WHERE room = $room"
    table = client.query(query, query_parameters={"room": "Attic"})
    assert table.to_pylist() == [{"room": "Attic", "temp": 24.5}]
    frame = client.query("SELECT temp FROM home ORDER BY time", mode="pandas")
    assert frame["temp"].tolist() == [24.5, 18.0]


def test_client_goes_the_whole_way(connect: Connect) -> None:
    """One engine: each kind of data written, read with parameters as Arrow, pandas and polars, and what fails."""
    client = connect()
    client.write(Point("home").tag("room", "Attic").field("temp", 24.5).time(1))
    client.write("home,room=Hall temp=18.0 2")
    options = {"data_frame_measurement_name": "home", "data_frame_tag_columns": ["room"]}
    times = pd.to_datetime([3], unit="ns", utc=True)
    client.write(pd.DataFrame({"room": ["Kitchen"], "temp": [21.0]}, index=times), **options)
    frame = pl.DataFrame({"room": ["Cellar"], "temp": [12.0], "time": pd.to_datetime([4]).to_list()})
    client.write(frame, data_frame_timestamp_column="time", **options)

    query = "SELECT room, temp, time FROM home WHERE temp >= $least AND room <> $room ORDER BY room"
    asked = {"query": query, "query_parameters": {"least": 15.0, "room": "Hall"}}
    table = client.query(**asked)
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds == {"room": "string", "temp": "double", "time": "timestamp[ns]"}
    assert table.drop_columns(["time"]).to_pylist() == [
        {"room": "Attic", "temp": 24.5},
        {"room": "Kitchen", "temp": 21.0},
    ]
    found = client.query(**asked, mode="pandas")
    assert found["room"].tolist() == ["Attic", "Kitchen"]
    assert found["time"].tolist() == pd.to_datetime([1, 3]).tolist()
    assert client.query(**asked, mode="polars")["temp"].to_list() == [24.5, 21.0]
    assert list(client.query(**asked, mode="chunk").read_chunk().data["room"].to_pylist()) == [
        "Attic",
        "Kitchen",
    ]

    for wrong, said in (
        ("SELECT nope FROM home", "No field named nope"),
        ("SELECT * FROM home WHERE room = $missing", "No value found for placeholder"),
        ("DROP TABLE home", "not supported"),
    ):
        with pytest.raises(InfluxDB3ClientQueryError, match=said):
            client.query(wrong)
    with pytest.raises(InfluxDB3ClientQueryError, match="Database 'nowhere' not found"):
        client.query("SELECT 1", database="nowhere")
    with pytest.raises(InfluxDB3ClientQueryError, match="Unauthenticated"):
        connect(token="apiv3_wrong").query("SELECT 1")
    assert len(client.query("SELECT * FROM home")) == 4  # it goes on
