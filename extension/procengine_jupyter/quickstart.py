"""How does a newcomer get from a shell to the quickstart notebook?

``python -m procengine_jupyter`` copies it, the notebooks that go on from it and their data into a folder and opens
it in JupyterLab;
with ``--headless`` it executes the notebook in a fresh kernel instead and prints what each cell showed.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from traitlets.config import Config

NOTEBOOK = "quickstart.ipynb"
NOTEBOOKS = ("*.ipynb", "solutions/*.ipynb")
BESIDE = ("data/*", "images/0*.png")
"""What notebooks read and show, which is copied anew each time."""
MISSING = "{package} is not installed; install the notebook extra: pip install 'procengine[notebook]'"


def notebooks_folder() -> Path:
    """Return the folder of the notebooks: in an installed package, or in a checkout."""
    packaged = Path(__file__).parent / "notebooks"
    return packaged if packaged.exists() else Path(__file__).parents[2] / "notebooks"


def copy_notebook(folder: Path) -> Path:
    """Copy the notebooks and their data into a folder, keeping notebooks that are already there.

    Returns the quickstart's path.
    """
    source = notebooks_folder()
    for pattern in (*NOTEBOOKS, *BESIDE):
        for file in source.glob(pattern):
            target = folder / file.relative_to(source)
            if pattern in BESIDE or not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target)
    return folder / NOTEBOOK


def open_in_jupyterlab(notebook: Path, extra: Sequence[str]) -> int:
    """Run JupyterLab on the notebook until the user ends it; return its exit code."""
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        str(notebook),
        f"--notebook-dir={notebook.parent}",
        *extra,
    ]
    if hasattr(os, "geteuid") and os.geteuid() == 0 and "--allow-root" not in extra:
        command.append("--allow-root")  # a container's user is root; JupyterLab refuses it otherwise
    return subprocess.call(command, cwd=notebook.parent)


def execute(notebook: Path) -> int:
    """Execute the notebook in a fresh kernel and print each cell's output; return 1 if a cell failed."""
    import nbformat
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError

    document = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    client = NotebookClient(
        document,
        store_widget_state=False,
        resources={"metadata": {"path": str(notebook.parent)}},
        config=_kernel_config(),
    )
    code = 0
    try:
        client.execute()
    except CellExecutionError as error:
        print(error, file=sys.stderr)  # noqa: T201
        code = 1
    for line in shown(document.cells):
        print(line)  # noqa: T201
    return code


def _kernel_config() -> Config:
    """Return what encrypts the talk with the kernel where both sides can; without, ipykernel 7 warns of it."""
    import zmq
    from jupyter_client.manager import KernelManager

    can = "transport_encryption" in KernelManager.class_trait_names() and zmq.has("curve")
    return Config({"KernelManager": {"transport_encryption": "auto"}} if can else {})


def shown(cells: Sequence[Any]) -> Iterator[str]:
    """Yield the code cells with what they showed, as text."""
    for cell in cells:
        if cell.cell_type != "code":
            continue
        number = cell.execution_count or " "
        yield f"\nIn [{number}]: " + "\n        ".join(cell.source.splitlines())
        for output in cell.outputs:
            yield from _output_lines(output)


def _output_lines(output: Any) -> Iterator[str]:
    if output.output_type == "stream":
        yield output.text.rstrip()
    elif output.output_type == "error":
        yield f"{output.ename}: {output.evalue}"
    else:
        data = output.get("data", {})
        yield data.get("text/plain", f"({', '.join(data)})").rstrip()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m procengine_jupyter", description="Open the quickstart."
    )
    parser.add_argument(
        "--headless", action="store_true", help="execute the notebook and print what happened"
    )
    parser.add_argument(
        "--folder", type=Path, default=Path("procengine-quickstart"), help="where the notebook is put"
    )
    asked, extra = parser.parse_known_args(arguments)
    needed = "nbclient" if asked.headless else "jupyterlab"
    if importlib.util.find_spec(needed) is None:
        parser.exit(2, MISSING.format(package=needed) + "\n")
    if asked.headless and extra:
        parser.error(f"unrecognized arguments: {' '.join(extra)}")
    notebook = copy_notebook(asked.folder.absolute())
    return execute(notebook) if asked.headless else open_in_jupyterlab(notebook, extra)
