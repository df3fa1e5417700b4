"""A certificate authority of the tests' own, and a server of this machine that it vouches for."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

needs_openssl = pytest.mark.skipif(
    shutil.which("openssl") is None, reason="openssl makes the certificates"
)


@dataclass(frozen=True)
class Certificates:
    """The authority's certificate, and a server's with its key; all PEM."""

    authority: Path
    server: Path
    key: Path

    def context(self) -> ssl.SSLContext:
        """Return how a server speaks TLS."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server, self.key)
        return context


def make_certificates(folder: Path) -> Certificates:
    """Make an authority, and have it sign a certificate of 127.0.0.1."""
    curve = "-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes"
    signed = "x509 -req -in server.csr -days 2 -extfile names -out server.pem"
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    for line in (
        f"req -x509 {curve} -days 2 -subj /CN=authority -keyout authority.key -out authority.pem",
        f"req {curve} -subj /CN=here -keyout server.key -out server.csr",
        f"{signed} -CA authority.pem -CAkey authority.key -CAcreateserial",
    ):
        subprocess.run(["openssl", *line.split()], cwd=folder, check=True, capture_output=True)
    return Certificates(folder / "authority.pem", folder / "server.pem", folder / "server.key")
