"""One run of a plugin: arguments, rows of the log, failures and the record."""

from __future__ import annotations

import asyncio
import datetime
import threading
import time
from dataclasses import replace

import pytest

from procengine.errors import LineError, LineProtocolError
from procengine.model.duration import SECOND
from procengine.model.run import CacheChange, CacheKey, Cause, CauseKind, LogLevel, Run, RunOutcome
from procengine.model.trigger import ErrorBehavior, TriggerKind
from procengine.processing import active_run
from procengine.processing.dry_run_record import DryRun
from procengine.processing.responses import error_response
from tests.processing.plugin_doubles import (
    PluginBench,
    make_trigger,
    request_event,
    schedule_event,
    scheduled,
    table_rows,
    write_event,
)

INSTANT = 1_700_000_000_500_000_000


def test_write_trigger_receives_batches_and_no_arguments(plugin_bench: PluginBench) -> None:
    """Section 5: positional ``(local, table_batches, args)``, args None without trigger arguments."""
    run = plugin_bench.run(
        """
        def process_writes(first, second, third):
            first.info(second, third)
        """,
        write_event(table_rows(), table_rows("cellar", table_id=2)),
    )
    assert run.logs[1].text == (
        "[{'table_name': 'home', 'rows': [{'room': 'Kitchen', 'temp': 21.5, 'time': 1}, "
        "{'room': 'Hall', 'temp': 19.0, 'time': 2}]}, {'table_name': 'cellar', 'rows': "
        "[{'room': 'Kitchen', 'temp': 21.5, 'time': 1}, {'room': 'Hall', 'temp': 19.0, 'time': 2}]}] None"
    )
    assert (run.kind, run.rows_in, run.outcome) == (TriggerKind.WRITE, 4, RunOutcome.SUCCESS)


def test_schedule_trigger_receives_naive_local_time(plugin_bench: PluginBench) -> None:
    """Section 3: ``call_time`` is naive, in the process's zone, whole seconds."""
    trigger = make_trigger(arguments={"a": "1"})
    run = plugin_bench.run(
        scheduled("influxdb3_local.info(repr(call_time), args)"),
        schedule_event(INSTANT),
        trigger=trigger,
    )
    expected = datetime.datetime.fromtimestamp(1_700_000_000)
    assert run.logs[1].text == f"{expected!r} {{'a': '1'}}"


def test_arguments_are_a_new_dictionary_for_each_run(plugin_bench: PluginBench) -> None:
    """A plugin that changes its arguments changes them for that run only."""
    trigger = make_trigger(arguments={"a": "1"})
    text = scheduled("influxdb3_local.info(args)\nargs['b'] = '2'")
    runs = [plugin_bench.run(text, trigger=trigger) for _ in range(2)]
    assert [run.logs[1].text for run in runs] == ["{'a': '1'}", "{'a': '1'}"]


def test_request_trigger_receives_five_arguments(plugin_bench: PluginBench) -> None:
    """Section 4: ``(local, query_params, request_headers, request_body, args)``."""
    run = plugin_bench.run(
        """
        def process_request(local, params, headers, body, args):
            return {"params": params, "headers": headers, "body": body.decode(), "args": args}, 201
        """,
        request_event(query_params={"q": "1"}, headers={"x-a": "b"}, body=b"hi", method="POST"),
    )
    assert run.response is not None
    assert run.response.status == 201
    assert run.response.body == (
        b'{"params": {"q": "1"}, "headers": {"x-a": "b"}, "body": "hi", "args": null}'
    )


