"""Cards say what happened, in HTML and as text, and let no foreign markup in."""

from __future__ import annotations

from html.parser import HTMLParser

import pyarrow as pa
import pytest
from procengine_jupyter.render.markup import element, escape, visible
from procengine_jupyter.render.phrases import duration, instant, listed
from procengine_jupyter.render.plugin_card import PluginCard, RegisteredTrigger
from procengine_jupyter.render.run_card import RunCard, RunsCard
from procengine_jupyter.render.status_card import NOTHING_SURVIVES, StatusCard
from procengine_jupyter.render.table_card import QueryResult
from procengine_jupyter.render.trigger_list import TriggerLine, TriggerList
from procengine_jupyter.render.view import View
from procengine_jupyter.render.write_card import StoppedWriteCard, WriteCard

from procengine.model.column import Column, ColumnType
from procengine.model.counted import counted
from procengine.model.portability import Note, NoteCode
from procengine.model.run import Cause, CauseKind, LogLevel, RunOutcome
from procengine.model.run_limits import RunLimits
from procengine.model.trigger import Trigger, TriggerKind
from tests.extension.records import (
    CHANGES,
    HOSTILE,
    NOON_NS,
    failed_run,
    line_error,
    log,
    response,
    run,
    write_result,
)


class Reader(HTMLParser):
    """Collects the text and the tags of a card, and checks that tags close."""

    def __init__(self, view: View) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.pieces: list[str] = []
        self.feed(str(view.html()))
        self.close()

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.add(tag)
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.pieces.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.pieces).split())


def hostile_views() -> list[View]:
    hostile_run = failed_run(
        trigger=HOSTILE,
        logs=(log(HOSTILE),),
        write_errors=(HOSTILE,),
        response=response(HOSTILE.encode(), HOSTILE),
        writes={(HOSTILE, HOSTILE): 1},
        lines={HOSTILE: (HOSTILE,)},
        cache_changes=CHANGES,
        dry_run=True,
    )
    result = write_result(database=HOSTILE, tables={HOSTILE: 1, "b": 2}, errors=(line_error(HOSTILE),))
    trigger = Trigger(database=HOSTILE, name=HOSTILE, plugin_filename=HOSTILE, spec=HOSTILE)
    return [
        RunCard(hostile_run, {"/tmp/cells/1.py": HOSTILE}),
        RunsCard((hostile_run, hostile_run)),
        WriteCard(result=result, duration_ns=1, runs=(hostile_run,), is_waiting=True, waited=HOSTILE),
        StoppedWriteCard(result=result, lines_done=1, lines_total=2, duration_ns=3),
        QueryResult(pa.table({HOSTILE: [HOSTILE], "tag": pa.array([HOSTILE]).dictionary_encode()})),
        StatusCard(
            is_running=True,
            version="1",
            plugin_dir=HOSTILE,
            data_dir=HOSTILE,
            object_store="file",
            failing_triggers=(HOSTILE,),
            suggestions=((HOSTILE, HOSTILE),),
        ),
        PluginCard(
            name=HOSTILE,
            path=HOSTILE,
            change=HOSTILE,
            former=HOSTILE,
            entry_points=(HOSTILE,),
            triggers=(RegisteredTrigger(name=HOSTILE, database=HOSTILE, spec=HOSTILE, change=HOSTILE),),
            notes=(Note(code=NoteCode.PRINT, reason=HOSTILE, line_number=1),),
            next_step=HOSTILE,
        ),
        TriggerList((TriggerLine(trigger=trigger, state=HOSTILE, reason=HOSTILE),)),
    ]


@pytest.mark.parametrize("view", hostile_views(), ids=lambda view: type(view).__name__)
def test_foreign_markup_is_escaped(view: View) -> None:
    """Names, values, logs and tracebacks are text, whatever they hold; control characters are visible."""
    bundle = view._repr_mimebundle_()

    assert "script" not in Reader(view).tags
    assert HOSTILE.split("\x1b")[0] in Reader(view).text
    for form in bundle.values():
        assert not {"\x1b", "\x00", "\u202e"} & set(form)


