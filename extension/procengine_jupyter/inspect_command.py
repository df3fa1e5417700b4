"""What does ``%inspect`` look at?"""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable
from typing import TYPE_CHECKING

from IPython.core.error import UsageError

from procengine_jupyter.fire_command import find_trigger
from procengine_jupyter.inspectors.contents import Inspected
from procengine_jupyter.inspectors.inspector import Inspector

if TYPE_CHECKING:
    from procengine.engine import Engine
    from procengine_jupyter.inspectors.cache_state import CacheKind
    from procengine_jupyter.session import Session


def inspect(session: Session, said: Namespace) -> Inspector:
    """Return an inspector of what the magic's words name; it follows the session's engine over restarts.

    Raises:
        UsageError: the engine is down, or there is nothing of that name.
        ProcengineError: the state cannot be looked at.
    """
    state_of(session.engine, session, said)  # says at once what is wrong with the words
    known: list[tuple[Engine, Inspected]] = []

    def find() -> Inspected | None:
        if not session.is_running:
            return None
        if not known or known[0][0] is not session.engine:
            known[:] = [(session.engine, state_of(session.engine, session, said))]
        return known[0][1]

    return Inspector(find, loop=session.loop, text=said.filter)


def open_inspector(
    session: Session, what: str, name: str | None = None, database: str | None = None, text: str = ""
) -> Inspector:
    """Return what ``%inspect`` would; raises as `inspect`."""
    return inspect(session, Namespace(what=what, name=name, database=database, filter=text))


def state_of(engine: Engine, session: Session, said: Namespace) -> Inspected:
    """Return the state that the words name, in one engine.

    Raises: UsageError when there is nothing of that name.
    """
    return _STATES[said.what](engine, session, said)


def _board(engine: Engine, session: Session, said: Namespace) -> Inspected:
    from procengine_jupyter.inspectors.board_state import BoardState

    if said.name is not None:
        find_trigger(engine, said.name, said.database)
    elif said.database is not None:
        engine.catalog.database(said.database)
    return BoardState(
        engine,
        said.name,
        said.database,
        open_inspector=lambda what, name, database: open_inspector(session, what, name, database),
        cell_names=lambda: session.cells.labels,
    )


def _graph(engine: Engine, _session: Session, said: Namespace) -> Inspected:
    from procengine_jupyter.inspectors.graph_state import GraphState

    return GraphState(engine, _database(engine, said))


def _plugins(engine: Engine, session: Session, said: Namespace) -> Inspected:
    from procengine_jupyter.inspectors.plugin_state import PluginState, fetched_plugins

    known = [one.filename for one in (*engine.plugins.plugins(), *fetched_plugins(engine))]
    found = next((name for name in (said.name, f"{said.name}.py") if name in known), None)
    if said.name is not None and found is None:
        raise UsageError(f"no plugin {said.name!r}; there are: {', '.join(known) or 'none'}")
    return PluginState(engine, found, cell_names=lambda: session.cells.labels)


def _runs(engine: Engine, session: Session, said: Namespace) -> Inspected:
    from procengine_jupyter.inspectors.run_state import RunState
    from procengine_jupyter.run_test import write_run_test

    trigger, database = _trigger(engine, said)
    return RunState(
        engine.triggers.runs,
        trigger,
        database,
        clock=engine.clock,
        cell_names=lambda: session.cells.labels,
        write_test=lambda run, path: write_run_test(engine, run, session.folder / path),
    )


def _logs(engine: Engine, session: Session, said: Namespace) -> Inspected:
    from procengine_jupyter.inspectors.log_state import LogState

    return LogState(
        engine.logs,
        *_trigger(engine, said),
        runs=engine.triggers.runs,
        cell_names=lambda: session.cells.labels,
    )


def _tables(engine: Engine, _session: Session, said: Namespace) -> Inspected:
    from procengine_jupyter.inspectors.table_state import TableState

    return TableState(engine, _database(engine, said))


def _cache(engine: Engine, _session: Session, said: Namespace) -> Inspected:
    from procengine_jupyter.inspectors.plugin_cache_state import PluginCacheState

    if said.name in (None, "global"):
        return PluginCacheState(engine, said.name)
    trigger = find_trigger(engine, said.name, said.database)
    return PluginCacheState(engine, f"{trigger.database}/{trigger.name}")


def _last(engine: Engine, _session: Session, said: Namespace) -> Inspected:
    from procengine_jupyter.inspectors.cache_state import LAST

    return _of_kind(LAST, engine, said)


def _distinct(engine: Engine, _session: Session, said: Namespace) -> Inspected:
    from procengine_jupyter.inspectors.cache_state import DISTINCT

    return _of_kind(DISTINCT, engine, said)


def _of_kind(kind: CacheKind, engine: Engine, said: Namespace) -> Inspected:
    """Return the rows of the cache that was named, by its name or its table's; all caches where none was."""
    from procengine_jupyter.inspectors.cache_state import LAST, CacheListState, all_caches
    from procengine_jupyter.inspectors.distinct_cache_state import DistinctCacheState
    from procengine_jupyter.inspectors.last_cache_state import LastCacheState

    if said.name is None:
        return CacheListState(kind, engine, said.database)
    definitions = [cache.definition for cache in all_caches(kind, engine, said.database)]
    found = [one for one in definitions if one.name == said.name]
    found = found or [one for one in definitions if one.table == said.name]
    if len(found) == 1:
        state = LastCacheState if kind is LAST else DistinctCacheState
        return state(engine, (found[0].database, found[0].table, found[0].name))
    known = ", ".join(f"{one.name} (of {one.database}.{one.table})" for one in found or definitions)
    if found:
        raise UsageError(f"{said.name!r} could be several {kind.title}s; expected one of: {known}")
    raise UsageError(f"no {kind.title} {said.name!r}; there are: {known or 'none'}")


_STATES: dict[str, Callable[[Engine, Session, Namespace], Inspected]] = {
    "board": _board,
    "graph": _graph,
    "plugins": _plugins,
    "cache": _cache,
    "last": _last,
    "distinct": _distinct,
    "runs": _runs,
    "logs": _logs,
    "tables": _tables,
}


def _database(engine: Engine, said: Namespace) -> str | None:
    """Return the database that was named, by ``--database`` or as the name; None where none was."""
    database: str | None = said.database or said.name
    if database is not None and engine.catalog.find_database(database) is None:
        known = ", ".join(one.name for one in engine.catalog.databases)
        raise UsageError(f"no database {database!r}; there are: {known}")
    return database


def _trigger(engine: Engine, said: Namespace) -> tuple[str | None, str | None]:
    """Return the name and database of the trigger that was named; None for those that were not.

    A trigger that is gone has left its runs and logs behind, so that a name need not be a trigger's of today.
    """
    if said.name is None and said.database is not None:
        return None, _database(engine, said)
    if said.name is None or said.database is not None:
        return said.name, said.database
    trigger = find_trigger(engine, said.name, None)
    return trigger.name, trigger.database
