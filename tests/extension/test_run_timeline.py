"""The timeline: which runs a window of time has, what is drawn of them, live, in HTML and in text."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from procengine_jupyter.inspectors import run_state
from procengine_jupyter.inspectors.inspector import Inspector
from procengine_jupyter.inspectors.live_inspector import LiveInspector
from procengine_jupyter.inspectors.run_index import OUTCOMES, RunIndex
from procengine_jupyter.inspectors.run_state import RunState
from procengine_jupyter.inspectors.run_window import MOST_MARKS_A_LANE, marks
from procengine_jupyter.inspectors.timeline_widget import TimelineWidget
from procengine_jupyter.render.timeline import MOST_LANES, timeline_lines, timeline_svg

from procengine.clock import VirtualClock
from procengine.model.run import Run, RunOutcome
from procengine.model.run_columns import RUN_COLUMNS, encode_runs
from procengine.processing.run_history import RunHistory
from tests.extension.records import HOSTILE, NOON_NS, run

SECOND = 1_000_000_000


def at(second: float, run_id: int, outcome: RunOutcome = RunOutcome.SUCCESS, **more: object) -> Run:
    """Return a run that began some seconds after noon and took 10 ms."""
    return run(
        run_id=run_id,
        started_ns=NOON_NS + int(second * SECOND),
        duration_ns=10_000_000,
        outcome=outcome,
        **more,
    )


def index_of(*runs: Run) -> RunIndex:
    """Return an index that has runs."""
    index = RunIndex()
    index.add(runs)
    return index


def window(index: RunIndex, begin: float, end: float, **more: Any) -> Any:
    """Return the marks between two seconds after noon."""
    return marks(index.runs, NOON_NS + int(begin * SECOND), NOON_NS + int(end * SECOND), **more)


def test_index_takes_runs_and_their_rows_alike() -> None:
    """A run is the same in the index whether it ended just now or comes from the history's files."""
    import pyarrow as pa

    runs = [
        at(1, 5, trigger="b"),
        at(0, 7, RunOutcome.ERROR, trigger="a", database="other"),
        at(2, 6, RunOutcome.CANCELLED, trigger="b"),
    ]
    live, read = RunIndex(), RunIndex()
    live.add(runs)
    read.add_table(pa.Table.from_batches([encode_runs(runs)], RUN_COLUMNS))
    assert live.lanes == read.lanes == {("home", "b"): 0, ("other", "a"): 1}
    for name in ("run", "start", "end", "lane", "outcome"):
        assert getattr(live.runs, name).tolist() == getattr(read.runs, name).tolist()


def test_lanes_stand_by_the_triggers_names() -> None:
    """A reader finds a trigger by its name, numbers in it by their size, whichever ran first."""
    index = index_of(*(at(n, n, trigger=name) for n, name in enumerate(("t10", "t9", "a", "t"))))
    runs, lanes = index.by_name()
    assert [name for _, name in lanes] == ["a", "t", "t9", "t10"]
    assert [lanes[lane][1] for lane in runs.lane] == ["t10", "t9", "a", "t"]


