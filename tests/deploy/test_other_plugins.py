"""Plugins that are no single file of the plugin directory: folders with data, ``gh:`` and git."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from procengine.deploy import Change, DeployFailedError, Kind, plan_text
from procengine.errors import NotFoundError
from tests.deploy.conftest import TEXT, Deployer
from tests.deploy.strict_server import StrictServer

ADDRESS = "gh:acme/hot.py"


@pytest.fixture
def folder(deployer: Deployer) -> Path:
    """A plugin's folder with data beside its code, and a trigger that uses it."""
    folder = deployer.engine.plugins.folder / "pack"
    (folder / "data").mkdir(parents=True)
    (folder / "__init__.py").write_text(TEXT)
    (folder / "more.py").write_text("MORE = 1\n")
    (folder / "data" / "limits.json").write_text('{"limit": 1}')
    (folder / "model.bin").write_bytes(b"\xff\x00\x01")
    (folder / ".hidden").write_text("no\n")
    (folder / "link.txt").symlink_to(folder / "data" / "limits.json")
    deployer.engine.triggers.create("house", "packed", "pack", "table:home")
    deployer.name = "pack"
    return folder


def test_a_folders_text_files_go_along(deployer: Deployer, folder: Path) -> None:
    """What is text is sent with the code; what is not is named in the plan, with what to do; the same is known."""
    plan = deployer.plan()
    assert list(plan.bundle.files) == [
        "pack/__init__.py",
        "pack/more.py",
        "pack/data/limits.json",
    ]
    note = (
        "InfluxDB 3 takes text alone, so what is not cannot be sent: copy it into the server's plugin directory, "
        "again whenever the folder was replaced: model.bin"
    )
    assert note in plan.notes
    deployer.deploy()
    assert deployer.server.files["pack/data/limits.json"][0] == '{"limit": 1}'
    assert deployer.plan().is_empty, plan_text(deployer.plan())
    (folder / "data" / "limits.json").write_text('{"limit": 2}')
    assert deployer.plan().changes(*Kind) == {"pack/data/limits.json": Change.CHANGED}
    deployer.deploy()
    assert deployer.server.files["pack/data/limits.json"][0] == '{"limit": 2}'
    assert deployer.plan().is_empty


def test_a_file_that_goes_with_the_folder_comes_back(deployer: Deployer, folder: Path) -> None:
    """A folder is replaced whole, so files that it no longer has are in the plan, and put back when that fails."""
    deployer.deploy()
    (folder / "more.py").unlink()
    (folder / "data" / "limits.json").unlink()
    (folder / "__init__.py").write_text(TEXT + "# more\n")
    before = deployer.server.snapshot()
    plan = deployer.plan()
    assert plan.changes(Kind.FILE) == {
        "pack/__init__.py": Change.CHANGED,
        "pack/data/limits.json": Change.REMOVED,
        "pack/more.py": Change.REMOVED,
    }
    deployer.server.log_on_create = "boom"
    deployer.engine.triggers.delete("house", "packed", force=True)
    deployer.engine.triggers.create("house", "packed", "pack", "table:home", arguments={"a": "1"})
    with pytest.raises(DeployFailedError, match="boom") as failed:
        deployer.deploy()
    after = deployer.server.snapshot()
    staged = {name for name in after["files"] if name.startswith("procengine_staged/")}
    after["files"] = {name: text for name, text in after["files"].items() if name not in staged}
    assert after == before
    assert {each for each in failed.value.left if "procengine_staged" not in each} == set()
    deployer.server.log_on_create = None
    deployer.deploy()
    own = {name for name in deployer.server.files if name.startswith("pack/")}
    assert own == {"pack/__init__.py"}
    assert deployer.plan().is_empty, plan_text(deployer.plan())


def test_a_foreign_file_that_would_go_is_named(deployer: Deployer, folder: Path) -> None:
    """A Python file in the folder there that was never sent from here is in the plan: its text cannot come back."""
    deployer.deploy()
    deployer.server.files["pack/theirs.py"] = ("x = 1\n", 99)
    (folder / "more.py").write_text("MORE = 2\n")
    said = "- file pack/theirs.py: removed (the text there cannot be read, and not be put back)"
    assert said in plan_text(deployer.plan())


