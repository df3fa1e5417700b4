"""A server of plugin files on loopback that does what it is told to."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Answer = Callable[[BaseHTTPRequestHandler], None]


class PluginServer:
    """Answers by path: with a text, or as a function does; others are not found."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, str | Answer] = {}
        self.asked: list[str] = []
        self.ended = threading.Event()
        """Set when the server ends: for answers that hold back."""


@contextmanager
def plugin_server() -> Iterator[PluginServer]:
    """Serve within the block."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            served.asked.append(self.path)
            answer = served.files.get(self.path.partition("?")[0])
            if callable(answer):
                answer(self)
                return
            self.send_response(404 if answer is None else 200)
            body = (answer or "").encode()
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served = PluginServer(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield served
    finally:
        served.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
