"""Section 5 of the semantics, through the engine: what a plugin does and sees by ``influxdb3_local``."""

from __future__ import annotations

import ast
import threading
from collections.abc import Callable

import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.model.run import LogLevel, Run, RunOutcome
from tests.engine.looks import request_event, rows, settle, texts

Plugin = Callable[[str, str], str]
Fire = Callable[..., Run]

DATA = """
home,room=a f=1.5,i=-2i,u=3u,b=true,s="x" 1
home,room=b i=4i 2
"""


@pytest.fixture
def fire(engine: Engine, plugin: Plugin) -> Fire:
    """Run statements as a request plugin of database ``house``; what they log is what tests look at."""
    engine.write("house", DATA, precision="ns")

    def run(body: str, *, dry_run: bool = False, cache_name: str | None = None, **arguments: str) -> Run:
        lines = "\n".join(f"    {line}" for line in body.strip("\n").splitlines())
        name = plugin(
            "t",
            "def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):\n"
            f"{lines}\n    return ''",
        )
        engine.triggers.replace("house", "t", name, "request:t", arguments=arguments or None)
        return engine.triggers.fire(
            "t", request_event(), database="house", dry_run=dry_run, cache_name=cache_name
        )

    return run


def said(run: Run) -> list[str]:
    """Return what the plugin logged."""
    assert run.failure is None, run.failure
    return [
        e.text for e in run.logs if not e.text.startswith(("starting execution", "finished execution"))
    ]


def test_log_rows_are_in_the_system_table(engine: Engine, fire: Fire) -> None:
    """Section 5: arguments are joined by spaces; the engine's own rows stand around them."""
    fire("influxdb3_local.info('a', 1, None)\ninfluxdb3_local.warn([2])\ninfluxdb3_local.error()")
    found = rows(
        engine,
        "SELECT trigger_name, log_level, log_text FROM system.processing_engine_logs ORDER BY event_time",
    )
    assert [tuple(row.values()) for row in found[:-1]] == [
        ("t", "INFO", "starting execution of request plugin."),
        ("t", "INFO", "a 1 None"),
        ("t", "WARN", "[2]"),
        ("t", "ERROR", ""),
    ]
    assert str(found[-1]["log_text"]).startswith("finished execution in ")


def test_synchronous_writes_can_be_queried_at_once(engine: Engine, fire: Fire) -> None:
    """Section 5: ``write_sync`` returns when the row is durable and visible; queued lines wait for the end."""
    run = fire("""
influxdb3_local.write(LineBuilder('late').int64_field('n', 1))
influxdb3_local.write_sync(LineBuilder('now').int64_field('n', 2), False)
influxdb3_local.write_sync_to_db('other', LineBuilder('now').int64_field('n', 3), no_sync=False)
influxdb3_local.info(influxdb3_local.query('SELECT n FROM now'))
influxdb3_local.info(influxdb3_local.query('SELECT n FROM now', database='other'))
influxdb3_local.info([row['table_name'] for row in influxdb3_local.query(
    "SELECT table_name FROM information_schema.tables WHERE table_schema = 'iox' ORDER BY 1")])
""")
    assert said(run) == ["[{'n': 2}]", "[{'n': 3}]", "['home', 'now']"]
    assert rows(engine, "SELECT n FROM late") == [{"n": 1}]
    assert run.writes == {("house", "now"): 1, ("other", "now"): 1, ("house", "late"): 1}


def test_no_sync_is_required(fire: Fire) -> None:
    """Section 5: ``write_sync`` without ``no_sync`` is a TypeError."""
    run = fire("influxdb3_local.write_sync(LineBuilder('now').int64_field('n', 2))")
    assert run.failure is not None
    assert run.failure.message == (
        "Python function call failed: TypeError: "
        "PyPluginCallApi.write_sync() missing 1 required positional argument: 'no_sync'"
    )


@pytest.mark.parametrize(
    ("database", "line", "text"),
    [
        (
            "house",
            "home i=text",
            "error writing line protocol to house: Cannot write: line protocol parse failed: {reader}",
        ),
        (
            "house",
            "home i=1.5",
            (
                "error writing line protocol to house: Cannot write: line protocol parse failed: invalid column type "
                "for column 'i', expected iox::column_type::field::integer, got iox::column_type::field::float"
            ),
        ),
        ("house", "", "error writing line protocol to house: Cannot write: incoming write was empty"),
        (
            "a b",
            "home i=1i",
            (
                "error writing line protocol to a b: invalid database name: database name 'a b' contains invalid "
                "character, character number 1 is not allowed"
            ),
        ),
        (
            "",
            "home i=1i",
            (
                "error writing line protocol to : invalid database name: database name  length must be between 1 and "
                "511 characters"
            ),
        ),
    ],
)
def test_refused_synchronous_writes(
    engine: Engine, fire: Fire, database: str, line: str, text: str
) -> None:
    """Section 5: a plain Exception with the original's text, and nothing of the write is stored."""
    run = fire(f"""
class Line:
    def build(self):
        return {line!r}
try:
    influxdb3_local.write_sync_to_db({database!r}, Line(), False)
except Exception as error:
    influxdb3_local.info(type(error) is Exception, error)
""")
    with pytest.raises(Exception, match="line 1") as caught:
        engine.write("house", "home i=text")
    reader = caught.value.errors[0].message  # type: ignore[attr-defined]
    assert said(run) == ["True " + text.format(reader=reader)]
    assert rows(engine, "SELECT count(*) AS n FROM home") == [{"n": 2}]


