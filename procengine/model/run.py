"""What happened in one run of a plugin?"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from procengine.model.declared_packages import install_command, missing_module, packages_with
from procengine.model.near_names import did_you_mean
from procengine.model.quick_init import positional_maker, quick_init, quick_maker
from procengine.model.trigger import TriggerKind

CANCELLED_TEXT: Final = "influxdb3 is shutting down; aborting plugin execution"
"""What plugin and log see of each run that was cancelled, as of the original; the record says why."""


class LogLevel(Enum):
    """The levels of the processing engine logs."""

    INFO = "INFO"
    WARN = "WARN"
    ERROR = "ERROR"


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class LogEntry:
    """One row of the processing engine logs.

    ``printed`` is true for text that the plugin printed rather than logged (level INFO for standard
    output, WARN for standard error). ``run_id`` is None for lines that belong to no run. ``trigger_id`` tells the
    trigger from another of the same name.
    """

    time_ns: int
    database: str
    trigger: str
    level: LogLevel
    text: str
    run_id: int | None = None
    printed: bool = False
    trigger_id: int = 0


new_log_entry = quick_maker(LogEntry)
"""A log line, for those who make one a run."""


class RunOutcome(Enum):
    """How a run ended."""

    SUCCESS = "success"
    """The entry point returned and everything that it queued was written."""
    ERROR = "error"
    """The entry point raised, or could not be called."""
    WRITE_ERROR = "write_error"
    """The entry point returned, but lines that it queued were rejected; not retried, as the original."""
    CANCELLED = "cancelled"
    """Disable, delete or stop ended the run."""
    LIMIT_EXCEEDED = "limit_exceeded"
    """The run went past one of its trigger's limits and was cancelled; an error to the error behavior."""

    is_failure: bool
    """Whether the plugin failed, so that the error behavior applies."""

    def __init__(self, value: str) -> None:
        self.is_failure = value in ("error", "limit_exceeded")


class CauseKind(Enum):
    """What made a trigger run."""

    WRITE = "write"
    TICK = "tick"
    REQUEST = "request"
    FIRE = "fire"
    """A synthetic event, sent by hand."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """The event behind a run.

    ``wal_sequence_number`` is set for a write, ``instant_ns`` (the scheduled time) for a tick.
    ``depth`` is the depth of the writes that the run makes, minus one: 0 for an outside event.
    """

    kind: CauseKind
    wal_sequence_number: int | None = None
    instant_ns: int | None = None
    depth: int = 0


new_cause = quick_maker(Cause)
"""A cause, for those who make one a run."""


PLUGIN_API = (
    "info",
    "warn",
    "error",
    "query",
    "write",
    "write_to_db",
    "write_sync",
    "write_sync_to_db",
    "cache",
)
"""What ``influxdb3_local`` has."""

ACCEPTED_RESULTS = (
    "text, a dict or list (sent as JSON), an iterable of text, "
    "or (body, status), (body, headers), (body, status, headers) with a dict of headers"
)
"""What the entry point of a request trigger may return."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFailure:
    """Why a run failed.

    ``message`` is ``{Type}: {text}`` as the original logs it; ``traceback_text`` starts at the
    plugin's own frames; ``filename`` and ``line_number`` are the innermost line of the plugin itself.
    ``exception`` is the live object, for a debugger, and None once it was let go. ``packages`` are those that the
    plugin says it needs. ``in_file`` is the same failure by
    the plugin's file and the lines there, where it was compiled as a notebook's cell: it is what outlives the cell.
    """

    type_name: str
    message: str
    traceback_text: str = ""
    filename: str | None = None
    line_number: int | None = None
    exception: BaseException | None = field(default=None, compare=False, repr=False)
    packages: tuple[str, ...] = field(default=(), compare=False, repr=False)
    in_file: RunFailure | None = field(default=None, compare=False, repr=False)

    @property
    def kept(self) -> RunFailure:
        """The failure as logs and history keep it: by the plugin's file."""
        return self.in_file if self.in_file is not None else self

    @property
    def missing_packages(self) -> tuple[str, ...]:
        """What to install where an import found nothing: what the plugin declares, else the module by its name."""
        module = missing_module(self.message)
        return () if module is None else packages_with(module, self.packages)

    @property
    def hint(self) -> str:
        """What would have been accepted, where the original's message does not say; else empty."""
        if self.type_name != "UnsupportedResultError":
            return _package_hint(self) or _plugin_api_hint(self)
        returned = getattr(self.exception, "returned", None)
        told = f"process_request returned {returned}; accepted" if returned else "accepted"
        return f"{told}: {ACCEPTED_RESULTS}"


