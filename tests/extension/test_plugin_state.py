"""The inspector of plugins says where each is, what has become of it, what uses it and what it needs."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from procengine_jupyter.inspectors.live_inspector import LiveInspector
from procengine_jupyter.render.difference import difference_html, difference_lines
from procengine_jupyter.render.plugin_versions_card import plugin_versions_card

from procengine.errors import CorruptFileError
from procengine.processing.plugin_versions import PluginVersion
from tests.engine.test_git_plugins import Repository
from tests.extension.conftest import HOT_ROOMS, Notebook

SAYS = "def process_request(*a, **b):\n    return 'said'\n"


@pytest.fixture
def house(notebook: Notebook) -> Notebook:
    """A notebook with a plugin of a cell, a file and a folder."""
    notebook.run(HOT_ROOMS)
    folder = notebook.engine.plugins.folder
    (folder / "idle.py").write_text("import pandas\nimport not_there_at_all\nfrom json import loads\n")
    (folder / "rooms").mkdir()
    (folder / "rooms" / "__init__.py").write_text("from rooms.rules import SAID\n")
    (folder / "rooms" / "rules.py").write_text("SAID = 1\n")
    return notebook


def rows(inspector: Any) -> dict[str, dict[str, Any]]:
    """Return the shown rows by their plugins."""
    return {row["plugin"]: row for row in inspector.selection.part(0, 100).to_pylist()}


def chosen(inspector: Any, name: str) -> str:
    """Choose a plugin, and return what is shown of it."""
    inspector.choose([*rows(inspector)].index(name))
    return str(inspector.detail)


def test_plugins_have_their_place_and_what_uses_them(house: Notebook) -> None:
    """A cell by its number, a file, or a folder with its files."""
    found = rows(house.run("%inspect plugins"))
    assert {name: row["place"] for name, row in found.items()} == {
        "hot_rooms.py": "Cell In[2]",
        "idle.py": "file",
        "rooms": "folder, 2 files",
    }
    assert {name: row["triggers"] for name, row in found.items()} == {
        "hot_rooms.py": "hot_rooms",
        "idle.py": None,
        "rooms": None,
    }


def test_modules_that_are_missing_are_named(house: Notebook) -> None:
    """Those of Python itself and the plugin's own are not told."""
    inspector = house.run("%inspect plugins")
    assert rows(inspector)["idle.py"]["missing modules"] == "not_there_at_all"
    assert rows(inspector)["rooms"]["missing modules"] is None
    detail = chosen(inspector, "idle.py")
    assert "not_there_at_all (not installed)" in detail
    assert "pandas" in detail
    assert "json" not in detail


def test_a_cell_that_is_run_again_is_a_version_with_a_difference(house: Notebook) -> None:
    """The lines that went and came are shown, and the version of before can be had back."""
    inspector = house.run("%inspect plugins hot_rooms")
    assert rows(inspector)["hot_rooms.py"]["versions"] == 1
    before = house.engine.plugins.load("hot_rooms.py").version
    house.run(HOT_ROOMS.replace('"hot:"', '"very hot:"'))
    inspector.refresh_if_changed()
    assert rows(inspector)["hot_rooms.py"]["versions"] == 2
    detail = chosen(inspector, "hot_rooms.py")
    assert '<span class="pe-text-bad">-' in detail
    assert (
        "+                influxdb3_local.warn(&quot;very hot:&quot;, row[&quot;room&quot;])" in detail
    )

    live = LiveInspector(inspector)
    (restore,) = live.actions.children
    restore.click()
    restore.click()
    assert "restored hot_rooms.py" in live.done.value
    assert house.engine.plugins.load("hot_rooms.py").version == before
    inspector.refresh_if_changed()
    assert rows(inspector)["hot_rooms.py"]["version"] == before[:6]


def test_a_runs_version_is_one_of_its_plugins(house: Notebook) -> None:
    """What ran can be found again by what its record says."""
    house.run("%%write house\nhome,room=Attic temp=24.5")
    (run,) = house.engine.triggers.runs.select(trigger="hot_rooms")
    assert run.plugin_version is not None
    found = house.engine.plugin_versions.find(run.plugin_version)
    assert found is not None
    assert "hot:" in found.texts["hot_rooms.py"]


