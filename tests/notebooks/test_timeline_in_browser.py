"""The timeline of runs and the tail of logs in JupyterLab: click a run, look closer, follow, restart the kernel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.notebooks.jupyterlab import CHROMIUM, browser_page, jupyterlab, open_notebook, run_all
from tests.notebooks.test_browser import contrast
from tests.notebooks.test_inspector_in_browser import notebook

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]

PLUGIN = """%%plugin hot --trigger table:home --database house
def process_writes(influxdb3_local, table_batches, args=None):
    for row in table_batches[0]["rows"]:
        influxdb3_local.info("seen", row["room"])
        if row["temp"] > 30:
            raise ValueError(row["room"] + " burns")
"""
WRITES = """
for number in range(6):
    temp = 99 if number == 3 else number
    get_ipython().run_cell_magic("write", "house", f"home,room=room{number} temp={temp}")
"""
CELLS = (
    "%load_ext procengine",
    "%%write house\nstart f=1",
    PLUGIN,
    WRITES,
    "%inspect runs",
    "%inspect logs",
    "print('cells ' + 'done')",
)
LATE = "%%write house\nhome,room=Later temp=1"

FIND_MARK = """([red, green, blue]) => {
  const canvas = document.querySelector('.pe-time-canvas');
  const scale = canvas.width / canvas.clientWidth;
  const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const y = 13;
  for (let x = 151; x < canvas.clientWidth; x += 1) {
    const at = 4 * (Math.round(y * scale) * canvas.width + Math.round(x * scale));
    if (pixels[at] === red && pixels[at + 1] === green && pixels[at + 2] === blue) return [x, y];
  }
  return null;
}"""
ERROR = [194, 68, 0]
SUCCESS = [0, 114, 178]


def wait_for_text(page: Any, selector: str, text: str) -> None:
    """Wait until an element has a text."""
    page.wait_for_function(
        "([selector, text]) => [...document.querySelectorAll(selector)].some((e) => e.textContent.includes(text))",
        arg=[selector, text],
    )


def wait_for_kernel(page: Any) -> None:
    """Wait until the page has the restarted kernel: a server that is stopped before that does not end."""
    page.wait_for_function(
        "() => document.querySelector('.jp-Notebook-ExecutionIndicator')?.dataset.status === 'idle'"
    )


def click_mark(page: Any, colour: list[int]) -> None:
    """Click on the first mark of a colour in the first lane."""
    found = page.wait_for_function(FIND_MARK, arg=colour).json_value()
    page.locator(".pe-time-frame").click(position={"x": found[0] + 1, "y": found[1] + 1})


def test_runs_and_logs_are_looked_at_in_a_page(tmp_path: Path) -> None:
    """A click shows a run with its input and logs; wheel and drag move; a line leads to its run."""
    notebook(tmp_path, *CELLS, LATE)
    with jupyterlab(tmp_path) as lab, browser_page() as page:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        open_notebook(page, lab, "inspect.ipynb")
        run_all(page, "cells done")
        page.locator(".pe-time").scroll_into_view_if_needed()
        page.wait_for_function("() => Number(document.querySelector('.pe-time').dataset.marks) === 7")
        assert page.locator(".pe-time-live").get_attribute("aria-pressed") == "true"

        # A minute later its reader comes to it, and sees the runs all the same; a new one moves it on.
        page.evaluate(
            "() => { const was = performance.now.bind(performance); performance.now = () => was() + 60_000; }"
        )
        page.locator(".pe-time[data-resting=true]").wait_for()
        assert " · 10 s · no run for 1 min 0" in page.locator(".pe-time-range").inner_text()
        for colour in (ERROR, SUCCESS):
            page.wait_for_function(FIND_MARK, arg=colour)
        assert page.locator(".pe-time-live").get_attribute("aria-pressed") == "true"

        page.locator(".pe-time-all").click()
        assert page.locator(".pe-time-live").get_attribute("aria-pressed") == "false"
        click_mark(page, ERROR)
        wait_for_text(page, ".pe-card", "input: 1 row of home")
        wait_for_text(page, ".pe-card pre", "ValueError: room3 burns")
        wait_for_text(page, ".pe-card td", "seen room3")
        page.locator(".pe-table-row[aria-selected=true]", has_text="room3 burns").wait_for()

        before = page.locator(".pe-time-range").inner_text()
        frame = page.locator(".pe-time-frame")
        frame.hover(position={"x": 400, "y": 13})
        page.mouse.wheel(0, -240)
        page.wait_for_function(
            "(before) => document.querySelector('.pe-time-range').innerText !== before", arg=before
        )
        closer = page.locator(".pe-time-range").inner_text()
        box = frame.bounding_box()
        assert box is not None
        page.mouse.move(box["x"] + 400, box["y"] + 13)
        page.mouse.down()
        page.mouse.move(box["x"] + 500, box["y"] + 13, steps=4)
        page.mouse.up()
        page.wait_for_function(
            "(before) => document.querySelector('.pe-time-range').innerText !== before", arg=closer
        )
        assert min(contrast(page, ".pe-time, .pe-time *")) >= 4.5

        logs = page.locator(".pe-inspector", has_text="Warnings").last
        logs.locator(".pe-table-row", has_text="seen room5").wait_for()
        logs.get_by_role("button", name="Errors 1", exact=True).click()
        logs.locator(".pe-tab-chosen", has_text="Errors 1").wait_for()
        logs.locator(".pe-table-row[data-row='0']", has_text="room3 burns").click()
        logs.locator(".pe-action-show-run").click()
        wait_for_text(page, ".pe-card", "failed at Cell In[3], line 6")

        page.get_by_text("Kernel", exact=True).first.click()
        page.get_by_text("Restart Kernel…", exact=True).first.click()
        page.locator(".jp-Dialog .jp-mod-accept").click()
        page.wait_for_function(
            "() => getComputedStyle(document.querySelector('.pe-table'), '::after').content"
            ".includes('the kernel was restarted')"
        )
        wait_for_kernel(page)
        assert problems == []