def test_one_bad_line_rejects_its_databases_batch(engine: Engine, fire: Fire) -> None:
    """Section 5: queued lines are one write a database, all or none; another database's are stored."""
    run = fire("""
influxdb3_local.write(LineBuilder('fresh').int64_field('n', 1))
influxdb3_local.write(LineBuilder('home').string_field('i', 'text'))
influxdb3_local.write_to_db('other', LineBuilder('fresh').int64_field('n', 2))
""")
    assert run.outcome is RunOutcome.WRITE_ERROR
    assert "fresh" not in engine.catalog.database("house").tables
    assert rows(engine, "SELECT n FROM fresh", "other") == [{"n": 2}]
    assert texts(engine, LogLevel.ERROR) == [
        (
            "error running request plugin: error writing back lines to house: Cannot write: "
            "line protocol parse failed: "
            "invalid column type for column 'i', expected iox::column_type::field::integer, "
            "got iox::column_type::field::string\n"
            'line 2 of the batch: home i="text"'
        ),
    ]


def test_queued_lines_are_lost_with_an_exception(engine: Engine, fire: Fire) -> None:
    """Section 5: what was queued is lost, what was written synchronously stays."""
    run = fire("""
influxdb3_local.write(LineBuilder('queued').int64_field('n', 1))
influxdb3_local.write_sync(LineBuilder('kept').int64_field('n', 1), False)
raise RuntimeError('late')
""")
    assert run.outcome is RunOutcome.ERROR
    assert sorted(engine.catalog.database("house").tables) == ["home", "kept"]


def test_plugins_write_nanoseconds(engine: Engine, fire: Fire) -> None:
    """Section 5: a small time is nanoseconds, never taken for seconds; without one it is the engine's time."""
    fire("""
influxdb3_local.write(LineBuilder('made').int64_field('n', 1).time_ns(5))
influxdb3_local.write(LineBuilder('made').int64_field('n', 2))
""")
    assert rows(engine, "SELECT n, time FROM made ORDER BY time") == [
        {"n": 1, "time": 5},
        {"n": 2, "time": engine.clock.now_ns()},
    ]


@pytest.mark.parametrize("database", ["\N{GREEK SMALL LETTER ALPHA}/_-", "_internal", "-x", "9"])
def test_plugins_reach_databases_of_looser_names(engine: Engine, fire: Fire, database: str) -> None:
    """Section 5: letters of any script, slash, underscore, hyphen; ``_internal`` is not blocked, as in 3.10."""
    now_ns = engine.clock.now_ns()  # ``_internal`` shows no rows past its retention
    run = fire(f"""
influxdb3_local.write_to_db({database!r}, LineBuilder('made').int64_field('n', 1).time_ns({now_ns}))
influxdb3_local.write_sync_to_db({database!r}, LineBuilder('made').int64_field('n', 2).time_ns({now_ns + 1}), False)
influxdb3_local.info(influxdb3_local.query('SELECT n FROM made', database={database!r}))
""")
    assert said(run) == ["[{'n': 2}]"]
    assert rows(engine, "SELECT n FROM made ORDER BY time", database) == [{"n": 1}, {"n": 2}]


def test_query_gives_every_column_as_pythons_own_types(fire: Fire) -> None:
    """Section 5: a list of dictionaries; int, float, bool, str; time as int; NULL as None."""
    run = fire("influxdb3_local.info(influxdb3_local.query('SELECT * FROM home ORDER BY time'))")
    assert [ast.literal_eval(text) for text in said(run)] == [
        [
            {"b": True, "f": 1.5, "i": -2, "room": "a", "s": "x", "time": 1, "u": 3},
            {"b": None, "f": None, "i": 4, "room": "b", "s": None, "time": 2, "u": None},
        ]
    ]


