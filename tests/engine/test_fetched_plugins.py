"""``gh:`` plugins: fetched at creation and start, from a server or a folder, with a copy for when that is away."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from procengine import Engine
from procengine.clock import NANOSECONDS_PER_SECOND, VirtualClock
from procengine.errors import PluginError, PluginPathError
from procengine.model.run import Cause, CauseKind, LogLevel
from procengine.processing import repository_file
from procengine.processing.event import RequestEvent
from procengine.processing.trigger_statistics import TriggerState
from tests.processing.plugin_server import PluginServer, plugin_server

SAYS = """
def process_request(influxdb3_local, query_parameters, request_headers, request_body, args=None):
    return {0!r}
"""


@pytest.fixture
def server() -> Iterator[PluginServer]:
    """A server of plugin files."""
    with plugin_server() as served:
        yield served


class Engines:
    """Engines of one folder, one after the other."""

    def __init__(self, folder: Path, clock: VirtualClock) -> None:
        self._folder = folder
        self._clock = clock

    def __call__(self, repository: str | Path, **options: Any) -> Engine:
        return Engine(
            environ={},
            clock=self._clock,
            plugin_dir=self._folder / "plugins",
            data_dir=self._folder / "data",
            plugin_repo=str(repository),
            **options,
        )


@pytest.fixture
def clock() -> VirtualClock:
    """The clock of the engines."""
    return VirtualClock(NANOSECONDS_PER_SECOND)


@pytest.fixture
def engines(tmp_path: Path, clock: VirtualClock) -> Engines:
    """Make engines that share their folders."""
    return Engines(tmp_path, clock)


def answer_of(engine: Engine, name: str = "t") -> str:
    """Return what a request trigger answers."""
    event = RequestEvent(query_params={}, headers={}, body=b"", cause=Cause(kind=CauseKind.REQUEST))
    run = engine.triggers.fire(name, event, database="db")
    assert run.response is not None, run.failure
    return run.response.body.decode()


def create(engine: Engine, filename: str, name: str = "t") -> None:
    """Create a request trigger in ``db``."""
    if "db" not in {one.name for one in engine.catalog.databases}:
        engine.catalog.create_database("db")
    engine.triggers.create("db", name, filename, f"request:{name}")


@pytest.mark.parametrize("slash", ["", "/"])
def test_gh_is_fetched_at_creation_and_start_alone(
    server: PluginServer, engines: Engines, slash: str
) -> None:
    """The text of creation runs until the trigger, or the engine, starts again."""
    server.files["/main/a/b.py"] = SAYS.format("first")
    with engines(f"{server.url}/main{slash}") as engine:
        create(engine, "gh:a/b.py")
        assert answer_of(engine) == "first"
        server.files["/main/a/b.py"] = SAYS.format("second")
        assert answer_of(engine) == "first"
        assert server.asked == ["/main/a/b.py"]
        engine.triggers.disable("db", "t")
        engine.triggers.enable("db", "t")
        assert answer_of(engine) == "second"
        server.files["/main/a/b.py"] = SAYS.format("third")
    with engines(f"{server.url}/main{slash}") as engine:
        assert answer_of(engine) == "third"
        assert engine.triggers.get("db", "t").plugin_filename == "gh:a/b.py"
        files = engine.query("SELECT plugin_name FROM system.plugin_files", "_internal")
        assert files.num_rows == 0, "as in the original"


def test_gh_from_a_folder(tmp_path: Path, engines: Engines) -> None:
    """A folder is a repository, too; nothing outside it is."""
    (tmp_path / "repo").mkdir()
    (tmp_path / "repo" / "p.py").write_text(SAYS.format("here"))
    (tmp_path / "out.py").write_text(SAYS.format("out"))
    for repository in (tmp_path / "repo", (tmp_path / "repo").as_uri()):
        with engines(repository) as engine:
            create(engine, "gh:p.py", f"t{len(str(repository))}")
            assert answer_of(engine, f"t{len(str(repository))}") == "here"
            with pytest.raises(PluginPathError, match="Path traversal detected: plugin filename"):
                create(engine, "gh:../out.py", "out")
            text = f"error fetching plugin from repository: 404 Not Found {tmp_path}/repo/gone.py"
            with pytest.raises(PluginPathError, match=f"^{text}$"):
                create(engine, "gh:gone.py", "gone")


def test_gh_that_is_not_there(server: PluginServer, engines: Engines) -> None:
    """What the server does not have is the original's error, also where there is a copy of before."""
    server.files["/p.py"] = SAYS.format("x")
    with engines(server.url) as engine:
        create(engine, "gh:p.py")
        del server.files["/p.py"]
        engine.triggers.disable("db", "t")
        text = f"error fetching plugin from repository: 404 Not Found {server.url}/p.py"
        with pytest.raises(PluginError, match=f"^{text}$"):
            engine.triggers.enable("db", "t")
        with pytest.raises(PluginError, match=f"^{text}$"):
            create(engine, "gh:p.py", "other")