def test_what_a_manifest_says_of_the_server(deployer: Deployer, folder: Path) -> None:
    """A version that the manifest rules out is a problem, what it leaves out stays; its faults are told."""
    text = (
        'manifest_schema_version = "1.3"\n[plugin]\nname = "pack"\nversion = "1.0.0"\ndescription = "x"\n'
        'triggers = ["process_writes"]\nexclude = ["data/"]\n[dependencies]\ndatabase_version = ">=3.11"\n'
        'python = ["tiny"]\n[[dependencies.plugins]]\nname = "other"\nversion = "1"\n'
        'index_url = "https://plugins.example.com/index.json"\n'
    )
    (folder / "manifest.toml").write_text(text)
    plan = deployer.plan()
    why = "pack@1.0.0 is for InfluxDB 3 >=3.11, and the server is InfluxDB 3 Core 3.10.0"
    assert plan.problems == (why,), plan_text(plan)
    assert "pack/data/limits.json" not in plan.bundle.files
    assert plan.bundle.packages == ("tiny",)
    assert "it needs other plugins, which are deployed by themselves: other" in plan.notes
    deployer.server.version = "3.11.0-nightly"
    assert deployer.plan().problems == ()
    (folder / "manifest.toml").write_text(text.replace('"1.0.0"', '"1.x"'))
    assert any(each.startswith("manifest.toml: line 4") for each in deployer.plan().notes)


@pytest.fixture
def by_address(deployer: Deployer, tmp_path: Path) -> Deployer:
    """The plugin comes from a repository, here and there."""
    (tmp_path / "repository" / "acme").mkdir(parents=True)
    (tmp_path / "repository" / "acme" / "hot.py").write_text(TEXT)
    fetched = deployer.engine.plugins._fetched
    assert fetched is not None
    fetched._repository = str(tmp_path / "repository")
    deployer.engine.triggers.create("house", "elsewhere", ADDRESS, "table:home")
    deployer.name = ADDRESS
    return deployer


def test_a_gh_plugin_is_left_to_the_server(by_address: Deployer) -> None:
    """Its triggers are created by the same address; no file is sent, which the plan says; it is tried there."""
    server = by_address.server
    server.repository["acme/hot.py"] = TEXT
    plan = by_address.plan()
    assert plan.changes(Kind.FILE) == {}
    assert (
        f"the server fetches {ADDRESS} itself, from the plugin repository that is configured there"
        in plan.notes
    )
    assert "house/home/rooms" in plan.changes(Kind.LAST_CACHE), "its text is read for its caches, too"
    assert "--upload" not in plan_text(plan)
    done = by_address.deploy()
    assert [(one.trigger, one.passed) for one in done.tried] == [("elsewhere", True)]
    assert server.triggers["house", "elsewhere"]["plugin_filename"] == ADDRESS
    assert server.files == {}
    assert by_address.plan().is_empty
    by_address.name = "hot"
    assert "hot.py" in by_address.bundle().filename


@pytest.mark.parametrize("plugin_dir_only", [False, True])
def test_a_gh_plugin_that_the_server_cannot_fetch(
    by_address: Deployer, *, plugin_dir_only: bool
) -> None:
    """It is a problem of the plan, in the server's words."""
    by_address.server.plugin_dir_only = plugin_dir_only
    by_address.server.databases["house"] = {}
    (problem,) = by_address.plan().problems
    assert problem.startswith(f"the server cannot fetch {ADDRESS}: Plugin error: ")
    assert ("plugin installation is disabled" in problem) is plugin_dir_only
    assert ("404 Not Found" in problem) is not plugin_dir_only


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_a_git_plugin_is_sent_as_files(deployer: Deployer, tmp_path: Path) -> None:
    """Its pinned commit's files are sent under their path in the repository, which triggers there name."""
    place = tmp_path / "work"
    (place / "rooms" / "hot").mkdir(parents=True)
    (place / "rooms" / "hot" / "__init__.py").write_text(TEXT)
    (place / "rooms" / "hot" / "limits.json").write_text("{}")
    git = ["git", "-C", str(place), "-c", "user.name=n", "-c", "user.email=e@example.com"]
    for command in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    asked = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    commit = asked.stdout.strip()
    address = f"git+file://{place}#rooms/hot"
    deployer.engine.triggers.create("house", "pinned", address, "table:home")
    (place / "rooms" / "hot" / "__init__.py").write_text("broken = \n")
    subprocess.run([*git, "commit", "--quiet", "-am", "second"], check=True)
    deployer.name = address
    files = f"the files of {address} at commit {commit[:12]}"
    note = f"InfluxDB 3 takes no plugins from git: {files} are sent, as rooms/hot"
    assert note in deployer.plan().notes
    deployer.deploy()
    assert deployer.server.triggers["house", "pinned"]["plugin_filename"] == "rooms/hot"
    assert {name: text for name, (text, _) in deployer.server.files.items()} == {
        "rooms/hot/__init__.py": TEXT,
        "rooms/hot/limits.json": "{}",
    }
    assert deployer.plan().is_empty


def test_an_address_that_no_trigger_has(by_address: Deployer, server: StrictServer) -> None:
    """Names are looked up among files, folders and the addresses that triggers use; the nearest is told."""
    by_address.name = "gh:acme/hat.py"
    with pytest.raises(NotFoundError, match=f"no plugin 'gh:acme/hat.py'; did you mean {ADDRESS}"):
        by_address.bundle()
    assert server.asked == []
