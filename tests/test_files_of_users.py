"""What a user asked for is on the disk when it is answered: plugins, records, packages, recordings, tests.

The files that the engine itself relies upon have tests of their own (`tests.crash`); these here are written to the
machine's disk without a seam. So the system's own calls are watched: the content of a file before it has its name,
and the name in its folder where it is to stay.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from procengine import Engine
from procengine.catalog import Catalog
from procengine.clock import VirtualClock
from procengine.deploy.records import Record, Records
from procengine.file_system import PART_SUFFIX
from procengine.processing import fetched_plugins
from procengine.processing.fetched_plugins import FetchedPlugins, Pins
from procengine.processing.plugin_uploads import PluginUploads
from procengine.registry.publication import package
from procengine.registry.templates import new_index, new_plugin
from procengine.replay import Recorder
from procengine.testing import write_test
from tests.registry.some_plugins import make_plugin

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/fd").is_dir(), reason="the system does not tell what a descriptor is of"
)


@dataclass
class Syncs:
    """What was synced, in order: files by what they held then, folders by the names in them."""

    files: dict[Path, bytes] = field(default_factory=dict)
    folders: dict[Path, set[str]] = field(default_factory=dict)

    def note(self, descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_dir():
            self.folders.setdefault(path, set()).update(one.name for one in path.iterdir())
        else:
            self.files[path] = path.read_bytes()

    def has_content(self, path: Path) -> bool:
        """Tell whether what a file holds was synced, under its name or the one that it had before."""
        data = path.read_bytes()
        return data in {self.files.get(path), self.files.get(path.with_name(path.name + PART_SUFFIX))}

    def has_name(self, path: Path) -> bool:
        return path.name in self.folders.get(path.parent, ())


def watched(call: Callable[[int], None], syncs: Syncs) -> Callable[[int], None]:
    def sync(descriptor: int) -> None:
        call(descriptor)
        syncs.note(descriptor)

    return sync


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> Syncs:
    syncs = Syncs()
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, watched(getattr(os, name), syncs))
    return syncs


def test_a_plugin_that_was_uploaded_stays(tmp_path: Path, syncs: Syncs) -> None:
    """A file by content and name."""
    PluginUploads(tmp_path, catalog()).put_back("p.py", {"p.py": "x = 1\n"})
    assert syncs.has_content(tmp_path / "p.py")
    assert syncs.has_name(tmp_path / "p.py")


def test_a_plugins_folder_that_was_replaced_stays(tmp_path: Path, syncs: Syncs) -> None:
    """Its files by their contents and names, and its own name, new or in the place of another."""
    uploads = PluginUploads(tmp_path, catalog())
    for text in ("one", "two"):
        syncs.folders.clear()
        uploads.put_back("rooms", {"__init__.py": text, "rules.py": text})
        assert synced_below(tmp_path / "rooms", syncs, as_name=".rooms.new") == {
            "__init__.py",
            "rules.py",
        }
        assert syncs.has_name(tmp_path / "rooms")


def synced_below(folder: Path, syncs: Syncs, *, as_name: str) -> set[str]:
    """Return the files of a folder whose content and name were synced while it had another name."""
    before = folder.with_name(as_name)
    return {
        one.name
        for one in folder.iterdir()
        if syncs.files.get(before / f"{one.name}{PART_SUFFIX}") == one.read_bytes()
        and one.name in syncs.folders.get(before, ())
    }


def test_what_was_deployed_is_remembered(tmp_path: Path, syncs: Syncs) -> None:
    """The record of a server by content and name."""
    Records(tmp_path).keep("http://server", Record())
    (path,) = tmp_path.rglob("servers.json")
    assert syncs.has_content(path)
    assert syncs.has_name(path)


def test_a_plugin_that_was_fetched_stays(tmp_path: Path, syncs: Syncs) -> None:
    """The copy is what runs when the repository is away."""
    (tmp_path / "repository").mkdir()
    (tmp_path / "repository" / "p.py").write_text("x = 1\n")
    plugins = FetchedPlugins(
        tmp_path / "plugins", VirtualClock(), NO_PINS, repository=str(tmp_path / "repository")
    )
    copy = plugins.fetch("gh:p.py")
    assert copy.read_text() == "x = 1\n"
    assert syncs.has_content(copy)
    assert syncs.has_name(copy)


class Repository:
    """A git repository with one commit."""

    def __init__(self, *_said: object) -> None:
        pass

    def resolve(self) -> str:
        return "c" * 40

    def texts(self, _commit: str) -> Mapping[str, bytes]:
        return {"p.py": b"x = 1\n"}


def test_a_plugin_of_a_commit_stays(
    tmp_path: Path, syncs: Syncs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files, and the folder's name: a catalog that is pinned to the commit finds them."""
    monkeypatch.setattr(fetched_plugins, "GitRepository", Repository)
    (tmp_path / fetched_plugins.FOLDER).mkdir()
    copy = FetchedPlugins(tmp_path, VirtualClock(), NO_PINS).fetch("git+https://host/repo#p.py")
    assert copy.read_text() == "x = 1\n"
    assert any(data == b"x = 1\n" for data in syncs.files.values())
    assert syncs.has_name(copy.parent)


