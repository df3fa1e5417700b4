"""Schedules and time: plugins that the clock calls, and what now means to them."""

from __future__ import annotations

import re

import pytest

from tests.notebooks.lessons import Lesson, run_lesson
from tests.notebooks.test_quickstart import weather

REPLAY = "data/bay-area-weather.lp --database clock"
YEAR = "--from 2022-01-01 --to 2023-01-01"


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    """The executed notebook."""
    return run_lesson("02_schedules_and_time", tmp_path_factory.mktemp("schedules"))


def test_nothing_fails(lesson: Lesson) -> None:
    """No cell above the exercises shows an error."""
    assert lesson.errors == {}


def test_plugin_is_told_full_seconds_one_after_the_other(lesson: Lesson) -> None:
    """The log has three ticks, the newest first, each a second before the one above it."""
    seconds = re.findall(r"it is [\d-]+ \d\d:\d\d:(\d\d) ", lesson.shown["%%query clock"])

    assert len(seconds) == 3
    first = int(seconds[0])
    assert [int(one) for one in seconds] == [(first - number) % 60 for number in range(3)]
    assert re.search(r"^beat \|.* \d+ runs?$", lesson.shown["%inspect runs beat"], re.MULTILINE)


def test_cron_expression_tells_its_times(lesson: Lesson) -> None:
    """After Friday noon the next working days are those of the week that follows."""
    assert lesson.shown["from datetime import datetime, timezone"].split() == [
        *("Monday", "2023-01-02", "06:30:00"),
        *("Tuesday", "2023-01-03", "06:30:00"),
        *("Wednesday", "2023-01-04", "06:30:00"),
    ]


def test_week_is_summed_up_and_running_twice_makes_no_more_rows(lesson: Lesson) -> None:
    """The rain is that of the file's last week, though its last days are missing."""
    week = [row for row in weather() if int(row["time"]) / 1e9 >= 1672012800]
    rain = sum(float(row["precip"]) for row in week if row["location"] == "Concord")

    for fired in ("", " #2"):
        shown = lesson.shown[f"%fire weekly_rain --at 2023-01-02T06:00:00Z{fired}"]
        assert "week of 2022-12-26: 3 places" in shown
    rows = lesson.shown["%%query clock #2"]
    assert re.search(rf"Concord +\| {rain:.2f} +\| 2022-12-26T00:00:00", rows)
    assert "3 rows · 3 columns" in rows


def test_replay_of_a_year_has_each_monday(lesson: Lesson) -> None:
    """A row a week and place, drawn as a picture."""
    shown = lesson.shown[f"year = %replay {REPLAY} --trigger weekly_rain {YEAR}"]

    assert "weekly_rain: 52 runs" in shown
    assert "week 156" in shown
    assert "Figure size" in lesson.shown["import matplotlib.pyplot as plt"]


def test_plugin_that_asks_the_machine_sees_nothing_of_the_past(lesson: Lesson) -> None:
    """The note says it, and the replay shows it."""
    noted = lesson.shown['%%plugin hasty --trigger "cron:0 0 6 * * MON" --database clock --disabled']

    assert "note (wall-clock), line 6" in noted
    replayed = lesson.shown[f"hasty = %replay {REPLAY} --trigger hasty {YEAR}"]
    assert "days seen in a year: 0" in replayed


def test_checks_tell_what_is_missing_in_a_blank_cell(lesson: Lesson) -> None:
    """Each blank fails with a message that says what was looked for."""
    assert lesson.blank == {
        "check-1": "after 2022-12-30T00:00:00Z office should run at Fri 2022-12-30 08:00:00, "
        "but it would run at Fri 2022-12-30 00:00:01",
        "check-2": "no row was written into the table hottest",
    }


def test_checks_pass_on_the_solutions(lesson: Lesson) -> None:
    """Each solution passes: of June, July and August all days but the last, which September sums up."""
    assert "both: right" in lesson.solved["check-1"]
    assert "91 days: right" in lesson.solved["check-2"]