def test_index_lets_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is bounded, and grows in steps."""
    monkeypatch.setattr("procengine_jupyter.inspectors.run_index.MOST_RUNS", 2_000)
    index = RunIndex()
    for number in range(0, 9_000, 500):
        index.add([at(number + n, number + n) for n in range(500)])
    kept = index.runs.run.tolist()
    assert kept == list(range(9_000 - len(kept), 9_000))
    assert 2_000 <= len(kept) <= 4_500


def test_window_has_the_runs_that_it_cuts() -> None:
    """A run that began before the window or ends after it belongs to it."""
    long = run(run_id=3, started_ns=NOON_NS - SECOND, duration_ns=100 * SECOND)
    found = window(index_of(long, at(1, 4), at(20, 5)), 0, 10)
    assert found.run.tolist() == [3, 4]
    assert found.count.tolist() == [1, 1]


def test_dense_lane_is_binned_and_a_sparse_one_beside_it_is_not() -> None:
    """A bin tells how many runs it has, how many of them failed, and the newest of those that ended worst."""
    dense = [
        at(n / 100, n, RunOutcome.ERROR if n in (500, 502) else RunOutcome.SUCCESS)
        for n in range(MOST_MARKS_A_LANE * 3)
    ]
    sparse = [at(n, 10_000 + n, RunOutcome.CANCELLED, trigger="sparse") for n in range(3)]
    index = index_of(*dense, *sparse)
    found = window(index, 0, 12, bins=100)
    assert int(found.count.sum()) == len(dense) + len(sparse)
    assert len(found) < 200
    assert found.run[found.lane == 1].tolist() == [10_000, 10_001, 10_002]
    (bad,) = np.flatnonzero((found.lane == 0) & (found.failed > 0))
    assert (found.run[bad], found.failed[bad]) == (502, 2)
    assert OUTCOMES[found.outcome[bad]] is RunOutcome.ERROR


def test_bins_keep_their_places_as_the_window_moves() -> None:
    """Nothing flickers while a reader pans: the same runs share a bin."""
    index = index_of(*(at(n / 100, n) for n in range(2_000)))
    one, other = window(index, 0, 16), window(index, 0.37, 16.37)
    middle = set(one.start[5:-5].tolist())
    assert middle & set(other.start.tolist()) == {
        start for start in middle if start >= other.start.min()
    }


def test_hundred_thousand_runs_are_sent_as_few_marks() -> None:
    """However many runs there are, a page gets no more marks than it has pixels for."""
    index = RunIndex()
    rng = np.random.default_rng(5)
    for lane in range(10):
        starts = np.sort(rng.integers(0, 3_600, 10_000)).tolist()
        index.add([at(second, lane * 10_000 + n, trigger=f"t{lane}") for n, second in enumerate(starts)])
    found = window(index, 0, 3_600, bins=800)
    assert int(found.count.sum()) == 100_000
    assert len(found) <= 10 * 401


def test_outcomes_differ_in_more_than_colour() -> None:
    """Each outcome has a height or a sign of its own in the drawing, and its name in the legend."""
    index = index_of(*(at(n, n, outcome) for n, outcome in enumerate(RunOutcome)))
    drawn = str(timeline_svg(index.runs, [*index.lanes]))
    for word in ("success", "▼ error", "▲ lines rejected", "○ cancelled", "■ past a limit"):
        assert word in drawn
    for sign in "▼▲○■":
        assert drawn.count(sign) == 2  # in its lane and in the legend


def test_drawing_shows_names_as_text() -> None:
    """A trigger cannot bring markup into a snapshot."""
    index = index_of(at(0, 1, trigger=HOSTILE))
    drawn = str(timeline_svg(index.runs, [*index.lanes]))
    assert "<script" not in drawn
    assert "&lt;script" in drawn


def test_drawing_of_no_runs_is_nothing() -> None:
    """There is no empty frame, in HTML and in text."""
    assert timeline_svg(RunIndex().runs, []) == ""
    assert timeline_lines(RunIndex().runs, []) == []


def test_text_shows_when_runs_were_and_which_failed() -> None:
    """A line a lane: blocks for runs, a cross where one did not succeed, the counts, and the window below."""
    index = index_of(at(0, 1), at(59, 2, RunOutcome.ERROR), at(30, 3, trigger="b"))
    one, other, below = timeline_lines(index.runs, [*index.lanes])
    assert one.startswith("hot_rooms | █")
    assert one.endswith("✗ | 2 runs, 1 not successful")
    assert other.startswith("b         |")
    assert other.endswith("| 1 run")
    assert below.strip() == "2022-12-31 11:59:58 UTC - 2022-12-31 12:01:00 UTC"


def test_text_leaves_many_lanes_out_and_says_so() -> None:
    """A terminal is not filled with a thousand triggers."""
    index = index_of(*(at(n, n, trigger=f"t{n}") for n in range(MOST_LANES + 5)))
    assert timeline_lines(index.runs, [*index.lanes])[MOST_LANES] == "and 5 more triggers"


class Page(TimelineWidget):
    """A timeline whose page is a list of what it was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[dict[str, Any], list[memoryview]]] = []
        self.chosen_runs: list[int | None] = []
        super().__init__(
            now_ns=lambda: NOON_NS, on_choice=self.chosen_runs.append, on_sight=lambda _: None
        )

    def send(self, content: Any, buffers: Any = None) -> None:
        """Keep a message."""
        self.sent.append((content, buffers))


