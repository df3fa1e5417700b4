"""Request plugins: addresses that answer from the data, take data in, and draw."""

from __future__ import annotations

import re

import pytest

from tests.notebooks.lessons import Lesson, run_lesson
from tests.notebooks.test_quickstart import weather


@pytest.fixture(scope="module")
def lesson(tmp_path_factory: pytest.TempPathFactory) -> Lesson:
    """The executed notebook."""
    return run_lesson("03_request_plugins", tmp_path_factory.mktemp("requests"))


def test_nothing_fails(lesson: Lesson) -> None:
    """No cell above the exercises shows an error."""
    assert lesson.errors == {}


def test_answer_is_the_same_by_hand_and_over_http(lesson: Lesson) -> None:
    """A dict is JSON, with status 200."""
    assert '"hello": "Ada"' in lesson.shown["%fire hello --param name=Ada"]
    over_http = lesson.shown['ask("hello?name=Ada")']
    assert over_http == "(200, 'application/json', '{\"hello\": \"Ada\"}')"


def test_answers_come_from_the_data(lesson: Lesson) -> None:
    """The extremes are those of the file; what is missing is said by status 400 and 404."""
    start, end = 1609459200, 1640995200
    year = [row for row in weather() if start <= int(row["time"]) / 1e9 < end]
    hottest = max(float(row["temp_max"]) for row in year if row["location"] == "Concord")
    coldest = min(float(row["temp_min"]) for row in year if row["location"] == "Concord")

    first = (
        'for query in ("location=Concord&year=2021", "location=Concord", "location=Paris&year=2021"):'
    )
    well, wrong, nothing = lesson.shown[first].strip().splitlines()
    assert well.startswith("200 application/json")
    assert f'"coldest": {coldest}, "hottest": {hottest}, "days": 365' in well
    assert wrong.startswith("400 ")
    assert nothing == '404 application/json {"error": "no rows of Paris in 2021"}'


def test_failure_is_told_to_both_sides(lesson: Lesson) -> None:
    """Who asks gets 500 and the message; the card has the line of the cell."""
    assert lesson.shown['ask("fragile?number=seven")'].startswith("(500,")
    assert re.search(
        r"Cell In\[\d+\], line 3, in process_request", lesson.shown["%fire fragile --param number=seven"]
    )


def test_data_are_taken_in_or_refused(lesson: Lesson) -> None:
    """Two of four bodies are rows afterwards."""
    assert "wrote 1 row into measured" in lesson.shown["%%fire measured --method POST"]
    loop = 'for body in (b\'{"device": "attic", "value": 24.5}\', b\'{"device": "attic"}\', b"hello"):'
    lines = lesson.shown[loop].strip().splitlines()
    assert [line.split()[0] for line in lines] == ["201", "400", "400"]
    stored = lesson.shown["%%query web"]
    assert re.findall(r"\| (\w+) +\| ([\d.]+) ", stored) == [("attic", "24.5"), ("porch", "18.5")]


def test_page_is_shown(lesson: Lesson) -> None:
    """The cell below the plugin shows its HTML."""
    assert "HTML object" in lesson.shown["from IPython.display import HTML"]


def test_runs_are_counted(lesson: Lesson) -> None:
    """The history has each request, and what it queried."""
    counted = re.findall(r"\| (\w+) +\| (\d+) +\| (\d+) ", lesson.shown["%%query web #2"])

    assert counted == [
        ("extremes", "3", "2"),
        ("fragile", "2", "0"),
        ("hello", "2", "0"),
        ("measured", "4", "0"),
        ("page", "1", "1"),
    ]


def test_checks_tell_what_is_missing_in_a_blank_cell(lesson: Lesson) -> None:
    """Each blank fails with a message that says what was looked for."""
    assert lesson.blank["check-1"] == "top?location=Concord must give 3 days, it gave 0"
    assert 'must be answered with 201, it was 200: {"stored": 0}' in lesson.blank["check-2"]


def test_checks_pass_on_the_solutions(lesson: Lesson) -> None:
    """Each solution passes."""
    assert "the hottest days: right" in lesson.solved["check-1"]
    assert "all or nothing: right" in lesson.solved["check-2"]
