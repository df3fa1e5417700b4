"""What happens live in a database is recorded into a file, and replayed from it."""

from __future__ import annotations

from pathlib import Path

import pytest

from procengine.clock import VirtualClock
from procengine.engine import Engine
from procengine.errors import (
    AlreadyExistsError,
    CorruptFileError,
    DatabaseNotFoundError,
    InvalidInputError,
)
from procengine.model.run import Cause, CauseKind
from procengine.processing.event import RequestEvent
from procengine.replay import Recorder, ReplayResult, read_file, start_replay
from procengine.replay.recording_file import read_recording
from tests.replay.conftest import MINUTE, NOON_NS, Put

COUNTS = """
def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        for row in batch["rows"]:
            line = LineBuilder("seen").tag("room", row["room"]).int64_field("n", 1)
            influxdb3_local.write(line.time_ns(row["time"]))

def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
    influxdb3_local.info("asked", query_params, request_body, sorted(request_headers))
    return {"asked": True}
"""


def request(body: bytes) -> RequestEvent:
    """Return a request with a header that is secret."""
    return RequestEvent(
        query_params={"q": "1"},
        headers={"authorization": "Bearer secret", "x-room": "Attic"},
        body=body,
        method="POST",
        cause=Cause(kind=CauseKind.REQUEST),
    )


@pytest.fixture
def recorded(engine: Engine, put: Put, tmp_path: Path) -> Path:
    """A recording of two writes and a request; another database's write, and what plugins write, are not in it."""
    put(COUNTS, "table:home", "writes")
    engine.triggers.create("house", "asks", "writes.py", "request:ask")
    recorder = Recorder(engine, "house", tmp_path / "day.recording")
    engine.write("house", f"home,room=Before temp=1 {NOON_NS}")
    recorder.start()
    engine.write("house", f"home,room=Attic temp=1 {NOON_NS}\nhome,room=Attic hum=2i {NOON_NS + 1}")
    engine.triggers.request("ask", request(b"\x00\xff"))
    engine.write("garden", f"home,room=Shed temp=1 {NOON_NS}")
    engine.write("house", f"home,room=Kitchen temp=1 {NOON_NS - 5}")
    assert engine.wait_idle(30)
    recorder.stop()
    said = recorder.recorded
    assert (said.rows, said.requests, said.failure) == (3, 1, None)
    engine.write("house", f"home,room=After temp=1 {NOON_NS}")
    return tmp_path / "day.recording"


def replayed(engine: Engine, path: Path) -> ReplayResult:
    """Replay a recording."""
    return start_replay(engine, read_file(path), "house").wait(30)


def test_recording_is_replayed_as_it_was(engine: Engine, recorded: Path) -> None:
    """Writes come in their groups and order, requests with their bodies; the result is that of live."""
    result = replayed(engine, recorded)
    assert result.runs["cause"].to_pylist() == ["write", "request", "write"]
    assert result.runs["rows_in"].to_pylist() == [2, 0, 1]
    live = engine.query(
        "SELECT room, time FROM seen WHERE room IN ('Attic', 'Kitchen') ORDER BY time", "house"
    )
    assert result.rows("seen").select(["room", "time"]).to_pylist() == live.to_pylist()
    assert result.digest == replayed(engine, recorded).digest


def test_recording_leaves_secrets_out(engine: Engine, recorded: Path) -> None:
    """Tokens are not in the file; other headers reach the plugin."""
    assert b"secret" not in recorded.read_bytes()
    texts = replayed(engine, recorded).logs["log_text"].to_pylist()
    assert "asked {'q': '1'} b'\\x00\\xff' ['x-room']" in texts


def test_recording_has_ticks(plugins: Path, tmp_path: Path) -> None:
    """A tick is in the file, with its instant and its trigger; in a replay schedules tick by themselves."""
    (plugins / "p.py").write_text(
        "def process_scheduled_call(influxdb3_local, call_time, args=None):\n    pass\n"
    )
    clock = VirtualClock(NOON_NS)
    with Engine(plugin_dir=plugins, object_store="memory", environ={}, clock=clock) as engine:
        engine.catalog.create_database("house")
        engine.triggers.create("house", "minutes", "p.py", "every:1m")
        recorder = Recorder(engine, "house", tmp_path / "day.recording")
        recorder.start()
        engine.write("house", f"home temp=1 {NOON_NS}")
        for _ in range(2):
            clock.advance(60)
            assert engine.wait_idle(30)
        recorder.stop()
        ticks = [(one.tick, one.instant_ns) for one in read_recording(recorder.path).steps if one.tick]
        assert ticks == [("minutes", NOON_NS + n * MINUTE) for n in (1, 2)]
        result = start_replay(engine, read_file(recorder.path), "house").wait(30)
        assert result.runs["trigger_name"].to_pylist() == ["minutes", "minutes"]


def test_recording_requests_without_a_trigger_are_counted(engine: Engine, recorded: Path) -> None:
    """A request that no trigger of the replay answers is named."""
    engine.triggers.disable("house", "asks")
    notes = replayed(engine, recorded).notes
    assert notes == ("1 request to 'ask' was passed over: no trigger of the replay answers there",)


def test_recording_writes_over_nothing(engine: Engine, recorded: Path) -> None:
    """A file that exists is left alone."""
    with pytest.raises(AlreadyExistsError, match="it exists; choose another name, or delete it"):
        Recorder(engine, "house", recorded).start()


def test_recording_of_a_database_that_is_missing(engine: Engine, tmp_path: Path) -> None:
    """No file is made."""
    with pytest.raises(DatabaseNotFoundError):
        Recorder(engine, "nowhere", tmp_path / "x.recording")
    assert not (tmp_path / "x.recording").exists()


def test_recording_ends_with_the_engine(plugins: Path, tmp_path: Path) -> None:
    """What came until the engine stopped is in the file."""
    with Engine(plugin_dir=plugins, object_store="memory", environ={}) as engine:
        engine.catalog.create_database("house")
        Recorder(engine, "house", tmp_path / "day.recording").start()
        engine.write("house", "home temp=1 1")
    (step,) = read_recording(tmp_path / "day.recording").steps
    assert step.rows[0].row_count == 1


def test_recording_cut_off_by_a_crash_is_read_up_to_there(recorded: Path) -> None:
    """A torn end is no error."""
    whole = read_recording(recorded).steps
    recorded.write_bytes(recorded.read_bytes()[:-3])
    assert len(read_recording(recorded).steps) == len(whole) - 1


def test_recording_damaged_in_the_middle_is_named(recorded: Path) -> None:
    """A flipped bit is told, with its place."""
    data = bytearray(recorded.read_bytes())
    data[200] ^= 1
    recorded.write_bytes(data)
    with pytest.raises(CorruptFileError, match=r"day.recording' is damaged at byte \d+"):
        read_recording(recorded)


def test_recording_that_is_none(tmp_path: Path) -> None:
    """Another file of that ending is refused."""
    (tmp_path / "x.recording").write_text("home temp=1 1")
    with pytest.raises(InvalidInputError, match="is no recording: it does not begin as one"):
        read_file(tmp_path / "x.recording")