@pytest.mark.parametrize("view", hostile_views(), ids=lambda view: type(view).__name__)
def test_cards_need_nothing_from_outside(view: View) -> None:
    """A card loads nothing: no link, import, image or script."""
    html = str(view.html())

    assert not {"link", "img", "script", "iframe"} & Reader(view).tags
    assert "url(" not in html
    assert "@import" not in html


def test_new_columns_of_several_tables_say_of_which() -> None:
    """A write's card names the table of a new column where there is more than one."""
    temp, room = Column("temp", ColumnType.FLOAT), Column("room", ColumnType.TAG)
    one = write_result(new_columns=(("home", temp), ("home", room)))
    assert "new columns temp (float), room (tag)" in WriteCard(result=one, duration_ns=1).text()
    two = write_result(new_columns=(("home", temp), ("alert", temp)))
    assert "new columns home.temp (float), alert.temp (float)" in (
        WriteCard(result=two, duration_ns=1).text()
    )


def test_long_values_are_cut() -> None:
    """A very long value is cut and says how much is missing."""
    assert visible("x" * 2_500).endswith("… (500 more characters)")
    assert len(str(RunCard(run(logs=(log("y" * 1_000_000),))).html())) < 10_000
    assert len(str(QueryResult(pa.table({"s": ["z" * 1_000_000]})).html())) < 10_000


def test_attributes_are_escaped() -> None:
    """A quote cannot end an attribute."""
    assert element("a", "x", title='"><b>') == '<a title="&quot;&gt;&lt;b&gt;">x</a>'
    assert escape("a\tb\nc") == "a\tb\nc"


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ns"),
        (999, "999 ns"),
        (1_240, "1.24 µs"),
        (12_400_000, "12.4 ms"),
        (999_900_000, "1000 ms"),
        (1_500_000_000, "1.50 s"),
        (125_000_000_000, "2 min 5 s"),
    ],
)
def test_durations_have_three_digits(nanoseconds: int, text: str) -> None:
    """A duration is short and has its unit."""
    assert duration(nanoseconds) == text


def test_phrases() -> None:
    """Counts agree with their noun, instants are UTC, lists are cut."""
    assert (counted(1, "row"), counted(3_288, "row"), counted(2, "query", "queries")) == (
        "1 row",
        "3,288 rows",
        "2 queries",
    )
    assert instant(NOON_NS) == "2022-12-31 12:00:00 UTC"
    assert listed(list("abcd"), most=2) == "a, b and 2 more"


def test_run_card_says_when_how_long_what() -> None:
    """A run card has the time, the cost, the logs and the rows written."""
    for text in (Reader(RunCard(run())).text, RunCard(run()).text()):
        for fact in ("hot_rooms", "success", "12:00:00.000 UTC", "1.24 ms", "3 rows in"):
            assert fact in text
        for fact in ("1 row into alerts", "checked 3 rows", "WARN", "kitchen is hot"):
            assert fact in text


def test_card_does_not_say_things_twice() -> None:
    """The engine's own rows about begin, end and failure are in the card's head and traceback already."""
    logs = (
        log("starting execution of wal plugin."),
        log("checked"),
        log("error executing: KeyError: 'temp'", LogLevel.ERROR),
        log("finished execution in 1ms"),
    )

    text = RunCard(failed_run(logs=logs)).text()

    assert "checked" in text
    assert "execution" not in text
    assert "error executing" not in text


def test_printed_text_is_marked() -> None:
    """What a plugin printed is told from what it logged."""
    assert "print" in RunCard(run(logs=(log("hello", printed=True),))).text()


def test_failure_shows_the_cell() -> None:
    """A traceback names the cell that the code came from."""
    card = RunCard(failed_run(), {"/tmp/cells/1.py": "Cell In[3]"})

    for text in (Reader(card).text, card.text()):
        assert "Cell In[3], line 4, in process_writes" in text
        assert "/tmp/cells" not in text
        assert "KeyError: 'temp'" in text


