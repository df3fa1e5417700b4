"""Which values may the fields hold that manifests and indexes share?

Every reader returns the value, or None after it has noted a fault: reading goes on, so that all faults are told.

Source: influxdb3-plugin-schemas/src/{identity,manifest,raw}.rs (rules and texts).
Differs: the original ends at the first field that is missing or of another type; here these are told with the rest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from procengine.model.near_names import did_you_mean
from procengine.model.schema_fault import Fault, quoted
from procengine.model.semantic_version import Version, VersionTextError, parse_version
from procengine.model.version_range import VersionRange, parse_version_range
from procengine.model.web_address import AddressTextError, WebAddress, parse_address

Value = TypeVar("Value")

TRIGGER_TYPES: Final = ("process_writes", "process_scheduled_call", "process_request")
REGISTRY_SCHEMES: Final = ("http", "https", "file")
DESCRIPTION_LENGTH: Final = 200
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}", re.ASCII)
_RESERVED = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")
_SCHEMA_VERSION = re.compile(r"(\+?[0-9]+)\.(\+?[0-9]+)", re.ASCII)
_LARGEST = 2**32 - 1


def canonical_name(name: str) -> str:
    """Return the form by which two names are the same plugin in one registry; never shown."""
    return "".join(chr(ord(one) + 32) if "A" <= one <= "Z" else one for one in name).replace("-", "_")


def name_fault(name: str) -> tuple[str, str] | None:
    """Return code and text of what is wrong with a plugin's name, or None."""
    if not _NAME.fullmatch(name):
        return "InvalidPluginName", (
            f"plugin name {quoted(name)} must match `[a-zA-Z][a-zA-Z0-9_-]*` (1-64 chars, ASCII alphanumerics / "
            "`-` / `_`, starting with a letter)"
        )
    if _RESERVED.fullmatch(name.lower()):
        return "ReservedPluginName", (
            f"plugin name {quoted(name)} matches a Windows reserved device name (case-insensitive); pick a "
            "different name"
        )
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PluginDependency:
    """Another plugin that a plugin builds on: any version of a range, of one registry."""

    index_url: WebAddress
    name: str
    version: VersionRange


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """What a plugin needs: versions of the database, packages (PEP 508, as written), other plugins."""

    database_version: VersionRange
    python: tuple[str, ...]
    plugins: tuple[PluginDependency, ...]


class Fields:
    """The fields of one table of a text, and the faults of all that was read from the text.

    ``parse_code`` is the original's name of a fault of structure.
    """

    def __init__(
        self, table: Mapping[str, Any], path: str, faults: list[Fault], parse_code: str
    ) -> None:
        self.table = table
        self.path = path
        self.faults = faults
        self._parse_code = parse_code

    def at(self, key: str) -> str:
        """Return the path of a field."""
        return f"{self.path}.{key}" if self.path else key

    def fault(self, key: str, code: str, message: str) -> None:
        """Note a fault of a field."""
        self.faults.append(Fault(path=self.at(key) if key else self.path, code=code, message=message))

    def table_of(self, key: str) -> Fields | None:
        """Return the fields of a table that must be there."""
        found = self._required(key, dict, "a table")
        return None if found is None else self._below(found, self.at(key))

    def tables(self, key: str, *, required: bool = False) -> list[Fields]:
        """Return the fields of each table of an array; none where the field is left out."""
        found = self._list(key, required=required) or []
        below = []
        for number, one in enumerate(found):
            if self._is(one, dict, f"{key}[{number}]", "a table"):
                below.append(self._below(one, f"{self.at(key)}[{number}]"))
        return below

    def text(self, key: str) -> str | None:
        """Return a text that must be there."""
        return self._required(key, str, "a string")

    def texts(self, key: str, *, required: bool = False) -> list[str | None] | None:
        """Return an array of texts, None in the place of what is none; empty where it is left out."""
        found = self._list(key, required=required)
        if found is None:
            return None
        return [
            one if self._is(one, str, f"{key}[{number}]", "a string") else None
            for number, one in enumerate(found)
        ]

    def flag(self, key: str) -> bool:
        """Return a boolean; false where it is left out."""
        if key not in self.table:
            return False
        found = self.table[key]
        return self._is(found, bool, key, "a boolean") and found is True

    def checked(self, key: str, check: Callable[[Fields, str, str], Value | None]) -> Value | None:
        """Return what a check makes of a text that must be there."""
        found = self.text(key)
        return None if found is None else check(self, key, found)

    def _below(self, table: Mapping[str, Any], path: str) -> Fields:
        return Fields(table, path, self.faults, self._parse_code)

    def _list(self, key: str, *, required: bool) -> list[Any] | None:
        if key not in self.table and not required:
            return []
        found: list[Any] | None = self._required(key, list, "a sequence")
        return found

    def _required(self, key: str, kind: type[Value], name: str) -> Value | None:
        if key not in self.table:
            near = did_you_mean(key, self.table)
            self.fault(key, self._parse_code, f"missing field `{key}`{'; ' if near else ''}{near}")
            return None
        found = self.table[key]
        return found if self._is(found, kind, key, name) else None

    def _is(self, value: object, kind: type, key: str, name: str) -> bool:
        if isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
            return True
        self.fault(key, self._parse_code, f"invalid type: {_kind(value)}, expected {name}")
        return False


