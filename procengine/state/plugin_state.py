"""What does the plugin cache look like on disk, and when is a change of it durable?

One table: a row for each key of each namespace, with the pickled value, which only the cache itself reads. Changes
come as groups; a group is durable whole or not at all. One thread writes: what came while it was busy with the group
before shares one transaction and one sync. Changes that the disk refused are kept, the last one of each key, and go
into the next transaction.
"""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, NamedTuple

from procengine.state.sqlite_file import (
    Connect,
    Connection,
    Keep,
    connect,
    open_file,
    storage_error,
)

logger = logging.getLogger(__name__)

FILE_NAME: Final = "plugin_cache.sqlite3"
WHAT: Final = "the plugin cache"
VERSION: Final = 1

LARGEST_VALUE_BYTES: Final = 900_000_000
"""SQLite's rows have room for a thousand million."""

# The rows' own numbers keep the order in which keys were first put, as a dictionary does.
SCHEMA: Final = (
    """
    CREATE TABLE plugin_cache (
        number INTEGER PRIMARY KEY,
        database TEXT NOT NULL,      -- '' for the global namespace
        trigger_id INTEGER NOT NULL, -- 0 for the global namespace
        key TEXT NOT NULL,
        value BLOB NOT NULL,         -- a pickle
        crc INTEGER NOT NULL,        -- CRC-32 of the value's bytes
        type_name TEXT NOT NULL,
        expires_ns INTEGER,          -- NULL: never
        run_id INTEGER,              -- the run that changed it; NULL: changed by hand
        changed_ns INTEGER NOT NULL,
        row_crc INTEGER NOT NULL,    -- CRC-32 of the other columns, the value and the number left out
        UNIQUE (database, trigger_id, key)
    ) STRICT
    """,
)

_LOAD = """
    SELECT database, trigger_id, key, value, crc, type_name, expires_ns, run_id, changed_ns, row_crc
    FROM plugin_cache ORDER BY number
"""
_PUT_ROWS = """
    INSERT INTO plugin_cache
        (database, trigger_id, key, value, crc, type_name, expires_ns, run_id, changed_ns, row_crc)
    VALUES {}
    ON CONFLICT (database, trigger_id, key) DO UPDATE SET
        value = excluded.value, crc = excluded.crc, type_name = excluded.type_name,
        expires_ns = excluded.expires_ns, run_id = excluded.run_id, changed_ns = excluded.changed_ns,
        row_crc = excluded.row_crc
"""
_ROW = "(?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT = _PUT_ROWS.format(_ROW)
_MANY_ROWS: Final = 64
"""Rows that are put by one statement, where there are so many: a statement for each takes half as long again."""

_PUT_MANY = _PUT_ROWS.format(", ".join([_ROW] * _MANY_ROWS))
_DELETE = "DELETE FROM plugin_cache WHERE database = ? AND trigger_id = ? AND key = ?"
_DROP = "DELETE FROM plugin_cache WHERE database = ? AND trigger_id = ?"
_EXPIRE = "DELETE FROM plugin_cache WHERE expires_ns <= ?"


class Place(NamedTuple):
    """A namespace: a trigger's, or with ``""`` and 0 the global one."""

    database: str
    trigger_id: int


class KeyPlace(NamedTuple):
    """A key of a namespace."""

    database: str
    trigger_id: int
    key: str


class StoredValue(NamedTuple):
    """A key with its value: a row of the file.

    ``data`` is a pickle, not to be read unless its CRC-32 is ``crc``; ``expires_ns`` is None when it never expires.
    """

    database: str
    trigger_id: int
    key: str
    data: bytes
    crc: int
    type_name: str
    expires_ns: int | None
    run_id: int | None
    changed_ns: int


Row = tuple[str, int, str, bytes, int, str, int | None, int | None, int]
"""The fields of a `StoredValue`, which costs four times as much to make: each put pays for it."""


def row_crc(value: Row) -> int:
    """Return the checksum of a row but for its value, which has one of its own: of the row's ``repr`` without that.

    Written out, which costs half of what a shorter tuple and its ``repr`` do.
    """
    database, trigger_id, key, _, crc, type_name, expires_ns, run_id, changed_ns = value
    text = f"({database!r}, {trigger_id}, {key!r}, {crc}, {type_name!r}, {expires_ns}, {run_id}, {changed_ns})"
    return zlib.crc32(_encoded(text))


