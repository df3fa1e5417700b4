"""Which installer puts packages into an environment, and how is it asked what it would do?

pip, where this Python or the environment has it; uv, where it is asked for or there is no pip.

Source: influxdb3_processing_engine/src/environment.rs, determine_package_manager, PipManager; before 3.10 UVManager.
Differs: from 3.10 on the original takes uv for another word for pip.
"""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

from procengine.errors import PackageInstallError
from procengine.model.installation import Arrival
from procengine.processing.installed_packages import Package, arrivals, requirement_of

Run = Callable[[Sequence[str], Callable[[str], None]], None]
"""Runs a command to its end, and tells its lines."""
Tell = Callable[[str], None]


class Installer(Protocol):
    """An installer for one environment."""

    def plan(
        self,
        run: Run,
        arguments: Sequence[str],
        *,
        present: Mapping[str, Package],
        tell: Tell,
        folder: Path,
    ) -> list[tuple[Arrival, Package]]:
        """Return what would be installed; nothing is changed. ``folder`` is for the installer's own files.

        ``present`` are the packages that are there.
        """
        ...

    def install(self, run: Run, arguments: Sequence[str], tell: Tell) -> None:
        """Install."""
        ...


class Pip:
    """pip, by a command."""

    _OPTIONS: Final = ("--disable-pip-version-check", "--no-input", "--progress-bar", "off")

    def __init__(self, command: Sequence[str]) -> None:
        self._command = (*command, "install", *self._OPTIONS)

    def plan(
        self,
        run: Run,
        arguments: Sequence[str],
        *,
        present: Mapping[str, Package],
        tell: Tell,
        folder: Path,
    ) -> list[tuple[Arrival, Package]]:
        """Return what pip reports that it would install."""
        report = folder / "report.json"
        run((*self._command, "--dry-run", "--report", str(report), *arguments), tell)
        # pip 22.2 was the first that reports; it would have failed before.
        return arrivals(json.loads(report.read_text("utf-8")), present)

    def install(self, run: Run, arguments: Sequence[str], tell: Tell) -> None:
        """Install."""
        run((*self._command, *arguments), tell)


class Uv:
    """uv, for the environment of one Python. It tells what it would install, and not what that needs."""

    _COMES: Final = re.compile(r"^ [+~] ([A-Za-z0-9._-]+)==(\S+)")

    def __init__(self, command: Sequence[str], python: Path) -> None:
        self._command = (*command, "pip", "install", "--python", str(python), "--color", "never")

    def plan(
        self,
        run: Run,
        arguments: Sequence[str],
        *,
        present: Mapping[str, Package],
        tell: Tell,
        folder: Path,  # noqa: ARG002
    ) -> list[tuple[Arrival, Package]]:
        """Return what uv says that it would install."""
        lines: list[str] = []

        def keep(line: str) -> None:
            lines.append(line)
            tell(line)

        run((*self._command, "--dry-run", *arguments), keep)
        asked = {requirement.name for one in arguments if (requirement := requirement_of(one))}
        keys = {Package(name=name, version="").key for name in asked}
        found = []
        for line in lines:
            comes = self._COMES.match(line)
            if comes is not None:
                package = Package(name=comes[1], version=comes[2], tells_needs=False)
                former = present.get(package.key)
                arrival = Arrival(
                    name=package.name,
                    version=package.version,
                    replaces=former.version if former is not None else "",
                    is_requested=package.key in keys,
                )
                found.append((arrival, package))
        return found

    def install(self, run: Run, arguments: Sequence[str], tell: Tell) -> None:
        """Install."""
        run((*self._command, *arguments), tell)


def installer_of(python: Path, *, asked: str, is_own: bool, tell: Tell) -> Installer:
    """Return what installs into the environment of a Python.

    ``asked`` is the option ``package_manager``; ``is_own`` says that it is this Python's own environment. Where uv is
    asked for and is not there, pip does it, which is told.

    Raises: PackageInstallError: there is neither.
    """
    uv, pip = _uv(), _pip(python, is_own=is_own)
    if uv is not None and (asked == "uv" or (asked == "discover" and pip is None)):
        return Uv(uv, python)
    if pip is None:
        other = "" if asked == "pip" else ", and uv neither"
        raise PackageInstallError(
            f"Virtual environment error: {python} has no pip{other}; install one of them, or point "
            "virtual_env_location at an environment that has pip"
        )
    if asked == "uv":
        tell("uv is not installed: pip does it")
    return Pip(pip)


def makes_pip() -> bool:
    """Tell whether an environment that is made needs pip of its own, for want of another installer."""
    return not _has_pip() and _uv() is None


def _uv() -> tuple[str, ...] | None:
    if importlib.util.find_spec("uv") is not None:
        return (sys.executable, "-m", "uv")
    found = shutil.which("uv")
    return None if found is None else (found,)


def _pip(python: Path, *, is_own: bool) -> tuple[str, ...] | None:
    if _has_pip():
        own = (sys.executable, "-m", "pip")
        return own if is_own else (*own, "--python", str(python))
    beside = python.with_name("pip.exe" if python.suffix == ".exe" else "pip")
    return (str(python), "-m", "pip") if beside.exists() else None


def _has_pip() -> bool:
    return importlib.util.find_spec("pip") is not None
