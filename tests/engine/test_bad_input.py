"""What is wrong is refused with its place and what is accepted; nothing acknowledged is lost; the engine lives on.

Every test ends with a good write that is stored, or a good run that is made.
"""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procengine import Engine
from procengine.errors import (
    AlreadyExistsError,
    DatabaseNotFoundError,
    InvalidInputError,
    InvalidNameError,
    LineProtocolError,
    PartialWriteError,
    PluginPathError,
    PluginSourceError,
    ProcengineError,
    QueryError,
    TriggerSpecError,
)
from procengine.model.run import LogLevel, RunOutcome
from procengine.processing.trigger_statistics import TriggerState
from tests.engine.looks import WAIT_SECONDS, ask, gate_for, rows, settle, texts, wait_until

Plugin = Callable[[str, str], str]

GOOD = """
    def process_writes(influxdb3_local, table_batches, args=None):
        influxdb3_local.info(table_batches[0]["rows"][0]["n"])
    def process_scheduled_call(influxdb3_local, call_time, args=None):
        pass
    def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
        return "fine"
"""


@pytest.fixture
def house(engine: Engine) -> Iterator[Engine]:
    """An engine with a database that takes a good write at the end of each test."""
    engine.catalog.create_database("house")
    yield engine
    engine.write("house", "alive ok=t")
    assert rows(engine, "SELECT ok FROM alive") == [{"ok": True}]


BAD_LINES = [
    ("m", 2, "Expected at least one space character, got end of input"),
    ("m ", 3, "No fields were provided"),
    (",t=a f=1", 1, "Invalid measurement was provided"),
    ("m,t f=1", 4, "Tag set malformed: could not find equals sign in `t f=1`"),
    ("m,t= f=1", 5, "Expected tag value, got ` f=1`"),
    ("m,=a f=1", 3, "Expected tag key, got `=a f=1`"),
    ("m, f=1", 3, "Expected tag key, got ` f=1`"),
    ("m,t=a,t=b f=1", 7, "Must not contain duplicate tags, but `t` was repeated"),
    ("m f", 4, "No fields were provided"),
    ("m f=", 5, "No fields were provided"),
    ("m =1", 3, "No fields were provided"),
    ("m f=.5", 5, "No fields were provided"),
    ("m f=nan", 5, "No fields were provided"),
    ("m f=5.", 6, "Could not parse entire line. Found trailing content: `.`"),
    ("m f=1,g=2,", 10, "Could not parse entire line. Found trailing content: `,`"),
    ("m f=1 g=2", 6, "Could not parse entire line. Found trailing content: ` g=2`"),
    ("m f=1 1 2", 9, "Could not parse entire line. Found trailing content: `2`"),
    ("m f=1 x", 6, "Could not parse entire line. Found trailing content: ` x`"),
    ("m f=9223372036854775808i", 5, "Unable to parse integer value `9223372036854775808`"),
    ("m f=18446744073709551616u", 5, "Unable to parse unsigned integer value `18446744073709551616`"),
    ("m f=1 9223372036854775808", 7, "Unable to parse timestamp value `9223372036854775808`"),
    ("m f=1,f=2", 7, "invalid line protocol - multiple instances of 'f' field found"),
    ("m f=1\r", 6, "Could not parse entire line. Found trailing content: `\r`"),
    ("m,t=\udcff f=1", 5, None),
    ("m\\ f=1", 7, "Expected at least one space character, got end of input"),
]


@pytest.mark.parametrize(("at", "size"), [(0, 3), (1, 3), (3, 3), (1500, 3000)])
@pytest.mark.parametrize(("bad", "column", "message"), BAD_LINES)
def test_malformed_line(
    house: Engine, bad: str, column: int, message: str | None, at: int, size: int
) -> None:
    """A bad line, wherever it stands and however many stand around it, is named; the others are stored, or none."""
    good = [f"home,room=a n={number}i {number}" for number in range(1, size + 1)]
    body = "\n".join([*good[:at], bad, *good[at:]])
    with pytest.raises(LineProtocolError) as whole:
        house.write("house", body, precision="ns", accept_partial=False)
    assert "home" not in house.catalog.database("house").tables
    with pytest.raises(PartialWriteError) as partly:
        house.write("house", body, precision="ns")
    for caught in (whole, partly):
        [error] = caught.value.errors
        assert (error.line_number, error.column) == (at + 1, column), error
        assert message is None or error.message.startswith(message)
    shown = partly.value.errors[0].original_line
    assert shown == bad if "\udcff" not in bad else (shown[:4], shown[-4:]) == ("m,t=", " f=1")
    assert rows(house, "SELECT count(*) AS n FROM home") == [{"n": size}]


