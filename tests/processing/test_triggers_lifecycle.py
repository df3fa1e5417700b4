"""Creating, enabling, disabling, deleting and replacing triggers (section 1)."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

import pytest

from procengine.clock import SystemClock
from procengine.errors import (
    AlreadyExistsError,
    DatabaseNotFoundError,
    InvalidInputError,
    NotFoundError,
    PluginError,
    ProcengineError,
    StoppedError,
    TriggerBusyError,
    TriggerNotFoundError,
    TriggerSpecError,
)
from procengine.model.trigger import ErrorBehavior, Trigger, TriggerKind
from procengine.processing.cancellation import CancelToken
from procengine.processing.event import Event
from procengine.processing.trigger_options import TriggerOptions
from procengine.processing.trigger_statistics import TriggerState
from tests.processing.doubles import TIMEOUT, Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    """Triggers that run."""
    with Bench() as bench:
        yield bench


def quiet(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
    """Do nothing."""


def state(bench: Bench, name: str = "t") -> TriggerState:
    """Return a trigger's state."""
    return bench.triggers.statistics("db", name).state


def test_create_returns_the_definition_and_starts_it(bench: Bench) -> None:
    """A created trigger is in the catalog with an id, and takes events at once."""
    created = bench.triggers.create(
        "db",
        "t",
        bench.plugin(quiet),
        " table:home ",
        arguments={"a": "1"},
        error_behavior="retry",
    )
    assert created == Trigger(
        database="db",
        name="t",
        plugin_filename="quiet.py",
        spec="table:home",
        arguments={"a": "1"},
        error_behavior=ErrorBehavior.RETRY,
    )
    assert bench.triggers.list() == (created,)
    bench.write(bench.rows("home"))
    bench.wait_idle()
    assert [run.trigger for run in bench.triggers.runs] == ["t"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"spec": "evry:1s"}, TriggerSpecError, "failed to parse trigger from evry:1s: expect one of"),
        ({"plugin_filename": "none.py"}, PluginError, "reading plugin file: Plugin not found: none.py"),
        ({"database": "nowhere"}, DatabaseNotFoundError, "nowhere"),
        ({"name": "taken"}, AlreadyExistsError, "attempted to create a resource that already exists"),
        (
            {"spec": "request:taken"},
            AlreadyExistsError,
            "request path 'taken' is taken by trigger taken",
        ),
        (
            {"error_behavior": "Log"},
            InvalidInputError,
            "unknown error behavior 'Log'; expected log, retry",
        ),
        ({"database": "_internal"}, InvalidInputError, "cannot modify internal db"),
    ],
)
def test_nothing_is_kept_of_a_trigger_that_cannot_be(
    bench: Bench, change: dict[str, str], error: type[ProcengineError], message: str
) -> None:
    """Specification, plugin, database, name and request path are checked before the catalog commits."""
    plugin = bench.plugin(quiet)
    bench.triggers.create("db", "taken", plugin, "request:taken")
    sequence_number = bench.catalog.sequence_number
    definition = {
        "database": "db",
        "name": "t",
        "plugin_filename": plugin,
        "spec": "all_tables",
    } | change
    with pytest.raises(error, match=message):
        bench.triggers.create(**definition)
    assert bench.catalog.sequence_number == sequence_number
    assert [trigger.name for trigger in bench.triggers.list()] == ["taken"]


def test_kinds_can_be_forbidden() -> None:
    """With ``restrict-plugin-triggers-to`` other kinds are refused with the original's text (section 6)."""
    options = TriggerOptions(allowed_kinds=frozenset([TriggerKind.SCHEDULE]))
    with Bench(options=options) as bench:
        with pytest.raises(InvalidInputError) as caught:
            bench.triggers.create("db", "t", bench.plugin(quiet), "all_tables")
        assert str(caught.value) == (
            "invalid request: server is configured to reject WalRows plugin triggers"
        )
        bench.triggers.create("db", "t", bench.plugin(quiet), "every:1h")


def test_disable_and_enable_are_idempotent_and_persist(bench: Bench) -> None:
    """Either twice is no error; the catalog keeps it; in between nothing is delivered, nor afterwards."""
    bench.triggers.create("db", "t", bench.plugin(quiet), "all_tables")
    assert bench.triggers.disable("db", "t").disabled
    assert bench.triggers.disable("db", "t").disabled
    assert (state(bench), bench.dropped_caches) == (TriggerState.DISABLED, ["t"])
    bench.write(bench.rows("home"))
    assert not bench.triggers.enable("db", "t").disabled
    assert not bench.triggers.enable("db", "t").disabled
    bench.write(bench.rows("home"))
    bench.wait_idle()
    assert [run.cause.wal_sequence_number for run in bench.triggers.runs] == [2]
    assert not bench.catalog.database("db").triggers["t"].disabled


