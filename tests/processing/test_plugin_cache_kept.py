"""What of the plugin cache is there again after a restart."""

from __future__ import annotations

import pickle
import sqlite3
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procengine.errors import StorageError
from procengine.model.run import CacheKey, LogLevel, Run, RunOutcome
from procengine.processing.cancellation import CancelToken
from procengine.state import Connection
from procengine.state.plugin_state import FILE_NAME
from tests.processing.plugin_doubles import PluginBench, make_trigger, scheduled

WAIT_SECONDS = 20.0


class Engines:
    """One plugin folder and one state folder, under one bench after the other."""

    def __init__(self, folder: Path) -> None:
        self.plugins, self.state = folder / "plugins", folder / "state"
        self.plugins.mkdir()
        self.state.mkdir()
        self.bench = PluginBench(self.plugins, state=self.state)

    def restart(self) -> PluginBench:
        """Stop, and start anew at the same time of the clock."""
        self.bench.close()
        self.bench = PluginBench(self.plugins, state=self.state, clock=self.bench.clock)
        return self.bench

    def crash(self) -> PluginBench:
        """Start anew from the files as they are now; nothing is closed before."""
        there = self.state.with_name(self.state.name + "+")
        there.mkdir()
        for path in self.state.iterdir():
            (there / path.name).write_bytes(path.read_bytes())
        self.bench.close()
        self.state = there
        self.bench = PluginBench(self.plugins, state=there, clock=self.bench.clock)
        return self.bench

    def run(self, body: str, before: str = "", filename: str = "plugin.py", trigger_id: int = 1) -> Run:
        """Run a schedule plugin; what it raises is raised."""
        run = self.try_run(body, before, filename, trigger_id)
        assert run.failure is None, run.failure.traceback_text
        return run

    def try_run(
        self, body: str, before: str = "", filename: str = "plugin.py", trigger_id: int = 1
    ) -> Run:
        trigger = make_trigger(filename, trigger_id=trigger_id)
        return self.bench.run(scheduled(body, before), filename=filename, trigger=trigger)

    def get(self, key: str, *, use_global: bool = False, trigger_id: int = 1) -> object:
        return self.bench.caches.for_trigger("db", trigger_id).get(key, use_global=use_global)

    def log(self, level: LogLevel = LogLevel.WARN) -> list[str]:
        return [entry.text for entry in self.bench.logs.entries() if entry.level is level]


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    """Benches over one state folder."""
    engines = Engines(tmp_path)
    yield engines
    engines.bench.close()


CACHE = "cache = influxdb3_local.cache\n"


def test_values_survive_a_crash(engines: Engines) -> None:
    """What a run put, deleted and replaced is durable when the run has ended, without any orderly stop."""
    engines.run(
        f"{CACHE}cache.put('a', 1)\ncache.put('b', [2])\ncache.put('shared', 'x', use_global=True)"
    )
    engines.run(f"{CACHE}cache.put('a', 2)\ncache.delete('b')\ncache.put('c', None)")
    engines.crash()
    assert (engines.get("a"), engines.get("b", trigger_id=1), engines.get("c")) == (2, None, None)
    assert engines.get("shared", use_global=True, trigger_id=2) == "x"
    assert engines.get("a", trigger_id=2) is None
    assert [(value.namespace, value.key) for value in engines.bench.caches.values()] == [
        ("db/1", "a"),
        ("db/1", "c"),
        ("global", "shared"),
    ]


@pytest.mark.parametrize("value", ["{'n': [1]}", "{'n': [1], 's': 'x' * 1000}"], ids=["short", "long"])
def test_changes_in_place_survive(engines: Engines, value: str) -> None:
    """An object that was only got is committed when it changed, however deep; keys that did not are not named."""
    engines.run(f"{CACHE}cache.put('a', {value})\ncache.put('b', [1])")
    run = engines.run(f"{CACHE}cache.get('a')['n'].append(2)\ncache.get('b')")
    assert run.cache_keys == (CacheKey("a", use_global=False, deleted=False),)
    engines.crash()
    found = engines.get("a")
    assert isinstance(found, dict)
    assert found["n"] == [1, 2]


