"""What published plugins do, each in a plugin of our own, against an engine that is served over HTTP."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from procengine import Engine
from procengine.http import Server
from procengine.model.run import LogLevel, RunOutcome
from tests.engine.looks import WAIT_SECONDS, Gate, request_event, rows, settle, texts, wait_until

Plugin = Callable[[str, str], str]

REQUEST = (
    "def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):\n"
)


@pytest.fixture(autouse=True)
def _no_outside_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("PLUGIN_DIR", "INFLUXDB3_PLUGIN_DIR", "VIRTUAL_ENV"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def engine(plugin_dir: Path, tmp_path: Path) -> Iterator[Engine]:
    """A running engine whose data and plugin cache are on disk."""
    with Engine(
        plugin_dir=plugin_dir,
        data_dir=tmp_path / "data",
        without_auth=True,
        http_bind="127.0.0.1:0",
        environ={},
    ) as running:
        running.write("house", "home,room=Kitchen temp=21.5,n=3i 1000000000")
        yield running


@pytest.fixture
def url(engine: Engine) -> Iterator[str]:
    """Where the engine is served."""
    with Server(engine) as server:
        assert server.wait_ready(WAIT_SECONDS)
        assert server.url is not None
        yield server.url


def answer_of(url: str, path: str) -> httpx.Response:
    """Ask a request trigger."""
    return httpx.get(f"{url}/api/v3/engine/{path}", timeout=WAIT_SECONDS)


CALLER = """
import json
from urllib.request import Request, urlopen

def _call(args):
    body = b"called,by=plugin n=1i 1000000000"
    urlopen(Request(args["url"] + "/api/v3/write_lp?db=house&precision=nanosecond", data=body)).read()
    asked = Request(
        args["url"] + "/api/v3/query_sql",
        data=json.dumps({"db": "house", "q": "SELECT n FROM called", "format": "json"}).encode(),
        headers={"Content-Type": "application/json"},
    )
    rows = json.loads(urlopen(asked).read())
    return rows, json.loads(urlopen(args["url"] + "/api/v3/engine/notify").read())

def process_writes(influxdb3_local, table_batches, args=None):
    influxdb3_local.info("called", *_call(args))

def process_scheduled_call(influxdb3_local, call_time, args=None):
    influxdb3_local.info("called", *_call(args))

def process_request(influxdb3_local, query_params, request_headers, request_body, args=None):
    return _call(args)[1]
"""


@pytest.mark.parametrize("spec", ["table:home", "every:1s", "request:caller"])
@pytest.mark.parametrize("run_async", [False, True], ids=["sync", "async"])
def test_a_plugin_calls_its_own_server(
    engine: Engine, url: str, plugin: Plugin, spec: str, run_async: bool
) -> None:
    """A run writes, queries and asks another trigger over HTTP while it runs, and nobody waits for ever."""
    notify = plugin("notify", REQUEST + "    return {'status': 'success'}")
    engine.triggers.create("house", "notify", notify, "request:notify")
    engine.triggers.create(
        "house", "caller", plugin("caller", CALLER), spec, arguments={"url": url}, run_async=run_async
    )
    said = "called [{'n': 1}] {'status': 'success'}"
    if spec.startswith("request:"):
        assert answer_of(url, "caller").json() == {"status": "success"}
        return
    engine.write("house", "home,room=Attic temp=22.5 2000000000")
    wait_until(engine, lambda: said in texts(engine))
    assert texts(engine, LogLevel.ERROR) == []


def test_a_plugin_runs_an_event_loop(engine: Engine, url: str, plugin: Plugin) -> None:
    """``asyncio.run`` works in a plugin, with tasks of the loop that use ``influxdb3_local``."""
    source = (
        "import asyncio\n"
        + REQUEST
        + """
    async def one(n):
        await asyncio.sleep(0)
        influxdb3_local.write(LineBuilder("loop").tag("n", n).int64_field("v", n))
        return n

    async def several():
        return await asyncio.gather(*(one(n) for n in range(3)))

    return asyncio.run(several())