def test_unclosed_string(house: Engine) -> None:
    """A string without its end takes the following lines with it, up to the next quote; one error names its start."""
    with pytest.raises(PartialWriteError) as caught:
        house.write("house", 'home n=1i 1\nhome s="open 2\nhome n=3i 3', precision="ns")
    [error] = caught.value.errors
    assert (error.line_number, error.column) == (2, 8)
    assert rows(house, "SELECT n FROM home") == [{"n": 1}]


def test_bytes_that_are_no_text(house: Engine) -> None:
    """Bytes that are not UTF-8 refuse their line only, with the place."""
    with pytest.raises(PartialWriteError) as caught:
        house.write("house", b"home n=1i 1\nhome,t=\xff n=2i 2\nhome n=3i 3", precision="ns")
    [error] = caught.value.errors
    assert (error.line_number, error.column) == (2, 8)
    assert rows(house, "SELECT n FROM home ORDER BY n") == [{"n": 1}, {"n": 3}]


@pytest.mark.parametrize("data", [None, 5, ["home n=1i"], {"home": 1}])
def test_data_of_another_type(house: Engine, data: object) -> None:
    """What is neither line protocol nor a table is refused, and what is accepted is named."""
    with pytest.raises(
        InvalidInputError, match=r"give table='...'.*or write line protocol as str or bytes"
    ):
        house.write("house", data)  # type: ignore[arg-type]


def test_unknown_precision(house: Engine) -> None:
    """A precision that is none is refused, and the accepted ones are listed."""
    with pytest.raises(InvalidInputError, match=r"'fortnight'.*auto.*nanosecond"):
        house.write("house", "home n=1i", precision="fortnight")


SPEC = "failed to parse trigger from "
FORMS = (
    "expect one of the following forms: 'table:<TABLE_NAME>', 'all_tables', 'cron:<CRON_EXPRESSION>', "
    "'every:<DURATION>', or 'request:<PATH>'"
)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ("", f"{SPEC}: {FORMS}"),
        ("tables:home", f"{SPEC}tables:home: {FORMS}"),
        ("Table:home", f"{SPEC}Table:home: {FORMS}"),
        ("all_tables:", f"{SPEC}all_tables:: {FORMS}"),
        ("table:", f"{SPEC}table:: table name is empty"),
        ("table:  ", f"{SPEC}table:: table name is empty"),
        ("every:", f"{SPEC}every:: couldn't parse to duration"),
        ("every:5", f"{SPEC}every:5: couldn't parse to duration"),
        ("every:-1s", f"{SPEC}every:-1s: couldn't parse to duration"),
        ("every:2y", f"{SPEC}every:2y: don't support every schedules of over 1 year"),
        ("every:0s", f"{SPEC}every:0s: "),
        ("every:1us", f"{SPEC}every:1us: "),
        ("request:", f"{SPEC}request:"),
        ("cron:", f"{SPEC}cron:"),
        ("cron:* * * * *", f"{SPEC}cron:* * * * *"),
        ("cron:60 * * * * *", f"{SPEC}cron:60 * * * * *"),
        ("cron:0 0 0 * * 0", f"{SPEC}cron:0 0 0 * * 0"),
        ("cron:0 0 0 ? * 8", f"{SPEC}cron:0 0 0 ? * 8"),
        ("cron:? * * * * *", f"{SPEC}cron:? * * * * *"),
        ("cron:* * * * JANUARI *", f"{SPEC}cron:* * * * JANUARI *"),
        ("cron:* * * * * * 1969", f"{SPEC}cron:* * * * * * 1969"),
        ("cron:*/0 * * * * *", f"{SPEC}cron:*/0 * * * * *"),
        ("cron:@reboot", f"{SPEC}cron:@reboot"),
        ("cron:\N{ARABIC-INDIC DIGIT THREE} * * * * *", f"{SPEC}cron:\N{ARABIC-INDIC DIGIT THREE}"),
        ("cron:" + "9" * 5000 + " * * * * *", f"{SPEC}cron:999"),
        ("cron:*/" + "9" * 5000 + " * * * * *", f"{SPEC}cron:*/999"),
        ("every:" + "9" * 5000 + "s", f"{SPEC}every:999"),
        ("every:0." + "9" * 5000 + "s", f"{SPEC}every:0.999"),
    ],
)
def test_specifications_that_cannot_be(house: Engine, plugin: Plugin, spec: str, text: str) -> None:
    """A specification that cannot be is refused with the original's words, and nothing is created."""
    with pytest.raises(TriggerSpecError) as caught:
        house.triggers.create("house", "t", plugin("t", GOOD), spec)
    assert str(caught.value).startswith(text)
    assert "\n" not in str(caught.value)
    assert house.triggers.list() == ()