def test_changes_in_place_after_a_restart_survive(engines: Engines) -> None:
    """An object that came back from the file is watched like one that never left; looking changes nothing."""
    engines.run(f"{CACHE}cache.put('a', {{'first key': ['first key', 'first key'], 'b': (1.5, b'')}})")
    engines.restart()
    assert engines.run(f"{CACHE}cache.get('a')").cache_keys == ()
    assert [key.key for key in engines.run(f"{CACHE}cache.get('a')['b'] = 2").cache_keys] == ["a"]
    engines.crash()
    found = engines.get("a")
    assert isinstance(found, dict)
    assert found["b"] == 2


def test_changes_by_threads_of_the_run_survive(engines: Engines) -> None:
    """What a thread touches that the plugin started and waited for belongs to the run."""
    engines.run(f"{CACHE}cache.put('a', [])")
    run = engines.run(
        f"""
        import threading
        {CACHE}
        thread = threading.Thread(target=lambda: (cache.get('a').append(1), cache.put('b', 2)))
        thread.start()
        thread.join()
        """
    )
    assert {key.key for key in run.cache_keys} == {"a", "b"}
    engines.crash()
    assert (engines.get("a"), engines.get("b")) == ([1], 2)


@pytest.mark.parametrize("how", ["next run", "stop"])
def test_changes_by_threads_that_outlive_the_run_survive(engines: Engines, how: str) -> None:
    """What such a thread touches is committed with the trigger's next run, or at stop, as nobody's change."""
    gate, done = threading.Event(), threading.Event()
    engines.bench.caches.for_trigger("db", 1).put("gates", (gate, done), use_global=True)
    engines.run(
        f"""
        import threading
        {CACHE}
        gate, done = cache.get('gates', use_global=True)
        value = []
        cache.put('early', value)
        def late():
            gate.wait()
            value.append(1)
            cache.put('late', 1)
            cache.get('early')
            done.set()
        threading.Thread(target=late).start()
        """
    )
    gate.set()
    assert done.wait(WAIT_SECONDS)
    if how == "next run":
        assert engines.run("pass").cache_keys == ()
        engines.crash()
    else:
        engines.restart()
    assert (engines.get("late"), engines.get("early")) == (1, [1])


@pytest.mark.parametrize(
    "end", ["raise ValueError('no')", "raise KeyboardInterrupt", "raise SystemExit"]
)
def test_a_failed_run_is_committed_as_well(engines: Engines, end: str) -> None:
    """The live objects did change, as in the original: what the next run sees is what a restart brings back."""
    run = engines.try_run(f"{CACHE}cache.put('a', 1)\n{end}")
    assert run.outcome in (RunOutcome.ERROR, RunOutcome.CANCELLED)
    engines.crash()
    assert engines.get("a") == 1


def test_a_cancelled_run_is_committed_as_well(engines: Engines) -> None:
    """A run that was cancelled before it could finish leaves what it had put."""
    token = CancelToken()
    reached = threading.Event()
    engines.bench.caches.for_trigger("db", 1).put("reached", reached, use_global=True)
    body = f"{CACHE}cache.put('a', 1)\ncache.get('reached', use_global=True).set()\nwhile True: pass"
    canceller = threading.Thread(target=lambda: reached.wait(WAIT_SECONDS) and token.cancel())
    canceller.start()
    assert engines.bench.run(scheduled(body), cancel=token).outcome is RunOutcome.CANCELLED
    canceller.join()
    engines.crash()
    assert engines.get("a") == 1


