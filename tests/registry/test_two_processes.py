"""Two processes that write into one plugin directory at once take turns."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from procengine.errors import InvalidInputError
from procengine.file_lock import file_locked
from procengine.registry import installation
from procengine.registry.fetching import Fetcher
from procengine.registry.installation import install, origin_of
from procengine.registry.resolution import parse_wanted
from procengine.replaced_folder import WRITING
from tests.registry.some_plugins import Registry, make_plugin

TIMES = 20

# Installs one version of a plugin again and again.
INSTALLS = """
import sys
from pathlib import Path
from procengine.registry.fetching import Fetcher
from procengine.registry.installation import install
from procengine.registry.resolution import parse_wanted

text, url, folder, times = sys.argv[1:]
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(times)):
    install(parse_wanted(text), index_url=url, plugin_dir=Path(folder), fetcher=Fetcher())
"""


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A registry with one plugin of two versions."""
    registry = Registry(tmp_path / "registry")
    for version in ("1.0.0", "2.0.0"):
        plugin = make_plugin(tmp_path / version, version=version)
        for number in range(20):
            (plugin / f"data{number}.txt").write_text(version)
        registry.publish(plugin)
    return registry


def test_two_processes_install_the_same_plugin(registry: Registry, tmp_path: Path) -> None:
    """Each installation succeeds, and what is there in the end is one version, whole."""
    plugins = tmp_path / "plugins"
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-c",
                INSTALLS,
                f"hot-rooms@{version}",
                registry.url,
                str(plugins),
                str(TIMES),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for version in ("1.0.0", "2.0.0")
    ]
    for one in processes:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    for one in processes:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    said = [one.communicate()[1] for one in processes]
    assert said == ["", ""]
    folder = plugins / "hot_rooms"
    origin = origin_of(folder)
    assert origin is not None
    assert {one.read_text() for one in folder.glob("data*.txt")} == {origin.version}
    assert len(list(folder.glob("data*.txt"))) == 20
    assert {one.name for one in plugins.iterdir()} == {WRITING, "hot_rooms"}


def test_a_directory_that_another_keeps_busy(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not let go is named after a while, and nothing is written."""
    monkeypatch.setattr(installation, "WRITING_SECONDS", 0.1)
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    with (
        file_locked(plugins / WRITING, seconds=0.0),
        pytest.raises(InvalidInputError, match=r"process \d+ is writing there"),
    ):
        install(parse_wanted("hot-rooms"), index_url=registry.url, plugin_dir=plugins, fetcher=Fetcher())
    assert {one.name for one in plugins.iterdir()} == {WRITING}
