"""What does `procengine` do in a terminal?

``serve`` starts an engine and its HTTP API, ``deploy`` brings a plugin from here to a server, ``plugin`` makes,
publishes and installs them; all other commands are those of `influxdb3` and go to a server, of procengine or
InfluxDB 3, that ``--host`` or ``INFLUXDB3_HOST_URL`` names.

Exit codes: 0; 1 when the command failed; 2 when the line cannot be read.

Source: influxdb3/src/lib.rs, startup (texts of failures).
"""

from __future__ import annotations

import dataclasses
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from procengine import __version__
from procengine.cli.execution import run_invocation
from procengine.cli.grammar import COMMANDS, Arity, Command, Option
from procengine.cli.help_text import help_text
from procengine.cli.outcome import CommandOutput, Surroundings
from procengine.cli.parser import Invocation, parse_command
from procengine.cli.plugin_grammar import PLUGIN_COMMANDS
from procengine.cli.target import Connection, Target
from procengine.clock import SystemClock
from procengine.config import OPTIONS, EngineConfig, unset_variables
from procengine.deploy_command import DEPLOY, deploy_plugin
from procengine.errors import ConfigError, InvalidInputError, ProcengineError
from procengine.remote import RemoteServer
from procengine.serve_command import SYSTEM_CONFIG_FILE, serve, system_config_file

PROGRAM = "procengine"
FAILURE, MISUSE = 1, 2
INTERRUPTED, PIPE_CLOSED = 130, 141
"""What a shell calls the end by SIGINT and by SIGPIPE."""

_FLAGS = {one.name for one in dataclasses.fields(EngineConfig) if isinstance(one.default, bool)}


def _serve_option(name: str) -> Option:
    record = OPTIONS[name]
    variables = f" [env {', '.join(record.variables)}]" if record.variables else ""
    return Option(
        name=f"--{name.replace('_', '-')}",
        arity=Arity.FLAG if name in _FLAGS else Arity.ONE,
        about=f"{record.help}{variables}",
    )


SERVE = Command(
    words=("serve",),
    about="start an engine and its HTTP API, in the foreground",
    options=(
        Option(
            name="--config",
            about="TOML file of options, its keys as here without the dashes; "
            f"{SYSTEM_CONFIG_FILE} where there is one",
        ),
        *(_serve_option(name) for name in OPTIONS),
    ),
)

ALL_COMMANDS = (SERVE, DEPLOY, *COMMANDS, *PLUGIN_COMMANDS)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line, that of the process unless words are given; return its exit code. On the main thread."""
    words = sys.argv[1:] if argv is None else list(argv)
    if words in (["--version"], ["-V"]):
        sys.stdout.write(f"{PROGRAM} {__version__}\n")
        return 0
    for name in unset_variables(os.environ):
        os.environ.pop(name, None)
    try:
        invocation = parse_command(words, os.environ, program=PROGRAM, commands=ALL_COMMANDS)
    except InvalidInputError as error:
        return _misuse(error)
    try:
        return _run(invocation)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # What read the output has gone; the interpreter is not to stumble over it once more at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED


def _run(invocation: Invocation) -> int:
    if invocation.command is None:
        text = help_text(invocation.help_for or (), program=PROGRAM, commands=ALL_COMMANDS)
        sys.stdout.write(f"{text}\n")
        return 0
    try:
        if invocation.command is SERVE:
            _serve(invocation)
        elif invocation.command is DEPLOY:
            deploy_plugin(invocation, _tell_now)
        elif invocation.command in PLUGIN_COMMANDS:
            from procengine.cli.plugin_commands import run_plugin_command

            _print(run_plugin_command(invocation, _surroundings(), SystemClock()))
        else:
            _print(run_invocation(_connect, invocation, _surroundings()))
    except ConfigError as error:
        return _misuse(error)
    except ProcengineError as error:
        sys.stdout.flush()
        sys.stderr.write(f"{invocation.command.words[0].capitalize()} command failed: {error}\n")
        return FAILURE
    return 0


def _misuse(error: InvalidInputError) -> int:
    sys.stderr.write(f"error: {error}\n\nFor more information, try '--help'.\n")
    return MISUSE


def _serve(invocation: Invocation) -> None:
    values = dict(invocation.values)
    config_file = values.pop("config") or system_config_file()
    # A flag that was not said leaves the option to the environment and the file.
    options = {name: value for name, value in values.items() if value is not None and value is not False}
    serve(options, os.environ, _tell_now, config_file=config_file)


def _connect(connection: Connection) -> Target:
    return RemoteServer(
        connection.url,
        token=connection.token,
        tls_ca=connection.tls_ca,
        tls_no_verify=connection.tls_no_verify,
    )


def _surroundings() -> Surroundings:
    piped = sys.stdin is not None and not sys.stdin.isatty()
    return Surroundings(
        folder=Path(),
        ask=_ask,
        environment=os.environ,
        stdin=sys.stdin.buffer if piped else None,
        tell=lambda line: _write_error(f"{line}\n"),
        is_terminal=sys.stdout.isatty(),
    )


def _print(output: CommandOutput) -> None:
    """Print the pieces as they come."""
    sys.stdout.flush()
    out, last = sys.stdout.buffer, None
    for piece in output.pieces:
        out.write(piece)
        last = piece
    if last is not None and not output.is_binary:
        out.write(b"\n")
    out.flush()


def _ask(question: str) -> str:
    """Ask beside the output, which may be piped on."""
    _write_error(f"{question}\n")
    answer = "" if sys.stdin is None else sys.stdin.readline()
    if not answer:
        raise EOFError
    return answer


def _write_error(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def _tell_now(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
