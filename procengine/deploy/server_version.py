"""Is what answers an InfluxDB 3 server, and does it know the requests that a deployment makes?

Asked before anything is changed. Versions that are known to have the requests are believed; any other is asked for
each by an empty object, which lacks the fields that all of them need, and so changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from procengine.errors import InvalidInputError
from procengine.model.manifest import Manifest
from procengine.model.semantic_version import Version, VersionTextError, parse_version
from procengine.remote import RemoteServer

_FIRST_KNOWN: Final = (3, 8)
_LAST_KNOWN: Final = (3, 11)


def check_product(product: str, version: str) -> None:
    """Accept a server that may run plugins.

    Raises: InvalidInputError: it is of another major version.
    """
    if version and version.lstrip("v").partition(".")[0] != "3":
        raise InvalidInputError(
            f"the server is {product} {version}; plugins run on InfluxDB 3 Core and Enterprise"
        )


def version_problems(
    server: RemoteServer, product: str, version: str, routes: Iterable[tuple[str, str]]
) -> Iterator[str]:
    """Yield which of the requests that are needed a server does not know; ``routes`` are methods and paths."""
    found = _read(version)
    if found is not None and _FIRST_KNOWN <= (found.major, found.minor) <= _LAST_KNOWN:
        return
    for method, path in dict.fromkeys(routes):
        if not server.knows(method, path):
            yield f"{product} {version} does not know {method} {path}, which this needs; InfluxDB 3.8 and later do"


def manifest_problems(manifest: Manifest | None, product: str, version: str) -> Iterator[str]:
    """Yield why a plugin's own description rules a server out."""
    found = _read(version)
    if manifest is None or found is None:
        return
    needs = manifest.dependencies.database_version
    # A build before a release has what the release will have.
    if not needs.includes(Version(found.major, found.minor, found.patch)):
        yield f"{manifest.identity} is for InfluxDB 3 {needs}, and the server is {product} {version}"


def _read(version: str) -> Version | None:
    try:
        return parse_version(version.removeprefix("v"))
    except VersionTextError:
        return None
