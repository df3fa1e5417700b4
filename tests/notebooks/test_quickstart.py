"""The quickstart runs from a fresh kernel, and shows what the data say."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from procengine_jupyter.quickstart import copy_notebook, notebooks_folder

Cells = dict[str, str]


def weather() -> list[dict[str, str]]:
    """Return the rows of the weather file, read without procengine."""
    text = (notebooks_folder() / "data" / "bay-area-weather.lp").read_text().strip()
    rows = []
    for line in text.splitlines():
        series, fields, time = re.fullmatch(
            r"weather,location=((?:\\ |[^ ])+) (\S+) (\d+)", line
        ).groups()
        row = dict(pair.split("=") for pair in fields.split(","))
        rows.append(row | {"location": series.replace("\\ ", " "), "time": time})
    return rows


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    """The code cells by their first line, with what they showed as text; a repeated line gets a number."""
    folder = tmp_path_factory.mktemp("quickstart")
    document = nbformat.read(copy_notebook(folder), as_version=4)
    client = NotebookClient(
        document,
        timeout=120,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    shown: Cells = {}
    for cell in document.cells:
        if cell.cell_type == "code":
            first = cell.source.splitlines()[0]
            number = 2
            while first in shown:
                first = f"{cell.source.splitlines()[0]} #{number}"
                number += 1
            shown[first] = "\n".join(map(output_text, cell.outputs))
    return shown


def output_text(output: Any) -> str:
    """Return an output as text; every card must have an HTML form as well."""
    if output.output_type == "stream":
        return str(output.text)
    assert output.output_type != "error", output
    return str(output.data.get("text/plain", ""))


def test_notebook_is_committed_without_outputs() -> None:
    """What is in the repository is the text alone."""
    document = nbformat.read(notebooks_folder() / "quickstart.ipynb", as_version=4)

    code = [cell for cell in document.cells if cell.cell_type == "code"]
    assert all(not cell.outputs and cell.execution_count is None for cell in code)
    assert "widgets" not in document.metadata


def test_data_are_named_with_their_source() -> None:
    """The notebook says where the data come from, and under which licence."""
    text = (notebooks_folder() / "quickstart.ipynb").read_text()

    assert "NOAA" in text
    assert "InfluxDB documentation" in text
    assert "MIT" in text


def test_all_rows_are_written(executed: Cells) -> None:
    """The file's rows are stored, into a table that the write makes."""
    shown = executed["%write data/bay-area-weather.lp bay"]

    assert f"{len(weather()):,} rows into bay.weather" in shown
    assert "new database bay" in shown


def test_sql_agrees_with_the_file(executed: Cells) -> None:
    """The monthly averages are those of the file's rows."""
    january = [
        float(row["temp_max"])
        for row in weather()
        if row["location"] == "Concord" and 1640995200 <= int(row["time"]) / 1e9 < 1643673600
    ]

    shown = executed["%%query bay --out monthly"]

    assert f"| {sum(january) / len(january):.1f} " in shown
    assert "kept as monthly" in shown


def test_dry_run_writes_one_row_and_stores_none(executed: Cells) -> None:
    """The dry run shows the line that would be written."""
    shown = executed["%%fire hot_days --dry-run"]

    assert "would write 1 row into hot_day" in shown
    assert "hot_day,location=Concord temp_max=104.0 1662422400000000000" in shown


def test_write_plugin_finds_the_hot_days(executed: Cells) -> None:
    """Writing the file again stores nothing twice, and the plugin writes a row a hot day."""
    hot = sum(float(row["temp_max"]) >= 95 for row in weather())

    assert f"{hot} hot days" in executed["%write data/bay-area-weather.lp bay #2"]
    assert f"wrote {hot} rows into hot_day" in executed["%write data/bay-area-weather.lp bay #2"]
    assert f"{hot} rows · 3 columns" in executed["%%query bay --out hot --as pandas"]


def test_plot_is_drawn(executed: Cells) -> None:
    """The plot cell shows a figure."""
    assert "Figure size" in executed["import matplotlib.pyplot as plt"]


def test_schedule_plugin_sums_up_the_month(executed: Cells) -> None:
    """The report for December 2022 has each place's rain and temperature."""
    december = [row for row in weather() if int(row["time"]) / 1e9 >= 1669852800]
    rain = sum(float(row["precip"]) for row in december if row["location"] == "Concord")

    assert "December 2022: 3 places" in executed["%fire monthly_report --at 2023-01-01T06:00:00Z"]
    assert f"{rain:.2f}" in executed["%%query bay"]


def test_request_plugin_answers(executed: Cells) -> None:
    """The request's answer is JSON with the place's extremes."""
    values = [row for row in weather() if row["location"] == "Concord"]

    shown = executed["%fire climate --param location=Concord"]

    assert "response 200" in shown
    assert f'"hottest": {max(float(row["temp_max"]) for row in values)}' in shown
    assert f'"days": {len(values)}' in shown


def test_mistake_is_shown_at_the_cells_line(executed: Cells) -> None:
    """The plugin with a mistake fails at its own line of its own cell; the mended one does not."""
    shown = executed["%%fire downpour --dry-run"]

    assert re.search(r"Cell In\[\d+\], line 5, in process_writes", shown)
    assert "KeyError: 'percip'" in shown
    assert "WARN  downpour in Hayward" in executed["%%fire downpour --dry-run #2"]


def test_board_is_shown_at_the_end(executed: Cells) -> None:
    """All four triggers are there, in the order in which they were made, and none failed."""
    shown = executed["%inspect"]

    assert re.findall(r"^\| (\w+) +\| (\w+) .*\| bay +\|", shown, re.MULTILINE) == [
        ("hot_days", "idle"),
        ("monthly_report", "idle"),
        ("climate", "idle"),
        ("downpour", "idle"),
    ]


def test_quickstart_command_prints_what_happened(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """``python -m procengine_jupyter --headless`` prints each cell's output, and the kernel warns of nothing."""
    from procengine_jupyter.quickstart import main

    assert main(["--headless", "--folder", str(tmp_path)]) == 0

    shown = capfd.readouterr()
    assert "wrote 134 rows into hot_day" in shown.out
    assert "WARNING" not in shown.err
