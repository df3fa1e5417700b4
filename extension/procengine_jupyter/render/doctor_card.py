"""How are the notes on saved plugins shown?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from procengine.model.counted import counted
from procengine.model.portability import Note
from procengine_jupyter.render.markup import Html, element, rows
from procengine_jupyter.render.style import card, code, soft
from procengine_jupyter.render.view import View


@dataclass(frozen=True, slots=True)
class Examined:
    """The notes on one file; ``label`` is the cell whose lines they count, empty for the file's own.

    ``unread`` says why the file has none, where it could not be read.
    """

    name: str
    label: str = ""
    notes: tuple[Note, ...] = ()
    unread: str = ""


def brief(files: Sequence[Examined], plugin: str) -> str:
    """Return the codes of all notes with their lines, and what tells more, on one line; empty without notes."""
    by_code: dict[str, list[str]] = {}
    for file in files:
        for note in file.notes:
            lines = by_code.setdefault(note.code.value, [])
            if note.line_number is not None:
                lines.append(str(note.line_number))
    said = [
        f"{code_} (line {', '.join(dict.fromkeys(lines))})" if lines else code_
        for code_, lines in by_code.items()
    ]
    return f"{', '.join(said)}; %procengine doctor {plugin} tells more" if said else ""


@dataclass(frozen=True, slots=True, repr=False)
class DoctorCard(View):
    """All notes on some plugins, file by file."""

    files: tuple[Examined, ...]

    def html(self) -> Html:
        """Return the card as HTML."""
        has_notes = any(file.notes or file.unread for file in self.files)
        body = [_file_html(file) for file in self.files if file.notes or file.unread]
        if clean := self._clean():
            body.append(element("div", soft(clean), css="pe-part"))
        return card("doctor", *body, details=self._summary(), tone="warn" if has_notes else "good")

    def plain(self) -> str:
        """Return the card as text."""
        lines = [f"doctor: {self._summary()}"]
        for file in self.files:
            if not (file.notes or file.unread):
                continue
            lines.append(f"  {_head(file)}")
            lines += [
                f"    {_line(note)}{note.code.value}: {note.reason}; {note.remedy}"
                for note in file.notes
            ]
        if clean := self._clean():
            lines.append(f"  {clean}")
        return "\n".join(lines)

    def _clean(self) -> str:
        """Return the files without notes, as one line; empty where each has some."""
        names = [_place(file) for file in self.files if not (file.notes or file.unread)]
        return f"{', '.join(names)}: nothing to note" if names else ""

    def _summary(self) -> str:
        number = sum(len(file.notes) for file in self.files)
        return f"{counted(number, 'note')} on {counted(len(self.files), 'file')}"


def _head(file: Examined) -> str:
    return f"{_place(file)}: {file.unread}" if file.unread else _place(file)


def _place(file: Examined) -> str:
    return f"{file.name} ({file.label})" if file.label else file.name


def _line(note: Note) -> str:
    return f"line {note.line_number}, " if note.line_number is not None else ""


def _file_html(file: Examined) -> Html:
    cells: list[list[object]] = [
        [
            soft(f"line {note.line_number}" if note.line_number is not None else ""),
            code(note.code.value),
            element("div", note.reason, element("div", note.remedy, css="pe-soft")),
        ]
        for note in file.notes
    ]
    return element("div", _head(file), rows(cells) if cells else "", css="pe-part")
