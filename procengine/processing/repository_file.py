"""How does a file of the plugin repository come here?

Over HTTP, with bounds on time and size, or from a folder of this machine.

Source: influxdb3_processing_engine/src/lib.rs, read_plugin_code, of ``gh:``; its URL and its texts.
Differs: there are time-outs and a size limit; a redirect from HTTPS to HTTP is refused; a repository may be a folder.
"""

from __future__ import annotations

import http
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote, urlsplit

from procengine.errors import PluginPathError
from procengine.processing.plugin_path import is_inside

if TYPE_CHECKING:
    from urllib.request import OpenerDirector

OFFICIAL: Final = "https://raw.githubusercontent.com/influxdata/influxdb3_plugins/main/"
SILENCE_SECONDS: Final = 10.0
"""How long a server may say nothing."""

WHOLE_SECONDS: Final = 30.0
"""How long a file may take."""

MOST_BYTES: Final = 4 << 20
_PIECE_BYTES: Final = 1 << 16
_TRY_LATER: Final = frozenset({408, 425, 429})


class RepositoryAwayError(PluginPathError):
    """The repository cannot be reached now; another time it may be."""


def fetch_file(repository: str, path: str, *, whole_seconds: float = WHOLE_SECONDS) -> bytes:
    """Return the bytes of a repository's file.

    Raises:
        PluginPathError: there is no such file, or one that is too large.
        RepositoryAwayError: the repository cannot be reached, takes too long, or fails.
    """
    if urlsplit(repository).scheme not in {"http", "https"}:
        return _from_folder(folder_of(repository), path)
    url = repository + ("" if repository.endswith("/") else "/") + quote(path, safe="/%:@!$&'()*+,;=~?")
    return _from_server(url, time.monotonic() + whole_seconds)


def folder_of(repository: str) -> Path:
    """Return the folder that a repository without a server is."""
    parts = urlsplit(repository)
    return Path(unquote(parts.path) if parts.scheme == "file" else repository).expanduser().absolute()


def _from_folder(folder: Path, path: str) -> bytes:
    if not folder.is_dir():
        raise RepositoryAwayError(
            f"error getting plugin from repository: the folder {folder} does not exist"
        )
    file = folder / path
    if not is_inside(folder, file):
        raise PluginPathError(
            f"Path traversal detected: plugin filename 'gh:{path}' attempts to access files "
            f"outside the plugin repository {folder}"
        )
    try:
        with file.open("rb") as opened:
            data = opened.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        raise _refused(404, str(file)) from error
    except OSError as error:
        raise PluginPathError(
            f"error getting plugin from repository: {file}: {error.strerror}"
        ) from error
    return _bounded(data, str(file))


def _from_server(url: str, deadline: float) -> bytes:
    from http.client import HTTPException
    from urllib.error import HTTPError

    try:
        with _opener().open(url, timeout=SILENCE_SECONDS) as answer:
            data = bytearray()
            while len(data) <= MOST_BYTES and (piece := answer.read1(_PIECE_BYTES)):
                data += piece
                if time.monotonic() > deadline:
                    raise TimeoutError("it takes too long")
            length = answer.headers.get("content-length")
    except HTTPError as error:
        error.close()
        raise _refused(error.code, url) from error
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        raise RepositoryAwayError(f"error getting plugin from repository: {url}: {reason}") from error
    if length is not None and length.isdigit() and len(data) < min(int(length), MOST_BYTES):
        raise RepositoryAwayError(
            f"error reading plugin from repository: {url}: ended after {len(data)} of {length} bytes"
        )
    return _bounded(bytes(data), url)


def _opener() -> OpenerDirector:
    """Return what opens HTTP alone, by the proxies of the environment."""
    from urllib import request

    class Redirects(request.HTTPRedirectHandler):
        """Follows redirects, but never from HTTPS to what anyone may have changed."""

        def redirect_request(  # noqa: PLR0917 - the signature is urllib's
            self, req: request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
        ) -> request.Request | None:
            scheme = urlsplit(newurl).scheme
            if scheme not in {"http", "https"} or (req.type == "https" and scheme != "https"):
                raise OSError(f"redirected from {req.type} to {newurl}, which is refused")
            return super().redirect_request(req, fp, code, msg, headers, newurl)

    opener = request.OpenerDirector()
    for handler in (
        request.ProxyHandler(),
        request.HTTPHandler(),
        request.HTTPSHandler(),
        request.HTTPDefaultErrorHandler(),
        Redirects(),
        request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def _refused(status: int, where: str) -> PluginPathError:
    try:
        said = f"{status} {http.HTTPStatus(status).phrase}"
    except ValueError:
        said = f"{status} <unknown status code>"
    away = status >= 500 or status in _TRY_LATER
    kind = RepositoryAwayError if away else PluginPathError
    return kind(f"error fetching plugin from repository: {said} {where}")


def _bounded(data: bytes, where: str) -> bytes:
    if len(data) > MOST_BYTES:
        raise PluginPathError(
            f"error reading plugin from repository: {where} is larger than {MOST_BYTES >> 20} MiB"
        )
    return data
