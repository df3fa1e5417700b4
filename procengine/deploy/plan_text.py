"""How does a plan read?"""

from __future__ import annotations

from procengine.deploy.plan import Change, Item, Plan
from procengine.model.counted import counted

SIGNS = {
    Change.NEW: "+",
    Change.CHANGED: "~",
    Change.SWITCHED: "~",
    Change.UNKNOWN: "!",
    Change.REMOVED: "-",
    Change.SAME: "=",
}


def plan_text(plan: Plan) -> str:
    """Return a plan as lines: what becomes of each thing, the notes, and the commands that would do it."""
    lines = [
        f"deploy {plan.bundle.filename} to {plan.url} ({plan.before.product} {plan.before.version}): {summary(plan)}"
    ]
    lines += [f"  {_line(item)}" for item in plan.items]
    lines += [f"  problem: {each}" for each in plan.problems]
    lines += [f"  note: {each}" for each in plan.notes]
    for name, notes in plan.bundle.notes.items():
        for note in notes:
            place = f"{name}:{note.line_number}" if note.line_number else name
            lines.append(f"  doctor: {place}: {note.reason}; {note.remedy}")
    by_hand = commands(plan)
    if by_hand:
        lines += ["by hand:", *(f"  {line}" for line in by_hand)]
    return "\n".join(lines)


def commands(plan: Plan) -> list[str]:
    """Return the lines of `influxdb3` that would do the same, but for trying it and putting it back."""
    return list(dict.fromkeys(line for item in plan.items for line in item.commands))


def summary(plan: Plan) -> str:
    """Return in a few words what a plan would do."""
    if plan.problems:
        return f"cannot be deployed: {counted(len(plan.problems), 'problem')}"
    if plan.is_empty:
        return "all is the same"
    changed = sum(item.change is not Change.SAME for item in plan.items)
    same = len(plan.items) - changed
    return f"{counted(changed, 'change')}, {same} the same" if same else counted(changed, "change")


def _line(item: Item) -> str:
    detail = f" ({item.detail})" if item.detail else ""
    return f"{SIGNS[item.change]} {item.kind.value} {item.name}: {item.change.value}{detail}"
