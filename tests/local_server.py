"""A small HTTP server for tests, on a free port, on a thread of its own."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class _TlsServer(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A client that does not trust the certificate hangs up."""


@contextmanager
def serving(
    handler: type[BaseHTTPRequestHandler],
    context: ssl.SSLContext | None = None,
    *,
    kind: type[ThreadingHTTPServer] | None = None,
) -> Iterator[str]:
    """Serve by a handler within the block, by TLS where there is a context; give the URL."""
    kind = kind or (ThreadingHTTPServer if context is None else _TlsServer)
    server = kind(("127.0.0.1", 0), handler)
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"{'http' if context is None else 'https'}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
