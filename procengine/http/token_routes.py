"""How are tokens made, renewed and deleted over HTTP?

Source: influxdb3_server/src/http.rs, create_admin_token, regenerate_admin_token, create_named_admin_token,
    delete_token; influxdb3_types/src/http.rs, CreateTokenWithPermissionsResponse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.responses import Response

from procengine.http.failures import HttpError, compact_json
from procengine.http.request import Request
from procengine.http.routes import Route, RouteTable
from procengine.http.serde import FormError
from procengine.model.result_values import format_instant
from procengine.model.token import ADMIN_TOKEN_NAME, Token, new_token_text, token_hash

if TYPE_CHECKING:
    from procengine.catalog import Catalog

TOKENS = "/api/v3/configure/token"


def token_routes(catalog: Catalog) -> RouteTable:
    """Return the routes of tokens."""

    def create_admin(request: Request) -> Response:  # noqa: ARG001
        text, hash_ = _new()
        return _made(catalog.create_token(ADMIN_TOKEN_NAME, hash_), text)

    def regenerate_admin(request: Request) -> Response:  # noqa: ARG001
        text, hash_ = _new()
        return _made(catalog.regenerate_admin_token(hash_), text)

    def create_named(request: Request) -> Response:
        said = request.json()
        name, expiry = said.required("token_name", str), said.optional("expiry_secs", int)
        text, hash_ = _new()
        return _made(catalog.create_token(name, hash_, expiry_seconds=expiry), text)

    def delete(request: Request) -> Response:
        try:
            name = request.form().required("token_name")
        except FormError as error:
            raise HttpError(400, f"serde error: {error}") from error
        catalog.delete_token(name)
        return Response()

    return {
        ("DELETE", TOKENS): Route(answer=delete),
        ("POST", f"{TOKENS}/admin"): Route(answer=create_admin),
        ("POST", f"{TOKENS}/admin/regenerate"): Route(answer=regenerate_admin),
        ("POST", f"{TOKENS}/named_admin"): Route(answer=create_named),
    }


def _new() -> tuple[str, str]:
    text = new_token_text()
    return text, token_hash(text.encode())


def _made(token: Token, text: str) -> Response:
    """Return the one answer that has a token's text.

    Differs: the original's content type is ``json``.
    """
    body = {
        "id": token.token_id,
        "name": token.name,
        "token": text,
        "hash": token.hash,
        "created_at": _instant(token.created_ms),
        "expiry": None if token.expiry_ms is None else _instant(token.expiry_ms),
    }
    return Response(compact_json(body), status_code=201, headers={"content-type": "application/json"})


def _instant(milliseconds: int) -> str:
    return format_instant(milliseconds, "ms", zone="UTC")
