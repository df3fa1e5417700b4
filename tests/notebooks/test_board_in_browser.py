"""The board in JupyterLab: seen, fired from, told of errors in place, and up to date by itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.extension.conftest import HOT_ROOMS
from tests.notebooks.jupyterlab import CHROMIUM, browser_page, jupyterlab, open_notebook, run_all
from tests.notebooks.test_browser import contrast
from tests.notebooks.test_inspector_in_browser import LAST, notebook, wait_for_row

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]

WATCHING = """
import gc, pathlib
from tornado.ioloop import PeriodicCallback
from procengine_jupyter.inspectors.live_inspector import LiveInspector
live = [one for one in gc.get_objects() if isinstance(one, LiveInspector)]
teller = PeriodicCallback(
    lambda: pathlib.Path("watching").write_text(str(sum(one.is_watching for one in live))), 50
)
teller.start()
"""
TICKS = """%%plugin ticks --trigger every:1s --database house
def process_scheduled_call(influxdb3_local, call_time, args=None):
    pass
"""


def test_a_trigger_is_fired_from_the_board(tmp_path: Path) -> None:
    """Choose a row, say an event, see its run; errors are told there, and a schedule's runs come by themselves."""
    notebook(tmp_path, "%load_ext procengine", HOT_ROOMS, TICKS, "%inspect", LAST)
    with jupyterlab(tmp_path) as lab, browser_page(height=1200) as page:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        open_notebook(page, lab, "inspect.ipynb")
        run_all(page, "cells done")

        wait_for_row(page, "hot_rooms")
        page.locator(".pe-table-row", has_text="hot_rooms").click()
        page.locator(".pe-action-fire").click()
        page.locator(".pe-field-lp textarea").fill("home,room=Attic")
        page.locator(".pe-form-send").click()
        page.wait_for_selector(".pe-inspector-done.pe-text-bad:has-text('line protocol parsing error')")
        page.locator(".pe-field-lp textarea").fill("home,room=Attic temp=24.5")
        page.locator(".pe-form-send").click()
        page.wait_for_selector(".pe-card:has-text('1 row into alert')")
        page.wait_for_selector(".pe-table-row:has-text('hot_rooms') svg path.pe-bar")
        assert page.locator(".pe-inspector-done").count() == 0

        page.wait_for_function(
            "() => document.querySelectorAll('.pe-table-row')[1]"
            "?.querySelector('svg')?.getAttribute('aria-label').length >= 3"
        )
        page.locator(".pe-tab", has_text="Stopped 0").click()
        page.wait_for_selector(".pe-table-hint:has-text('none of them')")
        assert min(contrast(page, ".pe-table, .pe-table *, .pe-tabs *, .pe-actions *")) >= 4.5
        assert problems == []


def test_a_board_is_looked_at_as_long_as_a_page_shows_it(tmp_path: Path) -> None:
    """Scrolled away, loaded anew, shown twice, closed: the kernel looks while there is somebody to see it."""
    notebook(tmp_path, "%load_ext procengine", TICKS, "%inspect", WATCHING, LAST)
    watching = tmp_path / "watching"

    def wait_until(count: int) -> None:
        for _ in range(600):
            if watching.exists() and watching.read_text() == str(count):
                return
            page.wait_for_timeout(50)
        raise AssertionError(f"watching {watching.read_text()}, expected {count}")

    with jupyterlab(tmp_path) as lab, browser_page() as page:
        open_notebook(page, lab, "inspect.ipynb")
        run_all(page, "cells done")
        wait_until(1)
        page.evaluate("() => { document.querySelector('.pe-table').style.display = 'none' }")
        wait_until(0)
        page.evaluate("() => { document.querySelector('.pe-table').style.display = '' }")
        wait_until(1)

        # A second place in which it is shown may go: the first one is looked at all the same.
        page.locator(".pe-inspector .pe-head").click(button="right")
        page.get_by_text("Create New View for Cell Output").click()
        page.locator(".jp-LinkedOutputView .pe-table-row").first.wait_for()
        page.locator(".lm-TabBar-tab", has_text="Output View").locator(".lm-TabBar-tabCloseIcon").click()
        page.locator(".jp-LinkedOutputView").wait_for(state="detached")
        runs = page.locator(".pe-table-row").first.inner_text()
        page.wait_for_function(
            "(runs) => document.querySelector('.pe-table-row').innerText !== runs", arg=runs
        )
        assert watching.read_text() == "1"

        page.keyboard.press("Control+s")
        page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')")
        page.goto("about:blank")
        wait_until(0)
        open_notebook(page, lab, "inspect.ipynb")
        wait_for_row(page, "ticks")
        wait_until(1)
        page.locator(".pe-table-row").first.click()
        page.get_by_text("Edit", exact=True).first.click()
        page.get_by_text("Clear Outputs of All Cells", exact=True).click()
        wait_until(0)
