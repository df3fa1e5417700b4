"""How does a request get to a server, and its answer back?

A connection carries one request: commands make one, or few large ones, and a connection that is kept may have been
closed at the other end. Redirects are not followed, so that a token goes where it was meant to.

Differs: the original follows redirects, uses the proxies of the environment, and waits without limit.
"""

from __future__ import annotations

import http.client
import json
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import SplitResult, quote_plus, urlencode, urlsplit

from procengine.errors import InvalidInputError
from procengine.remote.bounded_socket import BoundedSocket
from procengine.remote.failures import RefusedByServerError, UnreachableServerError
from procengine.remote.tls import Tls

CONNECT_SECONDS = 10.0
"""How long a connection may take to be made."""
SILENCE_SECONDS = 600.0
"""How long a server may say nothing: it may be running a query, or installing packages."""
PIECE_BYTES = 65_536
JSON_HEADERS = {"content-type": "application/json"}


class Transport:
    """Sends requests to one server. Any thread; each request has its own connection.

    ``tls_ca`` is the path of a certificate authority that is trusted as well as the system's, PEM or, by its suffix,
    DER; with ``tls_no_verify`` any certificate will do. ``whole_seconds`` is how long a request and its answer may
    take, however often something comes; None bounds silence alone.

    Raises: InvalidInputError: the URL is none of HTTP, or the certificate cannot be read.
    """

    def __init__(
        self,
        url: str,
        *,
        token: str | None = None,
        tls_ca: str | None = None,
        tls_no_verify: bool = False,
        connect_seconds: float = CONNECT_SECONDS,
        silence_seconds: float = SILENCE_SECONDS,
        whole_seconds: float | None = None,
    ) -> None:
        self._url, self._port = _read_url(url)
        self._headers = {} if token is None else {"authorization": f"Bearer {_one_line(token)}"}
        self._connect_seconds, self._silence_seconds = connect_seconds, silence_seconds
        self._whole_seconds = whole_seconds
        secure = self._url.scheme == "https"
        trusted = Tls(ca=tls_ca, no_verify=tls_no_verify)
        self._context = trusted.context() if secure or tls_ca else None

    def send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, object] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        whole_seconds: float | None = None,
    ) -> Answer:
        """Send a request; return the answer once its status is known. Parameters that are None are left out.

        ``whole_seconds`` is for a request that may take longer than others.

        Raises:
            RefusedByServerError: the status is no success.
            UnreachableServerError: there was no answer.
        """
        allowed = (
            whole_seconds if self._whole_seconds is not None and whole_seconds else self._whole_seconds
        )
        connection = self._connection(allowed)
        try:
            with self._told_plainly(allowed):
                connection.connect()
                if allowed is None:
                    connection.sock.settimeout(self._silence_seconds)
                else:
                    connection.sock = BoundedSocket(connection.sock, allowed, self._silence_seconds)
                connection.request(
                    method, self._target(path, params), body, {**self._headers, **(headers or {})}
                )
                response = connection.getresponse()
            answer = Answer(self, connection, response, allowed)
            if not 200 <= response.status < 300:
                raise RefusedByServerError.from_body(response.status, answer.read())
        except BaseException:
            connection.close()
            raise
        return answer

    def send_json(
        self,
        method: str,
        path: str,
        value: object = None,
        *,
        params: Mapping[str, object] | None = None,
        whole_seconds: float | None = None,
    ) -> Answer:
        """Send a request whose body is JSON, or that has none where the value is None.

        Raises: what `send` raises.
        """
        body = None if value is None else json.dumps(value, separators=(",", ":")).encode()
        return self.send(
            method,
            path,
            params=params,
            body=body,
            headers=JSON_HEADERS,
            whole_seconds=whole_seconds,
        )

    def _connection(self, allowed: float | None) -> http.client.HTTPConnection:
        host = self._url.hostname or ""
        timeout = self._connect_seconds if allowed is None else min(allowed, self._connect_seconds)
        if self._url.scheme == "https":
            return http.client.HTTPSConnection(host, self._port, timeout=timeout, context=self._context)
        return http.client.HTTPConnection(host, self._port, timeout=timeout)

    def _target(self, path: str, params: Mapping[str, object] | None) -> str:
        """Return path and query string; a path of the server's URL stands before it.

        Differs: the original's client drops it, as a URL is joined with an absolute path.
        """
        said = [(name, _text(value)) for name, value in (params or {}).items() if value is not None]
        query = urlencode(said, quote_via=quote_plus)
        return f"{self._url.path.rstrip('/')}{path}{'?' if query else ''}{query}"

    @contextmanager
    def _told_plainly(self, allowed: float | None = None) -> Iterator[None]:
        """Turn what the network raises into what a reader can act upon."""
        where = f"{self._url.scheme}://{self._url.netloc.rpartition('@')[2]}"
        try:
            yield
        except ssl.SSLCertVerificationError as error:
            raise UnreachableServerError(
                f"the certificate of {where} is not trusted: {error.verify_message}; name its authority by --tls-ca "
                "(INFLUXDB3_TLS_CA), or pass --tls-no-verify"
            ) from error
        except ssl.SSLError as error:
            raise UnreachableServerError(
                f"cannot speak TLS with {where}: {error.reason or error}; does it serve https there?"
            ) from error
        except socket.gaierror as error:
            raise UnreachableServerError(
                f"cannot find {self._url.hostname!r}: {error.strerror}; check --host (INFLUXDB3_HOST_URL)"
            ) from error
        except TimeoutError as error:
            raise UnreachableServerError(
                f"{where} did not answer in time; check that it runs, and --host (INFLUXDB3_HOST_URL)"
                if allowed is None
                else f"{where} did not answer within {allowed:g} seconds; --timeout allows it more"
            ) from error
        except OSError as error:
            raise UnreachableServerError(
                f"cannot reach {where}: {error.strerror or error}; start a server there, or name another by --host "
                "(INFLUXDB3_HOST_URL)"
            ) from error
        except http.client.HTTPException as error:
            raise UnreachableServerError(
                f"what {where} answers is not HTTP, or breaks off: {type(error).__name__} {error}"
            ) from error


