"""How are inspectors had as objects? By ``engine.inspect.board()`` and the like."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from procengine_jupyter.inspectors.inspector import Inspector
    from procengine_jupyter.session import Session


class EngineInspectors:
    """The inspectors of a notebook's engine; each is what ``%inspect`` with the method's name shows.

    A name is that of a trigger, a cache or a database, as ``%inspect`` takes it; ``database`` is said where the name
    is not enough, and ``text`` is the filter to begin with. An inspector shows itself where a cell returns it, has
    ``text()`` and ``html()`` of its first rows, and follows the notebook's engine over restarts.
    Each raises UsageError where there is nothing of the name.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    def __repr__(self) -> str:
        """Return what can be called."""
        names = (name for name in vars(type(self)) if not name.startswith("_"))
        return f"<inspectors: {', '.join(f'{name}()' for name in names)}>"

    def board(
        self, trigger: str | None = None, database: str | None = None, text: str = ""
    ) -> Inspector:
        """Return the triggers, with their buttons."""
        return self._open("board", trigger, database, text)

    def graph(self, database: str | None = None, text: str = "") -> Inspector:
        """Return from which tables rows go through which triggers into which tables."""
        return self._open("graph", None, database, text)

    def plugins(self, plugin: str | None = None, text: str = "") -> Inspector:
        """Return the plugins, their versions and what uses them."""
        return self._open("plugins", plugin, None, text)

    def runs(self, trigger: str | None = None, database: str | None = None, text: str = "") -> Inspector:
        """Return the newest runs."""
        return self._open("runs", trigger, database, text)

    def logs(self, trigger: str | None = None, database: str | None = None, text: str = "") -> Inspector:
        """Return what triggers logged."""
        return self._open("logs", trigger, database, text)

    def cache(
        self, namespace: str | None = None, database: str | None = None, text: str = ""
    ) -> Inspector:
        """Return the plugin cache, of a trigger or ``global``."""
        return self._open("cache", namespace, database, text)

    def last(self, cache: str | None = None, database: str | None = None, text: str = "") -> Inspector:
        """Return the last-value caches, or the rows of one."""
        return self._open("last", cache, database, text)

    def distinct(
        self, cache: str | None = None, database: str | None = None, text: str = ""
    ) -> Inspector:
        """Return the distinct-value caches, or the rows of one."""
        return self._open("distinct", cache, database, text)

    def tables(self, database: str | None = None, text: str = "") -> Inspector:
        """Return the tables."""
        return self._open("tables", None, database, text)

    def _open(self, what: str, name: str | None, database: str | None, text: str) -> Inspector:
        from procengine_jupyter.inspect_command import open_inspector

        return open_inspector(self._session, what, name, database, text)
