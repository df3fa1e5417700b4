"""Section 8, tokens: making, renewing and deleting them, and ``system.tokens`` of section 10.

Source: influxdb3/tests/cli/admin_token.rs (texts).
"""

from __future__ import annotations

import httpx

from procengine import Engine
from procengine.http import Server
from procengine.model.token import ADMIN_TOKEN_NAME, token_hash

TOKENS = "/api/v3/configure/token"
NAMED = f"{TOKENS}/named_admin"


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def test_tokens_named(api: httpx.Client, anyone: httpx.Client) -> None:
    """A named token is answered once with its text, and admits."""
    answer = api.post(NAMED, json={"token_name": "n", "expiry_secs": 3600})
    made = answer.json()
    assert answer.status_code == 201
    assert list(made) == ["id", "name", "token", "hash", "created_at", "expiry"]
    assert (made["id"], made["name"]) == (1, "n")
    assert made["hash"] == token_hash(made["token"].encode())
    assert made["created_at"] == "2023-11-14T22:13:20Z"
    assert made["expiry"] == "2023-11-14T23:13:20Z"
    assert anyone.get("/health", headers=bearer(made["token"])).status_code == 200


def test_tokens_named_without_expiry(api: httpx.Client) -> None:
    """Without seconds a token does not expire."""
    assert api.post(NAMED, json={"token_name": "n"}).json()["expiry"] is None
    assert api.post(NAMED, json={"token_name": "m", "expiry_secs": None}).json()["expiry"] is None


def test_tokens_named_twice(api: httpx.Client) -> None:
    """A name that is taken is 409."""
    api.post(NAMED, json={"token_name": "n"})
    answer = api.post(NAMED, json={"token_name": "n"})
    assert (answer.status_code, answer.text) == (409, "token name already exists, n")


def test_tokens_admin_exists_from_the_start(anyone: httpx.Client) -> None:
    """The operator's token is asked for without one, and is there already."""
    answer = anyone.post(f"{TOKENS}/admin")
    assert (answer.status_code, answer.text) == (409, "token name already exists, _admin")


def test_tokens_admin_regenerated(api: httpx.Client, anyone: httpx.Client, server: Server) -> None:
    """The operator's token gets another text, and the one before admits no more."""
    before = server.admin_token
    assert before is not None
    answer = api.post(f"{TOKENS}/admin/regenerate")
    made = answer.json()
    assert (answer.status_code, made["name"], made["id"]) == (201, ADMIN_TOKEN_NAME, 0)
    assert anyone.get("/health", headers=bearer(before)).status_code == 401
    assert anyone.get("/health", headers=bearer(made["token"])).status_code == 200
    assert anyone.post(f"{TOKENS}/admin/regenerate").status_code == 401
    assert server.token() not in (before, made["token"]), "a session's token takes its place"


def test_tokens_deleted(api: httpx.Client, anyone: httpx.Client) -> None:
    """A deleted token admits no more, also where it has just done."""
    text = api.post(NAMED, json={"token_name": "n"}).json()["token"]
    assert anyone.get("/health", headers=bearer(text)).status_code == 200
    answer = api.delete(TOKENS, params={"token_name": "n"})
    assert (answer.status_code, answer.content) == (200, b"")
    assert anyone.get("/health", headers=bearer(text)).status_code == 401


def test_tokens_deletion_refused(api: httpx.Client) -> None:
    """The operator's token stays, an unknown one is 404, and a name is needed."""
    answer = api.delete(TOKENS, params={"token_name": ADMIN_TOKEN_NAME})
    assert (answer.status_code, answer.text) == (405, "cannot delete operator token")
    answer = api.delete(TOKENS, params={"token_name": "n"})
    assert (answer.status_code, answer.text) == (404, "the requested resource was not found: n")
    answer = api.delete(TOKENS)
    assert (answer.status_code, answer.text) == (400, "serde error: missing field `token_name`")


def test_tokens_bad_bodies(api: httpx.Client) -> None:
    """A body that is no JSON object with a name is refused as serde refuses it."""
    cases = [
        ({"content": "{"}, 415, "unacceptable content-type, expected: application/json"),
        ({"json": {}}, 400, "serde json error: missing field `token_name` at line 1 column 2"),
        (
            {"json": {"token_name": 1}},
            400,
            "serde json error: invalid type: integer `1`, expected a string",
        ),
        (
            {"json": {"token_name": "n", "expiry_secs": -1}},
            400,
            "serde json error: invalid type: integer `-1`, expected u64",
        ),
        ({"json": []}, 400, "serde json error: invalid type: sequence, expected a map"),
    ]
    for body, status, text in cases:
        answer = api.post(NAMED, **body)  # type: ignore[arg-type]
        assert (answer.status_code, answer.text) == (status, text)


def test_tokens_content_type_with_suffix(api: httpx.Client) -> None:
    """A content type that ends with ``+json`` is JSON."""
    headers = {"Content-Type": "application/vnd.api+json; charset=utf-8"}
    answer = api.post(NAMED, content='{"token_name":"n"}', headers=headers)
    assert answer.status_code == 201


def test_tokens_system_table(api: httpx.Client, engine: Engine) -> None:
    """``system.tokens`` shows the tokens with nine digits of their hashes, in ``_internal`` alone."""
    made = api.post(NAMED, json={"token_name": "n", "expiry_secs": 60}).json()
    rows = engine.query("SELECT * FROM system.tokens ORDER BY token_id", "_internal").to_pylist()
    assert [row["name"] for row in rows] == [ADMIN_TOKEN_NAME, "n"]
    assert rows[1]["hash"] == made["hash"][:9]
    assert rows[1]["permissions"] == "*:*:*"
    assert rows[0]["expiry"] is None
    assert (rows[1]["expiry"] - rows[1]["created_at"]).total_seconds() == 60
    api.post("/api/v3/write_lp?db=foo", content="cpu v=1")
    answer = api.get("/api/v3/query_sql", params={"db": "foo", "q": "SELECT * FROM system.tokens"})
    assert answer.status_code == 400


def test_tokens_system_table_without_auth(plugin_dir: object) -> None:
    """Without authentication the table has no column ``hash``."""
    with Engine(object_store="memory", environ={}, without_auth=True) as engine:
        columns = engine.query("SELECT * FROM system.tokens", "_internal").column_names
    assert "hash" not in columns
    assert "permissions" in columns
