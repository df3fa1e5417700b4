"""Who may ask?

Whoever shows the text of a token that the catalog knows and that has not expired, or of the server's own session
token. Comparisons are of SHA-512 hashes, by a dictionary: how long they take says nothing of a token's text.

Source: influxdb3_server/src/http.rs, authenticate_request, validate_auth_header, token_part_as_bytes,
    extract_v1_auth_token.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from procengine.clock import Clock
from procengine.http.failures import HttpError, spaced_json_error
from procengine.http.head import form_pairs
from procengine.model.token import Token, new_token_text, token_hash

if TYPE_CHECKING:
    from procengine.catalog import Catalog

_SCHEMES: Final = (b"Bearer", b"Token", b"Basic")
_PASSWORD_PATHS: Final = ("/write", "/query")
"""Where a token may come as the parameter ``p``."""

_NANOSECONDS_PER_MILLISECOND: Final = 1_000_000

MOST_HASHES: Final = 64
"""Of how many headers the hash is kept."""


class Authentication:
    """Checks the tokens of requests. Any thread.

    ``required`` False lets everyone in, but refuses a malformed header all the same, as the original does.
    """

    def __init__(self, catalog: Catalog, clock: Clock, *, required: bool) -> None:
        self.required = required
        self._catalog = catalog
        self._clock = clock
        self._session_hash: str | None = None
        # The tokens of a state of the catalog, by hash: replaced as one when the state has others.
        self._known: tuple[Mapping[str, Token], dict[str, Token]] = ({}, {})
        # The hashes of headers that admitted, so that clients who stay are not hashed again for each request;
        # whether the hash admits is asked each time.
        self._hashes: dict[bytes, str] = {}

    def new_session_token(self) -> str:
        """Return a new token that admits while this server runs; the one before admits no more."""
        text = new_token_text()
        self._session_hash = token_hash(text.encode())
        return text

    def check(self, path: str, query: bytes, headers: Mapping[bytes, bytes]) -> None:
        """Let a request in, or say why not.

        Raises: HttpError: its header is malformed (400), or it shows no token that admits (401).
        """
        shown = _password(path, query)
        header = headers.get(b"authorization") if shown is None else None
        if header is not None:
            known = self._hashes.get(header)
            if known is not None and self._admits(known):
                return
            shown = token_of_header(header)
        if not self.required:
            return
        if shown is None or not self._admits(hash_ := token_hash(shown)):
            raise spaced_json_error(401, "the request was not authenticated")
        if header is not None:
            if len(self._hashes) >= MOST_HASHES:
                self._hashes.clear()
            self._hashes[header] = hash_

    def admits(self, text: bytes) -> bool:
        """Tell whether the text of a token admits at this moment."""
        return self._admits(token_hash(text))

    def _admits(self, hash_: str) -> bool:
        if hash_ == self._session_hash:
            return True
        token = self._by_hash().get(hash_)
        if token is None:
            return False
        return token.expiry_ms is None or token.is_active(
            self._clock.now_ns() // _NANOSECONDS_PER_MILLISECOND
        )

    def _by_hash(self) -> dict[str, Token]:
        tokens = self._catalog.state.tokens
        known, by_hash = self._known
        if known is not tokens:
            by_hash = {token.hash: token for token in tokens.values()}
            self._known = (tokens, by_hash)
        return by_hash


def token_of_header(header: bytes) -> bytes:
    """Return the token in an ``Authorization`` header.

    Raises: HttpError (400): there is none of the forms that are accepted.
    """
    parts = header.split(b" ")
    if len(parts) != 2 or parts[0] not in _SCHEMES or not header.isascii():
        raise _malformed()
    return parts[1] if parts[0] != b"Basic" else _token_of_basic(parts[1])


def _token_of_basic(encoded: bytes) -> bytes:
    try:
        decoded = base64.b64decode(encoded, validate=True)
        decoded.decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise _malformed() from error
    user, colon, token = decoded.rpartition(b":")
    if not colon or b":" in user:
        raise _malformed()
    return token


def _password(path: str, query: bytes) -> bytes | None:
    if path not in _PASSWORD_PATHS or b"p=" not in query:
        return None
    passwords = [value for name, value in form_pairs(query) if name == "p"]
    return passwords[0].encode("utf-8", "replace") if len(passwords) == 1 else None


def _malformed() -> HttpError:
    return spaced_json_error(
        400,
        "Authorization header was malformed, the request was not in the form of 'Authorization: <auth-scheme> "
        "<token>', supported auth-schemes are Bearer, Token and Basic",
    )