def test_definitions_that_cannot_be(house: Engine, plugin: Plugin, plugin_dir: Path) -> None:
    """Whatever else is wrong with a trigger is told before anything is kept."""
    name = plugin("t", GOOD)
    (plugin_dir / "folder").mkdir()
    create = house.triggers.create
    for arguments, error, text in [
        (("nowhere", "t", name, "all_tables"), DatabaseNotFoundError, "database not found: nowhere"),
        (("_internal", "t", name, "all_tables"), InvalidInputError, "cannot modify internal db"),
        (("house", "", name, "all_tables"), InvalidNameError, "trigger name cannot be empty"),
        (
            ("house", "t", "gone.py", "all_tables"),
            PluginPathError,
            f"reading plugin file: Plugin not found: {plugin_dir / 'gone.py'}",
        ),
        (
            ("house", "t", "x" * 5_000, "all_tables"),
            PluginPathError,
            f"reading plugin file: Plugin not found: {plugin_dir / ('x' * 5_000)}",
        ),
        (
            ("house", "t", "folder", "all_tables"),
            PluginPathError,
            (
                "reading plugin file: Multi-file plugin directory must contain __init__.py: "
                f"{plugin_dir / 'folder'}"
            ),
        ),
        (
            ("house", "t", "../t.py", "all_tables"),
            PluginPathError,
            (
                "Path traversal detected: plugin filename '../t.py' attempts to access files "
                "outside the plugin directory"
            ),
        ),
    ]:
        with pytest.raises(error) as caught:
            create(*arguments)
        assert str(caught.value) == text
    with pytest.raises(
        InvalidInputError, match=r"^unknown error behavior 'Log'; expected log, retry, disable$"
    ):
        create("house", "t", name, "all_tables", error_behavior="Log")
    assert house.triggers.list() == ()
    create("house", "t", name, "request:t")
    with pytest.raises(
        AlreadyExistsError, match=r"^attempted to create a resource that already exists$"
    ):
        create("house", "t", name, "all_tables")
    with pytest.raises(AlreadyExistsError, match="t in database house"):
        create("house", "other", name, "request:t")
    assert ask(house, "t").body == b"fine"


MISSING = (
    "the process_writes function is not present in the plugin. "
    "Should be defined as: process_writes(influxdb3_local, table_batches, args=None)"
)


