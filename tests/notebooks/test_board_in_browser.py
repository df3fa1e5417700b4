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
        page.wait_for_selector(".pe-table-row:has-text('hot_rooms') svg rect.pe-bar")
        assert page.locator(".pe-inspector-done").count() == 0

        page.wait_for_function(
            "() => document.querySelectorAll('.pe-table-row')[1]?.querySelectorAll('svg rect').length >= 3"
        )
        page.locator(".pe-tab", has_text="Stopped 0").click()
        page.wait_for_selector(".pe-table-hint:has-text('none of them')")
        assert min(contrast(page, ".pe-table, .pe-table *, .pe-tabs *, .pe-actions *")) >= 4.5
        assert problems == []
