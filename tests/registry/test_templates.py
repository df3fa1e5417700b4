"""A new plugin is valid as it is written, and its test passes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from procengine.errors import AlreadyExistsError, InvalidInputError
from procengine.registry.plugin_folder import read_plugin_folder
from procengine.registry.publication import read_index_file
from procengine.registry.templates import MODULE, TEMPLATES, new_index, new_plugin


@pytest.fixture(scope="module")
def plugins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plugin of each template, of one file and of several."""
    folder = tmp_path_factory.mktemp("plugins")
    for trigger in TEMPLATES:
        new_plugin(folder / f"one-{trigger}", trigger=trigger)
        new_plugin(folder / f"many_{trigger}", trigger=trigger, as_package=True)
    return folder


@pytest.mark.parametrize("trigger", TEMPLATES)
def test_new_plugins_are_valid(plugins: Path, trigger: str) -> None:
    """A new plugin has no fault, and neither its test nor what Python leaves is packaged."""
    one = read_plugin_folder(plugins / f"one-{trigger}")
    assert one.manifest.unknown == ()
    assert [file.name for file in one.files] == ["README.md", "manifest.toml", f"one-{trigger}.py"]
    many = read_plugin_folder(plugins / f"many_{trigger}")
    assert [file.name for file in many.files] == [
        "README.md",
        "__init__.py",
        f"{MODULE}.py",
        "manifest.toml",
    ]
    assert many.is_package


def test_tests_of_new_plugins_pass(plugins: Path) -> None:
    """The tests pass as they are written, and fail when the plugin does something else."""
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        ".",
    ]
    shown = subprocess.run(command, cwd=plugins, capture_output=True, text=True, check=False)
    assert f"{2 * len(TEMPLATES)} passed" in shown.stdout, shown.stdout
    other = plugins / "one-process_writes" / "one-process_writes.py"
    other.write_text(other.read_text().replace("received", "lost"))
    command[-1] = other.parent.name
    shown = subprocess.run(command, cwd=plugins, capture_output=True, text=True, check=False)
    assert "1 failed" in shown.stdout, shown.stdout


@pytest.mark.parametrize("there", ["manifest.toml", "other.py", "__init__.py", "README.md"])
def test_nothing_is_written_over(tmp_path: Path, there: str) -> None:
    """A file of the plugin and another entry point are left alone, and nothing else is written."""
    (tmp_path / there).write_text("mine")
    with pytest.raises(AlreadyExistsError, match=there):
        new_plugin(tmp_path, trigger="process_writes", name="mine")
    assert [one.name for one in tmp_path.iterdir()] == [there]


@pytest.mark.parametrize(
    ("name", "versions", "why"),
    [
        ("1st", None, "must match"),
        ("nul", None, "Windows reserved device name"),
        ("ok", ">=x", "--database-version cannot be '>=x'"),
    ],
)
def test_names_and_ranges_that_cannot_be(
    tmp_path: Path, name: str, versions: str | None, why: str
) -> None:
    """What a manifest could not say is refused before anything is written."""
    with pytest.raises(InvalidInputError, match=why):
        new_plugin(tmp_path / "p", trigger="process_writes", name=name, database_version=versions)
    assert not (tmp_path / "p").exists()


def test_a_new_index_is_empty(tmp_path: Path) -> None:
    """A new registry has its artifacts beside the index, or where it is said."""
    assert new_index(tmp_path / "r") == ("index.json",)
    index = read_index_file(tmp_path / "r" / "index.json")
    assert (index.artifacts_url.text, index.plugins) == ((tmp_path / "r").as_uri(), ())
    with pytest.raises(AlreadyExistsError, match=r"index\.json"):
        new_index(tmp_path / "r")
    for address in ("s3://bucket", "artifacts"):
        with pytest.raises(InvalidInputError, match="--artifacts-url cannot be"):
            new_index(tmp_path / "s", artifacts_url=address)
