"""How is a plan carried out, and what happens when that fails half-way?

In an order in which what lives on the server changes last: databases, tables, packages, new caches, a dry run, then
caches, files and triggers that change. What fails is put back by looking at what is there, never by what was believed
to be done: a request whose answer never came may have been carried out. Databases, tables, packages and new files
stay, since InfluxDB 3 deletes no file and others may use the rest by then; they are named.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from procengine.deploy.bundle import Bundle
from procengine.deploy.dry_run import Tried, staged_files, staged_name, try_trigger
from procengine.deploy.plan import (
    Change,
    Kind,
    Plan,
    cache_key,
    check_plan,
    comparable,
    known,
    trigger_key,
    unseen_key,
)
from procengine.deploy.records import Record, Records, SentFile, Unseen
from procengine.deploy.roll_back import RolledBack, interrupted, roll_back
from procengine.deploy.server_state import ServerState, cache_place, read_state
from procengine.deploy.steps import Step, create_cache, delete_cache
from procengine.errors import OperationRefusedError, ProcengineError
from procengine.model.cache_definition import CacheDefinition
from procengine.model.trigger import Trigger
from procengine.remote import RefusedByServerError, RemoteServer

Tell = Callable[[str], None]


class DeployFailedError(ProcengineError):
    """A deployment failed. ``left`` names what is, or may be, otherwise on the server than before."""

    def __init__(self, step: str, reason: str, left: tuple[str, ...]) -> None:
        self.step, self.reason, self.left = step, reason, left
        state = "the server is as it was"
        if left:
            state = "\n  ".join(("put back, but for:", *left))
        super().__init__(f"deployment failed at: {step}: {reason}\n{state}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Deployed:
    """What came of a deployment: the steps that were done, the dry runs, and what it leaves beside the plugin."""

    plan: Plan
    steps: tuple[str, ...] = ()
    tried: tuple[Tried, ...] = ()
    beside: tuple[str, ...] = ()


def _tell_nobody(text: str) -> None:
    """Do nothing."""


def deploy(
    server: RemoteServer,
    plan: Plan,
    records: Records,
    *,
    dry_run: bool = True,
    tell: Tell = _tell_nobody,
) -> Deployed:
    """Carry a plan out, verify it, and keep what the server will not tell; nothing is done where all is the same.

    ``tell`` is told each step before it is made.

    Raises:
        InvalidInputError: the plan has problems.
        DeployFailedError: a step failed, and what had been done was put back as far as it can be.
        StorageError: what was deployed cannot be kept; it is deployed.
    """
    check_plan(plan)
    if plan.is_empty:
        return Deployed(plan=plan)
    run = _Deployment(server, plan, tell)
    try:
        run.carry_out(dry_run=dry_run)
        after = run.verify()
    except (ProcengineError, KeyboardInterrupt) as error:
        back = _rolled_back(server, plan, run, tell)
        if back.now is not None and back.texts:
            # Or the texts that were put back would count as another's the next time, by their times.
            files = {**plan.record.files, **_sent(back.texts, back.now)}
            records.keep(plan.url, replace(plan.record, files=files))
        raise DeployFailedError(run.at, str(error) or "interrupted", back.left) from error
    records.keep(plan.url, _record(plan, after))
    return Deployed(
        plan=plan,
        steps=tuple(each.text for each in run.steps),
        tried=tuple(run.tried),
        beside=tuple(run.staged),
    )


def _rolled_back(server: RemoteServer, plan: Plan, run: _Deployment, tell: Tell) -> RolledBack:
    """Put back what was done; where that is interrupted too, return what was done until then."""
    put_back: list[str] = []

    def told(text: str) -> None:
        put_back.append(text)
        tell(text)

    try:
        return roll_back(server, plan, run.steps, told)
    except KeyboardInterrupt:
        return RolledBack(left=interrupted(run.steps, put_back))


@dataclass
class _Deployment:
    """One deployment under way."""

    server: RemoteServer
    plan: Plan
    tell: Tell
    steps: list[Step] = field(default_factory=list)
    tried: list[Tried] = field(default_factory=list)
    staged: list[str] = field(default_factory=list)
    at: str = ""

    @property
    def _bundle(self) -> Bundle:
        return self.plan.bundle

    def carry_out(self, *, dry_run: bool) -> None:
        """Make all steps of the plan."""
        self._make_room()
        self._create_new_caches()
        early = dry_run and not self.plan.before.has_plugin
        if early:
            self._send_files()
        if dry_run:
            self._try()
        self._change_caches()
        if not early:
            self._replace_folder()
        self._delete_changed_triggers()
        if not early:
            self._send_files()
        self._create_triggers()

    def verify(self) -> ServerState:
        """Return what is on the server now, if it is what was asked for.

        Raises: OperationRefusedError: it is not, or a trigger has logged an error since.
        """
        self.at = "looking at what is there"
        self.tell(self.at)
        now = read_state(self.server, self._bundle)
        asked = _record_of_unseen(self._bundle)
        for trigger in self._bundle.triggers:
            seen = now.triggers.get((trigger.database, trigger.name))
            if seen is None or known(seen, asked) != comparable(trigger):
                raise OperationRefusedError(f"trigger {trigger.name!r} is not there as it was created")
        for cache in self._bundle.caches:
            held = now.caches.get(cache_place(cache))
            if held is None or known(held, asked) != comparable(cache):
                raise OperationRefusedError(f"cache {cache.name!r} is not there as it was created")
        for _, name, text in sorted(now.errors - self.plan.before.errors):
            raise OperationRefusedError(f"trigger {name!r} has logged an error since: {text}")
        return now

    @contextmanager
    def _step(self, kind: str, key: str, text: str) -> Iterator[None]:
        step = Step(kind, key, text)
        self.at = text
        self.tell(text)
        self.steps.append(step)
        try:
            yield
        except RefusedByServerError as error:
            if not error.is_unknown_route:
                raise
            before = self.plan.before
            raise OperationRefusedError(
                f"{before.product} {before.version} does not know this request ({error})"
            ) from error
        step.done = True

    def _make_room(self) -> None:
        for name in self.plan.changes(Kind.DATABASE):
            with self._step("database", name, f"create database {name}"):
                self.server.create_database(name, None)
        for (database, table), schema in self._bundle.tables.items():
            name = f"{database}/{table}"
            if name in self.plan.changes(Kind.TABLE):
                with self._step("table", name, f"create table {name}"):
                    self.server.create_table(database, table, schema.series_key, schema.fields, None)
        packages = tuple(self.plan.changes(Kind.PACKAGE))
        if packages:
            with self._step("package", " ".join(packages), f"install packages {' '.join(packages)}"):
                self.server.install_packages(packages)

    def _try(self) -> None:
        filename = self._bundle.filename
        if self.plan.before.has_plugin and self.plan.changes(Kind.FILE):
            filename = staged_name(self._bundle)
            for name, text in staged_files(self._bundle).items():
                self.staged.append(name)
                with self._step("staged", name, f"send {name} to be tried"):
                    self.server.create_plugin_file(self._bundle.databases[0], name, text)
        for trigger in self._bundle.triggers:
            self.at = f"the dry run of {trigger.name!r} on the server"
            one = try_trigger(self.server, self._bundle, trigger, filename)
            self.tell(f"dry run of {one.trigger}: {one.said}")
            self.tried.append(one)

    def _create_new_caches(self) -> None:
        """Create what a dry run may read."""
        for cache in self._caches(Change.NEW):
            self._create(cache)

    def _change_caches(self) -> None:
        for cache in self._caches(Change.CHANGED):
            with self._step("cache", cache_key(cache), f"delete cache {cache_key(cache)}"):
                delete_cache(self.server, cache)
            self._create(cache)

    def _create(self, cache: CacheDefinition) -> None:
        with self._step("cache", cache_key(cache), f"create cache {cache_key(cache)}"):
            create_cache(self.server, cache)

    def _caches(self, change: Change) -> list[CacheDefinition]:
        found = self.plan.changes(Kind.LAST_CACHE, Kind.DISTINCT_CACHE)
        return [one for one in self._bundle.caches if found.get(cache_key(one)) is change]

    def _replace_folder(self) -> None:
        """Swap a folder as one where a trigger there uses it: a run finds all of the old or all of the new."""
        user = self._user_of_folder()
        if user is None:
            return
        prefix = f"{self._bundle.filename}/"
        files = {name.removeprefix(prefix): text for name, text in self._bundle.files.items()}
        with self._step("file", self._bundle.filename, f"replace the folder {self._bundle.filename}"):
            self.server.replace_plugin_folder(user.database, user.name, files)

    def _user_of_folder(self) -> Trigger | None:
        """Return a trigger on the server that uses the bundle's folder, where that changes."""
        if not self._bundle.is_directory or not self.plan.changes(Kind.FILE):
            return None
        there = (
            self.plan.before.triggers.get((one.database, one.name)) for one in self._bundle.triggers
        )
        return next(
            (one for one in there if one and one.plugin_filename.rstrip("/") == self._bundle.filename),
            None,
        )

    def _send_files(self) -> None:
        if self._user_of_folder() is not None:
            return
        for name in self.plan.changes(Kind.FILE):
            with self._step("file", name, f"send {name}"):
                self.server.create_plugin_file(self._bundle.databases[0], name, self._bundle.files[name])

    def _delete_changed_triggers(self) -> None:
        for trigger in self._changed_triggers(Change.CHANGED):
            with self._step("trigger", trigger_key(trigger), f"delete trigger {trigger_key(trigger)}"):
                self.server.delete_trigger(trigger.database, trigger.name, force=True)

    def _create_triggers(self) -> None:
        for trigger in self._changed_triggers(Change.NEW, Change.CHANGED):
            with self._step("trigger", trigger_key(trigger), f"create trigger {trigger_key(trigger)}"):
                self.server.create_trigger(trigger)
        for trigger in self._changed_triggers(Change.SWITCHED):
            verb = "disable" if trigger.disabled else "enable"
            with self._step("trigger", trigger_key(trigger), f"{verb} trigger {trigger_key(trigger)}"):
                switch = self.server.disable_trigger if trigger.disabled else self.server.enable_trigger
                switch(trigger.database, trigger.name)

    def _changed_triggers(self, *changes: Change) -> list[Trigger]:
        found = self.plan.changes(Kind.TRIGGER)
        return [one for one in self._bundle.triggers if found.get(trigger_key(one)) in changes]


