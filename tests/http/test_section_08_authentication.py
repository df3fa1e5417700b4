"""Section 8, authentication: which requests are let in, and what the others are told.

Source: influxdb3/tests/server/auth.rs (cases and texts).
"""

from __future__ import annotations

import base64

import httpx
import pytest

from procengine import Engine
from procengine.clock import VirtualClock
from procengine.http import Server
from procengine.model.token import ADMIN_TOKEN_NAME, token_hash

UNAUTHENTICATED = '{"error": "the request was not authenticated"}'
MALFORMED = (
    '{"error": "Authorization header was malformed, the request was not in the form of '
    "'Authorization: <auth-scheme> <token>', supported auth-schemes are Bearer, Token and Basic\"}"
)
LINE = "cpu,host=a val=1i 2998574937"


def basic(text: str) -> str:
    return f"Basic {base64.b64encode(text.encode()).decode()}"


@pytest.mark.parametrize("scheme", ["Bearer {}", "Token {}", "basic:user:{}", "basic::{}"])
def test_authentication_schemes(anyone: httpx.Client, server: Server, scheme: str) -> None:
    """A token is shown by Bearer, Token, or Basic, whose user does not matter."""
    shown = scheme.format(server.token())
    header = basic(shown.removeprefix("basic:")) if shown.startswith("basic:") else shown
    answer = anyone.get("/health", headers={"Authorization": header})
    assert (answer.status_code, answer.text) == (200, "OK")


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"auth": "Bearer x"},
        {"Authorization": "Bearer apiv3_unknown"},
        {"Authorization": basic("user:apiv3_unknown")},
    ],
)
def test_authentication_missing_or_unknown_token(anyone: httpx.Client, headers: dict[str, str]) -> None:
    """Without a token that the catalog knows the answer is 401, whatever the route."""
    for method, path in (
        ("GET", "/health"),
        ("GET", "/ping"),
        ("GET", "/metrics"),
        ("POST", "/api/v3/write_lp?db=a"),
        ("GET", "/api/v3/query_sql?db=a&q=SELECT+1"),
        ("GET", "/api/v3/engine/x"),
        ("POST", "/api/v3/configure/token/named_admin"),
        ("GET", "/nowhere"),
    ):
        answer = anyone.request(method, path, headers=headers)
        assert (answer.status_code, answer.text) == (401, UNAUTHENTICATED), path
        assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize(
    "header",
    [
        "Bearer",
        "bearer {}",
        "Bearer {} whee",
        "Bearer  {}",
        "Digest {}",
        "{}",
        "",
        "Basic {}",
        basic("no colon"),
        basic("a:b:c"),
        "Basic " + base64.b64encode(b"user:\xff").decode(),
    ],
)
def test_authentication_malformed_header(anyone: httpx.Client, server: Server, header: str) -> None:
    """A header of another form is 400."""
    shown = header.format(server.token())
    answer = anyone.get("/health", headers={"Authorization": shown})
    assert (answer.status_code, answer.text) == (400, MALFORMED)


def test_authentication_header_that_is_not_ascii(anyone: httpx.Client) -> None:
    """Bytes that are no ASCII are a malformed header."""
    answer = anyone.get("/health", headers={b"Authorization": b"Bearer \xff\xfe"})
    assert (answer.status_code, answer.text) == (400, MALFORMED)


@pytest.mark.parametrize("path", ["/write", "/query"])
def test_authentication_by_password_parameter(anyone: httpx.Client, server: Server, path: str) -> None:
    """The routes of InfluxDB 1 take the token as ``p``, which wins over a header, even a malformed one."""
    params = {"db": "foo", "p": server.token(), "u": "ignored"}
    admitted = anyone.post(path, params=params, content=LINE, headers={"Authorization": "nonsense"})
    assert admitted.status_code == (204 if path == "/write" else 405)
    headers = {"Authorization": f"Bearer {server.token()}"}
    refused = anyone.post(path, params=params | {"p": "wrong"}, content=LINE, headers=headers)
    assert (refused.status_code, refused.text) == (401, UNAUTHENTICATED)