"""
    )
    engine.triggers.create("house", "loop", plugin("loop", source), "request:loop")
    assert answer_of(url, "loop").json() == [0, 1, 2]
    assert rows(engine, "SELECT v FROM loop ORDER BY v") == [{"v": 0}, {"v": 1}, {"v": 2}]


def test_a_thread_goes_on_after_its_run(engine: Engine, url: str, plugin: Plugin) -> None:
    """A thread that outlives the run logs, queries, writes synchronously, caches, and sees the plugin's variables."""
    source = (
        "import os, threading\n"
        + REQUEST
        + """
    gate = influxdb3_local.cache.get("gate", use_global=True)

    def later():
        gate.pass_through()
        found = influxdb3_local.query("SELECT n FROM home")
        influxdb3_local.write_sync(LineBuilder("late").int64_field("n", found[0]["n"]), no_sync=False)
        influxdb3_local.cache.put("late", 1)
        influxdb3_local.info("thread", found, os.path.basename(os.environ["INFLUXDB3_PLUGIN_DIR"]))

    thread = threading.Thread(target=later)
    influxdb3_local.cache.put("thread", thread, use_global=True)
    thread.start()
    return "started"
"""
    )
    gate = Gate()
    cache = engine.plugin_cache.for_trigger("house", 0)
    cache.put("gate", gate, use_global=True)
    engine.triggers.create("house", "late", plugin("late", source), "request:late")
    assert answer_of(url, "late").text == "started"
    gate.wait_reached()
    settle(engine)
    gate.opened.set()
    thread: threading.Thread = cache.get("thread", use_global=True)
    thread.join(WAIT_SECONDS)
    assert not thread.is_alive()
    assert rows(engine, "SELECT n FROM late") == [{"n": 3}]
    assert texts(engine, LogLevel.INFO)[-1] == "thread [{'n': 3}] plugins"


def test_system_exit_is_the_run_s_failure_alone(engine: Engine, url: str, plugin: Plugin) -> None:
    """``raise SystemExit`` fails the run with its text; the engine answers the next one."""
    source = (
        REQUEST
        + """
    if query_params.get("stop"):
        raise SystemExit("cannot reach the host")
    return "up"
"""
    )
    engine.triggers.create("house", "leaves", plugin("leaves", source), "request:leaves")
    failed = httpx.get(f"{url}/api/v3/engine/leaves", params={"stop": "1"}, timeout=WAIT_SECONDS)
    assert (failed.status_code, failed.json()) == (
        500,
        {"error": "Python function call failed: SystemExit: cannot reach the host"},
    )
    assert answer_of(url, "leaves").text == "up"


@pytest.mark.parametrize("postponed", [True, False], ids=["postponed", "evaluated"])
@pytest.mark.parametrize("is_folder", [True, False], ids=["folder", "file"])
def test_annotations_name_the_line_builder(
    engine: Engine, url: str, plugin: Plugin, plugin_dir: Path, is_folder: bool, postponed: bool
) -> None:
    """``LineBuilder`` can be named at module level: in annotations, base classes and default values."""
    name = f"annotated_{is_folder}_{postponed}".lower()
    source = (
        ("from __future__ import annotations\n" if postponed else "")
        + """
Lines = list[LineBuilder]

class Batch:
    lines: list[LineBuilder]

    def __init__(self, lines: Lines) -> None:
        self.lines = lines

    def build(self) -> str:
        return "\\n".join(line.build() for line in self.lines)

def line(table: str, make: type[LineBuilder] | None = None) -> LineBuilder:
    return (make or LineBuilder)(table).int64_field("n", 1)

"""
        + REQUEST
        + "    influxdb3_local.write(Batch([line('one'), line('two', LineBuilder)]))\n    return 'written'\n"
    )
    plugin(f"{name}/__init__" if is_folder else name, source)
    filename = name if is_folder else f"{name}.py"
    engine.triggers.create("house", name, filename, f"request:{name}")
    assert answer_of(url, name).text == "written"
    assert rows(engine, "SELECT one.n FROM one JOIN two ON one.time = two.time OR true") == [{"n": 1}]


