"""How is a notebook with exercises executed, blank and solved?

An exercise is a code cell ``exercise-N`` with the tag ``exercise``. The cell below it, ``check-N`` with the tag
``check``, raises an AssertionError until the exercise is solved; its tag ``raises-exception`` lets a run of all cells
go on.
Solutions are cells of the same ids in the notebook of the same name in ``solutions``.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from procengine_jupyter.quickstart import copy_notebook, notebooks_folder

SOLVED = "-solved"


@dataclass(frozen=True)
class Lesson:
    """What an executed notebook showed.

    ``shown`` maps the first line of each code cell to its output as text, a repeated line with a number; ``blank``
    and ``solved`` a check's id to its message, and to what it printed once the solution stood above it. ``errors``
    maps a first line to an error that the notebook means to show.
    """

    shown: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)
    blank: dict[str, str] = field(default_factory=dict)
    solved: dict[str, str] = field(default_factory=dict)


def read(name: str, folder: str = ".") -> Any:
    """Return a notebook of the repository."""
    return nbformat.read(notebooks_folder() / folder / f"{name}.ipynb", as_version=4)


def code_cells(document: Any, tag: str = "") -> list[Any]:
    """Return a notebook's code cells, or those with a tag."""
    cells = [cell for cell in document.cells if cell.cell_type == "code"]
    return [cell for cell in cells if not tag or tag in cell.metadata.get("tags", [])]


def solutions(name: str) -> dict[str, str]:
    """Return the solutions of a notebook's exercises, by the exercise's id."""
    return {cell.id: cell.source for cell in code_cells(read(name, "solutions"))}


def with_solutions(document: Any, solved: dict[str, str]) -> Any:
    """Return a notebook that has each exercise and its check twice: as it is, then solved."""
    whole = copy.deepcopy(document)
    cells: list[Any] = []
    for cell in document.cells:
        cells.append(cell)
        if "check" in cell.metadata.get("tags", []):
            for again in copy.deepcopy(cells[-2:]):
                again.source = solved.get(again.id, again.source)
                again.id += SOLVED
                again.metadata["tags"] = []
                cells.append(again)
    whole.cells = cells
    return whole


def run_lesson(name: str, folder: Path) -> Lesson:
    """Execute a notebook in a folder, from a fresh kernel; each exercise is left blank, then solved."""
    copy_notebook(folder)
    document = with_solutions(read(name), solutions(name))
    client = NotebookClient(
        document,
        timeout=120,
        store_widget_state=False,
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute()
    return outputs_of(document)


def outputs_of(document: Any) -> Lesson:
    """Return what an executed notebook shows."""
    lesson = Lesson()
    for cell in code_cells(document):
        text = "\n".join(filter(None, map(_text, cell.outputs)))
        error = next((one for one in cell.outputs if one.output_type == "error"), None)
        if cell.id.endswith(SOLVED):
            lesson.solved[cell.id.removesuffix(SOLVED)] = text
        elif "check" in cell.metadata.get("tags", []):
            assert error is not None, f"{cell.id} passes on the blank cell"
            assert error.ename == "AssertionError", error
            lesson.blank[cell.id] = error.evalue
        else:
            first = _free(cell.source.splitlines()[0], lesson.shown)
            lesson.shown[first] = text
            if error is not None:
                lesson.errors[first] = f"{error.ename}: {error.evalue}"
    return lesson


def _free(first: str, taken: dict[str, str]) -> str:
    """Return a cell's first line, with a number where it is taken."""
    name, number = first, 2
    while name in taken:
        name, number = f"{first} #{number}", number + 1
    return name


def _text(output: Any) -> str:
    if output.output_type == "stream":
        return str(output.text)
    if output.output_type == "error":
        return ""
    return str(output.data.get("text/plain", ""))
