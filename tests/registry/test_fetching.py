"""Files of a registry are had within bounds, from a folder or from a server that hangs or lies."""

from __future__ import annotations

import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest

from procengine.errors import InvalidInputError, RegistryError
from procengine.registry.fetching import Fetcher, Patience
from tests.registry.servers import Answer, plain, serving

SOON_SILENT = Patience(silence_seconds=0.2, whole_seconds=60)
SOON_OVER = Patience(silence_seconds=60, whole_seconds=0.4)


def fetched(url: str, *, most_bytes: int = 1_000, fetcher: Fetcher | None = None) -> bytes:
    """Return what stands under an address."""
    return (fetcher or Fetcher()).fetch(url, most_bytes=most_bytes)


def refusal(url: str, *, fetcher: Fetcher | None = None) -> str:
    """Return why nothing was had."""
    with pytest.raises((RegistryError, InvalidInputError)) as caught:
        fetched(url, fetcher=fetcher)
    return str(caught.value)


def from_server(answer: Answer, *, fetcher: Fetcher | None = None) -> str:
    """Return why a server's answer was not taken."""
    with serving({"/x": answer}) as url:
        return refusal(f"{url}/x", fetcher=fetcher).replace(url, "U")


def test_a_file_of_a_folder(tmp_path: Path) -> None:
    """A file is read by its address, up to the largest size."""
    file = tmp_path / "a b.json"
    file.write_bytes(b"x" * 1_000)
    assert fetched(file.as_uri()) == b"x" * 1_000
    file.write_bytes(b"x" * 1_001)
    assert "it has more than 1000 bytes, the most that is taken" in refusal(file.as_uri())


def test_what_is_no_file(tmp_path: Path) -> None:
    """A pipe is not waited for; a folder, a missing file and another machine's are refused."""
    os.mkfifo(tmp_path / "pipe")
    assert "it is not a regular file" in refusal((tmp_path / "pipe").as_uri())
    assert "it is not a regular file" in refusal(tmp_path.as_uri())
    assert "No such file or directory" in refusal((tmp_path / "no").as_uri())
    assert "names no other machine" in refusal("file://server/share/index.json")


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "s3://bucket/x", "x"])
def test_addresses_that_are_not_taken(url: str) -> None:
    """There are https, http and file."""
    assert refusal(url) == f"cannot read {url!r}: accepted are https, http and file"


def test_plain_http_stays_on_this_machine() -> None:
    """Another machine is asked over plain http only where that is allowed."""
    assert "plain http goes to this machine only" in refusal("http://plugins.example.com/index.json")
    with serving({"/x": plain(b"shown")}) as url:
        other = url.replace("127.0.0.1", "0.0.0.0")  # leads here, and is no loopback address
        assert "plain http goes to this machine only" in refusal(f"{other}/x")
        assert fetched(f"{other}/x", fetcher=Fetcher(allow_http=True)) == b"shown"


def test_a_file_of_a_server() -> None:
    """An answer is taken with and without its length said, and after it led on."""

    def unsized(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        handler.wfile.write(b"unsized")

    answers = {"/x": plain(b"sized"), "/y?z=1": unsized, "/on": plain(b"", status=302, location="x")}
    with serving(answers) as url:
        assert fetched(f"{url}/x") == b"sized"
        assert fetched(f"{url}/y?z=1") == b"unsized"
        assert fetched(f"{url}/on") == b"sized"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (plain(b"", status=404), "the server answered 404 Not Found"),
        (plain(b"", status=500), "the server answered 500 Internal Server Error"),
        (plain(b"", content_length="1001"), "it has 1001 bytes; 1000 are the most that is taken"),
        (plain(b"abc", content_length="10"), "it ended after 3 of 10 bytes"),
        (plain(b"", status=302, location="/x"), "it led on more than 5 times"),
        (
            plain(b"", status=302, location="file:///etc/passwd"),
            "it leads on to 'file:///etc/passwd', which is",
        ),
        (plain(b"", status=301, location="http://example.com/"), "plain http goes to this machine only"),
    ],
)
def test_answers_that_are_not_taken(answer: Answer, why: str) -> None:
    """A failure, a size that is too large or wrong, and a way to elsewhere are refused."""
    assert why in from_server(answer)


def test_an_answer_without_an_end() -> None:
    """An answer of no said length is read no further than it may be long."""

    def endless(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 65_536)

    assert (
        from_server(endless) == "cannot read 'U/x': it has more than 1000 bytes, the most that is taken"
    )


def test_a_server_that_says_nothing() -> None:
    """A server that takes the request and is silent is waited for only so long."""
    done = threading.Event()
    try:
        said = from_server(lambda _: done.wait(60) and None, fetcher=Fetcher(patience=SOON_SILENT))
        assert said == "cannot read 'U/x': the server said nothing for too long"
    finally:
        done.set()


@pytest.mark.parametrize("after_head", [False, True])
def test_a_server_that_says_little(after_head: bool) -> None:
    """A server that sends a byte now and then, in the head or in the body, is waited for only so long."""
    done = threading.Event()

    def dripping(handler: BaseHTTPRequestHandler) -> None:
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if after_head else b"x: "))
        while not done.wait(0.02):
            handler.wfile.write(b"x")

    try:
        said = from_server(dripping, fetcher=Fetcher(patience=SOON_OVER))
        assert said == "cannot read 'U/x': it took too long as a whole"
    finally:
        done.set()


def test_a_server_that_is_not_there() -> None:
    """A server that cannot be reached is named, with the reason."""
    with serving({}) as url:
        pass
    assert refusal(f"{url}/x") == f"cannot read '{url}/x': [Errno 111] Connection refused"


@pytest.fixture(scope="module")
def contexts(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """What a server and a client need that trust each other."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    folder = tmp_path_factory.mktemp("tls")
    made = "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=here"
    more = "-addext subjectAltName=IP:127.0.0.1 -keyout key.pem -out cert.pem"
    subprocess.run(["openssl", *f"{made} {more}".split()], cwd=folder, check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cafile=str(folder / "cert.pem"))


@pytest.fixture
def secure(contexts: tuple[ssl.SSLContext, ssl.SSLContext]) -> Iterator[str]:
    """A server of https that answers, and leads on to plain http."""
    answers = {"/x": plain(b"secret"), "/down": plain(b"", status=302, location="http://127.0.0.1:9/x")}
    with serving(answers, contexts[0]) as url:
        yield url


def test_https_is_trusted_by_its_certificate(
    secure: str, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """A certificate that is trusted is taken, another is not."""
    assert fetched(f"{secure}/x", fetcher=Fetcher(context=contexts[1])) == b"secret"
    assert "its certificate is not trusted (self-signed certificate)" in refusal(f"{secure}/x")


def test_what_began_on_https_stays_there(
    secure: str, contexts: tuple[ssl.SSLContext, ssl.SSLContext]
) -> None:
    """A server of https cannot lead on to plain http, even where plain http is allowed."""
    fetcher = Fetcher(allow_http=True, context=contexts[1])
    assert refusal(f"{secure}/down", fetcher=fetcher).endswith(
        "it leads on to 'http://127.0.0.1:9/x', which is not https"
    )
