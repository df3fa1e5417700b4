"""What can go wrong, as one tree.

::

    ProcengineError
    ├── InvalidInputError            the caller's text or value cannot be accepted
    │   ├── LineProtocolError        no line was stored
    │   │   └── PartialWriteError    the good lines were stored, these were not
    │   ├── InvalidNameError         a database, table, trigger or column name
    │   ├── TriggerSpecError         a trigger specification
    │   ├── QueryError               SQL that cannot be planned or run
    │   └── ConfigError              an option's value
    ├── NotFoundError
    │   ├── DatabaseNotFoundError
    │   ├── TableNotFoundError
    │   ├── TriggerNotFoundError
    │   ├── CacheNotFoundError       a last-value or distinct-value cache
    │   └── WalContentsGoneError     a flush that the write-ahead log no longer holds
    ├── AlreadyExistsError
    ├── AlreadyDeletedError
    ├── LimitExceededError           one of the original's limits
    ├── PluginError                  a plugin that cannot be found, loaded or called
    │   ├── PluginPathError
    │   ├── PluginSourceError
    │   ├── PluginsDisabledError
    │   └── PackageInstallError      packages for plugins cannot be installed
    │       └── PackageInstallDisabledError
    ├── RegistryError                a registry that is not there, or gives what may not be taken
    ├── TriggerBusyError             the trigger's state forbids the operation
    │   └── RequestQueueFullError    as many requests wait for it as may
    ├── OperationRefusedError        what is never allowed on this resource
    ├── StorageError                 the data folder
    │   ├── DataFolderLockedError
    │   ├── DataFormatError
    │   ├── CorruptFileError
    │   ├── WriteFailedError         a write that was not acknowledged
    │   └── AddressInUseError        the port is taken
    ├── QueryCancelledError
    └── StoppedError                 the engine or the part is stopped

Each class carries its facts as attributes and the HTTP status that it suggests.
A message is one line: what failed, the value by ``repr``, why, and what is accepted.
Where a plugin or a client of the original can see the text, it is the original's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from procengine.model.write_result import WriteResult


class ProcengineError(Exception):
    """The base of every error that procengine raises on purpose."""

    http_status: ClassVar[int] = 500


class InvalidInputError(ProcengineError):
    """The caller's text or value cannot be accepted; nothing was changed."""

    http_status = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class LineError:
    """Why one line of line protocol was not stored.

    ``line_number`` counts physical lines from 1, at the line's start; ``column`` counts
    characters from 1 in the original line, and is None where the whole line is at fault
    (a type conflict names its column in the message).
    ``limit`` is true when one of the catalog's limits was reached.
    """

    message: str
    line_number: int
    original_line: str
    column: int | None = None
    limit: bool = False

    def __str__(self) -> str:
        where = f"line {self.line_number}"
        if self.column is not None:
            where += f", column {self.column}"
        return f"{where}: {self.message}"


class LineProtocolError(InvalidInputError):
    """Line protocol was rejected whole; ``errors`` holds at least one entry, by line number."""

    headline: ClassVar[str] = "line protocol parsing error"

    def __init__(self, errors: Sequence[LineError]) -> None:
        self.errors: tuple[LineError, ...] = tuple(errors)
        more = f" (and {len(self.errors) - 1} more)" if len(self.errors) > 1 else ""
        super().__init__(f"{self.headline}: {self.errors[0]}{more}")


class PartialWriteError(LineProtocolError):
    """Some lines were rejected and the others stored, as ``result`` says.

    The counterpart of the original's 400 with "partial write of line protocol occurred", which is
    also the answer when no line at all could be stored; ``result`` then counts no rows.
    """

    headline = "partial write of line protocol occurred"

    def __init__(self, errors: Sequence[LineError], result: WriteResult) -> None:
        super().__init__(errors)
        self.result = result


class InvalidNameError(InvalidInputError):
    """A name breaks the naming rules."""


class TriggerSpecError(InvalidInputError):
    """A trigger specification cannot be parsed.

    Over HTTP it is answered 500 where a trigger is created, as in the original.
    """


class QueryError(InvalidInputError):
    """SQL cannot be planned or failed while it ran."""

    @property
    def while_planned(self) -> bool:
        """Whether it never ran, as its text tells: it names the SQL, the plan, or a stage of planning that failed."""
        text = str(self)
        return text.startswith(_OF_PLANS) or "\ncaused by\n" in text


_OF_PLANS = (
    "SQL error:",
    "Error during planning:",
    "Schema error:",
    "This feature is not implemented:",
)


