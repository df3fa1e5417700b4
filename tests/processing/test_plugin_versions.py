"""Every text that a plugin had is kept and told by its hash, until somebody lets it go."""

from __future__ import annotations

import errno
import hashlib
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.errors import CorruptFileError, NotFoundError
from procengine.history import Written
from procengine.model.framing import encode_record
from procengine.processing import plugin_versions
from procengine.processing.plugin_version_files import FILE_FORMAT, VersionFile
from procengine.processing.plugin_versions import PluginVersions, VersionStatistics, version_of
from tests.crash.disk import Disk
from tests.crash.recording_disk import RecordingDisk
from tests.journalling_files import Call, Crash, JournallingFiles

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


def test_a_version_that_is_whole_on_disk_is_not_written_again() -> None:
    """A restart with the same text reads its file, and changes nothing; a second load does not even read."""
    files = JournallingFiles()
    first = kept(files)
    note(first, "p.py", "one")
    assert first.write_waiting() is Written.DONE
    before = files.files()
    again = kept(files)
    note(again, "p.py", "one")
    assert again.waiting == 1
    assert again.write_waiting() is Written.DONE
    assert files.files() == before
    note(again, "p.py", "one")
    assert again.waiting == 0


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: b"", lambda data: data + b"x"])
@pytest.mark.parametrize("looked_at", [False, True])
def test_a_damaged_version_is_written_again_when_its_text_is_loaded_again(
    caplog: pytest.LogCaptureFixture, change: Callable[[bytes], bytes], looked_at: bool
) -> None:
    """Under its ordinal and the time of its first load; what was there is kept aside, and the log names it."""
    files = JournallingFiles()
    versions = kept(files)
    texts = {"p.py": note(versions, "p.py", "one"), "q.py": note(versions, "q.py", "other")}
    versions.write_waiting()
    whole = files.files()
    damage(files, 1, change)
    damaged = next(data for path, data in files.files().items() if path.name.startswith("00000001"))
    again = PluginVersions(VirtualClock(99), FOLDER, file_system=files)
    again.open(lambda: None)
    if looked_at:
        with pytest.raises(CorruptFileError, match="load that text again to mend it"):
            _ = again.of("p.py")[0].texts
    note(again, "p.py", "one")
    again.write_waiting()
    assert "it is written again" in caplog.text
    aside = {path: data for path, data in files.files().items() if path not in whole}
    assert list(aside.values()) == [damaged]
    assert {path: data for path, data in files.files().items() if path not in aside} == whole
    assert kept(files).of("p.py")[0].first_loaded_ns == 5
    assert kept(files).of("p.py")[0].version == texts["p.py"]


def test_a_version_that_is_gone_from_disk_is_written_again() -> None:
    """Whoever removes a file while an engine runs loses nothing that is loaded again in the next one."""
    files = JournallingFiles()
    versions = kept(files)
    note(versions, "p.py", "one")
    versions.write_waiting()
    again = kept(files)
    files.remove(next(iter(files.files())))
    note(again, "p.py", "one")
    again.write_waiting()
    assert [one.texts["p.py"] for one in kept(files).of("p.py")] == ["one"]


@pytest.mark.parametrize("crash", Crash)
def test_a_version_is_whole_or_not_there_after_a_crash(crash: Crash) -> None:
    """After each call to the disk; one that was said to be written is there, and an unfinished file does not stay."""
    files = JournallingFiles()
    versions, written = kept(files), []
    for text in ("one", "two" * 500, "three"):
        note(versions, "p.py", text)
        versions.write_waiting()
        written.append((len(files.calls), text))
    for calls in range(len(files.calls) + 1):
        left = files.crashed(crash, calls=calls)
        found = [one.texts["p.py"] for one in kept(left).of("p.py")]
        done = [text for number, text in written if number <= calls]
        begun = [text for _, text in written][: len(done) + 1]
        assert found in (done, begun), calls
        assert not any(path.name.endswith(".part") for path in left.files())


def test_the_folder_of_versions_stays(tmp_path: Path) -> None:
    """A version that was written outlives the machine in a folder that was made for it."""
    (tmp_path / "state").mkdir()
    disk = RecordingDisk(tmp_path)
    disk.do(Call("make_folder", Path("state")), lambda _: None)
    disk.do(Call("sync_folder", Path()), lambda _: None)
    versions = PluginVersions(VirtualClock(5), tmp_path / "state" / "plugin-versions", file_system=disk)
    versions.open(lambda: None)
    note(versions, "p.py", "one")
    versions.write_waiting()
    state = Disk()
    for call in disk.calls:
        state.play(call)
    assert [path.parent.name for path in state.after(Crash.LOST)][-1] == "plugin-versions"


