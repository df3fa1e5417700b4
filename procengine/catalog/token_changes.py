"""May this token be made, renewed or deleted?

Each function takes a state and returns the event, or raises what the original answers.

Source: influxdb3_catalog/src/catalog/versions/v3/ops/token.rs.
"""

from __future__ import annotations

from procengine.catalog.state import CatalogState
from procengine.errors import (
    AlreadyExistsError,
    InvalidInputError,
    NotFoundError,
    OperationRefusedError,
)
from procengine.model.catalog_event import TokenCreated, TokenDeleted, TokenRegenerated
from procengine.model.token import ADMIN_TOKEN_NAME, Token


def create_token(
    state: CatalogState, name: str, *, hash_: str, now_ms: int, expiry_ms: int | None
) -> TokenCreated:
    """Return the creation of a token, under the next id."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise InvalidInputError(f"token name {name!r} is not Unicode text") from error
    if name in state.tokens:
        raise AlreadyExistsError(f"token name already exists, {name}")
    token = Token(
        token_id=state.next_token_id, name=name, hash=hash_, created_ms=now_ms, expiry_ms=expiry_ms
    )
    return TokenCreated(token=token)


def regenerate_admin_token(state: CatalogState, *, hash_: str, now_ms: int) -> TokenRegenerated:
    """Return the change of the operator's token to another text.

    Differs: where there is none, the original answers 500.
    """
    if ADMIN_TOKEN_NAME not in state.tokens:
        raise NotFoundError("missing admin token, cannot update")
    return TokenRegenerated(name=ADMIN_TOKEN_NAME, hash=hash_, updated_ms=now_ms)


def delete_token(state: CatalogState, name: str) -> TokenDeleted:
    """Return the deletion of a token."""
    if name == ADMIN_TOKEN_NAME:
        raise OperationRefusedError("cannot delete operator token")
    if name not in state.tokens:
        raise NotFoundError(f"the requested resource was not found: {name}")
    return TokenDeleted(name=name)