def failing(handler: BaseHTTPRequestHandler) -> None:
    """Answer that the server has failed."""
    handler.send_error(503)


def cut_off(handler: BaseHTTPRequestHandler) -> None:
    """Send less than was promised, valid Python."""
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(SAYS.format("half").encode())


@pytest.mark.parametrize("how", [failing, cut_off], ids=["failing", "cut-off"])
def test_gh_goes_on_with_the_copy(
    server: PluginServer, engines: Engines, clock: VirtualClock, how: Any
) -> None:
    """While the repository is away the copy runs, and that is said in the trigger's log and state."""
    server.files["/p.py"] = SAYS.format("kept")
    with engines(server.url) as engine:
        create(engine, "gh:p.py")
    server.files["/p.py"] = how
    with engines(server.url) as engine:
        assert answer_of(engine) == "kept"
        (one,) = engine.triggers.statistics()
        assert one.state is TriggerState.ENABLED
        assert one.warning is not None
        assert one.warning.startswith("runs the plugin's copy of ")
        warned = [line.text for line in engine.logs.entries("db", "t", level=LogLevel.WARN)]
        assert warned == [one.warning]
        with pytest.raises(PluginPathError, match=r"503 Service Unavailable|ended after"):
            create(engine, "gh:p.py?new", "other")
        server.files["/p.py"] = SAYS.format("back")
        clock.advance_to(clock.now_ns() + 6 * NANOSECONDS_PER_SECOND)
        engine.triggers.disable("db", "t")
        engine.triggers.enable("db", "t")
        assert answer_of(engine) == "back"
        assert engine.triggers.statistics()[0].warning is None


def test_gh_server_is_gone(engines: Engines) -> None:
    """Where nothing listens, creation fails and says so; with a copy a start goes on and asks once for many."""
    with plugin_server() as server:
        server.files["/p.py"] = SAYS.format("kept")
        with engines(server.url) as engine:
            create(engine, "gh:p.py", "a")
            create(engine, "gh:p.py", "b")
    with engines(server.url) as engine:
        assert (answer_of(engine, "a"), answer_of(engine, "b")) == ("kept", "kept")
        text = f"^error getting plugin from repository: {server.url}/q.py: .*[Cc]onnection refused"
        with pytest.raises(PluginPathError, match=text):
            create(engine, "gh:q.py", "c")


def test_gh_without_a_copy_leaves_the_trigger_failed(
    server: PluginServer, engines: Engines, tmp_path: Path
) -> None:
    """A start without server and copy leaves the trigger, with the reason."""
    server.files["/p.py"] = SAYS.format("x")
    with engines(server.url) as engine:
        create(engine, "gh:p.py")
    server.files["/p.py"] = failing
    (copy,) = (tmp_path / "plugins" / ".fetched").rglob("p.py")
    copy.unlink()
    with engines(server.url) as engine:
        (one,) = engine.triggers.statistics()
        assert one.state is TriggerState.FAILED
        assert "503 Service Unavailable" in (one.reason or "")


