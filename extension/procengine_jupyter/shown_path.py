"""How is a path shown?"""

from __future__ import annotations

import os
from pathlib import Path


def shown_path(path: Path) -> str:
    """Return a path, relative to the current folder where it lies below it."""
    relative = os.path.relpath(path)
    return str(path) if relative.startswith("..") else relative
