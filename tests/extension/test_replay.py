"""%replay sends recorded rows through a database's triggers; %record makes recordings."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from procengine_jupyter.render.bars import Series, stacked_bars
from procengine_jupyter.render.comparison_card import ComparisonCard
from procengine_jupyter.render.replay_card import ReplayCard, ReplayProgressCard
from procengine_jupyter.replay_panel import ReplayPanel

from procengine.replay import Replay, ReplayProgress, ReplayResult, ReplayState
from tests.extension.conftest import HOT_ROOMS, Notebook
from tests.extension.records import HOSTILE, NOON_NS

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
HOURLY = """%%plugin minutely --trigger every:1m --database house
def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.cache.put("calls", influxdb3_local.cache.get("calls", default=0) + 1)
"""
LINES = "\n".join(
    f"home,room={'Attic' if n % 2 else 'Kitchen'} temp={20 + n % 6}.5 {NOON_NS + n * SECOND}"
    for n in range(180)
)


@pytest.fixture
def house(notebook: Notebook) -> Notebook:
    """A notebook with a write and a schedule trigger, and files of three minutes of rows."""
    notebook.run(HOT_ROOMS)
    notebook.run(HOURLY)
    Path("home.lp").write_text(LINES)
    Path("home.lp.gz").write_bytes(gzip.compress(LINES.encode()))
    return notebook


def test_replay_shows_what_came_of_it(house: Notebook) -> None:
    """The result's card has the rows, the runs of each trigger, the state and how it was done."""
    result = house.run("%replay home.lp")
    card = ReplayCard(result)
    assert result.rows("alert").num_rows == 90
    assert {cost.trigger: cost.runs for cost in result.costs()} == {"hot_rooms": 180, "minutely": 3}
    text = card.text()
    assert text.startswith("replay of home.lp in house · 180 rows in ")
    assert "batches: 1s · seed 0" in text
    assert "rows: home 180, alert 90" in text
    assert "plugin cache: house/minutely calls = 3" in text
    assert "minutely" in card.html()
    assert house.engine.query("SELECT * FROM system.processing_engine_logs", "house").num_rows == 0


def test_replay_result_shows_itself_as_a_card(house: Notebook) -> None:
    """Left at a cell's end a result, and a comparison, are cards; after unloading they are not."""
    result = house.run("%replay home.lp.gz")
    formatter = house.shell.display_formatter
    for value, title in (
        (result, "replay of home.lp.gz"),
        (result.compare(result), "comparison of two"),
    ):
        data, _ = formatter.format(value)
        assert title in data["text/html"]
    house.run("%unload_ext procengine")
    assert "text/html" not in formatter.format(result)[0]


def test_replay_of_variables_and_queries(house: Notebook) -> None:
    """A DataFrame, line protocol as text, and what a query answers, with the tags of the table."""
    house.shell.user_ns["text"] = LINES
    house.run("%write home.lp old")
    house.run("import pandas as pd")
    house.run("frame = %replay text --batch row")
    house.run("home = frame.rows('home').to_pandas()")
    found = [
        house.run(f"%replay {words}").rows("alert").num_rows
        for words in (
            "text",
            "home --tags room",
            '--query "SELECT * FROM home" --query-database old',
            (
                '--query "SELECT * FROM home" --query-database old -d house'
                " --from 2022-12-31T12:02:00 --to 2022-12-31T12:03"
            ),
        )
    ]
    assert found == [90, 90, 90, 30]


def test_replay_into_a_new_database(house: Notebook) -> None:
    """Its rows are there for queries; a database that exists is left alone."""
    house.run("%replay home.lp --into tried")
    assert house.engine.query(
        "SELECT count(*) AS n FROM alert WHERE room = 'Attic'", "tried"
    ).to_pylist() == [{"n": 60}]
    assert "there is such a database, and a replay changes none" in house.fails(
        "%replay home.lp -d house --into tried"
    )