def test_no_version_goes_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many and large they are: few are in memory, the others are read where somebody looks at them."""
    monkeypatch.setattr(plugin_versions, "MEMORY_BYTES", 100)
    files = JournallingFiles()
    versions = kept(files)
    texts = [f"{number} " + "x" * 40 for number in range(30)]
    for text in texts:
        note(versions, "p.py", text)
        assert versions.waiting == 1
        versions.write_waiting()
    for found in (versions, kept(files)):
        assert [one.texts["p.py"] for one in found.of("p.py")] == texts
        assert sum(one.texts is not None for one in found._in_memory.values()) <= 3
        assert found._memory_bytes <= 100


def test_many_versions_are_listed_without_being_read() -> None:
    """The list of one plugin's among ten thousand opens no file, at the start of the engine or after."""
    files = Unread(
        {
            FOLDER / VersionFile(number, f"{number:012x}", 40, place, 5).name: b""
            for place, first in ((hash_of("p.py"), 1), (hash_of("q.py"), 5_001))
            for number in range(first, first + 5_000)
        }
    )
    versions = kept(files)
    found = versions.of("q.py")
    assert [one.version for one in found] == [f"{number:012x}" for number in range(5_001, 10_001)]
    assert {one.first_loaded_ns for one in found} == {5}
    assert versions.statistics() == VersionStatistics(versions=10_000, file_bytes=400_000, waiting=0)


class Unread(JournallingFiles):
    """Files that nobody may read."""

    def read(self, path: Path, offset: int = 0, size_bytes: int = -1) -> bytes:
        raise AssertionError(f"{path} was read")


def hash_of(filename: str) -> str:
    return hashlib.sha256(filename.encode()).hexdigest()[:12]


def test_texts_are_compressed() -> None:
    """A text of ten thousand lines takes less than a tenth of its length, and comes back."""
    files = JournallingFiles()
    versions = kept(files)
    text = "".join(f"x = {number}  # like all others\n" for number in range(10_000))
    note(versions, "p.py", text)
    versions.write_waiting()
    assert versions.statistics().file_bytes == sum(map(len, files.files().values())) < len(text) / 8
    assert kept(files).of("p.py")[0].texts == {"p.py": text}


def test_one_text_of_two_plugins_is_a_version_of_each() -> None:
    """Folders of the same files by other names are two plugins, each with its history."""
    versions = kept(files := JournallingFiles())
    texts = {"__init__.py": "one"}
    for name in ("rooms", "halls"):
        versions.note(name, version_of(texts), texts)
    versions.write_waiting()
    for found in (versions, kept(files)):
        assert [one.filename for name in ("halls", "rooms") for one in found.of(name)] == [
            "halls",
            "rooms",
        ]


