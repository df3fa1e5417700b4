"""Which version of a plugin is meant, and does it fit here?

``NAME`` is the newest version that fits and is not yanked; ``NAME@VERSION`` is that one, ``NAME@RANGE`` the newest of
a range, pre-releases only where the range names one. A yanked version is taken only as a lock file has it: by version
and hash.

Source: influxdb3-plugin-sdk docs, explanation/registry (yanking); internal/spec (lockfile, resolver).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final

from packaging.requirements import Requirement

from procengine.errors import InvalidInputError, NotFoundError, RegistryError
from procengine.model.near_names import did_you_mean
from procengine.model.original_version import ORIGINAL_VERSION
from procengine.model.plugin_fields import name_fault
from procengine.model.registry_index import IndexEntry, RegistryIndex
from procengine.model.semantic_version import Version, VersionTextError, parse_version
from procengine.model.version_range import VersionRange, parse_version_range

DATABASE_VERSION: Final = parse_version(ORIGINAL_VERSION)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which plugin is wanted: by its name alone, by ``version``, or by a ``range`` of them; ``hash`` pins it."""

    name: str
    version: Version | None = None
    range: VersionRange | None = None
    hash: str | None = None


def parse_wanted(text: str, *, pinned_hash: str | None = None) -> Wanted:
    """Return what ``NAME``, ``NAME@VERSION`` or ``NAME@RANGE`` says.

    Raises: InvalidInputError.
    """
    name, at, said = text.partition("@")
    wrong = name_fault(name)
    if wrong is not None:
        raise InvalidInputError(f"cannot read plugin {text!r}: {wrong[1]}")
    if not at:
        return Wanted(name=name, hash=pinned_hash)
    try:
        return Wanted(name=name, version=parse_version(said), hash=pinned_hash)
    except VersionTextError:
        pass
    try:
        return Wanted(name=name, range=parse_version_range(said), hash=pinned_hash)
    except VersionTextError as error:
        raise InvalidInputError(
            f"cannot read plugin {text!r}: {said!r} is neither a version nor a range: {error}; accepted: NAME, "
            "NAME@1.2.0, 'NAME@>=1.2,<2'"
        ) from error


def chosen(index: RegistryIndex, wanted: Wanted) -> IndexEntry:
    """Return the entry that is meant.

    Raises:
        NotFoundError: the registry has none.
        RegistryError: it has some, and none may be taken; the text says why of each.
    """
    versions = index.of_name(wanted.name)
    if not versions:
        near = did_you_mean(wanted.name, {one.name for one in index.plugins})
        raise NotFoundError(f"the registry has no plugin {wanted.name!r}{'; ' if near else ''}{near}")
    meant = [one for one in versions if _is_meant(one, wanted)]
    if not meant:
        there = ", ".join(str(one.version) for one in versions)
        raise NotFoundError(f"the registry has no such version of {wanted.name!r}; there is {there}")
    refusals = [(one, _refusal(one, wanted)) for one in meant]
    for entry, why in refusals:
        if why is None:
            return entry
    listed = "; ".join(f"{one.identity} {why}" for one, why in refusals)
    raise RegistryError(f"cannot install {wanted.name!r}: {listed}")


def _is_meant(entry: IndexEntry, wanted: Wanted) -> bool:
    if wanted.version is not None:
        return entry.version == wanted.version and wanted.version.build in ("", entry.version.build)
    if wanted.range is not None:
        return wanted.range.includes(entry.version)
    return True


def _refusal(entry: IndexEntry, wanted: Wanted) -> str | None:
    """Return why an entry may not be taken, or None."""
    needs = entry.dependencies.database_version
    if not needs.includes(DATABASE_VERSION):
        return f"is for InfluxDB 3 {needs}, and this engine is as InfluxDB 3 {DATABASE_VERSION}"
    is_pinned = wanted.version is not None and wanted.hash is not None
    if entry.yanked and not is_pinned:
        return f"is yanked; a lock file's pin still installs it: {entry.identity} with hash {entry.hash}"
    if wanted.hash is not None and wanted.hash != entry.hash:
        return f"has hash {entry.hash}, not {wanted.hash}"
    if wanted.version is None and wanted.range is None and entry.version.pre_release:
        return "is a pre-release; name its version to install it"
    return None


def unmet(requirements: Sequence[str]) -> tuple[str, ...]:
    """Return the packages of a plugin that are not installed here, in a version that will do."""
    return tuple(one for one in requirements if not _is_met(one))


def _is_met(text: str) -> bool:
    requirement = Requirement(text)
    if requirement.marker is not None and not requirement.marker.evaluate():
        return True
    try:
        return requirement.specifier.contains(version(requirement.name), prereleases=True)
    except PackageNotFoundError:
        return False
