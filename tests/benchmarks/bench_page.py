"""Does a page stay fluent while its reader looks at a thousand triggers, of which a hundred run each second?

Measured in the page, as its reader has it: how long the longest frame was, and the longest task of the page's own
thread, by JupyterLab in headless Chromium. Where there is no Chromium nothing is measured.
"""

from __future__ import annotations

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
  const seen = { frames: [], tasks: [], last: performance.now() };
  window.seen = seen;
  const watcher = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) seen.tasks.push(entry.duration);
  });
  watcher.observe({ entryTypes: ["longtask"] });
  const frame = (now) => {
    seen.frames.push(now - seen.last);
    seen.last = now;
    seen.next = requestAnimationFrame(frame);
  };
  seen.next = requestAnimationFrame(frame);
  seen.end = () => {
    cancelAnimationFrame(seen.next);
    for (const entry of watcher.takeRecords()) seen.tasks.push(entry.duration);
    watcher.disconnect();
    return { frames: seen.frames.slice(1), tasks: seen.tasks };
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
    page.evaluate(WATCH)
    act(page)
    seen = page.evaluate("() => window.seen.end()")
    frames = seen["frames"]
    return Measurement(
        name=f"longest frame, 1,000 triggers at 100 runs/s: {name}",
        value=max(frames),
        budget=BUDGET_MS,
        unit="ms",
        baseline="none",
        details={
            "frames": len(frames),
            "median frame ms": percentile(frames, 50),
            "99th of 100 ms": percentile(frames, 99),
            "longest task ms": max(seen["tasks"], default=0.0),
            "tasks over 50 ms": len(seen["tasks"]),
        },
    )


def _await_runs(page: Any) -> None:
    """Wait until the rows in sight have had runs, which show as bars."""
    page.wait_for_function("() => document.querySelectorAll('.pe-table-row rect').length > 50")


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
