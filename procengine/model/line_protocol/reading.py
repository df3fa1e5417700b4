"""Which reader takes which part of a body?"""

from __future__ import annotations

from procengine.model.line_group import ParsedLines
from procengine.model.line_protocol.general_reader import read_general
from procengine.model.precision import Precision


def read_lines(
    data: bytes | str, *, precision: Precision = Precision.AUTO, default_time_ns: int
) -> ParsedLines:
    """Read a body of line protocol.

    ``default_time_ns`` (nanoseconds UTC) is the time of lines without a timestamp, truncated to an
    explicit precision. Bad lines become errors and never an exception.
    """
    return read_general(data, precision=precision, default_time_ns=default_time_ns)
