"""What do plugins and runs leave behind? The plugin cache's file.

`PluginState` is the one door to it.
"""

from procengine.state.plugin_state import (
    LARGEST_VALUE_BYTES,
    Commit,
    Delete,
    Drop,
    Op,
    Place,
    PluginState,
    Put,
    StoredValue,
)
from procengine.state.sqlite_file import Connect, Connection, connect

__all__ = [
    "LARGEST_VALUE_BYTES",
    "Commit",
    "Connect",
    "Connection",
    "Delete",
    "Drop",
    "Op",
    "Place",
    "PluginState",
    "Put",
    "StoredValue",
    "connect",
]