def test_replay_compares_two_versions(house: Notebook) -> None:
    """The comparison's card is shown: which rows differ, when, and what the versions cost."""
    house.run(
        HOT_ROOMS.replace(
            "%%plugin hot_rooms --trigger table:home --database house --args limit=22.5", "%%plugin cold"
        )
    )
    Path("plugins/cold.py").write_text(
        Path("plugins/hot_rooms.py").read_text().replace('row["temp"] >', 'row["temp"] + 1 <')
    )
    house.run("before = %replay home.lp")
    result = house.run("%replay home.lp --swap hot_rooms=cold --compare before --out after")
    assert house.shell.user_ns["after"] is result
    card = ComparisonCard(house.shell.user_ns["before"].compare(result))
    shown = next(text for text in house.shown if text.startswith("comparison"))
    assert shown == card.text()
    assert "alert: 0 the same, 30 added, 0 changed, 90 missing" in shown
    assert "hot_rooms: 180 runs, p50" in shown
    assert card.html().count("<rect") > 2
    assert "missing 90" in card.html()


def test_replay_shows_failures_at_the_cells_line(house: Notebook) -> None:
    """The first failed runs stand in the card with their traceback; the others are counted."""
    Path("bad.lp").write_text("\n".join(f"home,room=x hum=1 {NOON_NS + n * SECOND}" for n in range(5)))
    text = ReplayCard(house.run("%replay bad.lp"), {}).text()
    assert "5 failed runs" in text
    assert "KeyError: 'temp'" in text
    assert "if row[" in text


def test_replay_twice_names_what_is_not_the_same(house: Notebook) -> None:
    """A trigger that reads the machine's clock, or a generator without a seed, is named; the others are not."""
    house.run(
        "%%plugin by_clock --trigger every:1m --database house\nimport time\n"
        "def process_scheduled_call(influxdb3_local, call_time, args=None):\n"
        "    influxdb3_local.info(time.perf_counter_ns())\n"
    )
    house.run(
        "%%plugin by_chance --trigger every:1m --database house\nimport uuid\n"
        "def process_scheduled_call(influxdb3_local, call_time, args=None):\n"
        "    influxdb3_local.write(LineBuilder('x').tag('id', str(uuid.uuid4())).int64_field('n', 1))\n"
        "    influxdb3_local.cache.put(str(uuid.uuid4()), 1)\n"
    )
    house.run(
        "%%plugin by_seed --trigger every:1m --database house\nimport random\n"
        "def process_scheduled_call(influxdb3_local, call_time, args=None):\n"
        "    influxdb3_local.info(random.random())\n"
        "    influxdb3_local.cache.put('x', random.random())\n"
    )
    notes = house.run("%replay home.lp --twice").notes
    by_text = [note for note in notes if note.startswith("Cell In[")]
    assert len([note for note in by_text if "time.perf_counter_ns" in note]) == 1
    assert len([note for note in by_text if "uuid.uuid4" in note]) == len(by_text) - 1 == 2
    assert [note.split(" is not the same")[0] for note in notes if note not in by_text] == [
        "trigger by_clock",
        "trigger by_chance",
        "table x",
        "plugin cache house/by_chance",
    ]
    assert house.run("%replay home.lp --twice --trigger hot_rooms").notes == ()


def test_replay_notes_what_is_the_same_in_this_process_alone(house: Notebook) -> None:
    """Two replays beside each other do not show it: the order of a set is another one in another process."""
    house.run(
        "%%plugin rooms --trigger table:home --database house\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    for room in {row['room'] for batch in table_batches for row in batch['rows']}:\n"
        "        influxdb3_local.info(room)\n"
    )
    [note] = house.run("%replay home.lp --twice --trigger rooms").notes
    assert note.startswith("Cell In[")
    assert ", line 3: the order of a set of texts goes by the process's hash seed" in note
    assert note.endswith("; go through sorted(...) of it, or through a dict or list")


