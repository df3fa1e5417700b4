"""``influxdb3_local``: names, positions, types and texts of section 5."""

from __future__ import annotations

import threading

import pyarrow as pa
import pytest

from procengine.errors import InvalidInputError, LineError, LineProtocolError, QueryError
from procengine.model.run import LogLevel, RunOutcome
from tests.processing.plugin_doubles import PluginBench, schedule_event, scheduled


def messages(bench: PluginBench, body: str) -> list[str]:
    """Run a body with ``out`` for results; return what it logged at level INFO between start and finish."""
    run = bench.run_scheduled(body)
    assert run.failure is None, run.failure.traceback_text
    return [entry.text for entry in run.logs[1:-1]]


def test_public_attributes_are_the_nine(plugin_bench: PluginBench) -> None:
    """Section 5: ``dir`` shows exactly the nine public names, and nothing else without two underscores."""
    found = messages(
        plugin_bench,
        "influxdb3_local.info(sorted(n for n in dir(influxdb3_local) if not n.startswith('__')))",
    )
    assert found == [
        "['cache', 'error', 'info', 'query', 'warn', 'write', 'write_sync', 'write_sync_to_db', 'write_to_db']"
    ]


def test_no_attribute_can_be_added(plugin_bench: PluginBench) -> None:
    """Section 5: the object of the original has no place for other attributes."""
    run = plugin_bench.run_scheduled("influxdb3_local.mine = 1")
    assert run.failure is not None
    assert run.failure.type_name == "AttributeError"


def test_log_joins_arguments_with_spaces(plugin_bench: PluginBench) -> None:
    """Section 5: info, warn and error log ``" ".join(str(a))`` at their level."""
    run = plugin_bench.run_scheduled(
        "influxdb3_local.info('a', 1, None)\ninfluxdb3_local.warn()\ninfluxdb3_local.error(1.5, 'é')"
    )
    assert [(entry.level, entry.text) for entry in run.logs[1:-1]] == [
        (LogLevel.INFO, "a 1 None"),
        (LogLevel.WARN, ""),
        (LogLevel.ERROR, "1.5 é"),
    ]


def test_log_refuses_half_a_surrogate_pair(plugin_bench: PluginBench) -> None:
    """Section 5: text that is not Unicode cannot be logged; the binding raises UnicodeEncodeError."""
    run = plugin_bench.run_scheduled("influxdb3_local.info('\\ud800')")
    assert run.failure is not None
    assert run.failure.type_name == "UnicodeEncodeError"


def test_queued_lines_are_one_write_a_database(plugin_bench: PluginBench) -> None:
    """Section 5: queued lines are joined by newlines, one synchronous write a database, after the run."""
    run = plugin_bench.run_scheduled("""
        for n in range(2):
            influxdb3_local.write(LineBuilder("t").int64_field("n", n))
        influxdb3_local.write_to_db("other", LineBuilder("u").int64_field("n", 9))
    """)
    assert [(w.database, w.lines, w.no_sync, w.depth) for w in plugin_bench.writes.taken] == [
        ("db", "t n=0i\nt n=1i", False, 1),
        ("other", "u n=9i", False, 1),
    ]
    assert run.writes == {("db", "t"): 2, ("other", "u"): 1}


def test_queued_lines_are_lost_with_an_exception(plugin_bench: PluginBench) -> None:
    """Section 5: after an exception no queued line is written; lines written synchronously stay."""
    plugin_bench.run_scheduled("""
        influxdb3_local.write(LineBuilder("t").int64_field("n", 1))
        influxdb3_local.write_sync(LineBuilder("s").int64_field("n", 2), True)
        raise ValueError("no")
    """)
    assert [w.lines for w in plugin_bench.writes.taken] == ["s n=2i"]


def test_build_is_called_at_once_and_may_return_many_lines(plugin_bench: PluginBench) -> None:
    """Section 5: anything with ``build`` can be written; it is asked when it is queued."""
    plugin_bench.run_scheduled("""
        class Many:
            text = "t n=1i\\nt n=2i"
            def build(self):
                return self.text
        many = Many()
        influxdb3_local.write(many)
        many.text = "changed"
    """)
    assert [w.lines for w in plugin_bench.writes.taken] == ["t n=1i\nt n=2i"]


