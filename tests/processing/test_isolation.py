"""What runs share and what they do not: globals, context variables, printed text, builtins, modules."""

from __future__ import annotations

import builtins
import contextlib
import contextvars
import io
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from procengine.model.run import LogLevel
from procengine.processing.interpreter_hooks import InterpreterHooks
from procengine.processing.output import PluginStream
from tests.processing.plugin_doubles import PluginBench, make_trigger, scheduled


@pytest.fixture
def bench(plugin_bench: PluginBench) -> Iterator[PluginBench]:
    """A bench whose runner has changed the interpreter."""
    plugin_bench.runner.start()
    yield plugin_bench
    plugin_bench.runner.close()


def printed(bench: PluginBench, body: str, before: str = "") -> list[tuple[LogLevel, str]]:
    """Run a body; return level and text of what it printed."""
    run = bench.run(scheduled(body, before))
    assert run.failure is None, run.failure.traceback_text
    return [(entry.level, entry.text) for entry in run.logs if entry.printed]


def logged(bench: PluginBench, body: str, before: str = "", **options: object) -> list[str]:
    """Run a body; return what it logged."""
    run = bench.run(scheduled(body, before), **options)  # type: ignore[arg-type]
    assert run.failure is None, run.failure.traceback_text
    return [entry.text for entry in run.logs[1:-1] if not entry.printed]


def test_globals_are_fresh_for_every_run(bench: PluginBench) -> None:
    """Section 6: no module state in a single file."""
    body = "counter.append(1)\ninfluxdb3_local.info(len(counter))"
    assert [logged(bench, body, "counter = []") for _ in range(2)] == [["1"], ["1"]]


def test_module_names_of_a_single_file(bench: PluginBench) -> None:
    """Section 6: ``__name__`` is ``builtins``, there is no ``__file__``."""
    assert logged(bench, "influxdb3_local.info(__name__, '__file__' in globals())") == ["builtins False"]


def test_relative_import_of_a_single_file(bench: PluginBench) -> None:
    """Section 6: a relative import fails with KeyError ``'__name__' not in globals``."""
    run = bench.run_scheduled("from . import other")
    assert run.failure is not None
    assert run.failure.message == "KeyError: \"'__name__' not in globals\""


def test_plugin_directory_is_not_on_the_path(bench: PluginBench) -> None:
    """Section 6: a single file cannot import its neighbours."""
    bench.save("x = 1", "neighbour_of_plugin.py")
    run = bench.run_scheduled("import neighbour_of_plugin")
    assert run.failure is not None
    assert run.failure.type_name == "ModuleNotFoundError"


def test_helpers_of_one_plugin_are_unknown_to_another(bench: PluginBench) -> None:
    """As the original's test of namespaces: nothing leaks into ``__main__`` or the next plugin."""
    bench.run(scheduled("pass", "def helper_a(): pass"), filename="a.py")
    body = "import __main__\ninfluxdb3_local.info('helper_a' in dir(__main__), 'helper_a' in globals())"
    assert logged(bench, body) == ["False False"]


def test_modules_are_shared(bench: PluginBench) -> None:
    """One process: what one run sets on an imported module, another sees."""
    logged(bench, "import colorsys; colorsys.procengine_mark = 5")
    try:
        assert logged(bench, "import colorsys; influxdb3_local.info(colorsys.procengine_mark)") == ["5"]
    finally:
        del sys.modules["colorsys"].procengine_mark  # type: ignore[attr-defined]


def test_caches_are_local_or_global(bench: PluginBench) -> None:
    """The local cache is a trigger's own, the global one is everybody's."""
    logged(
        bench, "influxdb3_local.cache.put('k', 1)\ninfluxdb3_local.cache.put('g', 2, use_global=True)"
    )
    body = "c = influxdb3_local.cache\ninfluxdb3_local.info(c.get('k'), c.get('g', use_global=True))"
    assert logged(bench, body) == ["1 2"]
    assert logged(bench, body, trigger=make_trigger(trigger_id=2)) == ["None 2"]


OUTSIDE: contextvars.ContextVar[str] = contextvars.ContextVar("OUTSIDE", default="unset")


def test_context_variables_are_fresh(bench: PluginBench) -> None:
    """A run neither sees the caller's context variables nor changes them."""
    OUTSIDE.set("callers")
    body = """
        from tests.processing.test_isolation import OUTSIDE
        influxdb3_local.info(OUTSIDE.get())
        OUTSIDE.set("plugins")
    """
    assert [logged(bench, body) for _ in range(2)] == [["unset"], ["unset"]]
    assert OUTSIDE.get() == "callers"


def test_line_builder_is_a_builtin_name(bench: PluginBench) -> None:
    """Section 5: known at module level, so in annotations; rebuilt for each run."""
    before = """
        def text(builder: LineBuilder) -> str:
            return builder.build()
    """
    body = """
        influxdb3_local.info(text(LineBuilder("t").int64_field("n", 1)), hasattr(LineBuilder, "mark"))
        LineBuilder.mark = 1
    """
    assert [logged(bench, body, before) for _ in range(2)] == [["t n=1i False"], ["t n=1i False"]]


def test_errors_of_line_builder_live_in_main(bench: PluginBench) -> None:
    """Section 5: they are no builtins; a plugin that imports them from ``__main__`` finds them."""
    body = """
        try:
            LineBuilder("a b")
        except InvalidMeasurementError as error:
            influxdb3_local.info(type(error).__module__, isinstance(error, InfluxDBError), error)
    """
    assert logged(bench, body, "from __main__ import InfluxDBError, InvalidMeasurementError") == [
        "__main__ True Measurement name cannot contain spaces"
    ]
    run = bench.run_scheduled("InvalidKeyError")
    assert run.failure is not None
    assert run.failure.type_name == "NameError"


