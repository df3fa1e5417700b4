"""The API is for this machine: what a page elsewhere can make a browser send is refused."""

from __future__ import annotations

import httpx
import pytest

LOCAL = ["127.0.0.1", "127.0.0.1:1", "localhost", "LOCALHOST:8181", "localhost.", "[::1]:9", "127.1.2.3"]
FOREIGN = [
    "example.org",
    "example.org:8181",
    "127.0.0.1.example.org",
    "localhost.example.org",
    "127.0.0.1@example.org",
    "0.0.0.0",
    "192.168.0.1",
    "[::2]",
    "[::1",
    "a b",
]


@pytest.fixture(params=[True, False], ids=["tokens", "no tokens"])
def options(request: pytest.FixtureRequest) -> dict[str, object]:
    return {"without_auth": not request.param}


def test_hosts_of_this_machine(api: httpx.Client) -> None:
    """``Host`` may be any name of the loopback interface, whatever the port."""
    for host in LOCAL:
        assert api.get("/health", headers={"Host": host}).status_code == 200, host


def test_hosts_of_others(api: httpx.Client) -> None:
    """A ``Host`` that another name resolves to is refused before anything else, whatever the token and method."""
    for host in FOREIGN:
        for method in ("GET", "OPTIONS"):
            answer = api.request(method, "/health", headers={"Host": host})
            assert answer.status_code == 403, host
            assert "Host" in answer.json()["error"]
            assert "access-control-allow-origin" not in answer.headers


class TestWithoutTokens:
    """Without tokens the page matters as well."""

    @pytest.fixture
    def options(self) -> dict[str, object]:
        return {"without_auth": True}

    def test_origins_of_this_machine(self, anyone: httpx.Client) -> None:
        """A page from this machine may ask; nobody is told that others may."""
        for origin in ("http://localhost:8888", "https://127.0.0.1", "http://[::1]:8888"):
            answer = anyone.get("/health", headers={"Origin": origin})
            assert answer.status_code == 200
            assert "access-control-allow-origin" not in answer.headers

    def test_origins_elsewhere(self, anyone: httpx.Client) -> None:
        """Pages from elsewhere, or from nowhere, are refused."""
        for origin in ("https://example.org", "null", "http://localhost.example.org", "file://", ""):
            for method in ("GET", "POST", "OPTIONS"):
                answer = anyone.request(method, "/health", headers={"Origin": origin})
                assert answer.status_code == 403, origin
                assert "access-control-allow-origin" not in answer.headers
