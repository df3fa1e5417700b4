"""An inspector in JupyterLab: a long table without its rows, and a page that keeps itself up to date."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.notebooks.jupyterlab import CHROMIUM, browser_page, jupyterlab, open_notebook, run_all
from tests.notebooks.test_browser import contrast

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]

LONG = """
import pyarrow as pa
from procengine_jupyter.inspectors.contents import Contents, Inspected
from procengine_jupyter.inspectors.inspector import Inspector
class Numbers(Inspected):
    deletes = "delete number"
    numbers = list(range(100_000))
    def version(self):
        return len(self.numbers)
    def contents(self):
        words = [f"<b>row {n}</b>" for n in self.numbers]
        table = pa.table({"number": self.numbers, "word": words})
        return Contents(title="numbers", table=table, keys=self.numbers, hint="none")
    def delete(self, key):
        self.numbers.remove(key)
        return f"deleted {key}"
state = Numbers()
Inspector(lambda: state, loop=get_ipython().kernel.io_loop)
"""
LAST = "print('cells ' + 'done')"
ROWS = ".pe-table-row"


def notebook(folder: Path, *cells: str) -> None:
    """Write a notebook of some cells."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    document = new_notebook(cells=[new_code_cell(cell) for cell in cells], metadata=kernel)
    nbformat.write(document, folder / "inspect.ipynb")


def wait_for_row(page: Any, text: str, place: int = 0) -> None:
    """Wait until a row in sight has a text."""
    page.wait_for_function(
        "([selector, place, text]) => document.querySelectorAll(selector)[place]?.textContent.includes(text)",
        arg=[ROWS, place, text],
    )


def test_long_table_is_scrolled_sorted_filtered_and_deleted_from(tmp_path: Path) -> None:
    """100,000 rows are at hand while the page holds a screenful, and all that is shown is text."""
    notebook(tmp_path, LONG, LAST)
    with jupyterlab(tmp_path) as lab, browser_page() as page:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        open_notebook(page, lab, "inspect.ipynb")
        run_all(page, "cells done")

        wait_for_row(page, "<b>row 0</b>")
        assert page.locator(ROWS).count() < 40
        page.evaluate("document.querySelector('.pe-table-frame').scrollTop = 1e9")
        wait_for_row(page, "row 99999", place=13)
        page.evaluate("document.querySelector('.pe-table-frame').scrollTop = 0")
        page.locator(".pe-table-head button").first.click()
        page.locator(".pe-table-head button", has_text="▴").click()
        wait_for_row(page, "row 99999")
        page.locator(".pe-filter input").fill("row 1234")
        wait_for_row(page, "row 12349")

        page.locator(ROWS).first.click()
        page.locator(".pe-delete").click()
        page.get_by_text("press again to delete").click()
        wait_for_row(page, "row 12348")
        assert page.locator(".pe-inspector-done").inner_text() == "deleted 12349"
        assert min(contrast(page, ".pe-table, .pe-table *")) >= 4.5
        assert problems == []


def test_inspector_keeps_itself_up_to_date(tmp_path: Path) -> None:
    """What other cells do shows in an inspector that is in sight, without a word from its reader."""
    late = "%%write house\nhome,room=Attic temp=2"
    cells = ["%load_ext procengine", "%%write house\nhome,room=Attic temp=1", "%inspect tables", LAST]
    notebook(tmp_path, *cells, late)
    with jupyterlab(tmp_path) as lab, browser_page() as page:
        open_notebook(page, lab, "inspect.ipynb")
        run_all(page, "cells done")
        wait_for_row(page, "home")
        page.wait_for_function(
            "() => document.querySelector('.pe-table-row .pe-number:nth-child(4)')?.textContent === '2'"
        )