def ask(page: Page, **more: object) -> None:
    """Ask for a window of ten seconds around noon."""
    noon = NOON_NS // 1_000
    said = {
        "from": noon - 5_000_000,
        "to": noon + 5_000_000,
        "bins": 100,
        "first_lane": 0,
        "last_lane": 9,
        "place": "cell",
    }
    page._message(page, {"kind": "window", **said, **more}, [])


def test_page_gets_the_marks_of_its_window_as_numbers() -> None:
    """Times are microseconds as doubles, the rest whole numbers; lanes out of sight are left out."""
    page = Page()
    page.show(index_of(at(1, 4), at(2, 5, RunOutcome.ERROR, trigger="z"), at(60, 6)))
    ask(page)
    content, (times, rest) = page.sent[0]
    assert (content["kind"], content["count"], content["version"]) == ("marks", 2, 1)
    assert content["place"] == "cell"
    start, duration, runs = np.frombuffer(times, np.float64).reshape(3, 2).tolist()
    assert start == [NOON_NS / 1_000 + 1e6, NOON_NS / 1_000 + 2e6]
    assert duration == [10_000, 10_000]
    assert runs == [4, 5]
    assert np.frombuffer(rest, np.int32).reshape(4, 2).tolist() == [[0, 1], [0, 1], [1, 1], [0, 1]]
    ask(page, first_lane=1)
    assert page.sent[1][0]["count"] == 1


@pytest.mark.parametrize(
    "said", [{"from": 5, "to": 1}, {"bins": "many"}, {"from": None}, {"to": 1e300, "from": -1e300}]
)
def test_page_that_asks_for_nonsense_breaks_nothing(said: dict[str, object]) -> None:
    """What is not understood is passed over; a window of any length is cut to what there can be."""
    page = Page()
    page.show(index_of(at(1, 4)))
    ask(page, **said)
    assert [content["count"] for content, _ in page.sent] in ([], [1])