def test_changes_of_one_run_come_back_together(engines: Engines, tmp_path: Path) -> None:
    """A run's keys are one transaction: after a crash in the middle of it none of them has changed."""
    engines.bench.close()

    class Torn:
        """Ends the process, as it were, before the last statement of a commit."""

        def __init__(self, path: Path) -> None:
            self.inner = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self.armed = False
            self.execute = self._execute
            self.executemany = self.inner.executemany
            self.close = self.inner.close

        def _execute(self, sql: str, *parameters: object) -> sqlite3.Cursor:
            if self.armed and sql == "COMMIT":
                files = {path.name: path.read_bytes() for path in engines.state.iterdir()}
                for name, content in files.items():
                    (tmp_path / "crashed" / name).write_bytes(content)
                raise sqlite3.OperationalError("disk I/O error")
            return self.inner.execute(sql, *parameters)

    (tmp_path / "crashed").mkdir()
    made: list[Torn] = []

    def connect_torn(path: Path) -> Connection:
        made.append(Torn(path))
        return made[-1]  # type: ignore[return-value]

    engines.bench = PluginBench(engines.plugins, state=engines.state, connect_state=connect_torn)
    engines.run(f"{CACHE}cache.put('a', 1)\ncache.put('b', 1)")
    made[0].armed = True
    engines.run(f"{CACHE}cache.put('a', 2)\ncache.put('b', 2)")
    made[0].armed = False
    engines.bench.close()
    engines.state = tmp_path / "crashed"
    engines.bench = PluginBench(engines.plugins, state=engines.state)
    assert (engines.get("a"), engines.get("b")) == (1, 1)


def test_untouched_keys_are_neither_read_nor_pickled(engines: Engines) -> None:
    """A run pays for the keys that it touches; one that touches none does nothing at all."""
    head = """
        import builtins
        class Costly:
            def __reduce__(self):
                builtins.costs = getattr(builtins, "costs", 0) + 1
                return (list, ())
    """
    import builtins

    try:
        engines.run(f"{CACHE}cache.put('a', Costly())", head)
        once = builtins.costs  # type: ignore[attr-defined]
        engines.run(f"{CACHE}cache.put('b', 1)", head)
        assert builtins.costs == once  # type: ignore[attr-defined]
        engines.run(f"{CACHE}cache.get('a')", head)
        assert builtins.costs == once + 1  # type: ignore[attr-defined]
    finally:
        del builtins.costs  # type: ignore[attr-defined]


def test_a_value_expires_by_the_wall_clock(engines: Engines) -> None:
    """A time-to-live goes on while nothing runs; what expired is gone from the file too."""
    engines.run(f"{CACHE}cache.put('short', 1, 10)\ncache.put('long', 2, 30)\ncache.put('ever', 3)")
    engines.bench.clock.advance(9)
    engines.restart()
    assert engines.get("short") == 1
    engines.bench.clock.advance(1)
    engines.restart()
    assert [(value.key, value.seconds_left) for value in engines.bench.caches.values()] == [
        ("long", 20.0),
        ("ever", None),
    ]
    engines.bench.close()
    assert stored_keys(engines.state) == ["long", "ever"]


def test_what_expires_in_memory_leaves_the_file(engines: Engines) -> None:
    """A value that expires while the engine runs is removed with the next run's commit, as nobody's change."""
    engines.run(f"{CACHE}cache.put('a', 1, 5)\ncache.put('b', 1, 5)\ncache.put('c', 1)")
    engines.bench.clock.advance(60)
    assert engines.run(f"{CACHE}assert cache.get('a') is None").cache_keys == ()
    assert stored_keys(engines.state, engines.bench) == ["c"]


def test_a_new_time_to_live_is_a_change(engines: Engines) -> None:
    """The same value put again with another time-to-live lives that long after a restart, too."""
    engines.run(f"{CACHE}cache.put('a', 1)")
    engines.run(f"{CACHE}cache.put('a', 1, 5)")
    engines.crash()
    engines.bench.clock.advance(5)
    assert engines.get("a") is None


