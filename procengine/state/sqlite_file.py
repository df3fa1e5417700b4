"""How is an SQLite file opened so that what is committed to it stays?

The log of the file (``-wal``) is synced at each commit, so a commit survives the loss of power. The connection is the
file's only one, which spares the shared memory beside it: the data folder's lock keeps other engines away.

After a sync that failed the connection is kept and the transaction rolled back: the next one writes the same
part of the log anew. A connection that was opened again would take the unsynced part for committed. When a file is
opened its log is moved into the file itself for the same reason.

Whatever connects may be given, as long as it has `Connection`'s three methods; its errors may be of any class, and
are told apart by SQLite's own texts.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from procengine.errors import CorruptFileError, DataFormatError, StorageError
from procengine.state.sqlite_log import find_damage

APPLICATION_ID: Final = 0x70726F63
"""Marks the file as procengine's."""

_DAMAGE_TEXTS: Final = (
    "malformed",
    "not a database",
    "database corruption",
    "no such",
    "syntax error",
    "unrecognized token",
    "incomplete input",
    "unsupported file format",
    "cannot store",
)
"""What SQLite says of a file that is not as it was written: its own schema's text is in it, too."""

LOG_SUFFIX: Final = "-wal"

Keep = Callable[[Path, int, bytes], None]
"""Keeps the tail of a file from an offset aside, and reports that."""


class Connection(Protocol):
    """What is used of a connection; `sqlite3.Connection` in autocommit mode has it."""

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Iterable[Sequence[Any]]:
        """Execute one statement and return its rows."""
        ...

    def executemany(self, sql: str, parameters: Iterable[Sequence[Any]], /) -> object:
        """Execute one statement for each row of parameters."""
        ...

    def close(self) -> None:
        """Let the file go."""
        ...


Connect = Callable[[Path], Connection]
"""Opens the SQLite file of a path, which it makes where it is missing; no transaction is begun by itself."""


def connect(path: Path) -> Connection:
    """Open an SQLite file with the standard library. One thread at a time may use the connection."""
    return sqlite3.connect(path, isolation_level=None, check_same_thread=False)


def open_file(
    path: Path,
    connect: Connect,
    *,
    what: str,
    schema: Sequence[str],
    version: int,
    keep: Keep | None = None,
) -> Connection:
    """Return a connection to a file of a schema, which is made where it is missing.

    ``what`` is the file's content in words, for error texts. The end of a log that was being written, or is damaged,
    is handed to ``keep`` before SQLite passes it over.

    Raises:
        DataFormatError: the file has another version of the schema, or is another program's.
        CorruptFileError: it is damaged.
        StorageError: it cannot be opened or written to.
    """
    connection: Connection | None = None
    try:
        _check_log(path, what, keep)
        connection = connect(path)
        _prepare(connection)
        found = _number(connection, "PRAGMA user_version")
        if found == 0 and not _number(connection, "SELECT count(*) FROM sqlite_schema"):
            _create(connection, schema, version)
        elif found != version or _number(connection, "PRAGMA application_id") != APPLICATION_ID:
            raise _format_error(path, what, found, version)
        _check_whole(connection)
    except BaseException as error:
        if connection is not None:
            with contextlib.suppress(Exception):
                connection.close()
        if isinstance(error, StorageError) or not isinstance(error, Exception):
            raise
        raise storage_error(error, path, what) from error
    return connection


def storage_error(error: Exception, path: Path, what: str) -> StorageError:
    """Return the error that tells of what a connection raised, and how to go on."""
    text = str(error)
    if any(sign in text for sign in _DAMAGE_TEXTS):
        return CorruptFileError(
            f"{what} {str(path)!r} is damaged: {text}; to go on without it, move it and its '-wal' file out of the "
            f"folder: {what} then begins empty, and all other data stays as it is",
            path=str(path),
            offset=0,
        )
    return StorageError(
        f"cannot use {what} {str(path)!r}: {text}; see that its folder can be written to and the disk is not full"
    )


def _prepare(connection: Connection) -> None:
    # The lock mode first: it must hold before the log is looked at.
    for setting in (
        "locking_mode = EXCLUSIVE",
        "journal_mode = WAL",
        "synchronous = FULL",
        "journal_size_limit = 16777216",
        "cell_size_check = ON",
        "trusted_schema = OFF",
        "wal_checkpoint(TRUNCATE)",
    ):
        _rows(connection, f"PRAGMA {setting}")


def _check_log(path: Path, what: str, keep: Keep | None) -> None:
    """Look through a file's log before SQLite does, which passes over in silence what lies behind a damaged frame."""
    log = path.with_name(path.name + LOG_SUFFIX)
    try:
        data = log.read_bytes()
    except FileNotFoundError:
        return
    file = path.read_bytes() if path.exists() else b""
    if any(data) and not file:
        # SQLite would make a new file, and remove the log.
        raise CorruptFileError(
            f"{what} {str(path)!r} is missing or empty, though its log {str(log)!r} is there; restore it from a "
            "copy, or move the log out of the folder to go on without what it holds",
            path=str(path),
            offset=0,
        )
    damage = find_damage(data, file)
    if damage is None:
        return
    if damage.in_the_middle:
        raise CorruptFileError(
            f"cannot read {str(log)!r}, the log of {what}: it is damaged at offset {damage.offset}, though more "
            "follows; restore it from a copy, or move it out of the folder to go on without what it holds",
            path=str(log),
            offset=damage.offset,
        )
    if keep is not None:
        keep(log, damage.offset, data[damage.offset :])


def _create(connection: Connection, schema: Sequence[str], version: int) -> None:
    for statement in (
        "BEGIN IMMEDIATE",
        *schema,
        f"PRAGMA application_id = {APPLICATION_ID}",
        f"PRAGMA user_version = {version}",
        "COMMIT",
    ):
        _rows(connection, statement)


def _check_whole(connection: Connection) -> None:
    """Look through the pages of all tables and indexes; what is in a value shows by its checksum, when it is used."""
    found = str(_rows(connection, "PRAGMA quick_check(1)")[0][0])
    if found != "ok":
        raise ValueError(f"database corruption: {found}".replace("\n", " "))


def _format_error(path: Path, what: str, found: int, version: int) -> DataFormatError:
    return DataFormatError(
        f"{what} {str(path)!r} has schema version {found}; this version of procengine reads version {version}; "
        "use the procengine that wrote it, or move the file and its '-wal' file out of the folder"
    )


def _number(connection: Connection, sql: str) -> int:
    return int(_rows(connection, sql)[0][0])


def _rows(connection: Connection, sql: str) -> list[Sequence[Any]]:
    """Execute a statement to its end."""
    return list(connection.execute(sql))