@pytest.mark.parametrize(
    ("source", "line", "text"),
    [
        ("def process_writes(influxdb3_local, table_batches, args=None)\n    pass\n", 1, "expected ':'"),
        ("x = 1\n  y = 2\n", 2, "unexpected indent"),
        ("x = 'open\n", 1, "unterminated string literal"),
        ("x = 1\x00", None, "null bytes"),
        ("x = " + "(" * 300 + ")" * 300, 1, "too many nested parentheses"),
        ("", None, MISSING),
        ("def process_write(influxdb3_local, table_batches, args=None): pass", None, MISSING),
        ("def process_writes(influxdb3_local): pass", 1, "process_writes"),
        ("def process_writes(a, b, c, d): pass", 1, "process_writes"),
        ("async def process_writes(a, b, c=None): pass", 1, "process_writes"),
    ],
)
def test_plugins_that_cannot_be_called(
    house: Engine, plugin: Plugin, source: str, line: int | None, text: str
) -> None:
    """A syntax error, a missing function and one that cannot take its call are told at creation, with the line."""
    with pytest.raises(PluginSourceError) as caught:
        house.triggers.create("house", "t", plugin("t", source), "all_tables")
    assert text in str(caught.value)
    if line is not None:
        assert caught.value.line_number == line
        assert str(caught.value.filename).endswith("t.py")
    assert house.triggers.list() == ()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import sys; sys.exit()", "SystemExit: "),
        ("raise KeyboardInterrupt('mine')", "KeyboardInterrupt: mine"),
        ("raise GeneratorExit", "GeneratorExit: "),
        ("raise BaseException('base')", "BaseException: base"),
        ("raise StopIteration", "StopIteration: "),
        ("def again(): again()\n    again()", "RecursionError: maximum recursion depth exceeded"),
        ("raise MemoryError('no more')", "MemoryError: no more"),
        ("table_batches[7]", "IndexError: list index out of range"),
        ("import no_such_module", "ModuleNotFoundError: No module named 'no_such_module'"),
        (
            "class Odd(Exception):\n        def __str__(self): raise ValueError\n    raise Odd",
            "process_writes.<locals>.Odd: <exception str() failed>",
        ),
        ("exec('x = (')", "SyntaxError: '(' was never closed (<string>, line 1)"),
        (
            "import threading; threading.current_thread().join()",
            "RuntimeError: cannot join current thread",
        ),
        ("assert False, 'so'", "AssertionError: so"),
    ],
)
def test_plugins_that_raise(house: Engine, plugin: Plugin, body: str, message: str) -> None:
    """Whatever a plugin raises is its run's failure, shown with its line; the next run comes as if nothing was."""
    source = f"def process_writes(influxdb3_local, table_batches, args=None):\n    {body}\n"
    house.triggers.create("house", "t", plugin("t", source), "table:home")
    house.write("house", "home n=1i")
    settle(house)
    [run] = house.triggers.runs.of(1)
    assert (run.outcome, run.failure is not None) == (RunOutcome.ERROR, True)
    assert run.failure is not None
    assert run.failure.message.startswith(message)
    assert run.failure.line_number is not None
    assert texts(house)[0].splitlines()[0].startswith(f"error executing wal plugin: {message}")
    plugin("t", GOOD)
    house.write("house", "home n=2i")
    settle(house)
    assert texts(house)[-1] == "2"


def test_plugin_that_fails_as_it_is_loaded(house: Engine, plugin: Plugin) -> None:
    """Module code runs with each call of a single file: what it raises, SystemExit too, fails that run only."""
    source = "raise SystemExit('at import')\ndef process_writes(influxdb3_local, table_batches, args=None): pass\n"
    house.triggers.create("house", "t", plugin("t", source), "table:home")
    house.write("house", "home n=1i")
    settle(house)
    assert texts(house)[0].splitlines()[0] == "error executing wal plugin: SystemExit: at import"


def test_plugin_that_writes_to_its_own_table(house: Engine, plugin: Plugin) -> None:
    """A plugin that feeds itself is paused after 64 runs of its own, the reason is told, all it wrote is kept."""
    source = """
        def process_writes(influxdb3_local, table_batches, args=None):
            line = LineBuilder("home").int64_field("n", table_batches[0]["rows"][0]["n"] + 1)
            influxdb3_local.write_sync(line.time_ns(table_batches[0]["rows"][0]["n"] + 1), no_sync=False)
    """
    house.triggers.create("house", "t", plugin("t", source), "table:home")
    house.write("house", "home n=0i 0", precision="ns")
    settle(house)
    statistics = house.triggers.statistics("house", "t")
    assert (statistics.state, statistics.runs) == (TriggerState.PAUSED, 65)
    assert texts(house, LogLevel.ERROR) == [
        (
            "trigger paused: a chain of 65 writes, each made by a run that the one before it caused, led to this "
            "one; at most 64 are allowed, so that a plugin that feeds itself comes to an end, "
            "1 row that waited is passed over; enable it to go on "
            "with what comes then"
        )
    ]
    assert rows(house, "SELECT count(*) AS n FROM home") == [{"n": 66}]


