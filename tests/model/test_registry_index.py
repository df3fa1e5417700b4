"""A registry's index is read and written as the original does, and all its faults are told at once."""

from __future__ import annotations

import json
from typing import Any

import pytest

from procengine.errors import AlreadyExistsError, NotFoundError
from procengine.model.manifest import parse_manifest
from procengine.model.registry_index import (
    IndexEntry,
    RegistryIndex,
    parse_index,
    published_at_of,
)
from procengine.model.schema_fault import SchemaFaultsError
from procengine.model.semantic_version import parse_version
from procengine.model.web_address import parse_address

# Written by influxdb3-plugin 0.7.0, `package` and `yank`.
CANONICAL = """\
{
  "index_schema_version": "2.1",
  "artifacts_url": "https://plugins.example.com/artifacts/",
  "plugins": [
    {
      "name": "downsampler",
      "version": "1.2.0",
      "published_at": "2026-11-25T07:01:38Z",
      "description": "Zo\u00eb \u00e9 / \\"q\\" <x> \x7f \u2028",
      "triggers": [
        "process_writes",
        "process_scheduled_call"
      ],
      "homepage": "https://influxdata.com/",
      "repository": "https://github.com/influxdata/plugin-downsampler",
      "documentation": "https://github.com/influxdata/plugin-downsampler/readme.md",
      "dependencies": {
        "database_version": ">=3.2.0, <4, ~3.2, ^3, 3.*, =3.10, ^3",
        "python": [
          "requests>=2.31,<3",
          "pydantic~=2.0"
        ],
        "plugins": [
          {
            "index_url": "https://plugins.example.com/index.json",
            "name": "geo-lookup",
            "version": ">=1.0.0, <2.0.0"
          },
          {
            "index_url": "https://other-registry.example.com/index.json",
            "name": "geo-lookup",
            "version": "^2.1"
          }
        ]
      },
      "hash": "sha256:7815812bcef363aaa03020f642fac4266e1c50cc045bb8739601cd17a983058d",
      "yanked": true
    }
  ]
}
"""
MANIFEST = """\
manifest_schema_version = "1.3"
[plugin]
name = "downsampler"
version = "1.2.0"
description = "Zoe\u0308 \u00e9 / \\"q\\" <x> \\u007f \u2028"
triggers = ["process_writes", "process_scheduled_call"]
homepage = "https://influxdata.com"
repository = "https://github.com/influxdata/plugin-downsampler"
documentation = "https://github.com/influxdata/plugin-downsampler/readme.md"
[dependencies]
database_version = ">=3.2.0,<4, ~3.2,  ^3, 3.*, =3.10, 3"
python = ["requests>=2.31,<3", "pydantic~=2.0"]
[[dependencies.plugins]]
index_url = "https://plugins.example.com/index.json"
name = "geo-lookup"
version = ">=1.0.0,<2.0.0"
[[dependencies.plugins]]
index_url = "https://other-registry.example.com/index.json"
name = "geo-lookup"
version = "2.1"
"""
HASH = "sha256:7815812bcef363aaa03020f642fac4266e1c50cc045bb8739601cd17a983058d"
EMPTY = RegistryIndex(artifacts_url=parse_address("HTTPS://Plugins.Example.com:443/a b/../artifacts/"))


def entry(name: str = "downsampler", version: str = "1.2.0") -> IndexEntry:
    """Return an entry of a version."""
    text = MANIFEST.replace('name = "downsampler"', f'name = "{name}"').replace("1.2.0", version)
    return IndexEntry.of(parse_manifest(text), artifact_hash=HASH, published_at="2026-11-25T07:01:38Z")


def raw(**fields: Any) -> dict[str, Any]:
    """Return an entry as JSON has it, with some fields otherwise; None leaves one out."""
    found = json.loads(CANONICAL)["plugins"][0] | fields
    return {key: value for key, value in found.items() if value is not None}


def index_of(*entries: dict[str, Any], **fields: Any) -> str:
    """Return the text of an index."""
    base = {"index_schema_version": "2.1", "artifacts_url": "https://e.com/a", "plugins": list(entries)}
    return json.dumps(base | fields, indent=1)


