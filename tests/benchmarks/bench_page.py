"""Does a page stay fluent while its reader looks at a thousand triggers, of which a hundred run each second?

Measured in JupyterLab in headless Chromium, as its reader has it: the frames, and what keeps them waiting, the tasks
of the page's own thread. Where there is no Chromium nothing is measured.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.benchmarks.measurement import Measurement, percentile
from tests.notebooks.jupyterlab import CHROMIUM, browser_page, jupyterlab, open_notebook, run_all
from tests.notebooks.test_inspector_in_browser import LAST, notebook, wait_for_row

SECONDS = 10
BUDGET_MS = 100

TRIGGERS = """
import pathlib
engine = %procengine
pathlib.Path("plugins").mkdir(exist_ok=True)
pathlib.Path("plugins/tick.py").write_text(
    "def process_scheduled_call(influxdb3_local, call_time, args=None):\\n    pass\\n")
engine.catalog.create_database("db")
for number in range(1_000):
    seconds = ",".join(str(second) for second in range(number % 10, 60, 10))
    made = engine.triggers.create("db", f"t{number:04}", "tick.py", f"cron:{seconds} * * * * *")
"""

WATCH = """() => {
  const seen = { frames: [], last: performance.now() };
  window.seen = seen;
  const frame = (now) => {
    seen.frames.push(now - seen.last);
    seen.last = now;
    seen.next = requestAnimationFrame(frame);
  };
  seen.next = requestAnimationFrame(frame);
  seen.end = () => {
    cancelAnimationFrame(seen.next);
    return seen.frames.slice(1);
  };
}"""


def run() -> list[Measurement]:
    """Measure what a reader does with the board, and with the timeline and the graph; about two minutes."""
    if not CHROMIUM.exists():
        print("page: not measured, as there is no Chromium", file=sys.stderr)
        return []
    with tempfile.TemporaryDirectory() as folder:
        notebook(
            Path(folder),
            "%load_ext procengine",
            TRIGGERS,
            "%inspect",
            "%inspect runs",
            "%inspect graph",
            LAST,
        )
        with jupyterlab(Path(folder)) as lab, browser_page() as page:
            open_notebook(page, lab, "inspect.ipynb")
            run_all(page, "cells done")
            wait_for_row(page, "t0000")
            _await_runs(page)
            return [_figure(name, page, act) for name, act in _ACTS.items()]


def _figure(name: str, page: Any, act: Callable[[Any], None]) -> Measurement:
    """Measure what the longest task of the page's main thread takes of a processor, whoever else is busy.

    The frames, which the reader sees, are as long as the machine lets them be; they are among the details.
    """
    browser = page.context.browser
    browser.start_tracing(page=page, categories=["toplevel"])
    page.evaluate(WATCH)
    act(page)
    frames = page.evaluate("() => window.seen.end()")
    tasks = _tasks_ms(json.loads(browser.stop_tracing())["traceEvents"])
    return Measurement(
        name=f"longest task of a page, 1,000 triggers at 100 runs/s: {name}",
        value=max(tasks),
        budget=BUDGET_MS,
        unit="ms",
        baseline="none",
        details={
            "longest frame ms": max(frames),
            "median frame ms": percentile(frames, 50),
            "99th of 100 frames ms": percentile(frames, 99),
            "page's share of a core %": 100 * sum(tasks) / sum(frames),
        },
    )


def _tasks_ms(events: list[dict[str, Any]]) -> list[float]:
    """Return the processor time of each task of the page's main thread."""
    main = {
        (one["pid"], one["tid"])
        for one in events
        if one["name"] == "thread_name" and one["args"]["name"] == "CrRendererMain"
    }
    return [
        one["tdur"] / 1_000
        for one in events
        if (one["pid"], one["tid"]) in main and one["name"].endswith("RunTask") and "tdur" in one
    ]


def _await_runs(page: Any) -> None:
    """Wait until the rows in sight have had runs, which show as bars."""
    page.wait_for_function("() => document.querySelectorAll('.pe-table-row path').length > 10")


def _facts(page: Any) -> str:
    """Return what the board says of all triggers: how many runs there were."""
    return str(page.locator(".pe-inspector .pe-head").first.inner_text())


def _look(page: Any) -> None:
    before = _facts(page)
    page.wait_for_timeout(1_000 * SECONDS)
    assert _facts(page) != before, "it stopped"


def _look_at(selector: str) -> Callable[[Any], None]:
    def look(page: Any) -> None:
        page.locator(selector).first.scroll_into_view_if_needed()
        page.wait_for_timeout(1_000 * SECONDS)

    return look


def _scroll(page: Any) -> None:
    page.locator(".pe-table-frame").first.hover()
    for step in range(10 * SECONDS):
        page.mouse.wheel(0, 300 if step % 40 < 20 else -300)
        page.wait_for_timeout(100)


def _turn(page: Any) -> None:
    """Go through all tabs, and sort by what changes."""
    for _ in range(2):
        for place in range(4):
            page.locator(".pe-tab").nth(place).click()
            page.wait_for_timeout(500)
        page.locator(".pe-tab").nth(0).click()  # all of them
        for _ in range(3):
            page.locator(".pe-table-head .pe-cell", has_text="last run").first.click()
            page.wait_for_timeout(500)


def _filter(page: Any) -> None:
    box = page.locator(".pe-filter input").first
    for _ in range(4):
        box.press_sequentially("t09", delay=150)
        page.wait_for_timeout(500)
        box.press("Control+a")
        box.press("Delete")
        page.wait_for_timeout(500)


def _choose(page: Any) -> None:
    for row in range(8):
        page.locator(".pe-table-row").nth(row).click()
        page.wait_for_timeout(1_000)


_ACTS: dict[str, Callable[[Any], None]] = {
    "board looked at": _look,
    "board scrolled": _scroll,
    "board's tabs and order": _turn,
    "board filtered": _filter,
    "board's rows chosen": _choose,
    "timeline": _look_at(".pe-time"),
    "graph": _look_at(".pe-graph"),
}
