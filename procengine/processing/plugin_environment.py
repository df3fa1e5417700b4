"""Where do the packages of plugins come from?

From the kernel's own environment, and behind it from a virtual environment that is theirs: its packages stand at the
end of ``sys.path`` while an engine uses it. It is made by the first installation; pip is the kernel's, pointed at it.

Source: influxdb3_processing_engine/src/environment.rs, PipManager; virtualenv.rs.
Differs: the environment is made when something is installed, not at start; an installation that fails is an error
    with the installer's last lines, not a success.
"""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import signal
import site
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from procengine.errors import InvalidInputError, PackageInstallError, StoppedError

INSTALL_SECONDS: Final = 900.0
"""How long an installation may take."""

_LAST_LINES: Final = 20


class SearchPath:
    """What is at the end of ``sys.path`` for engines, each folder as long as one of them uses it."""

    # ``sys.path`` is one for all engines, and so is the lock on changing it.
    _lock = threading.Lock()
    _uses: Final[dict[str, int]] = {}
    _added: Final[dict[str, list[str]]] = {}

    @classmethod
    def add(cls, folder: str) -> None:
        """Append a folder, and what its ``.pth`` files name; what is there already stays where it is."""
        with cls._lock:
            uses = cls._uses.get(folder, 0)
            if not uses:
                before = set(sys.path)
                if folder not in before:  # the kernel's own needs no second look at its ``.pth`` files
                    site.addsitedir(folder)
                cls._added[folder] = [entry for entry in sys.path if entry not in before]
            cls._uses[folder] = uses + 1

    @classmethod
    def remove(cls, folder: str) -> None:
        """Take back one `add`."""
        with cls._lock:
            cls._uses[folder] -= 1
            if not cls._uses[folder]:
                del cls._uses[folder]
                added = cls._added.pop(folder)
                sys.path[:] = [entry for entry in sys.path if entry not in added]


class PluginEnvironment:
    """The virtual environment of one plugin directory. Any thread.

    ``folder`` is where it is or will be; relative paths of packages and requirements are meant from
    ``working_folder``.
    """

    def __init__(
        self, folder: Path, *, working_folder: Path, install_seconds: float = INSTALL_SECONDS
    ) -> None:
        self.folder = folder
        self._working_folder = working_folder
        self._install_seconds = install_seconds
        # Held while an installer runs: two would write the same files.
        self._installing = threading.Lock()
        # Guards the three below.
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._attached = False
        self._closed = False

    @property
    def site_packages(self) -> Path:
        """Where its packages are."""
        base = str(self.folder)
        return Path(
            sysconfig.get_path(
                "purelib", "venv", {"base": base, "platbase": base, "installed_base": base}
            )
        )

    def attach(self) -> None:
        """Let plugins import its packages, if it is there."""
        with self._lock:
            if not self._attached and not self._closed and self.site_packages.is_dir():
                SearchPath.add(str(self.site_packages))
                self._attached = True

    def install_packages(self, packages: Sequence[str]) -> None:
        """Install packages, as pip's command line names them, and let plugins import them.

        Raises:
            PackageInstallError: the installer failed; the text has its last lines.
            InvalidInputError: a name is no argument of a command.
            StoppedError: the engine was stopped.
        """
        if packages:
            self._install(packages)

    def install_requirements(self, location: str) -> None:
        """Install what a requirements file lists; raises as `install_packages`."""
        self._install(("-r", location))

    def close(self) -> None:
        """End an installation that is under way, and import from here no more."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                _kill(self._process)
            if self._attached:
                SearchPath.remove(str(self.site_packages))
                self._attached = False

    def _install(self, arguments: Sequence[str]) -> None:
        for argument in arguments:
            if "\0" in argument:
                raise InvalidInputError(f"cannot install {argument!r}: it contains a null byte")
        with self._installing:
            has_pip = importlib.util.find_spec("pip") is not None
            if not (self.folder / "pyvenv.cfg").is_file():
                without = ["--without-pip"] if has_pip else []
                self._run([sys.executable, "-m", "venv", *without, str(self.folder)])
            if not self.site_packages.is_dir():
                raise PackageInstallError(
                    f"Virtual environment error: {self.folder} was made by another Python than "
                    f"{sys.version_info.major}.{sys.version_info.minor}; delete it to have it made anew"
                )
            python = str(_python_of(self.folder))
            pip = [sys.executable, "-m", "pip", "--python", python] if has_pip else [python, "-m", "pip"]
            options = ["--disable-pip-version-check", "--no-input"]
            self._run([*pip, "install", *options, *arguments])
        self.attach()
        importlib.invalidate_caches()

    def _run(self, command: Sequence[str]) -> None:
        """Run a command to its end, at most ``install_seconds``."""
        with self._started(command) as process:
            try:
                output, _ = process.communicate(timeout=self._install_seconds)
            except subprocess.TimeoutExpired as error:
                raise PackageInstallError(
                    f"External call failed: not done after {self._install_seconds:g} seconds"
                ) from error
            finally:
                with self._lock:
                    _kill(process)
                    self._process = None
        if self._closed:
            raise StoppedError("the engine is stopped")
        if process.returncode != 0:
            lines = output.decode("utf-8", "replace").rstrip().splitlines()[-_LAST_LINES:]
            said = "\n".join((f"status {process.returncode}", *lines))
            raise PackageInstallError(f"External call failed: {said}")

    def _started(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self._lock:
            if self._closed:
                raise StoppedError("the engine is stopped")
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    cwd=self._working_folder,
                    # Its own session: pip starts another process, and both must end.
                    start_new_session=True,
                )
            except OSError as error:
                raise PackageInstallError(
                    f"External call failed: {error.strerror} (os error {error.errno})"
                ) from error
            return self._process


def _python_of(folder: Path) -> Path:
    if os.name == "nt":  # pragma: no cover
        return folder / "Scripts" / "python.exe"
    return folder / "bin" / "python"


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started; one that has ended is left alone."""
    if process.poll() is not None:
        return
    if os.name == "nt":  # pragma: no cover
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