@pytest.mark.parametrize(
    ("event", "text", "first"),
    [
        (write_event(), "def process_writes(a, b, c): pass", "starting execution of wal plugin."),
        (
            schedule_event(INSTANT),
            "def process_scheduled_call(a, b, c): pass",
            "starting execution with scheduled time 2023-11-14 22:13:20.500 UTC",
        ),
        (
            schedule_event(INSTANT - 500_000_000),
            "def process_scheduled_call(a, b, c): pass",
            "starting execution with scheduled time 2023-11-14 22:13:20 UTC",
        ),
        (
            request_event(),
            "def process_request(a, b, c, d, e): return ''",
            "starting execution of request plugin.",
        ),
    ],
)
def test_start_and_finish_rows(plugin_bench: PluginBench, event: object, text: str, first: str) -> None:
    """Section 5: the engine's INFO rows around a run."""
    run = plugin_bench.run(text, event)  # type: ignore[arg-type]
    assert [entry.level for entry in run.logs] == [LogLevel.INFO, LogLevel.INFO]
    assert run.logs[0].text == first
    assert run.logs[1].text.startswith("finished execution in ")
    assert plugin_bench.logs.entries() == run.logs


def test_a_run_knows_its_trigger_by_id_and_no_peak_of_memory(plugin_bench: PluginBench) -> None:
    """A run names its trigger's id, and has a peak of memory only where a limit had it measured."""
    run = plugin_bench.run_scheduled("pass", trigger=make_trigger(trigger_id=7))
    assert (run.trigger_id, run.peak_memory_bytes) == (7, None)


FAILING = "def process_writes(a, b, c):\n    raise ValueError('no')\n"


def error_rows(bench: PluginBench) -> list[str]:
    """Return the first lines of the ERROR rows."""
    return [entry.text.splitlines()[0] for entry in bench.logs.entries(level=LogLevel.ERROR)]


@pytest.mark.parametrize("behavior", list(ErrorBehavior))
def test_failed_write_run_is_one_row(plugin_bench: PluginBench, behavior: ErrorBehavior) -> None:
    """Section 1: ``error executing wal plugin: …``; unlike the original for every error behavior."""
    run = plugin_bench.run(FAILING, write_event(), trigger=make_trigger(error_behavior=behavior))
    assert run.outcome is RunOutcome.ERROR
    assert error_rows(plugin_bench) == ["error executing wal plugin: ValueError: no"]
    assert "finished execution" not in run.logs[-1].text


@pytest.mark.parametrize(("run_async", "word"), [(False, ""), (True, "async ")])
def test_failed_schedule_run_is_two_rows(plugin_bench: PluginBench, run_async: bool, word: str) -> None:
    """Section 1: with behavior log a schedule trigger writes two rows."""
    plugin_bench.run(scheduled("1/0"), trigger=make_trigger(run_async=run_async))
    assert error_rows(plugin_bench) == [
        "error executing schedule plugin: ZeroDivisionError: division by zero",
        f"error running {word}scheduled plugin: ZeroDivisionError: division by zero",
    ]


def test_failed_request_run(plugin_bench: PluginBench) -> None:
    """Section 4: 500 with the prefixed message; errors in loading lack the prefix."""
    run = plugin_bench.run("def process_request(a, b, c, d, e):\n    1/0", request_event())
    assert run.response is not None
    assert (run.response.status, run.response.headers) == (500, ())
    assert run.response.body == (
        b'{"error":"Python function call failed: ZeroDivisionError: division by zero"}'
    )
    assert error_rows(plugin_bench) == [
        "error running request plugin: Python function call failed: ZeroDivisionError: division by zero"
    ]
    loading = plugin_bench.run("import nothing_here", request_event())
    assert loading.response is not None
    assert loading.response.body == (
        b'{"error":"ModuleNotFoundError: No module named \'nothing_here\'"}'
    )


def test_unsupported_result_has_no_prefix(plugin_bench: PluginBench) -> None:
    """Section 4: what is wrong with the returned value is told without the prefix."""
    run = plugin_bench.run("def process_request(a, b, c, d, e): pass", request_event())
    assert run.failure is not None
    assert run.failure.message == "Unsupported return type from Python function"
    assert run.failure.hint.startswith("process_request returned None; accepted: text, a dict or list")
    assert replace(run.failure, exception=None).hint.startswith("accepted: text, a dict or list")
    assert run.response == error_response("Unsupported return type from Python function")