def test_dry_run_says_that_nothing_was_stored() -> None:
    """A dry run shows what it would write, its lines and the cache difference."""
    dry = run(dry_run=True, lines={"home": ("alerts,room=k n=1i",)}, cache_changes=CHANGES)

    for text in (Reader(RunCard(dry)).text, RunCard(dry).text()):
        assert "dry run, nothing was stored" in text
        assert "would write" in text
        assert "alerts,room=k n=1i" in text
        assert "absent" not in text
        assert "deleted" in text


def test_response_is_shown_as_text() -> None:
    """JSON is indented; a body that is not text is counted."""
    assert '"n": 1' in RunCard(run(response=response(b'{"n":1}'))).text()
    assert "<2 bytes>" in RunCard(run(response=response(b"\xff\xfe", "image/png"))).text()
    assert "{broken" in RunCard(run(response=response(b"{broken"))).text()


def test_tick_shows_its_due_time() -> None:
    """A scheduled run shows the time that it was for."""
    tick = run(kind=TriggerKind.SCHEDULE, cause=Cause(kind=CauseKind.TICK, instant_ns=NOON_NS))

    assert "due 2022-12-31 12:00:00 UTC" in RunCard(tick).text()


def test_several_runs_are_summed_up() -> None:
    """Repeated runs show how many failed and how long they took."""
    runs = (run(duration_ns=1_000_000), run(duration_ns=3_000_000), failed_run(duration_ns=2_000_000))

    text = RunsCard(runs).text()

    assert "3 runs, 1 failed · 1.00 ms at least, 2.00 ms median, 3.00 ms at most" in text


def test_write_card_shows_rows_columns_and_runs() -> None:
    """A write card has the tables, what is new, and each run that the write caused."""
    card = WriteCard(result=write_result(), duration_ns=900_000, runs=(run(), failed_run()))

    for text in (Reader(card).text, card.text()):
        for fact in ("3 rows into home.room", "900 µs", "new database home", "new table room"):
            assert fact in text
        for fact in ("temp (float)", "name (tag)", "success", "error", "kitchen is hot"):
            assert fact in text


def test_write_card_shows_rejected_lines() -> None:
    """A rejected line has its line, column, reason and text."""
    card = WriteCard(result=write_result(errors=(line_error(),)), duration_ns=1)

    assert "3 rows into home.room, 1 line rejected" in card.text()
    assert "line 2, column 11: invalid field value" in card.text()
    assert "2 11 invalid field value room temp=x" in Reader(card).text


def test_write_card_says_that_it_follows() -> None:
    """While runs go on the card says so, and no longer when all have ended."""
    waiting = WriteCard(result=write_result(), duration_ns=1, is_waiting=True)

    assert "this card follows them" in waiting.text()
    assert "follows" not in WriteCard(result=write_result(), duration_ns=1).text()


def test_no_sync_write_does_not_claim_durability() -> None:
    """Without a sequence number the rows are not yet durable, and the card says so."""
    card = WriteCard(result=write_result(wal_sequence_number=None), duration_ns=1)

    assert "in memory, durable with the next flush" in card.text()


@pytest.mark.parametrize("outcome", RunOutcome)
def test_every_outcome_has_words(outcome: RunOutcome) -> None:
    """Each outcome of a run can be shown."""
    assert RunCard(run(outcome=outcome)).text()


def test_memory_store_says_that_nothing_survives() -> None:
    """With the memory object store the status card promises nothing past the process."""
    card = StatusCard(is_running=True, version="1", object_store="memory")

    assert NOTHING_SURVIVES in Reader(card).text


