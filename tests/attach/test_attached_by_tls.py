"""A server with a certificate of a private authority is read by naming the authority."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from procengine import Engine
from procengine.errors import InvalidInputError
from procengine.remote import UnreachableServerError
from tests.attach.conftest import StrictServer
from tests.certificates import Certificates, make_certificates, needs_openssl

pytestmark = needs_openssl


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """An authority, and what it vouches for."""
    return make_certificates(tmp_path)


@pytest.fixture
def by_tls(certificates: Certificates) -> Iterator[StrictServer]:
    """A Flight server that speaks TLS."""
    pair = (certificates.server.read_bytes(), certificates.key.read_bytes())
    with StrictServer(pair) as server:
        yield server


def test_an_authority_is_named(engine: Engine, by_tls: StrictServer, certificates: Certificates) -> None:
    """Without it nothing is attached; with it, or without any check, queries go to the server."""
    with pytest.raises(UnreachableServerError):
        engine.attach(by_tls.url, None, "prod")
    assert engine.attachments.all() == ()
    assert by_tls.asked == []
    engine.attach(by_tls.url, None, "prod", tls_ca=str(certificates.authority))
    assert engine.query("SELECT x FROM t", "prod").to_pydict() == {"x": [1]}
    engine.attach(by_tls.url, None, "prod", name="unseen", tls_no_verify=True)
    assert engine.query("SELECT x FROM t", "unseen").to_pydict() == {"x": [1]}


def test_an_authority_is_kept_for_the_next_engine(
    engine: Engine, by_tls: StrictServer, certificates: Certificates, tmp_path: Path
) -> None:
    """What another engine of the process attaches again trusts the same."""
    terms = engine.attach(by_tls.url, None, "prod", tls_ca=str(certificates.authority)).terms
    with Engine(object_store="memory", environ={}) as another:
        another.attachments.attach_again(terms)
        assert another.query("SELECT x FROM t", "prod").to_pydict() == {"x": [1]}


def test_what_is_no_authority_is_refused(engine: Engine, certificates: Certificates) -> None:
    """A file that is no certificate is named, before anything is asked."""
    with pytest.raises(InvalidInputError, match=r"--tls-ca .*server\.key.* it is not a certificate"):
        engine.attach("https://127.0.0.1:9", None, "prod", tls_ca=str(certificates.key))
