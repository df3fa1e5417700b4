"""How running plugins are stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from procengine.model.run import CANCELLED_TEXT, LogLevel, Run, RunOutcome
from procengine.processing.active_run import current_run
from procengine.processing.cancellation import CancelToken, PluginInterrupt, PluginThread
from tests.processing.plugin_doubles import PluginBench, make_trigger, scheduled
from tests.tracing import traced_call_returns

SAY_SO = "influxdb3_local.query('here')\n"


class Running:
    """A run on a thread of its own, which has reached its first query."""

    def __init__(self, bench: PluginBench, text: str) -> None:
        self.token = CancelToken()
        self.run: Run | None = None
        self._entered = threading.Event()
        bench.queries.on_query = self._entered.set
        bench.save(text)

        def go() -> None:
            self.run = bench.run(cancel=self.token)

        self.thread = threading.Thread(target=go, daemon=True)
        self.thread.start()
        assert self._entered.wait(10)

    def cancelled(self) -> Run:
        self.token.cancel()
        self.thread.join(10)
        assert not self.thread.is_alive()
        assert self.run is not None
        return self.run


@pytest.fixture
def start(plugin_bench: PluginBench) -> Callable[[str], Running]:
    """Start a plugin whose body begins with a query."""
    plugin_bench.runner.start()
    return lambda body: Running(plugin_bench, scheduled(SAY_SO + body))


@pytest.mark.parametrize(
    "body",
    [
        "while True: pass",
        "n = 0\nwhile True:\n    try:\n        n += 1\n    except Exception: pass",
        "import time\ntime.sleep(3600)",
        "while True: influxdb3_local.cache.get('k')",
        "while True: print('again')",
        "while True: influxdb3_local.info('again')",
        "while True: influxdb3_local.query('again')",
        "while True: influxdb3_local.write(LineBuilder('t').int64_field('n', 1))",
        "while True: influxdb3_local.write_sync(LineBuilder('t').int64_field('n', 1), True)",
    ],
)
def test_cancel_ends_a_busy_run(start: Callable[[str], Running], body: str) -> None:
    """Python code, sleeps and calls of ``influxdb3_local`` end; the run's outcome is CANCELLED."""
    run = start(body).cancelled()
    assert run.outcome is RunOutcome.CANCELLED
    assert run.failure is not None
    assert str(run.failure.exception) == CANCELLED_TEXT
    assert isinstance(run.failure.exception, KeyboardInterrupt)


def test_swallowed_interrupts_are_sent_again(start: Callable[[str], Running]) -> None:
    """A bare ``except:`` does not save a run."""
    run = start(
        "for _ in range(2):\n"
        "    try:\n"
        "        while True: pass\n"
        "    except:\n"
        "        pass\n"
        "while True: pass"
    ).cancelled()
    assert run.outcome is RunOutcome.CANCELLED


def test_cancelled_run_loses_its_queue_and_is_logged(
    start: Callable[[str], Running], plugin_bench: PluginBench
) -> None:
    """As with any exception, queued lines are lost; one row says that the run was cancelled."""
    run = start(
        "influxdb3_local.write(LineBuilder('t').int64_field('n', 1))\nwhile True: pass"
    ).cancelled()
    assert plugin_bench.writes.taken == []
    assert [entry.text for entry in run.logs if entry.level is LogLevel.ERROR] == [
        (
            "error executing schedule plugin: KeyboardInterrupt: "
            "influxdb3 is shutting down; aborting plugin execution"
        )
    ]


def test_api_refuses_after_cancellation_and_the_cache_works(plugin_bench: PluginBench) -> None:
    """Section 5: log, write and query raise KeyboardInterrupt with the original's text; the cache still works."""
    token = CancelToken()
    plugin_bench.queries.on_query = token.cancel
    run = plugin_bench.run_scheduled(
        """
        cache = influxdb3_local.cache
        seen = []
        def attempt(call):
            try:
                call()
            except KeyboardInterrupt as error:
                seen.append(str(error))
        line = LineBuilder("t").int64_field("n", 1)
        attempt(lambda: influxdb3_local.query("SELECT 1"))
        attempt(lambda: influxdb3_local.query("SELECT 1"))
        attempt(lambda: influxdb3_local.info("x"))
        attempt(lambda: influxdb3_local.write(line))
        attempt(lambda: influxdb3_local.write_sync(line, True))
        influxdb3_local.cache.put("seen", seen)
        """,
        cancel=token,
    )
    assert run.outcome is RunOutcome.SUCCESS
    assert plugin_bench.caches.values()[0].value == [CANCELLED_TEXT] * 5
    assert len(plugin_bench.queries.asked) == 1


