"""State: what plugins remember, and what the database keeps ready."""

from __future__ import annotations

import re

import pytest

from tests.notebooks.lessons import Lesson, run_lesson
from tests.notebooks.test_quickstart import weather


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    """The executed notebook."""
    return run_lesson("04_state", tmp_path_factory.mktemp("state"))


def starting(lesson: Lesson, text: str) -> str:
    """Return what the one cell showed whose first line begins with a text."""
    [shown] = [shown for first, shown in lesson.shown.items() if first.startswith(text)]
    return shown


def test_nothing_fails(lesson: Lesson) -> None:
    """No cell above the exercises shows an error."""
    assert lesson.errors == {}


def test_module_forgets(lesson: Lesson) -> None:
    """A variable of the module counts to one, and the note says why."""
    assert "note (module-state)" in starting(lesson, "%%plugin forgetful")
    assert '"count": 1' in lesson.shown["%fire forgetful --repeat 3"]


def test_cache_remembers_across_runs_and_a_restart(lesson: Lesson) -> None:
    """Three runs, a restart, and the fourth goes on."""
    assert "cache 'count': 2 -> 3" in lesson.shown["%fire counter --repeat 3"]
    assert "up" in lesson.shown["%procengine restart"]
    assert "cache 'count': 3 -> 4" in lesson.shown["%fire counter"]


def test_warning_is_given_once_a_place(lesson: Lesson) -> None:
    """The second frost in Concord falls into the hour of the first."""
    assert re.findall(r"WARN  frost in (\w+): (\d+)", lesson.shown["%%write memory"]) == [
        ("Concord", "31"),
        ("Hayward", "32"),
    ]


def test_triggers_share_what_is_global(lesson: Lesson) -> None:
    """One trigger finds the records of the file, another answers with them."""
    records: dict[str, float] = {}
    for row in weather():
        temperature = float(row.get("temp_max", -99))
        records[row["location"]] = max(temperature, records.get(row["location"], -99))

    shown = lesson.shown["%fire highest"]
    assert {place: float(text) for place, text in re.findall(r'"([\w ]+)": ([\d.]+)', shown)} == records
    inspected = lesson.shown["%inspect cache"]
    assert "plugin cache · 4 keys" in inspected
    assert re.search(r"memory/cold +\| told Concord +\| float", inspected)
    assert "memory/counter count 4" in lesson.shown["engine = %procengine"]


def test_last_values_are_the_newest_two(lesson: Lesson) -> None:
    """The cache begins with the table's rows, and has the write's row before the next cell."""
    assert "new cache created" in starting(lesson, "%influxdb3 create last_cache")
    newest = re.findall(r"\| Concord +\| ([\d.]+)", lesson.shown["%%query memory"])
    assert newest == ["51.0", "50.0"]
    inspected = lesson.shown["%inspect last latest"]
    assert "6 rows · 3 keys" in inspected
    assert re.findall(r"\| Concord +\| ([\d.]+)", inspected) == ["58.0", "51.0"]
    assert '"Concord": 7.0' in lesson.shown["%fire change"]


def test_distinct_values_are_the_places(lesson: Lesson) -> None:
    """Each place is there once, old as its rows are."""
    assert "new cache created" in starting(lesson, "%influxdb3 create distinct_cache")
    shown = lesson.shown["%%query memory #2"]
    assert re.findall(r"^\| (\w[\w ]*?) +\|$", shown, re.MULTILINE) == [
        "location",
        "Concord",
        "Hayward",
        "San Francisco",
    ]
    assert "3 combinations" in lesson.shown["%inspect distinct places"]


def test_checks_tell_what_is_missing_in_a_blank_cell(lesson: Lesson) -> None:
    """Each blank fails with a message that says what was looked for."""
    assert lesson.blank["check-1"].endswith("must write [('A', 15.0, 2)], it wrote {}")
    assert lesson.blank["check-2"] == "two hot rows of one place must give one warning, there were 0"
    assert lesson.blank["check-3"] == "there is no cache newest; there are latest"


def test_checks_pass_on_the_solutions(lesson: Lesson) -> None:
    """Each solution passes."""
    assert "jumps: right" in lesson.solved["check-1"]
    assert "warnings: right" in lesson.solved["check-2"]
    assert "newest: right" in lesson.solved["check-3"]