def test_live_objects_stay_in_the_cache(engine: Engine, url: str, plugin: Plugin) -> None:
    """A client or lock that cannot be pickled is the same object in the next run, and its loss is announced once."""
    source = (
        "import threading\n"
        + REQUEST
        + """
    held = influxdb3_local.cache.get("lock")
    if held is None:
        held = threading.Lock()
        influxdb3_local.cache.put("lock", held)
        held.acquire()
        return "made"
    return "kept" if held.locked() else "another"
"""
    )
    engine.triggers.create("house", "client", plugin("client", source), "request:client")
    assert [answer_of(url, "client").text for _ in range(3)] == ["made", "kept", "kept"]
    warnings = texts(engine, LogLevel.WARN)
    assert len(warnings) == 1
    assert "'lock' (_thread.lock) cannot be pickled" in warnings[0]


def test_logs_take_several_arguments(engine: Engine, url: str, plugin: Plugin) -> None:
    """A log's arguments may be anything, as many as wanted, and are joined by spaces."""
    source = (
        REQUEST
        + """
    influxdb3_local.info("[task]", "wrote", 3, "rows", {"retries": 0})
    influxdb3_local.warn(ValueError("odd"), None)
    influxdb3_local.error("failed:", [1, 2.5], True)
    return ""
"""
    )
    engine.triggers.create("house", "logs", plugin("logs", source), "request:logs")
    assert answer_of(url, "logs").status_code == 200
    assert texts(engine) == [
        "[task] wrote 3 rows {'retries': 0}",
        "odd None",
        "failed: [1, 2.5] True",
    ]


def test_databases_are_made_by_writing(engine: Engine, url: str, plugin: Plugin) -> None:
    """Queued and synchronous writes make the databases that they name, and tables and columns in them."""
    source = (
        REQUEST
        + """
    influxdb3_local.write_to_db("queued_db", LineBuilder("t").tag("a", "b").int64_field("n", 1))
    influxdb3_local.write_sync_to_db("sync_db", LineBuilder("t").int64_field("n", 2), no_sync=False)
    return influxdb3_local.query("SELECT n FROM t", database="sync_db")
"""
    )
    engine.triggers.create("house", "makes", plugin("makes", source), "request:makes")
    assert answer_of(url, "makes").json() == [{"n": 2}]
    assert rows(engine, "SELECT a, n FROM t", "queued_db") == [{"a": "b", "n": 1}]


def test_tags_are_told_by_their_type(engine: Engine, url: str, plugin: Plugin) -> None:
    """Tags are the columns of type ``Dictionary(Int32, Utf8)`` in ``information_schema.columns``."""
    source = (
        REQUEST
        + """
    return influxdb3_local.query(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = $table "
        "ORDER BY column_name", {"table": "home"})
"""
    )
    engine.triggers.create("house", "schema", plugin("schema", source), "request:schema")
    found = {row["column_name"]: row["data_type"] for row in answer_of(url, "schema").json()}
    assert found == {
        "n": "Int64",
        "room": "Dictionary(Int32, Utf8)",
        "temp": "Float64",
        "time": "Timestamp(ns)",
    }


CONFIGURED = (
    """
import os, tomllib
from pathlib import Path

def folder():
    for name in ("PLUGIN_DIR", "INFLUXDB3_PLUGIN_DIR"):
        if os.getenv(name):
            return Path(os.environ[name])
    return Path(os.environ["VIRTUAL_ENV"]).parent

"""
    + REQUEST
    + """
    path = folder() / args["config_file_path"]
    if "VIRTUAL_ENV" in args:
        path = Path(os.environ["VIRTUAL_ENV"]).parent / args["config_file_path"]
    return tomllib.loads(path.read_text())
"""
)