def test_a_token_cancelled_before_runs_nothing(plugin_bench: PluginBench) -> None:
    """A run that starts after its trigger was stopped does not enter the plugin."""
    token = CancelToken()
    token.cancel()
    token.cancel()
    run = plugin_bench.run_scheduled("influxdb3_local.cache.put('k', 1)", cancel=token)
    assert run.outcome is RunOutcome.CANCELLED
    assert plugin_bench.caches.values() == ()


def test_engine_code_is_never_interrupted(plugin_bench: PluginBench) -> None:
    """An interrupt waits until the plugin's call into the engine has returned, and comes then."""
    steps: list[str] = []
    token = CancelToken()

    def slow_query() -> None:
        token.cancel()
        for _ in range(200_000):
            pass
        steps.append("engine done")

    plugin_bench.queries.on_query = slow_query
    run = plugin_bench.run_scheduled(
        "influxdb3_local.query('x')\ninfluxdb3_local.cache.put('after', 1)", cancel=token
    )
    assert steps == ["engine done"]
    assert run.outcome is RunOutcome.CANCELLED
    assert plugin_bench.caches.values() == ()


def test_no_interrupt_reaches_the_thread_after_its_run(plugin_bench: PluginBench) -> None:
    """Cancelling at the moment when a run ends never hits what the thread does next."""
    plugin_bench.save(scheduled("for n in range(300): pass"))
    hits: list[BaseException] = []

    def work() -> None:
        for _ in range(150):
            token = CancelToken()
            canceller = threading.Thread(target=token.cancel)
            try:
                canceller.start()
                plugin_bench.run(cancel=token)
                for _ in range(2000):
                    pass
            except BaseException as error:
                hits.append(error)
            canceller.join()

    worker = threading.Thread(target=work)
    worker.start()
    worker.join(60)
    assert hits == []


def test_insisting_thread_ends_with_the_run(start: Callable[[str], Running]) -> None:
    """The thread that sends interrupts again is gone when the last run has ended."""
    start("while True: pass").cancelled()
    for thread in threading.enumerate():
        if thread.name == "procengine-interrupt":
            thread.join(10)
            assert not thread.is_alive()


def test_stop_button_on_the_main_thread(plugin_bench: PluginBench) -> None:
    """KeyboardInterrupt on the kernel's main thread makes the outcome CANCELLED, and is kept for the caller."""
    run = plugin_bench.run_scheduled("raise KeyboardInterrupt")
    assert run.outcome is RunOutcome.CANCELLED
    assert run.failure is not None
    assert type(run.failure.exception) is KeyboardInterrupt


def test_keyboard_interrupt_of_a_plugin_is_an_error_elsewhere(plugin_bench: PluginBench) -> None:
    """On any other thread, without a cancellation, it is the plugin's own exception."""
    plugin_bench.save(scheduled("raise KeyboardInterrupt"))
    runs: list[Run] = []
    thread = threading.Thread(target=lambda: runs.append(plugin_bench.run(trigger=make_trigger())))
    thread.start()
    thread.join(10)
    assert runs[0].outcome is RunOutcome.ERROR


def test_no_interrupt_is_sent_while_a_plugin_starts_a_thread(
    plugin_bench: PluginBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until Python 3.12 it would hit the thread that is being born, and leave its maker waiting for ever."""
    names = ("_start_joinable_thread", "_start_new_thread")  # since Python 3.13, and before
    name = next(one for one in names if hasattr(threading, one))
    start = getattr(threading, name)
    seen: list[bool] = []

    def watched(*args: object, **options: object) -> object:
        run = current_run.get()
        if run is not None and run.thread is not None:
            seen.append(run.thread.interruptible)
        return start(*args, **options)

    monkeypatch.setattr(threading, name, watched)
    plugin_bench.runner.start()
    try:
        run = plugin_bench.run_scheduled(
            "import threading\nthread = threading.Thread(target=int)\nthread.start()\nthread.join()"
        )
    finally:
        plugin_bench.runner.close()
    assert run.failure is None, run.failure.traceback_text
    assert seen == [False]


def test_traced_functions_run_while_a_cancelled_thread_waits_in_c() -> None:
    """A run that no interrupt reaches holds up no debugger; it meets the interrupt when it comes back."""
    token = CancelToken()
    gate = threading.Lock()
    gate.acquire()
    inside = threading.Event()
    met: list[BaseException] = []

    def wait(_thread: PluginThread) -> None:
        inside.set()
        gate.acquire()
        while True:
            pass

    def run() -> None:
        try:
            token.guard(wait)
        except BaseException as error:
            met.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    assert inside.wait(10)
    token.cancel()
    returned = traced_call_returns()
    gate.release()
    thread.join(10)

    assert returned
    assert [type(error) for error in met] == [PluginInterrupt]
