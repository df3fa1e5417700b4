"""How does a request end in time, when the other end sends a little now and then?

A socket's own time-out begins anew with each byte. Here a deadline counts, whatever comes.
"""

from __future__ import annotations

import io
import socket
import time
from typing import Any


class BoundedSocket:
    """A connected socket, as `http.client` uses one, for ``seconds`` from now on; silence ends it before.

    For one thread. What is late raises TimeoutError.
    """

    def __init__(self, inner: socket.socket, seconds: float, silence_seconds: float) -> None:
        self._inner = inner
        self._deadline = time.monotonic() + seconds
        self._silence_seconds = silence_seconds

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self.wait_at_most()
        self._inner.sendall(data)

    def makefile(self, mode: str, buffering: int | None = None) -> io.BufferedReader:  # noqa: ARG002
        """Return what reads from it; it may be closed before."""
        return io.BufferedReader(_BoundedReader(self, self._inner.makefile("rb", buffering=0)))

    def close(self) -> None:
        """Close it, for what does not read from it."""
        self._inner.close()

    def wait_at_most(self) -> None:
        """Let the next call wait as long as there is time; raises TimeoutError when there is none."""
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("timed out")
        self._inner.settimeout(min(left, self._silence_seconds))


class _BoundedReader(io.RawIOBase):
    def __init__(self, sock: BoundedSocket, inner: socket.SocketIO) -> None:
        self._sock = sock
        self._inner = inner

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int | None:
        self._sock.wait_at_most()
        return self._inner.readinto(buffer)

    def close(self) -> None:
        self._inner.close()
        super().close()
