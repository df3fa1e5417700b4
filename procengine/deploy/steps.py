"""Which requests are the steps of a deployment, and of putting it back?"""

from __future__ import annotations

from dataclasses import dataclass

from procengine.cli.target import DistinctCacheRequest, LastCacheRequest, TriggerRequest
from procengine.model.cache_definition import CacheDefinition, LastCacheDefinition
from procengine.model.trigger import Trigger
from procengine.remote import RemoteServer


@dataclass(slots=True)
class Step:
    """A request that was made; ``done`` once the server answered that it is.

    ``kind`` is what it is about: database, table, package, staged, cache, file or trigger; ``key`` which one.
    ``creates`` says that it made a trigger or cache, rather than delete or switch one.
    """

    kind: str
    key: str
    text: str
    done: bool = False

    @property
    def creates(self) -> bool:
        """Whether it makes what it is about."""
        return self.text.startswith("create ")


def create_trigger(server: RemoteServer, trigger: Trigger) -> None:
    """Have a trigger created."""
    server.create_trigger(
        TriggerRequest(
            database=trigger.database,
            name=trigger.name,
            plugin_filename=trigger.plugin_filename,
            spec=trigger.spec,
            arguments=trigger.arguments,
            run_async=trigger.run_async,
            error_behavior=trigger.error_behavior.value,
            disabled=trigger.disabled,
            node_spec=trigger.node_spec,
        )
    )


def switch_trigger(server: RemoteServer, trigger: Trigger) -> None:
    """Have a trigger enabled or disabled, as its definition says."""
    switch = server.disable_trigger if trigger.disabled else server.enable_trigger
    switch(trigger.database, trigger.name)


def create_cache(server: RemoteServer, cache: CacheDefinition) -> None:
    """Have a cache created."""
    if isinstance(cache, LastCacheDefinition):
        server.create_last_cache(
            LastCacheRequest(
                database=cache.database,
                table=cache.table,
                name=cache.name,
                key_columns=cache.key_columns,
                value_columns=cache.value_columns,
                count=cache.count,
                ttl_seconds=cache.ttl_seconds,
                node_spec=cache.node_spec,
            )
        )
        return
    server.create_distinct_cache(
        DistinctCacheRequest(
            database=cache.database,
            table=cache.table,
            name=cache.name,
            columns=cache.columns,
            max_cardinality=cache.max_cardinality,
            max_age_seconds=cache.max_age_seconds,
            node_spec=cache.node_spec,
        )
    )


def delete_cache(server: RemoteServer, cache: CacheDefinition) -> None:
    """Have a cache deleted."""
    is_last = isinstance(cache, LastCacheDefinition)
    delete = server.delete_last_cache if is_last else server.delete_distinct_cache
    delete(cache.database, cache.table, cache.name)
