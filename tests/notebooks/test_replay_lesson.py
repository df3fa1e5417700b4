"""Replays: one, a second one that is the same, and another version of a plugin."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from tests.notebooks.lessons import Lesson, run_lesson
from tests.notebooks.test_quickstart import weather

REPLAY = "%replay data/bay-area-weather.lp --database climate"


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    """The executed notebook."""
    return run_lesson("06_replay", tmp_path_factory.mktemp("replay"))


def records(margin: float = 0.5, *, start: str = "2020", end: str = "2024") -> list[tuple[str, str]]:
    """Return days and places of records, warmer by a margin than the one before, without procengine."""
    warmest: dict[str, float] = {}
    found = []
    for row in sorted(weather(), key=lambda row: int(row["time"])):
        day = datetime.fromtimestamp(int(row["time"]) / 1e9, UTC).date().isoformat()
        if start <= day < end and "temp_max" in row:
            place, temperature = row["location"], float(row["temp_max"])
            if place not in warmest or temperature >= warmest[place] + margin:
                warmest[place] = temperature
                found.append((day, place))
    return found


def test_replay_has_the_rows_that_the_file_gives(lesson: Lesson) -> None:
    """Each day is a run, and each record a row."""
    shown = lesson.shown[f"before = {REPLAY} --trigger records"]

    assert "records: 1,096 runs" in shown
    assert f"record {len(records())}" in shown
    assert "Concord 112.0" in lesson.shown["for value in before.state:"]


def test_nothing_was_touched(lesson: Lesson) -> None:
    """The live trigger has had no run when the first replay is over."""
    shown = lesson.shown["%%query climate"]

    assert re.search(r"\| runs \|\n\+-+\+\n\| 0 +\|", shown)


def test_part_of_history_is_kept_in_a_database(lesson: Lesson) -> None:
    """SQL counts the records of the year 2021 alone."""
    of_year = records(start="2021", end="2022")
    count = sum(place == "Concord" for _, place in of_year)

    assert re.search(rf"\| Concord +\| {count} ", lesson.shown["%%query trial"])


def test_schedule_sees_the_rows_before_its_tick(lesson: Lesson) -> None:
    """The first months have three rows a day, February of a leap year 87."""
    shown = lesson.shown[f"both = {REPLAY}"]

    assert re.findall(r"^\d +(\d+) +2020", shown, re.M) == ["93", "87", "93", "90"]


def test_replay_is_the_same_again(lesson: Lesson) -> None:
    """The digests are equal."""
    assert lesson.shown[f"again = {REPLAY}"].strip() == "True"


def test_what_varies_is_named(lesson: Lesson) -> None:
    """The note on the clock, and the table that is not the same."""
    assert (
        "note (wall-clock), line 7"
        in lesson.shown["%%plugin stamped --trigger table:weather --database climate"]
    )
    varied = lesson.shown[f"{REPLAY} --trigger stamped --to 2020-02-01 --twice"]
    assert "table seen is not the same each time" in varied


def test_versions_are_compared(lesson: Lesson) -> None:
    """The second version misses what the first one has beyond it, the last of which is of 2022."""
    old, new = set(records()), set(records(2))
    shown = lesson.shown["comparison = before.compare(after)"]

    assert f"record: {len(old & new)} same, {len(new - old)} added, {len(old - new)} missing" in shown
    assert max(old - new) == ("2022-09-06", "Hayward")


def test_picture_is_drawn(lesson: Lesson) -> None:
    """The plot cell shows a figure."""
    assert "Figure size" in lesson.shown["import matplotlib.pyplot as plt"]


def test_recording_is_replayed(lesson: Lesson) -> None:
    """What came in while it was recorded comes in again, together."""
    shown = lesson.shown["%replay day --trigger records"]

    assert "records: 1 run " in shown
    assert "rows: weather 2, record 2" in shown


def test_checks_tell_what_is_missing_in_a_blank_cell(lesson: Lesson) -> None:
    """Each blank fails with a message that says what was looked for."""
    assert lesson.blank["check-1"] == "keep the result: summer = %replay ..."
    assert lesson.blank["check-2"].startswith("two replays differ: what in the plugin")
    assert lesson.blank["check-3"] == "no row was written into the table record"


def test_checks_pass_on_the_solutions(lesson: Lesson) -> None:
    """Each solution passes, with the counts of the file."""
    late = sum(day >= "2020-01-31" for day, _ in records())

    assert "276 rows of 92 days: right" in lesson.solved["check-1"]
    assert "60 rows, twice the same: right" in lesson.solved["check-2"]
    assert (
        f"{late} records stay, {len(records()) - late} early ones are gone: right"
        in lesson.solved["check-3"]
    )
