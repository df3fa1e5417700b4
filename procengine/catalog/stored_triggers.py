"""Which triggers are defined, and which of them are disabled or paused?"""

from __future__ import annotations

from procengine.catalog import changes
from procengine.catalog.committed_state import CommittedState
from procengine.model.trigger import Trigger


class StoredTriggers(CommittedState):
    """The triggers of a catalog."""

    def create_trigger(self, trigger: Trigger) -> Trigger:
        """Add a trigger and return it with its id. Its specification is stored as it is given.

        Raises:
            AlreadyExistsError: the database has one of this name.
            DatabaseNotFoundError: there is no such database.
            InvalidInputError: the name is empty, or the database is ``_internal``.
        """
        event, _ = self._commit_one(lambda state: changes.create_trigger(state, trigger))
        return event.trigger

    def replace_trigger(self, trigger: Trigger) -> Trigger:
        """Give a trigger another definition and return it; its id stays, and all that hangs on it.

        Nothing is committed where it is so.

        Raises:
            DatabaseNotFoundError, TriggerNotFoundError: there is none of this name.
            InvalidInputError: the database is ``_internal``.

        Differs: the original has no such operation; a trigger is deleted and created.
        """
        return (
            self._commit_if_changed(lambda state: changes.replace_trigger(state, trigger))
            .databases[trigger.database]
            .triggers[trigger.name]
        )

    def set_trigger_disabled(self, database: str, name: str, disabled: bool) -> Trigger:
        """Enable or disable a trigger, for good, and return it; nothing is committed where it is so.

        Raises:
            DatabaseNotFoundError, TriggerNotFoundError: there is none of this name.
            InvalidInputError: the database is ``_internal``.
        """
        return (
            self._commit_if_changed(
                lambda state: changes.set_trigger_disabled(state, database, name, disabled=disabled)
            )
            .databases[database]
            .triggers[name]
        )

    def pause_trigger(self, database: str, name: str, reason: str) -> Trigger:
        """Note for good why the engine paused a trigger, and return it; a disabled one is left alone.

        `set_trigger_disabled` and `replace_trigger` end the pause.

        Raises:
            DatabaseNotFoundError, TriggerNotFoundError: there is none of this name.
        """
        return (
            self._commit_if_changed(lambda state: changes.pause_trigger(state, database, name, reason))
            .databases[database]
            .triggers[name]
        )

    def delete_trigger(self, database: str, name: str, *, force: bool = False) -> Trigger:
        """Remove a trigger and return what it was.

        Raises:
            DatabaseNotFoundError, TriggerNotFoundError: there is none of this name.
            TriggerBusyError: it is enabled and ``force`` is not given.
            InvalidInputError: the database is ``_internal``.
        """
        event, _ = self._commit_one(
            lambda state: changes.delete_trigger(state, database, name, force=force)
        )
        return event.trigger
