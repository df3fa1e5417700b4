"""A notebook's engine is served: where, and with which token."""

from __future__ import annotations

import json
import threading
from typing import Any
from urllib.request import Request, urlopen

from procengine.http import server_of
from tests.extension.conftest import HOT_ROOMS, Notebook


def api_line(text: str) -> str:
    (line,) = [line for line in text.splitlines() if line.strip().startswith("API")]
    return line


def ask(notebook: Notebook, path: str, data: bytes | None = None) -> bytes:
    server = server_of(notebook.run("%procengine"))
    assert server is not None
    headers = {"Authorization": f"Bearer {notebook.run('%procengine token')}"}
    with urlopen(Request(f"{server.url}{path}", data, headers)) as answer:
        body: bytes = answer.read()
    return body


def test_api_serves_the_notebooks_engine(notebook: Notebook) -> None:
    """What is written over HTTP runs the notebook's plugins and is seen by its queries, and the other way round."""
    notebook.run(HOT_ROOMS)
    ask(notebook, "/api/v3/write_lp?db=house", b"home,room=Attic temp=24.5")
    engine = notebook.run("%procengine")
    assert engine.wait_idle(30)
    rows = json.loads(ask(notebook, "/api/v3/query_sql?db=house&q=SELECT+room,temp+FROM+alert"))
    assert rows == [{"room": "Attic", "temp": 24.5}]


def test_api_card_shows_the_address_and_no_token(notebook: Notebook) -> None:
    """The status card says where the API is and how its token is had; no card and no display has the token."""
    token = notebook.run("%procengine token")
    engine = notebook.run("%procengine")
    server = server_of(engine)
    assert server is not None
    bundle = notebook.shell.display_formatter.mimebundle_formatter(engine)
    bundle = bundle[0] if isinstance(bundle, tuple) else bundle
    assert api_line(bundle["text/plain"]).split() == [
        "API",
        server.url,
        "(%procengine",
        "token",
        "gives",
        "a",
        "token)",
    ]
    assert server.url in bundle["text/html"]
    notebook.run("%procengine config")
    assert token not in repr(notebook.shell.display_pub.bundles) + repr(bundle)


def test_api_token_of_a_later_session(notebook: Notebook) -> None:
    """A restart on the same data folder takes the token of before, and gives another that is accepted as well."""
    notebook.run("%procengine restart --data-dir elsewhere")
    first = notebook.run("%procengine token")
    notebook.run("%procengine restart --data-dir elsewhere")
    second = notebook.run("%procengine token")
    assert first != second
    server = server_of(notebook.run("%procengine"))
    assert server is not None
    for token in (first, second):
        headers = {"Authorization": f"Bearer {token}"}
        with urlopen(Request(f"{server.url}/health", headers=headers)) as answer:
            assert answer.read() == b"OK"


def test_api_takes_the_next_free_port(notebook: Notebook) -> None:
    """Where the configured port is taken the next one that is free is taken, and shown."""
    server = server_of(notebook.run("%procengine"))
    assert server is not None
    assert server.url is not None
    taken = int(server.url.rpartition(":")[2])
    from procengine import Engine
    from procengine.http import Server

    with (
        Engine(environ={}, http_bind=f"127.0.0.1:{taken}") as engine,
        Server(engine, next_free=True) as other,
    ):
        assert other.url is not None
        assert int(other.url.rpartition(":")[2]) > taken or taken > 65_000


def test_api_off(notebook: Notebook) -> None:
    """With ``http_bind`` off nothing listens, and asking for a token says so."""
    card: Any = notebook.run("%procengine restart --http-bind off")
    assert server_of(card) is None
    assert notebook.fails("%procengine token") == "the API is off; http_bind turns it on"
    assert not [one for one in threading.enumerate() if one.name == "procengine-api"]


def test_api_without_tokens(notebook: Notebook) -> None:
    """Without authentication there is no token, and the card says that the API is open."""
    engine = notebook.run("%procengine restart --without-auth true")
    assert notebook.fails("%procengine token") == "the API takes requests without a token (without_auth)"
    from procengine_jupyter.status import engine_card

    assert "(open, without tokens)" in api_line(engine_card(engine).plain())