def test_authentication_password_parameter_is_for_those_routes_alone(
    anyone: httpx.Client, server: Server
) -> None:
    """Elsewhere ``p`` is no token."""
    params = {"db": "foo", "p": server.token()}
    assert anyone.post("/api/v3/write_lp", params=params, content=LINE).status_code == 401


def test_authentication_expired_token(
    api: httpx.Client, anyone: httpx.Client, clock: VirtualClock
) -> None:
    """A named token admits until its time has come."""
    body = {"token_name": "short", "expiry_secs": 60}
    text = api.post("/api/v3/configure/token/named_admin", json=body).json()["token"]
    headers = {"Authorization": f"Bearer {text}"}
    clock.advance(59.999)
    assert anyone.get("/health", headers=headers).status_code == 200
    clock.advance(0.001)
    answer = anyone.get("/health", headers=headers)
    assert (answer.status_code, answer.text) == (401, UNAUTHENTICATED)


def test_authentication_first_start_makes_the_admin_token(engine: Engine) -> None:
    """The first server makes the operator's token; later ones know its hash alone, and admit it."""
    with Server(engine) as first:
        text = first.token()
        assert text == first.admin_token
        assert engine.catalog.state.tokens[ADMIN_TOKEN_NAME].hash == token_hash(text.encode())
    with Server(engine) as second:
        assert second.admin_token is None
        assert second.token() != text
        for shown in (text, second.token()):
            headers = {"Authorization": f"Bearer {shown}"}
            assert httpx.get(f"{second.url}/health", headers=headers).status_code == 200


def test_authentication_session_token_ends_with_its_server(engine: Engine) -> None:
    """A token that is made for a session is in no catalog, and another server does not know it."""
    Server(engine).start()
    with Server(engine) as second:
        session = second.token()
        assert list(engine.catalog.state.tokens) == [ADMIN_TOKEN_NAME]
    with Server(engine) as third:
        headers = {"Authorization": f"Bearer {session}"}
        assert httpx.get(f"{third.url}/health", headers=headers).status_code == 401


class TestOpenResources:
    """With ``disable_authz`` some resources need no token."""

    @pytest.fixture
    def options(self) -> dict[str, object]:
        return {"disable_authz": "health,ping"}

    def test_authentication_open_resources(self, anyone: httpx.Client) -> None:
        """Those that are named are served to all, the others are not."""
        for path in ("/health", "/api/v1/health", "/ping"):
            headers = {"Authorization": "not looked at"}
            assert anyone.get(path, headers=headers).status_code == 200
        for path in ("/metrics", "/ready"):
            assert anyone.get(path).status_code == 401


class TestWithoutAuth:
    """Started without authentication."""

    @pytest.fixture
    def options(self) -> dict[str, object]:
        return {"without_auth": True}

    def test_authentication_off_lets_everyone_in(self, anyone: httpx.Client, engine: Engine) -> None:
        """No token is needed, and none is made; a malformed header is refused all the same."""
        assert anyone.post("/api/v3/write_lp?db=foo", content=LINE).status_code == 204
        assert anyone.get("/health", headers={"Authorization": "Bearer any"}).status_code == 200
        answer = anyone.get("/health", headers={"Authorization": "bearer any"})
        assert (answer.status_code, answer.text) == (400, MALFORMED)
        assert dict(engine.catalog.state.tokens) == {}

    @pytest.mark.parametrize("path", ["admin", "admin/regenerate", "named_admin"])
    def test_authentication_off_has_no_token_routes(self, anyone: httpx.Client, path: str) -> None:
        """Routes of tokens answer 405."""
        answer = anyone.post(f"/api/v3/configure/token/{path}")
        assert (answer.status_code, answer.text) == (405, "endpoint disabled, started without auth")
        assert anyone.delete("/api/v3/configure/token?token_name=a").status_code == 405
