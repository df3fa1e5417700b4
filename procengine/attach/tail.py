"""How do new rows of another server's table reach the triggers here?

A thread (``procengine-tail-TABLE``) asks for them now and then, and writes those that are not here yet into the
scratch database, which is what triggers watch: from there on they are as safe as any write. What is here already is
found by tags and time, so a row is given once, however often it is read; one that is given other values later is not
given again. A server that is away is asked less and less often, and the tail goes on from where it was.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Protocol

import pyarrow as pa
import pyarrow.compute as pc

from procengine.attach.tail_options import TailOptions, TailState
from procengine.attach.tail_pages import Query, pages, quoted, tags_of
from procengine.clock import Alarm, Clock
from procengine.errors import LineError, PartialWriteError, ProcengineError, StoppedError
from procengine.model.column import TIME
from procengine.model.duration import SECOND

LONGEST_PAUSE_NS: Final = 60 * SECOND
"""How seldom a server that does not answer is asked, unless it is to be asked less often anyway."""


MOST_REFUSED: Final = 10_000
"""How many rows that do not fit are remembered."""

_Key = tuple[Any, ...]


class Here(Protocol):
    """The scratch database."""

    def query_scratch(self, sql: str, params: Mapping[str, object] | None = None) -> pa.Table:
        """Return rows that are here."""
        ...

    def write_scratch(self, rows: pa.Table, table: str, tags: list[str]) -> int:
        """Store rows here; return how many.

        Raises: PartialWriteError: some do not fit.
        """
        ...

    def kept_from_ns(self, table: str) -> int | None:
        """Return the instant (nanoseconds UTC) before which rows of a table are not kept; None: all are."""
        ...

    def has_scratch(self, table: str, columns: list[str]) -> list[str]:
        """Return those of the columns that a table here has; none where there is no table."""
        ...


class Tail:
    """Follows one table from `start` to `stop`. Any thread may call."""

    def __init__(
        self,
        table: str,
        options: TailOptions,
        *,
        query: Callable[[str, Mapping[str, object], Callable[[], None]], pa.Table],
        here: Here,
        clock: Clock,
    ) -> None:
        """``query`` asks the server, and calls what it is given now and then while it waits."""
        self.table = table
        self.options = options
        self._ask, self._here, self._clock = query, here, clock
        now_ns = clock.now_ns()
        self._cursor_ns = now_ns if options.since_ns is None else options.since_ns
        # Before that all rows are old: a late one from before the beginning is not asked for.
        self._first_ns = self._cursor_ns
        self._caught_up_ns = now_ns
        self._looks = self._rows = self._rejected = self._failures = 0
        self._failure: str | None = None
        self._rejection: str | None = None
        # Those that do not fit, oldest first, so that each is tried, and counted, once.
        self._refused: dict[_Key, None] = {}
        # Guards what follows, and wakes both the tail's thread and those who wait for a look.
        self._changed = threading.Condition()
        self._due = True
        self._paused = self._stopped = False
        self._alarm: Alarm | None = None
        self._thread = threading.Thread(target=self._run, name=f"procengine-tail-{table}", daemon=True)

    def start(self) -> None:
        """Begin to look. To be called once."""
        self._thread.start()

    @property
    def state(self) -> TailState:
        """How far it is."""
        with self._changed:
            return TailState(
                table=self.table,
                paused=self._paused,
                looks=self._looks,
                rows=self._rows,
                rejected=self._rejected,
                behind_ns=max(0, self._clock.now_ns() - self._caught_up_ns),
                rejection=self._rejection,
                failure=self._failure,
            )

    @property
    def continued(self) -> TailOptions:
        """The options of a tail that would go on from here."""
        return replace(self.options, since_ns=self._cursor_ns)

    def pause(self) -> None:
        """Look no more until `resume`; a look under way ends with its page."""
        with self._changed:
            self._paused = True

    def resume(self) -> None:
        """Look at once, and go on from where it was."""
        with self._changed:
            self._paused, self._due = False, True
            self._changed.notify_all()

    def look(self) -> None:
        """Look at once, unless it is paused."""
        with self._changed:
            self._due = True
            self._changed.notify_all()

    def wait_for_looks(self, count: int, timeout_seconds: float | None = None) -> bool:
        """Wait until so many looks have ended since the start; tell whether that came in time."""
        with self._changed:
            return self._changed.wait_for(lambda: self._looks >= count or self._stopped, timeout_seconds)

    def stop(self) -> None:
        """Look no more, and wait for a look under way to end. Stopping twice is allowed."""
        with self._changed:
            self._stopped = True
            if self._alarm is not None:
                self._alarm.cancel()
            self._changed.notify_all()
        if self._thread.ident is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def _run(self) -> None:
        while self._wait():
            began_ns = self._clock.now_ns()
            failure: str | None = None
            try:
                self._look()
            except StoppedError:
                continue  # of the tail, or of the attachment, which stops the tail
            except ProcengineError as error:
                failure = str(error)
            except Exception as error:  # noqa: BLE001 - a thread's edge: whatever it is, it is shown, and tried again
                failure = f"{type(error).__name__}: {error}"
            self._ended(began_ns, failure)

    def _wait(self) -> bool:
        """Wait until it is time to look; tell whether to."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopped or (self._due and not self._paused))
            self._due = False
            return not self._stopped

    def _ended(self, began_ns: int, failure: str | None) -> None:
        with self._changed:
            self._looks += 1
            self._failure = failure
            self._failures = 0 if failure is None else self._failures + 1
            if failure is None and not self._paused:
                self._caught_up_ns = began_ns
            if not self._stopped:
                self._alarm = self._clock.call_at(self._clock.now_ns() + self._pause_ns(), self.look)
            self._changed.notify_all()

    def _pause_ns(self) -> int:
        every_ns = self.options.every_ns
        longest_ns = max(every_ns, LONGEST_PAUSE_NS)
        return min(every_ns << min(max(self._failures - 1, 0), 16), longest_ns)

    def _look(self) -> None:
        """Take all rows that are new.

        Raises: ProcengineError: the server does not answer, or the rows cannot be kept.
        """
        from_ns = max(self._first_ns, self._cursor_ns - self.options.overlap_ns)
        kept_from_ns = self._here.kept_from_ns(self.table)
        if kept_from_ns is not None:  # what is kept here no longer would look new
            from_ns = max(from_ns, kept_from_ns)
        for page in pages(self._query, self.table, from_ns, self.options.page_rows):
            self._take(page)
            last_ns = pc.max(page[TIME].cast(pa.int64())).as_py()
            # A row that claims to be of the future must not hide those that come until then.
            self._cursor_ns = max(self._cursor_ns, min(last_ns, self._clock.now_ns()))
            if self._paused:
                return

    @property
    def _query(self) -> Query:
        return lambda sql, params: self._ask(sql, params, self._check)

    def _check(self) -> None:
        if self._stopped:
            raise StoppedError(f"the tail of table {self.table!r} is stopped")

    def _take(self, page: pa.Table) -> None:
        """Write those rows of a page that are not here."""
        tags = tags_of(self._query, self.table)
        tags = [name for name in tags if name in page.column_names]
        new = self._not_here(page, tags)
        self._check()
        if not new.num_rows:
            return
        try:
            written = self._here.write_scratch(new, self.table, tags)
        except PartialWriteError as error:
            written = error.result.row_count
            self._refuse(_keys(new, [*tags, TIME]), error.errors)
        with self._changed:
            self._rows += written

    def _refuse(self, keys: list[_Key], errors: Sequence[LineError]) -> None:
        """Count rows that do not fit the table here, and try them no more."""
        for error in errors:
            self._refused[keys[error.line_number - 1]] = None
        while len(self._refused) > MOST_REFUSED:
            del self._refused[next(iter(self._refused))]
        with self._changed:
            self._rejected += len(errors)
            self._rejection = errors[-1].message

    def _not_here(self, page: pa.Table, tags: list[str]) -> pa.Table:
        keys = [*tags, TIME]
        seen = self._seen(page, keys).union(self._refused)
        return page.filter(pa.array([key not in seen for key in _keys(page, keys)], pa.bool_()))

    def _seen(self, page: pa.Table, keys: list[str]) -> set[_Key]:
        """Return series and times of the rows that are here, in the time of a page."""
        known = self._here.has_scratch(self.table, keys)
        if not known:
            return set()
        times = page[TIME].cast(pa.int64())
        columns = ", ".join(quoted(name) for name in known)
        here = self._here.query_scratch(
            f"SELECT {columns} FROM {quoted(self.table)} WHERE "
            f"time >= to_timestamp_nanos({pc.min(times).as_py()}) "
            f"AND time <= to_timestamp_nanos({pc.max(times).as_py()})"
        )
        return set(_keys(here, keys))


def _keys(table: pa.Table, names: list[str]) -> list[_Key]:
    """Return the series and time of each row; a tag that a table does not have is null."""
    columns = []
    for name in names:
        if name not in table.column_names:
            columns.append([None] * table.num_rows)
            continue
        column = table[name]
        columns.append((column.cast(pa.int64()) if name == TIME else column).to_pylist())
    return list(zip(*columns, strict=True))
