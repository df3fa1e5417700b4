"""Where does the API listen, and under which names may it be called?

A browser can be made to send requests here by any page: under a name that an attacker's DNS resolves to this
machine (rebinding), or straight to the address from a foreign page. The first is told by the header ``Host``, which
must name this machine; the second by ``Origin``, which matters where no token protects the API.
"""

from __future__ import annotations

import errno
import ipaddress
import socket
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from procengine.errors import AddressInUseError, StorageError

PORTS_TRIED: Final = 100
"""How many ports after the configured one are tried where the next free one will do."""


def listening_socket(bind: str, *, next_free: bool) -> socket.socket:
    """Return a socket that listens on ``host:port``.

    ``next_free`` takes the next port that is free where that one is taken.

    Raises:
        AddressInUseError: the port is taken; the text names it.
        StorageError: the address cannot be listened on.
    """
    host, _, port_text = bind.rpartition(":")
    host, port = host.removeprefix("[").removesuffix("]"), int(port_text)
    ports = [port]
    if next_free and port:
        ports += [*range(port + 1, min(port + PORTS_TRIED, 65_536)), 0]
    for each in ports:
        with suppress(_TakenError):
            return _listen(host, each)
    raise AddressInUseError(f"port {port} of {host} is taken; stop what listens there, or set http_bind")


class _TakenError(Exception):
    """The port is taken."""


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # The protocol is named because asyncio turns Nagle's delay off only where it is: 40 ms an answer otherwise.
    listener = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
        listener.listen(socket.SOMAXCONN)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise _TakenError from error
        raise StorageError(f"cannot listen on {host}:{port}: {error.strerror or error}") from error
    return listener


def base_url(listener: socket.socket) -> str:
    """Return the URL under which a listening socket is reached."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def is_local_host(host: bytes) -> bool:
    """Tell whether a ``Host`` header names this machine; the port, which a tunnel may change, does not matter."""
    try:
        name = urlsplit(f"//{host.decode('ascii')}").hostname or ""
    except ValueError:
        return False
    return is_loopback_name(name)


def is_local_origin(origin: bytes) -> bool:
    """Tell whether an ``Origin`` header is that of a page from this machine."""
    try:
        name = urlsplit(origin.decode("ascii")).hostname or ""
    except ValueError:
        return False
    return is_loopback_name(name)


def is_loopback_name(name: str) -> bool:
    """Tell whether a host's name or address is this machine's own."""
    try:
        return name in {"localhost", "localhost."} or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