def test_gh_that_is_too_large(
    server: PluginServer, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file without an end is not read to it."""
    monkeypatch.setattr(repository_file, "MOST_BYTES", 1 << 20)

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while not server.ended.is_set():
                handler.wfile.write(b"# " * 4096)
        except OSError:
            pass

    server.files["/p.py"] = endless
    with engines(server.url) as engine:
        text = f"error reading plugin from repository: {server.url}/p.py is larger than 1 MiB"
        with pytest.raises(PluginPathError, match=f"^{text}$"):
            create(engine, "gh:p.py")


def test_gh_server_that_says_nothing(
    server: PluginServer, engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that takes the request and is silent is away."""
    monkeypatch.setattr(repository_file, "SILENCE_SECONDS", 0.2)
    server.files["/p.py"] = lambda _: (server.ended.wait(), None)[1]
    with engines(server.url) as engine, pytest.raises(PluginPathError, match="timed out"):
        create(engine, "gh:p.py")


def test_gh_redirects(server: PluginServer, engines: Engines) -> None:
    """A redirect is followed, but not to a file of this machine."""

    def to(where: str) -> Any:
        def redirect(handler: BaseHTTPRequestHandler) -> None:
            handler.send_response(302)
            handler.send_header("location", where)
            handler.send_header("content-length", "0")
            handler.end_headers()

        return redirect

    server.files["/p.py"] = to("/q.py")
    server.files["/q.py"] = SAYS.format("there")
    server.files["/evil.py"] = to(Path(__file__).as_uri())
    with engines(server.url) as engine:
        create(engine, "gh:p.py")
        assert answer_of(engine) == "there"
        with pytest.raises(PluginPathError, match="302 Found"):
            create(engine, "gh:evil.py", "evil")


def test_gh_from_https_never_to_http() -> None:
    """What was asked for over HTTPS does not come over HTTP."""
    from urllib.request import Request

    opener = repository_file._opener()
    handler = next(one for one in opener.handlers if hasattr(one, "redirect_request"))
    with pytest.raises(OSError, match=r"redirected from https to http://b/p\.py, which is refused"):
        handler.redirect_request(Request("https://a/p.py"), None, 302, "Found", {}, "http://b/p.py")


def test_gh_refused_by_option(server: PluginServer, engines: Engines) -> None:
    """With plugin_dir_only nothing is fetched, not even asked for, of triggers that are there as well."""
    server.files["/p.py"] = SAYS.format("x")
    with engines(server.url) as engine:
        create(engine, "gh:p.py")
    asked = len(server.asked)
    with engines(server.url, plugin_dir_only=True) as engine:
        text = (
            "^plugin installation is disabled; plugins must already exist in the configured plugin "
            "directory$"
        )
        for filename in ("gh:p.py", "git+https://host/repo#p.py"):
            with pytest.raises(PluginPathError, match=text):
                create(engine, filename, "other")
        assert engine.triggers.statistics()[0].state is TriggerState.FAILED
    assert len(server.asked) == asked


def test_gh_is_tested_anew_each_time(server: PluginServer, engines: Engines) -> None:
    """A dry run of the API fetches what it runs, and needs no trigger."""
    text = "def process_writes(influxdb3_local, batches, args=None):\n    influxdb3_local.info({0!r})\n"
    with engines(server.url) as engine:
        engine.catalog.create_database("db")
        for said in ("one", "two"):
            server.files["/p.py"] = text.format(said)
            answer = engine.plugin_tests.write("db", "gh:p.py", "home temp=1")
            assert any(said in line for line in answer["log_lines"])  # type: ignore[attr-defined]


def test_gh_is_not_written_to(server: PluginServer, engines: Engines, tmp_path: Path) -> None:
    """The file of a fetched plugin cannot be replaced here, and no file of that name comes to be."""
    server.files["/p.py"] = SAYS.format("x")
    with engines(server.url) as engine:
        create(engine, "gh:p.py")
        with pytest.raises(PluginPathError, match=r"cannot write plugin 'gh:p\.py': it is fetched"):
            engine._plugin_part().uploads.update("t", "x = 1")
    assert [one.name for one in (tmp_path / "plugins").iterdir()] == [".fetched"]
