"""A proxy that lets requests through until one, whose connection it cuts: before the server has it, or after."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from urllib.parse import urlsplit

from tests.local_server import serving

SECONDS = 30.0


@dataclass
class Cutting:
    """Where the proxy is, how many requests came, and which is cut: its number from 0; None cuts none."""

    url: str
    count: int = 0
    cut_at: int | None = None
    lets_it_through: bool = False

    def begin(self, cut_at: int | None) -> None:
        """Count anew."""
        self.count, self.cut_at = 0, cut_at


@contextmanager
def cutting_proxy(to: str) -> Iterator[Cutting]:
    """Serve in front of a server, on a free port."""
    target = urlsplit(to)
    state = Cutting("")

    class Handler(BaseHTTPRequestHandler):
        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            number = state.count
            state.count += 1
            is_cut = number == state.cut_at
            if is_cut and not state.lets_it_through:
                return
            connection = http.client.HTTPConnection(target.hostname or "", target.port, timeout=SECONDS)
            headers = {
                name: value
                for name, value in self.headers.items()
                if name.lower() in {"authorization", "content-type", "content-length"}
            }
            connection.request(self.command, self.path, body or None, headers)
            answer = connection.getresponse()
            said = answer.read()
            connection.close()
            if is_cut:
                return
            self.send_response(answer.status)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        do_GET = do_POST = do_PUT = do_DELETE = forward

        def log_message(self, *args: object) -> None:
            pass

    with serving(Handler) as state.url:
        yield state