def test_unknown_triggers(bench: Bench) -> None:
    """Every operation on a trigger that is not there says so."""
    for operation in (
        bench.triggers.enable,
        bench.triggers.disable,
        bench.triggers.delete,
        bench.triggers.reload,
        bench.triggers.statistics,
        bench.triggers.get,
    ):
        with pytest.raises(TriggerNotFoundError, match="trigger not found: t in database db"):
            operation("db", "t")


def test_an_enabled_trigger_is_deleted_only_by_force(bench: Bench) -> None:
    """Deletion of an enabled trigger is refused with the original's text, and done with ``force``."""
    bench.triggers.create("db", "t", bench.plugin(quiet), "request:p")
    with pytest.raises(TriggerBusyError) as caught:
        bench.triggers.delete("db", "t")
    assert str(caught.value) == "Cannot delete running plugin t. Disable it first or use --force."
    bench.triggers.delete("db", "t", force=True)
    assert (bench.triggers.list(), bench.dropped_caches) == ((), ["t"])
    bench.triggers.create("db", "u", bench.plugin(quiet), "request:p")


def test_a_disabled_trigger_does_not_hold_its_path(bench: Bench) -> None:
    """A path belongs to an enabled trigger; enabling a second one on it is refused and changes nothing."""
    plugin = bench.plugin(quiet)
    bench.triggers.create("db", "a", plugin, "request:p")
    bench.triggers.create("db", "b", plugin, "request:p", disabled=True)
    with pytest.raises(AlreadyExistsError, match="taken by trigger a in database db"):
        bench.triggers.enable("db", "b")
    assert bench.catalog.database("db").triggers["b"].disabled
    bench.triggers.disable("db", "a")
    bench.triggers.enable("db", "b")
    assert state(bench, "b") is TriggerState.ENABLED


