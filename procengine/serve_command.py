"""How does an engine serve from a terminal, and end?

In the foreground, until a signal: the first ends it cleanly, a second at once. The main thread does nothing but
wait for it.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

from procengine import __version__
from procengine.errors import ConfigError
from procengine.option_values import NO_SERVER

SYSTEM_CONFIG_FILE = Path("/etc/influxdb3/influxdb3-enterprise.conf")
"""The options of a system package's service."""

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def system_config_file() -> str | None:
    """Return the system's file of options, None where there is none."""
    return str(SYSTEM_CONFIG_FILE) if SYSTEM_CONFIG_FILE.exists() else None


def serve(
    options: Mapping[str, Any],
    environment: Mapping[str, str],
    tell: Callable[[str], None],
    *,
    config_file: str | None,
) -> None:
    """Serve an engine until a signal comes. On the main thread.

    Raises:
        ConfigError: an option cannot be what it is said to be.
        AddressInUseError: the port is taken; the text names it.
        ProcengineError: the engine cannot be started.
    """
    with heeded_signals() as wait_for_signal:
        # Imported when the signals are heeded: the imports take most of the start.
        from procengine.engine import Engine
        from procengine.http import Server

        with ExitStack() as started:
            engine = started.enter_context(
                Engine(environ=environment, config_file=config_file, **options)
            )
            if engine.config.http_bind == NO_SERVER:
                raise ConfigError(
                    f"option http_bind cannot be {NO_SERVER!r} of an engine that is to serve"
                )
            server = started.enter_context(Server(engine))
            server.wait_ready()
            config = engine.config
            passed_over = engine.loaded_config.passed_over
            tell(f"procengine {__version__} serves {server.url}")
            tell(f"  data     {config.data_dir or 'in memory: nothing survives this process'}")
            tell(f"  plugins  {config.plugin_dir or 'off; --plugin-dir turns them on'}")
            if config_file is not None:
                tell(f"  options  of {config_file}")
            if passed_over:
                tell(f"           without {', '.join(passed_over)}: of InfluxDB 3, and no options here")
            if server.admin_token is not None:
                tell(_told_of_token(server.admin_token))
            wait_for_signal()
            tell("stopping; a second signal ends at once")
    tell("stopped")


def _told_of_token(token: str) -> str:
    return (
        f"\nAdmin token, shown this once: {token}\n"
        "Store it securely; commands take it by --token, or from the environment:\n"
        f"  export INFLUXDB3_AUTH_TOKEN={token}\n"
    )


@contextmanager
def heeded_signals() -> Iterator[Callable[[], None]]:
    """Heed the signals within the block; give what waits until one has come. The second does what it does by default.

    A pipe tells of the signal: a handler may not take a lock, which the thread that it interrupts may hold.
    """
    reading, writing = os.pipe()

    def note(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        os.write(writing, b"!")

    def wait() -> None:
        os.read(reading, 1)

    before = {each: signal.signal(each, note) for each in SIGNALS}
    try:
        yield wait
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
        os.close(reading)
        os.close(writing)
