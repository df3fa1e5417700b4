"""What became of a plugin cell?"""

from __future__ import annotations

from dataclasses import dataclass

from procengine.model.portability import Note, NoteCode
from procengine_jupyter.render.markup import Html, element, join
from procengine_jupyter.render.phrases import listed
from procengine_jupyter.render.style import card, code, part, soft
from procengine_jupyter.render.view import View

_KEPT = "kept the former text, which no cell of this session wrote:"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredTrigger:
    """A trigger that a plugin cell is for; ``change`` is what the cell did to it, in a word or two.

    ``waits`` says that there is nothing yet for it to run on; empty where there is.
    """

    name: str
    database: str
    spec: str
    change: str
    disabled: bool = False
    waits: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class PluginCard(View):
    """The card of one plugin cell; the notes' line numbers are the cell's.

    ``former`` is where the file's text before it was kept, ``new_database`` the database that the cell made;
    empty where there is none. ``missing_modules`` say what the code imports and what is not installed.
    """

    name: str
    path: str
    change: str
    former: str = ""
    entry_points: tuple[str, ...]
    triggers: tuple[RegisteredTrigger, ...] = ()
    new_database: str = ""
    notes: tuple[Note, ...] = ()
    missing_modules: tuple[str, ...] = ()
    next_step: str = ""

    def html(self) -> Html:
        """Return the card as HTML."""
        return card(
            self.name,
            part(_KEPT, code(self.former)) if self.former else "",
            part("new database", self.new_database) if self.new_database else "",
            *(_trigger_html(trigger) for trigger in self.triggers),
            *(element("div", text, css="pe-part pe-text-warn") for text in self.missing_modules),
            part("try", code(self.next_step)) if self.next_step else "",
            _notes_html(self.notes),
            details=join([self.change, " ", code(self.path), " · ", ", ".join(self.entry_points)]),
            tone="warn" if self.missing_modules else "good",
        )

    def plain(self) -> str:
        """Return the card as text."""
        lines = [f"{self.name}: {self.change} {self.path} · {', '.join(self.entry_points)}"]
        if self.former:
            lines.append(f"  {_KEPT} {self.former}")
        if self.new_database:
            lines.append(f"  new database {self.new_database}")
        lines += [f"  {_trigger_text(trigger)}" for trigger in self.triggers]
        lines += [f"  {text}" for text in self.missing_modules]
        if self.next_step:
            lines.append(f"  try: {self.next_step}")
        lines += [f"  note ({code_.value}){text}" for code_, text in _grouped(self.notes)]
        return "\n".join(lines)


def _trigger_text(trigger: RegisteredTrigger) -> str:
    state = " · disabled" if trigger.disabled else ""
    state += f"\n    {trigger.waits}" if trigger.waits else ""
    return f"trigger {trigger.name} {trigger.change}: {trigger.spec} in {trigger.database}{state}"


def _trigger_html(trigger: RegisteredTrigger) -> Html:
    facts = [
        code(trigger.spec),
        " in ",
        trigger.database,
        soft(" · disabled") if trigger.disabled else "",
        soft(f" · {trigger.waits}") if trigger.waits else "",
    ]
    return part("trigger", trigger.name, " ", soft(trigger.change), " · ", *facts)


def _grouped(notes: tuple[Note, ...]) -> list[tuple[NoteCode, str]]:
    """Return each kind of note once, with its first reason and the other lines that it concerns."""
    grouped: dict[NoteCode, list[Note]] = {}
    for note in notes:
        grouped.setdefault(note.code, []).append(note)
    return [(code_, _note_text(group)) for code_, group in grouped.items()]


def _note_text(notes: list[Note]) -> str:
    first = notes[0]
    others = {note.line_number for note in notes if note.line_number is not None}
    more = sorted(others - {first.line_number})
    place = f", line {first.line_number}" if first.line_number is not None else ""
    also = (
        f" (also {'line' if len(more) == 1 else 'lines'} {listed([str(number) for number in more])})"
        if more
        else ""
    )
    return f"{place}: {first.reason}; {first.remedy}{also}"


def _notes_html(notes: tuple[Note, ...]) -> Html | str:
    if not notes:
        return ""
    items = [
        element("li", element("span", code_.value, css="pe-text-warn"), text)
        for code_, text in _grouped(notes)
    ]
    return element("div", soft("notes"), element("ul", *items), css="pe-part")
