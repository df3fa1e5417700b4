"""How is the API started and stopped?

`Server.start` binds the port and makes the admin token on the caller's thread; all else, the import of uvicorn
included, happens on the thread ``procengine-api``. Clients that come before it is ready wait in the socket's queue.

Stopping is in two steps, for the engine's sake: the door is closed first, then the engine cancels runs and ends its
parts, which answers what was begun, then the thread is waited for.
"""

from __future__ import annotations

import logging
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from procengine.errors import AlreadyExistsError, StoppedError
from procengine.http.address import base_url, listening_socket
from procengine.http.authentication import Authentication
from procengine.model.token import ADMIN_TOKEN_NAME, new_token_text, token_hash
from procengine.option_values import NO_SERVER

if TYPE_CHECKING:
    import socket

    from procengine.engine import Engine
    from procengine.http.serving import Serving

logger = logging.getLogger(__name__)

GRACE_SECONDS = 5.0
"""How long `Server.stop` waits for requests that were begun."""


def server_of(engine: Engine) -> Server | None:
    """Return the server that an engine is served by, the last one started, or None."""
    servers = [one for one in engine.services if isinstance(one, Server)]
    return servers[-1] if servers else None


class Server:
    """The API of one engine; `stop` ends it, as does stopping the engine or leaving its ``with`` block.

    The engine's options say where it listens and whom it lets in. ``next_free`` takes the next port where the
    configured one is taken. Any thread.
    """

    def __init__(self, engine: Engine, *, next_free: bool = False) -> None:
        self._engine = engine
        self._next_free = next_free
        self._authentication = Authentication(
            engine.catalog, engine.clock, required=not engine.config.without_auth
        )
        # Guards the steps of starting and stopping.
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._listener: socket.socket | None = None
        self._thread: threading.Thread | None = None
        self._serving: Serving | None = None
        self._is_leaving = False
        self._admin_token: str | None = None
        self._session_token: str | None = None
        self._failure: BaseException | None = None
        self.url: str | None = None

    def start(self) -> None:
        """Listen. With ``http_bind`` ``off`` nothing happens.

        Raises:
            AddressInUseError: the port is taken.
            StorageError: the address cannot be listened on, or the admin token not be stored.
            StoppedError: the server, or the engine, was stopped.
        """
        with self._lock:
            if self._is_leaving:
                raise StoppedError("the server is stopped; make another")
            if self._thread is not None or self._engine.config.http_bind == NO_SERVER:
                return
            self._listener = listening_socket(self._engine.config.http_bind, next_free=self._next_free)
            try:
                self._make_admin_token()
                self._engine.add_service(self)
            except BaseException:
                self._listener.close()
                raise
            self.url = base_url(self._listener)
            self._thread = threading.Thread(target=self._run, name="procengine-api", daemon=True)
            self._thread.start()

    def wait_ready(self, timeout_seconds: float | None = None) -> bool:
        """Wait until requests are answered; tell whether that came in time.

        Raises: StoppedError: the server could not begin, or was stopped before it did.
        """
        if not self._ready.wait(timeout_seconds):
            return False
        if self._failure is not None or self._is_leaving:
            raise StoppedError(f"the server is not serving: {self._failure or 'it was stopped'}")
        return True

    @property
    def requires_token(self) -> bool:
        """Whether requests need a token."""
        return self._authentication.required

    @property
    def admin_token(self) -> str | None:
        """The operator's token, where this server made it; of earlier ones only hashes are kept."""
        return self._admin_token

    def token(self) -> str:
        """Return a token that this server accepts.

        The operator's where this server made it and it was not replaced; else one that is made now, kept in memory
        alone, and good until the server stops.
        """
        with self._lock:
            admin = self._admin_token
            if admin is not None and self._authentication.admits(admin.encode()):
                return admin
            if self._session_token is None:
                self._session_token = self._authentication.new_session_token()
            return self._session_token

    def close_door(self) -> None:
        """Take no more requests; those that were begun go on. Returns at once."""
        with self._lock:
            self._is_leaving = True
            serving = self._serving
        if serving is not None:
            serving.leave()

    def stop(self, grace_seconds: float = GRACE_SECONDS) -> None:
        """Stop serving: close the door, wait for requests that were begun, then drop those that are left.

        Stopping twice is allowed. A stopped server is not started again; make another.
        """
        self._engine.remove_service(self)
        self.close_door()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return
        deadline = time.monotonic() + grace_seconds
        thread.join(grace_seconds)
        if thread.is_alive() and self._serving is not None:
            self._serving.abandon()
            thread.join()
        if self._serving is not None:
            stuck = self._serving.threads.stop(max(0.1, deadline - time.monotonic()))
            if stuck:
                logger.warning("requests go on after the server stopped: threads=%s", ", ".join(stuck))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _make_admin_token(self) -> None:
        """Make the operator's token at the first start of all."""
        catalog = self._engine.catalog
        if not self.requires_token or ADMIN_TOKEN_NAME in catalog.state.tokens:
            return
        text = new_token_text()
        try:
            catalog.create_token(ADMIN_TOKEN_NAME, token_hash(text.encode()))
        except AlreadyExistsError:  # another server of this engine was faster
            return
        self._admin_token = text

    def _run(self) -> None:
        assert self._listener is not None
        try:
            from procengine.http.serving import Serving

            serving = Serving(self._engine, self._listener, self._authentication)
            with self._lock:
                self._serving = serving
            serving.run(self._on_ready)
        except BaseException as error:
            self._failure = error
            logger.exception("the API stopped serving")
        finally:
            self._listener.close()
            self._ready.set()

    def _on_ready(self) -> None:
        """Say that requests are answered, and leave if that was asked for before. On the loop."""
        self._ready.set()
        if self._is_leaving and self._serving is not None:
            self._serving.leave()
