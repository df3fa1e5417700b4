"""``procengine`` in a terminal: what it prints, how it ends, and that ``serve`` serves."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from procengine import __version__
from procengine.cli.original_commands import ORIGINAL_COMMANDS
from procengine.command_line import ALL_COMMANDS, SERVE, main
from procengine.config import OPTIONS
from procengine.serve_command import SIGNALS, heeded_signals
from tests import readme

SECONDS = 60.0
SPARE = {name: value for name, value in os.environ.items() if not name.startswith("INFLUXDB3_")}


def start(*words: str, cwd: Path) -> subprocess.Popen[str]:
    """Start the program as a child process."""
    root = Path(__file__).parent.parent
    return subprocess.Popen(
        [sys.executable, "-m", "procengine", *words],
        cwd=cwd,
        env=SPARE | {"PYTHONPATH": str(root), "PYTHONUNBUFFERED": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@contextmanager
def serving(*words: str, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], str, str | None]]:
    """Serve on a free port; give the process, its URL and the token that it printed."""
    child = start("serve", "--http-bind", "127.0.0.1:0", *words, cwd=cwd)
    try:
        assert child.stdout is not None
        first = child.stdout.readline()
        found = re.fullmatch(rf"procengine {__version__} serves (http://127\.0\.0\.1:\d+)\n", first)
        assert found is not None, first or child.communicate(timeout=SECONDS)[1]
        head = [child.stdout.readline() for _ in range(2)]
        assert [line.split()[0] for line in head] == ["data", "plugins"]
        token = None
        if "--without-auth" not in words and not (cwd / "known").exists():
            assert child.stdout.readline() == "\n"
            token = child.stdout.readline().partition("shown this once: ")[2].strip()
        yield child, found[1], token
    finally:
        child.kill()
        child.communicate(timeout=SECONDS)


@pytest.fixture
def run(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., tuple[int, str, str]]:
    """Run the program in this process; return exit code, output and what stands beside it."""
    for name in os.environ:
        if name.startswith("INFLUXDB3_"):
            monkeypatch.delenv(name)

    def run(*words: str) -> tuple[int, str, str]:
        capfdbinary.readouterr()
        code = main(words)
        shown = capfdbinary.readouterr()
        return code, shown.out.decode(), shown.err.decode()

    return run


def test_serve_serves_until_it_is_told_to_end(
    tmp_path: Path, run: Callable[..., tuple[int, str, str]]
) -> None:
    """It prints address and token, answers commands, ends with 0, and keeps data and token."""
    data = ("--data-dir", str(tmp_path / "data"))
    with serving(*data, cwd=tmp_path) as (child, url, token):
        assert token is not None
        there = ("--host", url, "--token", token)
        assert run("write", *there, "-d", "home", "room temp=21.5 1", "-q") == (0, "", "")
        code, shown, _ = run("query", *there, "-d", "home", "--format", "json", "SELECT * FROM room")
        assert (code, [row["temp"] for row in json.loads(shown)]) == (0, [21.5])
        child.send_signal(signal.SIGTERM)
        out, err = child.communicate(timeout=SECONDS)
        assert (child.returncode, err) == (0, "")
        assert out.endswith("stopping; a second signal ends at once\nstopped\n")
    (tmp_path / "known").touch()
    with serving(*data, cwd=tmp_path) as (child, url, _):
        code, shown, _ = run("show", "databases", "--host", url, "--token", token, "--format", "csv")
        assert (code, shown.split()) == (0, ["iox::database", "_internal", "home"])
        child.send_signal(signal.SIGINT)
        out, _ = child.communicate(timeout=SECONDS)
        assert child.returncode == 0
        assert "token" not in out.lower()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once(number: signal.Signals) -> None:
    """The first is waited for; the next is the system's to handle, until the serving is over."""
    before = {each: signal.getsignal(each) for each in SIGNALS}
    with heeded_signals() as wait:
        os.kill(os.getpid(), number)
        wait()
        assert {signal.getsignal(each) for each in SIGNALS} == {signal.SIG_DFL}
    assert {each: signal.getsignal(each) for each in SIGNALS} == before


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    """``serve`` takes no other port: it fails, and says which is taken."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        child = start("serve", "--http-bind", f"127.0.0.1:{port}", cwd=tmp_path)
        out, err = child.communicate(timeout=SECONDS)
    assert (child.returncode, out) == (1, "")
    assert err.startswith(f"Serve command failed: port {port} of 127.0.0.1 is taken")


def test_options_come_from_a_file_too(tmp_path: Path, run: Callable[..., tuple[int, str, str]]) -> None:
    """``--config`` names a file; flags that are not said leave it alone."""
    (tmp_path / "engine.toml").write_text('without-auth = true\nnode-id = "n7"\n')
    (tmp_path / "known").touch()
    with serving("--config", "engine.toml", cwd=tmp_path) as (_, url, _):
        code, shown, _ = run("show", "databases", "--host", url, "--format", "csv")
        assert (code, shown.split()) == (0, ["iox::database", "_internal"])


FAILURES = [
    (("create", "database", "--host", "http://127.0.0.1:1", "d"), "Create"),
    (("update", "database", "--host", "http://127.0.0.1:1", "-d", "d", "-r", "1d"), "Update"),
    (("delete", "database", "--host", "http://127.0.0.1:1", "-y", "d"), "Delete"),
    (("enable", "trigger", "--host", "http://127.0.0.1:1", "-d", "d", "t"), "Enable"),
    (("disable", "trigger", "--host", "http://127.0.0.1:1", "-d", "d", "t"), "Disable"),
    (("install", "package", "--host", "http://127.0.0.1:1", "p"), "Install"),
    (("show", "databases", "--host", "http://127.0.0.1:1"), "Show"),
    (("test", "schedule_plugin", "--host", "http://127.0.0.1:1", "-d", "d", "p.py"), "Test"),
    (("query", "--host", "http://127.0.0.1:1", "-d", "d", "SELECT 1"), "Query"),
    (("write", "--host", "http://127.0.0.1:1", "-d", "d", "m f=1"), "Write"),
]


@pytest.mark.parametrize(("words", "verb"), FAILURES)
def test_a_command_that_fails_has_exit_code_1(
    run: Callable[..., tuple[int, str, str]], words: tuple[str, ...], verb: str
) -> None:
    """The text is the original's, on the standard error alone."""
    code, shown, beside = run(*words)
    assert (code, shown) == (1, "")
    assert beside.startswith(f"{verb} command failed: cannot reach http://127.0.0.1:1: ")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("query", "SELECT 1"), "error: 'procengine query' requires --database"),
        (("frob",), "error: unrecognized subcommand 'frob' of 'procengine'; accepted: serve, deploy, "),
        (("serve", "--http-bind", "0.0.0.0:1"), "error: option http_bind cannot be '0.0.0.0:1'"),
        (("serve", "--http-bind", "off"), "error: option http_bind cannot be 'off'"),
        (("serve", "--port", "1"), "error: unexpected argument '--port' for 'procengine serve'"),
        (("show", "license"), "error: 'influxdb3 show license' is a command of InfluxDB 3 that"),
    ],
)
def test_a_line_that_cannot_be_read_has_exit_code_2(
    run: Callable[..., tuple[int, str, str]], words: tuple[str, ...], text: str
) -> None:
    """Misuse is told apart from failure."""
    code, shown, beside = run(*words)
    assert (code, shown) == (2, "")
    assert beside.startswith(text)
    assert beside.endswith("For more information, try '--help'.\n")


