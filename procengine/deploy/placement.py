"""On which nodes of a cluster is a trigger to run, and what is amiss where it is placed?

Each node that a node specification means runs the trigger by itself: a schedule on all nodes fires once for each.
A write trigger sees the writes of its own node alone, a request's route is on its own nodes alone.

Source: docs-v2, admin/processing-engine-cluster (Enterprise): which kind of trigger goes to which mode.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from procengine.deploy.bundle import Bundle
from procengine.deploy.server_state import Node
from procengine.model.node_spec import nodes_of, spec_of_nodes
from procengine.model.trigger import Trigger, TriggerKind
from procengine.model.trigger_spec import parse_trigger_spec

AUTO = "auto"
"""Stands for the nodes that `placed` finds."""

_NEEDED = {
    TriggerKind.WRITE: frozenset({"ingest"}),
    TriggerKind.SCHEDULE: frozenset({"process", "query"}),
    TriggerKind.REQUEST: frozenset({"query"}),
}


def placed(bundle: Bundle, nodes: Sequence[Node]) -> Bundle:
    """Return a bundle with its triggers where their kinds belong; as it is where there is one node, or none fits.

    Write triggers go to all nodes that take writes, schedules to the first that processes and queries, requests to
    all that answer queries.
    """
    if len(nodes) < 2:
        return bundle
    return replace(bundle, triggers=tuple(_placed(one, nodes) for one in bundle.triggers))


def _placed(trigger: Trigger, nodes: Sequence[Node]) -> Trigger:
    kind = parse_trigger_spec(trigger.spec).kind
    fit = sorted(node.name for node in nodes if _serves(node, kind))
    if not fit:
        return trigger
    return replace(trigger, node_spec=spec_of_nodes(fit[:1] if kind is TriggerKind.SCHEDULE else fit))


def misplaced(bundle: Bundle, nodes: Sequence[Node]) -> Iterator[str]:
    """Yield what a node specification names that a cluster does not have."""
    known = {node.name for node in nodes}
    for one in (*bundle.triggers, *bundle.caches):
        for name in nodes_of(one.node_spec) or ():
            if known and name not in known:
                yield (
                    f"{one.name!r} is for node {name!r}, which the cluster does not have; there are: "
                    f"{', '.join(sorted(known))}"
                )


def placement_notes(bundle: Bundle, nodes: Sequence[Node]) -> Iterator[str]:
    """Yield what to think of before a bundle runs on several nodes."""
    if len(nodes) < 2:
        return
    yield (
        f"the cluster has {len(nodes)} nodes, each with a plugin directory of its own: files and packages go to the "
        "node at this address, and to others by deploying to theirs"
    )
    for trigger in bundle.triggers:
        yield from _notes(trigger, nodes)


def _notes(trigger: Trigger, nodes: Sequence[Node]) -> Iterator[str]:
    kind = parse_trigger_spec(trigger.spec).kind
    named = nodes_of(trigger.node_spec)
    if named is None and kind is TriggerKind.SCHEDULE:
        yield f"{trigger.name!r} will run once on each node at each time; --node-spec auto puts it on one"
    if named is None and kind is TriggerKind.REQUEST:
        yield f"{trigger.name!r} is to have a route on every node; --node-spec auto leaves it to those that query"
    if named is not None and kind is TriggerKind.WRITE:
        others = sorted(n.name for n in nodes if _serves(n, kind) and n.name not in named)
        if others:
            yield f"{trigger.name!r} will not see what is written to {', '.join(others)}"
    for node in nodes:
        missing = _NEEDED[kind] - node.modes
        if named is not None and node.name in named and missing and "all" not in node.modes:
            yield f"{trigger.name!r} is for node {node.name!r}, which has no mode {' and '.join(sorted(missing))}"


def _serves(node: Node, kind: TriggerKind) -> bool:
    return "all" in node.modes or node.modes >= _NEEDED[kind]
