"""What do plugins and runs leave behind? The plugin cache's file.

`PluginState` is the one door to it.
"""

from procengine.state.plugin_state import (
    LARGEST_VALUE_BYTES,
    Commit,
    Group,
    KeyPlace,
    Place,
    PluginState,
    StoredValue,
    open_cache_file,
)
from procengine.state.sqlite_file import Connect, Connection, connect

__all__ = [
    "LARGEST_VALUE_BYTES",
    "Commit",
    "Connect",
    "Connection",
    "Group",
    "KeyPlace",
    "Place",
    "PluginState",
    "StoredValue",
    "connect",
    "open_cache_file",
]