def _columns(rows: Sequence[Row]) -> list[Any]:
    """Return what the file has of rows, one row after the other, the `row_crc` of each included.

    Rows of a commit mostly begin and end alike: what is alike is written out once.
    """
    values: list[Any] = []
    begin: tuple[Any, ...] | None = None
    end: tuple[Any, ...] | None = None
    begun, text = 0, ""
    for row in rows:
        if row[:2] != begin:
            begin = row[:2]
            begun = zlib.crc32(_encoded(f"{repr(begin)[:-1]}, "))
        if row[5:] != end:
            end = row[5:]
            text = repr(end)[1:]
        values += row
        values.append(zlib.crc32(_encoded(f"{row[2]!r}, {row[4]}, {text}"), begun))
    return values


def _encoded(text: str) -> bytes:
    return text.encode() if text.isascii() else text.encode("utf-8", "surrogatepass")


def checked_value(row: Sequence[Any]) -> StoredValue:
    """Return a row of the file that is as it was written.

    Raises: ValueError: it is not.
    """
    value = StoredValue._make(row[:-1])
    if row_crc(value) != row[-1]:
        raise ValueError(
            f"database corruption: the row of key {value.key!r} does not match its checksum"
        )
    return value


@dataclass(frozen=True, slots=True)
class Group:
    """Changes that are durable together: namespaces that are emptied first, keys that go, keys with their values.

    No key is in it twice.
    """

    puts: list[Row] = field(default_factory=list)
    deletes: list[KeyPlace] = field(default_factory=list)
    drops: list[Place] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.puts) + len(self.deletes) + len(self.drops)

    def write(self, connection: Connection) -> None:
        """Make the changes, within a transaction."""
        if self.drops:
            connection.executemany(_DROP, self.drops)
        if self.deletes:
            connection.executemany(_DELETE, self.deletes)
        puts = self.puts
        single = len(puts) % _MANY_ROWS
        if single:
            connection.executemany(_PUT, [_columns([put]) for put in puts[:single]])
        for start in range(single, len(puts), _MANY_ROWS):
            connection.execute(_PUT_MANY, _columns(puts[start : start + _MANY_ROWS]))


class Commit:
    """The answer to one group of changes, to be waited for on any thread."""

    __slots__ = ("_answered", "_fault", "_number", "_progress")

    def __init__(self) -> None:
        self._fault: str | None = None
        self._number = 0
        self._progress: Progress | None = None
        self._answered = threading.Lock()
        self._answered.acquire()

    def answer(self, fault: str | None, number: int, progress: Progress) -> None:
        """Say how it went, once, and when it will be durable if it is not yet."""
        self._fault, self._number, self._progress = fault, number, progress
        self._answered.release()

    def wait(self) -> str | None:
        """Wait for the answer; return None when the changes are durable, or why they are not yet."""
        with self._answered:
            return self._fault

    @property
    def durable(self) -> bool:
        """Whether the changes are durable by now, be it by a later attempt."""
        return self._progress is not None and self._progress.durable >= self._number


class Progress:
    """Up to which transaction all is durable. The writing thread changes it."""

    __slots__ = ("durable",)

    def __init__(self) -> None:
        self.durable = 0


def merged(groups: Sequence[Group]) -> Group:
    """Return one group that does what several do one after another, with the last change of each key."""
    drops: dict[Place, None] = {}
    keys: dict[KeyPlace, Row | None] = {}
    for group in groups:
        gone = set(group.drops)
        if gone:
            drops |= dict.fromkeys(group.drops)
            keys = {where: value for where, value in keys.items() if Place(*where[:2]) not in gone}
        keys |= dict.fromkeys(group.deletes)
        keys |= {KeyPlace(*put[:3]): put for put in group.puts}
    return Group(
        puts=[value for value in keys.values() if value is not None],
        deletes=[where for where, value in keys.items() if value is None],
        drops=list(drops),
    )


