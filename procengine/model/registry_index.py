"""Which versions of which plugins has a registry?

The text ``index.json``, schema 2 up to 2.1, and its canonical form, byte for byte that of the original's tools.

Source: influxdb3-plugin-schemas/src/index.rs, Index; influxdb3-plugin-sdk docs, reference/registry-index.
Differs: two versions that differ by build metadata alone are not taken by `RegistryIndex.with_entry`, as the
    reference says; the original's code takes them.
"""

from __future__ import annotations

import datetime
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from procengine.errors import AlreadyExistsError, NotFoundError
from procengine.model.json_places import json_places
from procengine.model.manifest import Manifest
from procengine.model.plugin_fields import (
    Dependencies,
    Fields,
    canonical_name,
    check_description,
    check_name,
    check_registry_address,
    check_schema_version,
    check_version,
    description_fault,
    read_dependencies,
    read_link,
    read_triggers,
)
from procengine.model.schema_fault import Fault, SchemaFaultsError, placed, quoted
from procengine.model.semantic_version import Version
from procengine.model.web_address import WebAddress

INDEX: Final = "index.json"
SUPPORTED_MAJOR: Final = 2
CURRENT_SCHEMA: Final = "2.1"
_PARSE = "JsonParse"
_HASH = re.compile(r"sha256:[0-9a-f]{64}")
_PUBLISHED_AT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True)
class IndexEntry:
    """One published version of a plugin. Only ``yanked`` changes once it is published.

    ``published_at`` is the original's text, ``hash`` is ``sha256:`` and 64 digits of the artifact's bytes.
    """

    name: str
    version: Version
    published_at: str
    description: str
    triggers: tuple[str, ...]
    homepage: WebAddress | None
    repository: WebAddress | None
    documentation: WebAddress | None
    dependencies: Dependencies
    hash: str
    yanked: bool = False

    @property
    def identity(self) -> str:
        """Name and version, as in ``downsampler@1.2.0``."""
        return f"{self.name}@{self.version}"

    @classmethod
    def of(cls, manifest: Manifest, *, artifact_hash: str, published_at: str) -> IndexEntry:
        """Return the entry of a version that is published."""
        return cls(
            name=manifest.name,
            version=manifest.version,
            published_at=published_at,
            description=manifest.description,
            triggers=manifest.triggers,
            homepage=manifest.homepage,
            repository=manifest.repository,
            documentation=manifest.documentation,
            dependencies=manifest.dependencies,
            hash=artifact_hash,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryIndex:
    """All published versions, and where their artifacts are."""

    artifacts_url: WebAddress
    plugins: tuple[IndexEntry, ...] = ()

    def artifact_url(self, entry: IndexEntry) -> str:
        """Return the address of a version's artifact."""
        return self.artifacts_url.beneath(artifact_name(entry.name, entry.version))

    def of_name(self, name: str) -> tuple[IndexEntry, ...]:
        """Return the versions of a plugin by any spelling of its name, the newest first."""
        wanted = canonical_name(name)
        found = [one for one in self.plugins if canonical_name(one.name) == wanted]
        return tuple(sorted(found, key=lambda one: one.version, reverse=True))

    def with_entry(self, entry: IndexEntry) -> RegistryIndex:
        """Return the index with one more version.

        Raises: AlreadyExistsError: the version, or another spelling of the name, is published.
        """
        same = self.of_name(entry.name)
        listed = ", ".join(one.identity for one in reversed(same))
        if any(one.name != entry.name for one in same):
            raise AlreadyExistsError(
                f"canonical collision: plugin name {quoted(entry.name)} conflicts with existing entries sharing "
                f"canonical form {quoted(canonical_name(entry.name))}: {listed}"
            )
        if any(one.version == entry.version for one in same):
            raise AlreadyExistsError(
                f"plugin ({quoted(entry.name)}, {quoted(str(entry.version))}) already exists in the target index; "
                f"published are {listed}; raise plugin.version, or yank the published one"
            )
        return replace(self, plugins=(*self.plugins, entry))

    def with_yanked(self, name: str, version: Version, *, yanked: bool) -> RegistryIndex:
        """Return the index with a version marked, or no more; itself where it is so already.

        Raises: NotFoundError: there is no such version.
        """
        changed = [
            replace(one, yanked=yanked) if (one.name, str(one.version)) == (name, str(version)) else one
            for one in self.plugins
        ]
        if not any((one.name, str(one.version)) == (name, str(version)) for one in self.plugins):
            there = ", ".join(one.identity for one in self.of_name(name)) or "none"
            raise NotFoundError(
                f"no entry {name}@{version} in the index; of this plugin there is {there}"
            )
        return self if tuple(changed) == self.plugins else replace(self, plugins=tuple(changed))

    def to_json(self) -> str:
        """Return the canonical text; it ends with a line end.

        Raises: SchemaFaultsError: a description is too long once it is normalized.
        """
        entries = sorted(self.plugins, key=lambda one: (one.name, one.version))
        value = {
            "index_schema_version": CURRENT_SCHEMA,
            "artifacts_url": self.artifacts_url.text,
            "plugins": [_written(one, f"plugins[{n}]") for n, one in enumerate(entries)],
        }
        return json.dumps(value, ensure_ascii=False, indent=2) + "\n"


def artifact_name(name: str, version: Version) -> str:
    """Return the file name of a version's artifact."""
    return f"{name}-{version}.tar.gz"


def published_at_of(instant_ns: int) -> str:
    """Return an instant, nanoseconds UTC, in the form of ``published_at``."""
    instant = datetime.datetime.fromtimestamp(instant_ns // 1_000_000_000, datetime.UTC)
    return instant.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_index(data: str | bytes, *, subject: str = INDEX) -> RegistryIndex:
    """Return the index that a text is; ``subject`` is what faults say they are of.

    Raises: SchemaFaultsError: with all faults, or with the one that keeps the text from being read.
    """
    text, table = _read(data, subject)
    faults: list[Fault] = []
    index = _index(Fields(table, "", faults, _PARSE))
    if faults or index is None:
        raise SchemaFaultsError(subject, placed(faults, json_places(text)))
    return index


def _read(data: str | bytes, subject: str) -> tuple[str, Mapping[str, Any]]:
    line = column = None
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        value = json.loads(text, object_pairs_hook=_table, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        message, line, column = error.msg, error.lineno, error.colno
    except UnicodeDecodeError as error:
        message = f"it is not UTF-8, from byte {error.start} on"
    except RecursionError:
        message = "it is nested too deeply"
    except (
        ValueError
    ) as error:  # a field twice, a constant, or a number of more digits than Python reads
        message = str(error)
    else:
        if isinstance(value, dict):
            return text, value
        message, line, column = "invalid type, expected a map", 1, 1
    fault = Fault(path="", code=_PARSE, message=f"JSON parse error: {message}", line=line, column=column)
    raise SchemaFaultsError(subject, [fault])


def _table(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"duplicate field `{twice}`")
    return found


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no value of JSON")


def _index(fields: Fields) -> RegistryIndex | None:
    """Return the index, or None after faults were noted."""
    schema = check_schema_version(
        fields, "index_schema_version", supported=SUPPORTED_MAJOR, code="UnsupportedIndexMajor"
    )
    if fields.faults and fields.faults[-1].code != _PARSE:
        return None
    artifacts_url = fields.checked("artifacts_url", check_registry_address)
    entries = []
    known: dict[str, list[tuple[object, object]]] = {}
    for each in fields.tables("plugins", required=True):
        entries.append(_entry(each))
        _check_identity(each, known)
    if schema is None or artifacts_url is None:
        return None
    return RegistryIndex(
        artifacts_url=artifacts_url, plugins=tuple(one for one in entries if one is not None)
    )


def _check_identity(fields: Fields, known: dict[str, list[tuple[object, object]]]) -> None:
    """Note an entry that is there twice, or under two spellings of its name."""
    name, version = fields.table.get("name"), fields.table.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        return
    canonical = canonical_name(name)
    before = known.setdefault(canonical, [])
    if (name, version) in before:
        message = f"duplicate plugin entry ({quoted(name)}, {quoted(version)}) in index"
        fields.fault("", "DuplicateIndexEntry", message)
    elif any(one != name for one, _ in before):
        there = ", ".join(f"({quoted(n)}, {quoted(v)})" for n, v in before)
        fields.fault(
            "",
            "CanonicalCollision",
            f"canonical collision: plugin name {quoted(name)} conflicts with existing entries sharing canonical "
            f"form {quoted(canonical)}: [{there}]. Rename to one of the existing spellings or choose a distinct "
            "name.",
        )
    before.append((name, version))


def _entry(fields: Fields) -> IndexEntry | None:
    name = fields.checked("name", check_name)
    version = fields.checked("version", check_version)
    published_at = _published_at(fields)
    description = fields.checked("description", check_description)
    triggers = read_triggers(fields, "triggers")
    links = [read_link(fields, key) for key in ("homepage", "repository", "documentation")]
    needs = fields.table_of("dependencies")
    dependencies = None if needs is None else read_dependencies(needs)
    artifact_hash = fields.checked("hash", _check_hash)
    yanked = fields.flag("yanked")
    if name is None or version is None or published_at is None or description is None:
        return None
    if dependencies is None or artifact_hash is None:
        return None
    return IndexEntry(
        name=name,
        version=version,
        published_at=published_at,
        description=description,
        triggers=triggers,
        homepage=links[0],
        repository=links[1],
        documentation=links[2],
        dependencies=dependencies,
        hash=artifact_hash,
        yanked=yanked,
    )


def _published_at(fields: Fields) -> str | None:
    value = fields.table.get("published_at", "<missing>")
    text = value if isinstance(value, str) else json.dumps(value)
    if isinstance(value, str) and _PUBLISHED_AT.fullmatch(text) and _is_instant(text):
        return text
    message = f"published_at {quoted(text)} must be formatted as YYYY-MM-DDTHH:MM:SSZ in UTC"
    fields.fault("published_at", "InvalidPublishedAt", message)
    return None


def _is_instant(text: str) -> bool:
    try:
        # Python has no year 0, the original has; it is a leap year, as 2000 is.
        datetime.datetime.fromisoformat(("2000" if text.startswith("0000") else text[:4]) + text[4:-1])
    except ValueError:
        return False
    return True


def _check_hash(fields: Fields, key: str, text: str) -> str | None:
    if _HASH.fullmatch(text):
        return text
    message = f"hash {quoted(text)} must be formatted as sha256:<64 lowercase hex chars>"
    fields.fault(key, "InvalidHash", message)
    return None


def _written(entry: IndexEntry, path: str) -> dict[str, object]:
    description = unicodedata.normalize("NFC", entry.description)
    wrong = description_fault(description)
    if wrong is not None:
        fault = Fault(path=f"{path}.description", code=wrong[0], message=wrong[1])
        raise SchemaFaultsError(f"canonical {INDEX}", [fault])
    links = {key: getattr(entry, key) for key in ("homepage", "repository", "documentation")}
    needs = entry.dependencies
    plugins = [
        {"index_url": one.index_url.text, "name": one.name, "version": str(one.version)}
        for one in needs.plugins
    ]
    return {
        "name": entry.name,
        "version": str(entry.version),
        "published_at": entry.published_at,
        "description": description,
        "triggers": list(entry.triggers),
        **{key: link.text for key, link in links.items() if link is not None},
        "dependencies": {
            "database_version": str(needs.database_version),
            "python": list(needs.python),
            **({"plugins": plugins} if plugins else {}),
        },
        "hash": entry.hash,
        **({"yanked": True} if entry.yanked else {}),
    }
