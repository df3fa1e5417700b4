"""Which commits are the plugins of git repositories taken from?"""

from __future__ import annotations

from procengine.catalog.committed_state import CommittedState
from procengine.catalog.state import CatalogState
from procengine.errors import InvalidNameError
from procengine.model.catalog_event import PluginPinned


class StoredPins(CommittedState):
    """The pins of a catalog."""

    def pin_plugin(self, plugin_filename: str, commit: str) -> None:
        """Take a plugin, by its address, from a commit; nothing is committed where it is so.

        Raises: InvalidNameError: the address is not Unicode text.
        """
        try:
            plugin_filename.encode()
        except UnicodeEncodeError as error:
            raise InvalidNameError(f"plugin {plugin_filename!r} is not Unicode text") from error

        def decide(state: CatalogState) -> PluginPinned | None:
            if state.pins.get(plugin_filename) == commit:
                return None
            return PluginPinned(plugin_filename=plugin_filename, commit=commit)

        self._commit_if_changed(decide)
