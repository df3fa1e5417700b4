"""A replay sends rows in time order through a database's triggers, under a virtual clock, in an engine of its own."""

from __future__ import annotations

import random
import threading
from pathlib import Path

import pyarrow as pa
import pytest

from procengine.engine import Engine
from procengine.errors import (
    DatabaseNotFoundError,
    InvalidInputError,
    PluginError,
    TriggerNotFoundError,
)
from procengine.replay import (
    Batching,
    Range,
    ReplayState,
    Selection,
    read_data,
    start_replay,
)
from tests.replay.conftest import MINUTE, NOON_NS, SECOND, Put, begin, lines, replayed

MIXED = """
import random
import sys
import numpy as np

def process_writes(influxdb3_local, table_batches, args=None):
    for batch in table_batches:
        for row in batch["rows"]:
            seen = influxdb3_local.cache.get("seen", default=0) + 1
            influxdb3_local.cache.put("seen", seen)
            influxdb3_local.info("row", row["time"], random.random(), np.random.rand())
            line = LineBuilder("noisy").tag("room", row["room"]).float64_field("x", random.gauss(0, 1))
            influxdb3_local.write(line)

def process_scheduled_call(influxdb3_local, call_time, args=None):
    rows = influxdb3_local.query("SELECT count(*) AS n, max(time) AS last FROM home")
    influxdb3_local.info("at", call_time, rows)
    influxdb3_local.write(LineBuilder("minutes").int64_field("n", rows[0]["n"]))
    if rows[0]["n"] > 100:
        raise ValueError("over a hundred")
"""


def test_replay_is_the_same_each_time(engine: Engine, put: Put, plugins: Path) -> None:
    """Same input, plugins and seed: same rows, runs, logs and state, of asynchronous triggers and failures too."""
    put(MIXED, "table:home", "writes")
    engine.triggers.create("house", "async", "writes.py", "table:home", run_async=True)
    engine.triggers.create("house", "chained", "writes.py", "table:minutes")
    engine.triggers.create("house", "minutes", "writes.py", "every:1m")
    engine.triggers.create("house", "again", "writes.py", "every:90s", error_behavior="retry")
    first, second = (replayed(engine, lines(200), seed=7) for _ in range(2))
    assert first.digest == second.digest
    assert first.facts.equals(second.facts)
    assert first.logs.equals(second.logs)
    assert first.compare(second).is_same
    assert first.error_count > 0
    assert first.digest != replayed(engine, lines(200), seed=8).digest


def test_replay_answers_queries_of_many_rows_in_the_same_order(engine: Engine, put: Put) -> None:
    """Groups come in one order and sums are added up in one, however many rows there are and cores."""
    put(
        "def process_scheduled_call(influxdb3_local, call_time, args=None):\n"
        "    rows = influxdb3_local.query('SELECT room, avg(temp) AS a FROM home GROUP BY room')\n"
        "    influxdb3_local.info([(row['room'], row['a']) for row in rows])\n",
        "every:1m",
    )
    rows = "\n".join(
        f"home,room=r{n * 7919 % 2000} temp={n % 97}.1 {NOON_NS + n * MINUTE // 150_000}"
        for n in range(150_000)
    )
    until = Range(to_ns=NOON_NS + 4 * MINUTE)
    results = [replayed(engine, rows, between=until) for _ in range(4)]
    assert results[0].runs.num_rows >= 3
    assert len({result.digest for result in results}) == 1


def test_replay_gives_chance_back(engine: Engine, put: Put) -> None:
    """The notebook's own generator goes on where it stood."""
    put(MIXED, "table:home")
    random.seed(5)
    expected = [random.random() for _ in range(3)]
    random.seed(5)
    found = [random.random()]
    replayed(engine, lines(5))
    assert [*found, random.random(), random.random()] == expected


def test_replay_logs_take_their_times_from_the_virtual_clock(engine: Engine, put: Put) -> None:
    """A line has the instant of its event, and a run has taken no time."""
    put(
        "def process_writes(influxdb3_local, table_batches, args=None):\n    influxdb3_local.info('x')\n",
        "table:home",
    )
    logs = replayed(engine, lines(2), batching=Batching.parse("row")).logs
    assert set(logs["event_time"].cast(pa.int64()).to_pylist()) == {NOON_NS, NOON_NS + SECOND}
    assert "finished execution in 0s" in logs["log_text"].to_pylist()


SEEN = """
def process_scheduled_call(influxdb3_local, call_time, args=None):
    rows = influxdb3_local.query("SELECT max(time) AS last, now() AS now FROM home")
    influxdb3_local.info(rows[0]["last"], call_time.timestamp())

def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info("rows", sum(len(batch["rows"]) for batch in table_batches))
"""


