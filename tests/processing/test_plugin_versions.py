"""Every text that a plugin had is kept, up to a bound, and told by its hash."""

from __future__ import annotations

from pathlib import Path

import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.processing import plugin_versions
from procengine.processing.plugin_versions import PluginVersions, version_of
from tests.journalling_files import JournallingFiles

FOLDER = Path("/state/plugin-versions")
PLUGIN = (
    "def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):\n"
)


def kept(files: JournallingFiles) -> PluginVersions:
    """Return versions as an engine finds them at its start."""
    versions = PluginVersions(VirtualClock(5), FOLDER, file_system=files)
    versions.open(lambda: None)
    return versions


def note(versions: PluginVersions, filename: str, text: str) -> str:
    """Note a single file's text; return its version."""
    version = version_of({filename: text})
    versions.note(filename, version, {filename: text})
    return version


def test_a_version_tells_texts_and_names_apart() -> None:
    """Not by how they are joined: what stands in one file is not what stands in two."""
    texts = [{"a": "b"}, {"a": "c"}, {"ab": ""}, {"a": "", "b": ""}, {"a": "b", "c": ""}, {}]
    assert len({version_of(one) for one in texts}) == len(texts)
    assert version_of({"a": "1", "b": "2"}) == version_of({"b": "2", "a": "1"})


def test_versions_outlive_the_engine_in_their_order() -> None:
    """Each text once, as it was first loaded; a plugin's own alone."""
    files = JournallingFiles()
    versions = kept(files)
    note(versions, "p.py", "one")
    note(versions, "other.py", "x")
    note(versions, "p.py", "two é")
    note(versions, "p.py", "one")
    versions.write_waiting()
    found = kept(files).of("p.py")
    assert [dict(one.texts) for one in found] == [{"p.py": "one"}, {"p.py": "two é"}]
    assert [one.first_loaded_ns for one in found] == [5, 5]
    assert kept(files).find(found[1].version) == found[1]
    assert kept(files).find("0" * 12) is None


def test_a_version_that_is_on_disk_is_not_written_again() -> None:
    """A restart with the same text changes nothing."""
    files = JournallingFiles()
    first = kept(files)
    note(first, "p.py", "one")
    first.write_waiting()
    again = kept(files)
    note(again, "p.py", "one")
    assert again.waiting == 0


@pytest.mark.parametrize(("name", "limit"), [("MOST_VERSIONS", 2), ("TOTAL_BYTES", 20)])
def test_the_oldest_go_when_all_are_too_many_or_too_large(
    monkeypatch: pytest.MonkeyPatch, name: str, limit: int
) -> None:
    """The newest stays, whatever its size; what went is gone from the disk as well."""
    monkeypatch.setattr(plugin_versions, name, limit)
    files = JournallingFiles()
    versions = kept(files)
    for text in ("a" * 10, "b" * 10, "c" * 10):
        note(versions, "p.py", text)
        versions.write_waiting()
    assert [one.texts["p.py"][0] for one in versions.of("p.py")] == ["b", "c"]
    assert [one.texts["p.py"][0] for one in kept(files).of("p.py")] == ["b", "c"]
    note(versions, "p.py", "d" * 100)
    assert versions.of("p.py")[-1].texts["p.py"][0] == "d"


def test_a_damaged_version_costs_itself_alone(caplog: pytest.LogCaptureFixture) -> None:
    """The others are read, and the log of Python names the file."""
    files = JournallingFiles()
    versions = kept(files)
    note(versions, "p.py", "one")
    note(versions, "p.py", "two")
    versions.write_waiting()
    broken = FOLDER / next(one for one in sorted(files.names(FOLDER)) if one.startswith("00000001"))
    data = bytearray(files.read(broken))
    data[-3] ^= 1
    file = files.reopen(broken)
    file.truncate(0)
    file.write(bytes(data))
    assert [one.texts["p.py"] for one in kept(files).of("p.py")] == ["two"]
    assert broken.name in caplog.text


def test_a_run_names_the_version_that_it_ran_with(tmp_path: Path) -> None:
    """In memory, in the system table and after a restart; text that was there before is the same version again."""
    folder = tmp_path / "plugins"
    folder.mkdir()
    texts = [PLUGIN + "    return 'one'\n", PLUGIN + "    return 'two'\n"]
    (folder / "p.py").write_text(texts[0])

    def engine() -> Engine:
        return Engine(plugin_dir=folder, data_dir=tmp_path / "data", object_store="file", environ={})

    def request(running: Engine) -> str | None:
        from procengine.model.run import Cause, CauseKind
        from procengine.processing.event import RequestEvent

        event = RequestEvent(
            method="GET", query_params={}, headers={}, body=b"", cause=Cause(kind=CauseKind.FIRE)
        )
        return running.triggers.fire("t", event).plugin_version

    with engine() as running:
        running.catalog.create_database("db")
        running.triggers.create("db", "t", "p.py", "request:t")
        versions = [request(running)]
        for text in (texts[1], texts[0]):
            (folder / "p.py").write_text(text)
            versions.append(request(running))
    assert versions[0] == versions[2] == version_of({"p.py": texts[0]})
    assert versions[1] == version_of({"p.py": texts[1]})
    with engine() as running:
        table = running.query("SELECT plugin_version FROM system.processing_engine_runs", "db")
        assert table["plugin_version"].to_pylist() == versions
        assert [run.plugin_version for run in running.triggers.runs.select()] == versions
        found = running.plugin_versions.of("p.py")
        assert [one.texts["p.py"] for one in found] == texts


def test_a_folders_version_is_that_of_all_its_files(tmp_path: Path) -> None:
    """A change of any of them is another version of the plugin, whose texts are kept by their names in there."""
    folder = tmp_path / "rooms"
    folder.mkdir()
    (folder / "__init__.py").write_text(PLUGIN + "    from . import rules\n    return rules.SAID\n")
    (folder / "rules.py").write_text("SAID = 'one'\n")
    with Engine(plugin_dir=tmp_path, object_store="memory", environ={}) as running:
        first = running.plugins.load("rooms").version
        (folder / "rules.py").write_text("SAID = 'other'\n")
        second = running.plugins.load("rooms").version
        assert first != second
        found = running.plugin_versions.of("rooms")
        assert [one.version for one in found] == [first, second]
        assert found[1].texts["rules.py"] == "SAID = 'other'\n"
