"""Wheels made on the spot, and installers kept from looking anywhere else."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path


def offline(folder: Path) -> Mapping[str, str]:
    """Return the variables by which pip and uv find the wheels of a folder, and nothing else."""
    return {
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(folder),
        "PIP_NO_CACHE_DIR": "1",
        "PIP_NO_COMPILE": "1",
        "UV_NO_INDEX": "1",
        "UV_FIND_LINKS": str(folder),
        "UV_NO_CACHE": "1",
    }


def make_wheel(
    folder: Path,
    name: str,
    version: str = "1.0",
    *,
    says: str = "",
    needs: Iterable[str] = (),
    files: Mapping[str, str] | None = None,
) -> Path:
    """Make a wheel of one module that has ``SAYS``; return its path. ``files`` are further ones, by path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    info = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    metadata += [f"Requires-Dist: {one}" for one in needs]
    contents = {
        f"{name}.py": f"SAYS = {says or version!r}\n",
        f"{info}/METADATA": "\n".join(metadata) + "\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        **(files or {}),
    }
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in contents.items():
            archive.writestr(file, text)
        archive.writestr(f"{info}/RECORD", "".join(f"{file},,\n" for file in contents))
    return path
