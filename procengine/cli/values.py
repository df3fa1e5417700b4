"""What does the text of one option's item mean?

Each function takes the text and returns the value, or raises ValueError with the reason.
"""

from __future__ import annotations

from procengine.errors import InvalidInputError
from procengine.model.column import FIELD_TYPES, Column
from procengine.model.duration import SECOND, parse_duration
from procengine.model.node_spec import parse_node_spec


def parse_key_value(text: str) -> tuple[str, str]:
    """Return key and value of ``key=value``; the value may hold further equals signs.

    Source: influxdb3_commands/src/common.rs, SeparatedKeyValue.
    """
    key, equals, value = text.partition("=")
    if not equals:
        raise ValueError('must be formatted as "key=value"')
    return key, value


def parse_field(text: str) -> Column:
    """Return the column of ``name:type``.

    Source: influxdb3_commands/src/common.rs, parse_key_val and DataType.
    """
    name, colon, type_name = text.partition(":")
    if not colon:
        raise ValueError(f"invalid FIELD:VALUE. No `:` found in `{text}`")
    if type_name not in FIELD_TYPES:
        raise ValueError(
            f"{type_name} is not a valid data type, values are int64, uint64, float64, utf8, and bool"
        )
    return Column(name, FIELD_TYPES[type_name])


def parse_count(text: str) -> int:
    """Return a count of zero or more."""
    if not text.isascii() or not text.isdigit():
        raise ValueError("expected a whole number of 0 or more")
    return int(text)


def parse_positive_count(text: str) -> int:
    """Return a count of one or more."""
    count = parse_count(text)
    if count == 0:
        raise ValueError("value must be at least 1")
    return count


def parse_seconds(text: str) -> int:
    """Return the whole seconds of a span of time such as ``1min 30sec``."""
    try:
        return parse_duration(text) // SECOND
    except InvalidInputError as error:
        raise ValueError(str(error)) from error


def parse_period_ns(text: str) -> int:
    """Return a retention period, nanoseconds; 0 for ``none``, which is for ever."""
    if text.lower() == "none":
        return 0
    try:
        period_ns = parse_duration(text)
    except InvalidInputError as error:
        raise ValueError(str(error)) from error
    if period_ns == 0:
        raise ValueError("nothing would be kept; accepted: a span such as 30d, or none")
    return period_ns


def parse_nodes(text: str) -> str:
    """Return the nodes of a cluster, ``all`` or ``nodes:<NODE>[,<NODE>]``, in the form that is kept."""
    try:
        return parse_node_spec(text)
    except InvalidInputError as error:
        raise ValueError(str(error)) from error


def parse_flag(text: str) -> bool:
    """Return what a variable that stands in for a flag says."""
    if text.lower() in {"true", "1", "yes", "on"}:
        return True
    if text.lower() in {"", "false", "0", "no", "off"}:
        return False
    raise ValueError("expected true or false")
