"""Which requests are the steps of a deployment, and of putting it back?"""

from __future__ import annotations

from dataclasses import dataclass

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


def switch_trigger(server: RemoteServer, trigger: Trigger) -> None:
    """Have a trigger enabled or disabled, as its definition says."""
    switch = server.disable_trigger if trigger.disabled else server.enable_trigger
    switch(trigger.database, trigger.name)


def create_cache(server: RemoteServer, cache: CacheDefinition) -> None:
    """Have a cache created."""
    if isinstance(cache, LastCacheDefinition):
        server.create_last_cache(cache.database, cache.table, cache.settings)
    else:
        server.create_distinct_cache(cache.database, cache.table, cache.settings)


def delete_cache(server: RemoteServer, cache: CacheDefinition) -> None:
    """Have a cache deleted."""
    is_last = isinstance(cache, LastCacheDefinition)
    delete = server.delete_last_cache if is_last else server.delete_distinct_cache
    delete(cache.database, cache.table, cache.name)
