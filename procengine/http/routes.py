"""What answers which method and path?

Paths are compared as they were sent, without decoding, and a method that a path does not have is like a path that
is not there: 404. Each family of routes is a module of its own that returns its table; `route_table` joins them.

Source: influxdb3_server/src/http.rs, perform_routing; all_paths.rs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from starlette.responses import Response

from procengine.http.request import Request

Answer = Callable[[Request], Response]
"""Answers a request, or raises `procengine.http.failures.HttpError` or an error of the engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How a method of a path is answered.

    ``answer`` runs on a thread of its own and may wait; one that is ``quick`` runs on the server's loop, and
    must not. ``lane_of`` names what a request waits its turn for, None where it need not. ``on_error`` turns what
    was raised into the answer, where that is other than usual.
    """

    answer: Answer
    quick: bool = False
    lane_of: Callable[[Request], str | None] | None = None
    on_error: Callable[[Exception], Exception] | None = None

    def lane(self, request: Request) -> str | None:
        """Return what a request waits its turn for."""
        return None if self.lane_of is None else self.lane_of(request)


RouteTable = Mapping[tuple[str, str], Route]
"""Routes by method and path; a path that ends with ``*`` stands for all that begin like it."""


class Routes:
    """All routes."""

    def __init__(self, *tables: RouteTable) -> None:
        self._exact: dict[tuple[str, str], Route] = {}
        self._prefixes: list[tuple[str, str, Route]] = []
        for table in tables:
            for (method, path), route in table.items():
                if path.endswith("*"):
                    self._prefixes.append((method, path[:-1], route))
                else:
                    assert (method, path) not in self._exact, f"two routes for {method} {path}"
                    self._exact[method, path] = route
        self._paths = frozenset(path for _, path in self._exact)

    def find(self, method: str, path: str) -> Route | None:
        """Return the route of a request, or None."""
        route = self._exact.get((method, path))
        if route is not None:
            return route
        for each, prefix, prefix_route in self._prefixes:
            if each == method and path.startswith(prefix):
                return prefix_route
        return None

    def label(self, path: str) -> str:
        """Return the path by which a request is counted: a plugin's and unknown ones by what they have in common."""
        if path in self._paths:
            return path
        for _, prefix, _ in self._prefixes:
            if path.startswith(prefix):
                return f"{prefix}*"
        return "other"