def test_queued_lines_are_written_before_the_response(plugin_bench: PluginBench) -> None:
    """Section 4: queued writes are flushed first, and their errors do not change the response."""
    error = LineError(message="bad", line_number=1, original_line="x")
    plugin_bench.writes.refuse = LineProtocolError([error])
    run = plugin_bench.run(
        """
        def process_request(local, params, headers, body, args):
            local.write(LineBuilder("t").int64_field("n", 1))
            return "fine"
        """,
        request_event(),
    )
    assert run.response is not None
    assert run.response.body == b"fine"
    assert run.outcome is RunOutcome.WRITE_ERROR
    assert run.write_errors[0].startswith("error writing back lines to db: Cannot write: ")
    assert error_rows(plugin_bench)[0].startswith("error running request plugin: error writing back")


def test_queued_lines_for_a_bad_database_name(plugin_bench: PluginBench) -> None:
    """Section 5: a name that plugins cannot write to is told after the run; the others are written."""
    run = plugin_bench.run_scheduled("""
        influxdb3_local.write_to_db("bad db", LineBuilder("t").int64_field("n", 1))
        influxdb3_local.write(LineBuilder("t").int64_field("n", 2))
    """)
    assert run.write_errors == ("invalid database name: bad db",)
    assert [w.lines for w in plugin_bench.writes.taken] == ["t n=2i"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("import sys; sys.exit()", "SystemExit: "),
        ("exit()", "SystemExit: None"),
        ("raise GeneratorExit", "GeneratorExit: "),
        ("raise MemoryError('much')", "MemoryError: much"),
        ("def f(): f()\nf()", "RecursionError: maximum recursion depth exceeded"),
        ("raise type('Odd', (Exception,), {'__str__': lambda s: 1/0})()", "Odd: <exception str() failed>"),
        ("class A:\n    class B(Exception): pass\nraise A.B('x')", "process_scheduled_call.<locals>.A.B: x"),
        ("raise BaseExceptionGroup('g', [SystemExit()])", "BaseExceptionGroup: g (1 sub-exception)"),
    ],
)  # fmt: skip
def test_whatever_is_raised_is_a_failed_run(plugin_bench: PluginBench, body: str, message: str) -> None:
    """Nothing that a plugin raises gets past the run; the message is ``{Type}: {text}``."""
    run = plugin_bench.run_scheduled(body)
    assert run.outcome is RunOutcome.ERROR
    assert run.failure is not None
    assert run.failure.message == message


def test_traceback_shows_the_plugins_lines_only(plugin_bench: PluginBench) -> None:
    """The row's further lines are the traceback from the plugin's frames on, without the engine's."""
    run = plugin_bench.run(
        scheduled(
            "inner(influxdb3_local)",
            """
            def inner(local):
                local.query(5)
            """,
        )
    )
    path = plugin_bench.folder / "plugin.py"
    lines = plugin_bench.logs.entries(level=LogLevel.ERROR)[0].text.splitlines()
    assert lines[1] == "Traceback (most recent call last):"
    assert [line for line in lines if "File " in line] == [
        f'  File "{path}", line 6, in process_scheduled_call',
        f'  File "{path}", line 3, in inner',
    ]
    assert "    local.query(5)" in lines
    assert run.failure is not None
    assert (run.failure.filename, run.failure.line_number) == (str(path), 3)
    assert run.failure.exception is not None
    assert run.failure.exception.__traceback__ is not None


def test_causes_are_part_of_the_traceback(plugin_bench: PluginBench) -> None:
    """A chained exception shows both stacks, and no line of the engine."""
    run = plugin_bench.run_scheduled("""
        try:
            influxdb3_local.write_sync_to_db("bad db", LineBuilder("t").int64_field("n", 1), True)
        except Exception as error:
            raise ValueError("outer") from error
    """)
    assert run.failure is not None
    text = run.failure.traceback_text
    assert "direct cause of the following exception" in text
    assert text.count("Traceback") == 2
    assert "procengine/processing" not in text


def test_syntax_error_fails_the_run_with_its_line(plugin_bench: PluginBench) -> None:
    """A file that stopped compiling fails the run, names its line, and the run after a repair succeeds."""
    run = plugin_bench.run("x = 1\ndef process_scheduled_call(:\n")
    assert run.failure is not None
    assert run.failure.message == "SyntaxError: invalid syntax (plugin.py, line 2)"
    assert run.failure.line_number == 2
    assert "def process_scheduled_call(:" in run.failure.traceback_text
    assert plugin_bench.run(scheduled("pass")).outcome is RunOutcome.SUCCESS


