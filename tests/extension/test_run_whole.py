"""One run whole, in HTML and in text."""

from __future__ import annotations

from procengine_jupyter.render.run_whole import MOST_LINES, MOST_ROWS, RunWhole

from procengine.model.run import Cause, CauseKind, RunFailure, RunOutcome
from procengine.model.trigger import TriggerKind
from procengine.processing.event import RequestEvent
from procengine.processing.run_details import RunDetails
from procengine.processing.run_trace import RunQuery, RunWrite
from tests.extension.conftest import HOT_ROOMS, Notebook
from tests.extension.records import HOSTILE, run

WRITES = (
    RunWrite(database="home", lines="alerts temp=1 5", queued=True, rows={"alerts": 1}),
    RunWrite(database="home", lines=HOSTILE, queued=False, fault="no such luck"),
)
QUERIES = (
    RunQuery(
        sql="SELECT 1", database="home", params={"room": "attic"}, duration_ns=2_000_000, row_count=1
    ),
    RunQuery(sql=HOSTILE, database="home", params=None, duration_ns=1, fault="cannot be planned"),
)


def test_whole_run_shows_everything_that_is_known() -> None:
    """Writes with their fate, queries with their parameters, what was dropped, and what is missing."""
    details = RunDetails(
        run=run(),
        writes=WRITES,
        queries=QUERIES,
        dropped={"home": ("lost f=1",)},
        missing=("its input is gone",),
    )
    for shown in (RunWhole(details).html(), RunWhole(details).text()):
        for text in (
            "alerts temp=1 5",
            "1 row into alerts",
            "refused: no such luck",
            "SELECT 1",
            "1 row in 2.00 ms",
            "failed: cannot be planned",
            "flush 7 of the write-ahead log",
            "its input is gone",
        ):
            assert text in shown
    html = RunWhole(details).html()
    assert "$room" in html
    assert "lost f=1" in html
    assert "<script" not in html


def test_whole_run_shows_the_rows_that_came_in(notebook: Notebook) -> None:
    """The input is a table for each table that was written, its first rows where there are many."""
    notebook.run(HOT_ROOMS)
    lines = "\n".join(f"home,room=r{n} temp={n}" for n in range(MOST_ROWS + 5))
    notebook.run(f"%%write house\n{lines}")
    (fired,) = notebook.engine.triggers.runs
    details = notebook.engine.triggers.runs.details(fired.run_id)
    assert details is not None
    html, text = RunWhole(details).html(), RunWhole(details).text()
    assert "input: 25 rows of home" in html
    assert f"the first {MOST_ROWS} of 25 are shown" in html
    assert "r19" in html
    assert ">r20<" not in html
    assert "input: 25 rows of home, the first 20 shown:" in text
    assert "limit=22.5" in text


def test_whole_run_shows_a_request() -> None:
    """Method, parameters, headers and body; bytes that are no text are escaped."""
    event = RequestEvent(
        query_params={"a": "1", "b": HOSTILE},
        headers={"x-h": "2"},
        body=b"body \xff",
        method="PUT",
        cause=Cause(kind=CauseKind.REQUEST),
    )
    details = RunDetails(run=run(kind=TriggerKind.REQUEST, cause=event.cause), event=event)
    html = RunWhole(details).html()
    for text in ("PUT ?a=1", "header x-h", "body \\xff", "a request"):
        assert text in html
    assert "<script" not in html


def test_whole_run_names_the_cell_and_line_that_failed() -> None:
    """A file that came from a cell goes by the cell's name."""
    failure = RunFailure(
        type_name="ValueError",
        message="ValueError: no",
        traceback_text='Traceback\n  File "/tmp/x.py", line 3, in f\nValueError: no',
        filename="/tmp/x.py",
        line_number=3,
    )
    details = RunDetails(run=run(outcome=RunOutcome.ERROR, failure=failure))
    html = RunWhole(details, {"/tmp/x.py": "Cell In[4]"}).html()
    assert "failed at Cell In[4], line 3" in html
    assert "Cell In[4], line 3, in f" in html


def test_whole_run_cuts_long_lines_and_counts_the_rest() -> None:
    """A write of ten thousand lines does not fill the page."""
    lines = "\n".join(f"t f={n}" for n in range(MOST_LINES + 7))
    write = RunWrite(database="home", lines=lines, queued=True)
    html = RunWhole(RunDetails(run=run(), writes=(write,))).html()
    assert "… 7 more lines" in html
    assert f"t f={MOST_LINES}" not in html
