"""How do commands reach an InfluxDB 3 server across the network?

`RemoteServer` makes the requests of the original's client; it is a `procengine.cli.target.Target`.
"""

from __future__ import annotations

from procengine.remote.failures import RefusedByServerError, UnreachableServerError
from procengine.remote.server import RemoteServer

__all__ = ["RefusedByServerError", "RemoteServer", "UnreachableServerError"]
