"""Write plugins and schema: how rows look, where columns come from, and what plugins make of them."""

from __future__ import annotations

import math
import re

import pytest
from procengine_jupyter.quickstart import notebooks_folder

from tests.notebooks.lessons import Lesson, run_lesson


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    """The executed notebook."""
    return run_lesson("01_write_plugins", tmp_path_factory.mktemp("write"))


def home() -> list[dict[str, float]]:
    """Return the fields of the home sensors' rows, read without procengine."""
    text = (notebooks_folder() / "data" / "home-sensor.lp").read_text()
    fields = re.findall(r"temp=(\S+),hum=(\S+),co=(\d+)i", text)
    return [{"temp": float(temp), "hum": float(hum), "co": int(co)} for temp, hum, co in fields]


def test_first_write_makes_the_columns(lesson: Lesson) -> None:
    """The card and SQL say the same of the columns' types."""
    card, schema = lesson.shown["%write data/home-sensor.lp house"], lesson.shown["%%query house"]

    assert f"{len(home())} rows into house.home" in card
    assert "new columns room (tag), temp (float), hum (float), co (integer)" in card
    assert re.search(r"\| co +\| Int64 ", schema)
    assert re.search(r"\| room +\| Dictionary", schema)


def test_another_type_is_refused(lesson: Lesson) -> None:
    """The one error that the notebook means to show names the column, and stops no run of all cells."""
    assert "nothing was stored" in lesson.shown["%%write house"]
    assert "invalid column type for column 'co'" in lesson.shown["%%write house"]


def test_equal_tags_and_time_are_one_row(lesson: Lesson) -> None:
    """The later temperature stands, beside the window of the earlier line."""
    assert "new column window (boolean)" in lesson.shown["%%write house #2"]
    shown = lesson.shown["%%query house #2"]
    assert re.search(r"\| Kitchen \| 22.5 \| true ", shown)
    assert "1 row · 4 columns" in shown


def test_row_has_its_own_lines_columns(lesson: Lesson) -> None:
    """The card shows both rows as the plugin had them."""
    shown = lesson.shown["%%write house #4"]

    whole = "{'room': 'Kitchen', 'temp': 22.4, 'hum': 36.1, 'co': 20, 'time': 1641074400000000000}"
    assert whole in shown
    assert "{'room': 'Kitchen', 'temp': 22.0, 'time': 1641078000000000000}" in shown


def test_dew_points_are_those_of_the_formula(lesson: Lesson) -> None:
    """Each row of the file has its dew point; the dry run warned of the damp one."""
    fired = lesson.shown["%%fire dew --dry-run"]
    rows = lesson.shown["%%query house --out rooms --as pandas"]

    assert "WARN  Bath is close to its dew point" in fired
    assert "would write 1 row into dew" in fired
    assert f"wrote {len(home())} rows into dew" in lesson.shown["%write data/home-sensor.lp house #2"]
    assert f"{len(home())} rows" in rows
    kitchen = home()[1]
    gamma = math.log(kitchen["hum"] / 100) + 17.62 * kitchen["temp"] / (243.12 + kitchen["temp"])
    assert f"| {kitchen['temp']} | {243.12 * gamma / (17.62 - gamma):.2f} " in rows


def test_picture_is_drawn(lesson: Lesson) -> None:
    """The plot cell shows a figure."""
    assert "Figure size" in lesson.shown["import matplotlib.pyplot as plt"]


def test_plugin_of_all_tables_runs_for_what_plugins_write_too(lesson: Lesson) -> None:
    """Its log has the row that was written, then the one that came of it."""
    assert re.findall(r"\| (home|dew) (\d+) ", lesson.shown["%%query house #3"]) == [
        ("home", "1"),
        ("dew", "1"),
    ]


def test_plugin_that_feeds_itself_is_noted(lesson: Lesson) -> None:
    """The note is below the cell, and the trigger is off."""
    shown = lesson.shown["%%plugin echo --trigger table:home --database house --disabled"]

    assert "note (self-feeding), line 5" in shown
    assert re.search(r"echo +\| disabled .*\| house +\|", lesson.shown["%inspect"])


def test_checks_tell_what_is_missing_in_a_blank_cell(lesson: Lesson) -> None:
    """Each blank fails with a message that says what was looked for."""
    assert lesson.blank == {
        "check-1": "there is no column leaves yet: a whole number that ends with i, as 12i",
        "check-2": "nothing was written",
        "check-3": "10 and 26 are above 9, but nothing was written",
    }


def test_checks_pass_on_the_solutions(lesson: Lesson) -> None:
    """Each solution passes."""
    assert lesson.solved["check-1"].strip() == "five columns: right"
    assert lesson.solved["check-2"].strip() == "68 and 77 °F: right"
    assert lesson.solved["check-3"].strip() == "two alarms: right"