def test_a_card_reads_the_versions_that_it_shows() -> None:
    """Of many the newest are shown and the others counted; one that cannot be read costs its own differences."""
    read = []

    def texts(number: int) -> dict[str, str]:
        read.append(number)
        if number == 47:
            raise CorruptFileError("bad", path="p", offset=0)
        return {"p.py": f"{number}"}

    versions = [
        PluginVersion(
            filename="p.py",
            version=f"{number:012d}",
            first_loaded_ns=number,
            _texts=partial(texts, number),
        )
        for number in range(50)
    ]
    shown = str(
        plugin_versions_card(
            "p.py", place="file", now={"p.py": "new"}, versions=versions, triggers=[], modules=[]
        )
    )
    assert sorted(read) == [*range(29, 50)]
    assert "and 30 older versions" in shown
    assert shown.count("<details") == 20 - 2 + 1
    assert shown.count("it cannot be read") == shown.count("the one before cannot be read") == 1
    assert "the first that is known" not in shown


def test_a_plugin_that_is_not_there_is_said(house: Notebook) -> None:
    """With those that are."""
    assert "no plugin 'cold'; there are: hot_rooms.py, idle.py, rooms" in house.fails(
        "%inspect plugins cold"
    )


def test_difference_tells_files_and_lines() -> None:
    """A file that came, one that went, and one that changed; equal texts have none."""
    before, after = {"a": "1\n2\n", "gone": "x"}, {"a": "1\n3\n", "new": "y"}
    assert difference_lines(before, after) == [
        "--- a",
        "+++ a",
        "@@ -1,2 +1,2 @@",
        " 1",
        "-2",
        "+3",
        "--- gone",
        "+++ (no file)",
        "@@ -1 +0,0 @@",
        "-x",
        "--- (no file)",
        "+++ new",
        "@@ -0,0 +1 @@",
        "+y",
    ]
    assert difference_lines(after, after) == []
    assert "&lt;b&gt;" in difference_html({"a": ""}, {"a": "<b>"})


def test_a_folder_is_put_back_whole(house: Notebook) -> None:
    """A file that came since is gone again, and one that went is there; what is no text of it stays."""
    engine = house.engine
    folder = engine.plugins.folder / "rooms"
    before = engine.plugins.load("rooms").version
    (folder / "rules.py").unlink()
    (folder / "later.py").write_text("LATER = 1\n")
    (folder / "data").mkdir()
    (folder / "data" / "rooms.csv").write_text("a")
    assert engine.plugins.load("rooms").version != before
    version = engine.plugin_versions.find(before)
    assert version is not None
    engine.plugin_uploads.put_back("rooms", version.texts)
    assert sorted(path.name for path in folder.glob("*.py")) == ["__init__.py", "rules.py"]
    assert (folder / "data" / "rooms.csv").read_text() == "a"
    assert engine.plugins.load("rooms").version == before


def test_fetched_plugins_have_their_repository_and_what_is_here_of_them(
    house: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of git the commit that runs; their texts are shown, and there is no way back to an earlier one here."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    repository = Repository(tmp_path / "repository")
    commit = repository.commit({"rooms/say.py": SAYS})
    address = repository.address("rooms/say.py")
    house.engine.triggers.create("house", "say", address, "request:say")

    inspector = house.run("%inspect plugins")
    row = rows(inspector)[address]
    assert (row["place"], row["triggers"], row["versions"]) == (f"git, commit {commit[:12]}", "say", 1)
    assert row["bytes"] == len(SAYS)
    assert "return &#x27;said&#x27;" in chosen(inspector, address)
    assert list(inspector.actions) == []
    assert "1 plugin" in house.run(f"%inspect plugins {address}").text()
    assert "say" in house.run("%inspect plugins").text()


def test_plugins_of_the_plugin_repository_are_shown(
    house: Notebook, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With their file's text as it was fetched, though the server's list of files leaves them out."""
    folder = tmp_path / "gh"
    folder.mkdir()
    (folder / "say.py").write_text(SAYS)
    house.run(f"%procengine restart --plugin-repo {folder}")
    house.engine.catalog.create_database("house")
    house.engine.triggers.create("house", "say", "gh:say.py", "request:say")
    inspector = house.run("%inspect plugins")
    row = rows(inspector)["gh:say.py"]
    assert (row["place"], row["triggers"], row["bytes"]) == ("plugin repository", "say", len(SAYS))
    assert "return &#x27;said&#x27;" in chosen(inspector, "gh:say.py")