def _kind(value: object) -> str:
    """Return a value as the original names it in faults of type."""
    match value:
        case bool():
            return f"boolean `{str(value).lower()}`"
        case None:
            return "null"
        case int():
            return f"integer `{value}`"
        case float():
            return f"floating point `{value}`"
        case str():
            return f"string {quoted(value)}"
        case list():
            return "sequence"
        case dict():
            return "map"
    return type(value).__name__


def check_schema_version(
    fields: Fields, key: str, *, supported: int, code: str
) -> tuple[int, int] | None:
    """Return major and minor number of the schema's version."""
    text = fields.text(key)
    if text is None:
        return None
    found = _SCHEMA_VERSION.fullmatch(text)
    if found is None or len(text) > 24 or max(map(int, found.groups())) > _LARGEST:
        message = f"schema version {quoted(text)} must be formatted as <major>.<minor>"
        fields.fault(key, "MalformedSchemaVersion", message)
        return None
    major, minor = map(int, found.groups())
    if major != supported:
        message = f"{key} {quoted(text)} has unsupported major; this library supports major {supported}"
        fields.fault(key, code, message)
        return None
    return major, minor


def check_name(fields: Fields, key: str, text: str) -> str | None:
    """Return a plugin's name."""
    wrong = name_fault(text)
    if wrong is None:
        return text
    fields.fault(key, *wrong)
    return None


def check_version(fields: Fields, key: str, text: str) -> Version | None:
    """Return a plugin's version."""
    try:
        return parse_version(text)
    except VersionTextError as error:
        message = f"version {quoted(text)} is not SemVer 2.0.0 compliant: {error}"
        fields.fault(key, "InvalidVersion", message)
        return None


def check_database_version(fields: Fields, key: str, text: str) -> VersionRange | None:
    """Return the versions of the database that a plugin fits."""
    return _check_range(fields, key, text, ("InvalidDatabaseVersion", "database_version"))


def check_dependency_version(fields: Fields, key: str, text: str) -> VersionRange | None:
    """Return the versions of another plugin that will do."""
    return _check_range(
        fields, key, text, ("InvalidPluginDependencyVersion", "plugin dependency version")
    )


def _check_range(fields: Fields, key: str, text: str, told: tuple[str, str]) -> VersionRange | None:
    try:
        return parse_version_range(text)
    except VersionTextError as error:
        code, what = told
        fields.fault(key, code, f"{what} {quoted(text)} is not a valid SemVer range: {error}")
        return None


def check_description(fields: Fields, key: str, text: str) -> str | None:
    """Return a description of one line."""
    wrong = description_fault(text)
    if wrong is None:
        return text
    fields.fault(key, *wrong)
    return None