def test_help_and_version(run: Callable[..., tuple[int, str, str]]) -> None:
    """Both are printed without a server; each command of the program has help."""
    assert run("--version") == (0, f"procengine {__version__}\n", "")
    code, shown, _ = run("--help")
    assert code == 0
    assert all(f"procengine {' '.join(command.words)} " in shown for command in ALL_COMMANDS)
    for command in ALL_COMMANDS:
        code, shown, _ = run(*command.words, "--help")
        assert code == 0
        assert f"Usage: procengine {' '.join(command.words)} [OPTIONS]" in shown


def test_serve_has_every_option() -> None:
    """What an engine can be told, ``serve`` can be told, by the original's names."""
    assert {option.key for option in SERVE.options} == {"config", *OPTIONS}
    assert "serve" in ORIGINAL_COMMANDS


def test_the_readme_has_every_command() -> None:
    """The table of the README is the grammar."""
    named = re.findall(r"`([^`]+)`", " ".join(readme.table_cells("Command line")))
    assert sorted(named) == sorted(" ".join(command.words) for command in ALL_COMMANDS)


def test_the_readmes_example_runs(tmp_path: Path) -> None:
    """What the README shows of a terminal is run by a shell, as it stands but for the port."""
    root = Path(__file__).parent.parent
    shims = tmp_path / "bin"
    shims.mkdir()
    shim = shims / "procengine"
    shim.write_text(f'#!/bin/sh\nexec {sys.executable} -m procengine "$@"\n')
    shim.chmod(0o755)
    with serving(cwd=tmp_path) as (_, url, token):
        environment = SPARE | {
            "PATH": f"{shims}:{SPARE['PATH']}",
            "PYTHONPATH": str(root),
            "INFLUXDB3_HOST_URL": url,
            "INFLUXDB3_AUTH_TOKEN": token or "",
        }
        done = subprocess.run(
            ["sh", "-e", "-c", readme.command("client")],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert '[{"room":"Kitchen","temp":21.5}]' in done.stdout