def test_result_shows_bounded_rows_and_types() -> None:
    """A result shows its first 20 rows, the types, the count and the time; NULL is marked."""
    table = pa.table(
        {
            "room": pa.array(["k"] * 30).dictionary_encode(),
            "temp": pa.array([None, *[54.333333333333336] * 29]),
            "time": pa.array([NOON_NS] * 30, pa.timestamp("ns")),
        }
    )

    text = Reader(QueryResult(table, 1_240_000)).text

    for fact in ("30 rows", "3 columns", "1.24 ms", "the first 20 are shown", "room tag", "temp float"):
        assert fact in text
    assert "NULL" in text
    assert "54.33333333" in text
    assert text.count("2022-12-31 12:00:00") == 20


def test_query_result_says_durations_with_their_unit() -> None:
    """A column of durations is read as what it is, below its plain type; a view of texts is a string."""
    table = pa.table(
        {
            "longest": pa.array([103_215_425, -2_000, 0, None], pa.duration("ns")),
            "seconds": pa.array([75, 1, 0, None], pa.duration("s")),
            "room": pa.array(["Attic"] * 4, pa.string_view()),
        }
    )

    text = Reader(QueryResult(table)).text

    assert "longest duration seconds duration room string" in text
    assert "103 ms 1 min 15 s Attic -2.00 µs 1.00 s Attic 0 ns 0 ns Attic NULL NULL Attic" in text


def test_result_gives_its_data_to_any_library() -> None:
    """pandas, polars and pyarrow take a result, directly or by its methods."""
    import pandas as pd

    result = QueryResult(pa.table({"n": [1, 2]}))

    assert result.to_arrow().equals(pa.table(result))
    assert result.to_pandas().equals(pd.DataFrame({"n": [1, 2]}))
    assert result.to_polars()["n"].to_list() == [1, 2]
    assert len(result) == 2


def test_tags_become_text_for_other_libraries() -> None:
    """A tag's dictionary may hold a value twice, which pandas refuses: tags are handed on as text."""
    codes, values = pa.array([0, 1], pa.int32()), pa.array(["k", "k"])
    result = QueryResult(pa.table({"room": pa.DictionaryArray.from_arrays(codes, values)}))

    assert result.to_pandas()["room"].to_list() == ["k", "k"]
    assert result.to_polars()["room"].to_list() == ["k", "k"]


def test_trigger_list_shows_state_and_last_run() -> None:
    """Each trigger has its specification, state and last run."""
    trigger = Trigger(database="home", name="t", plugin_filename="p.py", spec="every:1h", run_async=True)

    fresh = TriggerLine(trigger=trigger, state="enabled")
    failing = TriggerLine(
        trigger=trigger,
        state="retrying",
        reason="attempt 2",
        runs=7,
        errors=1,
        last_run_ns=NOON_NS,
        last_outcome=RunOutcome.ERROR,
        next_fire_ns=NOON_NS,
    )

    text = TriggerList((fresh, failing)).text()

    html = str(TriggerList((fresh, failing)).html())
    assert html.count("<th>") * 2 == html.count("<td>")
    assert "enabled, asynchronous · 0 runs · not yet" in text
    assert "retrying: attempt 2, asynchronous · 7 runs, 1 failed" in text
    assert "failed 12:00:00 · next 2022-12-31 12:00:00" in text
    assert TriggerList(()).text() == "no triggers"


@pytest.mark.parametrize(
    ("outcome", "text", "tone"),
    [
        (RunOutcome.SUCCESS, "success", "good"),
        (RunOutcome.ERROR, "failed", "bad"),
        (RunOutcome.WRITE_ERROR, "lines rejected", "bad"),
        (RunOutcome.CANCELLED, "cancelled", "warn"),
        (RunOutcome.LIMIT_EXCEEDED, "past a limit", "bad"),
    ],
)
def test_trigger_list_says_how_the_last_run_ended(outcome: RunOutcome, text: str, tone: str) -> None:
    """Only a run that succeeded is called a success, and each end has its colour."""
    trigger = Trigger(database="home", name="t", plugin_filename="p.py", spec="every:1h")
    line = TriggerLine(
        trigger=trigger, state="enabled", runs=1, last_run_ns=NOON_NS, last_outcome=outcome
    )

    listed = TriggerList((line,))

    assert f"1 run · {text} 12:00:00" in listed.text()
    assert f'pe-text-{tone}">{text} 12:00:00' in str(listed.html())


