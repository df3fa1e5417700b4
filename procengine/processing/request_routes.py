"""Which trigger answers a request path?

Paths are compared exactly, across all databases.

Source: influxdb3_processing_engine/src/lib.rs, PluginChannels::request_paths.
Differs: a second trigger on a path is refused; in the original the one started last takes the path, and stopping
    either removes it.
"""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

from procengine.errors import AlreadyExistsError, NotFoundError

T = TypeVar("T")


class RequestRoutes(Generic[T]):
    """Request paths and what answers them. Any thread."""

    def __init__(self) -> None:
        # Guards the map against two triggers that claim one path at once.
        self._lock = threading.Lock()
        self._targets: dict[str, tuple[str, T]] = {}

    def check_free(self, path: str, owner: str) -> None:
        """Accept a path that nobody but ``owner`` (a text that names a trigger) has.

        Raises: AlreadyExistsError, which names the trigger that has it.
        """
        taken = self._targets.get(path)
        if taken is not None and taken[0] != owner:
            raise AlreadyExistsError(
                f"request path {path!r} is taken by trigger {taken[0]}; choose another path, or disable that one"
            )

    def add(self, path: str, owner: str, target: T) -> None:
        """Route a path to a target; the owner's earlier target is replaced.

        Raises: AlreadyExistsError: another trigger has the path.
        """
        with self._lock:
            self.check_free(path, owner)
            self._targets[path] = (owner, target)

    def remove(self, path: str, target: T) -> None:
        """Take a path from a target; another's path is left alone."""
        with self._lock:
            taken = self._targets.get(path)
            if taken is not None and taken[1] is target:
                del self._targets[path]

    def find(self, path: str) -> T:
        """Return what answers a path.

        Raises: NotFoundError, with the original's text.
        """
        taken = self._targets.get(path)
        if taken is None:
            raise NotFoundError("not found")
        return taken[1]

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths that are answered, in the order in which they were taken."""
        with self._lock:
            return tuple(self._targets)
