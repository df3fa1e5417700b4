"""Plugins of git repositories: pinned to a commit, kept through restarts, updated on demand."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from procengine import Engine
from procengine.errors import InvalidInputError, PluginError, PluginPathError
from procengine.processing import git_repository
from procengine.processing.fetched_plugins import LOCK
from procengine.processing.trigger_statistics import TriggerState
from procengine.replay import read_data, start_replay
from tests.engine.test_fetched_plugins import SAYS, answer_of, create

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


class Repository:
    """A repository of a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        """Run git in it."""
        identity = ("-c", "user.name=a", "-c", "user.email=a@b")
        command = ["git", "-C", str(self.folder), *identity, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

    def commit(self, files: Mapping[str, str]) -> str:
        """Commit files; return the commit."""
        for name, text in files.items():
            (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
            (self.folder / name).write_text(text)
        self.git("add", "-A")
        self.git("commit", "--quiet", "-m", "change")
        return self.git("rev-parse", "HEAD")

    def address(self, path: str, revision: str = "main") -> str:
        """Return the address of a plugin in it."""
        return f"git+{self.folder.as_uri()}@{revision}#{path}"


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository that no settings of this machine touch."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return Repository(tmp_path / "repo")


def start(folder: Path, **options: bool) -> Engine:
    """Start an engine that keeps its data."""
    return Engine(environ={}, plugin_dir=folder / "plugins", data_dir=folder / "data", **options)


def test_git_plugin_is_pinned_to_its_commit(repository: Repository, tmp_path: Path) -> None:
    """What runs is the commit of creation, through enabling, restarts and the repository's end."""
    first = repository.commit({"a/p.py": SAYS.format("first")})
    address = repository.address("a/p.py")
    with start(tmp_path) as engine:
        create(engine, address)
        assert engine.catalog.state.pins == {address: first}
        repository.commit({"a/p.py": SAYS.format("second")})
        engine.triggers.disable("db", "t")
        engine.triggers.enable("db", "t")
        create(engine, address, "another")
        assert (answer_of(engine), answer_of(engine, "another")) == ("first", "first")
    shutil.rmtree(repository.folder)
    with start(tmp_path) as engine:
        assert engine.catalog.state.pins == {address: first}
        assert answer_of(engine) == "first"
        assert engine.triggers.get("db", "t").plugin_filename == address


def test_git_plugin_is_updated_on_demand(repository: Repository, tmp_path: Path) -> None:
    """An update tells the texts of both commits first; what is taken is what was told, and it stays."""
    first = repository.commit({"p.py": SAYS.format("first")})
    address = repository.address("p.py")
    with start(tmp_path) as engine:
        create(engine, address)
        update = engine.plugins.find_update(address)
        assert (update.pinned, update.commit) == (first, first)
        second = repository.commit({"p.py": SAYS.format("second")})
        update = engine.plugins.find_update(address)
        assert (update.pinned, update.commit) == (first, second)
        assert (update.before, update.after) == (
            {"p.py": SAYS.format("first")},
            {"p.py": SAYS.format("second")},
        )
        assert answer_of(engine) == "first", "asking changes nothing"
        repository.commit({"p.py": SAYS.format("third")})
        engine.plugins.take_update(address, update.commit)
        assert answer_of(engine) == "second"
    with start(tmp_path) as engine:
        assert engine.catalog.state.pins == {address: second}
        assert answer_of(engine) == "second"


def test_git_folder_plugin(repository: Repository, tmp_path: Path) -> None:
    """A folder comes whole, data files too; an update imports it anew."""
    files = {
        "x/rooms/__init__.py": "from .words import WORD\n" + SAYS.format("").replace("''", "WORD"),
        "x/rooms/words.py": "WORD = 'one'\n",
        "x/rooms/data.txt": "data",
        "other/secret.py": "",
    }
    repository.commit(files)
    address = repository.address("x/rooms")
    with start(tmp_path) as engine:
        create(engine, address)
        assert answer_of(engine) == "one"
        copies = {one.name for one in (tmp_path / "plugins" / ".fetched").rglob("*.*") if one.is_file()}
        assert {"data.txt", "words.py"} <= copies
        assert "secret.py" not in copies
        repository.commit({"x/rooms/words.py": "WORD = 'two'\n"})
        engine.plugins.take_update(address, engine.plugins.find_update(address).commit)
        assert answer_of(engine) == "two"


def test_git_revisions(repository: Repository, tmp_path: Path) -> None:
    """A branch, a tag, a commit and none at all, which is the repository's own branch."""
    first = repository.commit({"p.py": SAYS.format("first")})
    repository.git("tag", "-a", "v1", "-m", "one")
    repository.git("checkout", "--quiet", "-b", "side/x")
    repository.commit({"p.py": SAYS.format("side")})
    repository.git("checkout", "--quiet", "main")
    repository.commit({"p.py": SAYS.format("main")})
    with start(tmp_path) as engine:
        for number, (revision, says) in enumerate(
            {"v1": "first", "side/x": "side", first: "first", "main": "main"}.items()
        ):
            create(engine, repository.address("p.py", revision), f"t{number}")
            assert answer_of(engine, f"t{number}") == says
        create(engine, f"git+{repository.folder.as_uri()}#p.py", "none")
        assert answer_of(engine, "none") == "main"


@pytest.mark.parametrize(
    ("path", "revision", "why"),
    [
        ("gone.py", "main", "there is no 'gone.py' at commit "),
        ("p.py", "nix", "git: fatal: couldn't find remote ref nix"),
        ("link.py", "main", "'link.py' is a link or a submodule, not a file"),
        ("bare", "main", "Multi-file plugin directory must contain __init__.py: bare"),
        ("large.py", "main", "'large.py' is larger than 4 MiB"),
    ],
)
def test_git_plugins_that_cannot_be(
    repository: Repository, tmp_path: Path, path: str, revision: str, why: str
) -> None:
    """A path, a revision or a file that will not do is told, and nothing is kept of it."""
    (repository.folder / "link.py").symlink_to("/etc/hostname")
    large = "# " + "x" * (4 << 20)
    repository.commit({"p.py": SAYS.format("x"), "bare/a.py": "", "large.py": large})
    with start(tmp_path) as engine:
        with pytest.raises(PluginError, match=why):
            create(engine, repository.address(path, revision))
        assert engine.catalog.state.pins == {}
        fetched = [one.name for one in (tmp_path / "plugins" / ".fetched").iterdir()]
        assert all(name.endswith(".git") or name == LOCK for name in fetched)


def test_git_links_in_a_folder_are_left_out(repository: Repository, tmp_path: Path) -> None:
    """A link of a repository leads nowhere here."""
    repository.commit({"rooms/__init__.py": SAYS.format("x")})
    (repository.folder / "rooms" / "out.py").symlink_to("/etc/hostname")
    repository.commit({})
    with start(tmp_path) as engine:
        create(engine, repository.address("rooms"))
        assert answer_of(engine) == "x"
    assert not [*(tmp_path / "plugins" / ".fetched").rglob("out.py")]


def test_git_runs_nothing_of_the_repository(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hooks, filters and settings of the repository do not run, nor does a git folder of the environment count."""
    touched = tmp_path / "touched"
    for hook in ("post-checkout", "post-update", "pre-receive", "reference-transaction", "upload-pack"):
        script = repository.folder / ".git" / "hooks" / hook
        script.write_text(f"#!/bin/sh\n: > {touched}\n")
        script.chmod(0o755)
    repository.commit({"p.py": SAYS.format("x"), ".gitattributes": "*.py filter=evil export-subst\n"})
    touched.unlink(missing_ok=True)
    repository.git("config", "filter.evil.smudge", f"touch {touched}")
    repository.git("config", "uploadpack.packObjectsHook", f"touch {touched}; git pack-objects")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "nowhere"))
    with start(tmp_path) as engine:
        create(engine, repository.address("p.py"))
        assert answer_of(engine) == "x"
    assert not touched.exists()


def test_git_is_not_installed(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without git the error says so; what is here already runs."""
    repository.commit({"p.py": SAYS.format("x")})
    with start(tmp_path) as engine:
        create(engine, repository.address("p.py"))
    monkeypatch.setenv("PATH", str(tmp_path))
    with start(tmp_path) as engine:
        assert answer_of(engine) == "x"
        with pytest.raises(PluginPathError, match="git is not installed, or not in PATH"):
            create(engine, repository.address("q.py"), "other")


def test_git_that_does_not_end(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A git that hangs is ended with all that it started."""
    repository.commit({"p.py": SAYS.format("x")})
    os.mkfifo(tmp_path / "never")
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\nread line < {tmp_path / 'never'}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}:{os.environ['PATH']}")
    address = git_repository.GitAddress(url=repository.folder.as_uri(), revision="main", path="p.py")
    with pytest.raises(PluginPathError, match=r"git init was not done after 0\.2 seconds"):
        git_repository.GitRepository(tmp_path / "copies", address, seconds=0.2).resolve()


def test_git_pin_ends_with_its_last_trigger(repository: Repository, tmp_path: Path) -> None:
    """A trigger that is created when no other uses the plugin takes what the revision is then."""
    repository.commit({"p.py": SAYS.format("first")})
    address = repository.address("p.py")
    with start(tmp_path) as engine:
        create(engine, address)
        engine.triggers.delete("db", "t", force=True)
        repository.commit({"p.py": SAYS.format("second")})
        create(engine, address)
        assert answer_of(engine) == "second"


def test_git_copy_that_is_gone_comes_back_as_it_was(repository: Repository, tmp_path: Path) -> None:
    """Without its copy a plugin is fetched again at its commit; without the repository it is left failed."""
    repository.commit({"p.py": SAYS.format("first")})
    with start(tmp_path) as engine:
        create(engine, repository.address("p.py"))
    repository.commit({"p.py": SAYS.format("second")})
    shutil.rmtree(tmp_path / "plugins" / ".fetched")
    with start(tmp_path) as engine:
        assert answer_of(engine) == "first"
    shutil.rmtree(tmp_path / "plugins" / ".fetched")
    shutil.rmtree(repository.folder)
    with start(tmp_path) as engine:
        (one,) = engine.triggers.statistics()
        assert one.state is TriggerState.FAILED
        assert "does not appear to be a git repository" in (one.reason or "")


def test_git_updates_refused(repository: Repository, tmp_path: Path) -> None:
    """What is of no repository, or of no trigger, has no update; one that cannot be reached is said."""
    repository.commit({"p.py": SAYS.format("x")})
    address = repository.address("p.py")
    with start(tmp_path) as engine:
        for filename in (address, "gh:p.py", "p.py"):
            with pytest.raises(InvalidInputError, match="is not pinned to a commit"):
                engine.plugins.find_update(filename)
        create(engine, address)
        shutil.rmtree(repository.folder)
        with pytest.raises(PluginPathError, match="does not appear to be a git repository"):
            engine.plugins.find_update(address)
        assert answer_of(engine) == "x"


def test_git_replay_takes_what_is_here(repository: Repository, tmp_path: Path) -> None:
    """A replay runs the pinned copy, and asks no repository."""
    text = "def process_writes(influxdb3_local, batches, args=None):\n    influxdb3_local.info('{0}')\n"
    repository.commit({"p.py": text.format("first")})
    with start(tmp_path) as engine:
        engine.catalog.create_database("db")
        engine.write("db", "home temp=1 1")
        engine.triggers.create("db", "t", repository.address("p.py"), "table:home")
        shutil.rmtree(repository.folder)
        rows = read_data(b"home temp=2 2000000000", name="rows")
        result = start_replay(engine, rows, "db").wait(60)
        assert result.runs["outcome"].to_pylist() == ["success"]


# Fetches every plugin of a repository into a plugin directory.
FETCHES = """
import sys
from pathlib import Path
from procengine.clock import SystemClock
from procengine.processing.fetched_plugins import FetchedPlugins, Pins

folder, *addresses = sys.argv[1:]
pins = Pins(get=lambda address: None, put=lambda address, commit: None)
fetched = FetchedPlugins(Path(folder), SystemClock(), pins)
print("ready", flush=True)
sys.stdin.readline()
for address in addresses:
    print(fetched.fetch(address).read_text(), end="")
"""


def test_two_processes_fetch_from_one_repository(repository: Repository, tmp_path: Path) -> None:
    """Engines with one plugin directory take turns: each has every plugin whole, and no command of git fails."""
    names = [f"p{number}.py" for number in range(8)]
    repository.commit({name: f"# {name}\n" for name in names})
    addresses = [repository.address(name) for name in names]
    command = [sys.executable, "-c", FETCHES, str(tmp_path / "plugins"), *addresses]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(2)]
    for one in processes:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
    said = []
    for one in processes:
        assert one.stdin is not None
        one.stdin.write("\n")
        one.stdin.flush()
    for one in processes:
        said.append(one.communicate())
    assert said == [("".join(f"# {name}\n" for name in names), "")] * 2
