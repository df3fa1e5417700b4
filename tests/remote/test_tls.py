"""A server's certificate is checked, unless it is said not to."""

from __future__ import annotations

import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from procengine.errors import InvalidInputError
from procengine.model.result_format import ResultFormat
from procengine.remote import RemoteServer, UnreachableServerError

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 that its own key has signed, PEM; its key and its DER lie beside it."""
    folder = tmp_path_factory.mktemp("tls")
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=here"
    more = "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
    for line in (f"{made} {more}", "x509 -in cert.pem -outform der -out cert.der"):
        subprocess.run(["openssl", *line.split()], cwd=folder, check=True, capture_output=True)
    return folder / "cert.pem"


@pytest.fixture
def url(certificate: Path) -> Iterator[str]:
    """A server that speaks TLS and answers every request alike."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"shown")

        def log_message(self, *args: object) -> None:
            pass

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that does not trust the certificate hangs up."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("key.pem"))
    server = Quiet(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def shown(server: RemoteServer) -> bytes:
    """Make a request."""
    return server.show_databases(ResultFormat.PRETTY, deleted_too=False)


def test_an_unknown_certificate_is_refused(url: str) -> None:
    """The text says why, and what to do."""
    with pytest.raises(UnreachableServerError, match=r"is not trusted: self-signed .*--tls-ca"):
        shown(RemoteServer(url))


@pytest.mark.parametrize("name", ["cert.pem", "cert.der"])
def test_a_named_authority_is_trusted(url: str, certificate: Path, name: str) -> None:
    """``--tls-ca`` takes PEM and DER."""
    assert shown(RemoteServer(url, tls_ca=str(certificate.with_name(name)))) == b"shown"


def test_the_check_can_be_left_out(url: str) -> None:
    """``--tls-no-verify`` takes any certificate."""
    assert shown(RemoteServer(url, tls_no_verify=True)) == b"shown"


def test_what_is_no_certificate_is_refused(certificate: Path) -> None:
    """A key, or DER without its suffix, is told as such."""
    with pytest.raises(InvalidInputError, match="it is not a certificate"):
        RemoteServer("https://x", tls_ca=str(certificate.with_name("key.pem")))
    der = certificate.with_name("cert.crt")
    der.write_bytes(certificate.with_name("cert.der").read_bytes())
    with pytest.raises(InvalidInputError, match=r"DER needs a name that ends in \.der"):
        RemoteServer("https://x", tls_ca=str(der))
