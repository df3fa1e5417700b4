"""Where do the packages of plugins come from?

From the kernel's own environment, and behind it from a virtual environment that is theirs: its packages stand at the
end of ``sys.path`` while an engine uses it. It is made by the first installation.
What an installation would do is asked of the installer first, and compared with what is there; one that fails, is
interrupted or is cut off by a crash leaves the environment as it was; in the kernel's own, a crash alone does not.

Source: influxdb3_processing_engine/src/environment.rs, PipManager; virtualenv.rs.
Differs: the environment is made when something is installed, not at start; an installation that fails is an error
    with the installer's last lines, not a success, and is undone.
"""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import shutil
import site
import sys
import sysconfig
import tempfile
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from procengine.errors import InvalidInputError, PackageInstallError
from procengine.file_lock import file_locked
from procengine.model.installation import Arrival, Installation, InstallPlan, InstallWatch
from procengine.processing.environment_copy import EnvironmentCopy
from procengine.processing.install_conflicts import (
    conflicts_among,
    conflicts_behind,
    differences,
    names_imported,
)
from procengine.processing.installed_packages import (
    Package,
    installed,
)
from procengine.processing.installer_process import InstallerProcess
from procengine.processing.installers import Installer, installer_of, makes_pip
from procengine.processing.kernel_copy import KernelCopy
from procengine.processing.search_path import SearchPath

logger = logging.getLogger(__name__)

INSTALL_SECONDS: Final = 900.0
"""How long each run of the installer may take."""

# One for all engines of this process: two installers would write the same files. Other processes are kept away by
# a lock file, which they see.
_installing = threading.Lock()
_KERNEL_LOCK: Final = Path(tempfile.gettempdir()) / (
    f"procengine-{hashlib.sha256(f'{sys.prefix} {Path.home()}'.encode()).hexdigest()[:12]}.lock"
)