@pytest.mark.parametrize("arguments", [{}, {"VIRTUAL_ENV": "alone"}], ids=["folder", "environment"])
def test_configuration_files_are_found_beside_the_plugin(
    engine: Engine, url: str, plugin: Plugin, plugin_dir: Path, arguments: dict[str, str]
) -> None:
    """``INFLUXDB3_PLUGIN_DIR``, and the parent of ``VIRTUAL_ENV``, lead plugins to their files."""
    (plugin_dir / "config.toml").write_text('measurement = "home"\n')
    arguments = {"config_file_path": "config.toml"} | arguments
    filename = plugin("configured", CONFIGURED)
    engine.triggers.create("house", "configured", filename, "request:configured", arguments=arguments)
    assert answer_of(url, "configured").json() == {"measurement": "home"}


def test_the_user_s_own_plugin_folder_goes_first(
    engine: Engine, url: str, plugin: Plugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``PLUGIN_DIR`` is the user's: the engine leaves it alone, and plugins find it in the environment."""
    (tmp_path / "config.toml").write_text('measurement = "elsewhere"\n')
    monkeypatch.setenv("PLUGIN_DIR", str(tmp_path))
    arguments = {"config_file_path": "config.toml"}
    filename = plugin("configured", CONFIGURED)
    engine.triggers.create("house", "configured", filename, "request:configured", arguments=arguments)
    assert answer_of(url, "configured").json() == {"measurement": "elsewhere"}


def test_variables_are_the_plugins_alone(tmp_path: Path) -> None:
    """Each engine's plugins see their own folder; the process and other engines see nothing of it, nor afterwards."""
    source = (
        "import os\n"
        + REQUEST
        + """
    names = ("INFLUXDB3_PLUGIN_DIR", "VIRTUAL_ENV")
    seen = [os.environ[name] for name in names]
    assert seen == [dict(os.environ)[name] for name in names] == [os.getenv(name) for name in names]
    assert all(name in os.environ for name in names) and len(os.environ) == len(list(os.environ))
    assert os.environb[b"PATH"] == os.environ["PATH"].encode()
    return seen
"""
    )
    before = dict(os.environ)
    replaced = type(os.environ).__getitem__
    own_names = set(vars(socket.socket))
    folders = [tmp_path / "one", tmp_path / "two"]
    engines = []
    for folder in folders:
        folder.mkdir()
        (folder / "where.py").write_text(source)
        engine = Engine(plugin_dir=folder, object_store="memory")
        engine.catalog.create_database("house")
        engine.triggers.create("house", "where", "where.py", "request:where")
        engines.append(engine)
    runs = [engine.triggers.fire("where", request_event(), database="house") for engine in engines]
    during = dict(os.environ)
    for engine in engines:
        engine.stop()
    for run, folder in zip(runs, folders, strict=True):
        assert run.outcome is RunOutcome.SUCCESS, run.failure
        assert run.response is not None
        assert run.response.body.decode() == f'["{folder}", "{folder / ".venv"}"]'
    assert during == dict(os.environ) == before
    assert type(os.environ).__getitem__ is replaced
    assert set(vars(socket.socket)) == own_names


def test_a_folder_finds_files_beside_it(
    engine: Engine, url: str, plugin: Plugin, plugin_dir: Path
) -> None:
    """A folder plugin reads files relative to ``__file__`` and imports its own modules."""
    plugin(
        "beside/__init__",
        "from pathlib import Path\nfrom .shape import shape\n"
        + REQUEST
        + "    return shape((Path(__file__).parent / 'words.txt').read_text())\n",
    )
    plugin("beside/shape", "def shape(text):\n    return text.upper()\n")
    (plugin_dir / "beside" / "words.txt").write_text("found")
    engine.triggers.create("house", "beside", "beside", "request:beside")
    assert answer_of(url, "beside").text == "FOUND"
