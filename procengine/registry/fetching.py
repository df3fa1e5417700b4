"""How does a file of a registry get here, from a folder or a server that may hang or lie?

Nothing is taken on trust: every wait ends, by silence and by a time for the whole, every answer has a largest size,
and what began on https stays there. Plain http goes to this machine only, unless it is allowed.

Differs: the reference leaves all this to those who fetch.
"""

from __future__ import annotations

import contextlib
import http.client
import os
import socket
import ssl
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urljoin, urlsplit
from urllib.request import url2pathname

from procengine.errors import InvalidInputError, RegistryError

PIECE_BYTES: Final = 65_536
TOO_LONG: Final = "it took too long as a whole"
MOST_REDIRECTS: Final = 5
REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long a server may say nothing, and how long a file may take as a whole, in seconds."""

    silence_seconds: float = 10.0
    whole_seconds: float = 120.0


class Fetcher:
    """Reads files by their address. Any thread; each file has its own connection.

    ``allow_http``: plain http may go to other machines, too. ``context`` says which certificates are trusted.
    """

    def __init__(
        self,
        *,
        allow_http: bool = False,
        patience: Patience | None = None,
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._allow_http = allow_http
        self._patience = patience or Patience()
        self._context = context

    def fetch(self, url: str, *, most_bytes: int) -> bytes:
        """Return what stands under an address.

        Raises:
            InvalidInputError: the address is none that is taken.
            RegistryError: it cannot be had, or is larger than it may be.
        """
        parts = urlsplit(url)
        if parts.scheme == "file":
            return _read_file(url, parts, most_bytes)
        deadline = time.monotonic() + self._patience.whole_seconds
        for _ in range(MOST_REDIRECTS + 1):
            self._check(url, parts)
            answer = self._get(url, parts, most_bytes, deadline)
            if isinstance(answer, bytes):
                return answer
            target = urlsplit(urljoin(url, answer))
            if parts.scheme == "https" and target.scheme != "https":
                raise _failed(url, f"it leads on to {answer!r}, which is not https")
            if target.scheme not in ("http", "https"):
                raise _failed(url, f"it leads on to {answer!r}, which is neither https nor http")
            url, parts = target.geturl(), target
        raise _failed(url, f"it led on more than {MOST_REDIRECTS} times")

    def _check(self, url: str, parts: SplitResult) -> None:
        if parts.scheme not in ("http", "https"):
            raise InvalidInputError(f"cannot read {url!r}: accepted are https, http and file")
        if parts.scheme == "http" and not (self._allow_http or _is_this_machine(parts.hostname or "")):
            raise InvalidInputError(
                f"cannot read {url!r}: plain http goes to this machine only; use https, or add --allow-http where "
                "the network is trusted"
            )

    def _get(self, url: str, parts: SplitResult, most_bytes: int, deadline: float) -> bytes | str:
        """Return the answer's bytes, or where it leads on to."""
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
        with _told_plainly(url), _until(deadline) as call:
            try:
                connection.sock = self._connected(parts, call)
                target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
                connection.request("GET", target, headers={"Accept-Encoding": "identity"})
                response = connection.getresponse()
                if response.status in REDIRECTS and response.headers["location"]:
                    return str(response.headers["location"])
                if response.status != http.client.OK:
                    raise _failed(url, f"the server answered {response.status} {response.reason}")
                return _body(url, response, most_bytes)
            finally:
                connection.close()

    def _connected(self, parts: SplitResult, call: _Call) -> socket.socket:
        """Return a connection to a server, of which the call knows from its first moment."""
        host, is_secure = parts.hostname or "", parts.scheme == "https"
        port = parts.port or (http.client.HTTPS_PORT if is_secure else http.client.HTTP_PORT)
        plain = socket.create_connection((host, port), timeout=self._patience.silence_seconds)
        if not is_secure:
            call.goes_by(plain)
            return plain
        context = self._context or ssl.create_default_context()
        secure = context.wrap_socket(plain, server_hostname=host, do_handshake_on_connect=False)
        call.goes_by(secure)
        secure.do_handshake()
        return secure


class _Call:
    """One connection that can be ended from another thread, whatever waits for it."""

    def __init__(self) -> None:
        self.is_over = False
        self._socket: socket.socket | None = None

    def goes_by(self, connected: socket.socket) -> None:
        self._socket = connected
        if self.is_over:
            self.end()

    def end(self) -> None:
        self.is_over = True
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def _body(url: str, response: http.client.HTTPResponse, most_bytes: int) -> bytes:
    said = response.length
    if said is not None and said > most_bytes:
        raise _failed(url, f"it has {said} bytes; {most_bytes} are the most that is taken")
    found = bytearray()
    while piece := response.read1(PIECE_BYTES):
        found += piece
        if len(found) > most_bytes:
            raise _failed(url, f"it has more than {most_bytes} bytes, the most that is taken")
    if said is not None and len(found) < said:
        raise _failed(url, f"it ended after {len(found)} of {said} bytes")
    return bytes(found)


@contextmanager
def _until(deadline: float) -> Iterator[_Call]:
    """Give a call that is ended when its time is over, however busily the server sends."""
    call = _Call()
    timer = threading.Timer(max(0.0, deadline - time.monotonic()), call.end)
    timer.name, timer.daemon = "procengine-fetch", True
    timer.start()
    try:
        yield call
    except (OSError, http.client.HTTPException, RegistryError):
        if not call.is_over:
            raise
    finally:
        timer.cancel()
        timer.join()
    if call.is_over:
        raise TimeoutError(TOO_LONG)


@contextmanager
def _told_plainly(url: str) -> Iterator[None]:
    try:
        yield
    except TimeoutError as error:
        why = TOO_LONG if TOO_LONG in error.args else "the server said nothing for too long"
        raise _failed(url, why) from error
    except ssl.SSLCertVerificationError as error:
        raise _failed(url, f"its certificate is not trusted ({error.verify_message})") from error
    except (OSError, http.client.HTTPException) as error:
        raise _failed(url, str(error) or type(error).__name__) from error


def _read_file(url: str, parts: SplitResult, most_bytes: int) -> bytes:
    if parts.netloc not in ("", "localhost"):
        raise InvalidInputError(f"cannot read {url!r}: a file's address names no other machine")
    try:
        with os.fdopen(_open_regular(url2pathname(parts.path)), "rb") as file:
            found = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:
        raise _failed(url, getattr(error, "strerror", None) or str(error)) from error
    if len(found) > most_bytes:
        raise _failed(url, f"it has more than {most_bytes} bytes, the most that is taken")
    return found


def _open_regular(path: str) -> int:
    """Open a file, without waiting for the other end of a pipe; what is no file is refused."""
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(22, "it is not a regular file")
    return descriptor


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.rstrip(".").lower() == "localhost"


def _failed(url: str, why: str) -> RegistryError:
    return RegistryError(f"cannot read {url!r}: {why}")
