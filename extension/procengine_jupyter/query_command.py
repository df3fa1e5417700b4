"""How is a cell's SQL run, with the notebook's variables as its parameters?"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from IPython.core.error import UsageError

from procengine.errors import NotFoundError, QueryError
from procengine_jupyter.query_hints import query_hint
from procengine_jupyter.render.table_card import QueryResult
from procengine_jupyter.under_way import UnderWay

if TYPE_CHECKING:
    from procengine.engine import Engine

_TOKEN = re.compile(
    r"""'(?:[^']|'')*'            # a string
      | "(?:[^"]|"")*"            # a quoted name
      | --[^\n]*                  # a comment
      | /\*.*?\*/                 # a comment over lines
      | \$(?P<name>[A-Za-z_]\w*)  # a parameter
    """,
    re.VERBOSE | re.DOTALL,
)

_ACCEPTED = "str, bool, int, float, None, or a time (as text: cast it, CAST($name AS TIMESTAMP))"


def parameter_names(sql: str) -> tuple[str, ...]:
    """Return the names after ``$`` in SQL, outside strings, quoted names and comments, each once."""
    found = (match["name"] for match in _TOKEN.finditer(sql))
    return tuple(dict.fromkeys(name for name in found if name is not None))


def parameters(sql: str, variables: Mapping[str, object]) -> dict[str, object]:
    """Return the value of each parameter of a statement.

    numpy scalars are taken as what they hold; times become ISO 8601 text.

    Raises: UsageError for a variable that does not exist, or holds what SQL cannot take.
    """
    return {name: _parameter(name, variables) for name in parameter_names(sql)}


def _parameter(name: str, variables: Mapping[str, object]) -> object:
    if name not in variables:
        raise UsageError(f"the query uses ${name}, but there is no variable {name!r}")
    value: Any = variables[name]
    if hasattr(value, "isoformat"):
        return value.isoformat()
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    raise UsageError(f"${name} cannot be a {type(value).__name__}; accepted: {_ACCEPTED}")


def query(
    engine: Engine,
    database: str,
    sql: str,
    variables: Mapping[str, object],
    *,
    scratch: bool = False,
) -> QueryResult:
    """Run a statement and return its result; ``scratch`` asks what was written here to an attached database.

    Raises: UsageError for an empty cell, a missing variable, an interrupt, or a query that fails, with what may
        have been meant; ProcengineError when the query fails otherwise.
    """
    if not sql.strip():
        raise UsageError("the cell has no SQL; write the query below the %%query line")
    values = parameters(sql, variables)
    started = time.perf_counter_ns()
    try:
        table = _rows(engine, database, sql, values, scratch=scratch)
    except KeyboardInterrupt as error:
        raise UsageError("interrupted") from error
    except (QueryError, NotFoundError) as error:
        attached = None if scratch else engine.attachments.find(database)
        if attached is None:
            hint = query_hint(engine, database, sql, error)
        else:
            hint = f"{attached.url} says so; --scratch asks for what was written here"
        raise UsageError(f"{error}\n{hint}" if hint else str(error)) from error
    return QueryResult(table, time.perf_counter_ns() - started)


def _rows(
    engine: Engine, database: str, sql: str, values: Mapping[str, object], *, scratch: bool
) -> pa.Table:
    """Return what is found; of an attached database its server is asked. What takes long is waited for in sight."""
    if scratch:
        return engine.attachments.get(database).query_scratch(sql, values)
    attached = engine.attachments.find(database)
    if attached is None:
        with UnderWay() as under_way:
            check = partial(under_way.say, "querying", stop="stop ends it")
            return engine.query(sql, database, values, check=check)
    from procengine_jupyter.attach_command import Waiting

    waiting = Waiting(attached.url)
    with waiting:
        return attached.query(sql, values, check=waiting)


def converted(result: QueryResult, kind: str | None) -> pa.Table | Any:
    """Return a result as pandas, arrow or polars; pandas when no kind is said.

    Raises: UsageError where polars is asked for and not installed.
    """
    if kind == "arrow":
        return result.to_arrow()
    if kind == "polars":
        try:
            return result.to_polars()
        except ModuleNotFoundError as error:
            raise UsageError("--as polars needs the package polars: %pip install polars") from error
    return result.to_pandas()
