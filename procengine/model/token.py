"""What is known of a token that admits to the API?

Its text is handed out once, when it is made; kept is what SHA-512 makes of it.

Source: influxdb3_authz/src/lib.rs, TokenInfo; influxdb3_catalog/src/catalog/versions/v3/schema/tokens.rs
    (create_token_and_hash, compute_token_hash).
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from typing import Final

ADMIN_TOKEN_NAME: Final = "_admin"
"""The operator's token: there from the first start, regenerated but never deleted."""

_PREFIX: Final = "apiv3_"
_SECRET_BYTES: Final = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token, without its text. Instants are milliseconds UTC; ``hash`` is SHA-512 in hexadecimal.

    ``expiry_ms`` None: it never expires. All tokens are admin tokens.
    """

    token_id: int
    name: str
    hash: str
    created_ms: int
    expiry_ms: int | None = None
    updated_ms: int | None = None

    def is_active(self, now_ms: int) -> bool:
        """Tell whether it admits at an instant."""
        return self.expiry_ms is None or self.expiry_ms > now_ms


def new_token_text() -> str:
    """Return the text of a new token: 64 random bytes, in Base64 after the original's prefix."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_SECRET_BYTES)).decode()


def token_hash(text: bytes) -> str:
    """Return what is kept of a token's text."""
    return hashlib.sha512(text).hexdigest()