def faults(text: str) -> list[tuple[str, str]]:
    """Return path and code of each fault of an index."""
    with pytest.raises(SchemaFaultsError) as caught:
        parse_index(text)
    return [(one.path, one.code) for one in caught.value.faults]


def test_index_is_written_as_by_the_original() -> None:
    """A manifest's entry, yanked, gives the canonical text of the original's tools, byte for byte."""
    index = EMPTY.with_entry(entry()).with_yanked("downsampler", parse_version("1.2.0"), yanked=True)
    assert index.to_json() == CANONICAL
    assert parse_index(CANONICAL).to_json() == CANONICAL


def test_index_is_written_in_the_order_of_names_and_versions() -> None:
    """Entries are sorted by name, then by the order of versions, whatever order they came in."""
    index = EMPTY
    for name, version in (
        ("b", "1.10.0"),
        ("b", "1.2.0"),
        ("a", "2.0.0"),
        ("b", "1.10.0-rc.1"),
        ("B2", "0.1.0"),
    ):
        index = index.with_entry(entry(name, version))
    assert [one.identity for one in parse_index(index.to_json()).plugins] == [
        "B2@0.1.0",
        "a@2.0.0",
        "b@1.2.0",
        "b@1.10.0-rc.1",
        "b@1.10.0",
    ]
    assert [str(one.version) for one in index.of_name("B")] == ["1.10.0", "1.10.0-rc.1", "1.2.0"]


def test_an_older_schema_is_written_as_the_current_one() -> None:
    """Any minor version of schema 2 is read, and rewritten as 2.1."""
    text = index_of(index_schema_version="2.0", added=True)
    assert json.loads(parse_index(text).to_json())["index_schema_version"] == "2.1"


@pytest.mark.parametrize(
    ("name", "version", "why"),
    [
        ("downsampler", "1.2.0", "already exists in the target index; published are downsampler@1.2.0;"),
        ("downsampler", "1.2.0+build.7", "already exists in the target index"),
        ("Down-Sampler", "2.0.0", None),
        (
            "DOWNSAMPLER",
            "2.0.0",
            'canonical collision: plugin name "DOWNSAMPLER" conflicts with existing',
        ),
    ],
)
def test_a_version_is_published_once(name: str, version: str, why: str | None) -> None:
    """A version, by its precedence, and a name, by its canonical form, are taken once."""
    index = EMPTY.with_entry(entry())
    if why is None:
        assert len(index.with_entry(entry(name, version)).plugins) == 2
        return
    with pytest.raises(AlreadyExistsError) as caught:
        index.with_entry(entry(name, version))
    assert why in str(caught.value)


def test_yank_changes_the_flag_alone_and_back() -> None:
    """A yank can be taken back, is the same twice, and is refused for what is not there."""
    index = EMPTY.with_entry(entry())
    version = parse_version("1.2.0")
    yanked = index.with_yanked("downsampler", version, yanked=True)
    assert yanked.plugins[0].yanked
    assert yanked.with_yanked("downsampler", version, yanked=True) is yanked
    assert yanked.with_yanked("downsampler", version, yanked=False) == index
    with pytest.raises(
        NotFoundError, match=r"no entry downsampler@1\.3\.0 in the index; of this plugin there is "
    ):
        index.with_yanked("downsampler", parse_version("1.3.0"), yanked=True)


def test_artifacts_have_a_flat_address() -> None:
    """An artifact stands directly under the address, with or without a slash at its end."""
    index = EMPTY.with_entry(entry())
    assert index.artifact_url(index.plugins[0]) == (
        "https://plugins.example.com/artifacts/downsampler-1.2.0.tar.gz"
    )