def test_disable_cancels_the_run_in_flight_and_waits_for_it(bench: Bench) -> None:
    """Disable sets the run's cancel token, and returns when the run has ended."""
    inside = threading.Event()
    ended: list[bool] = []

    def slow(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        inside.set()
        ended.append(cancel.wait(TIMEOUT))

    bench.triggers.create("db", "t", bench.plugin(slow), "all_tables")
    bench.write(bench.rows("home"))
    assert inside.wait(TIMEOUT)
    bench.triggers.disable("db", "t")
    assert ended == [True]


def test_a_run_that_does_not_end_is_named() -> None:
    """Past the time limit disable goes on, and a row of the log names the thread."""
    with Bench(options=TriggerOptions(stop_timeout_seconds=0.01)) as bench:
        inside, go = threading.Event(), threading.Event()

        def stubborn(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
            inside.set()
            go.wait(TIMEOUT)

        bench.triggers.create("db", "t", bench.plugin(stubborn), "all_tables")
        bench.write(bench.rows("home"))
        assert inside.wait(TIMEOUT)
        bench.triggers.disable("db", "t")
        [said] = bench.logged("t")
        where = r"in procengine-worker-1, for \S+ so far, inside the engine"
        assert re.fullmatch(rf"its run did not end when it was cancelled and goes on {where}", said)
        [stuck] = bench.triggers.stop()
        assert re.fullmatch(rf"trigger t of db \(stubborn\.py\) {where}", str(stuck))
        go.set()
        assert bench.triggers.stop() == ()


def test_deleting_a_database_stops_its_triggers(bench: Bench) -> None:
    """Its triggers take no more events, free their paths and lose their caches; others go on."""
    bench.catalog.create_database("other")
    plugin = bench.plugin(quiet)
    bench.triggers.create("db", "t", plugin, "request:p")
    bench.triggers.create("other", "u", plugin, "request:q")
    bench.catalog.delete_database("db")
    assert (bench.triggers.list()[0].name, bench.dropped_caches) == ("u", ["t"])
    bench.triggers.create("other", "v", plugin, "request:p")


def test_start_starts_what_the_catalog_holds_and_skips_what_cannot(bench: Bench) -> None:
    """At boot enabled triggers start, disabled ones do not, failures are logged and skipped."""
    plugin = bench.plugin(quiet)
    bench.triggers.create("db", "good", plugin, "all_tables")
    bench.triggers.create("db", "off", plugin, "all_tables", disabled=True)
    bench.triggers.create("db", "lost", bench.plugin(quiet, "lost"), "all_tables")
    bench.triggers.stop()
    del bench.runner.plugins["lost.py"]
    bench.triggers = bench.new_triggers()
    bench.triggers.start()
    states = {one.trigger.name: one.state for one in bench.triggers.statistics()}
    assert states == {
        "good": TriggerState.ENABLED,
        "off": TriggerState.DISABLED,
        "lost": TriggerState.FAILED,
    }
    reason = "reading plugin file: Plugin not found: lost.py (write)"
    assert bench.triggers.statistics("db", "lost").reason == reason
    assert bench.logged("lost") == [f"trigger not started: {reason}"]
    bench.runner.plugins["lost.py"] = quiet
    bench.triggers.enable("db", "lost")
    assert state(bench, "lost") is TriggerState.ENABLED


def test_replace_creates_what_is_not_there(bench: Bench) -> None:
    """The first run of a plugin cell creates its trigger."""
    created = bench.triggers.replace("db", "t", bench.plugin(quiet), "all_tables")
    assert bench.triggers.list() == (created,)


def test_replace_keeps_id_history_and_what_waits(bench: Bench) -> None:
    """With the same specification, events that wait are run by the new definition; the run in flight ends."""
    inside, go = threading.Event(), threading.Event()
    arguments: list[object] = []

    def plugin(trigger: Trigger, event: Event, cancel: CancelToken) -> None:
        arguments.append(dict(trigger.arguments or {}))
        inside.set()
        go.wait(TIMEOUT)

    filename = bench.plugin(plugin)
    created = bench.triggers.create("db", "t", filename, "all_tables", arguments={"n": "1"})
    bench.write(bench.rows("home"))
    bench.write(bench.rows("home"))
    assert inside.wait(TIMEOUT)
    replaced = bench.triggers.replace("db", "t", filename, "all_tables", arguments={"n": "2"})
    go.set()
    bench.wait_idle()
    assert arguments == [{"n": "1"}, {"n": "2"}]
    assert replaced.trigger_id == created.trigger_id
    assert (bench.triggers.statistics("db", "t").runs, bench.dropped_caches) == (2, [])


def test_replace_with_another_specification_starts_anew(bench: Bench) -> None:
    """The old source is left, the new one taken; id, tally and cache stay."""
    filename = bench.plugin(quiet)
    created = bench.triggers.create("db", "t", filename, "request:p")
    replaced = bench.triggers.replace("db", "t", filename, "table:home")
    bench.write(bench.rows("home"))
    bench.wait_idle()
    assert len(bench.triggers.runs) == 1
    assert (replaced.trigger_id, bench.dropped_caches) == (created.trigger_id, [])
    bench.triggers.create("db", "u", filename, "request:p")


def test_replace_that_cannot_be_changes_nothing(bench: Bench) -> None:
    """A faulty definition is refused, and the old one goes on."""
    created = bench.triggers.create("db", "t", bench.plugin(quiet), "all_tables")
    with pytest.raises(TriggerSpecError):
        bench.triggers.replace("db", "t", "quiet.py", "every:5")
    assert bench.triggers.list() == (created,)
    bench.write(bench.rows("home"))
    bench.wait_idle()
    assert len(bench.triggers.runs) == 1


def test_the_same_name_in_two_databases(bench: Bench) -> None:
    """Names are unique in a database only; without one, an ambiguous name is refused."""
    bench.catalog.create_database("other")
    for database in ("db", "other"):
        bench.triggers.create(database, "t", bench.plugin(quiet), "all_tables")
    assert bench.triggers.find("t", "other").database == "other"
    with pytest.raises(
        InvalidInputError, match="'t' is in several databases: db, other; name one of them"
    ):
        bench.triggers.find("t")


def test_stop_leaves_no_thread_and_refuses_new_triggers() -> None:
    """After `stop` only the threads from before are left; stopping twice is allowed."""
    before = set(threading.enumerate())
    with Bench(clock=SystemClock()) as bench:
        for number in range(20):
            bench.triggers.create("db", f"t{number}", bench.plugin(quiet), "every:1ms", run_async=True)
        heard = threading.Semaphore(0)
        bench.triggers.subscribe(lambda run: heard.release())
        assert all(heard.acquire(timeout=TIMEOUT) for _ in range(100))
        bench.triggers.stop()
        assert bench.triggers.stop() == ()
        with pytest.raises(StoppedError):
            bench.triggers.create("db", "late", bench.plugin(quiet), "all_tables")
        with pytest.raises(NotFoundError):
            bench.triggers.get("db", "late")
    assert set(threading.enumerate()) == before