ENDLESS = {
    "spins": "while True: pass",
    "swallows for a while": (
        "for _ in range(2):\n        try:\n            while True: pass\n        except BaseException: continue\n"
        "    while True: pass"
    ),
    "sleeps": "import time; time.sleep(3600)",
    "logs": "while True: influxdb3_local.info('x')",
    "queries": "while True: influxdb3_local.query('SELECT 1')",
    "writes": "while True: influxdb3_local.write_sync(LineBuilder('w').int64_field('n', 1), no_sync=True)",
    "queues": "while True: influxdb3_local.write(LineBuilder('w').int64_field('n', 1))",
}


def held(body: str) -> str:
    """Return a write plugin that stops at the gate, and says so again when it goes on."""
    return (
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    gate = influxdb3_local.cache.get('gate', use_global=True)\n"
        "    gate.pass_through()\n"
        "    gate.reached.release()\n"
        f"    {body}\n"
    )


@pytest.mark.parametrize("way", ["disable", "delete", "database", "stop"])
@pytest.mark.parametrize("body", ENDLESS)
def test_plugins_without_end(engine: Engine, plugin: Plugin, body: str, way: str) -> None:
    """Disable, forced delete, deletion of the database and stop end a run that would never end by itself."""
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", held(ENDLESS[body])), "table:home")
    ways: dict[str, Callable[[], object]] = {
        "disable": lambda: engine.triggers.disable("house", "t"),
        "delete": lambda: engine.triggers.delete("house", "t", force=True),
        "database": lambda: engine.catalog.delete_database("house"),
        "stop": engine.stop,
    }
    with gate_for(engine) as gate:
        engine.write("house", "home n=1i")
        gate.wait_reached()
        gate.opened.set()
        gate.wait_reached()
    ending = threading.Thread(target=ways[way])
    ending.start()
    ending.join(WAIT_SECONDS)
    assert not ending.is_alive()
    [run] = engine.triggers.runs.of(1)
    assert run.outcome is RunOutcome.CANCELLED
    if way != "stop":
        engine.write("house", "home n=2i")
        settle(engine)


def test_plugin_that_cannot_be_ended(plugin_dir: Path, plugin: Plugin) -> None:
    """What swallows every interrupt, or hangs in C, is left behind after a while, named; the engine goes on."""
    with Engine(
        plugin_dir=plugin_dir, object_store="memory", environ={}, shutdown_timeout="0.1s"
    ) as engine:
        engine.catalog.create_database("house")
        body = (
            "while not gate.let_go.is_set():\n        try:\n            gate.reached.release()\n"
            "            gate.let_go.wait()\n        except BaseException: pass"
        )
        engine.triggers.create("house", "t", plugin("t", held(body)), "table:home")
        with gate_for(engine) as gate:
            engine.write("house", "home n=1i")
            gate.wait_reached()
            gate.opened.set()
            gate.wait_reached()
            gate.wait_reached()
            engine.triggers.disable("house", "t")
            [text] = texts(engine)
            assert text.startswith(
                "its run did not end when it was cancelled and goes on in procengine-worker-"
            )
            engine.write("house", "home n=2i")
            plugin("t", GOOD)
            engine.triggers.create("house", "next", "t.py", "table:home")
            engine.write("house", "home n=3i")
            wait_until(engine, lambda: engine.triggers.statistics("house", "next").runs == 1)
            assert texts(engine)[1:] == ["3"]
        settle(engine)


