"""How does a cell's text reach its file without losing a text that somebody else wrote there?

A file may be written by hand, or edited since a cell saved it. Such a text is kept beside the file, under an
ending that no plugin has.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from IPython.core.error import UsageError

NEW = "saved"
"""What became of a file that was not there."""

FORMER = ".former"


@dataclass(frozen=True, slots=True, kw_only=True)
class Saved:
    """What saving a text did: ``change`` in a word or two, ``former`` where the text before it was kept."""

    change: str
    former: Path | None = None

    @property
    def is_unchanged(self) -> bool:
        """Whether the file had the text already."""
        return self.change == "unchanged"


class PluginFiles:
    """The files that one session's plugin cells wrote, and their texts. For the kernel's main thread."""

    def __init__(self) -> None:
        self._written: dict[Path, bytes] = {}

    def save(self, path: Path, code: str) -> Saved:
        """Put a plugin's text into its file, all or nothing; keep a text there that no cell wrote.

        Raises: UsageError when the file cannot be read or written.
        """
        try:
            return self._save(path, code.encode())
        except OSError as error:
            raise UsageError(f"the plugin cannot be saved: {error}") from error

    def take_back(self, path: Path) -> None:
        """Remove a file that a cell has just made, because the cell was refused after all."""
        self._written.pop(path, None)
        path.unlink(missing_ok=True)

    def _save(self, path: Path, data: bytes) -> Saved:
        before = path.read_bytes() if path.exists() else None
        former = None
        if before is not None and before not in (data, self._written.get(path)):
            former = _keep(path, before)
        if before != data:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_name(f".{path.name}.new")
            draft.write_bytes(data)
            draft.replace(path)
        self._written[path] = data
        change = NEW if before is None else "unchanged" if before == data else "saved anew"
        return Saved(change=change, former=former)


def _keep(path: Path, data: bytes) -> Path:
    """Put a file's text beside it, under the first name that is free or has this text already."""
    for number in itertools.count(1):
        kept = path.with_name(f"{path.name}{FORMER}" + (f"-{number}" if number > 1 else ""))
        try:
            with kept.open("xb") as file:
                file.write(data)
        except FileExistsError:
            if not kept.is_file() or kept.read_bytes() != data:
                continue
        return kept
    raise AssertionError("counting does not end")
