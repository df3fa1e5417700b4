"""On which nodes of a cluster is a trigger or a cache to be?

Texts have the command line's form, ``all`` or ``nodes:<NODE>[,<NODE>]``. Definitions keep them, so that what is
tried here goes to a cluster as it is; a node leaves alone what is not meant for it.

Source: influxdb3_catalog/src/catalog/versions/v3/catalog.rs, ApiNodeSpec, matches_node_spec.
Differs: Enterprise refuses names of nodes that its cluster does not have; here there is no cluster to ask, and they
are kept. Core keeps ``all`` whatever is said.
"""

from __future__ import annotations

from collections.abc import Iterable

from procengine.errors import InvalidInputError

ALL_NODES = "all"
_PREFIX = "nodes:"


def parse_node_spec(text: object) -> str:
    """Return a node specification in the form that is kept; nodes that are named twice are named once.

    Raises: InvalidInputError: the text is none.
    """
    if isinstance(text, str) and text.strip() == ALL_NODES:
        return ALL_NODES
    if isinstance(text, str) and text.startswith(_PREFIX):
        names = [name.strip() for name in text.removeprefix(_PREFIX).split(",")]
        if all(names):
            return spec_of_nodes(names)
    raise InvalidInputError(f"node spec cannot be {text!r}; accepted: all, or nodes:<NODE>[,<NODE>]")


def spec_of_nodes(names: Iterable[str]) -> str:
    """Return the specification that names these nodes."""
    return _PREFIX + ",".join(dict.fromkeys(names))


def nodes_of(spec: str) -> tuple[str, ...] | None:
    """Return the nodes that a specification names, None: all."""
    return None if spec == ALL_NODES else tuple(spec.removeprefix(_PREFIX).split(","))


def is_for_node(spec: str, node_id: str) -> bool:
    """Tell whether a specification means this node."""
    nodes = nodes_of(spec)
    return nodes is None or node_id in nodes


def elsewhere(spec: str, node_id: str) -> str:
    """Return the sentence that says why something is not on this node."""
    return f"meant for {spec}; this is node {node_id}"