def test_what_cannot_be_pickled_stays_in_memory_and_is_named_once(engines: Engines) -> None:
    """A lock is there for the next run; the log says once which key, type and why it will not survive."""
    for _ in range(2):
        engines.run(
            f"""
            import threading
            {CACHE}
            if cache.get('lock') is None:
                cache.put('lock', threading.Lock())
            cache.put('n', 1)
            """
        )
    (text,) = engines.log()
    assert text == (
        "plugin cache: the value of key 'lock' (_thread.lock) cannot be pickled; it stays in memory and is lost "
        "when the engine stops: TypeError: cannot pickle '_thread.lock' object"
    )
    engines.restart()
    assert (engines.get("lock"), engines.get("n")) == (None, 1)


@pytest.mark.parametrize(
    "value",
    ["lambda: 1", "(n for n in [])", "open('/dev/null')", "__import__('sqlite3').connect(':memory:')"],
)
def test_an_older_value_does_not_come_back(engines: Engines, value: str) -> None:
    """A stored value that one replaced which cannot be pickled is removed with the same commit."""
    engines.run(f"{CACHE}cache.put('a', 'old')")
    run = engines.run(f"{CACHE}cache.put('a', {value})")
    assert run.cache_keys == (CacheKey("a", use_global=False, deleted=False),)
    engines.crash()
    assert engines.get("a") is None


def test_an_object_that_can_be_pickled_no_longer_does_not_come_back(engines: Engines) -> None:
    """The same holds for an object that was changed in place; when it can be pickled again, it is stored again."""
    engines.run(f"{CACHE}cache.put('a', {{'n': 1}})")
    engines.run(f"{CACHE}cache.get('a')['f'] = lambda: 1")
    assert stored_keys(engines.state, engines.bench) == []
    engines.run(f"{CACHE}cache.get('a').update(f=2, n=3)")
    engines.crash()
    assert engines.get("a") == {"n": 3, "f": 2}


@pytest.mark.parametrize(
    ("method", "reason"),
    [
        ("raise ValueError('no')", "ValueError: no"),
        ("raise SystemExit", "SystemExit: "),
        ("raise MemoryError", "MemoryError: "),
        ("return self.__reduce__()", "RecursionError: maximum recursion depth exceeded"),
        ("return 5", "PicklingError: __reduce__ must return a string or tuple"),
    ],
)
def test_pickling_never_breaks_a_run(engines: Engines, method: str, reason: str) -> None:
    """Whatever a plugin's own methods raise, the run ends as it did, and its other keys are committed."""
    head = f"class Odd:\n    def __reduce__(self):\n        {method}\n"
    run = engines.run(f"{CACHE}cache.put('odd', Odd())\ncache.put('n', 1)", head)
    assert run.outcome is RunOutcome.SUCCESS
    (text,) = engines.log()
    assert (
        f"key 'odd' (Odd) cannot be pickled; it stays in memory and is lost when the engine stops: {reason}"
        in text
    )
    engines.crash()
    assert (engines.get("odd"), engines.get("n")) == (None, 1)


def test_values_nested_too_deeply_are_named(engines: Engines) -> None:
    """A list inside a list, and so on, that pickle cannot follow, stays in memory."""
    engines.run(f"{CACHE}value = []\nfor _ in range(100_000): value = [value]\ncache.put('deep', value)")
    (text,) = engines.log()
    assert "key 'deep' (list) cannot be pickled" in text
    assert "RecursionError" in text


def test_pickling_is_interrupted_when_the_run_is_cancelled(engines: Engines) -> None:
    """A value that never gets done does not keep a cancelled run; the log says what is not durable."""
    token = CancelToken()
    started = threading.Event()
    engines.bench.caches.for_trigger("db", 1).put("started", started, use_global=True)
    head = """
        class Endless:
            def __reduce__(self):
                started.set()
                while True:
                    pass
    """
    body = f"""
        global started
        {CACHE}
        started = cache.get('started', use_global=True)
        cache.put('n', 1)
        cache.put('endless', Endless())
        cache.put('after', 2)
    """
    canceller = threading.Thread(target=lambda: started.wait(WAIT_SECONDS) and token.cancel())
    canceller.start()
    run = engines.bench.run(scheduled(body, head), cancel=token)
    canceller.join()
    assert run.outcome is RunOutcome.SUCCESS
    (text,) = engines.log(LogLevel.ERROR)
    assert text.endswith("is tried again with the next commit: pickling key 'endless' was interrupted")
    engines.crash()  # and the stop inside it is not kept up either
    assert (engines.get("n"), engines.get("after")) == (1, 2)


