"""`procengine deploy` brings a plugin from a stopped engine's folder to a server."""

from __future__ import annotations

from pathlib import Path

import pytest

from procengine import Engine
from procengine.command_line import main
from tests.deploy.conftest import TEXT
from tests.deploy.strict_server import TOKEN, StrictServer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder and a plugin directory, whose engine is stopped."""
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins" / "hot.py").write_text(TEXT)
    with _engine(tmp_path) as engine:
        engine.write("house", "home,room=Attic temp=24.5")
        engine.triggers.create("house", "hot_rooms", "hot.py", "table:home")
    return tmp_path


def _engine(folder: Path) -> Engine:
    return Engine(plugin_dir=folder / "plugins", data_dir=folder / "data", environ={})


def run(folder: Path, server: StrictServer, *words: str, name: str = "hot") -> int:
    """Run the command; return its exit code."""
    there = ("--to", server.url, "--token", TOKEN)
    here = ("--plugin-dir", str(folder / "plugins"), "--data-dir", str(folder / "data"))
    return main(("deploy", *there, *here, *words, name))


@pytest.fixture
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of the process names a folder or a server."""
    for name in ("INFLUXDB3_AUTH_TOKEN", "INFLUXDB3_PLUGIN_DIR", "INFLUXDB3_DB_DIR"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.usefixtures("quiet")
def test_the_command_plans_then_does_then_finds_the_same(
    folder: Path, server: StrictServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Without --yes nothing changes; with it the trigger is there; the next time all is the same."""
    assert run(folder, server) == 0
    assert "+ trigger house/hot_rooms: new" in capsys.readouterr().out
    assert server.changes() == []
    assert run(folder, server, "--yes", "--lp", "home,room=Attic temp=1") == 0
    said = capsys.readouterr().out
    assert "dry run of hot_rooms: ran; would have written 0 lines\n" in said
    assert said.endswith("deployed\n")
    assert [one.body["input_lp"] for one in server.changes() if one.body and "input_lp" in one.body] == [
        "home,room=Attic temp=1"
    ]
    assert run(folder, server, "--yes") == 0
    assert capsys.readouterr().out.endswith("nothing was done\n")
    with _engine(folder) as engine:
        assert [one.name for one in engine.triggers.list()] == ["hot_rooms"]


@pytest.mark.usefixtures("quiet")
def test_the_command_fails_plainly(
    folder: Path, server: StrictServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A failed deployment has exit code 1 and names what is left; a running engine is named by its process."""
    server.log_on_create = "boom"
    assert run(folder, server, "--yes") == 1
    said = capsys.readouterr().err
    assert said.startswith("Deploy command failed: deployment failed at: looking at what is there")
    assert "file hot.py is new and stays" in said
    with _engine(folder):
        assert run(folder, server) == 1
    assert "Deploy command failed" in capsys.readouterr().err
    assert main(("deploy", "hot")) == 2
    assert "--to" in capsys.readouterr().err


@pytest.mark.usefixtures("quiet")
def test_the_command_knows_plugins_of_repositories(
    folder: Path, server: StrictServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A ``gh:`` plugin is left to the server, by the address that its trigger has or its short name."""
    repository = tmp_path / "repository"
    (repository / "acme").mkdir(parents=True)
    (repository / "acme" / "cold.py").write_text(TEXT)
    with Engine(
        plugin_dir=folder / "plugins",
        data_dir=folder / "data",
        plugin_repo=str(repository),
        environ={},
    ) as engine:
        engine.triggers.create("house", "cold_rooms", "gh:acme/cold.py", "table:home")
    server.repository["acme/cold.py"] = TEXT
    words = ("--yes", "--timeout", "20s", "--plugin-repo", str(repository))
    assert run(folder, server, *words, name="cold") == 0
    said = capsys.readouterr().out
    assert "note: the server fetches gh:acme/cold.py itself" in said
    assert said.endswith("deployed\n")
    assert server.triggers["house", "cold_rooms"]["plugin_filename"] == "gh:acme/cold.py"
    assert server.files == {}
