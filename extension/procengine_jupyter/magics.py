"""What do the magics do?

Each reads its line, makes one call, and shows or returns what came back.
"""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from IPython.core.error import UsageError
from IPython.core.magic import (
    Magics,
    cell_magic,
    line_cell_magic,
    line_magic,
    magics_class,
    no_var_expand,
)

from procengine.cli.engine_target import in_process
from procengine.cli.execution import run_line
from procengine.cli.outcome import Surroundings
from procengine.cli.target import Connection
from procengine.config import OPTIONS
from procengine.errors import InvalidInputError, ProcengineError
from procengine.http import server_of
from procengine.model.run import Run
from procengine.remote import RemoteServer
from procengine_jupyter import grammar
from procengine_jupyter.command_hints import CommandHints
from procengine_jupyter.display import show
from procengine_jupyter.doctor_command import doctor, notes_on
from procengine_jupyter.errors import short_errors
from procengine_jupyter.fire_command import (
    find_trigger,
    fire,
    instrument_of,
    make_event,
    profile_of,
    step_on,
    with_variables,
)
from procengine_jupyter.pieces import read_source
from procengine_jupyter.plugin_command import save_plugin
from procengine_jupyter.post_mortem import exception_of
from procengine_jupyter.progress_bar import ProgressBar
from procengine_jupyter.query_command import converted, query
from procengine_jupyter.render.created_cache_card import created_cache_card
from procengine_jupyter.render.doctor_card import brief
from procengine_jupyter.render.run_card import RunCard, RunsCard
from procengine_jupyter.render.view import View
from procengine_jupyter.render.write_card import PassedOver, StoppedWriteCard, WriteCard
from procengine_jupyter.run_chain import run_chain
from procengine_jupyter.run_test import fired_run_test
from procengine_jupyter.session import Session
from procengine_jupyter.shown_token import ShownToken
from procengine_jupyter.status import options_card, status_card, trigger_list
from procengine_jupyter.under_way import UnderWay
from procengine_jupyter.usage import as_options, documented_by
from procengine_jupyter.write_command import (
    Stored,
    WriteOptions,
    all_caught_up,
    is_writable,
    passed_over,
    store,
    wait_for_runs,
)

if TYPE_CHECKING:
    from procengine.engine import Engine
    from procengine.model.trigger import Trigger
    from procengine.processing.event import Event
    from procengine.processing.instrument import Instrument
    from procengine_jupyter.install_panel import Offer

HOST_VARIABLES = frozenset(
    {"INFLUXDB3_HOST_URL", "INFLUXDB3_WRITE_HOST_URL", "INFLUXDB3_QUERY_HOST_URL"}
)
"""Variables that do not count in a notebook: what was set for a shell is not to redirect its commands silently."""

# Without a backslash at a line's end: IPython's ? takes it away.
INFLUXDB3_HELP = """Run a command of the influxdb3 command line in this process.

A line copied from InfluxDB's documentation runs here; in a cell its continuation lines may follow with or
without a backslash between them. $NAME is the environment's variable where it is set. --host sends the command to
another InfluxDB 3 server; this machine at port 8181, as documentation has it, is this process.

examples:
  %influxdb3 --help
  %influxdb3 create database house
  %influxdb3 query --database house "SELECT * FROM home"
  %%influxdb3 create trigger
    --database house --path hot_rooms.py --trigger-spec table:home hot_rooms
"""


