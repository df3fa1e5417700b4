"""The inspectors of caches in JupyterLab: an edited value is what the plugin gets; last values are filtered."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notebooks.jupyterlab import CHROMIUM, browser_page, jupyterlab, open_notebook, run_all
from tests.notebooks.test_browser import contrast
from tests.notebooks.test_inspector_in_browser import LAST, ROWS, notebook, wait_for_row

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]

COUNTS = """%%plugin counts --trigger table:home --database house
def process_writes(influxdb3_local, table_batches, args=None):
    cache = influxdb3_local.cache
    cache.put("n", cache.get("n", 0) + 1, ttl=3600)
"""
ONE_ROW = "%%write house\nhome,room=Attic temp=1"
MANY_ROWS = """
lines = "\\n".join(f"sensors,sensor=s{n:06} value={n / 2},state=\\"<b>ok</b>\\"" for n in range(100_000))
engine = %procengine
engine.write("house", lines)
engine.last_caches.create("house", "sensors", name="sensors")
engine.distinct_caches.create("house", "sensors", name="sensors", columns=["state", "sensor"])
print("rows " + "written")
"""


def test_an_edited_value_is_what_the_next_run_gets(tmp_path: Path) -> None:
    """Click, type, send; the next write's run counts on from what was typed, and its time left counts down."""
    cells = ["%load_ext procengine", COUNTS, ONE_ROW, "%inspect cache counts", LAST, ONE_ROW]
    notebook(tmp_path, *cells[:-1])
    with jupyterlab(tmp_path) as lab, browser_page() as page:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        open_notebook(page, lab, "inspect.ipynb")
        run_all(page, "cells done")
        wait_for_row(page, "house/counts")
        wait_for_row(page, "in 59 min")
        page.locator(ROWS).first.click()
        page.locator(".pe-action-edit").click()
        page.locator(".pe-field-value textarea").fill("41")
        page.locator(".pe-form-send").click()
        page.wait_for_selector(".pe-inspector-done:has-text('put n: int, was int')")
        wait_for_row(page, "hand")

        page.locator(".jp-Cell", has_text="home,room=Attic").first.locator(".cm-content").click()
        page.keyboard.press("Control+Enter")
        page.wait_for_function(
            "(rows) => [...document.querySelectorAll(`${rows} .pe-cell`)].some((one) => one.textContent === '42')",
            arg=ROWS,
        )
        wait_for_row(page, "run 2")
        left = page.locator(f"{ROWS} .pe-cell", has_text="in 59 min").first
        before = left.inner_text()
        page.wait_for_function(
            "([rows, before]) => ![...document.querySelectorAll(`${rows} .pe-cell`)]"
            ".some((one) => one.textContent === before)",
            arg=[ROWS, before],
        )
        assert min(contrast(page, ".pe-inspector, .pe-inspector *")) >= 4.5
        assert problems == []


def test_last_values_are_filtered_and_distinct_ones_opened(tmp_path: Path) -> None:
    """Among 100,000 series; the page holds a screenful, and shows text as text."""
    cells = ["%load_ext procengine", ONE_ROW, MANY_ROWS, "%inspect last sensors", LAST]
    notebook(tmp_path, *cells, "%inspect distinct sensors")
    with jupyterlab(tmp_path) as lab, browser_page() as page:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        open_notebook(page, lab, "inspect.ipynb")
        run_all(page, "cells done")
        tables = page.locator(".pe-inspector")
        last, distinct = tables.nth(0), tables.nth(1)
        last.locator(".pe-filter input").fill("S01234")
        last.get_by_text("10 of 100,000 rows have 'S01234'").wait_for()
        last.locator(ROWS, has_text="s012345").wait_for()
        assert last.locator(ROWS).count() == 10
        last.locator(ROWS, has_text="s012345").click()
        last.locator(".pe-card", has_text="sensor=s012345").locator("td", has_text="6172.5").wait_for()

        distinct.scroll_into_view_if_needed()
        distinct.locator(".pe-tree-mark").first.click()
        distinct.locator(ROWS, has_text="s000000").wait_for()
        assert distinct.locator(ROWS).first.inner_text().startswith("▾<b>ok</b>")
        assert page.locator(ROWS).count() < 40
        distinct.locator(ROWS).first.click()
        distinct.locator(f"{ROWS}[aria-selected=true]").wait_for()
        page.keyboard.press("ArrowLeft")
        distinct.locator(ROWS, has_text="▸").wait_for()
        distinct.locator(".pe-action-query").click()
        distinct.get_by_text("FROM distinct_cache('sensors', 'sensors')").wait_for()
        assert problems == []
