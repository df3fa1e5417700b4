"""What is wrong with a plugin's manifest or a registry's index, and where?

Source: influxdb3-plugin-schemas/src/error.rs, SchemaError (codes and texts), ReportedError, SchemaErrors.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from procengine.errors import InvalidInputError

Place = tuple[int, int]
"""Line and column, counted from 1; a column counts characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault. ``path`` names the value, as ``plugin.triggers[0]``, or is empty: the whole text.

    ``code`` is the original's name of the fault. ``line`` and ``column`` are None where the text has no place for it.
    """

    path: str
    code: str
    message: str
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        where = "" if self.line is None else f"line {self.line}, column {self.column}: "
        return f"{where}{self.path}{': ' if self.path else ''}{self.message}"


class SchemaFaultsError(InvalidInputError):
    """A text is not what its schema asks for; ``faults`` are all of them, in the text's order of fields."""

    def __init__(self, subject: str, faults: Iterable[Fault]) -> None:
        self.subject = subject
        self.faults: tuple[Fault, ...] = tuple(faults)
        count = len(self.faults)
        if count == 1:
            super().__init__(f"{subject}: {self.faults[0]}")
            return
        lines = "".join(f"\n  {number}. {fault}" for number, fault in enumerate(self.faults, 1))
        super().__init__(f"{subject}: {count} faults:{lines}")


def placed(faults: Iterable[Fault], places: Mapping[str, Place]) -> list[Fault]:
    """Return faults with the places of their values; what is missing is said to be where it would belong."""
    return [_placed(fault, places) for fault in faults]


def _placed(fault: Fault, places: Mapping[str, Place]) -> Fault:
    path = fault.path
    while path and path not in places:
        path = path[: max(path.rfind("."), path.rfind("["), 0)]
    if fault.line is not None or path not in places:
        return fault
    line, column = places[path]
    return replace(fault, line=line, column=column)


def quoted(value: object) -> str:
    """Return a value as the original's texts quote it."""
    return json.dumps(value, ensure_ascii=False)
