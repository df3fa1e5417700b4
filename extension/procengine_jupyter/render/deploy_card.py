"""How are the plan of a deployment, and what came of it, shown?"""

from __future__ import annotations

from dataclasses import dataclass

from procengine.deploy import Change, Deployed, Item, Plan, plan_text
from procengine.deploy.plan_text import SIGNS, commands, summary
from procengine.model.counted import counted
from procengine_jupyter.render.markup import Html, element, rows
from procengine_jupyter.render.style import card, code, part, soft
from procengine_jupyter.render.view import View

_TONES = {
    Change.NEW: "pe-text-good",
    Change.CHANGED: "pe-text-warn",
    Change.SWITCHED: "pe-text-warn",
    Change.UNKNOWN: "pe-text-bad",
    Change.REMOVED: "pe-text-warn",
    Change.SAME: "pe-soft",
}


@dataclass(frozen=True, slots=True, repr=False)
class PlanCard(View):
    """What a deployment would change, with the doctor's notes and the commands that would do it by hand."""

    plan: Plan

    def html(self) -> Html:
        """Return the card as HTML."""
        plan = self.plan
        body: list[object] = [rows([_cells(item) for item in plan.items])]
        body += [
            element("div", element("span", each, css="pe-text-bad"), css="pe-part")
            for each in plan.problems
        ]
        if plan.notes:
            body.append(element("ul", *(element("li", each) for each in plan.notes)))
        body += [_notes(name, plan) for name, notes in plan.bundle.notes.items() if notes]
        lines = commands(plan)
        if lines:
            shown = element("pre", "\n".join(lines))
            head = element("summary", soft("the same by hand"))
            body.append(element("details", head, shown, css="pe-part"))
        where = f"{plan.bundle.filename} to {plan.url}, {plan.before.product} {plan.before.version}: {summary(plan)}"
        tone = "bad" if plan.problems else "good" if plan.is_empty else "warn"
        return card("deploy", *body, details=where, tone=tone)

    def plain(self) -> str:
        """Return the card as text."""
        return plan_text(self.plan)


@dataclass(frozen=True, slots=True, repr=False)
class DeployedCard(View):
    """What came of a deployment."""

    done: Deployed

    def html(self) -> Html:
        """Return the card as HTML."""
        done = self.done
        body: list[object] = (
            [element("ul", *(element("li", each) for each in done.steps))] if done.steps else []
        )
        body += [part(f"dry run of {one.trigger}", one.said) for one in done.tried]
        if done.beside:
            body.append(part("stays there, used by nothing", ", ".join(done.beside)))
        return card("deployed", *body, details=self._summary(), tone="good")

    def plain(self) -> str:
        """Return the card as text."""
        done = self.done
        lines = [f"deployed: {self._summary()}", *(f"  {each}" for each in done.steps)]
        lines += [f"  dry run of {one.trigger}: {one.said}" for one in done.tried]
        if done.beside:
            lines.append(f"  stays there, used by nothing: {', '.join(done.beside)}")
        return "\n".join(lines)

    def _summary(self) -> str:
        plan = self.done.plan
        what = "all was the same; nothing was done"
        if self.done.steps:
            what = f"{counted(len(self.done.steps), 'step')}, and what is there is what was asked for"
        return f"{plan.bundle.filename} to {plan.url}: {what}"


def _cells(item: Item) -> list[object]:
    tone = _TONES[item.change]
    sign = element("span", f"{SIGNS[item.change]} {item.change.value}", css=tone)
    return [sign, soft(item.kind.value), element("span", code(item.name), " ", soft(item.detail))]


def _notes(name: str, plan: Plan) -> Html:
    lines = [
        element(
            "li",
            soft(f"line {note.line_number} " if note.line_number else ""),
            note.reason,
            element("div", soft(note.remedy)),
        )
        for note in plan.bundle.notes[name]
    ]
    return element("div", soft(f"doctor on {name}"), element("ul", *lines), css="pe-part")
