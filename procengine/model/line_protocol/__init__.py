"""What rows does a body of line protocol hold?"""

from procengine.model.line_protocol.general_reader import read_general
from procengine.model.line_protocol.reading import read_lines

__all__ = ["read_general", "read_lines"]