@pytest.mark.parametrize("batch", ["row", "time", "1s", "10s"])
def test_replay_schedules_find_the_rows_before_their_time(engine: Engine, put: Put, batch: str) -> None:
    """A tick finds every row before it, and none at it or later, however rows are put together."""
    put(SEEN, "every:1m")
    result = replayed(engine, lines(130), batching=Batching.parse(batch))
    found = [text.split() for text in result.logs["log_text"].to_pylist() if text[0].isdigit()]
    ticks = [(int(last), round(float(at)) * SECOND) for last, at in found if last != "None"]
    assert len(ticks) == 2
    assert all(last == at - SECOND for last, at in ticks)


@pytest.mark.parametrize(
    ("batch", "sizes"), [("row", [1] * 6), ("time", [2] * 3), ("1s", [2, 4]), ("1m", [6])]
)
def test_replay_batches_rows_as_asked(engine: Engine, put: Put, batch: str, sizes: list[int]) -> None:
    """A row alone, rows of one time, or those of an interval are one call of the plugin."""
    put(SEEN, "table:home")
    times = [0, 0, SECOND, SECOND, SECOND + 1, SECOND + 1]
    data = "\n".join(f"home,room=r{n} temp=1 {NOON_NS + at}" for n, at in enumerate(times))
    result = replayed(engine, data, batching=Batching.parse(batch))
    texts = [text for text in result.logs["log_text"].to_pylist() if text.startswith("rows ")]
    assert texts == [f"rows {size}" for size in sizes]


@pytest.mark.parametrize("text", ["0s", "often", ""])
def test_replay_batch_says_what_is_accepted(text: str) -> None:
    """What is no way to put rows together is refused with those that are."""
    with pytest.raises(InvalidInputError, match="expected row, time, or a duration such as 1s"):
        Batching.parse(text)


def test_replay_leaves_the_engine_alone(engine: Engine, put: Put) -> None:
    """Rows, plugin cache, runs, logs, catalog and triggers of the engine are what they were."""
    put(MIXED, "table:home")
    engine.write("house", "home,room=Live temp=1 1")
    assert engine.wait_idle(30)
    before = engine.catalog.state, len(engine.logs.entries()), engine.plugin_cache.values()[0].value
    threads = set(threading.enumerate())
    result = replayed(engine, lines(50))
    after = engine.catalog.state, len(engine.logs.entries()), engine.plugin_cache.values()[0].value
    assert after == before
    assert engine.query("SELECT * FROM home", "house").num_rows == 1
    assert set(threading.enumerate()) == threads
    assert result.rows("home").num_rows == 50
    assert [one.text for one in result.state if one.key == "seen"] == ["50"]


def test_replay_has_the_databases_caches_and_retention(engine: Engine, put: Put) -> None:
    """Plugins query last values as they were at the virtual time, from caches that begin empty."""
    engine.write("house", "home,room=Attic temp=99 1")
    engine.last_caches.create("house", "home", count=1)
    put(
        "def process_scheduled_call(influxdb3_local, call_time, args=None):\n"
        "    influxdb3_local.info(influxdb3_local.query(\"SELECT temp FROM last_cache('home')\"))\n",
        "every:1m",
    )
    result = replayed(engine, lines(100))
    assert "[{'temp': 23.5}]" in " ".join(result.logs["log_text"].to_pylist())


def test_replay_sorts_what_is_not_in_the_order_of_time(engine: Engine, put: Put) -> None:
    """Rows come in the order of their times, whatever stood first; the result says how many did not."""
    put(
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    influxdb3_local.info([row['time'] for row in table_batches[0]['rows']])\n",
        "table:home",
    )
    shuffled = "\n".join(reversed(lines(3).splitlines()))
    result = replayed(engine, shuffled)
    texts = [text for text in result.logs["log_text"].to_pylist() if text.startswith("[")]
    assert texts == [f"[{NOON_NS + n * SECOND}]" for n in range(3)]
    assert result.notes == ("2 rows stood behind later ones in rows and were put in the order of time",)


def test_replay_counts_no_rows_as_unsorted_that_are_not_replayed(engine: Engine, put: Put) -> None:
    """What stands in disorder outside of the range, or only because of what is outside, is not told."""
    put("def process_writes(influxdb3_local, table_batches, args=None):\n    pass\n", "table:home")
    rows = lines(6).splitlines()
    shuffled = "\n".join([rows[5], rows[4], *rows[:4]])
    first = replayed(engine, shuffled, between=Range(to_ns=NOON_NS + 4 * SECOND))
    last = replayed(engine, shuffled, between=Range(from_ns=NOON_NS + 4 * SECOND))
    assert (first.row_count, first.notes) == (4, ())
    assert last.notes == ("1 row stood behind later ones in rows and was put in the order of time",)


