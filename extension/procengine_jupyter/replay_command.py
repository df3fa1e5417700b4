"""What does ``%replay`` replay, and how is a replay followed?

In the foreground the cell ends when the replay does, with its result, so that the cells below find it; the stop
button ends it. In the background the cell ends at once, with a card that has buttons.
"""

from __future__ import annotations

import contextlib
import re
from argparse import Namespace
from dataclasses import replace as replaced
from pathlib import Path
from typing import TYPE_CHECKING, Any

from IPython.core.error import UsageError

from procengine.errors import InvalidInputError, LineProtocolError
from procengine.model.names import INTERNAL_DATABASE
from procengine.model.portability import NoteCode
from procengine.model.varying_calls import draws_from_shared
from procengine.replay import (
    Batching,
    Range,
    Replay,
    ReplayOptions,
    ReplayResult,
    Selection,
    Source,
    SourceFormat,
    not_the_same_each_time,
    read_data,
    read_file,
    read_query,
    start_replay,
)
from procengine_jupyter.display import show
from procengine_jupyter.doctor_command import notes_on
from procengine_jupyter.errors import lines_text
from procengine_jupyter.fire_command import parse_instant
from procengine_jupyter.held_interrupt import HeldInterrupt
from procengine_jupyter.meant_database import meant_database
from procengine_jupyter.render.comparison_card import ComparisonCard
from procengine_jupyter.render.markup import Html
from procengine_jupyter.render.replay_card import ReplayCard, ReplayProgressCard
from procengine_jupyter.render.view import View
from procengine_jupyter.under_way import UnderWay
from procengine_jupyter.usage import as_options
from procengine_jupyter.write_command import is_writable

if TYPE_CHECKING:
    from procengine.catalog.definitions import Database
    from procengine.engine import Engine
    from procengine_jupyter.session import Session

SECONDS_BETWEEN = 0.1

_SPEED = re.compile(r"(?P<number>\d+(\.\d+)?)x?")


VARYING = frozenset(
    {
        NoteCode.WALL_CLOCK,
        NoteCode.UNSEEDED_RANDOM,
        NoteCode.THREADS,
        NoteCode.ROW_ORDER,
        NoteCode.SET_ORDER,
    }
)
"""What keeps a replay from being the same again, but for the shared generators, which it seeds."""


def replay(session: Session, said: Namespace) -> ReplayResult | Replay:
    """Replay what the magic's words name; return the result, or, in the background, what goes on.

    Raises:
        UsageError: the words name nothing that can be replayed, or the replay was interrupted.
        ProcengineError: the source cannot be read, or its rows do not fit.
    """
    engine, names = session.engine, session.shell.user_ns
    _check_words(said)
    before = None if said.compare is None else earlier(names, said.compare)
    if said.into is not None:
        _check_free(engine, said.into)
    options = _options(engine, said)
    under_way: Replay | None = None
    try:
        source = _source(session, said, options.between)
        database = said.database or source.database or _only_database(engine)
        with HeldInterrupt() as interrupt:  # or a replay could have begun that nobody follows
            under_way = start_replay(engine, source, database, options)
        if interrupt.arrived:
            raise KeyboardInterrupt
        if not said.background:
            result = _followed(under_way)
            if said.twice:
                with HeldInterrupt() as interrupt:
                    under_way = start_replay(engine, source, database, options)
                if interrupt.arrived:
                    raise KeyboardInterrupt
                result = _with_differences(result, _followed(under_way))
    except InvalidInputError as error:
        raise UsageError(_reason(error)) from error
    except KeyboardInterrupt:
        raise _interrupted(under_way) from None
    if said.background:
        if said.out is not None:
            names[said.out] = under_way
        return under_way
    result = _with_doctor(session, engine, result, options.selection, database)
    if said.out is not None:
        names[said.out] = result
    if said.into is not None:
        _keep(engine, result, said.into)
    if before is not None:
        show(ComparisonCard(before.compare(result)))
    return result