def test_a_full_disk_is_told_in_the_log_and_tried_again(engines: Engines) -> None:
    """A run whose changes the disk refuses ends all the same; its log says so; the next run's commit has them."""
    made: list[sqlite3.Connection] = []

    def connect_small(path: Path) -> Connection:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        made.append(connection)
        return connection

    engines.bench.close()
    engines.bench = PluginBench(engines.plugins, state=engines.state, connect_state=connect_small)
    engines.run(f"{CACHE}cache.put('a', 1)")
    made[0].execute("PRAGMA max_page_count = 1")
    run = engines.run(f"{CACHE}cache.put('big', bytes(100_000))")
    assert run.outcome is RunOutcome.SUCCESS
    fault = [entry.text for entry in run.logs if entry.level is LogLevel.ERROR]
    assert fault == engines.log(LogLevel.ERROR)
    assert fault[0].startswith(
        "plugin cache: what this run changed is not durable yet, and is tried again with the next commit: "
        "cannot use the plugin cache "
    )
    assert "database or disk is full" in fault[0]
    assert [value.persisted for value in engines.bench.caches.values()] == [True, False]
    made[0].execute("PRAGMA max_page_count = 1000000")
    engines.run(f"{CACHE}cache.put('b', 1)")
    assert [value.persisted for value in engines.bench.caches.values()] == [True, True, True]
    engines.crash()
    assert (engines.get("a"), engines.get("big"), engines.get("b")) == (1, bytes(100_000), 1)


def test_queued_lines_are_written_before_the_commit(engines: Engines) -> None:
    """A plugin that notes how far it has come may repeat work after a crash in between, but loses none."""
    written_at_commit: list[int] = []

    def connect_noting(path: Path) -> Connection:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        connection.set_trace_callback(
            lambda sql: (
                written_at_commit.append(len(engines.bench.writes.taken)) if "INSERT" in sql else None
            )
        )
        return connection

    engines.bench.close()
    engines.bench = PluginBench(engines.plugins, state=engines.state, connect_state=connect_noting)
    engines.run(f"{CACHE}cache.put('a', 1)\ninfluxdb3_local.write(LineBuilder('t').int64_field('n', 1))")
    assert written_at_commit == [1]


def test_a_run_is_durable_before_anybody_hears_of_its_end(engines: Engines) -> None:
    """`run` returns, and so history, the response and the next event come, after the commit."""
    engines.run(f"{CACHE}cache.put('a', 1)")
    assert stored_keys(engines.state, engines.bench) == ["a"]


def test_dry_runs_are_never_stored(engines: Engines) -> None:
    """Neither a dry run's copy nor the cache of tests outlives the engine."""
    body = scheduled(f"{CACHE}cache.put('a', 1)\ncache.put('b', 1, use_global=True)")
    engines.bench.run(body, dry_run=True)
    engines.bench.run(body, dry_run=True, cache_name="mine")
    assert stored_keys(engines.state, engines.bench) == []
    engines.restart()
    assert engines.bench.caches.values() == ()


def test_a_dropped_trigger_is_gone_from_the_file(engines: Engines) -> None:
    """Dropping forgets the trigger's keys durably, and a run that goes on brings none of them back."""
    engines.run(f"{CACHE}cache.put('a', 1)\ncache.put('g', 1, use_global=True)")
    engines.run(f"{CACHE}cache.put('other', 1)", filename="two.py", trigger_id=2)
    view = engines.bench.caches.for_trigger("db", 1)
    assert engines.bench.caches.drop_trigger("db", 1)
    assert stored_keys(engines.state, engines.bench) == ["g", "other"]
    view.put("late", 1)
    assert engines.bench.caches.end_run(view, run_id=9, guard=lambda work: work()).keys == ()
    engines.run(f"{CACHE}cache.put('new', 1)")
    assert stored_keys(engines.state, engines.bench) == ["g", "other", "new"]


