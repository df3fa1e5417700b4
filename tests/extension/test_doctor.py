"""The doctor names what would be otherwise on a server, by the cell's lines."""

from __future__ import annotations

from tests.extension.conftest import Notebook

CLOCKED = """%%plugin clocked --trigger every:1h --database house --args rooms=a,b
from time import time as now
def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.info(now())
"""


def test_doctor_names_a_cells_lines(notebook: Notebook) -> None:
    """A note counts the lines of the cell, its magic's line included; a note on the trigger has none."""
    notebook.run(CLOCKED)
    shown = notebook.run("%procengine doctor clocked").text()
    assert "doctor: 2 notes on 1 file" in shown
    assert "clocked.py (Cell In[" in shown
    assert "    line 4, wall-clock: time.time is" in shown
    assert "    argument-comma: the argument 'rooms'" in shown


def test_doctor_without_a_name_looks_at_all(notebook: Notebook) -> None:
    """Every plugin of the directory is looked at, those of no cell by their own lines."""
    notebook.run(CLOCKED)
    folder = notebook.engine.plugins.folder
    (folder / "plain.py").write_text("import uuid\nuuid.uuid4()\n")
    (folder / "clean.py").write_text("def process_writes(a, b, c=None):\n    pass\n")
    shown = notebook.run("%procengine doctor")
    assert "clean.py: nothing to note" in shown.text()
    assert "line 2, unseeded-random: uuid.uuid4" in shown.text()
    assert "clocked.py (Cell In[" in shown.text()
    assert "<code>unseeded-random</code>" in str(shown.html())
    assert "</br>" not in str(shown.html()), "a page reads it as a second line break"


def test_doctor_names_clean_plugins_together(notebook: Notebook) -> None:
    """Plugins without notes take one line, below those that have some."""
    folder = notebook.engine.plugins.folder
    for name in ("b.py", "a.py"):
        (folder / name).write_text("def process_writes(a, b, c=None):\n    pass\n")
    (folder / "c.py").write_text("import uuid\nuuid.uuid4()\n")
    shown = notebook.run("%procengine doctor")
    assert shown.text().endswith("\n  a.py, b.py: nothing to note")
    assert str(shown.html()).count("nothing to note") == 1


def test_doctor_refuses_an_unknown_plugin(notebook: Notebook) -> None:
    """A name that no plugin has is refused with the one that is near."""
    notebook.run(CLOCKED)
    assert "no plugin 'clockd'" in notebook.fails("%procengine doctor clockd")
    assert "clocked" in notebook.fails("%procengine doctor clockd")


def test_doctor_alone_takes_a_name(notebook: Notebook) -> None:
    """Another action refuses a name, so that none is passed over."""
    assert "config takes no name, got 'x'; doctor does" in notebook.fails("%procengine config x")


def test_doctor_completes_plugins(notebook: Notebook) -> None:
    """Plugins are offered after doctor, and after no other action."""
    notebook.run(CLOCKED)
    completer = notebook.shell.magics_manager.registry["ProcengineMagics"].loaded.completer
    assert "clocked" in [one.text for one in completer.candidates("%procengine doctor ")[1]]
    assert "clocked" not in [one.text for one in completer.candidates("%procengine stop ")[1]]


def test_a_fired_run_says_what_a_server_would_do(notebook: Notebook) -> None:
    """The run's card has the codes of the notes, by the cell's lines, and how to read them whole."""
    notebook.run(CLOCKED)
    card = notebook.run("%fire clocked")
    told = "wall-clock (line 4), argument-comma; %procengine doctor clocked.py tells more"
    assert set(told.split("; ", maxsplit=1)[0].split(", ")) == set(card.notes.split("; ")[0].split(", "))
    assert f"notes: {card.notes}" in card.plain()
    assert card.notes.split("; ")[0] in card.html()
    notebook.run("%procengine doctor clocked.py")


def test_a_replay_names_plugins_that_go_by_the_clock(notebook: Notebook) -> None:
    """Its result has a note for each place, by the cell's line."""
    notebook.run(CLOCKED)
    notebook.shell.user_ns["LINES"] = "home temp=1 1"
    result = notebook.run("%replay LINES --database house")
    (note,) = [text for text in result.notes if "line 4" in text]
    assert note.startswith("Cell In[")
    assert "time.time" in note