class ConfigError(InvalidInputError):
    """An option's value, or a combination of options, is not accepted."""


class NotFoundError(ProcengineError):
    """What was named does not exist."""

    http_status = 404


class DatabaseNotFoundError(NotFoundError):
    """No database of this name exists."""

    def __init__(self, database: str) -> None:
        self.database = database
        super().__init__(f"database not found: {database}")


class TableNotFoundError(NotFoundError):
    """No table of this name exists in the database."""

    def __init__(self, database: str, table: str) -> None:
        self.database = database
        self.table = table
        super().__init__(f"table not found: {table} in database {database}")


class TriggerNotFoundError(NotFoundError):
    """No trigger of this name exists."""

    def __init__(self, trigger: str, database: str | None = None) -> None:
        self.trigger = trigger
        self.database = database
        where = f" in database {database}" if database is not None else ""
        super().__init__(f"trigger not found: {trigger}{where}")


class CacheNotFoundError(NotFoundError):
    """The table has no last-value or distinct-value cache of this name."""

    def __init__(self, cache: str) -> None:
        self.cache = cache
        super().__init__(f"the requested resource was not found: {cache}")


class WalContentsGoneError(NotFoundError, LookupError):
    """The write-ahead log does not hold a flush, or no longer."""

    def __init__(self, sequence_number: int, reason: str) -> None:
        self.sequence_number = sequence_number
        super().__init__(f"WAL contents {sequence_number} are not there: {reason}")


class AlreadyExistsError(ProcengineError):
    """A resource of this name exists."""

    http_status = 409


class AlreadyDeletedError(ProcengineError):
    """The resource of this name is marked as deleted."""

    http_status = 409


class LimitExceededError(ProcengineError):
    """One of the catalog's limits would be exceeded."""

    http_status = 422


class PluginError(ProcengineError):
    """A plugin cannot be found, loaded or called."""


class PluginPathError(PluginError):
    """The plugin's file name leads nowhere, or out of the plugin directory."""


class PluginSourceError(PluginError):
    """The plugin's source does not compile, or lacks its entry point.

    ``filename`` and ``line_number`` name the place where it is known.
    """

    def __init__(self, message: str, *, filename: str | None = None, line_number: int | None = None):
        self.filename = filename
        self.line_number = line_number
        super().__init__(message)


class PluginsDisabledError(PluginError):
    """The engine runs without a plugin directory."""

    def __init__(self) -> None:
        super().__init__("No plugin directory configured")


class PackageInstallError(PluginError):
    """Packages for plugins cannot be installed."""


class PackageInstallDisabledError(PackageInstallError):
    """The engine's options say that no packages are installed."""

    http_status = 403

    def __init__(self) -> None:
        super().__init__(
            "Package installation has been disabled. Contact your administrator for more information."
        )


class RegistryError(ProcengineError):
    """A registry of plugins cannot be reached, or what it gives may not be taken."""

    http_status = 502


class TriggerBusyError(ProcengineError):
    """The trigger is running, or enabled, where it must not be."""


class OperationRefusedError(ProcengineError):
    """The operation is never allowed on this resource."""

    http_status = 405


class RequestQueueFullError(TriggerBusyError):
    """As many requests wait for the trigger as may; ``waiting`` says how many.

    Differs: the original lets any number wait, and holds up the delivery of writes meanwhile.
    """

    http_status = 503

    def __init__(self, waiting: int) -> None:
        self.waiting = waiting
        requests = "request" if waiting == 1 else "requests"
        super().__init__(
            f"the trigger has {waiting} {requests} waiting, as many as may; try again later"
        )


class StorageError(ProcengineError):
    """The data folder cannot be used as asked."""


class DataFolderLockedError(StorageError):
    """Another engine uses the data folder; ``pid`` is its process id where known."""

    def __init__(self, message: str, *, pid: int | None = None) -> None:
        self.pid = pid
        super().__init__(message)


class DataFormatError(StorageError):
    """The data folder was written in a format that this version does not know."""


class CorruptFileError(StorageError):
    """A file is damaged; ``path`` and ``offset`` (bytes) say where."""

    def __init__(self, message: str, *, path: str, offset: int) -> None:
        self.path = path
        self.offset = offset
        super().__init__(message)


class WriteFailedError(StorageError):
    """A write could not be made durable, and was not acknowledged."""


class AddressInUseError(StorageError):
    """The port to listen on is taken."""


class QueryCancelledError(ProcengineError):
    """A query was interrupted before it was done."""


class StoppedError(ProcengineError):
    """The engine, or the part of it that was asked, has stopped."""

    http_status = 503
