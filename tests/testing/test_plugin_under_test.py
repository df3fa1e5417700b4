"""`PluginUnderTest`: plugins called by tests, without a server or a trigger of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from procengine.errors import InvalidInputError, LineProtocolError, PluginError, PluginPathError
from procengine.testing import PluginUnderTest

HOT_ROOMS = """
def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        for row in batch["rows"]:
            if row["temp"] > float(args["limit"]):
                hot = influxdb3_local.cache.get("hot", 0) + 1
                influxdb3_local.cache.put("hot", hot)
                influxdb3_local.warn("hot:", row["room"])
                line = LineBuilder("alert").tag("room", row["room"]).float64_field("temp", row["temp"])
                influxdb3_local.write(line.time_ns(row["time"]))


def process_scheduled_call(influxdb3_local, call_time, args=None):
    rows = influxdb3_local.query("SELECT count(*) AS alerts FROM alert")
    influxdb3_local.info(f"{call_time:%H:%M}", rows[0]["alerts"])


def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
    if request_body == b"":
        raise ValueError("nothing was sent")
    return {"room": query_params["room"], "agent": request_headers["agent"], "n": len(request_body)}, 201
"""


@pytest.fixture
def plugin(tmp_path: Path) -> Path:
    """The plugin's file."""
    path = tmp_path / "hot_rooms.py"
    path.write_text(HOT_ROOMS)
    return path


def test_rows_reach_the_plugin(plugin: Path) -> None:
    """A call tells lines, logs and cache; what was written is found by queries, and calls nothing again."""
    with PluginUnderTest(plugin, arguments={"limit": "22.5"}, cache={"hot": 3}) as under_test:
        run = under_test.write("home,room=Kitchen temp=23 5\nhome,room=Attic temp=20 6").check()
        assert run.lines == {"test": ["alert,room=Kitchen temp=23.0 5"]}
        assert run.logs == [("WARN", "hot: Kitchen")]
        assert run.cache == {"hot": 4}
        assert under_test.write("home,room=Kitchen temp=24 7").cache == {"hot": 5}
        found = under_test.rows("SELECT room, temp FROM alert ORDER BY time")
        assert found == [{"room": "Kitchen", "temp": 23.0}, {"room": "Kitchen", "temp": 24.0}]


def test_the_time_is_what_the_test_says(plugin: Path) -> None:
    """A schedule has its own instant or the clock's; rows without a time have the clock's."""
    with PluginUnderTest(plugin, arguments={"limit": "0"}, now="2026-05-06T07:08:09Z") as under_test:
        under_test.write("home,room=a temp=1")
        assert under_test.rows("SELECT time FROM home") == [{"time": 1_778_051_289_000_000_000}]
        assert under_test.schedule().logs == [("INFO", "07:08 1")]
        under_test.advance(3600)
        assert under_test.schedule().logs == [("INFO", "08:08 1")]
        assert under_test.schedule("2026-01-01T00:00").logs == [("INFO", "00:00 1")]


def test_a_query_can_be_answered_by_the_test(plugin: Path) -> None:
    """Word for word the same query gets the test's rows; stored rows answer all others."""
    with PluginUnderTest(plugin) as under_test:
        under_test.answer("SELECT count(*) AS alerts FROM alert", [{"alerts": 42}])
        assert under_test.schedule().logs == [("INFO", "00:00 42")]
        under_test.store("alert n=1")
        assert len(under_test.rows("SELECT * FROM alert")) == 1


def test_a_request_is_answered(plugin: Path) -> None:
    """Status, headers and body are the plugin's."""
    with PluginUnderTest(plugin) as under_test:
        run = under_test.request("abc", params={"room": "den"}, headers={"Agent": "test"})
        assert (run.status, run.json()) == (201, {"room": "den", "agent": "test", "n": 3})
        assert run.response is not None


def test_a_failure_is_told(plugin: Path) -> None:
    """`error` has the message, `check` raises with the plugin's own line."""
    with PluginUnderTest(plugin) as under_test:
        run = under_test.request()
        assert run.error == "Python function call failed: ValueError: nothing was sent"
        assert run.status == 500
        assert run.logs == []
        with pytest.raises(AssertionError, match='raise ValueError\\("nothing was sent"\\)'):
            run.check()
        with pytest.raises(ValueError, match="there is no answer to a request"):
            _ = under_test.write("home temp=1").status


def test_lines_that_are_rejected_are_an_error() -> None:
    """What the database does not take is no success."""
    source = """
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.write(LineBuilder("home").string_field("temp", "warm"))
"""
    with PluginUnderTest(source=source) as under_test:
        assert "invalid column type" in str(under_test.write("home temp=1").error)


def test_a_folder_is_a_plugin(tmp_path: Path) -> None:
    """Its modules import each other."""
    folder = tmp_path / "answers"
    folder.mkdir()
    (folder / "words.py").write_text("WORD = 'yes'\n")
    (folder / "__init__.py").write_text(
        "from .words import WORD\n"
        "def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):\n"
        "    return WORD\n"
    )
    with PluginUnderTest(folder) as under_test:
        assert under_test.request().text == "yes"


def test_what_cannot_be_is_refused(plugin: Path, tmp_path: Path) -> None:
    """No plugin, both, a file that is not there, an entry point that is not, lines and instants that cannot be."""
    with pytest.raises(InvalidInputError, match="one of the two"):
        PluginUnderTest()
    with pytest.raises(InvalidInputError, match="one of the two"):
        PluginUnderTest(plugin, source="")
    with (
        PluginUnderTest(tmp_path / "none.py") as under_test,
        pytest.raises(PluginPathError),
    ):
        under_test.request()
    with (
        PluginUnderTest(source="def other(): ...") as under_test,
        pytest.raises(PluginError, match="process_request"),
    ):
        under_test.request()
    with pytest.raises(InvalidInputError, match="expected ISO 8601"):
        PluginUnderTest(plugin, now="noon")
    with PluginUnderTest(plugin) as under_test, pytest.raises(LineProtocolError, match="line 2"):
        under_test.write("home temp=1\nhome temp=")