_NOT_BUILT = re.compile(r"AttributeError: '(\w+)' object has no attribute 'build'$")
_NO_MEMBER = re.compile(r"AttributeError: 'PyPluginCallApi' object has no attribute '(\w+)'$")
_NOT_JSON = re.compile(r"TypeError: Object of type (\w+) is not JSON serializable$")


def _package_hint(failure: RunFailure) -> str:
    """Return how to install a module that an import did not find; else empty."""
    packages = failure.missing_packages
    return f"install what has it: %{install_command(packages)}" if packages else ""


def _plugin_api_hint(failure: RunFailure) -> str:
    """Return what the plugin API accepts, where a failure comes from a call that it does not take; else empty."""
    if (found := _NOT_BUILT.search(failure.message)) is not None:
        made = 'LineBuilder("home").tag("room", "Attic").float64_field("temp", 21.5)'
        return f"got a {found[1]}; a line is made as {made}"
    if (found := _NO_MEMBER.search(failure.message)) is not None:
        members = ", ".join(PLUGIN_API)
        question = did_you_mean(found[1], PLUGIN_API)
        return f"{question} influxdb3_local has: {members}".lstrip()
    if failure.filename is None and (found := _NOT_JSON.search(failure.message)) is not None:
        return (
            f"what process_request returned is sent as JSON; make each {found[1]} in it text or a number"
        )
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Breakpoint:
    """Where a run met its first ``breakpoint()`` and went on.

    ``filename`` and ``line_number`` are those of the plugin's file. ``exception`` was never raised: its traceback has
    the plugin's frames with the values of that moment, for a debugger.
    """

    function: str
    filename: str
    line_number: int
    exception: BaseException = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheChange:
    """One key of the plugin cache that a run changed; values as ``repr``, shortened, None for absent."""

    key: str
    use_global: bool
    before: str | None
    after: str | None


class CacheKey(NamedTuple):
    """A key of the plugin cache that a run changed: put, changed in place, or deleted."""

    key: str
    use_global: bool
    deleted: bool


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Response:
    """What a request trigger answers: status, headers in order, body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


new_response = quick_maker(Response)
"""A response, for those who make one a request."""


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One finished call of a plugin's entry point.

    ``rows_in`` is the number of rows of a write trigger's table batches, else 0. ``writes`` maps
    ``(database, table)`` to the rows that the run stored (a dry run: would store). ``lines`` maps each
    database to the line protocol that the run wrote, synchronous writes first; it is kept for dry runs
    and fired runs only. ``queue_wait_ns`` is the time from the event to the entry. ``cpu_ns`` is of the
    run's own thread, and up to 0.2 ms more than it was where the run waits. ``trigger_id`` tells the
    trigger from another of the same name, made after it was deleted. ``peak_memory_bytes`` is by how much
    memory grew at most during the run; it is measured under a memory limit only, and else None.
    ``logs`` are its first lines, ``lines_left_out`` how many more there were. ``cache_keys`` are the keys of the
    plugin cache that the run changed; what it changed in place is among them
    where the plugin cache is stored, so not with object store ``memory``. ``cache_changes`` say more, for dry runs
    and fired runs only. ``cache_notes`` say which values a dry run could not copy.
    ``dropped_lines`` is the number of queued lines that were not written because the run failed or was cancelled.
    ``plugin_version`` tells the plugin's text from what it was at other times, see
    `procengine.processing.plugin_versions`; None when no text could be loaded.
    ``breakpoint`` is where the run met one that no debugger stopped at; in memory only.
    """

    run_id: int
    database: str
    trigger: str
    plugin_filename: str
    kind: TriggerKind
    cause: Cause
    started_ns: int
    queue_wait_ns: int
    duration_ns: int
    cpu_ns: int
    outcome: RunOutcome
    rows_in: int = 0
    writes: Mapping[tuple[str, str], int] = field(default_factory=dict)
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    query_count: int = 0
    logs: tuple[LogEntry, ...] = ()
    lines_left_out: int = 0
    failure: RunFailure | None = None
    write_errors: tuple[str, ...] = ()
    cache_changes: tuple[CacheChange, ...] = ()
    cache_notes: tuple[str, ...] = ()
    response: Response | None = None
    dry_run: bool = False
    attempt: int = 1
    trigger_id: int = 0
    peak_memory_bytes: int | None = None
    cache_keys: tuple[CacheKey, ...] = ()
    dropped_lines: int = 0
    plugin_version: str | None = None
    breakpoint: Breakpoint | None = field(default=None, compare=False, repr=False)

    @property
    def log_line_count(self) -> int:
        """How many lines the run logged, those included that its record leaves out."""
        return len(self.logs) + self.lines_left_out


new_run = positional_maker(Run)
"""A run's record of all its values in the order of the fields: by names it would cost 1.3 us more, of 25 a run."""