def description_fault(text: str) -> tuple[str, str] | None:
    """Return code and text of what is wrong with a description, or None."""
    if not text:
        return "DescriptionEmpty", "description must not be empty"
    if "\n" in text or "\r" in text:
        message = f"description must be one line; got {len(text)} chars across multiple lines"
        return "DescriptionMultiline", message
    if len(text) > DESCRIPTION_LENGTH:
        message = f"description exceeds {DESCRIPTION_LENGTH} characters (was {len(text)})"
        return "DescriptionTooLong", message
    return None


def read_triggers(fields: Fields, key: str) -> tuple[str, ...]:
    """Return the entry points that a plugin has."""
    found = fields.texts(key, required=True)
    if found is not None and not found:
        fields.fault(key, "EmptyTriggers", "triggers array must not be empty")
    for number, one in enumerate(found or ()):
        if one is not None and one not in TRIGGER_TYPES:
            message = f"trigger {quoted(one)} is not in the closed set {{{', '.join(TRIGGER_TYPES)}}}"
            near = did_you_mean(one, TRIGGER_TYPES)
            fields.fault(
                f"{key}[{number}]", "UnknownTriggerType", f"{message}{'; ' if near else ''}{near}"
            )
    return tuple(one for one in found or () if one in TRIGGER_TYPES)


def read_link(fields: Fields, key: str) -> WebAddress | None:
    """Return an address for people; None where it is left out."""
    if fields.table.get(key) is None:
        return None
    return fields.checked(key, _check_link)


def _check_link(fields: Fields, key: str, text: str) -> WebAddress | None:
    found = _check_address(fields, key, text)
    if found is None or found.scheme in ("http", "https"):
        return found
    message = f"URL {quoted(text)} must use http or https scheme (was {quoted(found.scheme)})"
    fields.fault(key, "InvalidUrlScheme", message)
    return None


def check_registry_address(fields: Fields, key: str, text: str) -> WebAddress | None:
    """Return an address of an index, or of artifacts."""
    found = _check_address(fields, key, text)
    if found is None or found.scheme in REGISTRY_SCHEMES:
        return found
    code = "UnsupportedIndexUrlScheme" if key == "index_url" else "UnsupportedArtifactScheme"
    allowed = ", ".join(REGISTRY_SCHEMES)
    message = f"{key} {quoted(text)} uses unsupported scheme {quoted(found.scheme)}; allowed: {allowed}"
    fields.fault(key, code, message)
    return None


def _check_address(fields: Fields, key: str, text: str) -> WebAddress | None:
    try:
        return parse_address(text)
    except AddressTextError as error:
        fields.fault(key, "InvalidUrl", f"URL {quoted(text)} is malformed: {error}")
        return None


def read_dependencies(fields: Fields) -> Dependencies | None:
    """Return what a plugin needs."""
    database_version = fields.checked("database_version", check_database_version)
    python = fields.texts("python") or []
    for number, one in enumerate(python):
        if one is not None:
            _check_requirement(fields, f"python[{number}]", one)
    plugins = _read_plugins(fields)
    if database_version is None:
        return None
    return Dependencies(
        database_version=database_version,
        python=tuple(one for one in python if one is not None),
        plugins=plugins,
    )


def _check_requirement(fields: Fields, key: str, text: str) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        Requirement(text)
    except InvalidRequirement as error:
        message = f"python requirement {quoted(text)} is not PEP 508-parseable: {_first_line(error)}"
        fields.fault(key, "InvalidPythonRequirement", message)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]


def _read_plugins(fields: Fields) -> tuple[PluginDependency, ...]:
    found: dict[tuple[str, str], PluginDependency] = {}
    for each in fields.tables("plugins"):
        index_url = each.checked("index_url", check_registry_address)
        name = each.checked("name", check_name)
        version = each.checked("version", check_dependency_version)
        if index_url is None or name is None:
            continue
        identity = (index_url.text, canonical_name(name))
        if identity in found:
            pair = f"({quoted(index_url.text)}, {quoted(name)})"
            each.fault(
                "",
                "DuplicatePluginDependency",
                f"duplicate plugin dependency {pair}; entries must be unique by (index_url, canonical name)",
            )
            continue
        unread = VersionRange(())
        found[identity] = PluginDependency(index_url=index_url, name=name, version=version or unread)
    return tuple(found.values())
