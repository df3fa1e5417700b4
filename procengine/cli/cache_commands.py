"""How do commands create and delete last-value and distinct-value caches?

They are listed by ``show system table last_caches`` and ``distinct_caches``.

Source: influxdb3/src/commands/{create,delete}.rs.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation
from procengine.errors import InvalidInputError
from procengine.model.created_cache import created_cache

if TYPE_CHECKING:
    from procengine.engine import Engine
    from procengine.model.cache_definition import CacheDefinition


def create_last_cache(engine: Engine, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Create a last-value cache."""
    _refuse_nodes(invocation)
    cache = engine.last_caches.create(
        invocation["database"],
        invocation["table"],
        name=invocation["cache_name"],
        key_columns=invocation["key_columns"] or None,
        value_columns=invocation["value_columns"] or None,
        count=invocation["count"],
        ttl_seconds=invocation["ttl"],
    )
    return _created(engine, cache.definition)


def create_distinct_cache(engine: Engine, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Create a distinct-value cache."""
    _refuse_nodes(invocation)
    cache = engine.distinct_caches.create(
        invocation["database"],
        invocation["table"],
        name=invocation["cache_name"],
        columns=invocation["columns"],
        max_cardinality=invocation["max_cardinality"],
        max_age_seconds=invocation["max_age"],
    )
    return _created(engine, cache.definition)


def delete_last_cache(engine: Engine, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Delete a last-value cache."""
    engine.last_caches.delete(invocation["database"], invocation["table"], invocation["cache_name"])
    return CommandOutput("last cache deleted successfully")


def delete_distinct_cache(engine: Engine, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Delete a distinct-value cache."""
    engine.distinct_caches.delete(invocation["database"], invocation["table"], invocation["cache_name"])
    return CommandOutput("distinct cache deleted successfully")


def _created(engine: Engine, cache: CacheDefinition) -> CommandOutput:
    database = engine.catalog.database(cache.database)
    shown = created_cache(
        cache,
        database.tables[cache.table].schema,
        database_id=database.id,
        sequence_number=engine.catalog.sequence_number,
    )
    return CommandOutput(f"new cache created: {json.dumps(shown, indent=2, ensure_ascii=False)}")


def _refuse_nodes(invocation: Invocation) -> None:
    if invocation["node_spec"] != "all":
        raise InvalidInputError(
            f"--node-spec cannot be {invocation['node_spec']!r}: there is one node here; accepted: all"
        )
