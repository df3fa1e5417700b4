"""A plugin is installed whole and as its registry promises, or everything stays as it was."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from procengine.engine import Engine
from procengine.errors import InvalidInputError, NotFoundError, ProcengineError, RegistryError
from procengine.model.schema_fault import SchemaFaultsError
from procengine.registry.fetching import Fetcher
from procengine.registry.installation import Installation, index_address, install, origin_of
from procengine.registry.resolution import parse_wanted
from procengine.replaced_folder import WRITING
from tests.registry.servers import Answer, plain, serving
from tests.registry.some_plugins import Registry, archive, make_plugin, member


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry with one plugin of two versions, and a pre-release."""
    registry = Registry(tmp_path / "registry")
    for version in ("1.2.0", "1.10.0", "2.0.0-rc.1"):
        registry.publish(make_plugin(tmp_path / version, version=version))
    return registry


@pytest.fixture
def plugins(tmp_path: Path) -> Path:
    """A plugin directory, which is not there yet."""
    return tmp_path / "plugins"


def installed(
    registry: Registry, plugins: Path, text: str, *, pinned_hash: str | None = None
) -> Installation:
    """Install a plugin of a registry."""
    wanted = parse_wanted(text, pinned_hash=pinned_hash)
    return install(wanted, index_url=registry.url, plugin_dir=plugins, fetcher=Fetcher())


