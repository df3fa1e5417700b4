"""Whose certificates are trusted?

Those of the system's authorities, and of one more that is named; TLS is spoken in version 1.3, as the original's
client insists on.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from procengine.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """What a client trusts.

    ``ca`` is the path of a certificate authority that is trusted as well as the system's, PEM or, by its suffix, DER;
    with ``no_verify`` any certificate will do.
    """

    ca: str | None = None
    no_verify: bool = False

    def context(self) -> ssl.SSLContext:
        """Return how TLS is spoken.

        Raises: InvalidInputError: the authority cannot be read.
        """
        context = ssl.create_default_context()
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        if self.no_verify:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.ca is None:
            return context
        try:
            data = Path(self.ca).read_bytes()
            context.load_verify_locations(
                cadata=data if self.ca.endswith(".der") else data.decode("ascii")
            )
        except OSError as error:  # that of ssl for what is not a certificate is one too
            reason = "it is not a certificate" if isinstance(error, ssl.SSLError) else error.strerror
            raise InvalidInputError(f"--tls-ca {self.ca!r} cannot be used: {reason}") from error
        except UnicodeDecodeError as error:
            raise InvalidInputError(
                f"--tls-ca {self.ca!r} cannot be used: it is not PEM; DER needs a name that ends in .der"
            ) from error
        return context

    def flight_options(self) -> dict[str, object]:
        """Return the same for a Flight client, by the names of its arguments; gRPC has its own authorities.

        Raises: InvalidInputError: as `context`.
        """
        if self.no_verify or self.ca is None:
            return {"disable_server_verification": self.no_verify}
        known = self.context().get_ca_certs(binary_form=True)
        return {"tls_root_certs": "".join(map(ssl.DER_cert_to_PEM_cert, known)).encode()}
