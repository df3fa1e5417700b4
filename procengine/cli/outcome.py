"""What does a command need from around it, and what does it give back?"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from procengine.errors import InvalidInputError


@dataclass(frozen=True, slots=True)
class CommandOutput:
    """What a command prints: ``text`` to standard output, ``report`` to standard error."""

    text: str
    report: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a command finds around it.

    ``folder`` is where relative paths begin, ``stdin`` the text piped to the command or None,
    ``ask`` shows a question and returns the answer.
    """

    folder: Path
    ask: Callable[[str], str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: str | None = None

    def read_file(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises: InvalidInputError when it cannot be read.
        """
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise InvalidInputError(f"error reading file: {name!r}: {error.strerror}") from error

    def confirm(self, question: str, *, said_yes: bool) -> None:
        """Go on only with the user's consent.

        Raises: InvalidInputError without it, and where nobody can be asked.

        Source: influxdb3/src/commands/delete.rs, confirm_delete.
        """
        if said_yes:
            return
        try:
            answer = self.ask(f"{question}? Enter 'yes' or 'y' to confirm").strip().lower()
        except (EOFError, OSError, NotImplementedError) as error:  # the kernel's own error is the last
            raise InvalidInputError(
                "nobody can be asked for confirmation here: add --yes to delete without asking"
            ) from error
        if answer not in {"yes", "y"}:
            raise InvalidInputError("Cannot proceed without confirmation")
