"""Plugins of a git repository behind HTTPS, whose authority git is told of by its own variable."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from procengine.errors import PluginPathError
from tests.certificates import Certificates, make_certificates, needs_openssl
from tests.engine.test_fetched_plugins import SAYS, answer_of, create
from tests.engine.test_git_plugins import Repository, start
from tests.local_server import serving


def _has_backend() -> bool:
    """Tell whether this machine's git can serve repositories by HTTP."""
    git = shutil.which("git")
    if git is None:
        return False
    asked = subprocess.run([git, "--exec-path"], capture_output=True, text=True, check=True)
    return (Path(asked.stdout.strip()) / "git-http-backend").exists()


pytestmark = [needs_openssl, pytest.mark.skipif(not _has_backend(), reason="needs git http-backend")]


@contextmanager
def git_server(folder: Path, certificates: Certificates) -> Iterator[str]:
    """Serve the repositories of a folder by ``git http-backend``; give the address."""

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", 0)))
            parts = urlsplit(self.path)
            variables = {
                "GIT_PROJECT_ROOT": str(folder),
                "GIT_HTTP_EXPORT_ALL": "1",
                "REQUEST_METHOD": self.command,
                "PATH_INFO": unquote(parts.path),
                "QUERY_STRING": parts.query,
                "CONTENT_TYPE": self.headers.get("content-type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
                "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
            }
            said = subprocess.run(
                ["git", "http-backend"],
                input=body,
                env={**os.environ, **variables},
                capture_output=True,
                check=False,
            ).stdout
            head, _, content = said.partition(b"\r\n\r\n")
            headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
            self.send_response(int(headers.pop("Status", "200").split()[0]))
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = answer

        def log_message(self, *args: object) -> None:
            pass

    with serving(Handler, certificates.context()) as url:
        yield url


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Repository:
    """A repository that no settings of this machine touch."""
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    return Repository(tmp_path / "repo")


def test_git_plugin_over_https(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An authority that git does not know is refused; with it the commit is pinned, and updated on demand."""
    certificates = make_certificates(tmp_path)
    first = repository.commit({"rooms/p.py": SAYS.format("first")})
    with git_server(tmp_path, certificates) as url, start(tmp_path) as engine:
        address = f"git+{url}/repo/.git@main#rooms/p.py"
        with pytest.raises(PluginPathError, match="certificate"):
            create(engine, address)
        assert engine.catalog.state.pins == {}
        monkeypatch.setenv("GIT_SSL_CAINFO", str(certificates.authority))
        create(engine, address)
        assert engine.catalog.state.pins == {address: first}
        second = repository.commit({"rooms/p.py": SAYS.format("second")})
        update = engine.plugins.find_update(address)
        assert (update.pinned, update.commit) == (first, second)
        assert update.before == {"rooms/p.py": SAYS.format("first")}
        assert update.after == {"rooms/p.py": SAYS.format("second")}
        assert answer_of(engine) == "first"
        engine.plugins.take_update(address, second)
        assert answer_of(engine) == "second"
    with start(tmp_path) as engine:
        assert answer_of(engine) == "second", "the server is away, and the copy is there"


def test_a_pinned_commit_over_https(
    repository: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit may stand in the address; a branch that moves on does not matter to it."""
    certificates = make_certificates(tmp_path)
    monkeypatch.setenv("GIT_SSL_CAINFO", str(certificates.authority))
    first = repository.commit({"p.py": SAYS.format("first")})
    repository.commit({"p.py": SAYS.format("second")})
    with git_server(tmp_path, certificates) as url, start(tmp_path) as engine:
        create(engine, f"git+{url}/repo/.git@{first}#p.py")
        assert answer_of(engine) == "first"