@pytest.mark.parametrize(
    ("call", "text"),
    [
        ("write_sync(None)", "missing 1 required positional argument: 'no_sync'"),
        ("write_sync(None, no_sync=1)", "argument 'no_sync': 'int' object cannot be cast as 'bool'"),
        ("write_to_db(1, None)", "argument 'db_name': 'int' object cannot be cast as 'str'"),
        ("query(1)", "argument 'query': 'int' object cannot be cast as 'str'"),
        ("query('q', {'threshold': 90})", "argument 'args': 'int' object cannot be cast as 'str'"),
        ("query('q', [1])", "argument 'args': 'list' object cannot be cast as 'dict'"),
        ("cache.put(1, 2)", "argument 'key': 'int' object cannot be cast as 'str'"),
        ("cache.put('k', 2, 'soon')", "argument 'ttl': must be real number, not str"),
    ],
)  # fmt: skip
def test_wrong_types_are_type_errors(plugin_bench: PluginBench, call: str, text: str) -> None:
    """Section 5: arguments are converted strictly, with the binding's TypeErrors."""
    run = plugin_bench.run_scheduled(f"influxdb3_local.{call}")
    assert run.failure is not None
    assert run.failure.type_name == "TypeError"
    assert text in run.failure.message


def test_build_must_return_text(plugin_bench: PluginBench) -> None:
    """Section 5: what ``build`` returns must be str."""
    run = plugin_bench.run_scheduled("""
        class Bad:
            def build(self):
                return 7
        influxdb3_local.write(Bad())
    """)
    assert run.failure is not None
    assert run.failure.message == "TypeError: 'int' object cannot be cast as 'str'"


def test_write_sync_reports_the_refused_line(plugin_bench: PluginBench) -> None:
    """Section 5: a failed synchronous write is a plain Exception with the original's text."""
    error = LineError(message="bad field", line_number=1, original_line="t n=")
    plugin_bench.writes.refuse = LineProtocolError([error])
    found = messages(
        plugin_bench,
        """
        try:
            influxdb3_local.write_sync_to_db("other", LineBuilder("t").int64_field("n", 1), no_sync=False)
        except Exception as error:
            influxdb3_local.info(type(error) is Exception, error)
        """,
    )
    assert found == [
        "True error writing line protocol to other: Cannot write: line protocol parse failed: bad field"
    ]


def test_write_sync_reports_a_bad_database_name(plugin_bench: PluginBench) -> None:
    """Section 5: the looser rule for plugins' database names, with its text."""
    run = plugin_bench.run_scheduled(
        "influxdb3_local.write_sync_to_db('bad db', LineBuilder('t').int64_field('n', 1), False)"
    )
    assert run.failure is not None
    assert run.failure.message == (
        "Exception: error writing line protocol to bad db: invalid database name: "
        "database name 'bad db' contains invalid character, character number 3 is not allowed"
    )


def test_refused_queue_is_an_error_row_and_no_failure(plugin_bench: PluginBench) -> None:
    """Section 5: errors of queued lines are visible only as a row of the log; the run is not retried."""
    error = LineError(message="bad field", line_number=2, original_line="t n=")
    plugin_bench.writes.refuse = LineProtocolError([error])
    run = plugin_bench.run_scheduled("influxdb3_local.write(LineBuilder('t').int64_field('n', 1))")
    assert run.outcome is RunOutcome.WRITE_ERROR
    assert run.failure is None
    assert run.logs[-1].level is LogLevel.ERROR
    assert run.logs[-1].text.splitlines()[0] == (
        "error running schedule plugin: error writing back lines to db: "
        "Cannot write: line protocol parse failed: bad field"
    )