def test_a_recording_that_was_stopped_stays(tmp_path: Path, syncs: Syncs) -> None:
    """All of what it has is synced when it has stopped."""
    with Engine(plugin_dir=tmp_path / "plugins", object_store="memory", environ={}) as engine:
        engine.catalog.create_database("house")
        recorder = Recorder(engine, "house", tmp_path / "day.recording")
        recorder.start()
        engine.write("house", "home temp=1 1")
        recorder.stop()
    assert syncs.has_content(tmp_path / "day.recording")


def test_new_plugins_and_indexes_are_whole(tmp_path: Path, syncs: Syncs) -> None:
    """A crash leaves a file that was made whole, or none: its content comes before its name."""
    made = [tmp_path / "p" / one for one in new_plugin(tmp_path / "p", trigger="process_writes")]
    made += [tmp_path / "r" / one for one in new_index(tmp_path / "r")]
    assert len(made) > 3
    for path in made:
        assert syncs.has_content(path), path


def test_what_is_published_is_whole(tmp_path: Path, syncs: Syncs) -> None:
    """An artifact, and the index that names it."""
    index_file = tmp_path / "index.json"
    index_file.write_text(
        json.dumps({"index_schema_version": "2.1", "artifacts_url": tmp_path.as_uri(), "plugins": []})
    )
    done = package(
        make_plugin(tmp_path / "p"), index_file=index_file, out=tmp_path / "out", clock=VirtualClock()
    )
    assert syncs.has_content(done.artifact)
    assert syncs.has_content(done.index)


def test_a_test_that_was_written_is_whole(tmp_path: Path, syncs: Syncs) -> None:
    """Whatever stops the machine, pytest finds it as it was written, or not at all."""
    (tmp_path / "p.py").write_text(
        "def process_writes(influxdb3_local, table_batches, args=None): pass\n"
    )
    with Engine(plugin_dir=tmp_path, object_store="memory", environ={}) as engine:
        engine.catalog.create_database("house")
        engine.triggers.create("house", "t", "p.py", "table:home")
        engine.write("house", "home n=1i 1")
        assert engine.wait_idle(20)
        (run,) = engine.triggers.runs
        details = engine.triggers.runs.details(run.run_id)
    assert details is not None
    written = write_test(details, tmp_path / "test_p.py", tmp_path / "p.py")
    assert syncs.has_content(written.path)


NO_PINS = Pins(get=lambda _: None, put=lambda *_: None)


def catalog() -> Catalog:
    made = Catalog(None, clock=VirtualClock(), node_id="node0")
    made.start()
    return made
