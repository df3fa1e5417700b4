"""Inspectors as objects are those of the magic."""

from __future__ import annotations

import pytest
from procengine_jupyter.engine_inspectors import EngineInspectors
from procengine_jupyter.grammar import INSPECTED

from procengine import Engine
from procengine.errors import NotFoundError
from tests.extension.conftest import HOT_ROOMS, Notebook


def test_there_is_a_method_for_each_word_of_the_magic() -> None:
    """What can be inspected by the magic can be had as an object, and nothing else."""
    methods = {name for name in vars(EngineInspectors) if not name.startswith("_")}
    assert methods == set(INSPECTED)


@pytest.mark.parametrize("what", INSPECTED)
def test_a_method_shows_what_the_magic_shows(notebook: Notebook, what: str) -> None:
    """The same state under the same title."""
    notebook.run(HOT_ROOMS)
    by_magic = notebook.run(f"%inspect {what}")
    by_object = notebook.run(f"engine = %procengine\nengine.inspect.{what}()")
    assert by_object.contents.title == by_magic.contents.title
    assert by_object.contents.table.schema == by_magic.contents.table.schema


def test_a_method_takes_a_name_a_database_and_a_filter(notebook: Notebook) -> None:
    """As the magic does; what is not there is said."""
    notebook.run(HOT_ROOMS)
    notebook.run("%%write house\nhome,room=Attic temp=24.5")
    notebook.run("engine = %procengine")
    logs = notebook.run("engine.inspect.logs('hot_rooms', 'house', text='finished')")
    assert len(logs.selection) == 1
    assert "no trigger 'nobody'" in notebook.fails("engine.inspect.board('nobody')")


def test_outside_of_a_notebook_the_error_says_where_inspectors_are() -> None:
    """An engine by itself knows no front end."""
    with (
        Engine(object_store="memory", environ={}) as engine,
        pytest.raises(NotFoundError, match=r"%load_ext procengine gives its engine `inspect`"),
    ):
        engine.inspect  # noqa: B018
