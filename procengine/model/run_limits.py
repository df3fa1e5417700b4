"""What may one run of a plugin take?

Differs: the original has no limits on plugins, though its reference page promises them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace

from procengine.errors import InvalidInputError
from procengine.model.byte_size import format_bytes, parse_bytes
from procengine.model.duration import SECOND, format_duration, parse_duration

FOREVER_NS = 366 * 86_400 * SECOND
"""The longest time that a limit can be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLimits:
    """The limits of a trigger's runs; what is None is not limited here.

    ``wall_ns`` is how long a run may take, ``cpu_ns`` how much CPU time the run's own thread may use (threads that
    a plugin starts are not counted), both in nanoseconds. ``memory_bytes`` is by how much the process, or Arrow's
    pool, may grow while it runs; such a run has the engine's plugins to itself. ``runs`` is how many runs of an
    asynchronous trigger may go on at a time.

    Raises: InvalidInputError for a limit that is not above 0, or a time of more than a year.
    """

    wall_ns: int | None = None
    cpu_ns: int | None = None
    memory_bytes: int | None = None
    runs: int | None = None

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if value is not None and (type(value) is not int or value < 1):
                raise InvalidInputError(
                    f"limit {limit.name} cannot be {value!r}; expected a whole number above 0"
                )
            if value is not None and limit.name.endswith("_ns") and value > FOREVER_NS:
                raise InvalidInputError(f"limit {limit.name} cannot be more than a year")

    @property
    def is_watched(self) -> bool:
        """Whether a run has to be watched while it goes on."""
        return not (self.wall_ns is None and self.cpu_ns is None and self.memory_bytes is None)

    def over(self, defaults: RunLimits) -> RunLimits:
        """Return these limits, with those of ``defaults`` where they say nothing."""
        missing = [one.name for one in fields(self) if getattr(self, one.name) is None]
        given = {name: limit for name in missing if (limit := getattr(defaults, name)) is not None}
        return replace(self, **given) if given else self

    def __str__(self) -> str:
        """Return the limits as they are written: ``wall=5s memory=200 MB``; empty without any."""
        said = [
            (name, show(getattr(self, field)))
            for name, (field, _, show) in _NAMES.items()
            if getattr(self, field) is not None
        ]
        return " ".join(f"{name}={text}" for name, text in said)


def parse_limits(texts: Iterable[str]) -> RunLimits:
    """Return the limits that texts such as ``wall=5s`` and ``memory=200MB`` say; the last of a kind holds.

    Raises: InvalidInputError.
    """
    values: dict[str, int] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or name not in _NAMES:
            raise InvalidInputError(
                f"cannot read {text!r} as a limit; expected wall=DURATION, cpu=DURATION, memory=SIZE or runs=NUMBER"
            )
        field, parse, _ = _NAMES[name]
        try:
            values[field] = parse(value)
        except InvalidInputError as error:
            raise InvalidInputError(f"cannot read {text!r} as a limit: {error}") from error
    return RunLimits(**values)


def _whole(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise InvalidInputError(f"expected a whole number, got {text!r}")
    return int(text)


_NAMES: dict[str, tuple[str, Callable[[str], int], Callable[[int], str]]] = {
    "wall": ("wall_ns", parse_duration, format_duration),
    "cpu": ("cpu_ns", parse_duration, format_duration),
    "memory": ("memory_bytes", parse_bytes, format_bytes),
    "runs": ("runs", _whole, str),
}
"""What each limit is called where it is written, its field, and how it is read and shown."""

LIMIT_NAMES = tuple(_NAMES)
