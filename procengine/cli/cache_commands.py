"""How do commands create and delete last-value and distinct-value caches?

They are listed by ``show system table last_caches`` and ``distinct_caches``.

Source: influxdb3/src/commands/{create,delete}.rs.
"""

from __future__ import annotations

import json

from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation
from procengine.cli.target import Json, Target
from procengine.model.cache_definition import DistinctCacheSettings, LastCacheSettings


def create_last_cache(target: Target, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Create a last-value cache."""
    return _created(
        target.create_last_cache(
            invocation["database"],
            invocation["table"],
            LastCacheSettings(
                name=invocation["cache_name"],
                key_columns=invocation["key_columns"] or None,
                value_columns=invocation["value_columns"] or None,
                count=invocation["count"],
                ttl_seconds=invocation["ttl"],
                node_spec=invocation["node_spec"],
            ),
        )
    )


def create_distinct_cache(target: Target, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Create a distinct-value cache."""
    return _created(
        target.create_distinct_cache(
            invocation["database"],
            invocation["table"],
            DistinctCacheSettings(
                name=invocation["cache_name"],
                columns=invocation["columns"],
                max_cardinality=invocation["max_cardinality"],
                max_age_seconds=invocation["max_age"],
                node_spec=invocation["node_spec"],
            ),
        )
    )


def delete_last_cache(target: Target, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Delete a last-value cache."""
    target.delete_last_cache(invocation["database"], invocation["table"], invocation["cache_name"])
    return CommandOutput.of("last cache deleted successfully")


def delete_distinct_cache(target: Target, invocation: Invocation, _: Surroundings) -> CommandOutput:
    """Delete a distinct-value cache."""
    target.delete_distinct_cache(invocation["database"], invocation["table"], invocation["cache_name"])
    return CommandOutput.of("distinct cache deleted successfully")


def _created(cache: Json | None) -> CommandOutput:
    if cache is None:
        return CommandOutput.of("a cache already exists for the provided parameters")
    return CommandOutput.of(f"new cache created: {json.dumps(cache, indent=2, ensure_ascii=False)}")