def test_replay_range_takes_from_and_leaves_to(engine: Engine, put: Put) -> None:
    """From is included, to is not; schedules tick until to, past the last row."""
    put("def process_scheduled_call(influxdb3_local, call_time, args=None):\n    pass\n", "every:1m")
    between = Range(from_ns=NOON_NS + 2 * SECOND, to_ns=NOON_NS + 5 * MINUTE)
    result = replayed(engine, lines(10), between=between)
    assert result.rows("home")["time"].cast(pa.int64()).to_pylist()[0] == NOON_NS + 2 * SECOND
    assert (result.row_count, result.runs.num_rows, result.ended_ns) == (8, 5, between.to_ns)


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        (Range(from_ns=NOON_NS + 1, to_ns=NOON_NS), "from must come before to"),
        (
            Range(from_ns=NOON_NS + MINUTE),
            "no rows lie in the range of the replay; the source has rows from",
        ),
    ],
)
def test_replay_refuses_a_range_without_rows(engine: Engine, between: Range, reason: str) -> None:
    """It says what the source has."""
    with pytest.raises(InvalidInputError, match=reason):
        begin(engine, lines(3), between=between)


def test_replay_of_a_database_that_is_missing(engine: Engine) -> None:
    """There are no triggers to replay through."""
    with pytest.raises(DatabaseNotFoundError):
        start_replay(engine, read_data(lines(3), name="rows"), "nowhere")


def test_replay_selects_triggers_by_name_or_plugin(engine: Engine, put: Put) -> None:
    """Those that are named run, disabled ones too; without names all that are enabled."""
    for name in ("a", "b", "c"):
        put(SEEN, "table:home", name, disabled=name == "c")
    chosen = {
        "all": Selection(),
        "one": Selection(triggers=["c"]),
        "file": Selection(plugins=["b.py"]),
    }
    names = {
        what: sorted(set(replayed(engine, lines(2), selection=one).runs["trigger_name"].to_pylist()))
        for what, one in chosen.items()
    }
    assert names == {"all": ["a", "b"], "one": ["c"], "file": ["b"]}


def test_replay_names_what_is_not_there(engine: Engine, put: Put) -> None:
    """A trigger or a plugin that the database does not have is an error that lists what it has."""
    put(SEEN, "table:home")
    with pytest.raises(TriggerNotFoundError):
        begin(engine, lines(1), selection=Selection(triggers=["x"]))
    with pytest.raises(InvalidInputError, match=r"runs plugin 'x.py'; expected one of: p.py"):
        begin(engine, lines(1), selection=Selection(plugins=["x.py"]))


def test_replay_of_a_plugin_that_is_gone_names_the_trigger(
    engine: Engine, put: Put, plugins: Path
) -> None:
    """Nothing begins, and no thread is left."""
    put(SEEN, "table:home")
    (plugins / "p.py").unlink()
    threads = set(threading.enumerate())
    with pytest.raises(PluginError, match="trigger p cannot be replayed"):
        begin(engine, lines(1))
    assert set(threading.enumerate()) == threads


FAILS = """
def process_writes(influxdb3_local, table_batches, args=None):
    count = influxdb3_local.cache.get("count", default=0) + 1
    influxdb3_local.cache.put("count", count)
    if count == 3:
        raise ValueError("the third")
    influxdb3_local.write(LineBuilder("good").int64_field("count", count))
"""


@pytest.mark.parametrize(
    ("behavior", "good", "runs"), [("log", 4, 5), ("disable", 2, 3), ("retry", 5, 6)]
)
def test_replay_follows_the_error_behavior(
    engine: Engine, put: Put, behavior: str, good: int, runs: int
) -> None:
    """A run that fails mid-way is passed over, ends its trigger, or is tried again after a pause of virtual time."""
    put(FAILS, "table:home", error_behavior=behavior)
    result = replayed(engine, lines(5))
    assert result.rows("good").num_rows == good
    assert (result.runs.num_rows, result.error_count) == (runs, 1)
    assert ("p was disabled by an error" in " ".join(result.notes)) == (behavior == "disable")
    assert not engine.triggers.get("house", "p").disabled


ENDLESS = """
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.write(LineBuilder("before").int64_field("n", 1))
    if influxdb3_local.cache.get("count", default=0) == 3:
        influxdb3_local.info("endless")
        while True:
            pass
    influxdb3_local.cache.put("count", influxdb3_local.cache.get("count", default=0) + 1)
"""


def test_replay_end_cancels_a_run_that_does_not_end(engine: Engine, put: Put) -> None:
    """What was done until then is the result; nothing goes on."""
    put(ENDLESS, "table:home")
    threads = set(threading.enumerate())
    reached = threading.Event()
    replay = begin(engine, lines(10), paused=True)
    replay._scratch.engine.logs.subscribe(lambda line: reached.set() if line.text == "endless" else None)
    replay.resume()
    assert reached.wait(30)
    result = replay.end()
    assert result.stopped
    assert replay.progress.state is ReplayState.STOPPED
    assert result.runs["outcome"].to_pylist() == ["success"] * 3 + ["cancelled"]
    assert (result.row_count, result.rows("before").num_rows) == (4, 3)
    assert set(threading.enumerate()) == threads


