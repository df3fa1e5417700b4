"""What an exported or reopened notebook shows of the runs and the logs, where no kernel is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

CELLS = (
    "%load_ext procengine",
    "%%write house\nstart f=1",
    """%%plugin hot --trigger table:home --database house
def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info("seen", table_batches[0]["rows"][0]["room"])
""",
    "%%write house\nhome,room=Attic temp=1",
    "%inspect runs",
    "%inspect logs",
)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The notebook after its cells have run, as it is saved: without the state of its widgets."""
    folder: Path = tmp_path_factory.mktemp("exported")
    book = new_notebook(cells=[new_code_cell(cell) for cell in CELLS])
    client = nbclient.NotebookClient(
        book,
        resources={"metadata": {"path": str(folder)}},
        store_widget_state=False,
        kernel_name="python3",
    )
    client.execute(env={**os.environ, "IPYTHONDIR": str(folder / "ipython")})
    return nbformat.reads(nbformat.writes(book), as_version=4)


def test_saved_notebook_has_both_forms_of_runs_and_logs(executed: Any) -> None:
    """Whoever opens it without a kernel finds the timeline, the rows and the last lines, in HTML and in text."""
    runs, logs = (cell.outputs[-1].data for cell in executed.cells[-2:])
    assert "<svg" in runs["text/html"]
    assert "run 1: success" in runs["text/html"]
    assert "hot |" in runs["text/plain"]
    for data in (logs["text/html"], logs["text/plain"]):
        assert "seen Attic" in data


def test_exported_page_shows_the_snapshots(executed: Any) -> None:
    """An export to HTML has the drawing and the lines, not an empty place where a widget was."""
    exporters = pytest.importorskip("nbconvert.exporters")
    page, _ = exporters.HTMLExporter().from_notebook_node(executed)
    for text in ('class="pe-timeline"', "run 1: success", "seen Attic"):
        assert text in page