class Answer:
    """An answer whose status is a success; it is read once, by one thread."""

    def __init__(
        self,
        transport: Transport,
        connection: http.client.HTTPConnection,
        response: http.client.HTTPResponse,
        allowed: float | None,
    ) -> None:
        self._transport = transport
        self._allowed = allowed
        self._connection = connection
        self._response = response
        self.status = response.status

    def header(self, name: str) -> str:
        """Return a header's value; empty where there is none."""
        return self._response.getheader(name) or ""

    def read(self) -> bytes:
        """Return the whole body.

        Raises: UnreachableServerError: it breaks off.
        """
        return b"".join(self.pieces())

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes.

        Raises: UnreachableServerError: it breaks off.
        """
        try:
            with self._transport._told_plainly(self._allowed):
                while piece := self._response.read1(PIECE_BYTES):
                    yield piece
                if self._response.length:
                    raise http.client.IncompleteRead(b"", self._response.length)
        finally:
            self._connection.close()

    def json(self) -> Any:
        """Return the body's value.

        Raises: UnreachableServerError: it is not JSON, or breaks off.
        """
        try:
            return json.loads(self.read())
        except ValueError as error:
            raise UnreachableServerError(f"failed to parse JSON response: {error}") from error


def _read_url(url: str) -> tuple[SplitResult, int]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise InvalidInputError(f"--host cannot be {url!r}: {error}") from error
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise InvalidInputError(
            f"--host cannot be {url!r}; accepted: a URL such as http://127.0.0.1:8181 or https://db.example.com"
        )
    return parts, port if port is not None else 443 if parts.scheme == "https" else 80


def _one_line(token: str) -> str:
    if not token.isascii() or not token.isprintable():
        raise InvalidInputError(
            "--token cannot be used: it holds characters that no token has; was more than the token copied?"
        )
    return token


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