def test_replay_steps_pauses_goes_on_and_stops(engine: Engine, put: Put) -> None:
    """A paused replay does nothing until a step, which is one batch or tick; a stop leaves what was done."""
    put(SEEN, "table:home")
    done = threading.Semaphore(0)
    replay = begin(engine, lines(1000), paused=True)
    replay._scratch.engine.triggers.subscribe(lambda _run: done.release())
    assert replay.progress.state is ReplayState.PAUSED
    assert replay.progress.rows_done == 0
    for _ in range(2):
        replay.step()
    for _ in range(2):
        assert done.acquire(timeout=30)
    replay.stop()
    result = replay.wait(30)
    assert (result.row_count, result.stopped) == (2, True)
    assert result.runs.num_rows == 2


def test_replay_resumes_to_the_end(engine: Engine, put: Put) -> None:
    """A pause changes nothing but the time that it takes."""
    put(MIXED, "table:home")
    replay = begin(engine, lines(20), paused=True)
    replay.resume()
    assert replay.wait(30).digest == replayed(engine, lines(20)).digest
    assert replay.progress.state is ReplayState.DONE
    assert replay.progress.share == 1


def test_replay_at_a_speed_waits_and_can_be_stopped(engine: Engine, put: Put) -> None:
    """At one second a second an hour is not over at once; stop ends the wait."""
    put(SEEN, "table:home")
    replay = begin(engine, lines(60, step_ns=MINUTE), speed=1.0)
    replay.stop()
    result = replay.wait(30)
    assert result.stopped
    assert result.row_count <= 1


def test_replay_with_other_plugin_files(engine: Engine, put: Put, plugins: Path) -> None:
    """A trigger runs another version of its plugin, for this replay alone."""
    put(FAILS, "table:home")
    (plugins / "new.py").write_text(FAILS.replace("count == 3", "False"))
    result = replayed(engine, lines(5), selection=Selection(swaps={"p.py": "new.py"}))
    assert result.rows("good").num_rows == 5
    assert engine.triggers.get("house", "p").plugin_filename == "p.py"


def test_replay_keeps_names_of_cells_in_tracebacks(engine: Engine, put: Put) -> None:
    """A plugin that came from a cell fails in the cell's line."""
    put(FAILS, "table:home")
    engine.plugins.register_origin("p.py", FAILS, display_filename="<cell 3>", first_line=1)
    (failed,) = replayed(engine, lines(5)).failed_runs
    assert failed.failure is not None
    assert (failed.failure.filename, failed.failure.line_number) == ("<cell 3>", 6)


def test_replay_does_not_take_rows_that_do_not_fit(engine: Engine) -> None:
    """A field of another type than its table's is refused with its line, before anything begins."""
    engine.write("house", "home temp=1i 1")
    with pytest.raises(InvalidInputError, match="line 1: invalid column type for column 'temp'"):
        begin(engine, lines(2))


def test_replay_of_rows_with_many_tags_keeps_their_names(engine: Engine, put: Put) -> None:
    """Long dictionaries are cut down to what a slice uses; rows stay what they were."""
    put(
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    influxdb3_local.info(table_batches[0]['rows'][0]['room'])\n",
        "table:home",
    )
    data = "\n".join(f"home,room=r{n} temp=1 {NOON_NS + n * SECOND}" for n in range(400))
    result = replayed(engine, data, batching=Batching.parse("row"))
    texts = [text for text in result.logs["log_text"].to_pylist() if text.startswith("r")]
    assert texts == [f"r{n}" for n in range(400)]


def test_replay_needs_no_thread_but_its_own(engine: Engine, put: Put) -> None:
    """While it is under way there is one thread more."""
    put(SEEN, "table:home")
    threads = set(threading.enumerate())
    replay = begin(engine, lines(5), paused=True)
    more = {thread.name for thread in set(threading.enumerate()) - threads}
    replay.end()
    assert more == {"procengine-replay"}


def test_replay_leaves_live_plugins_what_they_have(engine: Engine, put: Put) -> None:
    """After a replay, what a live plugin prints still goes to its trigger's log."""
    put(
        "def process_writes(influxdb3_local, table_batches, args=None):\n    print('printed')\n",
        "table:home",
    )
    replayed(engine, lines(2))
    engine.write("house", "home temp=1 1")
    assert engine.wait_idle(30)
    assert "printed" in [line.text for line in engine.logs.entries()]
