"""Which packages does this Python have, and which would no longer fit together?

A requirement is met or not by the package that an import would find: the kernel's own before the plugins'. Names are
compared as pip does, ``Tiny_A`` and ``tiny-a`` being one.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path, PurePosixPath
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from procengine.model.installation import Arrival


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """A package with what it needs, as its metadata says; ``tells_needs`` is false where that was not to be had."""

    name: str
    version: str
    needs: tuple[str, ...] = ()
    tells_needs: bool = True

    @property
    def key(self) -> str:
        """The name that tells it from others."""
        return canonicalize_name(self.name)


def installed(folders: Iterable[str]) -> dict[str, Package]:
    """Return the packages of some folders of ``sys.path`` by key; the first of a name counts."""
    found: dict[str, Package] = {}
    for one in distributions(path=list(folders)):
        package = _package(one)
        if package is not None:
            found.setdefault(package.key, package)
    return found


def module_names(folder: Path, key: str) -> frozenset[str]:
    """Return the top modules that a folder's package consists of; none where its record is missing."""
    for one in distributions(path=[str(folder)]):
        package = _package(one)
        if package is not None and package.key == key:
            tops = (PurePosixPath(str(file)).parts[0] for file in one.files or ())
            return frozenset(top.removesuffix(".py") for top in tops if "-" not in top and top != "..")
    return frozenset()


def arrivals(report: Mapping[str, Any], present: Mapping[str, Package]) -> list[tuple[Arrival, Package]]:
    """Return what an installer's report names; ``present`` is what is where it would be installed."""
    found = []
    for item in report["install"]:
        metadata = item["metadata"]
        package = Package(
            name=metadata["name"],
            version=metadata["version"],
            needs=tuple(metadata.get("requires_dist") or ()),
        )
        former = present.get(package.key)
        arrival = Arrival(
            name=package.name,
            version=package.version,
            replaces=former.version if former is not None else "",
            is_requested=bool(item.get("requested")),
        )
        found.append((arrival, package))
    return found


def unmet(
    packages: Iterable[Package], found: Mapping[str, Package], *, by: str
) -> Iterator[tuple[str, str]]:
    """Yield each requirement that is not met by what imports find, as ``(package, words)``.

    A package that is missing is left to the installer.
    """
    for package in packages:
        for requirement in _needed(package.needs):
            other = found.get(canonicalize_name(requirement.name))
            if other is not None and not accepts(requirement, other.version):
                wanted = f"{requirement.name}{requirement.specifier}"
                yield (
                    package.key,
                    f"{package.name} {package.version} needs {wanted}, but {other.name} {other.version} is {by}",
                )


def accepts(requirement: Requirement, version: str) -> bool:
    """Tell whether a version will do; one that cannot be read will."""
    try:
        return requirement.specifier.contains(Version(version), prereleases=True)
    except InvalidVersion:
        return True


def requirement_of(text: str) -> Requirement | None:
    """Return the requirement that a text is, or None: a path, an option, a mistake."""
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def imported(names: Iterable[str]) -> bool:
    """Tell whether one of some top modules is imported."""
    return any(name in sys.modules for name in names)


def _needed(texts: Sequence[str]) -> Iterator[Requirement]:
    for text in texts:
        requirement = requirement_of(text)
        if requirement is not None and (
            requirement.marker is None or requirement.marker.evaluate({"extra": ""})
        ):
            yield requirement


def _package(one: Distribution) -> Package | None:
    """Return a package, or None for what an interrupted installer has left."""
    name = one.metadata["Name"]
    if not name:
        return None
    return Package(name=name, version=one.version, needs=tuple(one.requires or ()))
