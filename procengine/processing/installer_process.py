"""How does an installer run, and how is it stopped?

One at a time; each line that it prints is told as it comes. It and the processes that it starts end with the call,
whatever ends that: success, an interrupt, the time limit, or the engine.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from procengine.errors import PackageInstallError, StoppedError

_LAST_LINES: Final = 20
_TAKE_BACK_SECONDS: Final = 5.0
_COLOURS: Final = frozenset({"FORCE_COLOR", "CLICOLOR_FORCE", "PY_COLORS"})


class InstallerProcess:
    """Runs commands in one folder, each at most ``seconds``. `run` by one thread at a time, `close` by any."""

    def __init__(self, folder: Path, *, seconds: float) -> None:
        self._folder = folder
        self._seconds = seconds
        # Guards the fields below.
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False
        self._interrupted = False

    @property
    def closed(self) -> bool:
        """Whether nothing is run any more."""
        return self._closed

    @contextlib.contextmanager
    def one(self) -> Iterator[None]:
        """Make of the block one installation: an interrupt ends all commands that it has yet to run."""
        with self._lock:
            self._interrupted = False
        yield

    def is_ended(self) -> bool:
        """Tell whether the installation was interrupted, or nothing is run any more."""
        return self._closed or self._interrupted

    def check(self) -> None:
        """Go on.

        Raises:
            StoppedError: nothing is run any more.
            PackageInstallError: the installation was interrupted.
        """
        if self._closed:
            raise StoppedError("the engine is stopped")
        if self._interrupted:
            raise PackageInstallError("interrupted; nothing was installed")

    def run(self, command: Sequence[str], tell: Callable[[str], None]) -> None:
        """Run a command to its end.

        Raises:
            PackageInstallError: it cannot be started, takes too long, or says that it failed; the text has its last
                lines.
            StoppedError: nothing is run any more.
        """
        last: deque[str] = deque(maxlen=_LAST_LINES)
        late = threading.Event()
        with self._started(command) as process:

            def end_late() -> None:
                late.set()
                _kill(process)

            timer = threading.Timer(self._seconds, end_late)
            timer.name, timer.daemon = "procengine-installer-limit", True
            timer.start()
            try:
                assert process.stdout is not None
                for data in process.stdout:
                    line = data.decode("utf-8", "replace").rstrip()
                    if line:
                        last.append(line)
                        tell(line)
                process.wait()
            finally:
                timer.cancel()
                _interrupt(process)
                with self._lock:
                    _kill(process)
                    self._process = None
                timer.join()
        self.check()
        if late.is_set():
            raise PackageInstallError(f"External call failed: not done after {self._seconds:g} seconds")
        if process.returncode != 0:
            said = "\n".join((f"status {process.returncode}", *last))
            raise PackageInstallError(f"External call failed: {said}")

    def interrupt(self) -> None:
        """End the installation that is under way, if there is one."""
        with self._lock:
            self._interrupted = True
            if self._process is not None:
                _kill(self._process)

    def close(self) -> None:
        """End what is under way, and run no more."""
        with self._lock:
            self._closed = True
            if self._process is not None:
                _kill(self._process)

    def _started(self, command: Sequence[str]) -> subprocess.Popen[bytes]:
        with self._lock:
            self.check()
            try:
                self._process = subprocess.Popen(
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    cwd=self._folder,
                    env=_without_colours(os.environ),
                    # Its own session: pip starts another process, and both must end; an interrupt of the
                    # kernel reaches the caller alone, who ends both.
                    start_new_session=True,
                )
            except OSError as error:
                raise PackageInstallError(
                    f"External call failed: {error.strerror} (os error {error.errno})"
                ) from error
            return self._process


def _without_colours(variables: Mapping[str, str]) -> Mapping[str, str]:
    """Return variables by which lines are plain text; a Jupyter kernel has some that ask for colours."""
    return {
        **{name: value for name, value in variables.items() if name not in _COLOURS},
        "NO_COLOR": "1",
    }


def _interrupt(process: subprocess.Popen[bytes]) -> None:
    """Ask a process to end, in time to take back what it has begun; one that has ended is left alone."""
    if process.poll() is not None or os.name == "nt":
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGINT)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_TAKE_BACK_SECONDS)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and those that it started; one that has ended is left alone."""
    if process.poll() is not None:
        return
    if os.name == "nt":  # pragma: no cover
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
