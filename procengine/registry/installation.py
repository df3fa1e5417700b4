"""How does a plugin get from a registry into the plugin directory?

It is fetched, its hash compared, looked through, and only then written beside its place and put there as a whole; the
folder is named like the plugin, in the canonical form that is a Python module's name, too. What was there stays there
after any failure. A record in the folder says where it came from.

Source: influxdb3-plugin-sdk docs, internal/spec (lockfile: fields of the record).
Differs: InfluxDB 3 has no installer yet; the folder of a version is not part of the path, so that triggers stay when
    another version is installed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from procengine.errors import InvalidInputError, RegistryError
from procengine.file_lock import file_locked
from procengine.file_system import LOCAL, make_folder
from procengine.model.plugin_fields import PluginDependency, canonical_name
from procengine.model.registry_index import IndexEntry, RegistryIndex, parse_index
from procengine.model.schema_fault import SchemaFaultsError
from procengine.model.semantic_version import VersionTextError, parse_version
from procengine.model.web_address import AddressTextError, parse_address
from procengine.registry.artifact import hash_of
from procengine.registry.fetching import Fetcher
from procengine.registry.plugin_folder import PluginFolder, read_plugin_folder
from procengine.registry.resolution import Wanted, chosen, unmet
from procengine.registry.unpacking import ARTIFACT_BYTES, UnpackedFile, unpacked
from procengine.replaced_folder import (
    WRITING,
    WRITING_SECONDS,
    folder_replaced,
    mend_folder,
    needs_mending,
)

INDEX_BYTES: Final = 32 << 20
"""The largest index that is taken."""

RECORD: Final = ".artifact.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Which artifact of which registry a folder came from; the fields are those of a lock file."""

    index_url: str
    name: str
    version: str
    artifact_hash: str

    @property
    def identity(self) -> str:
        """Name and version, as in ``downsampler@1.2.0``."""
        return f"{self.name}@{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """What was installed.

    ``path`` is what a trigger names; ``replaced`` is what was in the folder before. ``packages`` and ``plugins`` are
    what it needs and is not here.
    """

    entry: IndexEntry
    path: str
    triggers: tuple[str, ...]
    replaced: Origin | None
    packages: tuple[str, ...]
    plugins: tuple[PluginDependency, ...]


def index_address(text: str, folder: Path) -> str:
    """Return the address of an index that is said as an address, or as a file seen from a folder.

    Raises: InvalidInputError.
    """
    if "://" not in text:
        return (folder / text).absolute().as_uri()
    try:
        return parse_address(text).text
    except AddressTextError as error:
        raise InvalidInputError(f"index cannot be {text!r}: {error}") from error


def fetch_index(fetcher: Fetcher, index_url: str) -> RegistryIndex:
    """Return the index under an address.

    Raises:
        RegistryError: it cannot be had.
        SchemaFaultsError: it is none.
    """
    return parse_index(fetcher.fetch(index_url, most_bytes=INDEX_BYTES), subject=index_url)


def install(wanted: Wanted, *, index_url: str, plugin_dir: Path, fetcher: Fetcher) -> Installation:
    """Put a plugin of a registry into the plugin directory, in the place of its other version if there is one.

    Raises:
        NotFoundError: the registry does not have it.
        RegistryError: it cannot be had, may not be taken here, or is not what the registry says.
        SchemaFaultsError: the index or the plugin has faults.
        InvalidInputError: the folder is something else's, or cannot be written.
    """
    index = fetch_index(fetcher, index_url)
    entry = chosen(index, wanted)
    folder = plugin_dir / canonical_name(entry.name)
    if needs_mending(folder):
        with _alone(folder, entry):
            pass
    _replaceable(folder, index_url, entry)
    url = index.artifact_url(entry)
    if index_url.startswith("http") and not url.startswith("http"):
        raise RegistryError(f"cannot read {url!r}: an index of a server leads to a file of this machine")
    artifact = fetcher.fetch(url, most_bytes=ARTIFACT_BYTES)
    if hash_of(artifact) != entry.hash:
        raise RegistryError(
            f"cannot install {entry.identity}: {url!r} has hash {hash_of(artifact)}, the index says {entry.hash}"
        )
    files = unpacked(artifact, root=entry.identity.replace("@", "-", 1), subject=repr(url))
    with _alone(folder, entry):
        replaced = _replaceable(folder, index_url, entry)
        plugin = _put(folder, files, entry, index_url)
    return Installation(
        entry=entry,
        path=folder.name if plugin.is_package else f"{folder.name}/{plugin.entry_point}",
        triggers=entry.triggers,
        replaced=replaced,
        packages=unmet(entry.dependencies.python),
        plugins=_missing(entry.dependencies.plugins, plugin_dir),
    )


def origin_of(folder: Path) -> Origin | None:
    """Return where a folder came from; None when nothing that can be read says so."""
    try:
        said = json.loads((folder / RECORD).read_bytes())
        return Origin(
            index_url=str(said["source"]["registry"]["index_url"]),
            name=str(said["name"]),
            version=str(said["version"]),
            artifact_hash=str(said["artifact_hash"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


@contextmanager
def _alone(folder: Path, entry: IndexEntry) -> Iterator[None]:
    """Let no other process write into the plugin directory meanwhile, and begin with what a crash left mended."""
    try:
        make_folder(LOCAL, folder.parent)
        with file_locked(folder.parent / WRITING, seconds=WRITING_SECONDS):
            mend_folder(folder)
            yield
    except OSError as error:
        raise InvalidInputError(
            f"cannot install {entry.identity} in {str(folder)!r}: {error.strerror}"
        ) from error


def _replaceable(folder: Path, index_url: str, entry: IndexEntry) -> Origin | None:
    """Return what a folder holds now; what is not the same plugin of the same registry is left alone."""
    if not folder.exists() and not folder.is_symlink():
        return None
    found = None if folder.is_symlink() else origin_of(folder)
    if found is None:
        raise InvalidInputError(
            f"cannot install {entry.identity}: {str(folder)!r} is there, and came from no registry; move it away"
        )
    if found.index_url != index_url:
        raise InvalidInputError(
            f"cannot install {entry.identity} of {index_url}: {str(folder)!r} came from {found.index_url}; "
            "move it away"
        )
    return found


def _put(folder: Path, files: Sequence[UnpackedFile], entry: IndexEntry, index_url: str) -> PluginFolder:
    """Write a plugin beside its place, look whether it is one and the one that was promised, and put it there."""
    with folder_replaced(folder) as fresh:
        for file in files:
            _write(fresh / file.name, file)
        plugin = _checked(fresh, entry)
        (fresh / RECORD).write_text(_record(entry, index_url), encoding="utf-8")
        return plugin


def _write(path: Path, file: UnpackedFile) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(file.data)
    path.chmod(0o755 if file.is_executable else 0o644)


def _checked(folder: Path, entry: IndexEntry) -> PluginFolder:
    """Return the plugin in a folder, when it is what the index says."""
    try:
        plugin = read_plugin_folder(folder)
    except SchemaFaultsError as error:
        raise SchemaFaultsError(f"artifact of {entry.identity}", error.faults) from error
    inside = IndexEntry.of(plugin.manifest, artifact_hash=entry.hash, published_at=entry.published_at)
    for field in ("name", "version", "description", "triggers", "dependencies"):
        said, found = getattr(entry, field), getattr(inside, field)
        if str(said) != str(found):
            raise RegistryError(
                f"cannot install {entry.identity}: its manifest and the index differ in {field}: "
                f"{_shown(found)} and {_shown(said)}"
            )
    return plugin


def _shown(value: object) -> str:
    return repr(str(value))


def _record(entry: IndexEntry, index_url: str) -> str:
    said = {
        "source": {"registry": {"index_url": index_url}},
        "name": entry.name,
        "version": str(entry.version),
        "artifact_hash": entry.hash,
    }
    return json.dumps(said, indent=2) + "\n"


def _missing(plugins: Sequence[PluginDependency], plugin_dir: Path) -> tuple[PluginDependency, ...]:
    """Return the plugins that are needed and not installed, of that registry and in a version that will do."""
    found = []
    for one in plugins:
        there = origin_of(plugin_dir / canonical_name(one.name))
        try:
            is_met = (
                there is not None
                and there.index_url == one.index_url.text
                and one.version.includes(parse_version(there.version))
            )
        except VersionTextError:
            is_met = False
        if not is_met:
            found.append(one)
    return tuple(found)