def test_query_gives_rows_with_every_column(plugin_bench: PluginBench) -> None:
    """Section 5: a result is a list of dictionaries with every column, NULL as None, times as integers."""
    plugin_bench.queries.table = pa.table(
        {
            "f": pa.array([1.5, None]),
            "tag": pa.array(["a", None]).dictionary_encode(),
            "time": pa.array([5, 6], pa.timestamp("ns")),
        }
    )
    found = messages(
        plugin_bench,
        "influxdb3_local.info(influxdb3_local.query('SELECT $x', {'x': '1'}, database='other'))",
    )
    assert found == ["[{'f': 1.5, 'tag': 'a', 'time': 5}, {'f': None, 'tag': None, 'time': 6}]"]
    assert plugin_bench.queries.asked == [("SELECT $x", "other", {"x": "1"})]


def test_query_failure_is_the_plugins_query_error(plugin_bench: PluginBench) -> None:
    """Section 5: a failed query raises QueryError with database and statement in its text."""
    plugin_bench.queries.refuse = QueryError("no such table")
    found = messages(
        plugin_bench,
        """
        try:
            influxdb3_local.query("SELECT * FROM x")
        except Exception as error:
            influxdb3_local.info(type(error).__name__, error)
        """,
    )
    assert found == ["QueryError error: no such table executing query on db: SELECT * FROM x"]


def test_query_refuses_a_bad_database_name(plugin_bench: PluginBench) -> None:
    """Section 5: ``invalid database name provided: …``."""
    run = plugin_bench.run_scheduled("influxdb3_local.query('SELECT 1', database='bad db')")
    assert run.failure is not None
    assert run.failure.message.startswith("QueryError: invalid database name provided: ")


def test_depth_of_writes_is_one_more_than_the_cause(plugin_bench: PluginBench) -> None:
    """A run's writes are one step further from the outside than what caused the run."""
    plugin_bench.run(
        scheduled("influxdb3_local.write(LineBuilder('t').int64_field('n', 1))"),
        schedule_event(depth=4),
    )
    assert plugin_bench.writes.taken[0].depth == 5


def test_a_thread_may_go_on_after_the_run(plugin_bench: PluginBench) -> None:
    """As the original: after the run a thread still logs and writes synchronously; what it queues is lost."""
    done = threading.Event()
    go_on = threading.Event()
    plugin_bench.queries.on_query = lambda: go_on.wait(10) and None
    plugin_bench.runner.start()
    run = plugin_bench.run_scheduled("""
        import threading
        def later():
            influxdb3_local.query("wait")
            influxdb3_local.info("late")
            influxdb3_local.write_sync(LineBuilder("t").int64_field("n", 1), True)
            influxdb3_local.write(LineBuilder("t").int64_field("n", 2))
            print("printed late")
        influxdb3_local.cache.put("thread", threading.Thread(target=later))
        influxdb3_local.cache.get("thread").start()
    """)
    thread = plugin_bench.caches.values()[0].value
    assert isinstance(thread, threading.Thread)
    go_on.set()
    thread.join(10)
    done.set()
    assert run.outcome is RunOutcome.SUCCESS
    assert "late" not in [entry.text for entry in run.logs]
    assert [w.lines for w in plugin_bench.writes.taken] == ["t n=1i"]
    late = plugin_bench.logs.entries(run_id=run.run_id)[-3:]
    assert [entry.text for entry in late] == [
        "late",
        (
            "a line was queued after the run had ended and is not written; "
            "a thread that outlives the run must use write_sync"
        ),
        "printed late",
    ]


def test_unknown_failures_of_a_write_keep_their_text(plugin_bench: PluginBench) -> None:
    """Section 5: ``Cannot write: {err}`` for whatever else refuses a write."""
    plugin_bench.writes.refuse = InvalidInputError("incoming write was empty")
    run = plugin_bench.run_scheduled("""
        class Empty:
            def build(self):
                return ""
        influxdb3_local.write_sync(Empty(), True)
    """)
    assert run.failure is not None
    assert run.failure.message == (
        "Exception: error writing line protocol to db: Cannot write: incoming write was empty"
    )
