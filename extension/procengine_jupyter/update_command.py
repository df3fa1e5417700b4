"""How does a notebook bring a plugin of a git repository up to date?

In two steps: the first shows what would change, the second takes just that. A plugin that could not serve its
triggers any more is not taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from procengine.errors import ProcengineError
from procengine.model.plugin_address import is_fetched
from procengine_jupyter import grammar
from procengine_jupyter.fire_command import find_trigger
from procengine_jupyter.render.update_card import UpdateCard, short_commit

if TYPE_CHECKING:
    from procengine.engine import Engine
    from procengine.model.trigger import Trigger

FEWEST_DIGITS = 7


def update_command(engine: Engine, line: str) -> UpdateCard:
    """Show the update of a plugin, by its address or the name of a trigger, or take the one that was shown.

    Raises:
        UsageError: there is no such trigger; the commit is not the revision's; the new code cannot run its triggers.
        ProcengineError: the plugin is of no git repository, or that cannot be reached.
    """
    said = grammar.update_parser().read(line)
    filename = (
        said.name if is_fetched(said.name) else find_trigger(engine, said.name, None).plugin_filename
    )
    filename = filename.rstrip("/")
    update = engine.plugins.find_update(filename)
    triggers = [one for one in engine.triggers.list() if one.plugin_filename.rstrip("/") == filename]
    names = tuple(one.name for one in triggers)
    if said.take is None:
        return UpdateCard(update=update, triggers=names, name=said.name)
    if len(said.take) < FEWEST_DIGITS or not update.commit.startswith(said.take):
        raise UsageError(
            f"{said.take!r} is not what the revision is now, {short_commit(update.commit)}; look at the difference "
            f"first: %procengine update {said.name}"
        )
    engine.plugins.take_update(filename, update.commit)
    try:
        _reload(engine, triggers)
    except ProcengineError as error:
        engine.plugins.take_update(filename, update.pinned)
        _reload(engine, triggers)
        raise UsageError(
            f"{short_commit(update.pinned)} stays, as {short_commit(update.commit)} cannot run: {error}"
        ) from error
    return UpdateCard(update=update, triggers=names, name=said.name, is_taken=True)


def _reload(engine: Engine, triggers: list[Trigger]) -> None:
    for one in triggers:
        if not one.disabled:
            engine.triggers.reload(one.database, one.name)