def test_replay_says_when_no_trigger_ran(house: Notebook) -> None:
    """A database without triggers replays rows, and the card says so."""
    house.engine.catalog.create_database("empty")
    html = ReplayCard(house.run("%replay home.lp -d empty")).html()
    assert "no trigger ran" in html


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("", "nothing to replay: name a file or a variable, or say --query"),
        ("nothing.lp", "'nothing.lp' is neither a variable nor a file below"),
        ("home.lp --query 'SELECT 1'", "a replay has one source"),
        (
            "home.lp --speed fast",
            "--speed cannot be 'fast': expected max, or virtual seconds a real one",
        ),
        ("home.lp --batch often", "batch cannot be 'often'"),
        ("home.lp --from yesterday", "--from cannot be 'yesterday': expected now, a time such as"),
        ("home.lp --from 2023-01-02 --to 2023-01-01", "from must come before to"),
        (
            "home.lp --from 2024-01-01",
            "no rows lie in the range of the replay; the source has rows from 2022-12-31",
        ),
        ("home.lp --trigger x", "trigger not found: x in database house"),
        (
            "home.lp --plugin x",
            "no trigger of house runs plugin 'x'; expected one of: hot_rooms.py, minutely.py",
        ),
        ("home.lp --swap x", "'x' is not of the form old.py=new.py"),
        ("home.lp --swap hot_rooms=gone", "trigger hot_rooms cannot be replayed"),
        ("home.lp --seed -1", "'-1' is not a whole number of at least 0"),
        (
            "home.lp --compare LINES",
            "--compare takes the result of an earlier replay: 'LINES' is no variable",
        ),
        ("home.lp --out 1x", "--out cannot be '1x'"),
        ("home.lp --paused", "--paused is for --background"),
        ("home.lp --into x --background", "--into needs the result"),
        ("home.lp --database nowhere", "nowhere"),
        ("bad.lp", "nothing was replayed\n  line 2, column 11"),
        ("figure", "figure is of type int; a variable is a DataFrame"),
    ],
)
def test_replay_says_what_is_accepted(house: Notebook, words: str, reason: str) -> None:
    """Misuse is one line, without a traceback."""
    Path("bad.lp").write_text("home temp=1 1\nhome temp=x 2")
    house.shell.user_ns["figure"] = 1
    assert reason in house.fails(f"%replay {words}")


def test_replay_asks_whose_triggers(house: Notebook) -> None:
    """Where several databases have triggers, one has to be named."""
    house.run(HOT_ROOMS.replace("--database house", "--database garden").replace("hot_rooms", "others"))
    assert "whose triggers are to run? --database NAME says it; there are: " in house.fails(
        "%replay home.lp"
    )


