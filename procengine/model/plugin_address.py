"""Where does a plugin come from that is not in the plugin directory?

``gh:PATH`` is a file of the plugin repository, as in InfluxDB 3. ``git+URL@REVISION#PATH`` is a file or folder of a
git repository, which is ours alone: HTTPS, this machine's HTTP, or ``file://``; no user or password, since the
address is stored and shown.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final
from urllib.parse import urlsplit

from procengine.errors import PluginPathError

GH: Final = "gh:"
GIT: Final = "git+"
NEWEST: Final = "HEAD"
_REVISION = re.compile(r"(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/+-]*")
_FORM: Final = "expected git+https://HOST/REPOSITORY@REVISION#PATH, or git+file:///FOLDER@REVISION#PATH"


@dataclass(frozen=True, slots=True, kw_only=True)
class GhAddress:
    """A file of the plugin repository."""

    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GitAddress:
    """A file or folder of a git repository; ``revision`` is a branch, a tag, or a commit's 40 digits."""

    url: str
    revision: str
    path: str

    @property
    def scheme(self) -> str:
        """How the repository is reached: ``https``, ``http`` or ``file``."""
        return urlsplit(self.url).scheme


def is_fetched(filename: str) -> bool:
    """Tell whether a plugin's file name is an address of what is fetched."""
    return filename.startswith((GH, GIT))


def parse_address(filename: str) -> GhAddress | GitAddress:
    """Return what an address says.

    Raises: PluginPathError: it says nothing that can be fetched; the text says what is accepted.
    """
    if filename.startswith(GH):
        return GhAddress(path=filename.removeprefix(GH))
    place, mark, path = filename.removeprefix(GIT).partition("#")
    scheme, colons, rest = place.partition("://")
    host, slash, repository = rest.partition("/")
    repository, at, revision = repository.rpartition("@") if "@" in repository else (repository, "", "")
    if not (colons and slash and repository and mark and path):
        raise _refused(filename, _FORM)
    if "@" in host:
        raise _refused(
            filename, "no user or password may stand in it; git's credential helpers know them"
        )
    if not _is_accepted(scheme, host):
        raise _refused(filename, f"{scheme}://{host} is not accepted; {_FORM}")
    if at and not _REVISION.fullmatch(revision):
        raise _refused(filename, f"{revision!r} is no revision; expected a branch, a tag or a commit")
    parts = PurePosixPath(path).parts
    if path.startswith("/") or ".." in parts or "\\" in path or any(ord(one) < 32 for one in path):
        raise _refused(filename, f"the path {path!r} leads out of the repository")
    return GitAddress(
        url=f"{scheme}://{host}/{repository}", revision=revision or NEWEST, path=str(PurePosixPath(path))
    )


def _is_accepted(scheme: str, host: str) -> bool:
    match scheme:
        case "https":
            return bool(host)
        case "http":
            return _is_here(host)
    return scheme == "file" and not host


def _is_here(host: str) -> bool:
    name = urlsplit(f"http://{host}").hostname or ""
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def _refused(filename: str, why: str) -> PluginPathError:
    return PluginPathError(f"cannot load plugin {filename!r}: {why}")