def _reason(error: InvalidInputError) -> str:
    """Return why nothing was replayed, in the magic's words."""
    if isinstance(error, LineProtocolError):
        return lines_text(error, "nothing was replayed")
    return as_options(error)


def _check_words(said: Namespace) -> None:
    """Refuse words that do not go together.

    Raises: UsageError.
    """
    if said.out is not None and not said.out.isidentifier():
        raise UsageError(f"--out cannot be {said.out!r}: expected the name of a variable")
    if said.paused and not said.background:
        raise UsageError("--paused is for --background: a cell that waits has no buttons")
    if said.twice and said.background:
        raise UsageError("--twice is for a replay that the cell waits for; leave --background out")
    for name in ("into", "compare"):
        if getattr(said, name) is not None and said.background:
            raise UsageError(
                f"--{name} needs the result, which a replay in the background does not have yet; "
                ".wait() on what %replay returns gives it"
            )


def earlier(names: dict[str, Any], name: str) -> ReplayResult:
    """Return the result that a variable holds.

    Raises: UsageError: it holds none.
    """
    value = names.get(name)
    if isinstance(value, Replay) and not value.is_running:
        value = value.wait()
    if isinstance(value, ReplayResult):
        return value
    what = f"holds a {type(value).__name__}" if name in names else "is no variable"
    raise UsageError(
        f"--compare takes the result of an earlier replay: {name!r} {what}; r = %replay ..."
    )


def _followed(under_way: Replay) -> ReplayResult:
    """Wait for a replay with a bar, from half a second on. An interrupt ends the wait."""
    with UnderWay() as bar:
        while True:
            with contextlib.suppress(TimeoutError):
                return under_way.wait(SECONDS_BETWEEN)
            bar.show(lambda: ReplayProgressCard(under_way.progress))


def _with_differences(first: ReplayResult, second: ReplayResult) -> ReplayResult:
    """Return the first of two replays of the same, with a note on whatever was not the same."""
    notes = [
        f"{what} is not the same each time: by the machine's clock, or by chance that no seed settles"
        for what in not_the_same_each_time(first, second)
    ]
    return replaced(first, notes=(*first.notes, *notes))


def _with_doctor(
    session: Session, engine: Engine, result: ReplayResult, selection: Selection, database: str
) -> ReplayResult:
    """Return a replay's result with what in its plugins' texts keeps another replay from being the same."""
    triggers = selection.of(engine.catalog.database(database))
    plugins = dict.fromkeys(
        selection.swaps.get(one.plugin_filename, one.plugin_filename) for one in triggers
    )
    notes = [
        f"{file.label or file.name}, line {note.line_number}: {note.reason}; {note.remedy}"
        for plugin in plugins
        for file in notes_on(engine, plugin, session.cells.labels)
        for note in file.notes
        if note.code in VARYING and not draws_from_shared(note.reason.partition(" ")[0])
    ]
    return replaced(result, notes=(*result.notes, *notes)) if notes else result


def _interrupted(under_way: Replay | None) -> UsageError:
    """End a replay after the stop button was pressed, show what was done until then, and return what to say."""
    if under_way is None:
        return UsageError("interrupted; nothing was replayed")
    result = under_way.end()
    show(ReplayCard(result))
    return UsageError(
        f"interrupted after {result.row_count:,} of {result.rows_total:,} rows; nothing outside the replay has "
        "changed"
    )


def _options(engine: Engine, said: Namespace) -> ReplayOptions:
    now_ns = engine.clock.now_ns()
    between = Range(
        from_ns=None
        if said.from_ is None
        else parse_instant(said.from_, now_ns=now_ns, option="--from"),
        to_ns=None if said.to is None else parse_instant(said.to, now_ns=now_ns, option="--to"),
    )
    between.check()
    return ReplayOptions(
        between=between,
        batching=Batching.parse(said.batch),
        speed=_speed(said.speed),
        seed=said.seed,
        selection=Selection(
            triggers=said.trigger_name,
            plugins=[_file_name(engine, one) for one in said.plugin],
            swaps={_file_name(engine, old): _file_name(engine, new) for old, new in said.swap},
        ),
        paused=said.paused,
    )


