"""%procengine attach reads another server's database from a notebook, and leaves it as it is."""

from __future__ import annotations

import _thread
import signal
import threading

import pytest
from procengine_jupyter import grammar
from procengine_jupyter.status import engine_card

from tests.attach.conftest import SECONDS, Remote, StrictServer, remote, served, strict
from tests.extension.conftest import Notebook

__all__ = ["remote", "served", "strict"]


@pytest.fixture
def prod(notebook: Notebook, remote: Remote, monkeypatch: pytest.MonkeyPatch) -> Notebook:
    """A notebook whose database ``prod`` is the server's; the token comes from a variable."""
    monkeypatch.delenv("INFLUXDB3_AUTH_TOKEN", raising=False)
    notebook.shell.user_ns["tok"] = remote.token
    notebook.run(f"%procengine attach {remote.url} -d {remote.database} --name prod --token $tok")
    return notebook


def test_query_reads_the_server_and_scratch_reads_here(prod: Notebook) -> None:
    """%%query goes to the server with the notebook's variables; --scratch finds what was written here."""
    prod.shell.user_ns["room"] = "Attic"
    found = prod.run("%%query prod --as arrow\nSELECT room, temp FROM home WHERE room = $room")
    assert found.to_pylist() == [{"room": "Attic", "temp": 24.5}]
    prod.run("%%write prod\nhome,room=Cellar temp=1 3")
    there = prod.run("%%query prod --as arrow\nSELECT count(*) AS n FROM home")
    here = prod.run("%%query prod --scratch --as arrow\nSELECT room FROM home")
    assert (there.to_pylist(), here.to_pylist()) == ([{"n": 2}], [{"room": "Cellar"}])


def test_commands_read_the_server_as_well(prod: Notebook, capsys: pytest.CaptureFixture[str]) -> None:
    """%influxdb3 query, in process, asks where %%query does."""
    prod.run('%influxdb3 query --database prod --format csv "SELECT room FROM home ORDER BY room"')
    assert capsys.readouterr().out.split() == ["room", "Attic", "Hall"]


def test_the_cards_say_where_things_go(prod: Notebook, remote: Remote) -> None:
    """The card names server and scratch database, the status card has a line; neither has the token."""
    card = prod.run(f"%procengine attach {remote.url} -d {remote.database} --name other --token $tok")
    assert f"go to database {remote.database} of {remote.url}" in card.text()
    assert "stay here, in local database other" in card.text()
    assert "%%query other --scratch" in card.text()
    status = prod.shell.display_formatter.format(prod.engine)[0]["text/plain"]
    assert f"prod: database {remote.database} of {remote.url}, writes stay here" in status
    assert remote.token not in card.text() + str(card.html()) + status


def test_a_restart_keeps_what_is_attached(prod: Notebook, remote: Remote) -> None:
    """The next engine of the session attaches the same; after detach none does."""
    prod.run("%procengine restart --object-store memory")
    found = prod.run("%%query prod --as arrow\nSELECT count(*) AS n FROM home")
    assert found.to_pylist() == [{"n": 2}]
    assert prod.run("%procengine detach prod") is None
    prod.run("%procengine restart --object-store memory")
    assert "database not found: prod" in prod.fails("%%query prod\nSELECT 1")


def test_replay_takes_its_rows_there(prod: Notebook, remote: Remote) -> None:
    """%replay --query of an attached database replays the server's rows, with the server's tags."""
    prod.run(
        "%%plugin seen --trigger table:home --database prod\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    for row in table_batches[0]['rows']:\n"
        "        line = LineBuilder('seen').tag('room', row['room']).int64_field('n', 1)\n"
        "        influxdb3_local.write(line.time_ns(row['time']))\n"
    )
    result = prod.run('%replay --query "SELECT * FROM home" --database prod')
    assert result.tags["prod", "home"] == ("room",)
    assert result.rows("seen")["room"].to_pylist() == ["Attic", "Hall"]
    assert [
        row["table_name"] for row in remote.query("SHOW TABLES") if row["table_schema"] == "iox"
    ] == ["home"]


