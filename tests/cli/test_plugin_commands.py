"""Plugins are made, checked, published and installed from a terminal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from procengine.command_line import main
from tests import readme


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("INFLUXDB3_PLUGIN_DIR", raising=False)
    return tmp_path


def ran(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> str:
    """Run a command; return what it printed, or why it failed."""
    assert main(["plugin", *words]) == code
    out, err = capsys.readouterr()
    return err if code else out


def published(capsys: pytest.CaptureFixture[str]) -> str:
    """Publish a new plugin in a new registry; return what packaging printed."""
    ran(capsys, "new", "index", "registry")
    ran(capsys, "new", "process_writes", "hot-rooms")
    shown = ran(capsys, "package", "hot-rooms", "--index", "registry/index.json", "--out", "out")
    for file in ("index.json", "hot-rooms-0.1.0.tar.gz"):
        Path("out", file).replace(Path("registry", file))
    return shown


def test_from_new_to_installed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A plugin goes from its template through a registry into a plugin directory."""
    assert "hash:     sha256:" in published(capsys)
    assert (
        ran(capsys, "validate", "hot-rooms")
        == "hot-rooms@0.1.0 is valid: hot-rooms.py has process_writes\n"
    )
    assert "0.1.0" in ran(capsys, "search", "ROOMS", "--index", "registry/index.json")
    shown = ran(
        capsys, "install", "hot-rooms", "--index", "registry/index.json", "--plugin-dir", "plugins"
    )
    assert shown.startswith("installed hot-rooms@0.1.0 as hot_rooms/hot-rooms.py\n  hash: sha256:")
    command = shown.partition("  next: ")[2].replace("\\\n", "")
    assert " ".join(command.split()) == (
        "influxdb3 create trigger --database DB --path hot_rooms/hot-rooms.py "
        "--trigger-spec all_tables NAME"
    )
    assert max(map(len, shown.splitlines())) <= 92, "a notebook's page breaks longer lines"
    assert (here / "plugins" / "hot_rooms" / "hot-rooms.py").is_file()


def test_yank_and_back(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A yanked version is shown as such and not installed; the mark can be taken away."""
    published(capsys)
    yank = ("yank", "hot-rooms@0.1.0", "--index")
    assert "is yanked\n" in ran(capsys, *yank, "registry/index.json", "--out", "a")
    assert "(yanked)" in ran(capsys, "search", "--index", "a/index.json")
    install = ("install", "hot-rooms", "--plugin-dir", "plugins", "--index")
    assert "hot-rooms@0.1.0 is yanked" in ran(capsys, *install, "a/index.json", code=1)
    assert not (here / "plugins").exists()
    assert "is not yanked any more\n" in ran(capsys, *yank, "a/index.json", "--out", "b", "--undo")
    assert "as it was before" in ran(capsys, *yank, "b/index.json", "--out", "c", "--undo")
    assert (here / "b" / "index.json").read_text() == (here / "registry" / "index.json").read_text()


def test_all_faults_are_printed(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A manifest's faults are printed one a line, with their places; notes are printed of a valid one."""
    ran(capsys, "new", "process_request", "p", "--folder", "--database-version", ">=4")
    manifest = here / "p" / "manifest.toml"
    manifest.write_text(manifest.read_text().replace("exclude", "excludes"))
    shown = ran(capsys, "validate", "p")
    assert (
        "note: line 8, column 12: plugin.excludes: unknown field, passed over; did you mean exclude?"
        in shown
    )
    assert "note: it is for InfluxDB 3 >=4; this engine is as 3.10.0" in shown
    manifest.write_text(manifest.read_text().replace("0.1.0", "1").replace('">=4"', "4"))
    shown = ran(capsys, "validate", "p", code=1)
    assert "2 faults:\n  1. line 5, column 11: plugin.version: " in shown
    assert "\n  2. line 11, column 20: dependencies.database_version: invalid type: integer `4`" in shown


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (
            ("new", "process_wal"),
            2,
            "accepted: process_writes, process_scheduled_call, process_request, index",
        ),
        (("package",), 2, "requires --index"),
        (("yank", "a", "--index", "i", "--out", "o"), 1, "it has no version; accepted: NAME@VERSION"),
        (("install", "a", "--index", "i.json"), 1, "there is no plugin directory: give --plugin-dir"),
        (
            ("search", "--index", "http://plugins.example.com/i"),
            1,
            "plain http goes to this machine only",
        ),
        (("validate", "nowhere"), 1, "there is no such folder"),
    ],
)
def test_what_cannot_be(
    here: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, why: str
) -> None:
    """Misuse and failures say what is accepted, with the exit code of each."""
    assert why in ran(capsys, *words, code=code)


def test_help_lists_the_commands(capsys: pytest.CaptureFixture[str]) -> None:
    """Help names every command, and the options of one."""
    shown = ran(capsys, "--help")
    for verb in ("new process_writes", "new index", "validate", "package", "yank", "search", "install"):
        assert f"procengine plugin {verb} " in shown
    assert "--hash" in ran(capsys, "install", "--help")


def test_the_readmes_commands_run(here: Path) -> None:
    """The README's lines bring a plugin from its template into a plugin directory."""
    line = readme.command("plugins").replace("procengine ", f"{sys.executable} -m procengine ")
    done = subprocess.run(["bash", "-euc", line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "installed hot-rooms@0.1.0 as hot_rooms/hot-rooms.py" in done.stdout
