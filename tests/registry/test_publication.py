"""Publishing writes an artifact and a derived index, and leaves the index that was read alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from procengine.clock import VirtualClock
from procengine.errors import AlreadyExistsError, InvalidInputError
from procengine.model.registry_index import parse_index
from procengine.model.schema_fault import SchemaFaultsError
from procengine.model.semantic_version import parse_version
from procengine.registry.artifact import hash_of
from procengine.registry.publication import package, yank
from tests.registry.some_plugins import Registry, make_plugin

INSTANT_NS = 1_777_488_312_000_000_000


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """An empty registry."""
    return Registry(tmp_path / "registry")


def test_package_writes_artifact_and_index(tmp_path: Path, registry: Registry) -> None:
    """The index gets one entry, with the artifact's hash and the time; what was read is as it was."""
    before = registry.read()
    done = package(
        make_plugin(tmp_path / "p"),
        index_file=registry.folder / "index.json",
        out=tmp_path / "build" / "new",
        clock=VirtualClock(INSTANT_NS),
    )
    assert done.artifact == tmp_path / "build" / "new" / "hot-rooms-1.2.0.tar.gz"
    [entry] = parse_index(done.index.read_bytes()).plugins
    assert entry.hash == hash_of(done.artifact.read_bytes())
    assert (entry.published_at, entry.identity) == ("2026-04-29T18:45:12Z", "hot-rooms@1.2.0")
    assert registry.read() == before


def test_package_refuses_what_is_published(tmp_path: Path, registry: Registry) -> None:
    """A version is published once, and nothing is written when it is not published."""
    plugin = make_plugin(tmp_path / "p")
    registry.publish(plugin)
    out = tmp_path / "again"
    with pytest.raises(AlreadyExistsError, match="already exists in the target index"):
        package(plugin, index_file=registry.folder / "index.json", out=out, clock=VirtualClock(0))
    assert not out.exists()


def test_output_goes_to_another_folder(tmp_path: Path, registry: Registry) -> None:
    """The folder of the index is refused as the place of the output, by any name."""
    plugin = make_plugin(tmp_path / "p")
    out = tmp_path / "p" / ".." / "registry"
    with pytest.raises(InvalidInputError, match="the index that is read stands there"):
        package(plugin, index_file=registry.folder / "index.json", out=out, clock=VirtualClock(0))
    with pytest.raises(InvalidInputError, match="the index that is read stands there"):
        yank(
            "a", parse_version("1.0.0"), index_file=registry.folder / "index.json", out=out, yanked=True
        )


def test_yank_writes_a_derived_index(tmp_path: Path, registry: Registry) -> None:
    """A yank marks one entry and keeps its time; to do it again changes nothing."""
    registry.publish(make_plugin(tmp_path / "p"))
    version, out = parse_version("1.2.0"), tmp_path / "out"
    assert yank("hot-rooms", version, index_file=registry.folder / "index.json", out=out, yanked=True)
    [entry] = parse_index((out / "index.json").read_bytes()).plugins
    assert (entry.yanked, entry.published_at) == (True, registry.index.plugins[0].published_at)
    again = tmp_path / "again"
    assert not yank("hot-rooms", version, index_file=out / "index.json", out=again, yanked=True)
    assert (again / "index.json").read_text() == (out / "index.json").read_text()


def test_an_index_that_cannot_be_read(tmp_path: Path, registry: Registry) -> None:
    """A missing index and one with faults are named."""
    plugin = make_plugin(tmp_path / "p")
    with pytest.raises(InvalidInputError, match="cannot read index"):
        package(plugin, index_file=tmp_path / "no.json", out=tmp_path / "out", clock=VirtualClock(0))
    registry.write({"index_schema_version": "3.0"})
    with pytest.raises(SchemaFaultsError, match="has unsupported major"):
        package(
            plugin,
            index_file=registry.folder / "index.json",
            out=tmp_path / "out",
            clock=VirtualClock(0),
        )