def test_trigger_list_says_what_is_going_on() -> None:
    """A trigger inside its first run is listed as running, with the events that wait."""
    trigger = Trigger(database="home", name="t", plugin_filename="p.py", spec="every:1h")
    busy = TriggerLine(trigger=trigger, state="enabled", in_flight=1, queue_depth=3)
    crowded = TriggerLine(trigger=trigger, state="enabled", in_flight=2)

    for text in (Reader(TriggerList((busy, crowded))).text, TriggerList((busy, crowded)).text()):
        assert "running, 3 waiting, 0 runs" in text
        assert "2 running, 0 runs" in text
        assert "no run" not in text


def test_trigger_list_says_what_a_trigger_cannot_keep_up_with() -> None:
    """The warning stands with the state, how far it is behind with the runs, its limits with both."""
    trigger = Trigger(
        database="home", name="t", plugin_filename="p.py", spec="all_tables", limits=RunLimits(runs=4)
    )
    line = TriggerLine(
        trigger=trigger,
        state="enabled",
        queue_depth=20,
        warning="it is behind",
        lag_rows=1200,
        lag_seconds=12.34,
    )

    for text in (Reader(TriggerList((line,))).text, TriggerList((line,)).text()):
        assert "enabled, warning: it is behind, limits runs=4" in text
        assert "20 waiting (1,200 rows, 12.3 s behind), 0 runs" in text
    assert "pe-warn" in str(TriggerList((line,)).html())


def test_what_is_left_out_is_counted() -> None:
    """Both forms of a card say how much they leave out, and where the rest is."""
    logs = tuple(log(f"line {number}") for number in range(25))
    lines = {"home": tuple(f"alerts n={number}i" for number in range(15))}
    dry = RunCard(run(dry_run=True, logs=logs, lines=lines))

    for text in (Reader(dry).text, dry.text()):
        assert "5 more lines: run.logs" in text
        assert "3 more lines" in text
        assert "system.processing_engine_logs" not in text
    for text in (Reader(RunCard(run(logs=logs))).text, RunCard(run(logs=logs)).text()):
        assert "5 more in system.processing_engine_logs" in text
    assert "... and 5 more lines: run.logs" in dry.text()


def test_rejected_lines_past_the_first_are_counted() -> None:
    """A write card shows the first rejected lines and says how many more there are, in both forms."""
    card = WriteCard(result=write_result(errors=(line_error(),) * 12), rejected=40, duration_ns=1)

    assert "... and 30 more rejected lines" in card.text()
    assert "30 more rejected lines" in Reader(card).text


def test_dry_run_with_rejected_lines_claims_no_rows() -> None:
    """A dry run whose lines would be rejected shows the lines and why, and does not count them as written."""
    rejected = run(
        outcome=RunOutcome.WRITE_ERROR,
        dry_run=True,
        writes={("home", "alerts"): 1},
        lines={"home": ("alerts n=1i",)},
        write_errors=("line protocol parse error on write to db home: n is a float",),
    )

    for text in (Reader(RunCard(rejected)).text, RunCard(rejected).text()):
        assert "lines would be rejected" in text
        assert "n is a float" in text
        assert "alerts n=1i" in text
        assert "would write" not in text
        assert "wrote" not in text


def test_run_with_some_lines_rejected_says_what_it_wrote() -> None:
    """When one database's lines were rejected and another's stored, the card says both."""
    partly = RunCard(run(outcome=RunOutcome.WRITE_ERROR, write_errors=("bad line",)))
    none = RunCard(run(outcome=RunOutcome.WRITE_ERROR, write_errors=("bad line",), writes={}))

    for text in (Reader(partly).text, partly.text()):
        assert "some lines were rejected" in text
        assert "wrote 1 row into alerts" in text
        assert "nothing" not in text
    assert "wrote nothing: lines were rejected" in none.text()
