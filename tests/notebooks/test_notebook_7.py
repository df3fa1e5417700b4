"""The inspectors in Notebook 7, which shows what JupyterLab shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.notebooks.jupyterlab import CHROMIUM, browser_page, jupyterlab, open_notebook, run_all
from tests.notebooks.test_inspector_in_browser import LAST, ROWS, notebook, wait_for_row

pytest.importorskip("notebook")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]

PLUGIN = """%%plugin hot --trigger table:home --database house
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info("seen", len(table_batches))
"""


def test_inspectors_live_in_notebook_7(tmp_path: Path) -> None:
    """Board and timeline are there, a row can be chosen, and its run is shown whole."""
    cells = (
        "%load_ext procengine",
        PLUGIN,
        "%%write house\nhome temp=1",
        "%inspect board",
        "%inspect runs",
    )
    notebook(tmp_path, *cells, LAST)
    with jupyterlab(tmp_path, application="notebook") as lab, browser_page() as page:
        open_notebook(page, lab, "inspect.ipynb")
        run_all(page, "cells done")
        wait_for_row(page, "hot")
        wait_for_row(page, "success", 1)
        assert page.locator(".pe-timeline").count() == 1
        page.locator(ROWS).nth(1).click()
        page.wait_for_selector('.pe-card:has-text("input: 1 row of home")')
