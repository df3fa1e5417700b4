"""Which values does an option take, and what is said of others?

Each ``read_x`` returns the value of an option as the configuration keeps it, from a Python value or from text, or
raises ValueError, whose text says what is accepted; the configuration adds which option it was and where.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from pathlib import Path

from procengine.clock import NANOSECONDS_PER_SECOND
from procengine.errors import InvalidInputError
from procengine.model.byte_size import parse_bytes
from procengine.model.duration import parse_duration

SHORTEST_INTERVAL_SECONDS = 0.001
GEN1_DURATIONS = (60.0, 300.0, 600.0)
NO_SERVER = "off"


def read_text(value: object) -> str:
    """Accept text that is not empty."""
    if not isinstance(value, str):
        raise ValueError("expected text")
    if not value:
        raise ValueError("expected text that is not empty")
    return value


def read_folder(value: object) -> Path:
    """Accept the path of a folder and return it absolute; an empty one is none."""
    if not isinstance(value, str | Path):
        raise ValueError("expected the path of a folder")
    if str(value) in ("", "."):
        raise ValueError("an empty path is not a folder; leave the option unset instead")
    return Path(value).expanduser().absolute()


def read_plugin_dir(value: object) -> Path:
    """Accept the folder of the plugins; an empty text is told how to leave the option out."""
    if value == "":
        raise ValueError(
            "an empty string does not disable the processing engine; unset the variable INFLUXDB3_PLUGIN_DIR, or "
            "remove or comment out the line plugin-dir in the configuration file, or leave the option out"
        )
    return read_folder(value)


def read_repository(value: object) -> str:
    """Accept where plugins are fetched from: an address of HTTP, or a folder, whose path is made absolute."""
    text = read_text(str(value) if isinstance(value, Path) else value)
    scheme, colons, rest = text.partition("://")
    if not colons:
        return str(Path(text).expanduser().absolute())
    if scheme not in {"http", "https", "file"} or not rest:
        raise ValueError("expected an address such as 'https://host/plugins/', or a folder")
    return text


def read_seconds(value: object) -> float:
    """Accept a duration as text or a number of seconds, up to a year."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError("expected a duration such as '10ms' or '1s', or a number of seconds")
    seconds = _duration_seconds(value) if isinstance(value, str) else float(value)
    if not 0 <= seconds <= 86_400 * 366:
        raise ValueError("expected a duration between 0 and one year")
    return seconds


def read_interval(value: object) -> float:
    """Accept a duration, in seconds, that is no shorter than the shortest interval."""
    seconds = read_seconds(value)
    if seconds < SHORTEST_INTERVAL_SECONDS:
        raise ValueError("expected a duration of at least 1ms")
    return seconds


def _duration_seconds(text: str) -> float:
    try:
        return parse_duration(text) / NANOSECONDS_PER_SECOND
    except InvalidInputError as error:
        raise ValueError(f"expected a duration such as '10ms' or '1s'; {error}") from error


def read_gen1_duration(value: object) -> float:
    """Accept a time that a chunk of the buffer may span, in seconds."""
    seconds = read_seconds(value)
    if seconds not in GEN1_DURATIONS:
        raise ValueError("expected one of 1m, 5m, 10m")
    return seconds


def read_http_bind(value: object) -> str:
    """Accept an address of this machine's loopback interface and a port, or that there is to be no server."""
    if not isinstance(value, str):
        raise ValueError("expected an address and a port such as '127.0.0.1:8181'")
    if value == NO_SERVER:
        return value
    host, colon, port = value.rpartition(":")
    if not colon or not port.isascii() or not port.isdigit() or int(port) > 65_535:
        raise ValueError(
            "expected an address and a port such as '127.0.0.1:8181' (port 0 takes any that is free), "
            f"or {NO_SERVER!r}"
        )
    if not _is_loopback(host.removeprefix("[").removesuffix("]")):
        raise ValueError(
            "the API runs code, so it listens on loopback only: expected 127.0.0.1, [::1] or localhost"
        )
    return value


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def read_count(value: object) -> int:
    """Accept a whole number from 1."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("expected a whole number")
    try:
        number = int(value)
    except ValueError as error:
        raise ValueError("expected a whole number") from error
    if number < 1:
        raise ValueError("expected a number of at least 1")
    return number


def read_limit_seconds(value: object) -> float:
    """Accept a duration, in seconds, that limits something: more than 0."""
    seconds = read_seconds(value)
    if not seconds:
        raise ValueError("expected more than 0; leave the option unset for no limit")
    return seconds


def read_size_bytes(value: object) -> int:
    """Accept a size as text or a number of bytes, at least 1."""
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("expected a size such as '200MB', or a number of bytes")
    try:
        size = parse_bytes(value) if isinstance(value, str) else value
    except InvalidInputError as error:
        raise ValueError(str(error)) from error
    if size < 1:
        raise ValueError("expected a size of at least 1 byte")
    return size


def read_flag(value: object) -> bool:
    """Accept a boolean, or a word for one."""
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in ("true", "1", "yes", "on"):
        return True
    if isinstance(value, str) and value.lower() in ("false", "0", "no", "off"):
        return False
    raise ValueError("expected true or false")


def read_memory(value: object) -> str:
    """Keep a size as text: a number of bytes or a percentage of the machine's memory."""
    text = str(value)
    number, percent = text.removesuffix("%"), text.endswith("%")
    try:
        amount = float(number) if percent else int(number)
    except ValueError as error:
        raise ValueError("expected a number of bytes, or a percentage such as '20%'") from error
    if isinstance(value, bool) or amount <= 0 or (percent and amount > 100):
        raise ValueError("expected a number of bytes, or a percentage such as '20%'")
    return text


def one_of(choices: tuple[str, ...]) -> Callable[[object], str]:
    """Return the reader that accepts one of these words."""

    def parse(value: object) -> str:
        if not isinstance(value, str) or value not in choices:
            raise ValueError(f"expected one of {', '.join(choices)}")
        return value

    return parse


def some_of(choices: tuple[str, ...]) -> Callable[[object], tuple[str, ...]]:
    """Return the reader that accepts some of these words, a list or a text with commas; each is kept once."""
    one = one_of(choices)

    def parse(value: object) -> tuple[str, ...]:
        parts = value.split(",") if isinstance(value, str) else value
        if not isinstance(parts, list | tuple):
            raise ValueError(f"expected a list of {', '.join(choices)}")
        found = tuple(one(part.strip() if isinstance(part, str) else part) for part in parts)
        return tuple(dict.fromkeys(found))

    return parse
