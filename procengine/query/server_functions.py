"""Which of DataFusion's functions has a server, and which of them are other ones there?

The original links DataFusion 51, the engine a later one. What came since is taken away, so that a query that runs
here runs on a server; the error is DataFusion's own, with its suggestion. What now fails where it gave NaN gives NaN.
What functions return, where that changed, stands in `server_types`.

Source: influxdb Cargo.toml (datafusion 51.0.0); the lists of functions of both versions, compared.
"""

from __future__ import annotations

from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

LATER_FUNCTIONS: Final = (
    "array_add",
    "array_avg",
    "array_compact",
    "array_normalize",
    "array_product",
    "array_scale",
    "array_subtract",
    "array_sum",
    "arrays_zip",
    "arrow_field",
    "arrow_metadata",
    "arrow_try_cast",
    "cast_to_type",
    "cosine_distance",
    "dot_product",
    "file_row_index",
    "inner_product",
    "input_file_name",
    "list_add",
    "list_avg",
    "list_compact",
    "list_normalize",
    "list_product",
    "list_scale",
    "list_subtract",
    "list_sum",
    "list_zip",
    "make_time",
    "rand",
    "to_time",
    "try_cast_to_type",
    "with_metadata",
)
"""Functions that DataFusion 51 has not; those that a release drops or renames do no harm here."""

LATER_AGGREGATES: Final = ("any_value",)


def follow_the_server(context: Any, library: Any) -> None:
    """Let a context have the functions of the original's DataFusion."""
    for name in LATER_FUNCTIONS:
        context.deregister_udf(name)
    for name in LATER_AGGREGATES:
        context.deregister_udaf(name)
    context.register_udf(library.udf(_sqrt, [pa.float64()], pa.float64(), "immutable", "sqrt"))


def _sqrt(numbers: pa.Array) -> pa.Array:
    """Return square roots, NaN of negative numbers."""
    return pc.sqrt(numbers)
