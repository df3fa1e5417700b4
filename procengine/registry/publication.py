"""How does a plugin get into a registry?

A derived index and the artifact are written to a folder of their own: the index that is read is never changed, so
that what is published can be looked at before it is.

Source: influxdb3-plugin-sdk/src/package.rs, package_plugin; influxdb3-plugin-cli/src/commands/{package,yank}.rs.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from procengine.clock import Clock
from procengine.errors import InvalidInputError
from procengine.file_system import LOCAL, make_folder, put_in_place
from procengine.model.registry_index import (
    INDEX,
    IndexEntry,
    RegistryIndex,
    artifact_name,
    parse_index,
    published_at_of,
)
from procengine.model.semantic_version import Version
from procengine.registry.artifact import hash_of, packaged
from procengine.registry.plugin_folder import read_plugin_folder


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What was written."""

    entry: IndexEntry
    artifact: Path
    index: Path


def read_index_file(file: Path) -> RegistryIndex:
    """Return the index in a file.

    Raises:
        SchemaFaultsError: it is none.
        InvalidInputError: it cannot be read.
    """
    try:
        return parse_index(file.read_bytes(), subject=str(file))
    except OSError as error:
        raise InvalidInputError(f"cannot read index {str(file)!r}: {error.strerror}") from error


def package(folder: Path, *, index_file: Path, out: Path, clock: Clock) -> Publication:
    """Write the artifact of a plugin, and the index with its entry, into ``out``.

    Raises:
        SchemaFaultsError: the folder or the index has faults.
        AlreadyExistsError: the version is published, or the name in another spelling.
        InvalidInputError: a file cannot be read or written, or ``out`` is where the index is.
    """
    _keep_apart(index_file, out)
    index = read_index_file(index_file)
    plugin = read_plugin_folder(folder)
    artifact = packaged(plugin)
    entry = IndexEntry.of(
        plugin.manifest, artifact_hash=hash_of(artifact), published_at=published_at_of(clock.now_ns())
    )
    derived = index.with_entry(entry).to_json()
    target = out / artifact_name(entry.name, entry.version)
    _write(target, artifact)
    _write(out / INDEX, derived.encode())
    return Publication(entry=entry, artifact=target, index=out / INDEX)


def yank(name: str, version: Version, *, index_file: Path, out: Path, yanked: bool) -> bool:
    """Write the index with a version marked, or no more, into ``out``; tell whether that changed something.

    Raises:
        SchemaFaultsError: the index has faults.
        NotFoundError: there is no such version.
        InvalidInputError: a file cannot be read or written, or ``out`` is where the index is.
    """
    _keep_apart(index_file, out)
    index = read_index_file(index_file)
    derived = index.with_yanked(name, version, yanked=yanked)
    _write(out / INDEX, derived.to_json().encode())
    return derived is not index


def _keep_apart(index_file: Path, out: Path) -> None:
    if out.resolve() == index_file.resolve().parent:
        raise InvalidInputError(
            f"--out cannot be {str(out)!r}: the index that is read stands there; name another folder, and move what "
            "is written into the registry once you have looked at it"
        )


def _write(file: Path, data: bytes) -> None:
    try:
        make_folder(LOCAL, file.parent)
        put_in_place(LOCAL, file, data)
    except OSError as error:
        raise InvalidInputError(f"cannot write {str(file)!r}: {error.strerror}") from error