def _file_name(engine: Engine, name: str) -> str:
    """Return a plugin's file name; ``.py`` may be left out."""
    known = {one.filename for one in engine.plugins.plugins()}
    return f"{name}.py" if name not in known and f"{name}.py" in known else name


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    found = _SPEED.fullmatch(text)
    speed = float(found["number"]) if found else 0.0
    if not speed:
        raise UsageError(
            f"--speed cannot be {text!r}: expected max, or virtual seconds a real one, such as 10x"
        )
    return speed


def _source(session: Session, said: Namespace, between: Range) -> Source:
    engine = session.engine
    database = engine.catalog.find_database(said.database) if said.database else None
    how = SourceFormat(
        table=said.table,
        tags=said.tags,
        time_column=said.time_column,
        precision=said.precision,
        known_tags=None if database is None else _known_tags(database),
    )
    if said.query is not None:
        if said.source is not None:
            raise UsageError("a replay has one source: a file, a variable, or --query")
        queried = said.query_database or said.database or _only_database(engine)
        if said.tags is None and engine.attachments.find(queried) is None:
            how = _with_tags_of(engine.catalog.database(queried), how)
        return read_query(engine, said.query, queried, how)
    if said.source is None:
        raise UsageError("nothing to replay: name a file or a variable, or say --query 'SELECT ...'")
    names = session.shell.user_ns
    if said.source in names and is_writable(names[said.source]):
        return read_data(names[said.source], how, name=said.source, table=said.source)
    for path in _paths(session.folder, said.source):
        if path.is_file():
            return read_file(path, how, from_ns=between.from_ns, to_ns=between.to_ns)
    if said.source in names:
        raise UsageError(
            f"{said.source} is of type {type(names[said.source]).__name__}; a variable is a DataFrame, "
            "an Arrow table, or line protocol as text or bytes"
        )
    raise UsageError(f"{said.source!r} is neither a variable nor a file below {session.folder}")


def _paths(folder: Path, name: str) -> tuple[Path, Path]:
    path = (folder / Path(name).expanduser()).absolute()
    return path, path.with_name(f"{path.name}.recording")


def _known_tags(database: Database) -> dict[str, tuple[str, ...]]:
    return {table.name: table.schema.series_key for table in database.tables.values()}


def _with_tags_of(database: Database, how: SourceFormat) -> SourceFormat:
    return replaced(how, known_tags={**(how.known_tags or {}), **_known_tags(database)})


def _only_database(engine: Engine) -> str:
    """Return the database that is meant where none is named: the only one, or the only one with triggers."""
    databases = [one for one in engine.catalog.databases if one.name != INTERNAL_DATABASE]
    return meant_database(
        [one.name for one in databases],
        [one.name for one in databases if one.triggers],
        question="whose triggers are to run",
        known="there are",
        none="there is no database whose triggers could run; %%plugin ... --database NAME makes one",
    )


def _check_free(engine: Engine, name: str) -> None:
    if engine.catalog.find_database(name) is not None:
        raise UsageError(
            f"--into {name!r}: there is such a database, and a replay changes none; name a new one, or "
            f"%influxdb3 delete database {name}"
        )


def _keep(engine: Engine, result: ReplayResult, name: str) -> None:
    """Store the rows of a replay's database in a new database, which has no triggers."""
    engine.catalog.create_database(name)
    for (database, table), rows in result.tables.items():
        if database == result.database:
            engine.write(name, rows, table=table, tags=result.tags[database, table])


class ReplaySnapshot(View):
    """A replay that goes on, as a page shows it that is not live."""

    def __init__(self, under_way: Replay) -> None:
        self._replay = under_way

    def html(self) -> Html:
        """Return how far it is as HTML."""
        return ReplayProgressCard(self._replay.progress).html()

    def plain(self) -> str:
        """Return how far it is as text."""
        return ReplayProgressCard(self._replay.progress).plain()
