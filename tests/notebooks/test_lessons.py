"""The notebooks that teach are whole: in order, without outputs, each exercise with its check and its solution."""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
import pytest
from procengine_jupyter.quickstart import copy_notebook, notebooks_folder

from tests.notebooks.lessons import code_cells, read, solutions

LESSONS = sorted(path.stem for path in notebooks_folder().glob("0*.ipynb"))
README = Path(__file__).parents[2] / "README.md"


@pytest.mark.parametrize("name", LESSONS)
def test_notebook_is_valid_and_without_outputs(name: str) -> None:
    """What is in the repository is the text alone, of no machine in particular."""
    for document in (read(name), read(name, "solutions")):
        nbformat.validate(document)
        assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(document))
        assert set(document.metadata) == {"kernelspec", "language_info"}
        assert document.metadata.language_info == {"name": "python"}


@pytest.mark.parametrize("name", LESSONS)
def test_each_exercise_has_a_check_and_a_solution(name: str) -> None:
    """A notebook has two to four exercises; the check stands below each, and another text is kept as its solution."""
    document = read(name)
    ids = [cell.id for cell in document.cells]
    exercises = {cell.id: cell.source for cell in code_cells(document, "exercise")}

    assert 2 <= len(exercises) <= 4
    assert list(exercises) == [f"exercise-{number + 1}" for number in range(len(exercises))]
    for exercise in exercises:
        assert ids[ids.index(exercise) + 1] == exercise.replace("exercise", "check")
    checks = code_cells(document, "check")
    assert len(checks) == len(exercises)
    assert all("raises-exception" in cell.metadata.tags for cell in checks)
    kept = solutions(name)
    assert list(kept) == list(exercises)
    assert all(kept[one] != exercises[one] for one in kept)


@pytest.mark.parametrize("name", ["quickstart", *LESSONS])
def test_links_lead_to_files(name: str, tmp_path: Path) -> None:
    """Notebooks that a text leads to are there, also where the quickstart's command puts them."""
    copy_notebook(tmp_path)
    for document, folder in (
        (read(name), "."),
        *([] if name == "quickstart" else [(read(name, "solutions"), "solutions")]),
    ):
        text = "\n".join(cell.source for cell in document.cells if cell.cell_type == "markdown")
        for link in re.findall(r"\]\((?!https?://)([^)#]+)", text):
            assert (tmp_path / folder / link).is_file(), link
            assert (notebooks_folder() / folder / link).is_file(), link


@pytest.mark.parametrize("name", LESSONS)
def test_readme_lists_the_notebook(name: str) -> None:
    """The README leads to each."""
    assert f"(notebooks/{name}.ipynb)" in README.read_text()


def test_a_copy_keeps_what_the_reader_did(tmp_path: Path) -> None:
    """Notebooks that are there are left alone; those that are missing come."""
    copy_notebook(tmp_path)
    mine, missing = tmp_path / f"{LESSONS[0]}.ipynb", tmp_path / "solutions" / f"{LESSONS[0]}.ipynb"
    mine.write_text("mine")
    missing.unlink()

    copy_notebook(tmp_path)

    assert mine.read_text() == "mine"
    assert missing.is_file()