def _record_of_unseen(bundle: Bundle) -> Record:
    return Record(
        unseen={
            unseen_key(one): Unseen(
                node_spec=one.node_spec, run_async=isinstance(one, Trigger) and one.run_async
            )
            for one in (*bundle.triggers, *bundle.caches)
        }
    )


def _record(plan: Plan, after: ServerState) -> Record:
    """Return what is known of a server after a deployment."""
    gone = {name for name, change in plan.changes(Kind.FILE).items() if change is Change.REMOVED}
    kept = {name: one for name, one in plan.record.files.items() if name not in gone}
    return Record(
        files={**kept, **_sent(plan.bundle.files, after)},
        unseen={**plan.record.unseen, **_record_of_unseen(plan.bundle).unseen},
        packages=plan.record.packages | frozenset(plan.bundle.packages),
    )


def _sent(texts: Mapping[str, str], now: ServerState) -> dict[str, SentFile]:
    """Return texts that were sent, with what the server tells of their files: of Python files alone."""
    sent = {}
    for name, text in texts.items():
        seen = now.files.get(name)
        if seen is not None:
            sent[name] = SentFile(text=text, size_bytes=seen.size_bytes, modified_ms=seen.modified_ms)
        elif not name.endswith(".py"):
            sent[name] = SentFile(text=text, size_bytes=len(text.encode()), modified_ms=None)
    return sent
