"""What does a request's head say, and has it come before?

Clients that ask again mostly ask in the same words: a page that looks each second, a script that posts in a loop, the
64 connections of a load. `KnownHeads` finds what was read of such a head by its bytes, without reading it again; a
`Head` keeps what was made of it besides.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from starlette.types import Scope

    from procengine.http.routes import Route

END_OF_HEAD: Final = b"\r\n\r\n"

MOST_HEADS: Final = 256
LONGEST_HEAD_BYTES: Final = 4_096
"""How many heads are known at most, and how long one is that is kept: together no more than a megabyte."""


class Head:
    """What a request's head says. It may be that of many requests, one after the other and at once.

    ``path`` is as it was sent, percent signs and all; ``query`` has no question mark. ``headers`` have lower-case
    names; of one given twice the last stands. ``body_bytes`` is the length of the body that follows, where the head
    says it in that way, else 0. ``route`` and ``label`` are the application's, once it has found them.
    """

    __slots__ = (
        "_plugin_headers",
        "_query_params",
        "body_bytes",
        "headers",
        "label",
        "method",
        "path",
        "query",
        "route",
    )

    def __init__(
        self,
        method: str,
        path: str,
        query: bytes,
        headers: Mapping[bytes, bytes],
        *,
        body_bytes: int = 0,
    ) -> None:
        self.method = method
        self.path = path
        self.query = query
        self.headers = headers
        self.body_bytes = body_bytes
        self.route: Route | None = None
        self.label: str | None = None
        self._query_params: Mapping[str, str] | None = None
        self._plugin_headers: Mapping[str, str] | None = None

    @property
    def query_params(self) -> Mapping[str, str]:
        """The query string as plugins get it: decoded; of a name given twice the last value stands."""
        params = self._query_params
        if params is None:
            params = self._query_params = dict(form_pairs(self.query))
        return params

    @property
    def plugin_headers(self) -> Mapping[str, str]:
        """The headers as plugins get them: as text, without the token."""
        headers = self._plugin_headers
        if headers is None:
            headers = self._plugin_headers = {
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in self.headers.items()
                if name != b"authorization"
            }
        return headers


def head_of(scope: Scope) -> Head:
    """Return the head of a request that ASGI brought."""
    path = scope["raw_path"].decode("ascii", "replace")
    return Head(scope["method"], path, scope["query_string"], dict(scope["headers"]))


def form_pairs(query: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a query string."""
    if not query:
        return []
    return parse_qsl(query.decode("utf-8", "replace"), keep_blank_values=True, errors="replace")


class KnownHeads:
    """The heads of one server that came before, by their bytes. On the server's loop.

    Only those are kept whose request was taken to its route: whoever is refused leaves nothing here.
    """

    def __init__(self) -> None:
        self._heads: dict[bytes, Head] = {}

    def find(self, sent: bytes) -> Head | None:
        """Return the head of a request, whole and alone in ``sent``, or None where that is not known of it."""
        end = sent.find(END_OF_HEAD) + 4
        if end > LONGEST_HEAD_BYTES:
            return None
        head = self._heads.get(sent[:end])
        return head if head is not None and len(sent) - end == head.body_bytes else None

    def keep(self, sent: bytes, head: Head) -> None:
        """Know a head again that was read of ``sent``, where nothing but its request was in that."""
        end = sent.find(END_OF_HEAD) + 4
        if head.route is None or end > LONGEST_HEAD_BYTES or len(sent) - end != head.body_bytes:
            return
        if len(self._heads) >= MOST_HEADS:
            self._heads.clear()
        self._heads[sent[:end]] = head
