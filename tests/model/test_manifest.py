"""A manifest is read as the original reads it, and all its faults are told at once."""

from __future__ import annotations

import pytest

from procengine.model.manifest import Manifest, parse_manifest
from procengine.model.schema_fault import SchemaFaultsError

FULL = """\
manifest_schema_version = "1.3"

[plugin]
name = "downsampler"
version = "1.2.0-rc.1+build.7"
description = "Downsample data on every WAL write."
triggers = ["process_writes", "process_scheduled_call"]
homepage = "https://influxdata.com"
exclude = ["tests/**"]

[dependencies]
database_version = ">=3.2.0,<4.0.0"
python = ["requests>=2.31,<3", "pydantic~=2.0"]

[[dependencies.plugins]]
index_url = "https://Plugins.example.com/index.json"
name = "geo-lookup"
version = "1.2"

[[dependencies.plugins]]
index_url = "https://other.example.com/index.json"
name = "geo_lookup"
version = "*"
"""


def told(text: str | bytes) -> list[str]:
    """Return the faults of a manifest, as they are shown."""
    with pytest.raises(SchemaFaultsError) as caught:
        parse_manifest(text)
    return [str(one) for one in caught.value.faults]


def changed(old: str, new: str) -> str:
    """Return the full manifest with one thing otherwise."""
    assert FULL.count(old) == 1
    return FULL.replace(old, new)


def test_manifest_says_everything() -> None:
    """Every field of schema 1.3 comes back, addresses and ranges in their normal form."""
    manifest = parse_manifest(FULL)
    assert manifest.identity == "downsampler@1.2.0-rc.1+build.7"
    assert manifest.triggers == ("process_writes", "process_scheduled_call")
    assert str(manifest.homepage) == "https://influxdata.com/"
    assert manifest.repository is None
    assert manifest.exclude == ("tests/**",)
    needs = manifest.dependencies
    assert str(needs.database_version) == ">=3.2.0, <4.0.0"
    assert needs.python == ("requests>=2.31,<3", "pydantic~=2.0")
    assert [(str(one.index_url), one.name, str(one.version)) for one in needs.plugins] == [
        ("https://plugins.example.com/index.json", "geo-lookup", "^1.2"),
        ("https://other.example.com/index.json", "geo_lookup", "*"),
    ]
    assert manifest.unknown == ()


@pytest.mark.parametrize("schema", ["1.0", "1.2", "1.3", "1.99"])
def test_manifest_of_a_newer_minor_schema_is_read(schema: str) -> None:
    """Any minor version of schema 1 is taken, and unknown fields are passed over."""
    manifest = parse_manifest(changed('"1.3"', f'"{schema}"') + "added = 1\n")
    assert isinstance(manifest, Manifest)
    assert manifest.schema_version == schema


def test_unknown_fields_are_told_with_the_near_name() -> None:
    """A field that means nothing is passed over, and named with the one that may be meant."""
    manifest = parse_manifest(changed("exclude =", "excludes ="))
    assert [str(one) for one in manifest.unknown] == [
        "line 9, column 12: plugin.excludes: unknown field, passed over; did you mean exclude?"
    ]


