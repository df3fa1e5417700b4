"""A table's preview: no peak is lost, and what is no number is not drawn."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pyarrow as pa
import pytest
from procengine_jupyter.inspectors import table_state
from procengine_jupyter.inspectors.live_inspector import LiveInspector
from procengine_jupyter.render.plot import envelope, plots_html, plots_text
from procengine_jupyter.render.table_preview import TablePreview

from tests.extension.conftest import Notebook


def test_envelope_keeps_each_spans_least_and_greatest_value() -> None:
    """One peak among a hundred thousand values is still there."""
    times = np.arange(100_000)
    values = np.sin(times / 1_000)
    values[54_321] = 99.0
    found, least, greatest = envelope(times, values, 10)
    assert found.tolist() == list(range(10))
    assert (greatest.argmax(), greatest.max()) == (5, 99.0)
    assert least.min() == pytest.approx(-1, abs=1e-3)


def test_envelope_passes_over_what_is_missing() -> None:
    """A span without values has no place, and no value at all makes nothing."""
    found, least, _ = envelope(np.array([0, 5, 10]), np.array([1.0, np.nan, 3.0]), 3)
    assert (found.tolist(), least.tolist()) == ([0, 2], [1.0, 3.0])
    assert len(envelope(np.array([1]), np.array([np.nan]))[0]) == 0
    assert envelope(np.array([7]), np.array([4.0]), 5)[0].tolist() == [0]


@pytest.mark.parametrize("values", [[1.0, 1.0], [1.0, float("inf")], [1e308, -1e308], [0.0, 5e-324]])
def test_plots_stay_inside_their_frame(values: list[float]) -> None:
    """Constants, infinities and the ends of the range of numbers are drawn, with finite coordinates."""
    html = plots_html(np.array([0, 10]), {"<v>": np.array(values)})
    svg = ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])
    path = next(svg.iter("path")).attrib["d"]
    numbers = [float(one) for one in path.replace("M", "").replace("L", "").split()]
    assert np.isfinite(numbers).all()
    assert max(numbers) <= 640
    assert "<v>" not in html


def test_a_plot_of_many_values_is_whole() -> None:
    """Its line has a point for the least and for the greatest value of each span, and nothing else in it."""
    times = np.arange(5_000)
    html = plots_html(times, {"v": np.sin(times / 50)})
    svg = ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])
    path = next(svg.iter("path")).attrib["d"]
    numbers = [float(one) for one in path.replace("M", "").replace("L", "").split()]
    assert len(numbers) == 2 * 2 * 320


def test_text_tells_range_and_course() -> None:
    """Blocks rise with the values; a column without values has no line."""
    times = np.arange(48)
    lines = plots_text(times, {"up": times.astype(float), "none": np.full(48, np.nan)})
    assert len(lines) == 1
    assert lines[0].startswith("up   ▁")
    assert lines[0].endswith("█ 0 to 47")


def test_preview_shows_the_newest_rows_and_no_text_as_numbers() -> None:
    """Integers, floats and their NULLs are drawn; tags and booleans are not."""
    rows = pa.table(
        {
            "time": pa.array([2, 1], pa.timestamp("ns")),
            "temp": [1.5, None],
            "n": [3, 4],
            "room": ["a", "b"],
            "on": [True, False],
        }
    )
    preview = TablePreview(name="house.home", rows=rows, is_whole=False)
    html = preview.html()
    assert html.count("<svg") == 2
    assert "the newest 2 rows" in html
    assert "the newest 2 rows" in preview.plain()


def test_tables_inspector_previews_a_table(notebook: Notebook, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pressing preview queries the newest rows, of whatever name the table is."""
    monkeypatch.setattr(table_state, "PREVIEWED_ROWS", 2)
    for second in range(3):
        notebook.run(f'%%write house --precision s\nthe"home,room=Attic temp={second} {second + 1}')
    inspector = notebook.run("%inspect tables")
    inspector.choose(0)
    live = LiveInspector(inspector)
    (preview,) = live.actions.children
    preview.click()
    shown = live.below.children[1].value
    assert "the newest 2 rows" in shown
    assert "1 to 2" in shown
    assert "<svg" in shown


def test_an_empty_tables_preview_is_empty(notebook: Notebook) -> None:
    """Nothing is drawn of nothing, and nothing fails."""
    notebook.run("%influxdb3 create database house")
    notebook.run("%influxdb3 create table --database house --tags room --fields temp:float64 home")
    inspector = notebook.run("%inspect tables")
    inspector.choose(0)
    live = LiveInspector(inspector)
    live.actions.children[0].click()
    assert "0 rows" in live.below.children[1].value
