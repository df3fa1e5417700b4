"""What would an installation break, and what has one changed?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from procengine.model.installation import Arrival
from procengine.processing.installed_packages import (
    Package,
    accepts,
    imported,
    module_names,
    requirement_of,
    unmet,
)


def conflicts_behind(
    kernel: Mapping[str, Package],
    here: Mapping[str, Package],
    found: Sequence[tuple[Arrival, Package]],
    arguments: Sequence[str],
) -> Iterator[str]:
    """Yield what would not fit in an environment that stands behind the kernel's: imports find the kernel's first."""
    asked = {one.name: one for one in map(requirement_of, arguments) if one is not None}
    for arrival, package in found:
        own = kernel.get(package.key)
        if own is None or own.version == arrival.version:
            continue
        if package.tells_needs and not arrival.is_requested:  # who needs it is told below
            continue
        requirement = asked.get(arrival.name)
        if requirement is None or not accepts(requirement, own.version):
            yield (
                f"plugins go on importing {own.name} {own.version}, which the kernel has, not {arrival.version}"
            )
    fresh = {package.key: package for _, package in found}
    yield from (text for _, text in unmet(fresh.values(), kernel, by="what the kernel has"))
    after = {**here, **fresh}
    others = [package for key, package in here.items() if key not in fresh]
    behind = {key: package for key, package in after.items() if key not in kernel}
    yield from (text for _, text in unmet(others, behind, by="what would be installed"))


def conflicts_among(
    present: Mapping[str, Package], found: Sequence[tuple[Arrival, Package]]
) -> Iterator[str]:
    """Yield what would change of the kernel's packages, and what would fit no more."""
    for arrival, _ in found:
        if arrival.replaces:
            yield f"the kernel's {arrival.name} {arrival.replaces} becomes {arrival.version}"
    after = {**present, **{package.key: package for _, package in found}}
    before = {text for _, text in unmet(present.values(), present, by="what would be there")}
    for _, text in unmet(after.values(), after, by="what would be there"):
        if text not in before:
            yield text


def names_imported(folder: Path, arriving: Sequence[Arrival]) -> tuple[str, ...]:
    """Return those that replace a version which is imported already, as ``name version``."""
    return tuple(
        f"{one.name} {one.version}"
        for one in arriving
        if one.replaces and imported(module_names(folder, Package(name=one.name, version="").key))
    )


def differences(before: Mapping[str, Package], after: Mapping[str, Package]) -> str:
    """Return which packages an installer that failed has changed all the same, as lines."""
    changed = sorted(key for key in {*before, *after} if _version(before, key) != _version(after, key))
    return "".join(
        f"\nchanged before it failed: {key}, {_version(before, key)} to {_version(after, key)}"
        for key in changed
    )


def _version(packages: Mapping[str, Package], key: str) -> str:
    return packages[key].version if key in packages else "none"
