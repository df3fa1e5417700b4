"""Where in a cluster is a trigger or a cache to be?

Enterprise's question; Core passes it over. There is one node here, so what names it, or all, is accepted.

Source: docs-v2, influxdb3-cli/create (``--node-spec``) and openapi, ApiNodeSpec, which has it in other fields;
    influxdb3_catalog/src/error.rs, InvalidNodeName.
"""

from __future__ import annotations

from procengine.http.failures import HttpError
from procengine.http.serde import JsonObject, described, json_fault


def check_node_spec(said: JsonObject, node_id: str) -> None:
    """Accept the field ``node_spec`` of a body, if it is there, as long as it means this node.

    Raises: HttpError: it is of another type (400), or names a node that there is not (500).
    """
    spec = said.fields.get("node_spec")
    match spec:
        case None | "all":
            nodes: list[object] = []
        case {"nodes": list(nodes)}:
            pass
        case dict():
            nodes = [spec["node_id"]] if spec.get("node_id") is not None else []
        case _:
            raise json_fault(f"invalid type: {described(spec)}, expected `all` or a map with `nodes`")
    for node in nodes:
        if node != node_id:
            raise HttpError(500, f"invalid node name ({node})")
