"""Servers on this machine that answer as they are told to."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests import local_server

Answer = Callable[[BaseHTTPRequestHandler], None]


def plain(data: bytes, *, status: int = 200, **headers: str) -> Answer:
    """Return an answer of some bytes; an underscore in a header's name stands for a dash."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"content_length": str(len(data)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        handler.wfile.write(data)

    return answer


@contextmanager
def serving(answers: dict[str, Answer], context: ssl.SSLContext | None = None) -> Iterator[str]:
    """Serve answers by path; give the address of the server."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers.get(self.path, plain(b"", status=404))(self)

        def log_message(self, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that has had enough hangs up."""

    with local_server.serving(Handler, context, kind=Quiet) as url:
        yield url