def test_a_token_in_the_cell_is_warned_of(
    notebook: Notebook,
    remote: Remote,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A variable's and the environment's token are taken in silence, a token itself with a warning."""
    notebook.run(f"%procengine attach {remote.url} -d {remote.database} --name a --token {remote.token}")
    assert "will be in the saved notebook" in capsys.readouterr().err
    monkeypatch.setenv("INFLUXDB3_AUTH_TOKEN", remote.token)
    notebook.run(f"%procengine attach {remote.url} -d {remote.database} --name b")
    assert "saved notebook" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("attach", "the following arguments are required: URL, --database"),
        ("attach http://127.0.0.1:1 -d p --token $nope", "'nope' is no variable"),
        ("attach http://127.0.0.1:1 -d p --token $number", "'number' holds a int"),
        ("attach http://127.0.0.1:1 -d p --every 5s", "--tail names the tables"),
        ("attach http://127.0.0.1:1 -d p --timeout soon", "argument --timeout"),
        ("attach http://127.0.0.1:1 -d p --token t", "cannot reach http://127.0.0.1:1"),
        ("detach", "the following arguments are required: NAME"),
        ("detach nope", "no database is attached by the name 'nope'; attached: none is"),
        ("tail home", "no database is attached; %procengine attach URL"),
        ("tail home -d nope", "no database is attached by the name 'nope'"),
    ],
)
def test_misuse_says_what_is_accepted(notebook: Notebook, line: str, text: str) -> None:
    """Each mistake is named; nothing is attached."""
    notebook.shell.user_ns["number"] = 5
    assert text in notebook.fails(f"%procengine {line}")
    assert notebook.engine.attachments.all() == ()


def test_tail_gives_new_rows_to_triggers_here(prod: Notebook, remote: Remote) -> None:
    """Rows that the server gets run a plugin of the notebook; the card says how far it is, and options steer it."""
    prod.run(
        "%%plugin seen --trigger table:home --database prod\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n"
        "    influxdb3_local.info('given', len(table_batches[0]['rows']))\n"
    )
    card = prod.run("%procengine tail home --every 100ms --since 2030-01-01T00:00:00Z")
    assert "looks every 100" in card.text()
    (tail,) = prod.engine.attachments.get("prod").tails
    assert tail.wait_for_looks(1, SECONDS)
    remote.write("home,room=Attic temp=1 1900000000000000000")
    assert tail.wait_for_looks(tail.state.looks + 2, SECONDS)
    assert prod.engine.wait_idle(SECONDS)
    logs = prod.engine.logs.table("prod")
    assert logs is not None
    assert logs["log_text"].to_pylist().count("given 1") == 1
    assert "1 new row · paused" in prod.run("%procengine tail home --pause").text()
    assert "paused" not in prod.run("%procengine tail home --resume").text()
    assert "do not go together" in prod.fails("%procengine tail home --pause --stop")
    assert "is for a tail that begins" in prod.fails("%procengine tail home --stop --every 1s")
    assert "is followed already" in prod.fails("%procengine tail home")
    assert "tail home" not in prod.run("%procengine tail home --stop").text()


def test_a_failed_query_is_a_short_error(prod: Notebook, remote: Remote) -> None:
    """The server's words are shown without a traceback, and without a hint about tables here."""
    text = prod.fails("%%query prod\nSELECT * FROM nope")
    assert text.splitlines() == [
        "Error during planning: table 'public.iox.nope' not found",
        f"{remote.url} says so; --scratch asks for what was written here",
    ]


def test_the_stop_button_ends_a_query(notebook: Notebook, strict: StrictServer) -> None:
    """A cell that waits for the server ends with one word, and the server hears that nobody waits."""
    notebook.run(f"%procengine attach {strict.url} -d p")
    strict.go_on.clear()
    strict.is_waiting.clear()
    # A process that a shell began in the background ignores it.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def press() -> None:
        strict.is_waiting.wait(SECONDS)
        _thread.interrupt_main()

    pressing = threading.Thread(target=press)
    pressing.start()
    try:
        assert notebook.fails("%%query p\nSELECT 1") == "interrupted"
    finally:
        signal.signal(signal.SIGINT, before)
    pressing.join()
    assert strict.left.wait(SECONDS)


def test_a_table_that_is_followed_is_not_missing(prod: Notebook) -> None:
    """A trigger waits for a table here, unless its rows come from the server."""
    plugin = (
        "%%plugin seen --trigger table:home --database prod\n"
        "def process_writes(influxdb3_local, table_batches, args=None):\n    pass\n"
    )
    assert "table home does not exist yet" in prod.run(plugin).text()
    prod.run("%procengine tail home")
    assert "waiting for table" not in prod.run("%procengine triggers").text()


def test_completion_and_help(prod: Notebook) -> None:
    """Options, tokens' variables and attached names complete; the help names the three."""
    magics = prod.shell.magics_manager.registry["ProcengineMagics"]
    complete = magics.loaded.completer.candidates

    def texts(line: str) -> set[str]:
        return {one.text for one in complete(line)[1]}

    assert {"attach", "detach", "tail"} <= texts("%procengine ")
    assert {"--token", "--tail", "--read-write"} <= texts("%procengine attach http://x -")
    prod.shell.user_ns["my_token"] = "t"
    assert texts("%procengine attach http://x --token ") == {"$my_token"}
    assert texts("%procengine detach ") >= {"prod"}
    assert {"--scratch"} <= texts("%%query prod --s")
    help_text = prod.shell.magics_manager.magics["line"]["procengine"].__doc__
    assert all(f"%procengine {action}" in help_text for action in grammar.ACTION_PARSERS)


def test_a_long_query_is_waited_for_in_sight(notebook: Notebook, strict: StrictServer) -> None:
    """From half a second on the cell says whom it waits for; afterwards that is gone."""
    from procengine_jupyter import under_way

    notebook.run(f"%procengine attach {strict.url} -d p")
    strict.go_on.clear()
    shown = threading.Event()
    original = under_way.new_handle

    def new_handle() -> object:
        shown.set()
        strict.go_on.set()
        return original()

    under_way.new_handle = new_handle
    try:
        found = notebook.run("%%query p --as arrow\nSELECT 1")
    finally:
        under_way.new_handle = original
    assert found.to_pylist() == [{"x": 1}]
    assert shown.is_set()
    assert any(text.startswith(f"waiting: {strict.url}") for text in notebook.shown)
    assert notebook.shown[-1] == ""


def test_a_kernel_that_began_anew_says_what_was_attached(
    plain_notebook: Notebook, strict: StrictServer
) -> None:
    """After a restart of the kernel the name is the local database's, and the card says so, until it is attached."""
    plain_notebook.run("%load_ext procengine")
    plain_notebook.run(f"%procengine attach {strict.url} --database flat --name prod")
    plain_notebook.run("%%write prod\nhome,room=Cellar temp=1 3")
    plain_notebook.run("%procengine restart")
    assert "attached      prod: database flat" in engine_card(plain_notebook.engine).text()
    plain_notebook.run("%unload_ext procengine")  # its memory goes with it, as a kernel's does
    plain_notebook.run("%load_ext procengine")
    card = engine_card(plain_notebook.engine).text()
    assert (
        f"no longer attached prod: was database flat of {strict.url}, and is the local database of that name now; "
        f"%procengine attach {strict.url} --database flat --name prod"
    ) in " ".join(card.split())
    rows = plain_notebook.run("%%query prod --as arrow\nSELECT room FROM home")
    assert rows.to_pylist() == [{"room": "Cellar"}]
    plain_notebook.run(f"%procengine attach {strict.url} --database flat --name prod")
    assert "no longer attached" not in engine_card(plain_notebook.engine).text()
    plain_notebook.run("%procengine detach prod\n%procengine restart")
    assert "no longer attached" not in engine_card(plain_notebook.engine).text()