@pytest.mark.parametrize(
    ("sql", "name"),
    [
        ("SELECT date_part('hour', time) AS v FROM home", "Int32"),
        ("SELECT CAST(time AS DATE) AS v FROM home", "Date32"),
        ("SELECT arrow_cast(s, 'Utf8View') AS v FROM home WHERE s IS NOT NULL", "Utf8View"),
        ("SELECT make_array(1, 2) AS v", "List"),
        ("SELECT CAST(1.5 AS DECIMAL(5, 2)) AS v", "Decimal128"),
        ("SELECT selector_last(f, time) AS v FROM home", "Struct"),
        ("SELECT now() - now() AS v", "Duration"),
    ],
)
def test_other_types_cannot_be_received(fire: Fire, sql: str, name: str) -> None:
    """Section 5: any other Arrow type is ``ValueError("Unsupported data type: ...")``; a cast helps."""
    run = fire(f"""
try:
    influxdb3_local.query({sql!r})
except ValueError as error:
    influxdb3_local.info(error)
""")
    [text] = said(run)
    assert text.startswith(f"Unsupported data type: {name}")


def test_zoned_times_are_integers(fire: Fire) -> None:
    """Section 5: a timestamp in nanoseconds is an int whatever its zone."""
    run = fire("""
influxdb3_local.info(influxdb3_local.query("SELECT tz(time, 'Europe/Berlin') AS v FROM home ORDER BY time"))
""")
    assert said(run) == ["[{'v': 1}, {'v': 2}]"]


def test_query_parameters_are_text(fire: Fire) -> None:
    """Section 5: str to str only, bound as Utf8 to ``$name``; a cast makes a number, an int is a TypeError."""
    run = fire("""
influxdb3_local.info(influxdb3_local.query('SELECT i FROM home WHERE room = $r', {'r': 'a'}))
influxdb3_local.info(influxdb3_local.query('SELECT i FROM home WHERE i > CAST($n AS BIGINT)', args={'n': '0'}))
influxdb3_local.info(influxdb3_local.query("SELECT arrow_typeof($n) AS t", {'n': '0'}))
try:
    influxdb3_local.query('SELECT i FROM home WHERE i > $n', {'n': 90})
except TypeError as error:
    influxdb3_local.info('TypeError')
""")
    assert said(run) == ["[{'i': -2}]", "[{'i': 4}]", "[{'t': 'Utf8'}]", "TypeError"]


@pytest.mark.parametrize(
    ("column", "said_of_it"),
    [
        ("substr(room, 1, 3)", "ValueError Unsupported data type: Utf8View"),
        ("concat(room, '!')", "ValueError Unsupported data type: Utf8View"),
        ("trim(room)", "ValueError Unsupported data type: Utf8View"),
        ("length(room)", "ValueError Unsupported data type: Int32"),
        ("substr(room, 1, 3)::STRING", "[{'x': 'a'}]"),
        ("concat(room::STRING, '!')", "[{'x': 'a!'}]"),
        ("left(room, 3)", "[{'x': 'a'}]"),
        ("upper(room)", "[{'x': 'A'}]"),
        ("length(room)::BIGINT", "[{'x': 1}]"),
        ("coalesce(length(room), 0)", "[{'x': 1}]"),
        ("median(i)", "[{'x': -2}]"),
        ("power(i, 2)", "[{'x': 4}]"),
        ("round(i)", "[{'x': -2.0}]"),
    ],
)
def test_functions_of_text_and_numbers(fire: Fire, column: str, said_of_it: str) -> None:
    """Section 5: what DataFusion 51 makes of a tag or an integer decides what a plugin gets, or cannot get."""
    run = fire(f"""
try:
    influxdb3_local.info(influxdb3_local.query("SELECT {column} AS x FROM home WHERE room = 'a' GROUP BY room, i"))
except ValueError as error:
    influxdb3_local.info(type(error).__name__, error)
""")
    assert said(run) == [said_of_it]


NOT_FOUND = "Error during planning: table 'public.iox.nowhere' not found"
UNBOUND = "Error during planning: No value found for placeholder with name $r"


@pytest.mark.parametrize(
    ("sql", "error"),
    [
        ("SELECT * FROM nowhere", NOT_FOUND),
        (
            "SELEKT 1",
            'SQL error: ParserError("Expected: an SQL statement, found: SELEKT at Line: 1, Column: 1")',
        ),
        ("DROP TABLE home", "Error during planning: DDL not supported: DropTable"),
        ("SELECT i FROM home WHERE room = $r", UNBOUND),
        (
            "SELECT i FROM $t",
            'SQL error: ParserError("Expected: identifier, found: $t at Line: 1, Column: 15")',
        ),
    ],
)
def test_failed_queries(fire: Fire, sql: str, error: str) -> None:
    """Section 5: QueryError, known by its type's name, with error, database and statement in the text.

    Source: influxdb3/tests/cli/mod.rs, test_wal_plugin_errors (``query_no_table``).
    """
    run = fire(f"""
try:
    influxdb3_local.query({sql!r})
except Exception as error:
    influxdb3_local.info(type(error).__name__, error)
""")
    assert said(run) == [
        f"QueryError error: error while planning query: {error} executing query on house: {sql}"
    ]