@pytest.mark.parametrize(
    ("sql", "text"),
    [
        ("", "No SQL statements were provided in the query string"),
        ("SELEKT 1", "Expected: an SQL statement, found: SELEKT at Line: 1, Column: 1"),
        ("SELECT 'open", "Unterminated string literal at Line: 1, Column: 8"),
        ("SELECT n FROM home; SELECT 1", "only supports a single SQL statement"),
        ("SELECT nn FROM home", "nn"),
        ("SELECT n FROM homes", "homes"),
        ("SELECT n + 'a' FROM home", r"Int64 \+ Utf8"),
        ("SELECT no_such_function(n) FROM home", "no_such_function"),
        ("SELECT 1 / 0", "[Dd]ivi"),
        ("SELECT " + "(" * 500 + "1" + ")" * 500, "."),
        ("INSERT INTO home VALUES (1, now())", "not supported"),
        ("DROP TABLE home", "not supported"),
        ("CREATE TABLE x AS SELECT 1", "not supported"),
        ("COPY home TO '/tmp/x.csv'", "not supported"),
        ("SET a = 1", "not supported"),
        ("SELECT * FROM '/etc/passwd'", "passwd"),
        ("SELECT date_bin_gapfill(INTERVAL '1 second', time) FROM home", "."),
        ("SELECT \x00", "."),
        ("SELECT '\ud800'", "."),
    ],
)
def test_bad_sql(house: Engine, sql: str, text: str) -> None:
    """Bad SQL is a query error that names what is wrong; nothing changes, the next query is answered."""
    house.write("house", "home n=1i")
    with pytest.raises(QueryError, match=text) as caught:
        house.query(sql, "house")
    assert "Traceback" not in str(caught.value)
    assert rows(house, "SELECT n FROM home") == [{"n": 1}]
    assert list(house.catalog.database("house").tables) == ["home"]


def test_plugin_folder_that_vanishes(house: Engine, plugin: Plugin, plugin_dir: Path) -> None:
    """What was loaded goes on with its last good code; what needs the folder says so; its return is enough."""
    house.triggers.create("house", "t", plugin("t", GOOD), "table:home")
    house.write("house", "home n=1i")
    settle(house)
    shutil.rmtree(plugin_dir)
    house.write("house", "home n=2i")
    settle(house)
    assert texts(house) == ["1", "2"]
    gone = f"cannot load plugin 't.py': the plugin directory {plugin_dir} does not exist"
    with pytest.raises(PluginPathError) as caught:
        house.triggers.create("house", "other", "t.py", "table:home")
    assert str(caught.value) == gone
    assert rows(house, "SELECT * FROM system.plugin_files", "_internal") == []
    house.triggers.disable("house", "t")
    with pytest.raises(PluginPathError, match="does not exist"):
        house.triggers.enable("house", "t")
    plugin_dir.mkdir()
    plugin("t", GOOD)
    house.triggers.enable("house", "t")
    house.write("house", "home n=3i")
    settle(house)
    assert texts(house) == ["1", "2", "3"]


def test_surrogates_are_refused_wherever_they_come(house: Engine, plugin: Plugin) -> None:
    """Half a surrogate pair, which no file can hold, is refused in names, specifications and arguments."""
    name = plugin("t", GOOD)
    half = "\ud800"
    attempts: list[Callable[[], object]] = [
        lambda: house.write(f"a{half}", "home n=1i"),
        lambda: house.catalog.create_database(f"a{half}"),
        lambda: house.triggers.create("house", half, name, "all_tables"),
        lambda: house.triggers.create("house", "t", half, "all_tables"),
        lambda: house.triggers.create("house", "t", name, f"table:{half}"),
        lambda: house.triggers.create("house", "t", name, f"request:{half}"),
        lambda: house.triggers.create("house", "t", name, f"every:{half}s"),
        lambda: house.triggers.create("house", "t", name, f"cron:{half} * * * * *"),
        lambda: house.triggers.create("house", "t", name, "all_tables", arguments={"a": half}),
        lambda: house.triggers.create("house", "t", name, "all_tables", arguments={half: "a"}),
        lambda: house.query("SELECT 1", half),
    ]
    for attempt in attempts:
        with pytest.raises(ProcengineError):
            attempt()
    assert house.triggers.list() == ()


def test_arguments_are_text(house: Engine, plugin: Plugin) -> None:
    """Trigger arguments are str to str (section 5): a number is refused when the trigger is made."""
    with pytest.raises(InvalidInputError) as caught:
        house.triggers.create("house", "t", plugin("t", GOOD), "all_tables", arguments={"n": 5})  # type: ignore[dict-item]
    assert str(caught.value) == "trigger argument 'n' must be text, got 5; write it as str"
    assert house.triggers.list() == ()
