"""How do several processes keep from writing the same files at once?

By a lock on a file that vanishes with the process, however that ends. The file stays, and has the holder's id: one
that is removed could be locked by two, each its own.
"""

from __future__ import annotations

import errno
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

LOOK_AGAIN_SECONDS: Final = 0.05
"""How often a lock that another process holds is looked at: nobody tells when it is let go."""


def _wait_unheard(holder: str) -> None:
    """Tell nobody."""


@contextmanager
def file_locked(
    path: Path,
    *,
    seconds: float,
    waiting: Callable[[str], None] = _wait_unheard,
    ended: Callable[[], bool] = lambda: False,
) -> Iterator[None]:
    """Hold the lock of a file within the block; threads of one process exclude each other as processes do.

    ``waiting`` is told once who holds it, where that has to be waited for. ``ended`` is a reason to wait no longer.

    Raises:
        TimeoutError: it was not let go within ``seconds``; its ``strerror`` names the holder.
        OSError: the file cannot be made.
    """
    deadline = time.monotonic() + seconds
    again = threading.Event()
    told = False
    with path.open("a+", encoding="utf-8") as file:
        while not try_lock(file):
            if ended() or time.monotonic() >= deadline:
                raise TimeoutError(errno.EBUSY, f"{holder_of(file)} is writing there", str(path))
            if not told:
                waiting(holder_of(file))
                told = True
            again.wait(LOOK_AGAIN_SECONDS)
        write_holder(file)
        yield


def holder_of(file: IO[str]) -> str:
    """Return who has a lock, in words."""
    pid = pid_in(file)
    return "another process" if pid is None else f"process {pid}"


def pid_in(file: IO[str]) -> int | None:
    """Return the process that a lock file names; None for none."""
    file.seek(0)
    said = file.read().strip()
    return int(said) if said.isdigit() else None


def write_holder(file: IO[str]) -> None:
    """Let a lock file name this process."""
    file.truncate(0)
    file.write(str(os.getpid()))
    file.flush()


if os.name == "nt":  # pragma: no cover
    import msvcrt

    def try_lock(file: IO[str]) -> bool:
        """Lock a file, if nobody else has; it is let go when the file is closed."""
        file.seek(0)
        try:
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(file: IO[str]) -> bool:
        """Lock a file, if nobody else has; it is let go when the file is closed."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True
