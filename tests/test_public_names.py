"""The public names, and what importing them costs."""

from __future__ import annotations

import subprocess
import sys

import procengine


def test_public_names() -> None:
    """The package's face has these names and no others."""
    assert sorted(procengine.__all__) == [
        "Engine",
        "__version__",
        "load_ipython_extension",
        "unload_ipython_extension",
    ]
    assert all(hasattr(procengine, name) for name in procengine.__all__)


def test_public_names_import_is_light() -> None:
    """Importing the package imports neither DataFusion nor pandas nor the engine."""
    script = (
        "import sys, procengine\n"
        "print(sorted(name for name in ('datafusion', 'pandas', 'pyarrow', 'procengine.engine', 'IPython') "
        "if name in sys.modules))"
    )
    shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
