"""A replay in the background in JupyterLab: its bar moves by itself, and its buttons do what they say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.notebooks.jupyterlab import CHROMIUM, browser_page, jupyterlab, open_notebook, run_all
from tests.notebooks.test_inspector_in_browser import notebook
from tests.notebooks.test_timeline_in_browser import wait_for_kernel

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]

PLUGIN = """%%plugin counts --trigger table:home --database house
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.cache.put("rows", influxdb3_local.cache.get("rows", default=0) + 1)
"""
ROWS = "rows = chr(10).join(f'home temp={n} {1_700_000_000 + n}' for n in range(100_000))"
BEGIN = "under_way = %replay rows --precision s --speed 60x --background --paused\nunder_way"
LAST = "print('cells ' + 'done')"
PANEL = ".pe-replay"


def wait_for_text(page: Any, pattern: str) -> str:
    """Wait until the panel's text has a pattern; return the text."""
    page.wait_for_function(
        "([selector, pattern]) => new RegExp(pattern).test(document.querySelector(selector)?.textContent)",
        arg=[PANEL, pattern],
    )
    return str(page.locator(PANEL).inner_text())


def test_replay_panel_steps_goes_on_pauses_and_stops(tmp_path: Path) -> None:
    """Without a cell being run the page follows the replay, and each button is obeyed."""
    notebook(tmp_path, "%load_ext procengine", PLUGIN, ROWS, BEGIN, LAST)
    with jupyterlab(tmp_path) as lab, browser_page() as page:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        open_notebook(page, lab, "inspect.ipynb")
        run_all(page, "cells done")

        wait_for_text(page, "replay paused ?0 of 100,000 rows")
        page.locator(".pe-replay-step").click()
        wait_for_text(page, "1 of 100,000 rows")
        page.locator(".pe-replay-pause").click()
        wait_for_text(page, r"replaying ?\d\d+ of 100,000 rows")
        page.locator(".pe-replay-pause").click()
        wait_for_text(page, "replay paused")
        page.locator(".pe-replay-stop").click()
        ended = wait_for_text(page, r"replay of rows in house ?stopped · \d+ of 100,000 rows")

        assert re.search(r"counts\s+\d+\s+0", ended)
        assert not page.locator(".pe-replay-stop").is_visible()

        page.get_by_text("Kernel", exact=True).first.click()
        page.get_by_text("Restart Kernel…", exact=True).first.click()
        page.locator(".jp-Dialog .jp-mod-accept").click()
        page.wait_for_function(
            "() => getComputedStyle(document.querySelector('.pe-sight'), '::after').content"
            ".includes('the kernel was restarted')"
        )
        wait_for_kernel(page)
        assert not problems