def test_page_is_told_of_new_runs_once_and_of_none_never() -> None:
    """The same runs again change nothing, so that nothing is sent."""
    page, index = Page(), index_of(at(1, 4))
    page.show(index)
    page.show(index)
    assert page.version == 1
    index.add([at(2, 5)])
    page.show(index)
    assert page.version == 2
    assert page.bounds[:2] == [(NOON_NS + SECOND) // 1_000, (NOON_NS + 2 * SECOND + 10_000_000) // 1_000]


def test_page_is_told_since_when_there_are_runs_of_late() -> None:
    """What it shows of the present fits the last runs, not the whole history; a run counts by its end."""
    page = Page()
    index = index_of(at(-9_000, 1), at(1, 4), at(2, 5))
    page.show(index)
    assert page.bounds[2] == (NOON_NS + SECOND) // 1_000
    index.add([at(149, 6)])
    page.show(index)
    assert page.bounds[2] == (NOON_NS + SECOND) // 1_000
    index.add([at(154, 7)])
    page.show(index)
    assert page.bounds[2] == (NOON_NS + 149 * SECOND) // 1_000
    assert page.bounds[0] == (NOON_NS - 9_000 * SECOND) // 1_000


def test_run_chosen_in_the_page_is_told_and_marked() -> None:
    """A choice has the run's place, so that the page can bring it into sight; none has none."""
    page = Page()
    page.show(index_of(at(1, 4)))
    page._message(page, {"kind": "choose", "run": 4.0}, [])
    page._message(page, {"kind": "choose", "run": -1}, [])
    assert page.chosen_runs == [4, None]
    page.choose(4)
    assert page.chosen[:2] == [4, 0]
    assert math.isclose(page.chosen[3] - page.chosen[2], 10_000)
    page.choose(99)
    assert page.chosen == []


def state(history: RunHistory, trigger: str | None = None) -> RunState:
    """Return the state that an inspector looks at."""
    return RunState(history, trigger, clock=VirtualClock(NOON_NS))


def test_state_follows_the_runs_that_are_its_own() -> None:
    """A look takes what is new: no dry run, and no other trigger's when one was named."""
    history = RunHistory(capacity=5)
    history.add(at(0, 1))
    mine = state(history, "hot_rooms")
    assert mine.version() == mine.version()
    history.add(at(1, 2, trigger="other"))
    history.add(at(2, 3, dry_run=True))
    before = mine.version()
    assert before == (1, 1)
    history.add(at(3, 4))
    assert mine.version() == (2, 4)
    assert list(mine.contents().keys) == [4, 1]
    assert mine.index.runs.run.tolist() == [1, 4]


def test_state_begins_anew_after_more_runs_than_are_in_memory() -> None:
    """A burst between two looks leaves no gap that the history could fill, and no run twice."""
    history = RunHistory(capacity=3)
    history.add(at(0, 1))
    mine = state(history)
    for number in range(2, 9):
        history.add(at(number, number))
    assert list(mine.contents().keys) == [8, 7, 6]
    history.add(at(9, 9))
    assert list(mine.contents().keys) == [9, 8, 7, 6]
    assert mine.index.runs.run.tolist() == [6, 7, 8, 9]


def test_run_that_ends_while_all_are_read_comes_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read and what follows overlap; a run in both is shown once."""
    history = RunHistory()
    history.add(at(0, 1))
    table = history.table

    def ends_meanwhile(*asked: Any) -> Any:
        history.add(at(1, 2))
        return table(*asked)

    monkeypatch.setattr(history, "table", ends_meanwhile)
    mine = state(history)
    assert list(mine.contents().keys) == [2, 1]
    assert mine.index.runs.run.tolist() == [1, 2]


def test_choice_in_the_timeline_shows_the_run_beneath_the_table() -> None:
    """Also one that the table has no row for; and a row that is chosen is marked in the timeline."""
    history = RunHistory()
    history.add(at(0, 1))
    history.add(at(1, 2, trigger="other"))
    mine = state(history)
    inspector = Inspector(lambda: mine)
    live = LiveInspector(inspector)
    assert live.instrument is not None
    timeline = live.instrument.widget
    timeline._message(timeline, {"kind": "choose", "run": 1}, [])
    assert inspector.chosen == 1
    assert live.table.chosen == 1
    assert "run 1 of home" in live.detail.value
    inspector.choose(0)
    assert timeline.chosen[0] == 2
    inspector.text_filter = "hot_rooms"
    assert inspector.chosen is None
    assert "run 2 of home" in live.detail.value


def test_form_looks_for_changes_while_any_part_of_it_is_in_sight() -> None:
    """A table that is scrolled out of sight does not stop the timeline above it."""
    from tests.extension.test_inspector import Loop

    mine, loop = state(RunHistory()), Loop()
    live = LiveInspector(Inspector(lambda: mine, loop=loop))
    assert live.instrument is not None
    timeline = live.instrument.widget
    for widget, shown in ((timeline, True), (live.table, True), (live.table, False)):
        widget._message(widget, {"kind": "sight", "in_sight": shown, "place": "cell"}, [])
    assert live.is_watching
    timeline._message(timeline, {"kind": "sight", "in_sight": False, "place": "cell"}, [])
    assert not live.is_watching
    assert loop.waiting == []


def test_snapshots_have_the_timeline_and_the_rows() -> None:
    """What an exported notebook and a terminal show of the runs."""
    history = RunHistory()
    history.add(at(0, 1))
    mine = state(history)
    inspector = Inspector(lambda: mine)
    assert "<svg" in inspector.html()
    assert "pe-data" in inspector.html()
    assert "| 1 run\n" in inspector.text()
    assert "started (UTC)" in inspector.text()


def test_table_is_bounded_and_says_where_the_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table has the newest runs; the timeline more of them."""
    monkeypatch.setattr(run_state, "MOST_RUNS", 2)
    history = RunHistory()
    for number in range(5):
        history.add(at(number, number))
    mine = state(history)
    contents = mine.contents()
    assert list(contents.keys) == [4, 3]
    assert "the newest of 5; all are in system.processing_engine_runs" in contents.facts
