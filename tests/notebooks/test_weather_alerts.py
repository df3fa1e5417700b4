"""Alerts on the weather: a rule from its threshold to a server's command line."""

from __future__ import annotations

import re

import pytest

from tests.notebooks.lessons import Lesson, run_lesson
from tests.notebooks.test_quickstart import weather

REPLAY = "data/bay-area-weather.lp --database alerts"


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    """The executed notebook."""
    return run_lesson("07_weather_alerts", tmp_path_factory.mktemp("alerts"))


def spells(start: float, end: float) -> int:
    """Count the alerts of a rule with two thresholds, without procengine."""
    hot: set[str] = set()
    alerts = 0
    for row in sorted(weather(), key=lambda row: int(row["time"])):
        place, temperature = row["location"], float(row["temp_max"])
        if temperature >= start and place not in hot:
            hot.add(place)
            alerts += 1
        elif temperature < end and place in hot:
            hot.remove(place)
            alerts += 1
    return alerts


def waves(start: float) -> int:
    """Count the places' third days in a row from a temperature on."""
    in_a_row: dict[str, int] = {}
    found = 0
    for row in sorted(weather(), key=lambda row: int(row["time"])):
        if "temp_max" in row:
            before = in_a_row.get(row["location"], 0)
            in_a_row[row["location"]] = before + 1 if float(row["temp_max"]) >= start else 0
            found += in_a_row[row["location"]] == 3
    return found


def test_threshold_is_counted_by_sql(lesson: Lesson) -> None:
    """The days from 95 degrees are those of the file."""
    days = sum(float(row["temp_max"]) >= 95 for row in weather() if row["location"] == "Concord")

    assert re.search(rf"\| Concord +\| \d+ +\| {days} ", lesson.shown["%%query alerts"])


def test_first_rule_alerts_each_hot_day(lesson: Lesson) -> None:
    """A replay shows what it would have said, though its trigger is disabled."""
    hot = sum(float(row["temp_max"]) >= 95 for row in weather())

    assert f"alert {hot}" in lesson.shown[f"first = %replay {REPLAY} --trigger heat_rows"]


def test_rule_with_a_memory_alerts_when_a_spell_begins_and_ends(lesson: Lesson) -> None:
    """Both versions have the counts that the file's rows give, and the comparison says so."""
    one = spells(95, 95)
    two = spells(95, 88)
    compared = lesson.shown[
        f"second = %replay {REPLAY} --trigger heat_rows --swap heat_rows=heat --compare first"
    ]

    assert f"{one // 2} the same, {one // 2} added" in compared
    third = lesson.shown[f"third = %replay {REPLAY} --trigger heat"]
    assert f"{two} alerts, of them {two // 2} begin" in third


def test_picture_is_drawn(lesson: Lesson) -> None:
    """The plot cell shows a figure."""
    assert "Figure size" in lesson.shown["import matplotlib.pyplot as plt"]


def test_deadman_check_finds_the_gap(lesson: Lesson) -> None:
    """Silence begins at the first noon at which the newest row is over two days old, and ends with the next row."""
    shown = lesson.shown['silent.rows("alert").to_pandas()']

    assert re.search(r"silence +Hayward +begin +2022-07-05 12:00:00", shown)
    assert re.search(r"silence +Hayward +end +2022-07-18 12:00:00", shown)
    assert len(shown.splitlines()) == 3
    fired = lesson.shown["%fire silence --at 2023-07-03T12:00:00Z --dry-run"]
    assert r"alert,location=San\ Francisco,kind=silence" in fired


def test_live_rows_are_alerted_and_asked_for_over_http(lesson: Lesson) -> None:
    """The request plugin answers from what the write plugin remembers."""
    assert "Concord: heat begins at 104 °F" in lesson.shown["%%write alerts"]
    assert "200 {'Concord': {'since': '2023-07-02', 'temp_max': 106.0}}" in lesson.shown["import json"]


def test_run_becomes_a_test_that_passes(lesson: Lesson) -> None:
    """Nothing of the run is left out, and pytest passes the file."""
    written = lesson.shown['run.to_pytest("tests/test_heat_ends.py", replace=True)']

    assert "not as it was" not in written
    assert "1 passed" in lesson.shown["import sys"]


def test_lines_for_a_server_are_shown(lesson: Lesson) -> None:
    """Each trigger has its command line, and the doctor names the one note that is left."""
    shown = lesson.shown["from procengine.cli.trigger_line import create_trigger_line"]

    assert "--trigger-spec table:weather --trigger-arguments start=95,end=88 heat" in shown
    assert "--trigger-spec 'cron:0 0 12 * * *' --trigger-arguments days=2 silence" in shown
    assert "--trigger-spec request:hot hot" in shown
    assert re.findall(r"line \d+, ([\w-]+)", lesson.shown["%procengine doctor heat"]) == [
        "volatile-cache"
    ]


def test_checks_tell_what_is_missing_in_a_blank_cell(lesson: Lesson) -> None:
    """Each blank fails with a message that says what was looked for."""
    assert lesson.blank["check-1"] == "no row was written into the table alert"
    assert lesson.blank["check-2"] == "no row was written into the table alert"
    assert lesson.blank["check-3"] == "it is hot in Concord, but the answer was {}"


def test_checks_pass_on_the_solutions(lesson: Lesson) -> None:
    """Each solution passes, with the counts of the file."""
    frost = sum(float(row.get("temp_min", 99)) <= 32 for row in weather())

    assert f"{frost} nights of frost: right" in lesson.solved["check-1"]
    assert f"{waves(95)} waves: right" in lesson.solved["check-2"]
    assert "three answers: right" in lesson.solved["check-3"]
