"""What does a command need from around it, and what does it give back?"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from procengine.errors import InvalidInputError


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandOutput:
    """What a command prints to the standard output, in pieces as they are found: they are read once.

    Reading them may raise what the command may raise. Text is printed with a line end after it, what
    ``is_binary`` as it is.
    """

    pieces: Iterable[bytes] = ()
    is_binary: bool = False

    @classmethod
    def of(cls, text: str) -> CommandOutput:
        """Return an output that is a text."""
        return cls(pieces=(text.encode("utf-8", "surrogateescape"),))

    @property
    def text(self) -> str:
        """The whole output."""
        return b"".join(self.pieces).decode("utf-8", "replace")


def _unheard(text: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What a command finds around it.

    ``folder`` is where relative paths begin, ``stdin`` what is piped to the command or None, ``ask`` shows a
    question and returns the answer, ``tell`` shows a line beside the output, as one of progress.
    ``is_terminal``: a person reads the output.
    """

    folder: Path
    ask: Callable[[str], str]
    environment: Mapping[str, str] = field(default_factory=dict)
    stdin: BinaryIO | None = None
    tell: Callable[[str], None] = _unheard
    is_terminal: bool = True

    def open_input(self, text: str | None, file: str | None, missing: str) -> BinaryIO:
        """Open what a command works on: said on the line, in a file, or piped.

        Raises: InvalidInputError: it cannot be read, or there is none of the three; the text is ``missing``.
        """
        if text is not None:
            return io.BytesIO(text.encode("utf-8", "surrogateescape"))
        if file is not None:
            try:
                return (self.folder / file).open("rb")
            except OSError as error:
                raise _unreadable(file, error) from error
        if self.stdin is not None:
            return self.stdin
        raise InvalidInputError(missing)

    def read_file(self, name: str) -> bytes:
        """Return a file's bytes.

        Raises: InvalidInputError when it cannot be read.
        """
        try:
            return (self.folder / name).read_bytes()
        except OSError as error:
            raise _unreadable(name, error) from error

    def write_file(self, name: str, pieces: Iterable[bytes]) -> None:
        """Make a file hold some pieces.

        Raises: InvalidInputError when it cannot be written; what reading the pieces raises.
        """
        try:
            with (self.folder / name).open("wb") as file:
                for piece in pieces:
                    file.write(piece)
        except OSError as error:
            raise InvalidInputError(f"io error: {name!r}: {error.strerror}") from error

    def confirm(self, question: str, *, said_yes: bool) -> None:
        """Go on with a deletion only with the user's consent.

        Raises: InvalidInputError without it, and where nobody can be asked.

        Source: influxdb3/src/commands/delete.rs, confirm_delete.
        """
        if said_yes:
            return
        answer = self.answer(
            f"{question}? Enter 'yes' or 'y' to confirm", "add --yes to go on without asking"
        )
        if answer.strip().lower() not in {"yes", "y"}:
            raise InvalidInputError("Cannot proceed without confirmation")

    def answer(self, question: str, instead: str) -> str:
        """Return the user's answer.

        Raises: InvalidInputError where nobody can be asked; it names what to do ``instead``.
        """
        try:
            return self.ask(question)
        except (EOFError, OSError, NotImplementedError) as error:  # the kernel's own error is the last
            raise InvalidInputError(f"nobody can be asked for confirmation here: {instead}") from error


def _unreadable(name: str, error: OSError) -> InvalidInputError:
    return InvalidInputError(f"error reading file: {name!r}: {error.strerror}")
