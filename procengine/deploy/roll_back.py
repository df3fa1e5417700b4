"""How is a server put back as it was, after a deployment failed half-way?

By looking at what is there, since a request whose answer never came may have been carried out: what is otherwise
than before is deleted, and what it stood for created. Then it is looked at again, and what is still otherwise is
named.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from procengine.deploy.plan import Change, Kind, Plan, cache_key, trigger_key, unseen_key
from procengine.deploy.records import Unseen
from procengine.deploy.server_state import ServerState, cache_place, read_state
from procengine.deploy.steps import (
    Step,
    create_cache,
    delete_cache,
    switch_trigger,
)
from procengine.errors import ProcengineError
from procengine.model.cache_definition import CacheDefinition
from procengine.model.trigger import Trigger
from procengine.remote import RemoteServer


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """What is left of a deployment, in words; and what is on the server now, where that could be seen.

    ``texts`` are those that were put back, by file: each has another time on the server than before.
    """

    left: tuple[str, ...] = ()
    now: ServerState | None = None
    texts: Mapping[str, str] = field(default_factory=dict)


def roll_back(
    server: RemoteServer, plan: Plan, steps: Sequence[Step], tell: Callable[[str], None]
) -> RolledBack:
    """Put back what steps of a plan changed; return what is left of them."""
    if not steps:
        return RolledBack()
    tell("rolling back")
    try:
        now = read_state(server, plan.bundle)
    except ProcengineError as error:
        return RolledBack(left=_unreached(steps, error))
    return _RollBack(server, plan, steps, now, tell).all()


def _unreached(steps: Sequence[Step], error: ProcengineError) -> tuple[str, ...]:
    """Return what is known where the server is gone: nothing could be put back."""
    return (*_known(steps), f"the server could not be asked to put it back ({error})")


def _known(steps: Sequence[Step]) -> list[str]:
    return [f"{'done' if each.done else 'perhaps done'}: {each.text}" for each in steps]


def interrupted(steps: Sequence[Step], put_back: Sequence[str]) -> tuple[str, ...]:
    """Return what is known where putting back was interrupted: each step, and what was begun to undo them."""
    return (*_known(steps), *put_back, "interrupted while it was put back")


@dataclass(frozen=True, slots=True)
class _RollBack:
    """One roll-back; ``now`` is what was there when it began."""

    server: RemoteServer
    plan: Plan
    steps: Sequence[Step]
    now: ServerState
    tell: Callable[[str], None]
    texts: dict[str, str] = field(default_factory=dict)

    def all(self) -> RolledBack:
        """Put everything back, triggers last, so that none runs what is to go."""
        left = self._stays()
        left += self._delete_triggers()
        left += self._restore_files()
        left += self._restore_caches()
        left += self._restore_triggers()
        try:
            after = read_state(self.server, self.plan.bundle)
        except ProcengineError as error:
            left.append(f"whether it is as before could not be seen ({error})")
            return RolledBack(left=tuple(left))
        left += self._still_other(after)
        return RolledBack(left=tuple(left), now=after, texts=self.texts)

    def _stays(self) -> list[str]:
        """Return what is new and is not taken away again."""
        left = []
        for step in self.steps:
            match step.kind:
                case "database" if step.key in self.now.databases:
                    left.append(f"database {step.key} was created and stays")
                case "table" if tuple(step.key.split("/", 1)) in self.now.columns:
                    left.append(f"table {step.key} was created and stays")
                case "package":
                    left.append(f"packages {step.key} may be installed; nothing removes them")
                case "staged":
                    left.append(f"file {step.key}, sent to be tried, stays and is used by nothing")
        return left

    def _delete_triggers(self) -> list[str]:
        left = []
        for trigger in self._replaced():
            if (trigger.database, trigger.name) in self.now.triggers:
                key = trigger_key(trigger)
                delete = partial(self.server.delete_trigger, trigger.database, trigger.name, force=True)
                left += self._attempt(f"delete trigger {key}", f"trigger {key} is the new one", delete)
        return left

    def _restore_files(self) -> list[str]:
        left: list[str] = []
        changes = self.plan.changes(Kind.FILE)
        for name in sorted(self._sent_files(changes)):
            match changes[name]:
                case Change.NEW:
                    left.append(f"file {name} is new and stays: no request deletes one")
                case Change.UNKNOWN:
                    left.append(f"file {name} has, or may have, the new text: the former is not known")
                case Change.REMOVED if name not in self.plan.former_files:
                    left.append(f"file {name} is, or may be, gone: its text is not known")
                case _:
                    send = partial(
                        self.server.create_plugin_file,
                        self.plan.bundle.databases[0],
                        name,
                        self.plan.former_files[name],
                    )
                    failed = self._attempt(
                        f"send {name} as it was", f"file {name} is not as it was", send
                    )
                    if not failed:
                        self.texts[name] = self.plan.former_files[name]
                    left += failed
        return left

    def _sent_files(self, changes: dict[str, Change]) -> set[str]:
        touched = self._touched("file")
        is_whole_folder = self.plan.bundle.is_directory and self.plan.bundle.filename in touched
        return set(changes) if is_whole_folder else touched

    def _restore_caches(self) -> list[str]:
        left = []
        for cache in self.plan.bundle.caches:
            former = self.plan.before.caches.get(cache_place(cache))
            there = self.now.caches.get(cache_place(cache))
            key = cache_key(cache)
            if key not in self._touched("cache") or there == former:
                continue
            if there is not None:
                delete = partial(delete_cache, self.server, cache)
                left += self._attempt(f"delete cache {key}", f"cache {key} is the new one", delete)
            if former is not None:
                as_sent = replace(former, node_spec=self._unseen(former).node_spec)
                create = partial(create_cache, self.server, as_sent)
                left += self._attempt(f"create cache {key} as it was", f"cache {key} is gone", create)
        return left

    def _restore_triggers(self) -> list[str]:
        left = []
        for trigger in self._touched_triggers():
            former, key = self._former(trigger), trigger_key(trigger)
            if former is None:
                continue
            if trigger in self._replaced():
                create = partial(self.server.create_trigger, former)
                left += self._attempt(
                    f"create trigger {key} as it was", f"trigger {key} is gone", create
                )
            elif self._is_switched(trigger):
                switch = partial(switch_trigger, self.server, former)
                left += self._attempt(f"switch trigger {key} back", f"trigger {key} is switched", switch)
        return left

    def _still_other(self, now: ServerState) -> list[str]:
        """Return what is otherwise than before, of triggers and caches, now that all was put back."""
        before, left = self.plan.before, []
        for trigger in self._touched_triggers():
            place = (trigger.database, trigger.name)
            if now.triggers.get(place) != before.triggers.get(place):
                left.append(f"trigger {trigger_key(trigger)} is not as it was")
        for cache in self.plan.bundle.caches:
            if now.caches.get(cache_place(cache)) != before.caches.get(cache_place(cache)):
                left.append(f"cache {cache_key(cache)} is not as it was")
        return left

    def _touched(self, kind: str) -> set[str]:
        return {each.key for each in self.steps if each.kind == kind}

    def _touched_triggers(self) -> list[Trigger]:
        touched = self._touched("trigger")
        return [one for one in self.plan.bundle.triggers if trigger_key(one) in touched]

    def _replaced(self) -> list[Trigger]:
        """Return the triggers that are to be deleted and created: not those that are as before, or only switched."""
        made = {each.key for each in self.steps if each.kind == "trigger" and each.creates}
        return [
            one
            for one in self._touched_triggers()
            if trigger_key(one) in made or not (self._is_as_before(one) or self._is_switched(one))
        ]

    def _is_as_before(self, trigger: Trigger) -> bool:
        place = (trigger.database, trigger.name)
        return self.now.triggers.get(place) == self.plan.before.triggers.get(place)

    def _is_switched(self, trigger: Trigger) -> bool:
        place = (trigger.database, trigger.name)
        there, former = self.now.triggers.get(place), self.plan.before.triggers.get(place)
        if there is None or former is None or there == former:
            return False
        return replace(there, disabled=former.disabled) == former

    def _former(self, trigger: Trigger) -> Trigger | None:
        """Return a trigger as it was, with what the server does not tell as it was sent before."""
        seen = self.plan.before.triggers.get((trigger.database, trigger.name))
        if seen is None:
            return None
        unseen = self._unseen(seen)
        return replace(seen, run_async=unseen.run_async, node_spec=unseen.node_spec)

    def _unseen(self, one: Trigger | CacheDefinition) -> Unseen:
        return self.plan.record.unseen.get(unseen_key(one), Unseen())

    def _attempt(self, step: str, otherwise: str, action: Callable[[], object]) -> list[str]:
        self.tell(step)
        try:
            action()
        except ProcengineError as error:
            return [f"{otherwise} ({error})"]
        return []