def test_print_goes_to_the_log(bench: PluginBench, capsys: pytest.CaptureFixture[str]) -> None:
    """Output of ``print`` is rows of the log, one a call, and never shows elsewhere."""
    found = printed(
        bench,
        """
        import sys
        print("a", 1, sep="-")
        print("two\\nlines")
        print("x", end="")
        print("y")
        print("to errors", file=sys.stderr)
        sys.stdout.write("direct\\nrest")
        print(end="unended")
        """,
    )
    assert found == [
        (LogLevel.INFO, "a-1"),
        (LogLevel.INFO, "two\nlines"),
        (LogLevel.INFO, "xy"),
        (LogLevel.WARN, "to errors"),
        (LogLevel.INFO, "direct"),
        (LogLevel.INFO, "restunended"),
    ]
    assert capsys.readouterr() == ("", "")


def test_printing_outside_of_plugins_is_unchanged(
    bench: PluginBench, capsys: pytest.CaptureFixture[str]
) -> None:
    """The notebook's own output passes through, while plugins can run."""
    bench.run_scheduled("pass")
    print("notebook")
    print("notebook errors", file=sys.stderr)
    assert capsys.readouterr() == ("notebook\n", "notebook errors\n")
    assert bench.logs.entries("db", level=LogLevel.WARN) == ()


def test_print_avoids_a_cell_that_captures(bench: PluginBench) -> None:
    """A cell that captures its output while a plugin runs on another thread does not get the plugin's."""
    captured = io.StringIO()
    bench.save(
        scheduled(
            "influxdb3_local.query('wait')\nprint('plugin')\nimport sys; sys.stdout.write('raw\\n')"
        )
    )
    entered, captures = threading.Event(), threading.Event()

    def wait() -> None:
        entered.set()
        captures.wait(10)

    bench.queries.on_query = wait
    thread = threading.Thread(target=bench.run)
    thread.start()
    entered.wait(10)
    with contextlib.redirect_stdout(captured):
        captures.set()
        thread.join(10)
        bench.queries.on_query = lambda: None
        print("cell")
    assert "plugin" not in captured.getvalue()
    assert captured.getvalue().endswith("cell\n")
    assert "plugin" in [entry.text for entry in bench.logs.entries()]


def test_streams_exchanged_since_are_wrapped_before_a_run(bench: PluginBench) -> None:
    """A run that starts while a cell captures its output does not write into it, past ``print`` either."""
    captured = io.StringIO()
    with contextlib.redirect_stdout(captured):
        assert printed(bench, "import sys; sys.stdout.write('raw\\n')") == [(LogLevel.INFO, "raw")]
        print("cell")
    assert captured.getvalue() == "cell\n"


def test_a_plugin_on_the_main_thread_may_redirect_its_own_output(bench: PluginBench) -> None:
    """On the kernel's main thread no cell can capture meanwhile, so a redirection is the plugin's own."""
    body = """
        import contextlib, io
        with contextlib.redirect_stdout(io.StringIO()) as text:
            print("inside")
        influxdb3_local.info(repr(text.getvalue()))
    """
    assert logged(bench, body) == ["'inside\\n'"]


def test_threads_of_a_plugin_print_to_its_log(bench: PluginBench) -> None:
    """A thread that a plugin starts belongs to its run, a subclass of Thread and a pool's thread as well."""
    found = printed(
        bench,
        """
        import threading, sys
        from concurrent.futures import ThreadPoolExecutor
        class Own(threading.Thread):
            def run(self):
                sys.stdout.write("own\\n")
        for thread in (threading.Thread(target=print, args=("plain",)), Own()):
            thread.start()
            thread.join()
        with ThreadPoolExecutor(1) as pool:
            pool.submit(sys.stdout.write, "pool\\n").result()
        """,
    )
    assert found == [(LogLevel.INFO, "plain"), (LogLevel.INFO, "own"), (LogLevel.INFO, "pool")]


def test_input_finds_no_terminal(bench: PluginBench) -> None:
    """Nobody sits in front of a plugin: ``input`` raises EOFError, as with a closed standard input."""
    run = bench.run_scheduled("input('name? ')")
    assert run.failure is not None
    assert run.failure.message == "EOFError: EOF when reading a line"


def test_odd_characters_are_printed_escaped(bench: PluginBench) -> None:
    """Half a surrogate pair, which Arrow cannot hold, is logged as an escape."""
    assert printed(bench, "print('é\\ud800')") == [(LogLevel.INFO, "é\\ud800")]


def test_close_gives_the_interpreter_back() -> None:
    """After the last engine nothing of the interpreter is changed; until then all is."""
    before = (sys.stdout, sys.stderr, threading.Thread.start, time.sleep)
    first, second = InterpreterHooks(), InterpreterHooks()
    first.install()
    first.install()
    second.install()
    assert isinstance(sys.stdout, PluginStream)
    assert hasattr(builtins, "LineBuilder")
    first.uninstall()
    assert isinstance(sys.stdout, PluginStream)
    assert time.sleep is not before[3]
    second.uninstall()
    second.uninstall()
    assert (sys.stdout, sys.stderr, threading.Thread.start, time.sleep) == before
    assert not hasattr(builtins, "LineBuilder")


def test_plugins_know_no_notebook_variables(bench: PluginBench) -> None:
    """``__main__`` is not the notebook's namespace for a plugin."""
    main = sys.modules["__main__"]
    main.procengine_notebook_variable = 1  # type: ignore[attr-defined]
    try:
        assert logged(
            bench,
            "import __main__\ninfluxdb3_local.info(hasattr(__main__, 'procengine_notebook_variable'))",
        ) == ["False"]
    finally:
        del main.procengine_notebook_variable  # type: ignore[attr-defined]