def test_queries_that_fail_while_they_run(fire: Fire) -> None:
    """Section 5: what fails once rows are read is not called an error of planning."""
    sql = "SELECT 1 / (i - i) AS x FROM home"
    run = fire(f"""
try:
    influxdb3_local.query({sql!r})
except Exception as error:
    influxdb3_local.info(error)
""")
    assert said(run) == [f"error: Arrow error: Divide by zero error executing query on house: {sql}"]


def test_writes_past_the_limit_of_databases(engine: Engine, fire: Fire) -> None:
    """Section 5: a database too many is an error of the catalog.

    Source: influxdb3_write/src/write_buffer/mod.rs, CatalogUpdateError.
    """
    for number in range(99):
        engine.catalog.create_database(f"d{number}")
    run = fire("""
line = LineBuilder('t').int64_field('n', 1)
try:
    influxdb3_local.write_sync_to_db('other', line, no_sync=True)
except Exception as error:
    influxdb3_local.info(error)
influxdb3_local.write_to_db('other', line)
""")
    limit = (
        "Cannot write: catalog update error: Adding a new database would exceed limit of 100 databases"
    )
    assert said(run) == [
        f"error writing line protocol to other: {limit}",
        f"error running request plugin: error writing back lines to other: {limit}",
    ]


@pytest.mark.parametrize(
    ("database", "text"),
    [
        ("gone", "error: database not found: gone executing query on gone: SELECT 1"),
        (
            "a b",
            (
                "invalid database name provided: database name 'a b' contains invalid character, "
                "character number 1 is not allowed"
            ),
        ),
    ],
)
def test_queries_of_databases_that_cannot_be(fire: Fire, database: str, text: str) -> None:
    """Section 5: a database that is not there, and a name that none can have."""
    run = fire(f"""
try:
    influxdb3_local.query('SELECT 1', database={database!r})
except Exception as error:
    influxdb3_local.info(type(error).__name__, error)
""")
    assert said(run) == [f"QueryError {text}"]


def test_cache_namespaces(engine: Engine, clock: VirtualClock, plugin: Plugin) -> None:
    """Section 5: local by trigger, global for all databases, references; a time-to-live ends by the clock."""
    source = """
        def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
            cache = influxdb3_local.cache
            local = cache.get("list", [])
            local.append(1)
            cache.put("list", local, ttl=60)
            cache.get("shared", use_global=True).append(len(local))
            return cache.get("shared", use_global=True)
    """
    name = plugin("t", source)
    for database in ("house", "shed"):
        engine.catalog.create_database(database)
        engine.triggers.create(database, "t", name, f"request:{database}")
    shared: list[int] = []
    engine.plugin_cache.for_trigger("house", 0).put("shared", shared, use_global=True)
    for path in ("house", "house", "shed"):
        engine.triggers.request(path, request_event())
    clock.advance(60)
    engine.triggers.request("house", request_event())
    engine.triggers.disable("shed", "t")
    engine.triggers.enable("shed", "t")
    engine.triggers.request("shed", request_event())
    assert shared == [1, 2, 1, 1, 1]


def test_cancelled_run_sees_the_originals_text(engine: Engine, plugin: Plugin) -> None:
    """Section 5: after a disable log, write and query raise KeyboardInterrupt, and the cache still works."""
    source = """
        import threading
        def process_writes(influxdb3_local, table_batches, args=None):
            seen = influxdb3_local.cache.get("seen", use_global=True)
            try:
                seen["started"].set()
                while True:
                    pass
            except KeyboardInterrupt as error:
                seen["busy"] = str(error)
            for call in (
                lambda: influxdb3_local.info("x"),
                lambda: influxdb3_local.query("SELECT 1"),
                lambda: influxdb3_local.write(LineBuilder("home").int64_field("n", 1)),
            ):
                try:
                    call()
                except KeyboardInterrupt as error:
                    seen.setdefault("calls", []).append(str(error))
    """
    seen: dict[str, object] = {"started": threading.Event()}
    engine.plugin_cache.for_trigger("house", 0).put("seen", seen, use_global=True)
    engine.catalog.create_database("house")
    engine.triggers.create("house", "t", plugin("t", source), "all_tables")
    engine.write("house", "home n=1i")
    started = seen["started"]
    assert isinstance(started, threading.Event)
    assert started.wait(20)
    engine.triggers.disable("house", "t")
    text = "influxdb3 is shutting down; aborting plugin execution"
    assert (seen["busy"], seen["calls"]) == (text, [text] * 3)
    settle(engine)
