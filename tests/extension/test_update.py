"""``%procengine update``: the difference first, then what was shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.engine.test_fetched_plugins import SAYS
from tests.engine.test_git_plugins import Repository, repository
from tests.extension.conftest import Notebook
from tests.extension.test_board import chosen

__all__ = ["repository"]

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="needs git")


@pytest.fixture
def address(notebook: Notebook, repository: Repository) -> str:
    """The address of a plugin that a trigger runs."""
    repository.commit({"p.py": SAYS.format("first")})
    where = repository.address("p.py")
    notebook.run("%influxdb3 create database db")
    notebook.run(
        f"%influxdb3 create trigger --database db --path {where} --trigger-spec request:says says"
    )
    return where


def answer(notebook: Notebook) -> str:
    """Return what the trigger answers, as its card shows it."""
    return notebook.run("%fire says").text()


def test_an_update_is_shown_and_then_taken(
    notebook: Notebook, repository: Repository, address: str
) -> None:
    """The difference and the command that takes it are shown; nothing changes until then."""
    pinned = notebook.engine.catalog.state.pins[address][:12]
    shown = notebook.run("%procengine update says").text()
    assert shown == f"says: up to date, at commit {pinned}\n  plugin {address}"
    commit = repository.commit({"p.py": SAYS.format("<second>")})[:12]

    card = notebook.run("%procengine update says")

    assert f"says: commit {pinned} runs; the revision is {commit} now" in card.text()
    assert "  -    return 'first'\n  +    return '<second>'" in card.text()
    assert f"take it: %procengine update says --take {commit}" in card.text()
    assert "&lt;second&gt;" in str(card.html())
    assert "pe-text-good" in str(card.html())
    assert "first" in answer(notebook)
    taken = notebook.run(f"%procengine update {address} --take {commit}")
    assert f"commit {commit} runs now, instead of {pinned}" in taken.text()
    assert "second" in answer(notebook)
    live = chosen(notebook.run("%inspect"), "says")
    assert commit in live.detail.value


def test_what_was_not_shown_is_not_taken(
    notebook: Notebook, repository: Repository, address: str
) -> None:
    """A commit that the revision has left meanwhile, or a few digits, is refused."""
    shown = repository.commit({"p.py": SAYS.format("second")})
    now = repository.commit({"p.py": SAYS.format("third")})
    for digits in (shown, now[:6], "nothing"):
        text = notebook.fails(f"%procengine update says --take {digits}")
        assert f"is not what the revision is now, {now[:12]}; look at the difference first" in text
    assert "first" in answer(notebook)


def test_an_update_that_cannot_run_is_not_taken(
    notebook: Notebook, repository: Repository, address: str
) -> None:
    """Code that does not serve the plugin's triggers leaves the commit before."""
    commit = repository.commit({"p.py": "def process_writes(a, b, c=None):\n    pass\n"})
    pinned = notebook.engine.catalog.state.pins[address]

    text = notebook.fails(f"%procengine update says --take {commit}")

    assert text.startswith(f"{pinned[:12]} stays, as {commit[:12]} cannot run: ")
    assert notebook.engine.catalog.state.pins[address] == pinned
    assert "first" in answer(notebook)
    assert notebook.engine.triggers.statistics()[0].state.value == "enabled"


def test_update_usage(notebook: Notebook, address: str) -> None:
    """Names are looked up, completed and explained."""
    Path("plugins/q.py").write_text(SAYS.format("q"))
    notebook.run("%influxdb3 create trigger --database db --path q.py --trigger-spec request:q q")
    assert "no trigger 'sys'; there are: q, says" in notebook.fails("%procengine update sys")
    assert "'q.py' is not pinned to a commit" in notebook.fails("%procengine update q")
    assert "NAME" in notebook.fails("%procengine update")
    completer = notebook.shell.magics_manager.registry["ProcengineMagics"].loaded.completer
    assert [one.text for one in completer.candidates("%procengine update ")[1]][:1] == ["says"]
    assert "--take" in [one.text for one in completer.candidates("%procengine update says ")[1]]