@magics_class
class ProcengineMagics(Magics):
    """The magics of one shell; ``session`` holds its engine, ``loaded`` what unloading takes back."""

    def __init__(self, shell: Any, session: Session) -> None:
        super().__init__(shell)
        self.session = session
        self.loaded: Any = None

    @line_magic
    @documented_by(grammar.procengine_parser)
    @short_errors
    def procengine(self, line: str) -> Engine | View | str | None:
        """Start, stop or show the engine."""
        action, _, rest = line.strip().partition(" ")
        if action == "update":
            from procengine_jupyter.update_command import update_command

            return update_command(self.session.engine, rest)
        if action in grammar.ACTION_PARSERS:
            from procengine_jupyter.attach_command import attach_command

            return attach_command(self.session, action, rest)
        if action == "plugin":
            from procengine_jupyter.plugins_command import run_plugin_line

            sys.stdout.write(f"{run_plugin_line(self.session, line)}\n")
            return None
        said = grammar.procengine_parser().read(line)
        if said.action not in {"start", "restart"} and _start_options(said):
            raise UsageError("options are for a start; %procengine restart takes them")
        if said.name is not None and said.action != "doctor":
            raise UsageError(f"{said.action} takes no name, got {said.name!r}; doctor does")
        match said.action:
            case "doctor":
                return doctor(self.session.engine, said.name, self.session.cells.labels)
            case "stop":
                self.session.stop()
                return status_card(self.session)
            case "config":
                return options_card(self.session)
            case "triggers":
                return trigger_list(self.session.engine)
            case "token":
                return self._token()
            case "status" if not self.session.is_running:
                return status_card(self.session)
        if said.action in {"start", "restart"}:
            self._start(said)
        return self.session.engine

    def _token(self) -> str:
        """Return a token that the API accepts."""
        server = server_of(self.session.engine)
        if server is None:
            raise UsageError(self.session.unserved_because or "the API is off; http_bind turns it on")
        if not server.requires_token:
            raise UsageError("the API takes requests without a token (without_auth)")
        return ShownToken(server.token())

    def _start(self, said: Namespace) -> None:
        options = _start_options(said)
        file = Path(said.config_file).expanduser() if said.config_file else None
        if said.action == "restart":
            self.session.check(options, file=file, plugins=not said.no_plugins)
            self.session.stop()
        if self.session.is_running and (options or file or said.no_plugins):
            raise UsageError("the engine is running; %procengine restart takes options")
        self.session.start(options, file=file, plugins=not said.no_plugins)

    @cell_magic
    @documented_by(grammar.plugin_parser)
    @short_errors
    def plugin(self, line: str, cell: str) -> View:
        """Save the cell as a plugin."""
        said = grammar.plugin_parser().read(line)
        source = self.session.cells.remember(line, cell)
        return save_plugin(self.session.engine, said, source, self.session.plugin_files)

    @line_cell_magic
    @documented_by(grammar.fire_parser)
    @short_errors
    def fire(self, line: str, cell: str | None = None) -> View:
        """Send a trigger an event."""
        said = with_variables(grammar.fire_parser().read(line), self.session.shell.user_ns)
        engine = self.session.engine
        trigger = find_trigger(engine, said.name, said.database)
        event = make_event(engine, trigger, said, cell)
        instrument = instrument_of(engine, trigger, said)
        runs = fire(
            engine, trigger, event, dry_run=said.dry_run, repeat=said.repeat, instrument=instrument
        )
        self._offer_post_mortem(runs)
        card = self._fired_card(engine, trigger, event, runs, instrument)
        step_on(instrument)
        return card

    def _fired_card(
        self,
        engine: Engine,
        trigger: Trigger,
        event: Event,
        runs: tuple[Run, ...],
        instrument: Instrument | None,
    ) -> View:
        labels = self.session.cells.labels
        if len(runs) > 1:
            return RunsCard(runs, labels)
        notes = brief(notes_on(engine, trigger.plugin_filename, labels), trigger.plugin_filename)
        test = fired_run_test(engine, trigger, event, runs[0])
        profile, offered = profile_of(instrument), self._install_offer(runs[0])
        return RunCard(runs[0], labels, test, notes, profile, offered)

    def _install_offer(self, run: Run) -> Offer | None:
        """Return what a page offers where a run's import found nothing."""
        packages = () if run.failure is None else run.failure.missing_packages
        if not packages or self.session.loop is None:
            return None
        from procengine_jupyter.install_panel import offer

        engine = self.session.engine
        install = partial(engine.install_packages, packages)
        return offer(self.session.loop, packages, install, engine.stop_installation)

    @line_cell_magic
    @documented_by(grammar.write_parser)
    @short_errors
    def write(self, line: str, cell: str | None = None) -> None:
        """Store rows."""
        if cell is not None:
            said = grammar.write_cell_parser().read(line)
            self._write(said.database, cell.encode(), WriteOptions(**_write_options(said)))
            return
        said = grammar.write_file_parser().read(line)
        data, name = self._source(said.source)
        if isinstance(data, bytes) and (said.table or said.tags):
            raise UsageError(f"{said.source} is line protocol, which names its tables and tags itself")
        table = said.table or (name if not isinstance(data, bytes) else None)
        options = WriteOptions(
            **_write_options(said), table=table, tags=said.tags, time_column=said.time_column
        )
        try:
            self._write(said.database, data, options)
        except InvalidInputError as error:  # names the argument of Engine.write
            raise UsageError(as_options(error)) from error

    def _source(self, source: str) -> tuple[Any, str]:
        """Return a variable's or a file's content, and what its table is called unless said otherwise."""
        if source in self.session.shell.user_ns:
            value = self.session.shell.user_ns[source]
            if not is_writable(value):
                raise UsageError(
                    f"{source} is of type {type(value).__name__}; a variable is a DataFrame, an Arrow table, or line "
                    "protocol as text or bytes"
                )
            return (value.encode() if isinstance(value, str) else value), source
        path = (self.session.folder / Path(source).expanduser()).absolute()
        if not path.is_file():
            raise UsageError(f"{source!r} is neither a variable nor a file below {self.session.folder}")
        return read_source(path), path.stem

    def _write(self, database: str, data: Any, options: WriteOptions) -> None:
        engine = self.session.engine
        with ProgressBar() as bar:
            stored = store(engine, database, data, options, progress=bar.tell)
        if stored.lines_done < stored.lines_total:
            self.session.live_cards.show(lambda: _stopped_card(stored))
            raise UsageError("interrupted; what was stored until then stays")
        idle = passed_over(engine, stored.result)
        _, reason = wait_for_runs(engine, stored)
        self.session.live_cards.show(
            lambda: self._write_card(engine, stored, reason, idle),
            lambda: [number for _, number in run_chain(engine, stored.flushes).flushes],
        )
        self._offer_post_mortem(run_chain(engine, stored.flushes).runs)

    def _write_card(
        self, engine: Engine, stored: Stored, reason: str, idle: tuple[PassedOver, ...]
    ) -> WriteCard:
        chain = run_chain(engine, stored.flushes)
        ran = {run.trigger for run in chain.runs}
        return WriteCard(
            result=stored.result,
            rejected=stored.rejected,
            duration_ns=stored.duration_ns,
            runs=chain.runs,
            behind=chain.behind,
            passed_over=tuple(one for one in idle if one.trigger not in ran),
            is_waiting=not all_caught_up(engine, stored),
            waited=reason if self.session.live_cards.can_update else "runs are still going",
            cell_names=self.session.cells.labels,
        )

    @cell_magic
    @documented_by(grammar.query_parser)
    @short_errors
    def query(self, line: str, cell: str) -> Any:
        """Run SQL."""
        said = grammar.query_parser().read(line)
        if said.out is not None and not said.out.isidentifier():
            raise UsageError(f"--out cannot be {said.out!r}: expected the name of a variable")
        engine, names = self.session.engine, self.session.shell.user_ns
        result = query(engine, said.database, cell, names, scratch=said.scratch)
        if said.out is not None:
            self.session.shell.user_ns[said.out] = converted(result, said.kind)
            return result.kept_as(said.out)
        return result if said.kind is None else converted(result, said.kind)

    @line_magic
    @documented_by(grammar.inspect_parser)
    @short_errors
    def inspect(self, line: str) -> View:
        """Look at the engine's state."""
        from procengine_jupyter.inspect_command import inspect

        return inspect(self.session, grammar.inspect_parser().read(line))

    @line_magic
    @documented_by(grammar.replay_parser)
    @short_errors
    def replay(self, line: str) -> Any:
        """Replay recorded rows."""
        from procengine_jupyter.replay_command import replay

        return replay(self.session, grammar.replay_parser().read(line))

    @line_magic
    @documented_by(grammar.record_parser)
    @short_errors
    def record(self, line: str) -> View:
        """Record what comes into a database."""
        from procengine_jupyter.record_command import record

        return record(self.session, grammar.record_parser().read(line))

    @line_magic
    @documented_by(grammar.deploy_parser)
    @short_errors
    def deploy(self, line: str) -> View:
        """Bring a plugin to a server."""
        from procengine_jupyter.deploy_command import deploy

        return deploy(self.session, grammar.deploy_parser().read(line))

    @line_cell_magic
    @no_var_expand
    def influxdb3(self, line: str, cell: str | None = None) -> None:
        """Run a command line."""
        text = line if cell is None else f"{line}\n{cell}"
        self._influxdb3(text)

    @short_errors
    def _influxdb3(self, text: str) -> None:
        engine = self.session.engine
        surroundings = Surroundings(
            folder=self.session.folder,
            ask=lambda question: input(f"{question} "),
            environment={name: os.environ[name] for name in os.environ if name not in HOST_VARIABLES},
            tell=lambda line: print(line, flush=True),  # noqa: T201
        )
        server = server_of(engine)
        port = None if server is None or server.url is None else urlsplit(server.url).port
        hints = CommandHints(engine, text, environment=surroundings.environment, port=port)
        under_way = UnderWay()
        check = partial(under_way.say, "filling the cache", stop="stop ends it, without a cache then")
        connect = in_process(engine, elsewhere=_another_server, port=port, check=check)
        try:
            with under_way:
                shown = run_line(connect, text, surroundings).text
        except KeyboardInterrupt as error:
            done = _INTERRUPTED.get(" ".join(text.split()[:2])) or _INTERRUPTED.get(
                text.split(maxsplit=1)[0]
            )
            if done is None:
                raise
            raise UsageError(str(error) or f"interrupted; {done}") from error
        except ProcengineError as error:
            hint = hints.on_error(error)
            if hint:
                raise UsageError(f"{error}\n{hint}") from error
            raise
        created = created_cache_card(shown) if self.session.loop is not None else None
        if created is not None:
            show(created)
            return
        for line in (shown, *hints.on_created_trigger()):
            if line:
                sys.stdout.write(f"{line}\n")

    def _offer_post_mortem(self, runs: tuple[Run, ...]) -> None:
        for run in runs[::-1]:
            if exception_of(run) is not None:
                self.session.post_mortem.offer(run)
                return


ProcengineMagics.influxdb3.__doc__ = INFLUXDB3_HELP


_INTERRUPTED = {
    "install": "nothing was installed",
    "create last_cache": "there is no cache",
    "create distinct_cache": "there is no cache",
}
"""What is so after the stop button ended a command, by its first words."""


def _another_server(connection: Connection) -> RemoteServer:
    return RemoteServer(
        connection.url,
        token=connection.token,
        tls_ca=connection.tls_ca,
        tls_no_verify=connection.tls_no_verify,
    )


def _start_options(said: Namespace) -> dict[str, Any]:
    """Return the options of a start that were said."""
    return {name: getattr(said, name) for name in OPTIONS if getattr(said, name) is not None}


def _write_options(said: Namespace) -> dict[str, Any]:
    return {
        "precision": said.precision,
        "no_sync": said.no_sync,
        "accept_partial": said.accept_partial,
    }


def _stopped_card(stored: Stored) -> StoppedWriteCard:
    return StoppedWriteCard(
        result=stored.result,
        lines_done=stored.lines_done,
        lines_total=stored.lines_total,
        duration_ns=stored.duration_ns,
    )
