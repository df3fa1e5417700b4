"""What does the ``manifest.toml`` of a plugin say?

Schema 1, up to 1.3. A newer minor version is read, and what it adds passed over, as the original does.

Source: influxdb3-plugin-schemas/src/manifest.rs, Manifest::parse_toml; influxdb3-plugin-sdk docs, reference/manifest.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from procengine.model.near_names import did_you_mean
from procengine.model.plugin_fields import (
    Dependencies,
    Fields,
    check_description,
    check_name,
    check_schema_version,
    check_version,
    read_dependencies,
    read_link,
    read_triggers,
)
from procengine.model.schema_fault import Fault, SchemaFaultsError, placed
from procengine.model.semantic_version import Version
from procengine.model.toml_places import toml_places
from procengine.model.web_address import WebAddress

MANIFEST: Final = "manifest.toml"
SUPPORTED_MAJOR: Final = 1
CURRENT_SCHEMA: Final = "1.3"
_PARSE = "TomlParse"
_PLACE = re.compile(r" \(at line (\d+), column (\d+)\)$")
_KNOWN: Final = {
    "": ("manifest_schema_version", "plugin", "dependencies"),
    "plugin": (
        "name",
        "version",
        "description",
        "triggers",
        "homepage",
        "repository",
        "documentation",
        "exclude",
    ),
    "dependencies": ("database_version", "python", "plugins"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One version of a plugin, as its author describes it.

    ``triggers`` are entry points; ``exclude`` are patterns of `.gitignore` for files that are not packaged.
    ``unknown`` tells fields that mean nothing: they are passed over.
    """

    schema_version: str
    name: str
    version: Version
    description: str
    triggers: tuple[str, ...]
    homepage: WebAddress | None
    repository: WebAddress | None
    documentation: WebAddress | None
    exclude: tuple[str, ...]
    dependencies: Dependencies
    unknown: tuple[Fault, ...]

    @property
    def identity(self) -> str:
        """Name and version, as in ``downsampler@1.2.0``."""
        return f"{self.name}@{self.version}"


def parse_manifest(data: str | bytes, *, subject: str = MANIFEST) -> Manifest:
    """Return the manifest that a text is; ``subject`` is what faults say they are of.

    Raises: SchemaFaultsError: with all faults, or with the one that keeps the text from being read.
    """
    text, table = _read(data, subject)
    faults: list[Fault] = []
    manifest = _manifest(Fields(table, "", faults, _PARSE), text)
    if faults or manifest is None:
        raise SchemaFaultsError(subject, placed(faults, toml_places(text)))
    return manifest


def _read(data: str | bytes, subject: str) -> tuple[str, Mapping[str, Any]]:
    try:
        text = data if isinstance(data, str) else data.decode("utf-8")
        text = text.replace("\r\n", "\n")
        return text, tomllib.loads(text)
    except UnicodeDecodeError as error:
        message = f"TOML parse error: it is not UTF-8, from byte {error.start} on"
        raise SchemaFaultsError(subject, [Fault(path="", code=_PARSE, message=message)]) from error
    except RecursionError as error:
        message = "TOML parse error: it is nested too deeply"
        raise SchemaFaultsError(subject, [Fault(path="", code=_PARSE, message=message)]) from error
    except tomllib.TOMLDecodeError as error:
        raise SchemaFaultsError(subject, [_syntax_fault(str(error))]) from error


def _syntax_fault(said: str) -> Fault:
    found = _PLACE.search(said)
    line, column = (int(found[1]), int(found[2])) if found else (None, None)
    message = f"TOML parse error: {_PLACE.sub('', said)}"
    return Fault(path="", code=_PARSE, message=message, line=line, column=column)


def _manifest(fields: Fields, text: str) -> Manifest | None:
    """Return the manifest, or None after faults were noted."""
    schema = check_schema_version(
        fields, "manifest_schema_version", supported=SUPPORTED_MAJOR, code="UnsupportedManifestMajor"
    )
    if fields.faults and fields.faults[-1].code != _PARSE:
        return None
    plugin, needs = fields.table_of("plugin"), fields.table_of("dependencies")
    name = version = description = dependencies = None
    triggers: tuple[str, ...] = ()
    links: list[WebAddress | None] = [None] * 3
    exclude: list[str | None] = []
    if plugin is not None:
        name = plugin.checked("name", check_name)
        version = plugin.checked("version", check_version)
        description = plugin.checked("description", check_description)
        triggers = read_triggers(plugin, "triggers")
        links = [read_link(plugin, key) for key in ("homepage", "repository", "documentation")]
        exclude = plugin.texts("exclude") or []
    if needs is not None:
        dependencies = read_dependencies(needs)
    if schema is None or name is None or version is None or description is None or dependencies is None:
        return None
    return Manifest(
        schema_version=f"{schema[0]}.{schema[1]}",
        name=name,
        version=version,
        description=description,
        triggers=triggers,
        homepage=links[0],
        repository=links[1],
        documentation=links[2],
        exclude=tuple(one for one in exclude if one is not None),
        dependencies=dependencies,
        unknown=_unknown(fields.table, text),
    )


def _unknown(table: Mapping[str, Any], text: str) -> tuple[Fault, ...]:
    """Return what is said of fields that mean nothing here."""
    found = []
    for path, known in _KNOWN.items():
        fields = table if not path else table[path]
        for key in fields:
            if key not in known:
                near = did_you_mean(key, known)
                message = f"unknown field, passed over{'; ' if near else ''}{near}"
                found.append(
                    Fault(path=f"{path}.{key}" if path else key, code="UnknownField", message=message)
                )
    return tuple(placed(found, toml_places(text))) if found else ()