def test_without_a_folder_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no place but memory is bounded; the newest stays, whatever its size."""
    monkeypatch.setattr(plugin_versions, "MEMORY_BYTES", 25)
    versions = PluginVersions(VirtualClock(5))
    for text in ("a" * 10, "b" * 10, "c" * 10):
        note(versions, "p.py", text)
    assert [one.texts["p.py"][0] for one in versions.of("p.py")] == ["b", "c"]
    note(versions, "p.py", "d" * 100)
    assert [one.texts["p.py"][0] for one in versions.of("p.py")] == ["d"]


def test_versions_wait_while_the_disk_refuses_them(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """They are written when it does not any more; of those that have no room in memory the log names each."""
    monkeypatch.setattr(plugin_versions, "MEMORY_BYTES", 25)
    files = JournallingFiles()
    versions = kept(files)
    files.fault = lambda call: errno.ENOSPC
    lost = note(versions, "p.py", "a" * 10)
    assert versions.write_waiting() is Written.REFUSED
    for text in ("b" * 10, "c" * 10):
        note(versions, "p.py", text)
    assert versions.write_waiting() is Written.REFUSED
    assert caplog.text.count("the disk refuses them") == 1
    assert f"version {lost} of p.py is lost" in caplog.text
    files.fault = None
    assert versions.write_waiting() is Written.DONE
    assert versions.waiting == 0
    assert [one.texts["p.py"][0] for one in kept(files).of("p.py")] == ["b", "c"]


def test_versions_are_forgotten_when_somebody_says_so() -> None:
    """The oldest of a plugin, or of each; the newest that are asked for stay, and the present one wherever it is."""
    files = JournallingFiles()
    versions = kept(files)
    for name in ("p.py", "q.py"):
        for text in "abcd":
            note(versions, name, text)
    versions.write_waiting()
    present = version_of({"p.py": "a"})
    changes = versions.changes
    gone = versions.forget("p.py", keep=2, spare=[present])
    assert gone.versions == 1
    assert gone.file_bytes > 0
    assert versions.changes != changes
    for found in (versions, kept(files)):
        assert ["".join(one.texts["p.py"] for one in found.of("p.py"))] == ["acd"]
        assert len(found.of("q.py")) == 4
    held = versions.of("q.py")
    assert versions.forget(keep=0).versions == 7
    assert versions.statistics() == VersionStatistics(versions=0, file_bytes=0, waiting=0)
    assert files.files() == {}
    with pytest.raises(NotFoundError, match="was let go"):
        _ = held[0].texts
    with pytest.raises(ValueError, match="cannot keep -1 versions"):
        versions.forget(keep=-1)


def test_what_is_forgotten_while_it_is_written_is_gone() -> None:
    """Neither the list nor the disk has it afterwards."""
    files = JournallingFiles()
    versions = kept(files)
    note(versions, "p.py", "one")

    def forget(call: Call) -> None:
        files.fault = None
        versions.forget("p.py", keep=0)

    files.fault = forget
    versions.write_waiting()
    assert versions.of("p.py") == ()
    assert files.files() == {}


def test_files_of_engines_before_are_taken_over(caplog: pytest.LogCaptureFixture) -> None:
    """Their names say less, and they are not compressed: they are written anew; a damaged one is named and stays."""
    texts = {"p.py": "one"}
    said = {"filename": "p.py", "first_loaded_ns": 3, "texts": texts}
    data = FILE_FORMAT.header + encode_record(json.dumps(said).encode())
    former = FOLDER / f"00000004-{version_of(texts)}-3"
    broken = FOLDER / "00000007-0123456789ab-3"
    files = JournallingFiles({former: data, broken: b"what"})
    versions = kept(files)
    assert str(broken) in caplog.text
    assert [(one.version, one.first_loaded_ns) for one in versions.of("p.py")] == [
        (version_of(texts), 3)
    ]
    note(versions, "p.py", "two")
    versions.write_waiting()
    assert former not in files.files()
    assert files.files()[broken] == b"what"
    found = kept(files)
    assert [one.texts["p.py"] for one in found.of("p.py")] == ["one", "two"]
    assert sorted(path.name[:8] for path in files.files()) == ["00000004", "00000007", "00000008"]


def damage(files: JournallingFiles, ordinal: int, change: Callable[[bytes], bytes]) -> Path:
    """Change the file of a version."""
    path = next(one for one in files.files() if one.name.startswith(f"{ordinal:08d}"))
    data = change(files.read(path))
    file = files.reopen(path)
    file.truncate(0)
    file.write(data)
    file.sync()
    return path


def turned(data: bytes, place: int) -> bytes:
    return data[:place] + bytes([data[place] ^ 1 << place % 8]) + data[place + 1 :]


def test_a_damaged_version_costs_itself_alone(caplog: pytest.LogCaptureFixture) -> None:
    """Whichever bit is turned: it is an error and no other text, the others are read, and the log names the file."""
    files = JournallingFiles()
    versions = kept(files)
    damaged = note(versions, "p.py", "one")
    note(versions, "p.py", "two")
    versions.write_waiting()
    size = len(next(iter(files.files().values())))
    for place in range(size):
        turn = partial(turned, place=place)
        broken = damage(files, 1, turn)
        found = kept(files)
        first, second = found.of("p.py")
        assert second.texts["p.py"] == "two"
        with pytest.raises(CorruptFileError, match=broken.name):
            _ = first.texts
        assert found.find(damaged) is None
        assert broken.name in caplog.text
        caplog.clear()
        damage(files, 1, turn)


def test_a_version_under_the_name_of_another_is_none(caplog: pytest.LogCaptureFixture) -> None:
    """A copy of one file under another's name is not taken for what the name says."""
    files = JournallingFiles()
    versions = kept(files)
    note(versions, "p.py", "one")
    note(versions, "p.py", "two")
    versions.write_waiting()
    data = next(iter(files.files().values()))
    damage(files, 2, lambda _: data)
    first, second = kept(files).of("p.py")
    assert first.texts["p.py"] == "one"
    with pytest.raises(CorruptFileError, match="it is of another version"):
        _ = second.texts


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
