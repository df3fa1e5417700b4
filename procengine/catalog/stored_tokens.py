"""Which tokens admit to the API? Of a token's text the catalog has the SHA-512 alone."""

from __future__ import annotations

from procengine.catalog import token_changes
from procengine.catalog.committed_state import CommittedState
from procengine.model.token import Token

NANOSECONDS_PER_MILLISECOND = 1_000_000
LATEST_EXPIRY_MS = 253_402_300_799_000  # 9999-12-31T23:59:59Z


class StoredTokens(CommittedState):
    """The tokens of a catalog."""

    def create_token(self, name: str, hash_: str, *, expiry_seconds: int | None = None) -> Token:
        """Add a token by its text's SHA-512, from now until ``expiry_seconds`` have passed (None: for ever).

        A token that would expire after the year 9999 never does.

        Raises:
            AlreadyExistsError: there is one of this name.
            InvalidInputError: the name is not Unicode text.

        Source: influxdb3_catalog, Catalog::create_named_admin_token.
        """
        now_ms = self._clock.now_ns() // NANOSECONDS_PER_MILLISECOND
        expiry_ms = None if expiry_seconds is None else now_ms + expiry_seconds * 1000
        if expiry_ms is not None and expiry_ms > LATEST_EXPIRY_MS:
            expiry_ms = None
        event, _ = self._commit_one(
            lambda state: token_changes.create_token(
                state, name, hash_=hash_, now_ms=now_ms, expiry_ms=expiry_ms
            )
        )
        return event.token

    def regenerate_admin_token(self, hash_: str) -> Token:
        """Give the operator's token another text, by its SHA-512; the one before admits no more.

        Raises:
            NotFoundError: there is no such token.
        """
        now_ms = self._clock.now_ns() // NANOSECONDS_PER_MILLISECOND
        event, state = self._commit_one(
            lambda state: token_changes.regenerate_admin_token(state, hash_=hash_, now_ms=now_ms)
        )
        return state.tokens[event.name]

    def delete_token(self, name: str) -> None:
        """Remove a token: it admits no more.

        Raises:
            NotFoundError: there is none of this name.
            OperationRefusedError: it is the operator's.
        """
        self._commit_one(lambda state: token_changes.delete_token(state, name))