@pytest.mark.parametrize(
    ("event", "name", "signature"),
    [
        (write_event(), "process_writes", "(influxdb3_local, table_batches, args=None)"),
        (schedule_event(), "process_scheduled_call", "(influxdb3_local, call_time, args=None)"),
        (
            request_event(),
            "process_request",
            (
                "(influxdb3_local, query_parameters, request_headers, request_body, args=None)"
                " -> Tuple[str, Optional[Dict[str, str]]]"
            ),
        ),
    ],
)
def test_missing_entry_point(
    plugin_bench: PluginBench, event: object, name: str, signature: str
) -> None:
    """Section 6: the original's text for a missing function."""
    run = plugin_bench.run("x = 1", event)  # type: ignore[arg-type]
    assert run.failure is not None
    assert run.failure.message == (
        f"the {name} function is not present in the plugin. Should be defined as: {name}{signature}"
    )


def test_missing_plugin_fails_the_run(plugin_bench: PluginBench) -> None:
    """Section 6: a plugin that does not exist is a failed run, not an error of the engine."""
    run = plugin_bench.run(filename="gone.py")
    assert run.failure is not None
    assert run.failure.message == (
        f"reading plugin file: Plugin not found: {plugin_bench.folder / 'gone.py'}"
    )


def test_record_of_a_run(plugin_bench: PluginBench) -> None:
    """The record names the trigger, the cause, counts and times."""
    run = plugin_bench.run_scheduled("""
        influxdb3_local.query("SELECT 1")
        influxdb3_local.write(LineBuilder("t").int64_field("n", 1))
    """)
    assert (run.database, run.trigger, run.plugin_filename) == ("db", "watch", "plugin.py")
    assert (run.cause.kind, run.query_count, run.attempt) == (CauseKind.TICK, 1, 1)
    assert (run.started_ns, run.dry_run, run.lines, run.cache_changes) == (1_000_000_000, False, {}, ())
    assert run.duration_ns > 0
    assert run.cpu_ns >= 0
    assert run.queue_wait_ns > 0
    assert plugin_bench.run_scheduled("pass").run_id > run.run_id


def test_each_value_of_a_record_stands_in_its_field(plugin_bench: PluginBench) -> None:
    """The record is made by place: of a run that did all that can be done, each field has what the run did."""
    plugin_bench.save("""
        def process_writes(influxdb3_local, table_batches, args=None):
            influxdb3_local.query("SELECT 1")
            influxdb3_local.write(LineBuilder("t").int64_field("n", 1))
            influxdb3_local.cache.put("k", 1, None, True)
            breakpoint()
    """)
    trigger = make_trigger(name="all", spec="all_tables", trigger_id=2)
    event = replace(write_event(table_rows()), offered_ns=time.perf_counter_ns() - 600 * SECOND)
    run = plugin_bench.runner.run(trigger, event, capture_lines=True, attempt=3)
    assert run == Run(
        run_id=1,
        database="db",
        trigger="all",
        plugin_filename="plugin.py",
        kind=TriggerKind.WRITE,
        cause=event.cause,
        started_ns=1_000_000_000,
        queue_wait_ns=run.queue_wait_ns,
        duration_ns=run.duration_ns,
        cpu_ns=run.cpu_ns,
        outcome=RunOutcome.SUCCESS,
        rows_in=2,
        writes={("db", "t"): 1},
        lines={"db": ("t n=1i",)},
        query_count=1,
        logs=plugin_bench.logs.entries(run_id=1),
        cache_changes=(CacheChange(key="k", use_global=True, before=None, after="1"),),
        attempt=3,
        trigger_id=2,
        cache_keys=(CacheKey("k", True, False),),
        plugin_version=plugin_bench.registry.load("plugin.py").version,
    )
    assert run.breakpoint is not None
    assert run.breakpoint.line_number == 6
    assert run.queue_wait_ns >= 600 * SECOND > run.duration_ns > 0
    assert 0 <= run.cpu_ns < 600 * SECOND