def test_all_faults_are_told_at_once_where_they_stand() -> None:
    """Each fault has its line, its column and its path; one does not hide another."""
    text = """\
manifest_schema_version = "1.3"
[plugin]
name = "Bad Name"
version = "1.2"
description = ""
triggers = [
  "process_writes",
  "process_write",
]
homepage = "ftp://bad"
exclude = "tests"
[dependencies]
database_version = ">=x"
python = ["requests>>=2.0", 3]
[[dependencies.plugins]]
index_url = "s3://bucket/index.json"
version = 1
"""
    assert told(text) == [
        (
            'line 3, column 8: plugin.name: plugin name "Bad Name" must match `[a-zA-Z][a-zA-Z0-9_-]*` (1-64 chars, '
            "ASCII alphanumerics / `-` / `_`, starting with a letter)"
        ),
        (
            'line 4, column 11: plugin.version: version "1.2" is not SemVer 2.0.0 compliant: unexpected end of input '
            "while parsing minor version number"
        ),
        "line 5, column 15: plugin.description: description must not be empty",
        (
            'line 8, column 3: plugin.triggers[1]: trigger "process_write" is not in the closed set {process_writes, '
            "process_scheduled_call, process_request}; did you mean process_writes?"
        ),
        'line 10, column 12: plugin.homepage: URL "ftp://bad" must use http or https scheme (was "ftp")',
        'line 11, column 11: plugin.exclude: invalid type: string "tests", expected a sequence',
        (
            'line 13, column 20: dependencies.database_version: database_version ">=x" is not a valid SemVer range: '
            "unexpected character 'x' while parsing major version number"
        ),
        "line 14, column 29: dependencies.python[1]: invalid type: integer `3`, expected a string",
        (
            'line 14, column 11: dependencies.python[0]: python requirement "requests>>=2.0" is not PEP '
            "508-parseable: Expected semicolon (after name with no version specifier) or end"
        ),
        (
            'line 16, column 13: dependencies.plugins[0].index_url: index_url "s3://bucket/index.json" uses '
            'unsupported scheme "s3"; allowed: http, https, file'
        ),
        "line 15, column 1: dependencies.plugins[0].name: missing field `name`",
        "line 17, column 11: dependencies.plugins[0].version: invalid type: integer `1`, expected a string",
    ]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ('"downsampler"', '"123plugin"', "InvalidPluginName"),
        ('"downsampler"', f'"{"a" * 65}"', "InvalidPluginName"),
        ('"downsampler"', '"Lpt9"', "ReservedPluginName"),
        ('"Downsample data on every WAL write."', f'"{"a" * 201}"', "DescriptionTooLong"),
        ('"Downsample data on every WAL write."', r'"a\rb"', "DescriptionMultiline"),
        ('["process_writes", "process_scheduled_call"]', "[]", "EmptyTriggers"),
        ('"https://influxdata.com"', '"no url"', "InvalidUrl"),
        ('"1.3"', '"2.0"', "UnsupportedManifestMajor"),
        ('"1.3"', '"1"', "MalformedSchemaVersion"),
        ('"1.3"', '"1.99999999999"', "MalformedSchemaVersion"),
        ('"1.3"', "1.3", "TomlParse"),
        ("[plugin]", "[plugins]", "TomlParse"),
        ('version = "*"', 'version = "?"', "InvalidPluginDependencyVersion"),
        ("https://other.example.com", "https://plugins.EXAMPLE.com:443", "DuplicatePluginDependency"),
    ],
)
def test_faults_have_the_codes_of_the_original(old: str, new: str, code: str) -> None:
    """Each rule of the reference has its code; a fault of the schema's version stands alone."""
    with pytest.raises(SchemaFaultsError) as caught:
        parse_manifest(changed(old, new))
    assert [one.code for one in caught.value.faults] == [code]


@pytest.mark.parametrize("name", ["a", "a" * 64, "MyPlugin", "process_writes_v2", "com10"])
def test_names_that_are_taken(name: str) -> None:
    """Names up to 64 letters, digits, dashes and underscores are taken as they are."""
    assert parse_manifest(changed('"downsampler"', f'"{name}"')).name == name


def test_texts_that_are_no_toml() -> None:
    """What cannot be read at all is one fault, with its place where the reader tells one."""
    assert told("a = \n")[0].startswith("line 1, column 5: TOML parse error: ")
    assert told(b"a = '\xff'") == ["TOML parse error: it is not UTF-8, from byte 5 on"]
    assert told("a = " + "[" * 100_000) == ["TOML parse error: it is nested too deeply"]


def test_a_manifest_with_windows_line_ends_is_read() -> None:
    """Line ends of either kind are taken, and lines are counted the same."""
    assert parse_manifest(FULL.replace("\n", "\r\n").encode()).name == "downsampler"
    assert told(changed('"1.2"', '"?"').replace("\n", "\r\n"))[0].startswith("line 18, column 11: ")