def test_a_dropped_database_is_gone_from_the_file(engines: Engines) -> None:
    """All local caches of the database's triggers go."""
    engines.run(f"{CACHE}cache.put('a', 1)\ncache.put('g', 1, use_global=True)")
    engines.bench.caches.drop_database("db")
    assert stored_keys(engines.state, engines.bench) == ["g"]


def test_the_cache_of_a_trigger_that_is_gone_is_forgotten(engines: Engines) -> None:
    """A crash between a trigger's deletion and its cache's leaves nothing for ever."""
    engines.bench.caches.put("a", 1, database="db", trigger_id=99)
    engines.restart()
    assert engines.bench.caches.values() == ()
    assert stored_keys(engines.state, engines.bench) == []


def test_the_record_names_the_keys_that_changed(engines: Engines) -> None:
    """Put, changed in place and deleted keys, in order; not those that were read or put as they were."""
    engines.run(
        f"{CACHE}cache.put('same', [1])\ncache.put('read', [2])\ncache.put('list', [])\ncache.put('old', 1)"
    )
    run = engines.run(
        f"""
        {CACHE}
        cache.put('same', [1])
        cache.get('read')
        cache.get('list').append(1)
        cache.delete('old')
        cache.delete('never')
        cache.put('g', 1, use_global=True)
        """
    )
    assert run.cache_keys == (
        CacheKey("list", use_global=False, deleted=False),
        CacheKey("old", use_global=False, deleted=True),
        CacheKey("g", use_global=True, deleted=False),
    )


def test_the_record_without_a_file_names_what_was_put_or_deleted(tmp_path: Path) -> None:
    """With object store ``memory`` nothing is pickled, and so changes in place are not seen."""
    bench = PluginBench(tmp_path)
    put = bench.run_scheduled(f"{CACHE}cache.put('a', [])\ncache.put('b', 1)")
    assert [key.key for key in put.cache_keys] == ["a", "b"]
    changed = bench.run_scheduled(f"{CACHE}cache.get('a').append(1)\ncache.delete('b')")
    assert changed.cache_keys == (CacheKey("b", use_global=False, deleted=True),)
    bench.close()
    assert [path.name for path in tmp_path.iterdir() if path.suffix != ".py"] == []


def test_the_later_look_prevails(engines: Engines) -> None:
    """Of two runs that end together, what the one that looked later saw stays, in whichever order they commit."""
    shared: list[int] = []
    caches = engines.bench.caches
    early, late = caches.for_trigger("db", 1), caches.for_trigger("db", 2)
    early.put("k", shared, use_global=True)
    late.get("k", use_global=True)
    reached, go = threading.Event(), threading.Event()

    def slowly(work: Callable[[], None]) -> None:
        work()
        reached.set()
        assert go.wait(WAIT_SECONDS)

    ended = threading.Thread(target=lambda: caches.end_run(early, run_id=1, guard=slowly))
    ended.start()
    assert reached.wait(WAIT_SECONDS)
    shared.append(1)
    caches.end_run(late, run_id=2, guard=lambda work: work())
    go.set()
    ended.join()
    engines.crash()
    assert engines.get("k", use_global=True) == [1]


def test_a_removed_key_is_not_brought_back_by_an_earlier_look(engines: Engines) -> None:
    """The same for a key that the later run deletes."""
    caches = engines.bench.caches
    early, late = caches.for_trigger("db", 1), caches.for_trigger("db", 2)
    early.put("k", [1], use_global=True)

    def deleted_meanwhile(work: Callable[[], None]) -> None:
        work()
        late.delete("k", use_global=True)
        caches.end_run(late, run_id=2, guard=lambda rest: rest())

    caches.end_run(late, run_id=2, guard=lambda work: work())
    caches.put("k", 0)
    early.get("k", use_global=True)
    early.put("k", [2], use_global=True)
    caches.end_run(early, run_id=1, guard=deleted_meanwhile)
    engines.crash()
    assert engines.get("k", use_global=True) is None