def test_each_value_of_a_failed_record_stands_in_its_field(
    plugin_bench: PluginBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same of a dry run whose plugin answered nothing: it raised, after lines were queued and left out."""
    monkeypatch.setattr(active_run, "MOST_LOG_LINES", 2)
    plugin_bench.save("""
        def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
            for number in range(5):
                influxdb3_local.info(number)
            influxdb3_local.write(LineBuilder("t").int64_field("n", 1))
            1 / 0
    """)
    run = plugin_bench.runner.run(make_trigger(spec="request:r"), request_event(), dry_run=True)
    assert run.failure is not None
    assert run.failure.type_name == "ZeroDivisionError"
    assert run == Run(
        run_id=1,
        database="db",
        trigger="watch",
        plugin_filename="plugin.py",
        kind=TriggerKind.REQUEST,
        cause=Cause(kind=CauseKind.REQUEST),
        started_ns=1_000_000_000,
        queue_wait_ns=run.queue_wait_ns,
        duration_ns=run.duration_ns,
        cpu_ns=run.cpu_ns,
        outcome=RunOutcome.ERROR,
        logs=run.logs,
        lines_left_out=4,
        failure=run.failure,
        response=error_response(run.failure.message),
        dry_run=True,
        trigger_id=1,
        dropped_lines=1,
        plugin_version=plugin_bench.registry.load("plugin.py").version,
    )
    assert [line.text for line in run.logs[1:2]] == ["0"]


def test_captured_run_keeps_its_lines_and_cache_changes(plugin_bench: PluginBench) -> None:
    """A fired run writes for real, and keeps what it wrote as text and what it cached."""
    run = plugin_bench.run_scheduled(
        """
        influxdb3_local.write(LineBuilder("t").int64_field("n", 1))
        influxdb3_local.write_sync(LineBuilder("t").int64_field("n", 2), True)
        influxdb3_local.cache.put("k", "x" * 500)
        """,
        capture_lines=True,
    )
    assert run.lines == {"db": ("t n=2i", "t n=1i")}
    assert len(plugin_bench.writes.taken) == 2
    (change,) = run.cache_changes
    assert (change.key, change.before, len(change.after or "")) == ("k", None, 200)


def test_dry_run_changes_nothing(plugin_bench: PluginBench) -> None:
    """Section 7: writes are collected and checked, log rows are apart, cache values are copies."""
    plugin_bench.caches.for_trigger("db", 1).put("k", "real")
    plugin_bench.writes.problems = ["line 2: bad"]
    run = plugin_bench.run(
        scheduled("""
            influxdb3_local.info("k is", influxdb3_local.cache.get("k"))
            influxdb3_local.cache.put("k", "dry")
            influxdb3_local.write(LineBuilder("t").int64_field("n", 1))
            influxdb3_local.write_sync(LineBuilder("t").int64_field("n", 2), False)
            influxdb3_local.write_to_db("other", LineBuilder("u").int64_field("n", 3))
            influxdb3_local.write_to_db("bad db", LineBuilder("u").int64_field("n", 3))
        """),
        schedule_event(INSTANT),
        dry_run=True,
    )
    assert plugin_bench.writes.taken == []
    assert plugin_bench.logs.entries() == ()
    assert [value.value for value in plugin_bench.caches.values() if value.namespace == "db/1"] == [
        "real"
    ]
    assert plugin_bench.writes.checked == [("db", "t n=2i\nt n=1i"), ("other", "u n=3i")]
    dry = DryRun.of(run)
    assert dry.log_lines[0] == "INFO: starting execution with scheduled time 2023-11-14 22:13:20.500 UTC"
    assert dry.log_lines[1] == "INFO: k is real"
    assert dry.log_lines[2].startswith("INFO: finished execution in ")
    assert dry.database_writes == {
        "db": ("t n=2i", "t n=1i"),
        "other": ("u n=3i",),
        "bad db": ("u n=3i",),
    }
    assert dry.errors == (
        "line protocol parse error on write to db db: line 2: bad",
        "line protocol parse error on write to db other: line 2: bad",
        (
            "database name bad db is invalid: database name 'bad db' contains invalid character, "
            "character number 3 is not allowed"
        ),
    )
    assert dry.cache_changes == (CacheChange(key="k", use_global=False, before="'real'", after="'dry'"),)
    assert run.writes == {("db", "t"): 2, ("other", "u"): 1, ("bad db", "u"): 1}


def test_dry_run_caches_survive_by_name(plugin_bench: PluginBench) -> None:
    """Section 7: values stay between dry runs of one cache name."""
    text = scheduled("""
        cache = influxdb3_local.cache
        cache.put("n", cache.get("n", 0) + 1)
        influxdb3_local.info(cache.get("n"))
    """)
    seen = [
        plugin_bench.run(text, dry_run=True, cache_name=name).logs[1].text
        for name in ("_shared_test", "_shared_test", "mine", "_shared_test", None)
    ]
    assert seen == ["1", "2", "1", "3", "1"]


def test_failed_dry_run(plugin_bench: PluginBench) -> None:
    """Section 7: ``error executing plugin: …``; what was logged and written before it stays in the record."""
    run = plugin_bench.run_scheduled(
        """
        influxdb3_local.info("before")
        influxdb3_local.write_sync(LineBuilder("t").int64_field("n", 1), True)
        1/0
        """,
        dry_run=True,
    )
    dry = DryRun.of(run, instant_ns=INSTANT)
    assert dry.errors == ("error executing plugin: ZeroDivisionError: division by zero",)
    assert dry.log_lines[-1] == "INFO: before"
    assert dry.database_writes == {"db": ("t n=1i",)}
    assert dry.trigger_time is None


def test_dry_run_by_kind(plugin_bench: PluginBench) -> None:
    """Section 7: the trigger time for schedules only; a response for requests."""
    run = plugin_bench.run(scheduled("pass"), dry_run=True)
    assert DryRun.of(run, instant_ns=INSTANT).trigger_time == "2023-11-14T22:13:20.500Z"
    wal = plugin_bench.run("def process_writes(a, b, c): pass", write_event(), dry_run=True)
    assert DryRun.of(wal, instant_ns=INSTANT).trigger_time is None
    request = plugin_bench.run(
        "def process_request(a, b, c, d, e): return 'hi'", request_event(), dry_run=True
    )
    response = DryRun.of(request).response
    assert response is not None
    assert response.body == b"hi"


def test_asyncio_run_works(plugin_bench: PluginBench) -> None:
    """A plugin may call ``asyncio.run``, also on a thread whose event loop is running."""
    text = scheduled("""
        import asyncio
        async def answer():
            await asyncio.sleep(0)
            return 42
        influxdb3_local.info(asyncio.run(answer()))
    """)

    async def on_a_running_loop() -> str:
        run = plugin_bench.run(text)
        assert asyncio.get_running_loop() is loop
        await asyncio.sleep(0)
        assert run.failure is None, run.failure.traceback_text
        return run.logs[1].text

    loop = asyncio.new_event_loop()
    assert loop.run_until_complete(on_a_running_loop()) == "42"
    loop.close()
    assert plugin_bench.run(text).logs[1].text == "42"


def test_runs_at_the_same_time_are_apart(plugin_bench: PluginBench) -> None:
    """Two runs of one plugin on two threads have each their own record."""
    meeting = threading.Barrier(2, timeout=10)
    plugin_bench.queries.on_query = lambda: meeting.wait() and None
    plugin_bench.save(
        scheduled("""
            influxdb3_local.info("before", args["who"])
            influxdb3_local.query("meet")
            influxdb3_local.info("after", args["who"])
        """)
    )
    runs = {}

    def go(who: str) -> None:
        runs[who] = plugin_bench.run(trigger=make_trigger(name=who, arguments={"who": who}))

    threads = [threading.Thread(target=go, args=(who,)) for who in ("a", "b")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    for who, run in runs.items():
        assert [entry.text for entry in run.logs[1:-1]] == [f"before {who}", f"after {who}"]
        assert {entry.trigger for entry in run.logs} == {who}