def test_replay_interrupted_keeps_the_engine_whole(
    house: Notebook, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stop button ends the replay, shows what was done, and the next one runs as if nothing had been."""
    wait, waits = Replay.wait, []

    def interrupted(self: Replay, timeout_seconds: float | None = None) -> ReplayResult:
        waits.append(timeout_seconds)
        if len(waits) == 1:
            raise KeyboardInterrupt
        return wait(self, timeout_seconds)

    threads = set(threading.enumerate())
    monkeypatch.setattr(Replay, "wait", interrupted)
    assert "of 180 rows; nothing outside the replay has changed" in house.fails(
        "%replay home.lp --speed 1x"
    )
    assert any("stopped · " in text for text in house.shown)
    assert set(threading.enumerate()) == threads
    assert house.run("%replay home.lp").row_count == 180


def test_replay_in_the_background_has_buttons(house: Notebook) -> None:
    """Step takes one step, go on the rest; then the panel shows the result and no buttons."""
    replay = house.run("%replay home.lp --background --paused --out later")
    panel = ReplayPanel(replay, loop=None, cell_names={})
    assert panel.pause.description == "go on"
    assert "replay paused" in panel.body.value
    panel.step.click()
    panel.pause.click()
    replay.wait(30)
    panel._look()
    assert "replay of home.lp" in panel.body.value
    assert panel.buttons.layout.display == "none"
    assert house.shell.user_ns["later"] is replay
    result = house.run("%replay home.lp --compare later")
    assert any(
        text.startswith("comparison of two replays · the same rows and state") for text in house.shown
    )
    assert isinstance(result, ReplayResult)


def test_replay_buttons_are_obeyed_on_the_kernels_thread(house: Notebook) -> None:
    """A page's message comes on a subshell's thread, and is handed on; nobody draws there."""
    handed: list[Callable[[], None]] = []

    class Loop:
        def add_callback(self, call: Callable[..., None], *arguments: object) -> None:
            handed.append(lambda: call(*arguments))

    replay = house.run("%replay home.lp --background --paused")
    panel = ReplayPanel(replay, loop=Loop(), cell_names={})
    subshell = threading.Thread(target=panel.pause.click)
    subshell.start()
    subshell.join()
    assert panel.pause.description == "go on"
    (press,) = handed
    press()
    assert panel.pause.description == "pause" or not replay.is_running
    replay.end()


def test_replay_in_the_background_can_be_stopped(house: Notebook) -> None:
    """The stop button ends it after the step that it is in."""
    replay = house.run("%replay home.lp --background --speed 1x")
    panel = ReplayPanel(replay, loop=None, cell_names={})
    panel.stop.click()
    assert replay.wait(30).stopped


def test_replay_in_the_background_ends_with_the_engine(house: Notebook) -> None:
    """Stopping the engine leaves no replay behind."""
    replay = house.run("%replay home.lp --background --paused")
    house.run("%procengine stop")
    assert not replay.is_running
    assert replay.wait().stopped


def test_replay_panel_is_text_where_no_page_is_live(house: Notebook) -> None:
    """A terminal shows how far it is."""
    replay = house.run("%replay home.lp --background --paused")
    data, _ = house.shell.display_formatter.format(replay)
    assert data["text/plain"].startswith("replay paused: 0 of 180 rows · 0%")
    replay.end()


def test_replay_progress_says_virtual_time_rate_and_errors() -> None:
    """All that a reader wants to know while it goes on."""
    progress = ReplayProgress(
        state=ReplayState.RUNNING,
        rows_done=500,
        rows_total=2_000,
        start_ns=NOON_NS,
        now_ns=NOON_NS + MINUTE,
        end_ns=NOON_NS + 4 * MINUTE,
        runs=600,
        errors=2,
        elapsed_ns=SECOND // 2,
    )
    card = ReplayProgressCard(progress)
    assert card.text() == (
        "replaying: 500 of 2,000 rows · 25% · at 2022-12-31 12:01:00 UTC · 1,000 rows/s · 600 runs · 2 errors"
    )
    assert 'value="0.2500"' in card.html()


def test_replay_cards_escape_what_is_foreign(house: Notebook) -> None:
    """What plugins and files say is text, never markup."""
    house.shell.user_ns["text"] = f'home,room=Attic temp=30,say="<script>" {NOON_NS}'
    house.run(
        "%%plugin hostile --trigger table:home --database house\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        f"    influxdb3_local.cache.put('<script>', {HOSTILE!r})\n"
        "    raise ValueError('<script>')\n"
    )
    result = house.run("%replay text")
    empty = house.run("%replay text --trigger minutely")
    for html in (ReplayCard(result).html(), ComparisonCard(empty.compare(result)).html()):
        assert "<script" not in html


def test_bars_stack_and_leave_out_what_is_nothing() -> None:
    """The highest bar fills the height; a series without any count is not in the legend."""
    html = stacked_bars(
        [
            Series("added", (1, 3), "green"),
            Series("missing", (0, 1), "red"),
            Series("changed", (0, 0), "blue"),
        ],
        begin="b",
        end="e",
    )
    assert html.count("<rect") == 3
    assert "at most 4 a bar" in html
    assert "changed" not in html
    assert stacked_bars([Series("added", (0,), "green")], begin="b", end="e") == ""


def test_record_and_replay(house: Notebook) -> None:
    """What came in while it was recorded is replayed by the recording's name."""
    house.run("%record start day --database house")
    house.run(f"%%write house\nhome,room=Attic temp=30 {NOON_NS}")
    assert "1 row" in house.run("%record").text()
    house.engine.wait_idle(30)
    assert house.run("%record stop").text() == (
        "recorded house · 1 row · 0 requests · 0 ticks\n  %replay day.recording"
    )
    assert house.run("%replay day").rows("alert").num_rows == 1


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        (["%record stop"], "nothing is being recorded; %record start NAME --database DB begins"),
        (["%record start day"], "a recording needs the name of its file, and a database"),
        (
            ["%record start a -d house", "%record start b -d house"],
            "a.recording is being recorded; one at a time",
        ),
        (["%record start a -d house", "%record stop a"], "%record stop takes no name"),
        (["%record start a -d nowhere"], "nowhere"),
        (["%record begin"], "invalid choice: 'begin'"),
    ],
)
def test_record_says_what_is_accepted(house: Notebook, cells: list[str], reason: str) -> None:
    """Misuse is one line."""
    for cell in cells[:-1]:
        house.run(cell)
    assert reason in house.fails(cells[-1])


def test_replay_and_record_have_help(house: Notebook) -> None:
    """The help shows options and examples."""
    magics: Any = house.shell.magics_manager.magics["line"]
    assert "before = %replay frame --tags room" in magics["replay"].__doc__
    assert "%record start day --database house" in magics["record"].__doc__
