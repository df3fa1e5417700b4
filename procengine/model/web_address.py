"""What does a URL say, in the form by which two of them are the same?

The normal form is that of the URL standard, as far as addresses of registries need it: scheme and host in lower case,
no default port, dots in paths resolved, what may not stand in a path as ``%XX``.

Source: url 2.5 (crate), parser.rs (texts of failures), which influxdb3-plugin-sdk reads URLs by.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

from procengine.errors import InvalidInputError

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PATH_END = re.compile(r"[?#]")
_HOST_AND_PORT = re.compile(r"(?:\[[0-9A-Fa-f:.]+\]|[^\[\]:]*)(?::[0-9]*)?")
_DEFAULT_PORTS: Final = {"http": 80, "https": 443, "ftp": 21}
_HIERARCHICAL: Final = frozenset({"http", "https", "ftp", "file"})
_IN_PATHS = "/!$&'()*+,;=:@%[]|^~-._\\"
_IN_QUERIES = _IN_PATHS + "?`{}"
_FORBIDDEN_IN_HOSTS = re.compile(r"[\x00-\x20#/<>?@\\^|%]")


class AddressTextError(InvalidInputError):
    """A text is no absolute URL; the text is the original's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAddress:
    """An absolute URL. ``text`` is its normal form, by which two are compared."""

    text: str
    scheme: str
    host: str

    def __str__(self) -> str:
        return self.text

    def beneath(self, name: str) -> str:
        """Return the address of a file directly under this one."""
        base, mark, query = self.text.partition("?")
        return f"{base.rstrip('/')}/{quote(name, safe=_IN_PATHS)}{mark}{query}"


def parse_address(text: str) -> WebAddress:
    """Return the address that a text is.

    Raises: AddressTextError.
    """
    stripped = text.strip("".join(map(chr, range(33)))).translate({9: None, 10: None, 13: None})
    found = _SCHEME.match(stripped)
    if found is None:
        raise AddressTextError("relative URL without a base")
    scheme = found[0][:-1].lower()
    if scheme not in _HIERARCHICAL:
        return WebAddress(text=scheme + stripped[len(scheme) :], scheme=scheme, host="")
    end = _PATH_END.search(stripped)
    cut = end.start() if end else len(stripped)
    rest = stripped[len(scheme) + 1 : cut].replace("\\", "/").lstrip("/") + stripped[cut:]
    slashes = "///" if scheme == "file" and _is_local(stripped[len(scheme) + 1 :]) else "//"
    try:
        parts = urlsplit(f"{scheme}:{slashes}{rest}")
        port = parts.port
    except ValueError as error:
        said = "invalid port number" if "ort" in str(error) else "invalid IPv6 address"
        raise AddressTextError(said) from error
    if not _HOST_AND_PORT.fullmatch(parts.netloc.rpartition("@")[2]):
        raise AddressTextError("invalid domain character")
    host = _host(parts.hostname or "", scheme)
    user = f"{parts.netloc.rpartition('@')[0]}@" if "@" in parts.netloc else ""
    shown_port = f":{port}" if port is not None and port != _DEFAULT_PORTS.get(scheme) else ""
    path = _without_dots(quote(parts.path, safe=_IN_PATHS) or "/")
    query = f"?{quote(parts.query, safe=_IN_QUERIES)}" if parts.query else ""
    fragment = f"#{quote(parts.fragment, safe=_IN_QUERIES)}" if parts.fragment else ""
    normal = f"{scheme}://{user}{host}{shown_port}{path}{query}{fragment}"
    return WebAddress(text=normal, scheme=scheme, host=host)


def _is_local(after_scheme: str) -> bool:
    """Tell whether what follows ``file:`` names no host: one slash, or three and more."""
    slashes = len(after_scheme) - len(after_scheme.replace("\\", "/").lstrip("/"))
    return slashes != 2


def _host(name: str, scheme: str) -> str:
    if not name and scheme != "file":
        raise AddressTextError("empty host")
    if scheme == "file" and name in ("", "localhost"):
        return ""
    if ":" in name:
        return f"[{name}]"
    if _FORBIDDEN_IN_HOSTS.search(name):
        raise AddressTextError("invalid domain character")
    try:
        return name if name.isascii() else name.encode("idna").decode("ascii")
    except UnicodeError as error:
        raise AddressTextError("invalid international domain name") from error


def _without_dots(path: str) -> str:
    kept: list[str] = []
    parts = path.split("/")[1:]
    for number, part in enumerate(parts):
        plain = part.lower().replace("%2e", ".")
        if plain == "..":
            del kept[-1:]
        elif plain != ".":
            kept.append(part)
            continue
        if number == len(parts) - 1:
            kept.append("")
    return "/" + "/".join(kept)
