"""The quickstart in JupyterLab, as a reader sees it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from procengine_jupyter.quickstart import copy_notebook

from tests.notebooks.jupyterlab import CHROMIUM, browser_page, jupyterlab, open_notebook, run_all

pytestmark = [
    pytest.mark.browser,
    pytest.mark.timeout(240),
    pytest.mark.skipif(not CHROMIUM.exists(), reason="Debian's chromium is not installed"),
]

LAST_CARD = "4 triggers"
LEAST_CONTRAST = 4.5
"""What WCAG asks of text of this size (AA)."""


def contrast(page: Any, selector: str) -> list[float]:
    """Return the contrast of each matching element's text with what is behind it (WCAG, 1 to 21)."""
    return page.evaluate(
        """selector => {
          const numbers = text => text.match(/[\\d.]+/g).map(Number);
          const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
            .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
          const behind = element => {
            for (let e = element; e; e = e.parentElement) {
              const c = numbers(getComputedStyle(e).backgroundColor);
              if (c.length === 3 || c[3] > 0.99) return c;
            }
            return [255, 255, 255];
          };
          const opacity = element => {
            let product = 1;
            for (let e = element; e; e = e.parentElement) product *= Number(getComputedStyle(e).opacity);
            return product;
          };
          const mixed = (front, back, share) => [0, 1, 2].map(i => front[i] * share + back[i] * (1 - share));
          return [...document.querySelectorAll(selector)].filter(e => e.textContent.trim()).map(e => {
            const back = behind(e), own = numbers(getComputedStyle(e).color);
            const front = mixed(own, back, (own[3] ?? 1) * opacity(e));
            const a = light(front), b = light(back);
            return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
          });
        }""",
        selector,
    )


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_quickstart_reads_well_in_jupyterlab(tmp_path: Path, theme: str) -> None:
    """All cells run, no cell fails, the cards are drawn in the theme's colours, legibly, and nothing overflows.

    With PROCENGINE_SCREENSHOTS naming a folder, pictures of the notebook are kept there.
    """
    copy_notebook(tmp_path)
    with jupyterlab(tmp_path, theme=theme) as lab, browser_page() as page:
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        open_notebook(page, lab, "quickstart.ipynb")
        run_all(page, LAST_CARD)
        show_everything(page)
        keep_screenshots(page, theme.removeprefix("JupyterLab ").lower())

        assert page.locator(".jp-OutputArea-output[data-mime-type*='error']").count() == 0
        assert page.locator(".jp-OutputArea-output img").count() == 1
        assert min(contrast(page, ".pe-card, .pe-card *")) >= LEAST_CONTRAST
        assert page.evaluate(
            "[...document.querySelectorAll('.pe-card')].every(c => c.getBoundingClientRect().width <= 921)"
        )
        assert problems == []


def show_everything(page: Any) -> None:
    """Make the window as high as the notebook, so that all of its cells are drawn."""
    page.set_viewport_size({"width": 1280, "height": 9_000})
    page.wait_for_timeout(1_000)
    page.evaluate("document.querySelectorAll('.jp-NotebookPanel *').forEach(e => { e.scrollTop = 0 })")
    page.wait_for_timeout(1_000)


def keep_screenshots(page: Any, name: str) -> None:
    """Keep pictures of the notebook, a screenful each, where asked to."""
    folder = os.environ.get("PROCENGINE_SCREENSHOTS")
    if folder is None:
        return
    Path(folder).mkdir(parents=True, exist_ok=True)
    for number in range(9):
        clip = {"x": 290, "y": number * 900, "width": 960, "height": 900}
        page.screenshot(path=str(Path(folder) / f"{name}-{number}.png"), clip=clip)
    first = page.locator(".jp-Cell:has-text('%%plugin hot_days')").bounding_box()
    last = page.locator(".jp-Cell:has-text('wrote 134 rows into hot_day')").bounding_box()
    clip = first | {"height": last["y"] + last["height"] - first["y"]}
    page.screenshot(path=str(Path(folder) / f"{name}-plugin.png"), clip=clip)


LATE = """%%plugin late --trigger table:slow --database house
import pathlib, time
def process_writes(influxdb3_local, table_batches, args=None):
    while not pathlib.Path('go').exists():
        time.sleep(0.05)
    influxdb3_local.info('at ' + 'last')
"""


def test_late_card_updates_itself(tmp_path: Path) -> None:
    """A card whose run outlasts the cell is drawn anew when the run ends, though no cell runs."""
    import nbformat
    from nbformat.v4 import new_code_cell, new_notebook

    cells = ["%load_ext procengine", LATE, "%%write house\nslow n=1i", "print('cells ' + 'done')"]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    document = new_notebook(cells=[new_code_cell(cell) for cell in cells], metadata=kernel)
    nbformat.write(document, tmp_path / "late.ipynb")
    with jupyterlab(tmp_path) as lab, browser_page() as page:
        open_notebook(page, lab, "late.ipynb")
        run_all(page, "cells done")
        card = page.locator(".jp-OutputArea-output:has-text('into house.slow') .pe-card")
        assert "this card follows them" in card.inner_text()

        (tmp_path / "go").touch()
        page.wait_for_selector(".jp-OutputArea-output:has-text('into house.slow'):has-text('at last')")

        assert "follows" not in card.inner_text()


def test_reopened_notebook_shows_its_cards(tmp_path: Path) -> None:
    """A saved notebook that is opened again, untrusted and without its kernel, still shows cards and table."""
    import nbformat
    from nbclient import NotebookClient

    path = copy_notebook(tmp_path)
    document = nbformat.read(path, as_version=4)
    NotebookClient(
        document, store_widget_state=False, resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    nbformat.write(document, path)
    shutil.rmtree(tmp_path / ".procengine")
    with jupyterlab(tmp_path) as lab, browser_page() as page:
        open_notebook(page, lab, "quickstart.ipynb")
        page.wait_for_selector(".jp-OutputArea-output:has-text('134 rows into hot_day')")

        assert page.locator(".jp-OutputArea-output:has-text('new database bay')").count() >= 1