class PluginState:
    """The plugin cache's file, in a folder that exists. Any thread may `submit`; `open` and `close` are its owner's.

    The values are pickles, and unpickling can call whatever they name: the folder is as much the user's own as the
    plugins are, and who can write to either can run code as the user.
    """

    def __init__(self, folder: Path, *, connect: Connect = connect, keep: Keep | None = None) -> None:
        """``keep`` is handed the end of the file's log where that was being written, or is damaged."""
        self.path = folder / FILE_NAME
        self._connect = connect
        self._keep = keep
        self._connection: Connection | None = None
        self._queue: SimpleQueue[tuple[Group, Commit] | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="procengine-state", daemon=True)
        # Guards against a group that is queued behind the last.
        self._lock = threading.Lock()
        self._closed = False
        self._progress = Progress()

    def open(self, now_ns: int, restore: Callable[[StoredValue], None]) -> None:
        """Hand out what is stored and has not expired, in the order in which keys were first put; start the thread.

        What has expired is removed from the file.

        Raises:
            DataFormatError: the file has an unknown version.
            CorruptFileError: it is damaged.
            StorageError: it cannot be opened or written to.
        """
        connection = open_cache_file(self.path.parent, self._connect, self._keep)
        try:
            for row in connection.execute(_LOAD):
                value = checked_value(row)
                if value.expires_ns is None or value.expires_ns > now_ns:
                    restore(value)
            connection.execute(_EXPIRE, (now_ns,))
        except Exception as error:
            with contextlib.suppress(Exception):  # what failed first is told
                connection.close()
            raise storage_error(error, self.path, WHAT) from error
        self._connection = connection
        self._thread.start()

    def submit(self, group: Group, commit: Commit) -> None:
        """Take a group of changes and what is to be answered when they are durable; never waits.

        The answer comes after those of all groups that were taken before; an empty group is answered as well.
        """
        with self._lock:
            if not self._closed:
                self._queue.put((group, commit))
                return
        commit.answer("the engine is stopped", sys.maxsize, self._progress)

    def close(self) -> None:
        """Write what was taken, end the thread and let the file go. Closing twice is allowed."""
        with self._lock:
            already, self._closed = self._closed, True
        if not already and self._connection is not None:
            self._queue.put(None)
            self._thread.join()

    def _write(self) -> None:
        """Answer groups until the file is closed. On the thread ``procengine-state``."""
        connection = self._connection
        assert connection is not None
        refused = Group()
        fault: str | None = None
        for number, taken in enumerate(self._taken(), 1):
            groups = [refused, *(group for group, _ in taken)]
            fault = self._try(connection, groups)
            if fault is None:
                refused = Group()
                self._progress.durable = number
            else:
                refused = merged(groups)
            for _, commit in taken:
                commit.answer(fault, number, self._progress)
        if fault is not None:
            fault = self._try(connection, [refused])
        if fault is not None:
            logger.error("changes of the plugin cache are lost: count=%d %s", len(refused), fault)
        with contextlib.suppress(Exception):
            connection.close()

    def _taken(self) -> Iterator[list[tuple[Group, Commit]]]:
        """Wait for groups and yield all that are there, until the end."""
        while True:
            found = [self._queue.get()]
            with contextlib.suppress(Empty):
                while found[-1] is not None:
                    found.append(self._queue.get_nowait())
            taken = [one for one in found if one is not None]
            if taken:
                yield taken
            if found[-1] is None:
                return

    def _try(self, connection: Connection, groups: Sequence[Group]) -> str | None:
        """Make the changes in one transaction; return why that cannot be, and nothing was changed."""
        if not any(map(len, groups)):
            return None
        try:
            write_whole(connection, groups)
        except Exception as error:
            logger.warning("plugin cache not written: path=%s", self.path, exc_info=True)
            return str(storage_error(error, self.path, WHAT))
        return None


def write_whole(connection: Connection, groups: Sequence[Group]) -> None:
    """Make changes, one group after another, in one transaction.

    What the connection raises is raised; nothing was changed then.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        for group in groups:
            group.write(connection)
        connection.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(Exception):  # SQLite may have rolled back by itself
            connection.execute("ROLLBACK")
        raise


def open_cache_file(folder: Path, connect: Connect, keep: Keep | None = None) -> Connection:
    """Return a connection to the plugin cache's file of a folder, which is made where it is missing.

    Raises: what `procengine.state.sqlite_file.open_file` raises.
    """
    return open_file(folder / FILE_NAME, connect, what=WHAT, schema=SCHEMA, version=VERSION, keep=keep)