@pytest.mark.parametrize(
    ("fields", "path", "code"),
    [
        ({"name": "Bad Name"}, "name", "InvalidPluginName"),
        ({"version": "not-semver"}, "version", "InvalidVersion"),
        ({"published_at": None}, "published_at", "InvalidPublishedAt"),
        ({"published_at": 5}, "published_at", "InvalidPublishedAt"),
        ({"published_at": "2026-04-29T18:45:12.123Z"}, "published_at", "InvalidPublishedAt"),
        ({"published_at": "2026-02-30T18:45:12Z"}, "published_at", "InvalidPublishedAt"),
        ({"published_at": "2026-02-28T18:45:60Z"}, "published_at", "InvalidPublishedAt"),
        ({"published_at": "2026-02-28T18:45:12+00:00"}, "published_at", "InvalidPublishedAt"),
        ({"description": "two\nlines"}, "description", "DescriptionMultiline"),
        ({"triggers": []}, "triggers", "EmptyTriggers"),
        ({"triggers": None}, "triggers", "JsonParse"),
        ({"homepage": "ftp://bad.example.com/"}, "homepage", "InvalidUrlScheme"),
        ({"hash": "sha256:abc"}, "hash", "InvalidHash"),
        ({"hash": HASH.upper()}, "hash", "InvalidHash"),
        ({"yanked": "true"}, "yanked", "JsonParse"),
        ({"dependencies": None}, "dependencies", "JsonParse"),
        (
            {"dependencies": {"database_version": ">=x"}},
            "dependencies.database_version",
            "InvalidDatabaseVersion",
        ),
    ],
)
def test_each_field_of_an_entry_has_its_rule(fields: dict[str, Any], path: str, code: str) -> None:
    """A field that breaks its rule is told by its path and the original's code."""
    assert faults(index_of(raw(**fields))) == [(f"plugins[0].{path}", code)]


def test_all_faults_of_all_entries_are_told_at_once() -> None:
    """One entry's faults do not hide another's, nor duplicates, nor the index's own."""
    text = index_of(
        raw(),
        raw(hash="x"),
        raw(name="DOWNSAMPLER", version="2.0.0"),
        raw(),
        artifacts_url="s3://bucket",
    )
    assert faults(text) == [
        ("artifacts_url", "UnsupportedArtifactScheme"),
        ("plugins[1].hash", "InvalidHash"),
        ("plugins[1]", "DuplicateIndexEntry"),
        ("plugins[2]", "CanonicalCollision"),
        ("plugins[3]", "DuplicateIndexEntry"),
    ]


def test_faults_of_an_index_have_a_place() -> None:
    """A fault says line and column of the value, a missing field those of its table."""
    with pytest.raises(SchemaFaultsError) as caught:
        parse_index(
            '{"index_schema_version": "2.1",\n "artifacts_url": 5, "plugins": [\n  {}]}', subject="x"
        )
    shown = [str(one) for one in caught.value.faults]
    assert shown[0] == "line 2, column 19: artifacts_url: invalid type: integer `5`, expected a string"
    assert shown[1] == "line 3, column 3: plugins[0].name: missing field `name`"
    assert str(caught.value).startswith("x: 8 faults:\n  1. line 2, column 19: ")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "line 1, column 1: JSON parse error: Expecting value"),
        ("[]", "line 1, column 1: JSON parse error: invalid type, expected a map"),
        ('{"a": NaN}', "JSON parse error: NaN is no value of JSON"),
        ('{"plugins": 1, "plugins": 2}', "JSON parse error: duplicate field `plugins`"),
        ("[" * 200_000, "JSON parse error: it is nested too deeply"),
        (b"\xff", "JSON parse error: it is not UTF-8, from byte 0 on"),
        (
            index_of(index_schema_version="3.0"),
            "line 2, column 26: index_schema_version: index_schema_version",
        ),
    ],
)
def test_texts_that_are_no_index(text: str | bytes, why: str) -> None:
    """What cannot be read at all is one fault."""
    with pytest.raises(SchemaFaultsError) as caught:
        parse_index(text)
    assert len(caught.value.faults) == 1
    assert str(caught.value.faults[0]).startswith(why)


def test_a_description_that_grows_when_normalized_is_refused() -> None:
    """A description that is too long in its normal form is told, not written."""
    grown = json.dumps(raw(description="\u0958" * 150))
    index = parse_index(index_of(json.loads(grown)))
    with pytest.raises(SchemaFaultsError, match="description exceeds 200 characters"):
        index.to_json()


def test_instants_are_written_to_the_second() -> None:
    """The instant of a publication is UTC, to the second."""
    assert published_at_of(1_777_488_312_999_999_999) == "2026-04-29T18:45:12Z"
