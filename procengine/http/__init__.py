"""What does the engine answer over HTTP?

The API of InfluxDB 3 on loopback: writing, querying, request triggers, tokens, health and metrics.
`Server` is all that the rest of the program needs; uvicorn and Starlette are imported by its thread, not by this
package.
"""

from __future__ import annotations

from procengine.http.server import Server, server_of

__all__ = ["Server", "server_of"]
