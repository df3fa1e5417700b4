"""Where in a cluster is a trigger or a cache to be?

Enterprise's question; Core passes it over.

Source: docs-v2, influxdb3-cli/create (``--node-spec``) and openapi, ApiNodeSpec, which has it in other fields.
Differs: Enterprise answers 500 ``invalid node name`` to a node that its cluster does not have; see
    `procengine.model.node_spec`.
"""

from __future__ import annotations

from procengine.http.serde import JsonObject, described, json_fault
from procengine.model.node_spec import ALL_NODES, parse_node_spec, spec_of_nodes


def read_node_spec(said: JsonObject) -> str:
    """Return the field ``node_spec`` of a body as it is kept; all nodes where it is left out.

    Raises:
        HttpError: it is of another type (400).
        InvalidInputError: it has no node's name, or one that cannot be.
    """
    spec = said.fields.get("node_spec")
    match spec:
        case None | "all":
            return ALL_NODES
        case {"nodes": list(names)} if all(isinstance(name, str) for name in names):
            return parse_node_spec(spec_of_nodes(names))
        case {"node_id": str(name)}:
            return parse_node_spec(spec_of_nodes([name]))
        case dict() if "nodes" not in spec:
            return ALL_NODES
        case _:
            raise json_fault(f"invalid type: {described(spec)}, expected `all` or a map with `nodes`")