def test_values_for_inspectors(engines: Engines) -> None:
    """An inspector sees where, type, size, time left, who changed it and whether it is stored, before and after."""
    first = engines.run(
        f"{CACHE}cache.put('a', {{'n': 1}}, 60)\ncache.put('f', lambda: 1, use_global=True)"
    )
    seen = [
        (
            v.namespace,
            v.database,
            v.trigger_id,
            v.key,
            v.type_name,
            v.seconds_left,
            v.persisted,
            v.run_id,
        )
        for v in engines.bench.caches.values()
    ]
    assert seen == [
        ("db/1", "db", 1, "a", "dict", 60.0, True, first.run_id),
        ("global", None, None, "f", "function", None, False, first.run_id),
    ]
    (value, function) = engines.bench.caches.values()
    assert (value.value, value.size_bytes, function.size_bytes) == (
        {"n": 1},
        len(pickle.dumps({"n": 1}, 5)),
        None,
    )
    engines.restart()
    (after,) = engines.bench.caches.values()
    assert (after, after.value) == (value, {"n": 1})
    assert engines.bench.caches.for_trigger("db", 1).__local__.entries["a"].stored is not None


def test_values_are_changed_by_hand_durably(engines: Engines) -> None:
    """Put and delete from outside runs are durable at once; what cannot be is an error."""
    engines.run(f"{CACHE}cache.put('a', 1)\ncache.put('g', 1, use_global=True)")
    caches = engines.bench.caches
    caches.put("a", 2, database="db", trigger_id=1, ttl_seconds=60)
    assert caches.delete("g") is True
    assert caches.delete("g") is False
    with pytest.raises(
        StorageError, match="global plugin cache: the value of key 'f' \\(function\\) cannot be"
    ):
        caches.put("f", lambda: 1)
    engines.crash()
    assert [(v.key, v.value, v.seconds_left, v.run_id) for v in engines.bench.caches.values()] == [
        ("a", 2, 60.0, None)
    ]


def test_a_damaged_value_hurts_its_own_key(engines: Engines) -> None:
    """Bytes that do not match their checksum are never unpickled; the log says so once; other keys are there."""
    engines.run(f"{CACHE}cache.put('a', 'AAAA')\ncache.put('b', 'BBBB')")
    engines.bench.close()
    path = engines.state / FILE_NAME
    content = path.read_bytes()
    assert content.count(b"AAAA") == 1
    path.write_bytes(content.replace(b"AAAA", b"AACA"))
    engines.bench = PluginBench(engines.plugins, state=engines.state)
    for _ in range(2):
        engines.run(f"{CACHE}assert (cache.get('a', 'none'), cache.get('b')) == ('none', 'BBBB')")
    (text,) = engines.log()
    assert text == (
        "plugin cache: the stored value of key 'a' (str) cannot be restored and counts as missing; it stays stored "
        "until the key is put or deleted: DamagedValueError: its stored bytes are damaged: they do not match their "
        "checksum"
    )
    assert stored_keys(engines.state, engines.bench) == ["a", "b"]


def stored_keys(state: Path, bench: PluginBench | None = None) -> list[str]:
    """Return the keys in the file as it is now, by a copy while a bench has it open."""
    target = state
    if bench is not None:
        target = state.with_name("look")
        target.mkdir(exist_ok=True)
        for path in target.iterdir():
            path.unlink()
        for path in state.iterdir():
            (target / path.name).write_bytes(path.read_bytes())
    connection = sqlite3.connect(target / FILE_NAME)
    try:
        return [key for (key,) in connection.execute("SELECT key FROM plugin_cache ORDER BY number")]
    finally:
        connection.close()