def content(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, hidden ones too, but for the lock that stays."""
    files = (one for one in folder.rglob("*") if one.is_file() and one.name != WRITING)
    return {str(one.relative_to(folder)): one.read_bytes() for one in files}


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("hot-rooms", "1.10.0"),
        ("HOT_rooms", "1.10.0"),
        ("hot-rooms@1.2.0", "1.2.0"),
        ("hot-rooms@<1.10", "1.2.0"),
        ("hot-rooms@1", "1.10.0"),
        ("hot-rooms@2.0.0-rc.1", "2.0.0-rc.1"),
        ("hot-rooms@>=2.0.0-a", "2.0.0-rc.1"),
    ],
)
def test_the_version_that_is_meant(registry: Registry, plugins: Path, text: str, version: str) -> None:
    """A name is its newest release, a version itself, a range the newest of it."""
    done = installed(registry, plugins, text)
    assert str(done.entry.version) == version
    assert done.path == "hot_rooms/hot.py"
    assert version.encode() in (plugins / done.path).read_bytes()
    origin = origin_of(plugins / "hot_rooms")
    assert origin is not None
    assert (origin.identity, origin.artifact_hash) == (f"hot-rooms@{version}", done.entry.hash)


def test_another_version_takes_the_place(registry: Registry, plugins: Path) -> None:
    """The path stays the same, nothing of the former version does, and what was replaced is told."""
    registry.publish(
        make_plugin(registry.folder.parent / "m", version="1.11.0", files={"data/x.csv": "1"})
    )
    installed(registry, plugins, "hot-rooms")
    done = installed(registry, plugins, "hot-rooms@1.2.0")
    assert done.replaced is not None
    assert done.replaced.identity == "hot-rooms@1.11.0"
    assert set(content(plugins)) == {
        f"hot_rooms/{name}" for name in (".artifact.json", "hot.py", "manifest.toml")
    }


def test_a_plugin_of_several_files_is_its_folder(
    tmp_path: Path, registry: Registry, plugins: Path
) -> None:
    """A trigger names the folder of a plugin that has ``__init__.py``."""
    files = {"__init__.py": "def process_writes(a, b): pass"}
    registry.publish(make_plugin(tmp_path / "m", name="many", files=files))
    assert installed(registry, plugins, "many").path == "many"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("hot-room", "the registry has no plugin 'hot-room'; did you mean hot-rooms?"),
        ("hot-rooms@3.0.0", "no such version of 'hot-rooms'; there is 2.0.0-rc.1, 1.10.0, 1.2.0"),
        ("hot-rooms@>9", "no such version of 'hot-rooms'"),
    ],
)
def test_what_the_registry_does_not_have(registry: Registry, plugins: Path, text: str, why: str) -> None:
    """A name and a version that are not there are told with those that are."""
    with pytest.raises(NotFoundError) as caught:
        installed(registry, plugins, text)
    assert why in str(caught.value)


@pytest.mark.parametrize("text", ["", "@1", "a b", "a@", "a@latest", "a@1 2"])
def test_texts_that_name_no_plugin(text: str) -> None:
    """What is neither a name, a version nor a range is refused."""
    with pytest.raises(InvalidInputError, match="cannot read plugin"):
        parse_wanted(text)


def test_a_version_for_another_database_is_refused(
    tmp_path: Path, registry: Registry, plugins: Path
) -> None:
    """A version that does not fit is passed over by its name, and refused when it is named."""
    registry.publish(make_plugin(tmp_path / "a", version="9.0.0", database_version=">=4.0.0"))
    assert str(installed(registry, plugins, "hot-rooms").entry.version) == "1.10.0"
    with pytest.raises(RegistryError) as caught:
        installed(registry, plugins, "hot-rooms@9.0.0")
    assert str(caught.value) == (
        "cannot install 'hot-rooms': hot-rooms@9.0.0 is for InfluxDB 3 >=4.0.0, and this engine is as InfluxDB 3 "
        "3.10.0"
    )


def test_a_yanked_version_is_installed_by_its_pin_alone(registry: Registry, plugins: Path) -> None:
    """A yanked version is passed over, refused by its number, and installed by number and hash."""
    registry.change(lambda one: one.update(yanked=True), entry=1)
    entry = registry.index.of_name("hot-rooms")[1]
    assert (str(entry.version), entry.yanked) == ("1.10.0", True)
    assert str(installed(registry, plugins, "hot-rooms").entry.version) == "1.2.0"
    with pytest.raises(RegistryError, match=r"1\.10\.0 is yanked; a lock file's pin still installs it"):
        installed(registry, plugins, "hot-rooms@1.10.0")
    done = installed(registry, plugins, "hot-rooms@1.10.0", pinned_hash=entry.hash)
    assert done.entry == entry


def test_a_pin_of_another_hash_is_refused(registry: Registry, plugins: Path) -> None:
    """A version whose index says another hash than the pin is refused."""
    with pytest.raises(RegistryError, match=r"1\.2\.0 has hash sha256:[0-9a-f]{64}, not sha256:00"):
        installed(registry, plugins, "hot-rooms@1.2.0", pinned_hash=f"sha256:{'0' * 64}")


def _other_bytes(registry: Registry, artifact: Path) -> None:
    artifact.write_bytes(artifact.read_bytes() + b"\0")


def _no_artifact(registry: Registry, artifact: Path) -> None:
    artifact.unlink()


def _link(registry: Registry, artifact: Path) -> None:
    link = member("hot-rooms-3.0.0/x.py", b"2", link="/etc/passwd")
    registry.put_artifact(artifact, archive((link, b"")))


def _path_trick(registry: Registry, artifact: Path) -> None:
    registry.put_artifact(artifact, archive((member("hot-rooms-3.0.0/../../evil.py"), b"")))


def _other_plugin(registry: Registry, artifact: Path) -> None:
    other = registry.folder.parent / "other"
    data = (registry.folder / "hot-rooms-1.2.0.tar.gz").read_bytes()
    other.write_bytes(data)
    registry.put_artifact(artifact, data)


def _other_manifest(registry: Registry, artifact: Path) -> None:
    registry.change(lambda one: one["dependencies"].update(python=["evil"]))


def _no_plugin(registry: Registry, artifact: Path) -> None:
    registry.put_artifact(artifact, archive((member("hot-rooms-3.0.0/a.py"), b"")))


def _faulty_index(registry: Registry, artifact: Path) -> None:
    registry.change(lambda one: one.update(hash="sha256:0"))


@pytest.mark.parametrize(
    ("spoil", "error", "why"),
    [
        (_other_bytes, RegistryError, "has hash sha256:"),
        (_no_artifact, RegistryError, "No such file or directory"),
        (_link, RegistryError, "is a link to '/etc/passwd'"),
        (_path_trick, RegistryError, "is no path that is taken"),
        (_other_plugin, RegistryError, "is not below hot-rooms-3.0.0/"),
        (_other_manifest, RegistryError, "its manifest and the index differ in dependencies"),
        (_no_plugin, SchemaFaultsError, 'artifact of hot-rooms@3.0.0: required file "manifest.toml"'),
        (_faulty_index, SchemaFaultsError, "must be formatted as sha256:"),
    ],
)
def test_a_failed_installation_changes_nothing(
    tmp_path: Path,
    registry: Registry,
    plugins: Path,
    spoil: Callable[[Registry, Path], None],
    error: type[ProcengineError],
    why: str,
) -> None:
    """Whatever a registry gives that is not what it promised, the version that is there stays, byte for byte."""
    installed(registry, plugins, "hot-rooms")
    artifact = registry.publish(make_plugin(tmp_path / "a", version="3.0.0"))
    spoil(registry, artifact)
    before = content(tmp_path / "plugins")
    with pytest.raises(error) as caught:
        installed(registry, plugins, "hot-rooms")
    assert why in str(caught.value)
    assert content(plugins) == before
    assert sorted(one.name for one in plugins.iterdir()) == [WRITING, "hot_rooms"]
    assert not (tmp_path / "evil.py").exists()


def test_a_folder_of_somebody_else_is_left_alone(
    registry: Registry, plugins: Path, tmp_path: Path
) -> None:
    """A folder that was written by hand, or came from another registry, is not replaced."""
    (plugins / "hot_rooms").mkdir(parents=True)
    (plugins / "hot_rooms" / "mine.py").write_text("")
    with pytest.raises(InvalidInputError, match="came from no registry; move it away"):
        installed(registry, plugins, "hot-rooms")
    assert content(plugins) == {"hot_rooms/mine.py": b""}
    (plugins / "hot_rooms" / ".artifact.json").write_text(
        json.dumps(
            {
                "source": {"registry": {"index_url": "https://other/index.json"}},
                "name": "hot-rooms",
                "version": "1.0.0",
                "artifact_hash": "",
            }
        )
    )
    with pytest.raises(InvalidInputError, match=r"came from https://other/index\.json; move it away"):
        installed(registry, plugins, "hot-rooms")


def test_what_a_plugin_needs_is_told(tmp_path: Path, registry: Registry, plugins: Path) -> None:
    """Packages and plugins that are not there are told; those that are there are not."""
    needs = (
        'python = ["numpy>=1", "no-such-package>=1", "never; python_version<\'3\'"]\n'
        f'[[dependencies.plugins]]\nindex_url = "{registry.url}"\nname = "hot-rooms"\nversion = ">=1.10"\n'
    )
    registry.publish(make_plugin(tmp_path / "n", name="needy", needs=needs))
    first = installed(registry, plugins, "needy")
    assert first.packages == ("no-such-package>=1",)
    assert [one.name for one in first.plugins] == ["hot-rooms"]
    installed(registry, plugins, "hot-rooms")
    assert installed(registry, plugins, "needy").plugins == ()


def test_an_index_is_named_by_address_or_file(tmp_path: Path) -> None:
    """What has no scheme is a file."""
    assert index_address("r/index.json", tmp_path) == (tmp_path / "r" / "index.json").as_uri()
    assert index_address("HTTPS://E.com/index.json", tmp_path) == "https://e.com/index.json"
    with pytest.raises(InvalidInputError, match="index cannot be"):
        index_address("https://", tmp_path)


def _answers(registry: Registry, **changed: Answer) -> dict[str, Answer]:
    """Return what a server of a registry answers."""
    files = {f"/{one.name}": plain(one.read_bytes()) for one in registry.folder.iterdir()}
    return files | {f"/{name}": answer for name, answer in changed.items()}


def test_a_registry_of_a_server(registry: Registry, plugins: Path) -> None:
    """A plugin is installed from a server; its index cannot lead to files of this machine."""
    answers = _answers(registry)
    with serving(answers) as url:
        wanted = parse_wanted("hot-rooms")
        with pytest.raises(RegistryError, match="an index of a server leads to a file of this machine"):
            install(wanted, index_url=f"{url}/index.json", plugin_dir=plugins, fetcher=Fetcher())
        assert not plugins.exists()
        answers["/index.json"] = plain(registry.read().replace(registry.folder.as_uri(), url).encode())
        done = install(wanted, index_url=f"{url}/index.json", plugin_dir=plugins, fetcher=Fetcher())
    assert done.path == "hot_rooms/hot.py"


def test_a_crash_between_two_renames_is_mended(
    tmp_path: Path, registry: Registry, plugins: Path
) -> None:
    """What a crash left without its name is put back by the next installation, even by one that fails."""
    installed(registry, plugins, "hot-rooms")
    before = content(plugins)
    (plugins / "hot_rooms").rename(plugins / ".hot_rooms.old")
    _no_artifact(registry, registry.publish(make_plugin(tmp_path / "a", version="3.0.0")))
    with pytest.raises(RegistryError):
        installed(registry, plugins, "hot-rooms@3.0.0")
    assert content(plugins) == before


def test_a_crash_between_two_renames_is_mended_at_start(
    tmp_path: Path, registry: Registry, plugins: Path
) -> None:
    """An engine that starts after such a crash finds the plugin of its trigger."""
    path = installed(registry, plugins, "hot-rooms").path
    options = {"plugin_dir": plugins, "data_dir": tmp_path / "data", "http_bind": "off"}
    with Engine(environ={}, **options) as engine:
        engine.catalog.create_database("house")
        engine.triggers.create("house", "hot", path, "table:home")
    (plugins / "hot_rooms").rename(plugins / ".hot_rooms.old")
    with Engine(environ={}, **options):
        assert (plugins / path).is_file()
