"""In which folder does the notebook lie?"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def notebook_folder(
    environment: Mapping[str, str], variables: Mapping[str, object], current: Path
) -> Path:
    """Return the notebook's folder, or the current folder where the notebook is not known.

    Jupyter's server names the notebook in ``JPY_SESSION_NAME``; VS Code in the variable
    ``__vsc_ipynb_file__``. A name whose folder does not exist is no help and is passed over.
    """
    for name in (variables.get("__vsc_ipynb_file__"), environment.get("JPY_SESSION_NAME")):
        if isinstance(name, str) and name.endswith(".ipynb"):
            folder = (current / name).parent
            if folder.is_dir():
                return folder.absolute()
    return current.absolute()