class PluginEnvironment:
    """The virtual environment of one plugin directory. Any thread.

    ``folder`` is where it is or will be; relative paths of packages and requirements are meant from
    ``working_folder``.
    """

    def __init__(
        self,
        folder: Path,
        *,
        working_folder: Path,
        package_manager: str = "discover",
        install_seconds: float = INSTALL_SECONDS,
    ) -> None:
        self.folder = folder
        self._package_manager = package_manager
        self._install_seconds = install_seconds
        self._process = InstallerProcess(working_folder, seconds=install_seconds)
        # Guards the field below.
        self._lock = threading.Lock()
        self._attached = False

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
        """Let plugins import its packages, if it is there; undo what a crash has cut off."""
        try:
            if self._copy.is_there:
                with file_locked(self._lock_file, seconds=0.0):
                    self._mend()
        except OSError as error:  # another process installs at this moment, or the disk refuses
            logger.warning("packages of plugins may be incomplete: %s", error)
        self._attach()

    def _attach(self) -> None:
        with self._lock:
            if not self._attached and not self._process.closed and self.site_packages.is_dir():
                SearchPath.add(str(self.site_packages))
                self._attached = True

    def install_packages(
        self, packages: Sequence[str], watch: InstallWatch | None = None
    ) -> Installation | None:
        """Install packages, as pip's command line names them, and let plugins import them; None for no packages.

        Raises:
            PackageInstallError: the installer failed; the text has its last lines, and nothing has changed.
            InvalidInputError: a name is no argument of a command.
            StoppedError: the engine was stopped.
        """
        return self._install(packages, watch or InstallWatch()) if packages else None

    def install_requirements(self, location: str, watch: InstallWatch | None = None) -> Installation:
        """Install what a requirements file lists; raises as `install_packages`."""
        return self._install(("-r", location), watch or InstallWatch())

    def interrupt(self) -> None:
        """End an installation that is under way, if there is one; it is undone. Any thread."""
        self._process.interrupt()

    def close(self) -> None:
        """End an installation that is under way, and import from here no more."""
        self._process.close()
        with self._lock:
            if self._attached:
                SearchPath.remove(str(self.site_packages))
                self._attached = False

    def _install(self, arguments: Sequence[str], watch: InstallWatch) -> Installation:
        for argument in arguments:
            if "\0" in argument:
                raise InvalidInputError(f"cannot install {argument!r}: it contains a null byte")
        into_kernel = watch.into_kernel or self._is_kernels
        with (
            _installing,
            self._process.one(),
            self._alone(_KERNEL_LOCK if into_kernel else self._lock_file, watch),
        ):
            if into_kernel:
                return self._into_kernel(arguments, watch)
            self._mend()
            with self._made(watch):
                return self._into_plugins(arguments, watch)

    @contextmanager
    def _alone(self, lock: Path, watch: InstallWatch) -> Iterator[None]:
        """Let no other process install into the same environment meanwhile; one that does is waited for."""

        def waiting(holder: str) -> None:
            watch.tell(f"waiting for {holder}, which installs there")

        try:
            lock.parent.mkdir(parents=True, exist_ok=True)
            with file_locked(
                lock, seconds=self._install_seconds, waiting=waiting, ended=self._process.is_ended
            ):
                yield
        except TimeoutError as error:
            self._process.check()
            raise PackageInstallError(f"Virtual environment error: {lock}: {error.strerror}") from error

    def _into_plugins(self, arguments: Sequence[str], watch: InstallWatch) -> Installation:
        installer = self._installer(watch)
        here = installed([str(self.site_packages)])
        kernel = installed(SearchPath.without_added())
        found = self._ask(installer, arguments, here, watch)
        plan = InstallPlan(
            place=str(self.folder),
            arrivals=tuple(arrival for arrival, _ in found),
            conflicts=tuple(conflicts_behind(kernel, here, found, arguments)),
        )
        _show(plan, watch)
        if not plan.arrivals:
            return Installation(plan=plan)
        before = names_imported(self.site_packages, plan.arrivals)
        with self._undone_on_failure():
            installer.install(self._process.run, arguments, watch.tell)
        self._attach()
        SearchPath.look_again(str(self.site_packages))
        importlib.invalidate_caches()
        return Installation(plan=plan, imported_before=before)

    def _into_kernel(self, arguments: Sequence[str], watch: InstallWatch) -> Installation:
        python = Path(sys.executable)
        installer = installer_of(python, asked=self._package_manager, is_own=True, tell=watch.tell)
        folder = Path(sysconfig.get_path("purelib"))
        present = installed(SearchPath.without_added())
        found = self._ask(installer, arguments, present, watch)
        plan = InstallPlan(
            place=f"the kernel's own environment, {sys.prefix}",
            arrivals=tuple(arrival for arrival, _ in found),
            conflicts=tuple(conflicts_among(present, found)),
        )
        _show(plan, watch)
        if not plan.arrivals:
            return Installation(plan=plan)
        before = names_imported(folder, plan.arrivals)
        replaced = {package.key for arrival, package in found if arrival.replaces}
        with _kernel_undone_on_failure(replaced):
            try:
                installer.install(self._process.run, arguments, watch.tell)
            finally:
                importlib.invalidate_caches()
        return Installation(plan=plan, imported_before=before)

    @property
    def _is_kernels(self) -> bool:
        """Whether this is the environment that the kernel runs in."""
        return self.folder.resolve() == Path(sys.prefix).resolve()

    def _ask(
        self,
        installer: Installer,
        arguments: Sequence[str],
        present: Mapping[str, Package],
        watch: InstallWatch,
    ) -> list[tuple[Arrival, Package]]:
        """Return what would be installed; nothing is changed."""
        with tempfile.TemporaryDirectory() as folder:
            return installer.plan(
                self._process.run, arguments, present=present, tell=watch.tell, folder=Path(folder)
            )

    def _installer(self, watch: InstallWatch) -> Installer:
        """Return what installs into this environment."""
        if not self.site_packages.is_dir():
            raise PackageInstallError(
                f"Virtual environment error: {self.folder} was made by another Python than "
                f"{sys.version_info.major}.{sys.version_info.minor}; delete it to have it made anew"
            )
        return installer_of(
            _python_of(self.folder), asked=self._package_manager, is_own=False, tell=watch.tell
        )

    @contextmanager
    def _made(self, watch: InstallWatch) -> Iterator[None]:
        """Have the environment there within the block; one that was made for a failure is removed."""
        if (self.folder / "pyvenv.cfg").is_file():
            yield
            return
        was_there = self.folder.exists()
        try:
            without = [] if makes_pip() else ["--without-pip"]
            command = [sys.executable, "-m", "venv", *without, str(self.folder)]
            self._process.run(command, watch.tell)
            yield
        except BaseException:
            if not was_there:
                shutil.rmtree(self.folder, ignore_errors=True)
            raise

    @contextmanager
    def _undone_on_failure(self) -> Iterator[None]:
        """Put the packages back as they were when the block fails."""
        copy = self._copy
        try:
            copy.make()
            yield
            copy.forget()
        except OSError as error:
            copy.put_back()
            raise PackageInstallError(
                f"Virtual environment error: {self.folder}: {error.strerror}"
            ) from error
        except BaseException:
            copy.put_back()
            raise

    def _mend(self) -> None:
        copy = self._copy
        if copy.is_there:
            logger.warning("an installation was cut off, and is undone: %s", self.folder)
            copy.put_back()

    @property
    def _lock_file(self) -> Path:
        """What is locked while something is installed: beside the environment, which may not be there yet."""
        return self.folder.with_name(f"{self.folder.name}.lock")

    @property
    def _copy(self) -> EnvironmentCopy:
        packages = self.site_packages.relative_to(os.path.normpath(self.folder))  # as sysconfig has it
        return EnvironmentCopy(self.folder, (packages, Path(_python_of(Path()).parent)))


@contextmanager
def _kernel_undone_on_failure(replaced: Collection[str]) -> Iterator[None]:
    """Put the kernel's own packages back when the block fails; what stays all the same is named."""
    before = installed(SearchPath.without_added())
    folders = [Path(sysconfig.get_path(name)) for name in ("purelib", "platlib", "scripts")]
    if site.ENABLE_USER_SITE:
        folders.append(Path(site.getusersitepackages()))
    with tempfile.TemporaryDirectory() as scratch:
        copy = KernelCopy(folders, replaced, Path(scratch))
        try:
            copy.make()
        except OSError as error:
            raise PackageInstallError(
                f"Virtual environment error: the kernel's packages cannot be kept: {error.strerror}"
            ) from error
        try:
            yield
        except BaseException as error:
            try:
                copy.put_back()
            except OSError as failure:
                logger.warning("not all of the kernel's packages could be put back: %s", failure)
            changed = differences(before, installed(SearchPath.without_added()))
            if changed and isinstance(error, PackageInstallError):
                raise PackageInstallError(f"{error}{changed}") from error
            if changed and isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt(f"interrupted{changed}") from error
            raise


def _show(plan: InstallPlan, watch: InstallWatch) -> None:
    """Show a plan before anything is changed; raises what the watcher raises to refuse it."""
    if watch.accept is not None:
        watch.accept(plan)
        return
    for text in plan.conflicts:
        logger.warning("installation into %s: %s", plan.place, text)


def _python_of(folder: Path) -> Path:
    if os.name == "nt":  # pragma: no cover
        return folder / "Scripts" / "python.exe"
    return folder / "bin" / "python"
