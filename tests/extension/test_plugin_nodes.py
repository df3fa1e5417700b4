"""``%%plugin --node-spec``: a plugin that is meant for some nodes of a cluster."""

from __future__ import annotations

from tests.extension.conftest import HOT_ROOMS, Notebook

FOR_OTHERS = HOT_ROOMS.replace("--database house", "--database house --node-spec nodes:ingest-1", 1)
REASON = "elsewhere: meant for nodes:ingest-1; this is node procengine"


def test_plugin_for_other_nodes_says_that_it_does_not_run(notebook: Notebook) -> None:
    """The trigger's state, in its list and on the card of a write that it passes over, tells where it runs."""
    notebook.run(FOR_OTHERS)
    notebook.run("%%write house\nhome,room=den temp=30")
    written = notebook.shown[-1]
    assert "hot_rooms" in written
    assert "meant for nodes:ingest-1; this is node procengine" in written
    assert REASON in notebook.run("%procengine triggers").plain()


def test_plugin_comes_back_to_this_node(notebook: Notebook) -> None:
    """The cell without the option is for all nodes again, and says what changed."""
    notebook.run(FOR_OTHERS)
    card = notebook.run(HOT_ROOMS).plain()
    assert "on all, not nodes:ingest-1" in card


def test_plugin_nodes_that_cannot_be(notebook: Notebook) -> None:
    """The usage error says what is accepted."""
    refusal = notebook.fails(HOT_ROOMS.replace("--database house", "--database house --node-spec n1", 1))
    assert "node spec cannot be 'n1'; accepted: all, or nodes:<NODE>[,<NODE>]" in refusal
